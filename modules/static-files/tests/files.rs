//! What is answered, request by request, without a server.

mod support;

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bivalve_core::testing::{TestHost, block_on};
use bivalve_core::{Context, Flow, HandlerMapping, Result};
use bivalve_static_files::{Coding, MAX_LISTED, StaticFiles};
use http::header::HeaderValue;
use http::{Method, StatusCode};
use support::{Site, ask, get};

fn site() -> Site {
    let site = Site::new();
    site.write("index.html", "<p>home");
    site.write("digits.txt", "0123456789");
    site.write("docs/index.html", "<p>docs");
    if !cfg!(windows) {
        site.write("docs/b&w <1>.txt", "x");
    }
    site.write("empty/.keep", "");
    site.write("large.bin", site.large());
    site
}

/// Text of a status and its sub-status, as in IIS's log.
fn status(host: &TestHost, method: Method, url: &str) -> String {
    let mut request = host.request(method, url);
    let _ = block_on(request.run_until(bivalve_core::Notification::LogRequest));
    let response = request.context().response();
    match response.sub_status() {
        0 => response.status().as_u16().to_string(),
        sub_status => format!("{}.{sub_status}", response.status().as_u16()),
    }
}

#[test]
fn a_file_is_answered_with_what_is_known_of_it() {
    let site = site();
    let host = site.host(|files| files);
    let file = get(&host, "/digits.txt", &[]);
    assert_eq!((file.status(), file.text()), (StatusCode::OK, "0123456789"));
    assert_eq!(file.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(file.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(file.header("accept-ranges"), Some("bytes"));
    assert_eq!(file.header("last-modified"), Some(Site::DATE));
    assert_eq!(file.header("vary"), None);
    assert_eq!(file.header("cache-control"), None);
    assert!(file.header("etag").is_some_and(|tag| tag.ends_with('"')));
    assert_eq!(get(&host, "/large.bin", &[]).body(), site.large());
}

#[test]
fn head_has_the_headers_of_get_and_no_body() {
    let site = site();
    let host = site.host(|files| files);
    for url in ["/digits.txt", "/large.bin"] {
        let (head, got) = (ask(&host, Method::HEAD, url, &[]), get(&host, url, &[]));
        assert_eq!((head.status(), head.body()), (StatusCode::OK, &b""[..]));
        assert_eq!(head.header("content-length"), Some(&*got.body().len().to_string()));
        for name in ["etag", "last-modified", "content-type", "accept-ranges"] {
            assert_eq!(head.header(name), got.header(name), "{name}");
        }
    }
    // RFC 9110 section 14.2: ranges are for GET.
    let head = ask(&host, Method::HEAD, "/digits.txt", &[("range", "bytes=0-1")]);
    assert_eq!((head.status(), head.header("content-length")), (StatusCode::OK, Some("10")));
}

#[test]
fn another_method_is_not_allowed_where_something_is() {
    let site = site();
    let host = site.host(|files| files);
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let refused = ask(&host, method.clone(), "/digits.txt", &[]);
        assert_eq!((refused.status().as_u16(), refused.header("allow")), (405, Some("GET, HEAD")));
        assert_eq!(ask(&host, method, "/nothing.txt", &[]).status(), 404);
    }
}

#[test]
fn refusals_have_iis_sub_statuses() {
    let site = site();
    site.write("page.unheard-of", "x");
    site.write("LICENSE", "x");
    site.write("web.config", "x");
    site.write("page.php", "<?php");
    site.write("dump.sql", "x");
    site.write("deploy.YML", "x");
    let host = site.host(|files| files);
    for (url, expected) in [
        ("/digits.txt", "200"),
        ("/nothing.txt", "404"),
        ("/digits.txt/", "404"),
        ("/digits.txt/x", "404"),
        ("/page.unheard-of", "404.3"),
        ("/LICENSE", "404.3"),
        ("/dump.sql", "404.3"),
        ("/deploy.YML", "404.3"),
        ("/page.php", "404.7"),
        ("/page.shtml", "404.7"),
        ("/key.pfx", "404.7"),
        ("/web.config", "404.8"),
        ("/empty/.keep", "404.8"),
        ("/empty/", "403.14"),
        ("/%252e%252e/x", "404.11"),
        ("/..%2fx", "400"),
    ] {
        assert_eq!(status(&host, Method::GET, url), expected, "{url}");
    }
    assert!(!get(&host, "/web.config", &[]).text().contains('x'));
}

#[test]
fn unknown_extensions_are_octets_where_it_is_asked_for() {
    let site = site();
    site.write("LICENSE", "x");
    let host = site.host(|files| {
        files.unknown_extensions(true).media_type("", "text/plain").media_type("TXT", "text/x-own")
    });
    assert_eq!(get(&host, "/LICENSE", &[]).header("content-type"), Some("text/plain"));
    assert_eq!(get(&host, "/digits.txt", &[]).header("content-type"), Some("text/x-own"));
    site.write("a.unheard-of", "x");
    assert_eq!(get(&host, "/a.unheard-of", &[]).header("content-type"), Some("application/octet-stream"));
}

#[test]
fn a_directory_answers_with_its_default_document() {
    let site = site();
    let host = site.host(|files| files.default_documents(["default.htm", "index.html"]));
    assert_eq!(get(&host, "/", &[]).text(), "<p>home");
    assert_eq!(get(&host, "/docs/", &[]).text(), "<p>docs");
    site.write("docs2/default.htm", "first");
    site.write("docs2/index.html", "second");
    assert_eq!(get(&host, "/docs2/", &[]).text(), "first");
}

#[test]
fn a_directory_without_a_slash_is_sent_to_itself_and_nowhere_else() {
    let site = site();
    site.write("evil.example/index.html", "x");
    site.write("a b/index.html", "x");
    let host = site.host(|files| files);
    for (url, location) in [
        ("/docs", "./docs/"),
        ("/docs?a=b&c=//d", "./docs/?a=b&c=//d"),
        ("/a%20b", "./a%20b/"),
        ("//evil.example", "./evil.example/"),
        ("///evil.example?x", "./evil.example/?x"),
        ("/docs?q=\u{e9}", "./docs/?q=%C3%A9"),
    ] {
        let moved = get(&host, url, &[]);
        assert_eq!((moved.status().as_u16(), moved.header("location")), (301, Some(location)), "{url}");
    }
    let below = TestHost::new().mount(site.build(|files| files.at("/files")));
    assert_eq!(get(&below, "/files", &[]).header("location"), Some("./files/"));
    assert_eq!(get(&below, "/files/docs", &[]).header("location"), Some("./docs/"));
}

#[test]
fn one_range_and_several() {
    let site = site();
    let host = site.host(|files| files);
    let ranged = |range| get(&host, "/digits.txt", &[("range", range)]);
    for (range, text, content_range) in [
        ("bytes=2-5", "2345", "bytes 2-5/10"),
        ("bytes=8-", "89", "bytes 8-9/10"),
        ("bytes=-3", "789", "bytes 7-9/10"),
        ("bytes=0-3,2-5", "012345", "bytes 0-5/10"),
    ] {
        let part = ranged(range);
        assert_eq!((part.status().as_u16(), part.text()), (206, text), "{range}");
        assert_eq!(part.header("content-range"), Some(content_range), "{range}");
        assert_eq!(part.header("content-type"), Some("text/plain; charset=utf-8"));
    }
    let none = ranged("bytes=10-");
    assert_eq!((none.status().as_u16(), none.header("content-range")), (416, Some("bytes */10")));
    assert_eq!(none.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(ranged("bytes=x").status(), 200);
    assert_eq!(get(&host, "/digits.txt", &[("range", "bytes=0-1"), ("range", "bytes=3-4")]).status(), 200);
}

/// RFC 9110 section 14.6.
#[test]
fn several_ranges_are_parts_of_one_message() {
    let site = site();
    let host = site.host(|files| files);
    let large = site.large();
    let answer = get(&host, "/large.bin", &[("range", "bytes=10-19,-5,1000-1009")]);
    assert_eq!(answer.status(), 206);
    assert_eq!(answer.header("content-range"), None);
    let media_type = answer.header("content-type").expect("a type").to_owned();
    let boundary = media_type.strip_prefix("multipart/byteranges; boundary=").expect("of several");
    let mut expected = Vec::new();
    let size = large.len();
    for (first, last) in [(10, 19), (size - 5, size - 1), (1000, 1009)] {
        expected.extend_from_slice(
            format!(
                "\r\n--{boundary}\r\ncontent-type: application/octet-stream\r\ncontent-range: bytes {first}-{last}/{size}\r\n\r\n"
            )
            .as_bytes(),
        );
        expected.extend_from_slice(&large[first..=last]);
    }
    expected.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    assert_eq!(answer.body(), expected);
    let again = get(&host, "/large.bin", &[("range", "bytes=10-19,-5,1000-1009")]);
    assert_ne!(again.header("content-type"), Some(&*media_type), "nobody knows the next boundary");
}

#[test]
fn who_has_it_is_told_so() {
    let site = site();
    let host = site.host(|files| files.shared_tags(true).cache_control("no-cache"));
    let first = get(&host, "/digits.txt", &[]);
    let tag = first.header("etag").expect("a tag");
    assert!(tag.starts_with('"'), "{tag} is strong: the file is old");
    for (name, value) in [("if-none-match", tag), ("if-none-match", "*"), ("if-modified-since", Site::DATE)] {
        let answer = get(&host, "/digits.txt", &[(name, value)]);
        assert_eq!((answer.status().as_u16(), answer.body()), (304, &b""[..]), "{name}");
        // RFC 9110 section 15.4.5: what a cache needs, and nothing of the content.
        assert_eq!((answer.header("etag"), answer.header("cache-control")), (Some(tag), Some("no-cache")));
        assert_eq!((answer.header("content-type"), answer.header("content-length")), (None, None));
    }
    for (name, value) in [("if-match", "\"x\""), ("if-unmodified-since", "Sun, 06 Nov 1983 08:49:37 GMT")] {
        assert_eq!(get(&host, "/digits.txt", &[(name, value)]).status(), 412, "{name}");
    }
    let range = |if_range| {
        get(&host, "/digits.txt", &[("range", "bytes=1-1"), ("if-range", if_range)]).status().as_u16()
    };
    assert_eq!((range(tag), range("\"x\""), range(Site::DATE)), (206, 200, 200));
    // A condition says nothing of what is not there.
    assert_eq!(get(&host, "/nothing.txt", &[("if-none-match", "*")]).status(), 404);
}

#[test]
fn a_tag_is_weak_until_the_next_change_would_be_seen() {
    let site = site();
    let host = site.host(|files| files);
    fs::write(site.path("new.txt"), "one").expect("written");
    let tag = |url| get(&host, url, &[]).header("etag").expect("a tag").to_owned();
    let weak = tag("/new.txt");
    let strong = weak.strip_prefix("W/").expect("just written").to_owned();
    let range = get(&host, "/new.txt", &[("range", "bytes=0-0"), ("if-range", &strong)]);
    assert_eq!(range.status(), 200, "of a weak one no part is sent");
    let began = SystemTime::now();
    while tag("/new.txt") != strong {
        assert!(began.elapsed().expect("time passes") < Duration::from_secs(60), "it never becomes strong");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(get(&host, "/new.txt", &[("if-none-match", &weak)]).status(), 304);
}

#[test]
fn another_file_of_the_same_size_and_time_has_another_tag() {
    let site = site();
    let host = site.host(|files| files.valid_for(Duration::ZERO));
    let tag =
        || get(&host, "/digits.txt", &[]).header("etag").map(|tag| tag.trim_start_matches("W/").to_owned());
    let first = tag();
    site.write("next.txt", "9876543210");
    fs::rename(site.path("next.txt"), site.path("digits.txt")).expect("renamed");
    if cfg!(unix) {
        assert_ne!(tag(), first);
    }
    let shared = site.host(|files| files.shared_tags(true));
    let other = Site::new();
    other.write("digits.txt", "9876543210");
    let copy = other.host(|files| files.shared_tags(true));
    assert_eq!(
        get(&shared, "/digits.txt", &[]).header("etag"),
        get(&copy, "/digits.txt", &[]).header("etag")
    );
}

#[test]
fn dates_that_http_cannot_write_do_no_harm() {
    let site = site();
    let host = site.host(|files| files);
    let year = Duration::from_secs(365 * 24 * 3600);
    for (name, time) in [
        ("past.txt", UNIX_EPOCH.checked_sub(year)),
        ("future.txt", SystemTime::now().checked_add(year)),
        ("far.txt", UNIX_EPOCH.checked_add(year * 9000)),
    ] {
        site.write(name, "x");
        let Some(time) = time else { continue };
        let file = fs::File::options().write(true).open(site.path(name)).expect("open");
        // Not every file system can keep such a time.
        if file.set_modified(time).is_err() {
            continue;
        }
        let answer = get(&host, &format!("/{name}"), &[("if-modified-since", Site::DATE)]);
        assert_eq!((answer.status().as_u16(), answer.header("last-modified")), (200, None), "{name}");
    }
}

#[test]
fn the_coding_that_the_client_wants_is_sent_as_it_lies_there() {
    let site = site();
    for (name, content) in [
        ("app.js", "plain"),
        ("app.js.br", "brotli!"),
        ("app.js.gz", "gzip"),
        ("digits.txt.zst", "zstandard"),
    ] {
        site.write(name, content);
    }
    let host = site.host(|files| files.precompressed(Coding::ALL).shared_tags(true));
    let accept = |value| get(&host, "/app.js", &[("accept-encoding", value)]);
    let mut tags = Vec::new();
    for (value, text, coding) in [
        ("gzip, br", "brotli!", Some("br")),
        ("br;q=0.1, gzip", "gzip", Some("gzip")),
        ("zstd", "plain", None),
        ("", "plain", None),
    ] {
        let answer = accept(value);
        assert_eq!((answer.text(), answer.header("content-encoding")), (text, coding), "{value}");
        assert_eq!(answer.header("content-type"), Some("text/javascript; charset=utf-8"));
        assert_eq!(answer.header("vary"), Some("accept-encoding"));
        tags.push(answer.header("etag").expect("a tag").to_owned());
    }
    assert_eq!(tags[2], tags[3]);
    tags.dedup();
    assert_eq!(tags.len(), 3, "each coding has its own tag");

    // Ranges and conditions are about what is sent.
    let part =
        get(&host, "/app.js", &[("accept-encoding", "br"), ("range", "bytes=0-2"), ("if-range", &tags[0])]);
    assert_eq!(
        (part.status().as_u16(), part.text(), part.header("content-range")),
        (206, "bro", Some("bytes 0-2/7"))
    );
    assert_eq!(part.header("content-encoding"), Some("br"));
    let other = get(&host, "/app.js", &[("accept-encoding", "gzip"), ("if-none-match", &tags[0])]);
    assert_eq!(other.status(), 200, "the tag of another coding");
    let known = get(&host, "/app.js", &[("accept-encoding", "br"), ("if-none-match", &tags[0])]);
    assert_eq!((known.status().as_u16(), known.header("vary")), (304, Some("accept-encoding")));
    let none = get(&host, "/app.js", &[("accept-encoding", "br"), ("range", "bytes=7-")]);
    assert_eq!((none.status().as_u16(), none.header("content-encoding")), (416, None));

    // Without siblings nothing varies, and a sibling alone is no file.
    assert_eq!(get(&host, "/large.bin", &[("accept-encoding", "br")]).header("vary"), None);
    fs::remove_file(site.path("digits.txt")).expect("removed");
    assert_eq!(get(&host, "/digits.txt", &[("accept-encoding", "zstd")]).status(), 404);
}

#[test]
fn a_listing_is_off_and_shows_nothing_that_is_hidden_and_no_markup() {
    let site = site();
    for name in
        ["list/.hidden", "list/web.config", "list/x.php", "list/<b>&'\".txt", "list/plain.txt", "list/sub/x"]
    {
        // Not every file system has such names.
        if !cfg!(windows) || !name.contains('<') {
            site.write(name, "x");
        }
    }
    assert_eq!(get(&site.host(|files| files), "/list/", &[]).status(), 403);
    let host = site.host(|files| files.directory_listing(true));
    let page = get(&host, "/list/", &[]);
    assert_eq!(
        (page.status().as_u16(), page.header("content-type")),
        (200, Some("text/html; charset=utf-8"))
    );
    let text = page.text();
    for hidden in [".hidden", "web.config", "x.php", "<b>"] {
        assert!(!text.contains(hidden), "{hidden} in {text}");
    }
    assert!(
        text.contains("<li><a href=\"./sub/\">sub/</a></li>\n<li><a href=\"./plain.txt\">plain.txt</a></li>"),
        "{text}"
    );
    let head = ask(&host, Method::HEAD, "/list/", &[]);
    assert_eq!(head.header("content-length"), Some(&*text.len().to_string()));
    assert_eq!(get(&host, "/docs/", &[]).text(), "<p>docs", "a default document comes first");
    // Names with characters that mean something in a URL are found by their links.
    let docs = site.host(|files| files.directory_listing(true).default_documents([""; 0]));
    assert!(get(&docs, "/docs/", &[]).text().contains("href=\"./index.html\""));
    assert!(cfg!(windows) || !get(&docs, "/docs/", &[]).text().contains("<1>"), "no URL leads there");
}

#[test]
fn a_listing_is_bounded() {
    let site = site();
    for number in 0..MAX_LISTED + 5 {
        site.write(&format!("many/{number}.txt"), "");
    }
    let host = site.host(|files| files.directory_listing(true));
    let page = get(&host, "/many/", &[]);
    assert_eq!(page.text().matches("<li>").count(), MAX_LISTED + 1, "and the parent");
    assert!(page.text().contains("There are more."));
}

fn behind(cx: &mut Context) -> Result<Flow> {
    cx.response_mut().write("behind")?;
    Ok(Flow::Continue)
}

#[test]
fn what_is_elsewhere_is_the_next_handlers_or_nobodys() {
    let site = site();
    let alone = site.host(|files| files.at("/files"));
    assert_eq!(get(&alone, "/elsewhere", &[]).status(), 404, "and no empty 200");
    assert_eq!(get(&alone, "/files/digits.txt", &[]).text(), "0123456789");
    let host = site.host(|files| files.at("/files")).handler(behind);
    for (url, text) in [
        ("/elsewhere", "behind"),
        ("/filesystem", "behind"),
        ("/files/digits.txt", "0123456789"),
        ("/files/nothing.txt", "Not Found"),
    ] {
        assert_eq!(get(&host, url, &[]).text(), text, "{url}");
    }
}

#[test]
fn what_is_no_file_falls_through_where_it_is_asked_for() {
    let site = site();
    let host = site.host(|files| files.fall_through(true)).handler(behind);
    for (method, url, text) in [
        (Method::GET, "/digits.txt", "0123456789"),
        (Method::GET, "/", "<p>home"),
        (Method::GET, "/api/users", "behind"),
        (Method::POST, "/digits.txt", "behind"),
        (Method::GET, "/.env", "behind"),
        (Method::GET, "/empty/", "behind"),
    ] {
        assert_eq!(ask(&host, method, url, &[]).text(), text, "{url}");
    }
    assert_eq!(get(&host, "/docs", &[]).status(), 301);
    assert_eq!(get(&site.host(|files| files.fall_through(true)), "/nothing", &[]).status(), 404);
}

#[test]
fn handler_mappings_are_obeyed_unless_it_is_its_own() {
    let site = site();
    site.write("page.html", "<? source ?>");
    let mapped = |own| {
        let files = site.build(|files| files.own_handler(own));
        TestHost::new()
            .module("files", files)
            .module("scripts", support::Script)
            .configure(|pipeline| pipeline.handler_mapping(HandlerMapping::new("*.html").module("scripts")))
            .configure(|pipeline| pipeline.handler_mapping(HandlerMapping::new("*").module("files")))
    };
    let host = mapped(false);
    assert_eq!(get(&host, "/page.html", &[]).text(), "script");
    assert_eq!(get(&host, "/digits.txt", &[]).text(), "0123456789");
    let host = mapped(true);
    assert_eq!(get(&host, "/page.html", &[]).text(), "<? source ?>");
    let cached = |own| {
        let host = TestHost::new()
            .mount(support::Caches)
            .mount(site.build(|files| files.own_handler(own)))
            .handler(behind);
        let answer = get(&host, "/digits.txt", &[]);
        assert_eq!(answer.text(), "0123456789");
        answer.header("x-cached").is_some()
    };
    assert!(cached(true), "UpdateRequestCache runs");
    assert!(!cached(false));
}

#[test]
fn what_is_larger_than_the_response_buffer_has_left_when_it_is_logged() {
    let site = site();
    let application = bivalve_core::Application::builder().response_buffer_limit(1000).build();
    let host = site.host(|files| files).application(application);
    for (url, range, sent) in [
        ("/large.bin", "bytes=0-", 800_000),
        ("/large.bin", "bytes=0-1000", 1001),
        ("/large.bin", "bytes=0-999", 0),
        ("/digits.txt", "bytes=0-", 0),
    ] {
        let mut request = host.get(url);
        let headers = request.context_mut().request_mut().headers_mut();
        headers.insert("range", HeaderValue::from_static(range));
        let _ = block_on(request.run_until(bivalve_core::Notification::LogRequest));
        assert_eq!(request.context().response().entity_sent(), sent, "{url} {range}");
        let answer = block_on(request.finish());
        assert_eq!((answer.status().as_u16(), answer.is_complete(), answer.was_reset()), (206, true, false));
    }
}

#[test]
fn what_other_modules_said_stays() {
    let site = site();
    site.write("digits.txt.gz", "gzip");
    let host =
        TestHost::new().mount(support::Varies).mount(site.build(|files| files.precompressed([Coding::Gzip])));
    let answer = get(&host, "/digits.txt", &[]);
    let vary: Vec<_> = answer.headers().get_all("vary").iter().collect();
    assert_eq!(vary, [HeaderValue::from_static("origin"), HeaderValue::from_static("accept-encoding")]);
}

#[test]
fn a_setting_that_cannot_be_used_is_said_at_once() {
    let site = site();
    let said =
        |change: fn(bivalve_static_files::StaticFilesBuilder) -> bivalve_static_files::StaticFilesBuilder| {
            change(StaticFiles::builder(site.folder())).build().expect_err("refused").to_string()
        };
    assert!(said(|files| files.at("files")).contains("\"files\""));
    assert!(said(|files| files.at("/a/../b")).contains("/a/../b"));
    assert!(said(|files| files.cache_control("a\nb")).contains("Cache-Control"));
    assert!(said(|files| files.media_type("x", "\r")).contains("media type"));
    assert!(said(|files| files.default_documents(["../x"])).contains("../x"));
    // It would be `/` that gives its source away.
    assert!(said(|files| files.default_documents(["index.html", "Index.PHP"])).contains("Index.PHP"));
    assert!(said(|files| files.default_documents(["web.config"])).contains("web.config"));
    assert!(said(|files| files.default_documents([".env"])).contains(".env"));
    let missing = StaticFiles::builder(site.path("no/such")).build().expect_err("not there").to_string();
    assert!(missing.contains("no/such") || missing.contains("no\\such"), "{missing}");
}
