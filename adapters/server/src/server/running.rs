//! A server that runs, and its end.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::thread;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::Instant;

use super::accept::{Acceptor, Queue};
use super::admission::{Addresses, House};
use super::config::Server;
use super::listener::{Listener, Socket, Terms};
use super::worker::{self, Started};
use crate::connection::{RefusalCounter, Refused, Serving};

/// A server that runs. When it is dropped, everything is cut at once, and its threads are waited for: that blocks, so
/// asynchronous code calls [`stop`](Self::stop) instead.
pub struct Running {
    addresses: Vec<SocketAddr>,
    workers: Vec<Started>,
    refusals: Vec<Arc<RefusalCounter>>,
    acceptor: Option<thread::JoinHandle<()>>,
    order: watch::Sender<Option<Instant>>,
    /// Dropped, it ends the acceptor.
    listening: Option<oneshot::Sender<()>>,
}

/// How a server stopped: what was cut because it had not ended in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stopped {
    /// Connections that were still open.
    pub connections: usize,
    /// Requests that were under way on them.
    pub requests: usize,
}

impl Running {
    pub(super) fn start(server: Server) -> Result<Self, StartError> {
        if server.listeners.is_empty() {
            return Err(StartError::new("there is nothing to listen at", io::ErrorKind::InvalidInput.into()));
        }
        let addresses = server.listeners.iter().flat_map(Listener::addresses).collect();
        let (order, stop) = watch::channel(None);
        let (listening, listens) = oneshot::channel();
        let mut running = Self {
            addresses,
            workers: Vec::new(),
            refusals: Vec::new(),
            acceptor: None,
            order,
            listening: Some(listening),
        };
        let room = Arc::new(Semaphore::new(server.connections.min(Semaphore::MAX_PERMITS)));
        let shares = Arc::new(Addresses::new(server.per_address));
        let mut queues = Vec::new();
        for index in 0..server.workers {
            let (sender, connections) = mpsc::unbounded_channel();
            let mut serving =
                Serving::new(Arc::clone(&server.pipeline), server.limits.clone(), server.timeouts);
            serving.http2_websocket = server.http2_websocket;
            let serving = Arc::new(serving);
            running.refusals.push(Arc::clone(&serving.refusals));
            let started = worker::start(index, Arc::clone(&server.make), serving, connections, stop.clone())
                .map_err(|error| StartError::new("starting a worker", error))?;
            running.workers.push(started);
            let (addresses, room) = (Arc::clone(&shares), Arc::clone(&room));
            let house = Arc::new(House { addresses, load: AtomicUsize::new(0), room });
            queues.push(Queue { house, sender });
        }
        let acceptor = Acceptor { workers: queues, room, addresses: shares };
        let sockets = server.listeners.into_iter().flat_map(Listener::into_sockets).collect();
        running.acceptor = Some(
            accept(acceptor, sockets, listens)
                .map_err(|error| StartError::new("starting to accept", error))?,
        );
        Ok(running)
    }

    /// The TCP addresses that it listens at, in the order in which they were given; a name may stand for several.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// How many requests no module has seen, since it was started.
    #[must_use]
    pub fn refused(&self) -> Refused {
        let mut refused = Refused::default();
        self.refusals.iter().for_each(|counter| refused.add(counter));
        refused
    }

    /// Stops: listens no more, closes idle connections, lets the others finish their request, and after `deadline` cuts
    /// them. A head that has begun to come has two seconds. The modules of what was cut still see LogRequest and EndRequest; those that wait there have two seconds. Work
    /// that a handler has given to threads that may block is not waited for: it goes on, and keeps the worker's runtime
    /// until it ends.
    ///
    /// # Cancel safety
    ///
    /// Dropped before its end, everything is cut at once.
    pub async fn stop(self, deadline: Duration) -> Stopped {
        self.stop_or_cut(deadline, std::future::pending()).await
    }

    /// As [`stop`](Self::stop), with an end to the patience before the deadline: when `cut` is ready, as it is at the second
    /// Ctrl-C of somebody who does not want to wait.
    ///
    /// # Cancel safety
    ///
    /// As [`stop`](Self::stop).
    pub async fn stop_or_cut(mut self, deadline: Duration, cut: impl Future<Output = ()>) -> Stopped {
        let now = Instant::now();
        self.order.send_replace(Some(now.checked_add(deadline).unwrap_or(now)));
        drop(self.listening.take());
        let (order, workers) = (&self.order, &mut self.workers);
        let cut = async {
            cut.await;
            order.send_replace(Some(Instant::now()));
            std::future::pending::<Stopped>().await
        };
        let ended = async {
            let mut stopped = Stopped::default();
            for worker in workers {
                let worker = (&mut worker.stopped).await.unwrap_or_default();
                stopped.connections += worker.connections;
                stopped.requests += worker.requests;
            }
            stopped
        };
        let stopped = tokio::select! {
            stopped = ended => stopped,
            never = cut => never,
        };
        // Joined, a thread would be waited for as long as work that blocks keeps its runtime, and here that would block who
        // awaits this.
        self.workers.clear();
        stopped
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.listening.take());
        self.order.send_replace(Some(Instant::now()));
        let threads = self.workers.drain(..).map(|worker| worker.thread).chain(self.acceptor.take());
        for thread in threads {
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

/// The thread that accepts.
fn accept(
    acceptor: Acceptor,
    sockets: Vec<(Socket, Terms)>,
    listens: oneshot::Receiver<()>,
) -> io::Result<thread::JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("bivalve-accept".into()).spawn(move || {
        runtime.block_on(async move {
            tokio::select! {
                failed = acceptor.accept(sockets) => {
                    let Err(error) = failed;
                    tracing::error!(target: "bivalve::server", %error, "nothing is accepted any more");
                }
                // An error: the server is gone.
                _ = listens => {}
            }
        });
    })
}

/// Why a server does not start.
#[derive(Debug)]
pub struct StartError {
    doing: &'static str,
    source: io::Error,
}

impl StartError {
    fn new(doing: &'static str, source: io::Error) -> Self {
        Self { doing, source }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server does not start: {}: {}", self.doing, self.source)
    }
}

impl Error for StartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}
