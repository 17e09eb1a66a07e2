//! A thread that serves connections: a runtime, a driver, and the connections that it was given.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bivalve_core::driver::LeasePool;
use bivalve_core::{ConnectionBuilder, Driver};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::admission::Admission;
use super::introduced::Introduced;
use super::listener::{Stream, Terms};
use super::open::OpenConnections;
use super::running::Stopped;
use crate::connection::{Serving, serve, serve_encrypted};
use crate::limits::OWED;
use crate::transport::Driven;

/// What a worker thread runs on: a current-thread Tokio runtime, with its I/O and timers enabled, and a completion driver
/// that works while the runtime does.
///
/// Made on the thread that it serves, and dropped there.
pub trait WorkerRuntime {
    /// The driver of its connections.
    fn driver(&self) -> Arc<dyn Driver>;

    /// Runs a future to its end, inside of the runtime.
    fn block_on(&self, future: Pin<&mut dyn Future<Output = ()>>);
}

/// Makes the runtime of each worker, on the worker's thread.
pub(super) type MakeRuntime = Arc<dyn Fn() -> io::Result<Box<dyn WorkerRuntime>> + Send + Sync>;

/// A connection on its way to a worker.
pub(super) struct Accepted {
    pub(super) stream: Stream,
    pub(super) terms: Terms,
    pub(super) connection: ConnectionBuilder,
    pub(super) admission: Admission,
}

/// The order to stop: in time until the instant, and then at once.
pub(super) type StopOrder = watch::Receiver<Option<Instant>>;

/// Starts a thread. It serves until it is told to stop, and then says what it has cut.
pub(super) fn start(
    index: usize,
    make: MakeRuntime,
    serving: Arc<Serving>,
    connections: mpsc::UnboundedReceiver<Accepted>,
    stop: StopOrder,
) -> io::Result<Started> {
    let (ready, is_ready) = std::sync::mpsc::channel();
    let (done, stopped) = oneshot::channel();
    let thread = thread::Builder::new().name(format!("bivalve-{index}")).spawn(move || {
        let runtime = match make() {
            Ok(runtime) => runtime,
            Err(error) => return drop(ready.send(Err(error))),
        };
        let _ = ready.send(Ok(()));
        let driver = runtime.driver();
        let mut outcome = Stopped::default();
        {
            let mut work = std::pin::pin!(async {
                outcome = work(&driver, &serving, connections, stop).await;
            });
            runtime.block_on(work.as_mut());
        }
        let _ = done.send(outcome);
    })?;
    match is_ready.recv() {
        Ok(Ok(())) => Ok(Started { thread, stopped }),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(io::Error::other("the worker thread has panicked while it made its runtime")),
    }
}

/// A thread that serves.
pub(super) struct Started {
    pub(super) thread: thread::JoinHandle<()>,
    pub(super) stopped: oneshot::Receiver<Stopped>,
}

async fn work(
    driver: &Arc<dyn Driver>,
    serving: &Arc<Serving>,
    mut connections: mpsc::UnboundedReceiver<Accepted>,
    mut stop: StopOrder,
) -> Stopped {
    let carriers = Carriers { driver, leases: LeasePool::new(LEASE, KEPT_LEASES) };
    let open = OpenConnections::new(serving.timeouts.idle);
    let mut listening = true;
    loop {
        tokio::select! {
            biased;
            _ = stop.wait_for(Option::is_some) => break,
            accepted = connections.recv(), if listening => {
                match accepted {
                    Some(accepted) => begin(&open, &carriers, serving, accepted),
                    // Nobody accepts any more; when to stop is still to be said.
                    None => listening = false,
                }
            }
        }
    }
    serving.stop();
    // Accepted, and on its way when the order came.
    connections.close();
    while let Ok(accepted) = connections.try_recv() {
        begin(&open, &carriers, serving, accepted);
    }
    open.wake_idle().await;
    let mut deadline = stop.borrow().unwrap_or_else(Instant::now);
    loop {
        tokio::select! {
            () = open.all_ended() => break,
            () = tokio::time::sleep_until(deadline) => break,
            // A second order may be more urgent; nobody left to give one changes nothing.
            Ok(()) = stop.changed() => deadline = stop.borrow().unwrap_or(deadline),
        }
    }
    let stopped = Stopped { connections: open.len(), requests: serving.requests() };
    if !open.is_empty() {
        let _ = tokio::time::timeout(OWED, cut(&open, serving)).await;
    }
    open.shut_down().await;
    stopped
}

/// LogRequest and EndRequest are owed to every request that began.
async fn cut(open: &OpenConnections, serving: &Serving) {
    serving.cut();
    while serving.requests() > 0 {
        tokio::select! {
            () = open.all_ended(), if !open.is_empty() => {}
            // A request may end before its connection does, which is not waited for.
            () = tokio::time::sleep(LOOK) => {}
        }
    }
    // Those that hyper has let go.
    serving.drained().await;
}

fn begin(open: &OpenConnections, carriers: &Carriers<'_>, serving: &Arc<Serving>, accepted: Accepted) {
    let Accepted { stream, terms: Terms { proxies, tls }, connection, admission } = accepted;
    let serving = Arc::clone(serving);
    let begun = if proxies.is_some() {
        let (driver, leases) = (Arc::clone(carriers.driver), Arc::clone(&carriers.leases));
        stream.into_tokio().map(|socket| {
            let introduced = |stay| Introduced { socket, tls, connection, stay };
            open.enter(admission).begin(|stay| introduced(stay).serve(driver, leases, serving));
        })
    } else if let Some(tls) = tls {
        let leases = Arc::clone(&carriers.leases);
        stream.into_tokio().map(|socket| {
            let encrypted = |stay| serve_encrypted(stay, socket, tls, connection, leases, serving);
            open.enter(admission).begin(encrypted);
        })
    } else {
        Driven::new(carriers.driver, stream).map(|transport| {
            serve(transport, Arc::new(connection.build()), serving, open.enter(admission));
        })
    };
    if let Err(error) = begun {
        not_taken(&error);
    }
}

pub(super) fn not_taken(error: &io::Error) {
    tracing::warn!(target: "bivalve::server", %error, "a connection is not taken by the driver, or by Tokio");
}

/// What carries the connections of a thread: the driver, or Tokio with these buffers below TLS.
struct Carriers<'a> {
    driver: &'a Arc<dyn Driver>,
    leases: Arc<LeasePool>,
}

/// Between two looks at what is left.
const LOOK: Duration = Duration::from_millis(5);

/// Bytes of a buffer for what is received through TLS: the most that one record holds (RFC 8446 section 5.1).
const LEASE: usize = 16 * 1024;
/// Unused ones that a thread keeps.
const KEPT_LEASES: usize = 64;
