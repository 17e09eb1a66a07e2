//! hyper on a current-thread Tokio runtime, and axum on hyper.

use std::convert::Infallible;
use std::io;
use std::net::TcpListener;

use axum::Router;
use axum::extract::Request as AxumRequest;
use axum::middleware::{Next, from_fn};
use axum::routing::{get, post};
use bivalve::tower::{Body, ModuleLayer};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tower::{Layer, Service};
use tower_http::services::ServeDir;

use crate::modules::{Modules, mount};
use crate::{HELLO, Work};

pub(crate) fn serve(listener: TcpListener, work: &Work) -> io::Result<()> {
    match work {
        Work::Echo => run(
            listener,
            tower::service_fn(|request: Request<Incoming>| async move {
                Ok::<_, Infallible>(Response::new(request.into_body()))
            }),
        ),
        _ => run(
            listener,
            tower::service_fn(|_request: Request<Incoming>| async move {
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(HELLO.as_bytes()))))
            }),
        ),
    }
}

/// A pipeline around the same service.
pub(crate) fn serve_modules(listener: TcpListener) -> io::Result<()> {
    let pipeline = mount(Modules::Before).build().map_err(io::Error::other)?;
    let hello = tower::service_fn(|_request: Request<Body>| async move {
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(HELLO.as_bytes()))))
    });
    run(listener, ModuleLayer::new(pipeline).layer(hello))
}

pub(crate) fn serve_axum(listener: TcpListener, work: &Work, layers: usize) -> io::Result<()> {
    let mut router = router(work);
    for _ in 0..layers {
        router = router.layer(from_fn(|request: AxumRequest, next: Next| next.run(request)));
    }
    run(listener, router)
}

/// What axum does with a request, on hyper or behind a pipeline.
pub(crate) fn router(work: &Work) -> Router {
    match work {
        Work::Hello => Router::new().route("/", get(|| async { HELLO })),
        Work::Echo => Router::new()
            .route("/", post(|request: AxumRequest| async { Response::new(request.into_body()) })),
        Work::Files(root) => Router::new().fallback_service(ServeDir::new(root)),
    }
}

fn run<S, B>(listener: TcpListener, service: S) -> io::Result<()>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + 'static,
    S::Future: 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: BodyExt + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime, async move {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let service = TowerToHyperService::new(service.clone());
            tokio::task::spawn_local(async move {
                let connection = hyper::server::conn::http1::Builder::new()
                    .pipeline_flush(true)
                    .serve_connection(TokioIo::new(stream), service);
                // A client that has gone.
                let _ = connection.await;
            });
        }
    })
}
