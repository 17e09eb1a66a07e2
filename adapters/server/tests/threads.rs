//! The threads of a server: one that dies, one that is kept busy while the server stops.

mod support;

use std::io::{self, Read, Write};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use bivalve_core::{Context, Driver, Flow, Handler, Outcome, Pipeline};
use bivalve_server::{Listener, Server, WorkerRuntime};
use support::{DRIVERS, connect, exchange, start};

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
