//! HTTP/2: with curl, and with frames that no client would send.
#![cfg(unix)]

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bivalve_core::{Context, Flow, Handler, Outcome, Pipeline, Result};
use bivalve_server::{Limits, Listener, Pem, Tls};
use support::certificates::Authority;
use support::{DRIVERS, connect, server, start};

/// Answers by path.
struct Answers;

impl Handler for Answers {
    fn handle<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        match cx.request().url().path() {
            "/echo" => Outcome::pending(async move {
                loop {
                    let part = cx.read_entity(usize::MAX).await?;
                    if part.is_empty() {
                        return Ok(Flow::Continue);
                    }
                    cx.write(part).await?;
                }
            }),
            // Nothing is said before all has come.
            "/count" => Outcome::pending(async move {
                let mut octets = 0;
                loop {
                    let part = cx.read_entity(usize::MAX).await?;
                    if part.is_empty() {
                        cx.response_mut().write(octets.to_string())?;
                        return Ok(Flow::Continue);
                    }
                    octets += part.len();
                }
            }),
            "/endless" => Outcome::pending(async move {
                loop {
                    cx.write(vec![0; 64 * 1024]).await?;
                    cx.flush().await?;
                }
            }),
            "/slow" => Outcome::pending(async move {
                tokio::time::sleep(Duration::from_millis(500)).await;
                cx.response_mut().write("slow")?;
                Ok(Flow::Continue)
            }),
            _ => Outcome::Ready(asked(cx)),
        }
    }
}

/// What the pipeline knows of the request.
fn asked(cx: &mut Context) -> Result<Flow> {
    let field = |name: &str| {
        cx.request().headers().get(name).map_or("-", |value| value.to_str().unwrap_or("?")).to_owned()
    };
    let text = format!(
        "{} {} {} {}",
        cx.request().url().path(),
        field("host"),
        field("cookie"),
        cx.connection().is_secure()
    );
    cx.response_mut().write(text)?;
    Ok(Flow::Continue)
}

fn pipeline() -> Arc<Pipeline> {
    Pipeline::builder().handler(Answers).build().expect("it builds")
}

fn curl(arguments: &[&str]) -> String {
    let output = Command::new("curl").args(["-sS", "--max-time", "30"]).args(arguments).output();
    let output = output.expect("curl is there");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[test]
fn curl_speaks_it_by_alpn_and_by_prior_knowledge() {
    let directory = tempfile::tempdir().expect("a directory");
    let pair = Authority::new("ca", directory.path()).server(1);
    let tls =
        Tls::builder(Pem::bytes(pair.certificate), Pem::bytes(pair.key)).build().expect("they are sound");
    let authority = directory.path().join("ca.pem");
    let authority = authority.to_str().expect("UTF-8");
    for driver in DRIVERS {
        let listener = Listener::tcp("127.0.0.1:0").expect("a port").tls(&tls);
        let running = server(driver, &pipeline()).listen(listener).start().expect("it starts");
        let (plain, secure) = (running.addresses()[0], running.addresses()[1]);
        let version = ["-w", " %{http_version}", "-H", "cookie: a=b"];
        let url = format!("http://{plain}/a");
        let got = curl(&[&version[..], &["--http2-prior-knowledge", &url]].concat());
        assert_eq!(got, format!("/a {plain} a=b false 2"), "{driver}");
        let url = format!("https://{secure}/a");
        let got = curl(&[&version[..], &["--cacert", authority, "--http2", &url]].concat());
        assert_eq!(got, format!("/a {secure} a=b true 2"), "{driver}");

        // A body that is larger than any window, there and back.
        let body = directory.path().join("body");
        std::fs::write(&body, vec![b'x'; 3 << 20]).expect("a directory of the test");
        let body = format!("@{}", body.display());
        let url = format!("https://{secure}/echo");
        let got = curl(&["--cacert", authority, "--http2", "--data-binary", &body, &url]);
        assert_eq!(got.len(), 3 << 20, "{driver}: {got:.100}");
        assert!(got.bytes().all(|octet| octet == b'x'), "{driver}");
    }
}

#[test]
fn limits_have_the_answers_of_http1() {
    let limits = Limits::default().with_body_bytes(1000);
    let running = server("tokio", &pipeline()).limits(limits).start().expect("it starts");
    let address = running.addresses()[0];
    let status = ["--http2-prior-knowledge", "-o", "/dev/null", "-w", "%{http_code}"];
    let directory = tempfile::tempdir().expect("a directory");
    let body = directory.path().join("body");
    std::fs::write(&body, vec![b'x'; 1001]).expect("a directory of the test");
    let body = format!("@{}", body.display());
    let count = format!("http://{address}/count");
    // With a length it is seen in the head; without, when it has come.
    assert_eq!(curl(&[&status[..], &["--data-binary", &body, &count]].concat()), "413");
    let unknown = ["-X", "PUT", "-H", "content-length:", "-T", "-", &count];
    let mut child = Command::new("curl")
        .args(["-sS", "--max-time", "30"])
        .args(status)
        .args(unknown)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("curl is there");
    let _ = child.stdin.take().expect("a pipe").write_all(&[b'x'; 1001]);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "413");

    let long = format!("http://{address}/{}", "a".repeat(4096));
    assert_eq!(curl(&[&status[..], &[&long]].concat()), "404");
    let field = format!("x: {}", "a".repeat(17_000));
    assert_eq!(curl(&[&status[..], &["-H", &field, &count]].concat()), "431");
}

/// One who speaks frames.
struct Frames(TcpStream);

/// Type, flags, stream, payload.
type Frame = (u8, u8, u32, Vec<u8>);

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;

const PROTOCOL_ERROR: u8 = 1;

impl Frames {
    fn connect(address: SocketAddr) -> Self {
        let mut frames = Self(connect(address));
        frames.0.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").expect("it is read");
        frames.send(SETTINGS, 0, 0, &[]);
        frames
    }

    fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).expect("a frame").to_be_bytes();
        let mut frame = length[1..].to_vec();
        frame.extend_from_slice(&[kind, flags]);
        frame.extend_from_slice(&stream.to_be_bytes());
        frame.extend_from_slice(payload);
        self.0.write_all(&frame).expect("it is read");
    }

    /// A request without a body.
    fn request(&mut self, stream: u32, fields: &[(&str, &str)]) {
        self.send(HEADERS, 5, stream, &literal(fields));
    }

    fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        if let Err(error) = self.0.read_exact(&mut head) {
            assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock, "the server keeps it open");
            return None;
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).expect("it fits")];
        self.0.read_exact(&mut payload).ok()?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        if head[3] == PING && head[4] == 0 {
            self.send(PING, 1, 0, &payload);
        }
        Some((head[3], head[4], stream, payload))
    }

    /// What the server says to a request first: its head, or that it resets the stream, or ends the
    /// connection.
    fn answer(&mut self, stream: u32) -> (u8, u8) {
        loop {
            let (kind, _, id, payload) = self.next().expect("an answer");
            if kind == GOAWAY {
                return (GOAWAY, payload[7]);
            }
            if id == stream && (kind == HEADERS || kind == RST_STREAM) {
                return (kind, if kind == HEADERS { payload[0] } else { payload[3] });
            }
        }
    }
}

/// Fields as HPACK has them that indexes nothing: RFC 7541 section 6.2.2.
fn literal(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).ok().filter(|len| *len < 127).expect("a short text"));
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// RFC 7541 appendix A: `:status: 200` and `:status: 400`.
const OK: (u8, u8) = (HEADERS, 0x88);
const BAD: (u8, u8) = (HEADERS, 0x8c);
const RESET: (u8, u8) = (RST_STREAM, PROTOCOL_ERROR);

#[test]
fn what_rfc_9113_forbids_is_refused_and_the_connection_goes_on() {
    let base = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a")];
    let with = |field| [&base[..], &[field]].concat();
    let cases = [
        ("a request", base.to_vec(), OK),
        ("the same host twice", with(("host", "a")), OK),
        ("section 8.2.1: white space in front", with(("x", " y")), RESET),
        ("section 8.2.1: white space behind", with(("x", "y\t")), RESET),
        ("section 8.2.2: connection", with(("connection", "close")), RESET),
        ("section 8.2.2: te", with(("te", "gzip")), RESET),
        ("section 8.3: a pseudo field behind a field", [&base[..3], &[("x", "y"), base[3]]].concat(), RESET),
        ("section 8.3.1: another host", with(("host", "b")), RESET),
        ("section 8.3.1: a user", [&base[..3], &[(":authority", "u@a")]].concat(), RESET),
        ("section 8.3.1: no path", [&base[..2], &[(":path", ""), base[3]]].concat(), RESET),
        ("section 8.3.1: no method", base[1..].to_vec(), RESET),
        ("section 8.1.1: a length without a body", with(("content-length", "3")), RESET),
        ("section 8.5: CONNECT to nothing", vec![(":method", "CONNECT")], RESET),
        ("RFC 9110 section 7.2: no host", base[..3].to_vec(), BAD),
        // What is behind it is seen by nobody, so that nobody reads it in another way.
        ("a fragment, which `http` cuts off", [&base[..2], &[(":path", "/#%zz"), base[3]]].concat(), OK),
        ("an escape that is none", [&base[..2], &[(":path", "/%zz"), base[3]]].concat(), BAD),
    ];
    for driver in DRIVERS {
        let running = start(driver, &pipeline());
        let mut frames = Frames::connect(running.addresses()[0]);
        let mut stream = 1;
        for (case, fields, expected) in &cases {
            frames.request(stream, fields);
            assert_eq!(frames.answer(stream), *expected, "{driver}: {case}");
            stream += 2;
        }
        frames.request(stream, &base);
        assert_eq!(frames.answer(stream), OK, "{driver}");
        // h2 takes what no name can be for a fault of the connection, which section 5.4.2 leaves to it.
        for field in [("X", "y"), (":x", "y"), ("a b", "y"), ("x", "a\nb")] {
            let mut frames = Frames::connect(running.addresses()[0]);
            frames.request(1, &with(field));
            let (kind, _) = frames.answer(1);
            assert!(kind == GOAWAY || kind == RST_STREAM, "{driver}: {field:?}");
        }
    }
}

#[test]
fn who_asks_with_head_gets_no_body_with_a_refusal() {
    let running = start("tokio", &pipeline());
    let mut frames = Frames::connect(running.addresses()[0]);
    let base = [(":method", "HEAD"), (":scheme", "http"), (":path", "/%zz"), (":authority", "a")];
    frames.request(1, &base);
    loop {
        let (kind, flags, stream, payload) = frames.next().expect("an answer");
        if (kind, stream) == (HEADERS, 1) {
            assert_eq!((kind, payload[0]), BAD);
            // RFC 9113 section 6.2: END_STREAM.
            assert_eq!(flags & 1, 1);
            return;
        }
    }
}

#[test]
fn timeouts_that_never_pass_keep_nobody_from_being_served() {
    let server = server("tokio", &pipeline()).head_timeout(Duration::MAX).idle_timeout(Duration::MAX);
    let running = server.stall_timeout(Duration::MAX).start().expect("it starts");
    let address = running.addresses()[0];
    let request = b"PUT /count HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx";
    assert!(support::exchange(address, request).starts_with("HTTP/1.1 200 "));
    let mut frames = Frames::connect(address);
    frames.request(1, &[(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a")]);
    assert_eq!(frames.answer(1), OK);
}

/// Begins to answer, and never ends; counts how many wait.
struct Begins(Arc<[AtomicUsize; 2]>);

struct Waiting(Arc<[AtomicUsize; 2]>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0[1].fetch_add(1, Ordering::SeqCst);
    }
}

impl Handler for Begins {
    fn handle<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        self.0[0].fetch_add(1, Ordering::SeqCst);
        let waiting = Waiting(Arc::clone(&self.0));
        Outcome::pending(async move {
            let _waiting = waiting;
            cx.write("begun").await?;
            cx.flush().await?;
            std::future::pending().await
        })
    }
}

#[test]
fn requests_without_a_body_whose_streams_are_over_do_not_pile_up() {
    let counts = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let pipeline = Pipeline::builder().handler(Begins(Arc::clone(&counts))).build().expect("it builds");
    let running = start("tokio", &pipeline);
    let mut frames = Frames::connect(running.addresses()[0]);
    let asks = [(":method", "HEAD"), (":scheme", "http"), (":path", "/"), (":authority", "a")];
    let requests = 1100_u16;
    for request in 0..requests {
        let stream = 2 * u32::from(request) + 1;
        frames.request(stream, &asks);
        assert_eq!(frames.answer(stream), OK);
    }
    let patience = Instant::now() + Duration::from_secs(20);
    while counts[1].load(Ordering::SeqCst) < usize::from(requests) - 1024 {
        assert!(Instant::now() < patience, "all of them wait: {counts:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(counts[0].load(Ordering::SeqCst), usize::from(requests));
}

#[test]
fn the_preface_is_one_only_as_the_first_thing_that_is_said() {
    for driver in DRIVERS {
        let running = start(driver, &pipeline());
        let late = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        let answer = support::exchange(running.addresses()[0], late);
        assert!(answer.contains("HTTP/1.1 505 "), "{driver}: {answer}");
        for other in [&b"PRI / HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], b"\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
            let answer = support::exchange(running.addresses()[0], other);
            assert!(answer.starts_with("HTTP/1.1 505 "), "{driver}: {answer}");
        }
        // Octet by octet it is the same preface.
        let mut stream = connect(running.addresses()[0]);
        for octet in b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" {
            stream.write_all(&[*octet]).expect("it is read");
        }
        let mut frames = Frames(stream);
        frames.send(SETTINGS, 0, 0, &[]);
        frames.request(1, &[(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a")]);
        assert_eq!(frames.answer(1), OK, "{driver}");
    }
}

#[test]
fn a_stop_says_goaway_and_finishes_what_is_under_way() {
    for driver in DRIVERS {
        let running = start(driver, &pipeline());
        let mut frames = Frames::connect(running.addresses()[0]);
        let fields = [(":method", "GET"), (":scheme", "http"), (":path", "/slow"), (":authority", "a")];
        frames.request(1, &fields);
        // The server has read it when it answers what comes behind it.
        frames.send(PING, 0, 0, &[7; 8]);
        while frames.next().expect("an answer").3 != [7; 8] {}
        let stop = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(running.stop(Duration::from_secs(20)))
        });
        let (mut goaway, mut answered) = (false, false);
        while let Some((kind, _, stream, payload)) = frames.next() {
            goaway |= kind == GOAWAY && payload[4..8] == [0; 4];
            answered |= kind == HEADERS && stream == 1 && payload[0] == 0x88;
        }
        assert!(goaway && answered, "{driver}");
        let stopped = stop.join().expect("no panic");
        assert_eq!((stopped.connections, stopped.requests), (0, 0), "{driver}");
    }
}

#[test]
fn an_idle_connection_is_told_to_go_and_one_that_takes_nothing_is_cut() {
    let short = Duration::from_millis(300);
    for driver in DRIVERS {
        let server = server(driver, &pipeline()).idle_timeout(short).stall_timeout(short);
        // Octets earn next to no time.
        let running = server.minimum_rate(u64::MAX).start().expect("it starts");
        let mut idle = Frames::connect(running.addresses()[0]);
        let mut goaway = false;
        while let Some((kind, ..)) = idle.next() {
            goaway |= kind == GOAWAY;
        }
        assert!(goaway, "{driver}");
        let mut slow = Frames::connect(running.addresses()[0]);
        let fields = [(":method", "GET"), (":scheme", "http"), (":path", "/endless"), (":authority", "a")];
        slow.request(1, &fields);
        // It reads, and never gives the window back: until the server cuts it.
        while slow.next().is_some() {}
        // A body of which only the first octet comes.
        let mut stalled = Frames::connect(running.addresses()[0]);
        let fields = [(":method", "PUT"), (":scheme", "http"), (":path", "/count"), (":authority", "a")];
        stalled.send(HEADERS, 4, 1, &literal(&fields));
        stalled.send(0, 0, 1, b"x");
        let (kind, status) = stalled.answer(1);
        assert!(kind == HEADERS && status != OK.1, "{driver}: {status:x}");
    }
}

#[test]
fn a_reset_flood_ends_the_connection_and_not_the_server() {
    for driver in DRIVERS {
        let running = start(driver, &pipeline());
        let mut frames = Frames::connect(running.addresses()[0]);
        let fields = [(":method", "GET"), (":scheme", "http"), (":path", "/slow"), (":authority", "a")];
        let mut all = Vec::new();
        for stream in (1..4001_u32).step_by(2) {
            let block = literal(&fields);
            let length = u8::try_from(block.len()).expect("it is short");
            all.extend_from_slice(&[0, 0, length, HEADERS, 5]);
            all.extend_from_slice(&stream.to_be_bytes());
            all.extend_from_slice(&block);
            all.extend_from_slice(&[0, 0, 4, RST_STREAM, 0]);
            all.extend_from_slice(&stream.to_be_bytes());
            all.extend_from_slice(&8_u32.to_be_bytes());
        }
        // It may be closed before all of it was taken.
        let _ = frames.0.write_all(&all);
        let mut code = None;
        while let Some((kind, _, _, payload)) = frames.next() {
            if kind == GOAWAY {
                code = Some(payload[7]);
            }
        }
        assert!(matches!(code, Some(0xb) | None), "{driver}: {code:?}");
        let mut other = Frames::connect(running.addresses()[0]);
        other.request(1, &[(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a")]);
        assert_eq!(other.answer(1), OK, "{driver}");
    }
}
