//! The bounds of the server.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::common::{self, Running};

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
    let gate = Running::start(|config, _| {
        config.server.header_timeout_secs = 1;
        config.server.idle_timeout_secs = 1;
    });
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
fn one_address_has_its_share_of_the_connections() {
    // hyper's has no such bound.
    if crate::BACKEND == "hyper" {
        return;
    }
    let gate = Running::start(|config, _| config.server.max_connections_per_address = 1);
    let mut first = gate.connect();
    first.write_all(b"GET /healthz HTTP/1.1\r\nHost: g\r\n\r\n").expect("sent");
    assert!(first.read(&mut [0; 16]).expect("it is served") > 0);
    let mut second = gate.connect();
    let _ = second.write_all(b"GET /healthz HTTP/1.1\r\nHost: g\r\n\r\n");
    // A reset is as good an end as a close.
    assert_eq!(second.read(&mut [0; 16]).unwrap_or_default(), 0, "it is closed");
}

#[test]
fn a_head_that_is_too_large_is_431() {
    let gate = Running::plain();
    let reply = gate.send(format!("GET / HTTP/1.1\r\nHost: g\r\nX-Long: {}\r\n\r\n", "x".repeat(70_000)));
    assert_eq!(reply.status, 431);
}

/// An HTTP/2 frame.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// An HTTP/2 client whose streams have this window, and that asks for `/healthz` (RFC 7541: `:path`, `:authority`).
fn ask_with_window(gate: &Running, window: u8) -> TcpStream {
    let mut stream = gate.connect();
    let mut sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    sent.extend(frame(4, 0, 0, &[0, 4, 0, 0, 0, window]));
    sent.extend(frame(4, 1, 0, &[]));
    let head = [&[0x82, 0x86, 0x04, 8][..], b"/healthz", &[0x01, 1], b"g"].concat();
    sent.extend(frame(1, 5, 1, &head));
    stream.write_all(&sent).expect("sent");
    stream
}

/// Answers pings until the connection is closed.
fn closed_although_alive(stream: &mut TcpStream) -> Duration {
    let start = Instant::now();
    let mut head = [0; 9];
    while stream.read_exact(&mut head).is_ok() {
        let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
        if stream.read_exact(&mut payload).is_err() {
            break;
        }
        if (head[3], head[4]) == (6, 0) {
            let _ = stream.write_all(&frame(6, 1, 0, &payload));
        }
    }
    start.elapsed()
}

#[test]
fn an_http2_client_that_opens_no_window_is_closed() {
    for window in [0, 1] {
        let gate = Running::start(|config, _| {
            config.server.stall_timeout_secs = 1;
            // What is under way to a client counts as time that it may take; here it does not.
            config.server.min_bytes_per_second = 1 << 30;
            config.server.shutdown_secs = 60;
            // Of a body that is shorter than its piece, Bivalve's server knows no more once hyper has it: then the connection is
            // idle.
            config.server.idle_timeout_secs = 1;
        });
        let taken = closed_although_alive(&mut ask_with_window(&gate, window));
        assert!((900..5000).contains(&taken.as_millis()), "window {window}: {taken:?}");
    }
}

#[test]
fn a_client_that_takes_nothing_of_a_large_response_is_closed() {
    let gate = Running::start(|config, folder| {
        let files = folder.join("files");
        std::fs::create_dir(&files).expect("made");
        std::fs::write(files.join("large.bin"), vec![b'x'; 32 << 20]).expect("written");
        config.app.files = Some(files);
        config.server.stall_timeout_secs = 1;
        config.server.min_bytes_per_second = 1 << 30;
    });
    let mut stream = gate.connect();
    write!(stream, "GET /files/large.bin HTTP/1.1\r\nHost: g\r\n{}\r\n", common::ann()).expect("sent");
    let start = Instant::now();
    // The line is written when the request ends.
    let logs = gate.folder().join("logs");
    let logged = || {
        let files = std::fs::read_dir(&logs).expect("the folder").flatten();
        files.filter_map(|file| std::fs::read_to_string(file.path()).ok()).any(|text| text.contains("large"))
    };
    while !logged() && start.elapsed() < common::PATIENCE {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!((900..5000).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
    drop(stream);
}
