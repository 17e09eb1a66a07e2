//! What hyper does for us: the change to another protocol.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bivalve_core::Connection;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tower_service::Service;

use super::pool::Serving;
use crate::transport::Prefixed;

/// Serves one request that asks for another protocol, whose head was checked before. If the handler agrees, the stream
/// is its own from then on.
pub(super) async fn serve(stream: Prefixed, connection: Arc<Connection>, serving: &Arc<Serving>) {
    let _underway = serving.begin();
    let asked = AtomicBool::new(false);
    let service = service_fn(|mut request: Request<Incoming>| {
        // hyper is told to keep nothing alive. Should it ask again all the same, nobody answers.
        let first = !asked.swap(true, Ordering::Relaxed);
        request.extensions_mut().insert(Arc::clone(&connection));
        let answer = first.then(|| serving.service().call(request));
        async move {
            match answer {
                Some(answer) => answer.await.map_err(|never| match never {}),
                None => Err("one request only"),
            }
        }
    });
    let serving = http1::Builder::new().keep_alive(false).serve_connection(TokioIo::new(stream), service);
    if let Err(error) = serving.with_upgrades().await {
        tracing::debug!(target: "bivalve::server", %error, "a connection failed that was to change its protocol");
    }
}
