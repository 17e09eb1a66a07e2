//! A pipeline with a handler of its own, as a service.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::task::{Context as Task, Poll};

use bivalve_core::{Context, Error, Pipeline, Run};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as HttpBody;
use tower_service::Service;

use crate::layer::Shared;
use crate::{Body, BoxError, ResponseFuture};

/// A pipeline with a handler of its own, as the innermost service: for hyper, or under Tower's layers.
///
/// A pipeline without a handler answers what no module answers with 404. Connection and background runs are as for a
/// [`ModuleLayer`](crate::ModuleLayer).
///
/// ```
/// use bivalve_core::{Context, Flow, Pipeline, Result};
/// use bivalve_tower::{Body, PipelineService};
/// use tower::ServiceExt;
///
/// fn hello(cx: &mut Context) -> Result<Flow> {
///     cx.response_mut().write("Hello World!")?;
///     Ok(Flow::Continue)
/// }
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let service = PipelineService::new(Pipeline::builder().handler(hello).build()?);
/// let response = service.oneshot(http::Request::new(Body::empty())).await?;
/// assert_eq!(response.status(), 200);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct PipelineService {
    shared: Arc<Shared>,
}

impl PipelineService {
    /// A service of this pipeline.
    #[must_use]
    pub fn new(pipeline: Arc<Pipeline>) -> Self {
        Self { shared: Shared::new(pipeline) }
    }

    /// As [`ModuleLayer::drained`](crate::ModuleLayer::drained).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing; it may be called again, and several may wait.
    pub async fn drained(&self) {
        self.shared.background().drained().await;
    }
}

impl PipelineService {
    /// Answers with this error, before any module sees the request: for a server that refuses it. LogRequest, EndRequest and
    /// SendResponse run.
    ///
    /// IIS counterpart: what request filtering refuses, 404.14 for one. Modules read its sub-status in the response.
    pub fn refuse<B>(&self, request: Request<B>, error: &Error) -> ResponseFuture
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        self.run(request, |cx| Run::refused(cx, error))
    }

    fn run<B>(&self, request: Request<B>, run: impl FnOnce(Box<Context>) -> Run) -> ResponseFuture
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let asked = crate::headers::Asked::of(request.method());
        let (cx, exchange) = self.shared.context(request);
        let disconnector = cx.disconnector();
        let mut run = run(cx);
        let run = Box::pin(async move {
            run.run_to_end().await;
            run.into_context()
        });
        ResponseFuture::new(run, exchange, Arc::clone(&self.shared), disconnector, asked)
    }
}

impl<B> Service<Request<B>> for PipelineService
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _task: &mut Task<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        self.run(request, Run::new)
    }
}

impl fmt::Debug for PipelineService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PipelineService").field(self.shared.pipeline()).finish()
    }
}
