//! What the access log says, whatever a client sends.

use std::io::{Read, Write};
use std::thread;

use super::common::{Running, ann};
use gate::modules::access_log::{Field, Rotation};

#[test]
fn a_url_cannot_forge_the_log() {
    let gate = Running::plain();
    for target in ["/a%0d%0a", "/a?q=%22'&r={}", "/a+b?c+d"] {
        gate.get(target);
    }
    // A fragment is no part of what is asked for, and NUL none of a path.
    let odd = ["/b%0d%0a#Fields:%20x", "/%00?x%0a2026-01-01"].map(|target| gate.get(target).status);
    let (_, log) = gate.stop();
    let mut expected = vec!["/a%0d%0a -", "/a q=%22'&r={}", "/a+b c+d"];
    if crate::BACKEND == "hyper" {
        expected.extend(["/b%0d%0a -", "/%00 x%0a2026-01-01"]);
        assert_eq!(odd, [404, 404]);
    } else {
        assert_eq!(odd, [400, 400]);
    }
    assert_eq!(log.entries("cs-uri-stem cs-uri-query"), expected);
}

#[test]
fn a_user_agent_cannot_forge_the_log() {
    let gate = Running::start(|config, _| {
        config.access_log.fields = vec![Field::UserAgent, Field::Referer, Field::Cookie, Field::Host];
    });
    let mut request =
        b"GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\nUser-Agent: #Date: x\ty \xff\xc3\xa9\r\n"
            .to_vec();
    request.extend_from_slice(b"Referer: http://e/ 200 0 0\r\nCookie: a=1; b\r\n\r\n");
    assert_eq!(gate.send(&request).status, 200);
    let (_, log) = gate.stop();
    assert_eq!(
        log.entries("cs(User-Agent) cs(Referer) cs(Cookie) cs-host"),
        ["%23Date:+x%09y+%FF%C3%A9 http://e/+200+0+0 a=1;+b h"]
    );
}

#[test]
fn bytes_both_ways_and_the_request_id_are_logged() {
    let gate = Running::start(|config, _| {
        config.request_id.trust_incoming = true;
        config.access_log.fields =
            vec![Field::Method, Field::BytesReceived, Field::BytesSent, Field::RequestId, Field::SiteName];
    });
    let reply = gate.send(format!(
        "POST /echo HTTP/1.1\r\nHost: g\r\nConnection: close\r\nx-request-id: r-1\r\n{}Content-Length: 5\r\n\r\nhello",
        ann()
    ));
    assert_eq!((reply.status, reply.text(), reply.header("x-request-id")), (200, "hello", Some("r-1")));
    let (_, log) = gate.stop();
    assert_eq!(log.entries("cs-method cs-bytes sc-bytes x-request-id s-sitename"), ["POST 5 5 r-1 W3SVC1"]);
}

#[test]
fn addresses_are_those_of_the_connection() {
    let gate = Running::plain();
    let port = gate.addr.port();
    gate.get("/");
    let (_, log) = gate.stop();
    assert_eq!(log.entries("c-ip s-ip s-port"), [format!("127.0.0.1 127.0.0.1 {port}")]);
}

#[test]
fn the_client_that_a_proxy_names_is_logged_and_nobody_goes_around_the_proxy() {
    // hyper's reads no such header.
    if crate::BACKEND == "hyper" {
        return;
    }
    let gate = Running::start(|config, _| {
        config.server.proxy_protocol_from = vec!["127.0.0.1".parse().expect("an address")];
    });
    let request = "GET /healthz HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n";
    let reply = gate.send(format!("PROXY TCP4 192.0.2.7 192.0.2.8 12345 80\r\n{request}"));
    assert_eq!(reply.status, 200);
    let mut without = gate.connect();
    let _ = without.write_all(request.as_bytes());
    // A reset is as good an end as a close.
    assert_eq!(without.read(&mut [0; 16]).unwrap_or_default(), 0);
    let (_, log) = gate.stop();
    assert_eq!(log.entries("c-ip s-ip s-port"), ["192.0.2.7 192.0.2.8 80"]);
}

#[test]
fn files_rotate_under_load_and_no_entry_is_lost() {
    let gate = Running::start(|config, _| {
        config.access_log.rotation = Rotation::Size;
        config.access_log.max_bytes = 2048;
    });
    thread::scope(|scope| {
        for client in 0..4 {
            let gate = &gate;
            scope.spawn(move || {
                for n in 0..25 {
                    gate.get(&format!("/{client}-{n}"));
                }
            });
        }
    });
    let (_, log) = gate.stop();
    assert!(log.files.len() > 3, "{} files", log.files.len());
    let mut stems = log.entries("cs-uri-stem");
    stems.sort();
    let mut expected: Vec<String> =
        (0..4).flat_map(|client| (0..25).map(move |n| format!("/{client}-{n}"))).collect();
    expected.sort();
    assert_eq!(stems, expected);
}
