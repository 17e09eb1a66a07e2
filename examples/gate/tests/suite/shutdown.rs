//! The end: in time, and honest about what it cut.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::common::{self, Running, ann};
use gate::server::Stopped;

/// Reads until something of a response has come.
fn begun(stream: &mut TcpStream) {
    let mut first = [0; 1024];
    assert!(stream.read(&mut first).expect("within the patience") > 0);
}

/// An upload that never ends; its response has begun.
fn stuck(gate: &Running) -> TcpStream {
    let mut stream = gate.connect();
    write!(stream, "POST /echo HTTP/1.1\r\nHost: g\r\n{}Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n", ann())
        .expect("sent");
    begun(&mut stream);
    stream
}

#[test]
fn a_stream_without_an_end_ends_cleanly() {
    let gate = Running::plain();
    let mut stream = gate.connect();
    write!(stream, "GET /events HTTP/1.1\r\nHost: g\r\n{}\r\n", ann()).expect("sent");
    begun(&mut stream);
    let start = Instant::now();
    let (stopped, log) = gate.stop();
    assert_eq!(stopped, Stopped::default());
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).expect("closed");
    assert!(rest.ends_with(b"0\r\n\r\n"), "the stream is complete");
    assert_eq!(log.entries("cs-uri-stem sc-status sc-win32-status"), ["/events 200 0"]);
}

#[test]
fn connections_without_a_request_are_not_waited_for() {
    let gate = Running::plain();
    let silent = gate.connect();
    let mut idle = gate.connect();
    write!(idle, "GET /healthz HTTP/1.1\r\nHost: g\r\n\r\n").expect("sent");
    begun(&mut idle);
    let mut half = gate.connect();
    write!(half, "GET /heal").expect("sent");
    let mut preface = gate.connect();
    write!(preface, "PRI * HTTP/2.0\r\n\r\nSM").expect("sent");
    let start = Instant::now();
    let (stopped, _) = gate.stop();
    assert_eq!(stopped, Stopped::default());
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    drop(silent);
}

#[test]
fn a_request_that_does_not_end_is_cut_at_the_deadline_and_counted() {
    let gate = Running::start(|config, _| config.server.shutdown_secs = 1);
    let mut stream = stuck(&gate);
    let start = Instant::now();
    let (stopped, log) = gate.stop();
    assert_eq!(stopped, Stopped { connections: 1, requests: 1 });
    assert!((1..5).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(!rest.ends_with(b"0\r\n\r\n"), "a response that was cut does not look complete");
    // Cut, but not forgotten: LogRequest runs for every request that began.
    assert_eq!(log.entries("cs-uri-stem sc-win32-status"), ["/echo 64"]);
}

#[test]
fn a_second_order_ends_the_patience() {
    let gate = Running::start(|config, _| config.server.shutdown_secs = 600);
    let _stream = stuck(&gate);
    let start = Instant::now();
    gate.order();
    gate.order();
    let (stopped, _) = gate.ended();
    assert_eq!(stopped, Stopped { connections: 1, requests: 1 });
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

#[test]
fn nobody_is_accepted_any_more() {
    let gate = Running::start(|config, _| config.server.shutdown_secs = 600);
    let _stream = stuck(&gate);
    let addr = gate.addr;
    gate.order();
    let deadline = Instant::now() + common::PATIENCE;
    while TcpStream::connect(addr).is_ok() && Instant::now() < deadline {
        std::thread::yield_now();
    }
    assert!(TcpStream::connect(addr).is_err());
    gate.order();
    let _ = gate.ended();
}

/// Reads so slowly that the application has long given its last byte away, and the socket has not got it.
#[test]
fn a_slow_client_gets_its_response_to_the_end() {
    const SIZE: usize = 4_500_000;
    for stop in [false, true] {
        let gate = Running::start(|config, folder| {
            let files = folder.join("files");
            std::fs::create_dir(&files).expect("made");
            std::fs::write(files.join("large.bin"), vec![b'x'; SIZE]).expect("written");
            config.app.files = Some(files);
            config.server.idle_timeout_secs = 1;
            config.server.header_timeout_secs = 1;
            config.server.shutdown_secs = 60;
        });
        let mut stream = gate.connect();
        let start = Instant::now();
        write!(stream, "GET /files/large.bin HTTP/1.1\r\nHost: g\r\n{}\r\n", ann()).expect("sent");
        let (mut got, mut part) = (0, vec![0; 30_000]);
        let mut ordered = false;
        loop {
            match stream.read(&mut part).expect("whole") {
                0 => break,
                n => got += n,
            }
            if start.elapsed() < Duration::from_secs(4) {
                std::thread::sleep(Duration::from_millis(25));
            }
            if stop && !ordered && start.elapsed() > Duration::from_secs(1) {
                gate.order();
                ordered = true;
            }
        }
        assert!(got > SIZE, "{got} bytes");
        let (stopped, _) = if ordered { gate.ended() } else { gate.stop() };
        assert_eq!(stopped, Stopped::default());
    }
}
