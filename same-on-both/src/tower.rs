//! hyper with the module in a Tower layer: the first side, and where the stand-in for IIS has its native module.

use std::sync::Arc;
use std::time::Duration;

use bivalve::backend::Selection;
use bivalve::tower::ModuleLayer;
use bivalve::{HandlerMapping, Pipeline, PipelineBuilder};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Body, Bytes, Incoming};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tower::{BoxError, Layer, Service, service_fn};

use crate::{Answer, Ask, Case, HANDLER, Seen, Witness};

/// Serves the case's module, sends its request, and tells what came of it.
///
/// # Panics
///
/// When the machine has no port, or the request does not end within half a minute.
pub async fn see(case: &Case) -> Seen {
    see_in(case, Pipeline::builder()).await
}

/// As [`see`], with the module as the handler of every request, which a handler mapping says.
///
/// # Panics
///
/// As [`see`].
pub async fn see_handler(case: &Case) -> Seen {
    see_in(case, Pipeline::builder().handler_mapping(HandlerMapping::new("*").module(case.name))).await
}

async fn see_in(case: &Case, builder: PipelineBuilder) -> Seen {
    // What is left behind is one thing for all tests of a process.
    static ALONE: Mutex<()> = Mutex::const_new(());
    let _alone = if case.left.is_some() { Some(ALONE.lock().await) } else { None };
    let handler = service_fn(async |_request: Request<bivalve::tower::Body>| {
        Ok::<_, std::convert::Infallible>(Response::new(Full::<Bytes>::new(HANDLER)))
    });
    let witness = Witness::default();
    let driver = || Selection::automatic().start().map_err(std::io::Error::other);
    let builder = builder
        .server(bivalve::Server::new().with_driver_on_demand(driver))
        .shared_module(case.name, Arc::clone(&case.module));
    let others = case.others.iter();
    let pipeline = others
        .fold(builder, |builder, (name, module)| builder.shared_module(*name, Arc::clone(module)))
        .module("Witness", witness.clone())
        .build()
        .expect("modules with names of their own");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let server = tokio::spawn(serve(listener, ModuleLayer::new(pipeline).layer(handler)));
    let answer = case.ask.send(address).await;
    // A client that asks for the head only has its answer earlier.
    let end = async {
        while !witness.has_seen_the_end() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let ended = timeout(Duration::from_secs(30), end).await;
    assert!(ended.is_ok(), "every request ends: {answer:?} {:?}", witness.take());
    server.abort();
    let left = case.left.clone();
    // It may wait for a thread that writes.
    let left = tokio::task::spawn_blocking(move || left.map(|left| left())).await;
    Seen { answer, events: witness.take(), left: left.expect("what is left can be told") }
}

/// What a service answers without any module.
///
/// # Panics
///
/// When the machine has no port.
pub async fn bare<S, B>(service: S, ask: &Ask) -> Answer
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let server = tokio::spawn(serve(listener, service));
    let answer = ask.send(address).await;
    server.abort();
    answer
}

/// The address stays open until the task is aborted.
async fn serve<S, B>(listener: TcpListener, service: S)
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let service = TowerToHyperService::new(service);
    while let Ok((stream, _peer)) = listener.accept().await {
        drop(tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service.clone())));
    }
}
