//! Clients that send what no client should, leave in the middle, or have very much to say: the server survives, no rule of
//! IIS is broken, and the next request is answered.
//!
//! `BIVALVE_LOAD_MIB` says how long the long bodies are.

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bivalve::prelude::*;
use bivalve::{HandlerMapping, Module, Notification, Pipeline};
use bivalve_iis_host::IisHost;
use same_on_both::probes::trips;
use tokio::sync::oneshot;

const MIB: usize = 1024 * 1024;

/// Nobody waits longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many requests began, and how many ended.
#[derive(Clone, Default)]
struct Count(Arc<[AtomicUsize; 2]>);

#[bivalve::module]
impl Module for Count {
    fn on_begin_request(&self, _: &mut Context) -> Result<Flow> {
        self.0[0].fetch_add(1, Ordering::SeqCst);
        Ok(Flow::Continue)
    }

    fn on_end_request(&self, _: &mut Context) -> Result<Flow> {
        self.0[1].fetch_add(1, Ordering::SeqCst);
        Ok(Flow::Continue)
    }
}

/// The stand-in, with one module of the library inside, at a port.
struct Server {
    host: IisHost,
    addr: SocketAddr,
    count: Count,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

impl Server {
    fn start(module: &str) -> Self {
        let library = support::library("same-on-both-module");
        let host = IisHost::builder().build();
        let native = host.load(library, module).expect("the module loads");
        let count = Count::default();
        let pipeline = Pipeline::builder()
            .server(bivalve::Server::new())
            .handler_mapping(HandlerMapping::new("*").module(module))
            .module("Count", count.clone())
            .module(module, native)
            .build()
            .expect("a pipeline");
        let (stop, stopped) = oneshot::channel();
        let (told, addr) = std::sync::mpsc::channel();
        let served = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let any = SocketAddr::from(([127, 0, 0, 1], 0));
                let listener = bivalve_iis_host::listen(any).await.expect("a free port");
                told.send(listener.local_addr().expect("it is bound")).expect("somebody waits");
                bivalve_iis_host::serve(listener, pipeline, async { drop(stopped.await) }).await;
            });
        });
        let addr = addr.recv().expect("the server starts");
        Self { host, addr, count, stop, served }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.addr).expect("the server listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        stream.set_write_timeout(Some(PATIENCE)).expect("a time-out");
        stream
    }

    /// The status line and what follows the head, of a whole exchange.
    fn exchange(&self, sent: &[u8]) -> (String, Vec<u8>) {
        self.talk(sent, false)
    }

    /// The same with a client that says nothing more, which is as good as gone.
    fn cut(&self, sent: &[u8]) -> (String, Vec<u8>) {
        self.talk(sent, true)
    }

    fn talk(&self, sent: &[u8], is_cut: bool) -> (String, Vec<u8>) {
        let mut stream = self.connect();
        // Who refuses may close before all was read.
        let _ = stream.write_all(sent);
        if is_cut {
            let _ = stream.shutdown(Shutdown::Write);
        }
        let mut all = Vec::new();
        if let Err(error) = stream.read_to_end(&mut all) {
            assert_ne!(error.kind(), ErrorKind::WouldBlock, "no answer and no end");
            assert_ne!(error.kind(), ErrorKind::TimedOut, "no answer and no end");
        }
        let head = all.windows(4).position(|window| window == b"\r\n\r\n").map_or(all.len(), |at| at + 4);
        let body = all.split_off(head);
        (String::from_utf8_lossy(&all).lines().next().unwrap_or_default().to_owned(), body)
    }

    fn assert_well(&self) {
        let (status, _) = self.exchange(b"GET /well HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        // Not every module answers.
        let is_well = status.starts_with("HTTP/1.1 200") || status.starts_with("HTTP/1.1 404");
        assert!(is_well, "the next request: {status:?}");
    }

    /// Whether every request that began ends.
    fn is_over(&self) -> bool {
        let patience = Instant::now() + PATIENCE / 6;
        loop {
            let [ended, began] = [1, 0].map(|at| self.count.0[at].load(Ordering::SeqCst));
            if ended == began || Instant::now() > patience {
                return ended == began;
            }
            std::thread::yield_now();
        }
    }

    /// Every request that began has ended, and no rule was broken.
    fn end(self) {
        self.assert_well();
        assert!(self.is_over(), "a request that does not end");
        assert!(self.count.0[0].load(Ordering::SeqCst) > 0);
        drop(self.stop);
        self.served.join().expect("the server lives");
        self.host.violations().assert_none();
    }
}

/// Of this process, in bytes; 0 where the system does not tell.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok()).unwrap_or_default() * 1024
}

/// A sanitizer keeps freed memory for a while, which looks like growth.
fn has_sanitizer() -> bool {
    std::env::var_os("ASAN_OPTIONS").is_some()
}

fn load_mib() -> usize {
    std::env::var("BIVALVE_LOAD_MIB").ok().and_then(|mib| mib.parse().ok()).unwrap_or(128)
}

#[test]
fn no_head_that_a_client_can_send_ends_the_server() {
    let server = Server::start("Load");
    let get =
        |rest: &str| format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{rest}\r\n").into_bytes();
    let refused: Vec<(&str, Vec<u8>)> = vec![
        ("no request", b"\0\0\0\0\r\n\r\n".to_vec()),
        ("no target", b"GET\r\n\r\n".to_vec()),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec()),
        ("a version from the future", b"GET / HTTP/9.9\r\nHost: a\r\n\r\n".to_vec()),
        ("a header without a colon", get("nocolon\r\n")),
        ("a zero in a header", get("x: a\0b\r\n")),
        ("a space in a name", get("x y: z\r\n")),
        ("a length that is no number", get("Content-Length: many\r\n")),
        ("two lengths", get("Content-Length: 1\r\nContent-Length: 2\r\n")),
        ("a length beyond all", get("Content-Length: 99999999999999999999999\r\n")),
        ("an unknown coding", get("Transfer-Encoding: gzip\r\n")),
        ("a header of a megabyte", get(&format!("x: {}\r\n", "y".repeat(MIB)))),
        ("ten thousand headers", get(&"x: y\r\n".repeat(10_000))),
        (
            "a target of a megabyte",
            format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "y".repeat(MIB)).into_bytes(),
        ),
    ];
    for (what, sent) in refused {
        let (status, _) = server.exchange(&sent);
        assert!(status.is_empty() || status.starts_with("HTTP/1.1 4"), "{what}: {status}");
    }
    // These are requests, if odd ones: one answer or none, and no end of the server.
    for sent in [
        get("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
        format!("GET /{} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "%00%ff%2e%2e/".repeat(50))
            .into_bytes(),
        format!("GET /{} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "y".repeat(60_000)).into_bytes(),
        b"GET http://[::1]:99999/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_vec(),
        b"OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_vec(),
        b"\xfftwo / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
        get(&format!("x: {}\r\n", "y".repeat(60_000))),
        b"GET / HTTP/1.1\r\nHo".to_vec(),
        Vec::new(),
    ] {
        server.cut(&sent);
        server.assert_well();
    }
    server.end();
}

#[test]
fn a_body_that_is_not_as_long_as_it_was_announced_fails_its_request_only() {
    let server = Server::start("Load");
    let post = |rest: &str| format!("POST /upload HTTP/1.1\r\nHost: a\r\n{rest}").into_bytes();
    let (status, body) = server.exchange(&post("Connection: close\r\nContent-Length: 10\r\n\r\n0123456789"));
    assert!(status.starts_with("HTTP/1.1 200") && body == b"10", "{status} {body:?}");
    for short in [
        post("Content-Length: 100\r\n\r\nfew"),
        post("Content-Length: 100\r\n\r\n"),
        post("Transfer-Encoding: chunked\r\n\r\n64\r\nfew"),
        post("Transfer-Encoding: chunked\r\n\r\nnonsense\r\n"),
        post("Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n"),
    ] {
        let (status, _) = server.cut(&short);
        assert!(!status.starts_with("HTTP/1.1 200"), "{status}: a body without its end");
        server.assert_well();
    }
    // What is too much is another request, and none.
    let (status, body) = server.exchange(&post("Content-Length: 3\r\n\r\n0123456789"));
    assert!(status.starts_with("HTTP/1.1 200") && body.starts_with(b"3"), "{status} {body:?}");
    server.end();
}

#[test]
fn a_client_may_leave_at_every_event_while_the_module_is_in_it_and_while_it_waits() {
    let server = Server::start("Trips");
    let mut stuck = Vec::new();
    for event in trips::events() {
        for how in ["held", "abandoned"] {
            // In these a module has its time, whether the client is there or not; and at MapPath it cannot wait.
            let notification = event.notification();
            if how == "abandoned" && (notification.is_guaranteed() || notification == Notification::MapPath) {
                continue;
            }
            let module = TcpListener::bind("127.0.0.1:0").expect("a free port");
            let port = module.local_addr().expect("it is bound").port();
            let mut client = server.connect();
            let head =
                format!("POST /{event}/{how}/{port} HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody");
            client.write_all(head.as_bytes()).expect("a request");
            let (held, _) = module.accept().expect("the module is in its event");
            client.shutdown(Shutdown::Both).expect("the client leaves");
            drop(client);
            drop(held);
            server.assert_well();
            if !server.is_over() {
                stuck.push(format!("{event} {how}"));
            }
        }
    }
    assert!(stuck.is_empty(), "requests that do not end: {stuck:?}");
    server.end();
}

#[test]
fn long_bodies_need_no_memory() {
    let server = Server::start("Load");
    let mib = load_mib();
    server.assert_well();
    let piece = vec![b'u'; 64 * 1024];
    let before = resident();
    let mut most = 0;

    let mut client = server.connect();
    let head = format!(
        "POST /upload HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        mib * MIB
    );
    client.write_all(head.as_bytes()).expect("a head");
    for _ in 0..mib * MIB / piece.len() {
        client.write_all(&piece).expect("a piece is taken");
        most = most.max(resident());
    }
    let mut answer = String::new();
    client.read_to_string(&mut answer).expect("an answer");
    assert!(answer.ends_with(&format!("\r\n\r\n{}", mib * MIB)), "{answer}");

    let mut client = server.connect();
    let head = format!("GET /download/{mib} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    client.write_all(head.as_bytes()).expect("a head");
    let (mut total, mut buffer) = (0, vec![0; 256 * 1024]);
    loop {
        let read = client.read(&mut buffer).expect("a piece comes");
        if read == 0 {
            break;
        }
        total += buffer[..read].iter().filter(|byte| **byte == b'd').count();
        most = most.max(resident());
    }
    assert!(total >= mib * MIB, "{total} bytes came");
    let grown = most.saturating_sub(before) / MIB;
    println!("{mib} MiB up and down: {grown} MiB more resident");
    assert!(has_sanitizer() || grown < 64, "{grown} MiB more");
    server.end();
}

#[test]
fn a_hundred_thousand_tiny_writes_and_one_huge_one_arrive() {
    let server = Server::start("Load");
    for (url, byte, count) in [("/tiny/100000", b't', 100_000), ("/huge/300", b'h', 300 * MIB)] {
        let get = format!("GET {url} HTTP/1.0\r\nHost: a\r\n\r\n");
        let (status, body) = server.exchange(get.as_bytes());
        assert!(status.contains(" 200"), "{url}: {status}");
        assert_eq!(body.iter().filter(|seen| **seen == byte).count(), count, "{url}");
        assert_eq!(body.len(), count, "{url}");
    }
    server.end();
}
