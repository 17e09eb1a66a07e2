//! The layer and its service.

use std::convert::Infallible;
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context as Task, Poll};

use bivalve_core::{Connection, Context, Flow, Pipeline, Run};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::Body as HttpBody;
use tower_layer::Layer;
use tower_service::Service;

use crate::contain::Dropped;
use crate::detach::Background;
use crate::exchange::{Exchange, TowerHost};
use crate::headers::Asked;
use crate::serve::{pass, serve};
use crate::{Body, BoxError, ResponseFuture};

/// Contexts that are kept for the next request. More than run at a time are of no use; a context is about 1 KiB.
const POOL: usize = 256;

/// Puts a pipeline around a service.
///
/// The inner service is the handler of a client's request. The pipeline's own handler, if it has one, answers child
/// requests ([`Context::execute_request`]): mount a clone of the service there with
/// [`ServiceHandler`](crate::ServiceHandler) if modules make any; without one they get 404.
///
/// # Connection
///
/// Put an `Arc<`[`Connection`]`>` into the request's extensions and modules see its addresses, and keep values in
/// connection scope; without one they see a connection of which nothing is known.
///
/// # In the background
///
/// A request whose client has gone is finished in the background when its LogRequest or EndRequest waits (and so is one
/// without a body whose head has left: see the crate's documentation). There is at most one such run for each request
/// that was aborted, of the size of its context. Nothing else bounds them: clients come and abort as fast as the server
/// accepts, so a module that waits in LogRequest or EndRequest bounds its own waiting, with a timeout or with a queue that
/// refuses. At shutdown, wait for them with [`drained`](Self::drained).
#[derive(Clone)]
pub struct ModuleLayer {
    shared: Arc<Shared>,
}

impl ModuleLayer {
    /// A layer of this pipeline.
    #[must_use]
    pub fn new(pipeline: Arc<Pipeline>) -> Self {
        Self { shared: Shared::new(pipeline) }
    }

    /// Waits until no request of this layer, or of a clone of it, runs in the background. For the end of a graceful
    /// shutdown: after the connections are closed, and before the runtime is dropped, which would cut LogRequest
    /// off. Put a timeout around it: a module may wait in LogRequest for as long as it likes.
    ///
    /// A request whose future or body is still held by somebody does not count; one that is dropped counts at once.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing; it may be called again, and several may wait.
    pub async fn drained(&self) {
        self.shared.background.drained().await;
    }
}

impl<S> Layer<S> for ModuleLayer {
    type Service = ModuleService<S>;

    fn layer(&self, inner: S) -> ModuleService<S> {
        ModuleService { inner, shared: Arc::clone(&self.shared) }
    }
}

impl fmt::Debug for ModuleLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ModuleLayer").field(&self.shared.pipeline).finish()
    }
}

/// A service inside a pipeline. Made by [`ModuleLayer`].
///
/// It never fails: an error of the inner service becomes a response (500). Where a module resets the connection, the
/// response has a body that fails at once, which makes hyper close the connection (HTTP/2: reset the stream).
#[derive(Clone)]
pub struct ModuleService<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S, B, R> Service<Request<B>> for ModuleService<S>
where
    S: Service<Request<Body>, Response = Response<R>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
    R: HttpBody<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, task: &mut Task<'_>) -> Poll<Result<(), Infallible>> {
        // An inner service that has failed says so again when it is called, and then there is a request to answer.
        self.inner.poll_ready(task).map(|_| Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        // The one that was driven to readiness goes with the request, its clone stays for the next.
        let clone = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, clone);
        let asked = Asked::of(request.method());
        let (cx, exchange) = self.shared.context(request);
        let disconnector = cx.disconnector();
        let run = Box::pin(run(Run::new(cx), inner, Arc::clone(&exchange)));
        ResponseFuture::new(run, exchange, Arc::clone(&self.shared), disconnector, asked)
    }
}

impl<S> fmt::Debug for ModuleService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModuleService").field("pipeline", &self.shared.pipeline).finish_non_exhaustive()
    }
}

/// One request from BeginRequest to EndRequest.
async fn run<S, R>(mut run: Run, inner: S, exchange: Arc<Exchange>) -> Box<Context>
where
    S: Service<Request<Body>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    R: HttpBody<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    if run.run_to_handler().await && run.wants_service() {
        let guard = run.guard();
        let cx = run.context_mut();
        let untouched = !cx.pipeline().acts_after_handler()
            && !cx.pipeline().raises(bivalve_core::Notification::ReadEntity)
            && !cx.response().headers_sent()
            && cx.response().chunks().is_empty()
            && cx.response().trailers().is_none_or(HeaderMap::is_empty);
        let result = if untouched {
            guard.run(pin!(Dropped::contained(pass(cx, inner)))).await.map(|response| {
                exchange.lock().passed = Some(response.map(Body::new));
                Flow::Continue
            })
        } else {
            guard.run(pin!(Dropped::contained(serve(cx, inner)))).await
        };
        run.handled(result);
    }
    run.run_to_end().await;
    run.into_context()
}

/// What all clones of a service share.
pub(crate) struct Shared {
    pipeline: Arc<Pipeline>,
    #[allow(clippy::vec_box, reason = "contexts move in and out, and are about 1 KiB")]
    pool: Mutex<Vec<Box<Context>>>,
    background: Background,
}

impl Shared {
    pub(crate) fn new(pipeline: Arc<Pipeline>) -> Arc<Self> {
        Arc::new(Self { pipeline, pool: Mutex::default(), background: Background::default() })
    }

    pub(crate) fn pipeline(&self) -> &Arc<Pipeline> {
        &self.pipeline
    }

    pub(crate) fn background(&self) -> &Background {
        &self.background
    }

    /// A context whose request is over.
    pub(crate) fn recycle(&self, mut cx: Box<Context>) {
        cx.release();
        if let Some(host) = TowerHost::of(&mut cx) {
            host.release();
        }
        // Another thread at the pool is no reason to wait: the context is dropped instead.
        if let Ok(mut pool) = self.pool.try_lock()
            && pool.len() < POOL
        {
            pool.push(cx);
        }
    }

    pub(crate) fn context<B>(&self, request: Request<B>) -> (Box<Context>, Arc<Exchange>)
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let (parts, body) = request.into_parts();
        let body = Body::new(body);
        let connection = parts.extensions.get::<Arc<Connection>>().cloned();
        let pooled = self.pool.try_lock().ok().and_then(|mut pool| pool.pop());
        if let Some(mut cx) = pooled
            && let Some(host) = TowerHost::of(&mut cx)
        {
            let exchange = host.restart(body);
            cx.start(parts, connection);
            return (cx, exchange);
        }
        let (host, exchange) = TowerHost::new(body);
        (Context::new(&self.pipeline, Box::new(host), parts, connection.unwrap_or_default()), exchange)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_run_of_a_small_service_fits_a_small_allocation() {
        let inner =
            tower::service_fn(|_: Request<Body>| async { Ok::<_, Infallible>(Response::new(Body::empty())) });
        let layer = ModuleLayer::new(Pipeline::builder().build().expect("it builds"));
        let (cx, exchange) = layer.shared.context(Request::new(Body::empty()));
        let size = size_of_val(&run(Run::new(cx), inner, exchange));
        // glibc keeps what it frees at hand up to 1,032 bytes.
        assert!(size < 1000, "{size} bytes");
    }
}
