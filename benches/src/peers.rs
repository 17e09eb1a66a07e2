//! The servers that are compared: each answers `GET /` with 13 bytes, on one thread.

use std::convert::Infallible;
use std::net::SocketAddr;

use bivalve::tower::{Body, ModuleLayer};
use bivalve_peers::{Modules, mount};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tower::{Layer, Service};

use crate::dispatch::UNITS;

/// What every server answers.
const HELLO: &str = "Hello, World!";

/// One server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// hyper and a function.
    Hyper,
    /// The same in a pipeline without modules.
    HyperEmpty,
    /// The same in a pipeline of ten modules that act before the handler.
    HyperEarly,
    /// The same in a pipeline of ten modules, half of which act after the handler as well.
    HyperAll,
    /// axum with one route.
    Axum,
    /// The same with ten `from_fn`.
    AxumFromFn,
    /// The same in a pipeline of ten modules.
    AxumAll,
}

impl Peer {
    /// All, in the order of the table.
    pub const ALL: [Self; 7] = [
        Self::Hyper,
        Self::HyperEmpty,
        Self::HyperEarly,
        Self::HyperAll,
        Self::Axum,
        Self::AxumFromFn,
        Self::AxumAll,
    ];

    /// For the command line.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Hyper => "hyper",
            Self::HyperEmpty => "hyper-empty",
            Self::HyperEarly => "hyper-early",
            Self::HyperAll => "hyper-all",
            Self::Axum => "axum",
            Self::AxumFromFn => "axum-from-fn",
            Self::AxumAll => "axum-all",
        }
    }

    /// For the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hyper => "hyper",
            Self::HyperEmpty => "hyper + pipeline without modules",
            Self::HyperEarly => "hyper + 10 modules before the handler",
            Self::HyperAll => "hyper + 10 modules, 5 of them also at LogRequest and SendResponse",
            Self::Axum => "axum",
            Self::AxumFromFn => "axum + 10 from_fn",
            Self::AxumAll => "axum + 10 modules, 5 of them also at LogRequest and SendResponse",
        }
    }

    /// From the command line.
    #[must_use]
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|peer| peer.key() == key)
    }

    /// Serves until the process is killed. Prints the port first. `/count` answers with `counted()`.
    ///
    /// # Errors
    ///
    /// When the listener cannot be made.
    pub fn serve(self, counted: fn() -> usize) -> std::io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async move {
            let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
            println!("{}", listener.local_addr()?.port());
            let hello = tower::service_fn(move |request: Request<Body>| async move {
                Ok::<_, Infallible>(Response::new(answer(request.uri().path(), counted)))
            });
            let bare = tower::service_fn(move |request: Request<Incoming>| async move {
                Ok::<_, Infallible>(Response::new(answer(request.uri().path(), counted)))
            });
            match self {
                Self::Hyper => serve(listener, bare).await,
                Self::HyperEmpty => serve(listener, layer(Modules::None).layer(hello)).await,
                Self::HyperEarly => serve(listener, layer(Modules::Before).layer(hello)).await,
                Self::HyperAll => serve(listener, layer(Modules::All).layer(hello)).await,
                Self::Axum => serve(listener, router(counted)).await,
                Self::AxumFromFn => serve(listener, with_from_fn(router(counted))).await,
                Self::AxumAll => serve(listener, layer(Modules::All).layer(router(counted))).await,
            }
            Ok(())
        })
    }
}

fn answer(path: &str, counted: fn() -> usize) -> Full<Bytes> {
    if path == "/count" {
        Full::new(Bytes::from(counted().to_string()))
    } else {
        Full::new(Bytes::from_static(HELLO.as_bytes()))
    }
}

fn router(counted: fn() -> usize) -> axum::Router {
    axum::Router::new()
        .route("/", axum::routing::get(|| async { HELLO }))
        .route("/count", axum::routing::get(move || async move { counted().to_string() }))
}

fn with_from_fn(mut router: axum::Router) -> axum::Router {
    for _ in 0..UNITS {
        router =
            router.layer(axum::middleware::from_fn(
                |request: axum::extract::Request, next: axum::middleware::Next| async move {
                    next.run(request).await
                },
            ));
    }
    router
}

async fn serve<S, B>(listener: TcpListener, service: S)
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + 'static,
    S::Future: 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: http_body_util::BodyExt + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let tasks = tokio::task::LocalSet::new();
    tasks
        .run_until(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                let service = TowerToHyperService::new(service.clone());
                tokio::task::spawn_local(async move {
                    let connection = hyper::server::conn::http1::Builder::new()
                        .pipeline_flush(true)
                        .serve_connection(TokioIo::new(stream), service);
                    let _ = connection.await;
                });
            }
        })
        .await;
}

fn layer(modules: Modules) -> ModuleLayer {
    ModuleLayer::new(mount(modules).build().expect("the names differ"))
}
