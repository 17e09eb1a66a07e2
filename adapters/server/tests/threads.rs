//! The threads of a server: one that dies, one that is kept busy while the server stops.

mod support;

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use bivalve_core::{Context, Driver, Flow, Handler, Module, Notification, Outcome, Pipeline, Registration};
use bivalve_server::{Listener, Server, WorkerRuntime};
use support::{DRIVERS, connect, exchange, read_to_end, start};

/// The first one made dies as soon as it serves.
struct Mortal {
    runtime: tokio::runtime::Runtime,
    driver: Arc<dyn Driver>,
    dies: bool,
    dead: mpsc::Sender<()>,
}

impl WorkerRuntime for Mortal {
    fn driver(&self) -> Arc<dyn Driver> {
        Arc::clone(&self.driver)
    }

    fn block_on(&self, future: Pin<&mut dyn Future<Output = ()>>) {
        assert!(!self.dies, "as it was told to");
        self.runtime.block_on(future);
    }
}

impl Drop for Mortal {
    fn drop(&mut self) {
        let _ = self.dead.send(());
    }
}

#[test]
fn a_worker_that_has_died_gets_no_connections() {
    fn hello(cx: &mut Context) -> bivalve_core::Result<Flow> {
        cx.response_mut().write("Hello World!")?;
        Ok(Flow::Continue)
    }
    let pipeline = Pipeline::builder().handler(hello).build().expect("it builds");
    let (dead, is_dead) = mpsc::channel();
    let (made, dead) = (AtomicUsize::new(0), Mutex::new(dead));
    let server = Server::new(pipeline, move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let driver: Arc<dyn Driver> = bivalve_tokio::TokioDriver::start()?;
        let dead = dead.lock().map_err(|_| io::Error::other("poisoned"))?.clone();
        Ok(Mortal { runtime, driver, dies: made.fetch_add(1, Ordering::Relaxed) == 0, dead })
    });
    let listener = Listener::tcp("127.0.0.1:0").expect("a port");
    let server = server.listen(listener).workers(2).start().expect("it starts");
    is_dead.recv().expect("the first worker dies");
    for _ in 0..10 {
        let answer = exchange(server.addresses()[0], b"GET / HTTP/1.0\r\n\r\n");
        assert!(answer.ends_with("Hello World!"), "{answer}");
    }
}

#[test]
fn connections_are_spread_evenly_over_the_threads() {
    const THREADS: usize = 3;
    const EACH: usize = 4;
    fn thread(cx: &mut Context) -> bivalve_core::Result<Flow> {
        let name = format!("{}!", std::thread::current().name().unwrap_or_default());
        cx.response_mut().write(name)?;
        Ok(Flow::Continue)
    }
    let pipeline = Pipeline::builder().handler(thread).build().expect("it builds");
    for driver in DRIVERS {
        let running = support::server(driver, &pipeline).workers(THREADS).start().expect("it starts");
        let mut counts = BTreeMap::new();
        let streams: Vec<_> = (0..THREADS * EACH)
            .map(|_| {
                let mut stream = connect(running.addresses()[0]);
                stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("it is read");
                let mut answer = Vec::new();
                while !answer.ends_with(b"!") {
                    let mut octet = [0];
                    stream.read_exact(&mut octet).expect("it is sent");
                    answer.push(octet[0]);
                }
                let name = answer.rsplit(|octet| *octet == b'\n').next().unwrap_or_default().to_vec();
                *counts.entry(name).or_insert(0) += 1;
                stream
            })
            .collect();
        assert_eq!(counts.into_values().collect::<Vec<_>>(), [EACH; THREADS], "{driver}");
        drop(streams);
    }
}

/// Says that it has begun, and keeps a thread for blocking work until it is told.
struct Blocks(Arc<Mutex<mpsc::Receiver<()>>>);

impl Handler for Blocks {
    fn handle<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        let told = Arc::clone(&self.0);
        Outcome::pending(async move {
            cx.write("begun").await?;
            cx.flush().await?;
            let blocked = tokio::task::spawn_blocking(move || {
                let told = told.lock().map_err(|_| ())?;
                told.recv_timeout(Duration::from_secs(20)).map_err(drop)
            });
            let _ = blocked.await;
            Ok(Flow::Continue)
        })
    }
}

#[tokio::test]
async fn a_stop_does_not_wait_for_work_that_blocks() {
    for driver in DRIVERS {
        let (tell, told) = mpsc::channel();
        let blocks = Blocks(Arc::new(Mutex::new(told)));
        let server = start(driver, &Pipeline::builder().handler(blocks).build().expect("it builds"));
        let mut stream = connect(server.addresses()[0]);
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").expect("it is read");
        let mut answer = Vec::new();
        while !answer.ends_with(b"begun") {
            let mut octet = [0];
            stream.read_exact(&mut octet).expect("it is sent");
            answer.push(octet[0]);
        }
        let stopped = server.stop(Duration::from_millis(50)).await;
        assert_eq!((stopped.connections, stopped.requests), (1, 1), "{driver}");
        // Were it over, nobody would be told any more.
        assert!(tell.send(()).is_ok(), "{driver}: the work has ended before the stop");
    }
}

/// Never ends, and counts what is logged, and that its client has gone by then.
struct Endless(Arc<AtomicUsize>);

impl Module for Endless {
    fn registration(&self) -> Registration {
        Registration::new().on(Notification::ExecuteRequestHandler).on(Notification::LogRequest)
    }

    fn on_execute_request_handler<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        Outcome::pending(async move {
            cx.write("begun").await?;
            cx.flush().await?;
            std::future::pending().await
        })
    }

    fn on_log_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        self.0.fetch_add(usize::from(!cx.is_connected()), Ordering::SeqCst);
        Outcome::CONTINUE
    }
}

#[tokio::test]
async fn a_request_that_is_cut_is_logged_whatever_its_protocol() {
    for driver in DRIVERS {
        let logged = Arc::new(AtomicUsize::new(0));
        let pipeline = Pipeline::builder().module("Endless", Endless(Arc::clone(&logged))).build();
        let server = start(driver, &pipeline.expect("it builds"));
        let mut plain = connect(server.addresses()[0]);
        plain.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("it is read");
        let mut second = connect(server.addresses()[0]);
        // A preface, no settings, and a GET of http://a/ (RFC 7541: `:path`, `:authority`).
        second.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").expect("it is read");
        second.write_all(b"\0\0\0\x04\0\0\0\0\0").expect("it is read");
        second.write_all(b"\0\0\x06\x01\x05\0\0\0\x01\x82\x86\x84\x01\x01a").expect("it is read");
        for stream in [&mut plain, &mut second] {
            let mut answer = Vec::new();
            while !answer.ends_with(b"begun") {
                let mut octet = [0];
                stream.read_exact(&mut octet).expect("it is sent");
                answer.push(octet[0]);
            }
        }
        // The first order is patient, the second one is not.
        let stopped = server.stop_or_cut(Duration::from_secs(600), async {}).await;
        assert_eq!((stopped.connections, stopped.requests), (2, 2), "{driver}");
        assert_eq!(logged.load(Ordering::SeqCst), 2, "{driver}");
    }
}

#[tokio::test]
async fn half_a_head_does_not_keep_a_server_that_stops() {
    for driver in DRIVERS {
        let pipeline = Pipeline::builder().build().expect("it builds");
        let server = start(driver, &pipeline);
        let mut stream = connect(server.addresses()[0]);
        // Answered, so that the server has it when it is told to stop; 404 here, and half a request behind it.
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /hal").expect("it is read");
        stream.read_exact(&mut [0]).expect("it is answered");
        let stopped = server.stop(Duration::from_secs(600)).await;
        assert_eq!((stopped.connections, stopped.requests), (0, 0), "{driver}");
        assert!(read_to_end(stream).contains("HTTP/1.1 408 "), "{driver}");
    }
}
