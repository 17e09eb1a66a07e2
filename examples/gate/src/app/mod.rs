//! The application: plain axum, which knows nothing of modules but the user and the request id they leave behind.

mod echo;
mod events;
mod files;
mod page;
mod time;

use std::path::PathBuf;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use http::Request;
use serde::Deserialize;
use tokio::sync::watch;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::RequestBodyTimeoutLayer;
use tower_http::trace::TraceLayer;
use tracing::Span;

use crate::modules::request_id::RequestId;

/// `[app]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AppConfig {
    /// The folder behind `/files/`, for everybody who has logged in. Default: none; then a few files come out of the program itself.
    pub files: Option<PathBuf>,
    /// Bytes of an upload to `/echo`; more is answered with 413, or ends the connection where nobody could know.
    /// Default: 64 MiB.
    pub max_upload_bytes: usize,
}

impl Default for AppConfig {
    fn default() -> Self {
        Self { files: None, max_upload_bytes: 64 * 1024 * 1024 }
    }
}

/// The application. Streams that have no end of their own end when `stopping` becomes true.
pub fn router(config: &AppConfig, stopping: watch::Receiver<bool>) -> Router {
    Router::new()
        .route("/", get(page::index))
        .route("/style.css", get(page::style))
        .route("/healthz", get(healthz))
        .route("/api/time", get(time::now))
        .route("/events", get(events::seconds).with_state(stopping))
        .route("/echo", post(echo::echo).layer(RequestBodyLimitLayer::new(config.max_upload_bytes)))
        .merge(files::router())
        .layer(RequestBodyTimeoutLayer::new(BODY_TIMEOUT))
        .layer(TraceLayer::new_for_http().make_span_with(span))
}

/// For load balancers: open to all, and without a word about anything.
async fn healthz() -> &'static str {
    "ok\n"
}

/// No query: it may hold secrets, and the trace is read by more people than the access log.
fn span(request: &Request<Body>) -> Span {
    let id = request.extensions().get::<RequestId>().map(RequestId::as_str);
    tracing::info_span!("request", id, method = %request.method(), path = request.uri().path())
}

/// Between two parts of an upload; a client that is silent for longer has its upload ended.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
