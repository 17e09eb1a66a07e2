//! Serves HTTP/1.1 with a pipeline inside: a module author's stand-in for IIS.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bivalve_core::{Connection, Pipeline};
use bivalve_tower::{Body, ModuleLayer};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;
use tower_layer::Layer;

/// Serves until `stop` resolves; requests that are under way then have ten seconds to end.
///
/// Mount the modules with a [`HandlerMapping`](bivalve_core::HandlerMapping) of `*`: what no module answers is 404.
///
/// # Errors
///
/// None once it listens; an accept that fails is tried again.
pub async fn serve(listener: TcpListener, pipeline: Arc<Pipeline>, stop: impl Future<Output = ()>) {
    let layer = ModuleLayer::new(pipeline);
    let service = layer.layer(tower::service_fn(not_found));
    let graceful = GracefulShutdown::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "no connection can be accepted; trying again");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let known = Arc::new(known(&stream, peer));
        let service = service.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            // Here the modules learn about the connection.
            request.extensions_mut().insert(Arc::clone(&known));
            service.clone().oneshot(request)
        });
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
        let connection = graceful.watch(builder.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%peer, %error, "the connection failed");
            }
        });
    }
    drop(listener);
    let ended = async {
        graceful.shutdown().await;
        layer.drained().await;
    };
    if tokio::time::timeout(GRACE, ended).await.is_err() {
        tracing::warn!("requests were cut: they had not ended {GRACE:?} after the stop");
    }
}

/// Listens.
///
/// # Errors
///
/// With the address, and what to do.
pub async fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(addr).await.map_err(|error| {
        let text = format!("cannot listen at {addr}: {error}. Choose another address with --listen");
        io::Error::new(error.kind(), text)
    })
}

/// Called where no module answers and none is mapped.
async fn not_found(_: Request<Body>) -> Result<Response<Body>, Infallible> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NOT_FOUND;
    Ok(response)
}

fn known(stream: &TcpStream, peer: SocketAddr) -> Connection {
    let connection = Connection::builder().remote_addr(peer);
    match stream.local_addr() {
        Ok(local) => connection.local_addr(local).build(),
        Err(_) => connection.build(),
    }
}

/// After an accept that failed: the machine may have no descriptor left.
const PAUSE: Duration = Duration::from_secs(1);

/// For a request's head; the connection is closed then.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// For what is under way at the stop; it is cut then.
const GRACE: Duration = Duration::from_secs(10);
