//! The future of a response.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll};

use bivalve_core::Disconnector;
use http::header::{CONTENT_LENGTH, HeaderValue};
use http::{Response, StatusCode};

use crate::Body;
use crate::detach::detach;
use crate::exchange::{Chunks, Exchange, RunFuture, State, Streaming, WRONG_LENGTH};
use crate::headers::Asked;
use crate::layer::Shared;

/// The future of [`ModuleService`](crate::ModuleService).
///
/// # Cancel safety
///
/// Dropping it before the response is there means that the client has gone: what runs is cancelled, and LogRequest and
/// EndRequest run in the background.
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture {
    running: Option<Running>,
}

struct Running {
    run: RunFuture,
    exchange: Arc<Exchange>,
    shared: Arc<Shared>,
    disconnector: Disconnector,
    asked: Asked,
}

impl ResponseFuture {
    pub(crate) fn new(
        run: RunFuture,
        exchange: Arc<Exchange>,
        shared: Arc<Shared>,
        disconnector: Disconnector,
        asked: Asked,
    ) -> Self {
        Self { running: Some(Running { run, exchange, shared, disconnector, asked }) }
    }
}

impl Future for ResponseFuture {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Self::Output> {
        // Polled again after it was ready, which no caller may do, it stays pending.
        let Some(mut running) = self.running.take() else { return Poll::Pending };
        // Taken out, so that what panics is not polled again when this future is dropped.
        let over = running.run.as_mut().poll(task);
        if over.is_pending() && running.exchange.lock().head.is_none() {
            self.running = Some(running);
            return Poll::Pending;
        }
        let Running { run, exchange, shared, disconnector, asked } = running;
        let response = match over {
            Poll::Ready(cx) => {
                let response = complete(&mut exchange.lock(), asked);
                drop(exchange);
                drop(run);
                shared.recycle(cx);
                response
            }
            Poll::Pending => {
                let mut state = exchange.lock();
                let mut head = state.head.take().unwrap_or_default();
                let announced = state.announced;
                drop(state);
                if asked == Asked::Connect && !asked.allows_body(head.status) {
                    head.headers.remove(CONTENT_LENGTH);
                }
                let mut response = Response::new(());
                *response.status_mut() = head.status;
                *response.extensions_mut() = head.extensions;
                *response.headers_mut() = head.headers;
                let body = if asked.allows_body(response.status()) {
                    Body::streaming(Streaming::new(run, exchange, shared, disconnector, announced))
                } else {
                    // hyper drops a body that must not be there: that is no disconnect, and the request is not over.
                    if shared.background().has_room() {
                        exchange.discard(disconnector);
                    } else {
                        exchange.abandon();
                        disconnector.disconnect();
                    }
                    detach(run, &shared);
                    Body::empty()
                };
                response.map(|()| body)
            }
        };
        Poll::Ready(Ok(response))
    }
}

/// The response of a run that is over.
fn complete(state: &mut State, asked: Asked) -> Response<Body> {
    if let Some(response) = state.passed.take() {
        return response;
    }
    let head = state.head.take();
    if head.is_none() || state.reset {
        let mut response = Response::new(Body::broken("the response was reset"));
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        return response;
    }
    let mut head = head.unwrap_or_default();
    let mut chunks = std::mem::take(&mut state.chunks);
    let length = chunks.remaining();
    let wrong = state.announced.is_some_and(|announced| announced != length);
    if !asked.allows_body(head.status) {
        // HTTP/2 in hyper would send it, and the client call it an error.
        chunks = Chunks::default();
        if asked == Asked::Head && length > 0 && Asked::Other.allows_body(head.status) {
            if !head.headers.contains_key(CONTENT_LENGTH) {
                // As many as a map holds: then without.
                let _ = head.headers.try_insert(CONTENT_LENGTH, HeaderValue::from(length));
            }
        } else if asked == Asked::Connect {
            head.headers.remove(CONTENT_LENGTH);
        }
    } else if wrong {
        // The head left alone, and the rest so soon after it that both are here: as for any other stream.
        tracing::error!("{WRONG_LENGTH}");
        let mut response = Response::new(Body::broken(WRONG_LENGTH));
        *response.status_mut() = head.status;
        *response.headers_mut() = head.headers;
        return response;
    } else if length == 0 && head.headers.contains_key(CONTENT_LENGTH) {
        // A module took the body away.
        head.headers.remove(CONTENT_LENGTH);
        let _ = head.headers.try_insert(CONTENT_LENGTH, HeaderValue::from(0));
    }
    let mut response = Response::new(Body::chunks(chunks));
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    *response.extensions_mut() = head.extensions;
    response
}

impl Drop for ResponseFuture {
    fn drop(&mut self) {
        if let Some(Running { run, exchange, shared, disconnector, .. }) = self.running.take() {
            exchange.abandon();
            disconnector.disconnect();
            detach(run, &shared);
        }
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("done", &self.running.is_none()).finish_non_exhaustive()
    }
}
