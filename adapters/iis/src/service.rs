//! A Tower service as a handler module.

use std::fmt;

use bivalve_core::{Context, Handler, Module, Notification, Outcome, Registration};
use bivalve_tower::{Body, BoxError, ServiceHandler};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as HttpBody;
use tower_service::Service;

/// A Tower service, an unmodified axum `Router` for one, as a module that answers at ExecuteRequestHandler: what
/// [`export_service!`](crate::export_service) exports.
///
/// A body with an exact size within the response buffer limit is buffered. Any other streams: buffering is off, and
/// each frame is flushed.
///
/// IIS counterpart: a handler, `<add name="App" path="*" verb="*" modules="App" />`.
pub struct ServiceModule<S> {
    handler: ServiceHandler<S>,
}

impl<S> ServiceModule<S> {
    /// From a service.
    pub fn new(service: S) -> Self {
        Self { handler: ServiceHandler::new(service) }
    }
}

impl<S, B> Module for ServiceModule<S>
where
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    fn registration(&self) -> Registration {
        Registration::new().on(Notification::ExecuteRequestHandler)
    }

    fn on_execute_request_handler<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        self.handler.handle(cx)
    }
}

impl<S> fmt::Debug for ServiceModule<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServiceModule(..)")
    }
}
