//! Bodies that are longer than any buffer, or have no end.

use std::io::{BufRead, BufReader, Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use super::common::{self, Reply, Running, ann};

#[test]
fn events_arrive_one_by_one_through_the_modules() {
    let gate = Running::plain();
    let mut stream = gate.connect();
    write!(stream, "GET /events HTTP/1.1\r\nHost: g\r\n{}\r\n", ann()).expect("sent");
    let mut lines = BufReader::new(stream).lines().map(|line| line.expect("a line within the patience"));
    let head: Vec<String> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
    assert!(head[0].starts_with("HTTP/1.1 200 "), "{head:?}");
    for header in ["content-type: text/event-stream", "transfer-encoding: chunked"] {
        assert!(head.iter().any(|line| line == header), "{head:?}");
    }
    assert!(head.iter().any(|line| line.starts_with("x-request-id: ")), "{head:?}");
    let mut times = lines.filter(|line| line.starts_with("data: ")).map(|_| Instant::now());
    let times: Vec<Instant> = times.by_ref().take(3).collect();
    // Were they buffered, they would come together.
    let apart = times[2] - times[0];
    assert!(apart > Duration::from_millis(1500), "{apart:?}");
}

#[test]
fn a_client_that_leaves_a_stream_is_logged() {
    let gate = Running::plain();
    let mut stream = gate.connect();
    write!(stream, "GET /events HTTP/1.1\r\nHost: g\r\n{}\r\n", ann()).expect("sent");
    let mut first = [0; 512];
    let _ = stream.read(&mut first).expect("the head");
    drop(stream);
    // The next event finds nobody; then the request ends by itself.
    let deadline = Instant::now() + common::PATIENCE;
    let path = gate.folder().join("logs");
    let logged = || {
        let files = std::fs::read_dir(&path).expect("the folder").flatten();
        files
            .map(|file| std::fs::read_to_string(file.path()).expect("ASCII"))
            .any(|text| text.contains("/events"))
    };
    while !logged() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(20));
    }
    let (_, log) = gate.stop();
    assert_eq!(log.entries("cs-uri-stem sc-status sc-win32-status"), ["/events 200 64"]);
}

#[test]
fn ten_megabytes_come_back_as_they_went() {
    let gate = Running::plain();
    let sent: Vec<u8> =
        (0..10 * 1024 * 1024_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    for chunked in [false, true] {
        let mut stream = gate.connect();
        let framing = if chunked {
            "Transfer-Encoding: chunked".into()
        } else {
            format!("Content-Length: {}", sent.len())
        };
        let login = ann();
        let head = format!("POST /echo HTTP/1.1\r\nHost: g\r\nConnection: close\r\n{login}{framing}\r\n\r\n");
        let mut upload = stream.try_clone().expect("a second handle");
        let reply = thread::scope(|scope| {
            // The answer streams while the upload does: who only writes at first would wait forever.
            scope.spawn(|| {
                upload.write_all(head.as_bytes()).expect("sent");
                if chunked {
                    for part in sent.chunks(100_000) {
                        write!(upload, "{:x}\r\n", part.len()).expect("sent");
                        upload.write_all(part).expect("sent");
                        upload.write_all(b"\r\n").expect("sent");
                    }
                    upload.write_all(b"0\r\n\r\n").expect("sent");
                } else {
                    upload.write_all(&sent).expect("sent");
                }
            });
            Reply::read(&mut stream)
        });
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("content-type"), Some("application/octet-stream"));
        assert!(reply.body == sent, "{} bytes came back", reply.body.len());
    }
}

#[test]
fn an_upload_that_is_announced_too_large_is_refused() {
    let gate = Running::start(|config, _| config.app.max_upload_bytes = 1000);
    let login = ann();
    let head = |length| {
        format!(
            "POST /echo HTTP/1.1\r\nHost: g\r\nConnection: close\r\n{login}Content-Length: {length}\r\n\r\n"
        )
    };
    assert_eq!(gate.send(head(1001)).status, 413);
    let fits = gate.send(head(1000) + &"x".repeat(1000));
    assert_eq!((fits.status, fits.body.len()), (200, 1000));
}

#[test]
fn an_upload_that_turns_out_too_large_ends_without_looking_complete() {
    let gate = Running::start(|config, _| config.app.max_upload_bytes = 1000);
    let mut stream = gate.connect();
    let chunk = format!("{:x}\r\n{}\r\n", 900, "x".repeat(900));
    write!(
        stream,
        "POST /echo HTTP/1.1\r\nHost: g\r\n{}Transfer-Encoding: chunked\r\n\r\n{chunk}{chunk}0\r\n\r\n",
        ann()
    )
    .expect("sent");
    let mut reply = Vec::new();
    // A reset is as good an end as a close.
    let _ = stream.read_to_end(&mut reply);
    let reply = String::from_utf8_lossy(&reply);
    assert!(!reply.ends_with("0\r\n\r\n") || reply.starts_with("HTTP/1.1 413 "), "{reply}");
}
