//! Bivalve's own server, on the best driver that the system has: the second side.

use std::net::SocketAddr;
use std::sync::Arc;

use bivalve::server::{Listener, Running};
use bivalve::tower::ServiceHandler;
use bivalve::{HandlerMapping, Pipeline};
use http::{Request, Response};
use hyper::body::{Body, Bytes};
use tower::{BoxError, Service};

use crate::observe::{Served, observe};
use crate::{Answer, Ask, Case, Seen};

/// As [`tower::see`](crate::tower::see).
///
/// # Panics
///
/// As there.
pub async fn see(case: &Case) -> Seen {
    observe(case, Pipeline::builder(), async |pipeline| served(pipeline)).await
}

/// As [`tower::see_handler`](crate::tower::see_handler).
///
/// # Panics
///
/// As there.
pub async fn see_handler(case: &Case) -> Seen {
    let builder = Pipeline::builder().handler_mapping(HandlerMapping::new("*").module(case.name));
    observe(case, builder, async |pipeline| served(pipeline)).await
}

/// What a service answers without any module.
///
/// # Panics
///
/// When the machine has no port.
pub async fn bare<S, B>(service: S, ask: &Ask) -> Answer
where
    S: Service<Request<bivalve::tower::Body>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let pipeline = Pipeline::builder().handler(ServiceHandler::new(service)).build().expect("no module");
    let (address, server) = served(pipeline);
    let answer = ask.send(address).await;
    server.end().await;
    answer
}

fn served(pipeline: Arc<Pipeline>) -> (SocketAddr, Served) {
    let server = bivalve::serve(pipeline).expect("every system has a driver");
    let listener = Listener::tcp("127.0.0.1:0").expect("a free port");
    let running: Running = server.listen(listener).workers(1).start().expect("a thread");
    (running.addresses()[0], Served::Native(running))
}
