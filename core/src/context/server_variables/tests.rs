use std::sync::Arc;
use std::task::{self, Poll};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Request};
use proptest::prelude::*;

use super::*;
use crate::{
    Application, ClientCertificate, Completion, CompletionStatus, Connection, Host, Outgoing, Pipeline,
};

fn parts(build: impl FnOnce(http::request::Builder) -> http::request::Builder) -> Parts {
    build(Request::builder()).body(()).expect("a valid request").into_parts().0
}

fn get(url: &str) -> Parts {
    parts(|request| request.uri(url))
}

fn with_headers(headers: &[(&str, &str)]) -> Box<Context> {
    context(parts(|request| {
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
    }))
}

/// Nothing is known but the request.
fn context(request: Parts) -> Box<Context> {
    context_in(Application::default(), request, Connection::default())
}

fn context_in(application: Application, request: Parts, connection: Connection) -> Box<Context> {
    let pipeline = Pipeline::builder().application(application).build().expect("an empty pipeline");
    Context::new(&pipeline, Box::new(Nowhere), request, Arc::new(connection))
}

/// A host that is never asked: variables need no I/O.
struct Nowhere;

impl Host for Nowhere {
    fn start_send(&mut self, _: Outgoing<'_>) {}
    fn poll_send(&mut self, _: &mut task::Context<'_>) -> Poll<Completion> {
        Poll::Pending
    }
    fn start_read(&mut self, _: usize) {}
    fn poll_read(&mut self, _: &mut task::Context<'_>) -> Poll<Result<Bytes, CompletionStatus>> {
        Poll::Pending
    }
    fn reset(&mut self) {}
}

/// The request of the examples in the table.
fn documented() -> Box<Context> {
    let connection = Connection::builder()
        .remote_addr("203.0.113.7:50123".parse().expect("an address"))
        .local_addr("192.0.2.10:443".parse().expect("an address"))
        .secure(true)
        .client_certificate(ClientCertificate::new(&b"0"[..]).with_names("CN=ada", "CN=Example CA", "0a-1b"))
        .build();
    let request = parts(|request| {
        request
            .method("POST")
            .uri("/shop/list%20all?sort=name")
            .header("host", "example.com")
            .header("content-type", "text/plain")
            .header("content-length", "12")
    });
    let mut cx =
        context_in(Application::builder().url_path("/shop").root("/srv/shop").build(), request, connection);
    cx.set_user(User::new("ada", "Basic"));
    cx
}

fn value(cx: &Context, name: &str) -> Option<String> {
    cx.server_variable(name).map(Cow::into_owned)
}

#[track_caller]
fn says(cx: &Context, rows: &[(&str, Option<&str>)]) {
    for (name, expected) in rows {
        assert_eq!(value(cx, name).as_deref(), *expected, "{name}");
    }
}

/// Name and example of each row of the big table in the documentation.
fn documented_rows() -> Vec<(&'static str, &'static str)> {
    include_str!("../server_variables.rs")
        .lines()
        .filter_map(|line| line.trim().strip_prefix("/// | `")?.strip_suffix("` |"))
        .filter_map(|row| Some((row.split_once('`')?.0, row.rsplit_once("| `")?.1)))
        .collect()
}

#[test]
fn the_documented_table_is_the_implementation() {
    let documented: Vec<_> = documented_rows().iter().map(|row| row.0).collect();
    let computed: Vec<_> = COMPUTED.iter().map(|row| row.0).collect();
    assert_eq!(documented, computed);
    assert!(computed.is_sorted(), "one can find a name in the table");
}

#[test]
fn every_example_in_the_table_is_what_the_lookup_says() {
    let cx = documented();
    for (name, example) in documented_rows() {
        // The separators of a physical path are the system's.
        let value =
            value(&cx, name).unwrap_or_else(|| panic!("{name} is documented and unknown")).replace('\\', "/");
        if name.starts_with("ALL_") {
            assert!(value.lines().any(|line| line == example), "{name}: {value:?} has no line {example}");
        } else if name == "SERVER_SOFTWARE" {
            assert_eq!(value.split('/').next(), example.split('/').next(), "the version moves on");
        } else {
            assert_eq!(value, example, "{name}");
        }
    }
}

#[test]
fn names_have_no_case() {
    let cx = documented();
    for (name, _) in documented_rows() {
        assert_eq!(value(&cx, &name.to_lowercase()), value(&cx, name), "{name}");
    }
    says(&cx, &[("Http_Host", Some("example.com")), ("header_HOST", Some("example.com"))]);
}

#[test]
fn unknown_names_say_nothing() {
    let cx = documented();
    for name in [
        "",
        "_",
        "HTTP",
        "HTTP_",
        "HEADER_",
        "HEADER",
        "URL ",
        " URL",
        "URL\0",
        "HTTP_X",
        "HTTP_ä",
        "äöüßé",
        "HTTPö_X",
        "HEADER_\r\n",
        "HTTP_\u{0}",
        "SERVER",
        "PATH",
        "HTTP_HOST ",
        "%55RL",
    ] {
        assert_eq!(value(&cx, name), None, "{name:?}");
    }
}

#[test]
fn what_the_documentation_calls_missing_is_unknown_until_set() {
    let mut cx = documented();
    for name in
        ["APP_POOL_ID", "AUTH_PASSWORD", "CERT_COOKIE", "CERT_KEYSIZE", "HTTPS_KEYSIZE", "SSI_EXEC_DISABLED"]
    {
        assert_eq!(value(&cx, name), None, "{name}");
        cx.set_server_variable(name, "x").expect("a valid name");
        assert_eq!(value(&cx, name).as_deref(), Some("x"), "{name}");
    }
}

#[test]
fn with_nobody_and_nothing_known_there_is_no_guess() {
    says(
        &context(get("/")),
        &[
            ("AUTH_TYPE", Some("")),
            ("AUTH_USER", Some("")),
            ("LOGON_USER", Some("")),
            ("REMOTE_USER", Some("")),
            ("QUERY_STRING", Some("")),
            ("CONTENT_TYPE", Some("")),
            ("CONTENT_LENGTH", Some("0")),
            ("REMOTE_ADDR", None),
            ("REMOTE_PORT", None),
            ("LOCAL_ADDR", None),
            ("SERVER_NAME", None),
            ("CACHE_URL", None),
            ("CERT_FLAGS", None),
            ("CERT_SUBJECT", None),
            ("HTTPS", Some("off")),
            ("SERVER_PORT", Some("80")),
            ("SERVER_PORT_SECURE", Some("0")),
            ("APPL_MD_PATH", Some("/LM/W3SVC/1/ROOT")),
            ("ALL_HTTP", Some("")),
            ("ALL_RAW", Some("")),
        ],
    );
}

// Set by modules.

#[test]
fn what_a_module_sets_comes_first_and_changes_nothing_else() {
    let mut cx = documented();
    cx.set_server_variable("remote_addr", "198.51.100.1").expect("valid");
    cx.set_server_variable("HTTP_HOST", "other").expect("valid");
    cx.set_server_variable("My-Own_1", "a").expect("valid");
    cx.set_server_variable("MY-OWN_1", String::new()).expect("valid");
    says(
        &cx,
        &[
            ("REMOTE_ADDR", Some("198.51.100.1")),
            ("REMOTE_HOST", Some("203.0.113.7")),
            ("HTTP_HOST", Some("other")),
            ("SERVER_NAME", Some("example.com")),
            ("HEADER_Host", Some("example.com")),
            ("my-own_1", Some("")),
        ],
    );
}

#[test]
fn a_name_that_is_no_variable_cannot_be_set() {
    let mut cx = documented();
    for name in ["", "A B", "A\r\nB", "A=B", "A:B", "Ä", "A\0", "A.B", "A/B"] {
        let error = cx.set_server_variable(name, "x").expect_err(name);
        assert_eq!(error.kind(), ErrorKind::InvalidServerVariable, "{name:?}");
        assert_eq!(value(&cx, name), None, "{name:?}");
    }
}

#[test]
fn a_value_that_would_split_a_header_cannot_be_set() {
    let mut cx = documented();
    for injected in ["a\r\nSet-Cookie: x", "\n", "\r", "a\0b"] {
        let error = cx.set_server_variable("URL", injected).expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::InvalidServerVariable, "{injected:?}");
    }
    says(&cx, &[("URL", Some("/shop/list all"))]);
    cx.set_server_variable("URL", "tab\tand ünïcode").expect("valid");
    says(&cx, &[("URL", Some("tab\tand ünïcode"))]);
}

// Headers.

#[test]
fn httpoxy_the_proxy_header_is_no_variable() {
    let mut cx = with_headers(&[("Proxy", "http://evil.example"), ("Proxy-Authorization", "Basic eA==")]);
    says(
        &cx,
        &[
            ("HTTP_PROXY", None),
            ("http_proxy", None),
            ("HTTP_PROXY_AUTHORIZATION", Some("Basic eA==")),
            ("ALL_HTTP", Some("HTTP_PROXY_AUTHORIZATION:Basic eA==\n")),
            ("HEADER_Proxy", Some("http://evil.example")),
        ],
    );
    cx.set_server_variable("HTTP_PROXY", "http://ours.example").expect("a module may");
    says(&cx, &[("HTTP_PROXY", Some("http://ours.example"))]);
}

#[test]
fn an_underscore_means_a_dash_and_never_the_other_header() {
    let spoofed = with_headers(&[("X_Forwarded_For", "127.0.0.1")]);
    says(
        &spoofed,
        &[
            ("HTTP_X_FORWARDED_FOR", None),
            ("HTTP_X-FORWARDED-FOR", None),
            ("HEADER_X-Forwarded-For", None),
            ("HEADER_X_Forwarded_For", Some("127.0.0.1")),
            ("ALL_HTTP", Some("")),
            ("ALL_RAW", Some("x_forwarded_for: 127.0.0.1\r\n")),
        ],
    );
    let both = with_headers(&[
        ("X_Forwarded_For", "127.0.0.1"),
        ("X-Forwarded-For", "203.0.113.7"),
        ("X-Forwarded_For", "127.0.0.2"),
    ]);
    says(
        &both,
        &[
            ("HTTP_X_FORWARDED_FOR", Some("203.0.113.7")),
            ("HEADER_X-Forwarded-For", Some("203.0.113.7")),
            ("ALL_HTTP", Some("HTTP_X_FORWARDED_FOR:203.0.113.7\n")),
        ],
    );
}

#[test]
fn a_dash_is_no_way_around_what_a_module_set() {
    let mut cx = with_headers(&[("X-Client", "liar")]);
    cx.set_server_variable("HTTP_X_CLIENT", "checked").expect("valid");
    says(&cx, &[("HTTP_X_CLIENT", Some("checked")), ("HTTP_X-CLIENT", None)]);
}

#[test]
fn a_header_cannot_pose_as_a_variable() {
    let cx = with_headers(&[
        ("Method", "DELETE"),
        ("Url", "/admin"),
        ("Version", "HTTP/9"),
        ("S", "on"),
        ("Host", "a"),
    ]);
    says(
        &cx,
        &[
            ("HTTP_METHOD", Some("GET")),
            ("HTTP_URL", Some("/")),
            ("HTTP_VERSION", Some("HTTP/1.1")),
            ("HTTPS", Some("off")),
            ("HTTP_S", Some("on")),
            ("HEADER_Method", Some("DELETE")),
            ("ALL_HTTP", Some("HTTP_S:on\nHTTP_HOST:a\n")),
        ],
    );
}

#[test]
fn several_values_are_joined_cookies_in_their_own_way() {
    let cx = with_headers(&[
        ("Accept", "a"),
        ("Cookie", "x=1"),
        ("Accept", "b, c"),
        ("Cookie", "y=2"),
        ("Accept", ""),
    ]);
    says(
        &cx,
        &[
            ("HTTP_ACCEPT", Some("a, b, c, ")),
            ("HTTP_COOKIE", Some("x=1; y=2")),
            ("HEADER_cookie", Some("x=1; y=2")),
            ("ALL_HTTP", Some("HTTP_ACCEPT:a, b, c, \nHTTP_COOKIE:x=1; y=2\n")),
        ],
    );
    let raw = value(&cx, "ALL_RAW").expect("always there");
    assert_eq!(raw.matches("\r\n").count(), 5, "{raw:?}");
}

#[test]
fn entity_headers_have_both_names_as_in_iis() {
    let cx = documented();
    says(&cx, &[("HTTP_CONTENT_LENGTH", Some("12")), ("HTTP_CONTENT_TYPE", Some("text/plain"))]);
}

#[test]
fn a_header_that_is_no_utf8_is_replaced_not_refused() {
    let mut cx = context(get("/"));
    let latin = HeaderValue::from_bytes(b"caf\xe9").expect("obs-text is allowed");
    cx.request_mut().headers_mut().insert("x", latin);
    says(&cx, &[("HTTP_X", Some("caf\u{fffd}")), ("ALL_RAW", Some("x: caf\u{fffd}\r\n"))]);
}

#[test]
fn the_length_of_the_body_is_never_guessed() {
    for (version, headers, expected) in [
        (Version::HTTP_11, &[][..], Some("0")),
        (Version::HTTP_10, &[], Some("0")),
        (Version::HTTP_11, &[("content-length", "5")], Some("5")),
        (Version::HTTP_11, &[("content-length", "5, 5")], None),
        (Version::HTTP_11, &[("content-length", "-1")], None),
        (Version::HTTP_11, &[("content-length", "+1")], None),
        (Version::HTTP_11, &[("content-length", "")], None),
        (Version::HTTP_11, &[("content-length", "5"), ("content-length", "6")], None),
        (Version::HTTP_11, &[("content-length", "5"), ("transfer-encoding", "chunked")], None),
        (Version::HTTP_11, &[("transfer-encoding", "chunked")], None),
        (Version::HTTP_2, &[], None),
        (Version::HTTP_2, &[("content-length", "7")], Some("7")),
    ] {
        let request = headers
            .iter()
            .fold(Request::builder().version(version), |r, (name, value)| r.header(*name, *value));
        let cx = context(request.body(()).expect("a valid request").into_parts().0);
        assert_eq!(value(&cx, "CONTENT_LENGTH").as_deref(), expected, "{version:?} {headers:?}");
    }
}

#[test]
fn versions_are_written_as_iis_writes_them() {
    for (version, text) in [
        (Version::HTTP_09, "HTTP/0.9"),
        (Version::HTTP_10, "HTTP/1.0"),
        (Version::HTTP_11, "HTTP/1.1"),
        (Version::HTTP_2, "HTTP/2.0"),
        (Version::HTTP_3, "HTTP/3.0"),
    ] {
        says(
            &context(parts(|r| r.version(version))),
            &[("SERVER_PROTOCOL", Some(text)), ("HTTP_VERSION", Some(text))],
        );
    }
}

// Hosts and addresses.

#[test]
fn the_server_name_is_the_host_without_its_port() {
    for (host, name, port) in [
        ("example.com", "example.com", "80"),
        ("example.com:8080", "example.com", "8080"),
        ("example.com:", "example.com", "80"),
        ("EXAMPLE.com.:1", "EXAMPLE.com.", "1"),
        ("127.0.0.1:65535", "127.0.0.1", "65535"),
        ("[::1]", "[::1]", "80"),
        ("[2001:db8::1]:8443", "[2001:db8::1]", "8443"),
        ("xn--nxasmq6b", "xn--nxasmq6b", "80"),
        ("my_host~1", "my_host~1", "80"),
    ] {
        says(&with_headers(&[("host", host)]), &[("SERVER_NAME", Some(name)), ("SERVER_PORT", Some(port))]);
    }
}

#[test]
fn a_host_header_that_is_no_host_is_not_believed() {
    let hosts = [
        "",
        ":",
        ":80",
        "a b",
        "a@b",
        "user:x@b",
        "a/b",
        "a\\b",
        "a?b",
        "a#b",
        "a,b",
        "a:b",
        "a:80:80",
        "a:65536",
        "a:+1",
        "::1",
        "[::1",
        "[::1]x",
        "[::1]:x",
        "[]",
        "[a]",
        "[127.0.0.1]",
        "]",
        "<script>",
        "a\"b",
        "a'b",
        "%61",
        "a\tb",
    ];
    for host in hosts {
        let local = || {
            Connection::builder().local_addr("[::ffff:192.0.2.10]:81".parse().expect("an address")).build()
        };
        let cx = context_in(Application::default(), parts(|r| r.header("host", host)), local());
        assert_eq!(value(&cx, "SERVER_NAME").as_deref(), Some("192.0.2.10"), "{host:?}");
        says(&with_headers(&[("host", host)]), &[("SERVER_NAME", None), ("SERVER_PORT", Some("80"))]);
    }
}

#[test]
fn two_host_headers_are_none() {
    says(
        &with_headers(&[("host", "a"), ("host", "b")]),
        &[("SERVER_NAME", None), ("HTTP_HOST", Some("a, b"))],
    );
}

#[test]
fn the_authority_goes_before_the_host_header() {
    let cx = context(parts(|r| r.uri("http://real.example:8080/a?b").header("host", "other")));
    says(
        &cx,
        &[
            ("SERVER_NAME", Some("real.example")),
            ("SERVER_PORT", Some("8080")),
            ("HTTP_URL", Some("/a?b")),
            ("CACHE_URL", Some("http://real.example:8080/a?b")),
        ],
    );
    says(&context(get("http://user@h/")), &[("SERVER_NAME", None)]);
    says(&context(get("http://[::1]:81/")), &[("SERVER_NAME", Some("[::1]")), ("SERVER_PORT", Some("81"))]);
}

#[test]
fn the_port_of_the_connection_goes_before_the_claimed_one() {
    let connection = Connection::builder().local_addr("192.0.2.10:8443".parse().expect("an address")).build();
    let cx = context_in(Application::default(), parts(|r| r.header("host", "a:1")), connection);
    says(&cx, &[("SERVER_PORT", Some("8443")), ("SERVER_NAME", Some("a"))]);
}

#[test]
fn addresses_are_written_as_iis_writes_them() {
    let connection = Connection::builder()
        .remote_addr("[::ffff:203.0.113.7]:1".parse().expect("an address"))
        .local_addr("[2001:db8::1]:443".parse().expect("an address"))
        .build();
    let cx = context_in(Application::default(), get("/"), connection);
    says(
        &cx,
        &[
            ("REMOTE_ADDR", Some("203.0.113.7")),
            ("LOCAL_ADDR", Some("2001:db8::1")),
            ("SERVER_NAME", Some("[2001:db8::1]")),
        ],
    );
}

// URLs.

#[test]
fn a_rewrite_changes_the_url_but_not_what_the_client_sent() {
    let mut cx = documented();
    cx.request_mut().set_url("/shop/new?x=1").expect("a URL");
    says(
        &cx,
        &[
            ("URL", Some("/shop/new")),
            ("PATH_INFO", Some("/shop/new")),
            ("QUERY_STRING", Some("x=1")),
            ("HTTP_URL", Some("/shop/list%20all?sort=name")),
            ("UNENCODED_URL", Some("/shop/list%20all?sort=name")),
            ("SERVER_NAME", Some("example.com")),
        ],
    );
}

#[test]
fn a_url_is_decoded_only_where_that_keeps_its_meaning() {
    for (sent, url) in [
        ("/a%20b/%C3%A9", "/a b/é"),
        ("/a%2fb", "/a%2fb"),
        ("/%20%2f", "/%20%2f"),
        ("/a%5Cb", "/a%5Cb"),
        ("/%0d%0aSet-Cookie:x", "/%0d%0aSet-Cookie:x"),
        ("/%00", "/%00"),
        ("/%c2%85", "/%c2%85"),
        ("/%e9", "/%e9"),
        ("/%252e", "/%252e"),
        ("/100%25", "/100%25"),
        ("/%zz%20", "/%zz%20"),
        ("/%", "/%"),
        ("//a//%2e%2e/", "//a//../"),
        ("*", "*"),
    ] {
        says(
            &context(get(sent)),
            &[("URL", Some(url)), ("SCRIPT_NAME", Some(url)), ("HTTP_URL", Some(sent))],
        );
    }
}

#[test]
fn a_path_that_must_not_be_mapped_is_not_translated() {
    for url in ["/shop/../x", "/shop/a%2fb", "/shop/nul", "/elsewhere", "*"] {
        let app = Application::builder().url_path("/shop").root("/srv/shop").build();
        let cx = context_in(app, get(url), Connection::default());
        assert_eq!(value(&cx, "PATH_TRANSLATED"), None, "{url:?}");
        assert!(value(&cx, "URL").is_some(), "{url:?}");
    }
}

proptest! {
    #[test]
    fn any_name_has_an_answer_or_none(name: String, bytes: Vec<u8>) {
        let cx = documented();
        for name in [name.clone(), format!("HTTP_{name}"), format!("HEADER_{name}"), String::from_utf8_lossy(&bytes).into_owned()] {
            let _ = cx.server_variable(&name);
        }
    }

    #[test]
    fn any_set_value_comes_back_and_cannot_split_a_header(name: String, value: String) {
        let mut cx = documented();
        if cx.set_server_variable(&name, value.clone()).is_ok() {
            prop_assert!(!value.contains(['\r', '\n', '\0']));
            prop_assert_eq!(cx.server_variable(&name), Some(value.into()));
        }
    }

    #[test]
    fn no_client_can_put_a_line_break_into_a_variable(
        path in "[ -~é]{0,20}(%[0-9a-fA-F]{2}){0,4}[ -~]{0,5}",
        headers in prop::collection::vec(("[a-z_-]{1,8}|host|cookie|proxy|method|url|content-length", any::<Vec<u8>>()), 0..6),
    ) {
        let mut request = Request::builder().uri(format!("/{path}"));
        for (name, bytes) in &headers {
            request = request.header(name, bytes.as_slice());
        }
        let Ok(request) = request.body(()) else { return Ok(()) };
        let cx = context(request.into_parts().0);
        for (name, _) in &COMPUTED {
            let value = value(&cx, name).unwrap_or_default();
            prop_assert!(name.starts_with("ALL_") || !value.contains(['\r', '\n', '\0']), "{name}: {value:?}");
        }
        for line in value(&cx, "ALL_HTTP").unwrap_or_default().lines() {
            let (name, listed) = line.split_once(':').expect("name:value");
            prop_assert_eq!(value(&cx, name), Some(listed.to_owned()), "{}", name);
        }
    }
}
