//! One call to serve a pipeline.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use bivalve_core::{Driver, Pipeline};
use bivalve_server::WorkerRuntime;

use crate::backend::{SelectError, Selection};
use crate::server::Server;

/// A server of this pipeline: on io_uring, completion ports or Tokio, whichever is the best that the system has.
///
/// ```
/// use bivalve::prelude::*;
/// use bivalve::server::Listener;
///
/// fn hello(cx: &mut Context) -> Result<Flow> {
///     cx.response_mut().write("Hello World!")?;
///     Ok(Flow::Continue)
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
/// let pipeline = bivalve::Pipeline::builder().handler(hello).build()?;
/// let running = bivalve::serve(pipeline)?.listen(Listener::tcp("127.0.0.1:0")?).start()?;
/// println!("http://{}", running.addresses()[0]);
/// let stopped = running.stop(std::time::Duration::from_secs(30)).await;
/// assert_eq!(stopped.requests, 0);
/// # Ok(())
/// # }
/// ```
///
/// Any Tower service, an axum `Router` say, is a handler too: `.handler(bivalve::tower::ServiceHandler::new(router))`. Limits and
/// timeouts are on by default, in [one table](crate::server::Limits); [`Listener`](crate::server::Listener) has TLS, Unix sockets,
/// systemd's sockets and the PROXY protocol.
///
/// # Errors
///
/// [`SelectError`]: there is no driver, or the system has run out of something.
pub fn serve(pipeline: Arc<Pipeline>) -> Result<Server, SelectError> {
    serve_on(pipeline, Selection::automatic())
}

/// As [`serve`], on a driver that was asked for. To know which one it came to, and why: [`Selection::choose`].
///
/// # Errors
///
/// [`SelectError`]: the driver cannot be had.
pub fn serve_on(pipeline: Arc<Pipeline>, selection: Selection) -> Result<Server, SelectError> {
    selection.choose().map(|choice| choice.server(pipeline))
}

/// What one worker runs on.
pub(crate) struct Worker(Box<dyn WorkerRuntime>);

impl Worker {
    pub(crate) fn new(runtime: impl WorkerRuntime + 'static) -> Self {
        Self(Box::new(runtime))
    }
}

impl WorkerRuntime for Worker {
    fn driver(&self) -> Arc<dyn Driver> {
        self.0.driver()
    }

    fn block_on(&self, future: Pin<&mut dyn Future<Output = ()>>) {
        self.0.block_on(future);
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Worker").field(&self.driver().name()).finish()
    }
}

/// A Tokio runtime of one thread, and a driver beside it.
pub(crate) struct OnTokio {
    runtime: tokio::runtime::Runtime,
    driver: Arc<dyn Driver>,
}

impl OnTokio {
    pub(crate) fn new(driver: impl FnOnce() -> io::Result<Arc<dyn Driver>>) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let entered = runtime.enter();
        let driver = driver()?;
        drop(entered);
        Ok(Self { runtime, driver })
    }
}

impl WorkerRuntime for OnTokio {
    fn driver(&self) -> Arc<dyn Driver> {
        Arc::clone(&self.driver)
    }

    fn block_on(&self, future: Pin<&mut dyn Future<Output = ()>>) {
        self.runtime.block_on(future);
    }
}
