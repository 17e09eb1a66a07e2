//! What a server is made from.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bivalve_core::Pipeline;

use super::listener::Listener;
use super::running::{Running, StartError};
use super::worker::{MakeRuntime, WorkerRuntime};
use crate::Limits;
use crate::connection::{A_YEAR, Timeouts};
use crate::limits::{CONNECTIONS, CONNECTIONS_PER_ADDRESS};

/// A server that is being put together: a pipeline, listeners, limits.
///
/// [`Limits`] has a table of all its limits and timeouts.
#[must_use = "it serves once it is started"]
pub struct Server {
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) make: MakeRuntime,
    pub(super) listeners: Vec<Listener>,
    pub(super) limits: Limits,
    pub(super) timeouts: Timeouts,
    pub(super) workers: usize,
    pub(super) connections: usize,
    pub(super) per_address: usize,
    pub(super) http2_websocket: bool,
}

impl Server {
    /// A server of this pipeline. `runtime` makes what each worker runs on, on the worker's thread.
    pub fn new<R, F>(pipeline: Arc<Pipeline>, runtime: F) -> Self
    where
        R: WorkerRuntime + 'static,
        F: Fn() -> io::Result<R> + Send + Sync + 'static,
    {
        let make: MakeRuntime =
            Arc::new(move || runtime().map(|runtime| Box::new(runtime) as Box<dyn WorkerRuntime>));
        Self {
            pipeline,
            make,
            listeners: Vec::new(),
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            connections: CONNECTIONS,
            per_address: CONNECTIONS_PER_ADDRESS,
            http2_websocket: false,
        }
    }

    /// Listens here as well.
    pub fn listen(mut self, listener: impl Into<Listener>) -> Self {
        self.listeners.push(listener.into());
        self
    }

    /// Bounds of what a client may send.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Threads that serve; at least 1. Default: one for each core.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers.max(1);
        self
    }

    /// Connections at the same time; at least 1. More wait in the system's queue. Default: 10,000.
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections.max(1);
        self
    }

    /// Connections at the same time of one IPv4 address, or one IPv6 network of 64 bits; at least 1. More are closed at
    /// once. Default: 1,000.
    pub fn connections_per_address(mut self, connections: usize) -> Self {
        self.per_address = connections.max(1);
        self
    }

    /// How long all of a request's head may take, from its first byte: then the client gets 408. Default: 30 seconds; a year at most.
    pub fn head_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts.head = timeout.min(A_YEAR);
        self
    }

    /// How long a connection may be without a request; then it is closed. Default: 120 seconds; a year at most.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts.idle = timeout.min(A_YEAR);
        self
    }

    /// How long a client may be waited for while a body is read from it or a response sent to it. Waiting spends this time,
    /// bytes earn it back ([`minimum_rate`](Self::minimum_rate)), but never more than was spent. Then the connection is reset,
    /// and one that speaks another protocol by then ends with an error. What is sent goes out in pieces of 256 KiB at most, and how
    /// much of one the client has taken is not seen: each piece may take the time that it earns. Default: 30 seconds;
    /// a year at most.
    pub fn stall_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts.stall = timeout.min(A_YEAR);
        self
    }

    /// Bytes a second that a client has to give or take while it is waited for; at least 1. Default: 240, as IIS's
    /// `minBytesPerSecond`.
    pub fn minimum_rate(mut self, bytes_per_second: u64) -> Self {
        self.timeouts.octets_per_second = bytes_per_second.max(1);
        self
    }

    /// Whether clients may begin WebSocket on a stream of an HTTP/2 connection (RFC 8441). Such a request has the method
    /// `CONNECT`, and passes the pipeline as any; axum's `WebSocketUpgrade` takes it where the route does, `any(…)` and not
    /// `get(…)`. Default: no, and browsers then open a connection of HTTP/1.1 for it.
    ///
    /// Each is one of the connection's [streams](Limits::http2_streams), for as long as it lasts, and keeps the connection from being idle.
    pub fn http2_websocket(mut self, allowed: bool) -> Self {
        self.http2_websocket = allowed;
        self
    }

    /// Begins to serve, on threads of its own.
    ///
    /// # Errors
    ///
    /// [`StartError`]: there is no listener, or the system gives no thread, no driver, or no more descriptors.
    pub fn start(self) -> Result<Running, StartError> {
        Running::start(self)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("listeners", &self.listeners)
            .field("workers", &self.workers)
            .finish_non_exhaustive()
    }
}
