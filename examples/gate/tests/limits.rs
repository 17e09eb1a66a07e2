//! The bounds of the server.

mod common;

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use common::Running;

/// How long until the server closes this connection.
fn closed_after(gate: &Running, sent: &[u8]) -> Duration {
    let mut stream = gate.connect();
    stream.write_all(sent).expect("sent");
    let start = Instant::now();
    let mut rest = Vec::new();
    // A reset is as good an end as a close.
    let _ = stream.read_to_end(&mut rest);
    start.elapsed()
}

#[test]
fn a_client_that_sends_no_request_is_closed() {
    let gate = Running::start(|config, _| config.server.header_timeout_secs = 1);
    let heads: [&[u8]; 5] = [
        b"",
        b"GET / HTTP/1.1\r\nHost: g\r\nX-Slow: ",
        b"PRI * HT",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: g\r\n\r\n",
    ];
    std::thread::scope(|scope| {
        for head in heads {
            let gate = &gate;
            scope.spawn(move || {
                let taken = closed_after(gate, head);
                let name = String::from_utf8_lossy(head);
                assert!((900..5000).contains(&taken.as_millis()), "{name}: {taken:?}");
            });
        }
    });
}

#[test]
fn connections_above_the_limit_wait_for_room() {
    let gate = Running::start(|config, _| config.server.max_connections = 1);
    let first = gate.connect();
    let mut second = gate.connect();
    second.write_all(b"GET /healthz HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n").expect("sent");
    second.set_read_timeout(Some(Duration::from_millis(300))).expect("a timeout");
    assert!(second.read(&mut [0; 16]).is_err(), "it waits");
    drop(first);
    second.set_read_timeout(Some(common::PATIENCE)).expect("a timeout");
    assert_eq!(common::Reply::read(&mut second).status, 200);
}

#[test]
fn a_head_that_is_too_large_is_431() {
    let gate = Running::plain();
    let reply = gate.send(format!("GET / HTTP/1.1\r\nHost: g\r\nX-Long: {}\r\n\r\n", "x".repeat(70_000)));
    assert_eq!(reply.status, 431);
}
