//! hyper with the module in a Tower layer: the first side, and where the stand-in for IIS has its native module.

use std::net::SocketAddr;
use std::sync::Arc;

use bivalve::tower::ModuleLayer;
use bivalve::{Connection, ConnectionBuilder, HandlerMapping, Pipeline, PipelineBuilder};
use http::{Request, Response};
use hyper::body::{Body, Bytes, Incoming};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};

use crate::observe::{Served, handler, observe};
use crate::{Answer, Ask, Case, Seen};

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
    observe(case, builder, async |pipeline| {
        let (address, server) = listen(ModuleLayer::new(pipeline).layer(handler())).await;
        (address, Served::Hyper(server))
    })
    .await
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
    let (address, server) = listen(service).await;
    let answer = ask.send(address).await;
    server.abort();
    answer
}

async fn listen<S, B>(service: S) -> (SocketAddr, JoinHandle<()>)
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    (address, tokio::spawn(serve(listener, service)))
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
    while let Ok((stream, peer)) = listener.accept().await {
        let known = Connection::builder().remote_addr(peer);
        let known = stream.local_addr().into_iter().fold(known, ConnectionBuilder::local_addr);
        let (known, service) = (Arc::new(known.build()), service.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Arc::clone(&known));
            service.clone().oneshot(request)
        });
        let service = TowerToHyperService::new(service);
        drop(tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service)));
    }
}
