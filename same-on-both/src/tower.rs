//! hyper with the module in a Tower layer: the first side, and where the stand-in for IIS has its native module.

use std::sync::Arc;
use std::time::Duration;

use bivalve::Pipeline;
use bivalve::tower::ModuleLayer;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tower::{Layer, service_fn};

use crate::{Case, HANDLER, Seen, Witness};

/// Serves the case's module, sends its request, and tells what came of it.
///
/// # Panics
///
/// When the machine has no port, or the request does not end within half a minute.
pub async fn see(case: &Case) -> Seen {
    let witness = Witness::default();
    let pipeline = Pipeline::builder()
        .server(bivalve::Server::new())
        .shared_module(case.name, Arc::clone(&case.module))
        .module("Witness", witness.clone())
        .build()
        .expect("two modules with two names");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let server = tokio::spawn(serve(listener, ModuleLayer::new(pipeline)));
    let answer = case.ask.send(address).await;
    // A client that asks for the head only has its answer earlier.
    let end = async {
        while !witness.has_seen_the_end() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(Duration::from_secs(30), end).await.expect("every request ends");
    server.abort();
    Seen { answer, events: witness.take() }
}

/// The address stays open until the task is aborted.
async fn serve(listener: TcpListener, modules: ModuleLayer) {
    let handler = service_fn(async |_request: Request<bivalve::tower::Body>| {
        Ok::<_, std::convert::Infallible>(Response::new(Full::<Bytes>::new(HANDLER)))
    });
    let service = TowerToHyperService::new(modules.layer(handler));
    while let Ok((stream, _peer)) = listener.accept().await {
        drop(tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service.clone())));
    }
}
