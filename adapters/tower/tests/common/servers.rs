//! The ways in which users serve an axum router with modules.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::serve::IncomingStream;
use bivalve_core::{Connection, Pipeline};
use bivalve_tower::ModuleLayer;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tower::{Service, ServiceExt, service_fn};
use tower_http::add_extension::AddExtension;
use tower_layer::Layer;

/// A server, and where the modules are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// hyper-util's automatic server; modules around the router.
    HyperAround,
    /// hyper-util's automatic server; modules in `Router::layer`.
    HyperLayered,
    /// `axum::serve`; modules around the router.
    AxumAround,
    /// `axum::serve`; modules in `Router::layer`.
    AxumLayered,
}

impl Server {
    pub const ALL: [Self; 4] = [Self::HyperAround, Self::HyperLayered, Self::AxumAround, Self::AxumLayered];

    /// Serves on a port of its own until the test's runtime ends.
    pub async fn start(self, router: Router, pipeline: &Arc<Pipeline>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("its address");
        let modules = ModuleLayer::new(Arc::clone(pipeline));
        match self {
            Self::HyperAround => drop(tokio::spawn(hyper(listener, modules.layer(router)))),
            Self::HyperLayered => drop(tokio::spawn(hyper(listener, router.layer(modules)))),
            Self::AxumAround => {
                // `axum::serve` wants axum's body.
                let service =
                    ServiceExt::<axum::extract::Request>::map_response(modules.layer(router), |r| {
                        r.map(axum::body::Body::new)
                    });
                let make = service_fn(move |stream: IncomingStream<'_, TcpListener>| {
                    let service = with_connection(service.clone(), stream.io());
                    async { Ok::<_, std::convert::Infallible>(service) }
                });
                tokio::spawn(async move { axum::serve(listener, make).await });
            }
            Self::AxumLayered => {
                let service = router.layer(modules);
                let make = service_fn(move |stream: IncomingStream<'_, TcpListener>| {
                    let service = with_connection(service.clone(), stream.io());
                    async { Ok::<_, std::convert::Infallible>(service) }
                });
                tokio::spawn(async move { axum::serve(listener, make).await });
            }
        }
        addr
    }
}

/// Serves a service that is no router.
pub async fn start_service<S>(service: S) -> SocketAddr
where
    S: Service<http::Request<hyper::body::Incoming>, Response = http::Response<bivalve_tower::Body>>,
    S: Clone + Send + 'static,
    S::Error: Into<bivalve_tower::BoxError>,
    S::Future: Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("its address");
    tokio::spawn(hyper(listener, service));
    addr
}

async fn hyper<S, B>(listener: TcpListener, service: S)
where
    S: Service<http::Request<hyper::body::Incoming>, Response = http::Response<B>>,
    S: Clone + Send + 'static,
    S::Error: Into<bivalve_tower::BoxError>,
    S::Future: Send,
    B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
    B::Error: Into<bivalve_tower::BoxError>,
{
    while let Ok((stream, _)) = listener.accept().await {
        stream.set_nodelay(true).expect("a TCP option");
        let service = TowerToHyperService::new(with_connection(service.clone(), &stream));
        tokio::spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            let _ = server.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
        });
    }
}

/// What modules know of a connection.
fn with_connection<S>(service: S, stream: &TcpStream) -> AddExtension<S, Arc<Connection>> {
    let mut connection = Connection::builder();
    if let (Ok(remote), Ok(local)) = (stream.peer_addr(), stream.local_addr()) {
        connection = connection.remote_addr(remote).local_addr(local);
    }
    AddExtension::new(service, Arc::new(connection.build()))
}
