//! Any Tower service as the handler of a pipeline.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use bivalve_core::{Context, Handler, Outcome};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as HttpBody;
use tower_service::Service;

use crate::serve::serve;
use crate::{Body, BoxError};

/// A Tower service, an axum `Router` for one, as the [`Handler`] of a pipeline: on any host.
///
/// Each request gets a clone that is driven to readiness first. Costs one allocation per request.
///
/// ```
/// use bivalve_core::{Pipeline, testing::TestHost};
/// use bivalve_tower::{Body, ServiceHandler};
///
/// let service = tower::service_fn(|request: http::Request<Body>| async move {
///     Ok::<_, std::convert::Infallible>(http::Response::new(Body::from(request.uri().path().to_owned())))
/// });
/// let pipeline = Pipeline::builder().handler(ServiceHandler::new(service)).build()?;
/// # Ok::<(), bivalve_core::BuildError>(())
/// ```
pub struct ServiceHandler<S> {
    // Services are Send and not always Sync; the lock is held for a clone.
    service: Mutex<S>,
}

impl<S> ServiceHandler<S> {
    /// From a service.
    pub fn new(service: S) -> Self {
        Self { service: Mutex::new(service) }
    }
}

impl<S, B> Handler for ServiceHandler<S>
where
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    fn handle<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        let service = self.service.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Outcome::pending(serve(cx, service))
    }
}

impl<S> fmt::Debug for ServiceHandler<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServiceHandler(..)")
    }
}
