//! HTTP/2 by hyper, with the rules that hyper leaves to others.

mod bodies;
mod rules;
mod watch;

use std::error::Error as StdError;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Instant;

use bivalve_core::Connection;
use bivalve_tower::Body;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::task::JoinSet;
use tower_service::Service;

use self::bodies::{Bounded, Fault, Outgoing};
use self::rules::Refusal;
#[cfg(any(test, fuzzing))]
pub(crate) use self::rules::is_served;
use self::watch::{Verdict, Watch};
use super::pool::{Serving, Stopping};
use super::watchdog::Watchdog;
use crate::http1::reject::Reject;
use crate::limits::{HTTP2_SEND_BUFFER, HTTP2_WINDOW};
use crate::transport::Prefixed;

/// Serves a client until one side closes.
pub(super) async fn serve(stream: Prefixed, connection: Arc<Connection>, serving: &Arc<Serving>) {
    let watch = Arc::new(Watch::new(Arc::clone(serving)));
    let tasks = Tasks::default();
    let _end = EndOf(tasks.clone());
    let service =
        service_fn(|request| answer(request, Arc::clone(&connection), Arc::clone(&watch), tasks.clone()));
    let mut conn = pin!(builder(&tasks, serving).serve_connection(TokioIo::new(stream), service));
    let mut sleep = pin!(tokio::time::sleep(serving.timeouts.idle));
    let mut watchdog = Watchdog::new(sleep.as_mut());
    let stopping = pin!(serving.stopping());
    let mut stopping = Stopping::new(stopping);
    let mut closing = None;
    poll_fn(|task| {
        if closing.is_none() && serving.is_stopping(&mut stopping, task) {
            // GOAWAY, and what is under way is finished: RFC 9113 section 6.8.
            conn.as_mut().graceful_shutdown();
            closing = Some(Instant::now());
        }
        loop {
            if let Poll::Ready(end) = conn.as_mut().poll(task) {
                if let Err(error) = end {
                    tracing::debug!(target: "bivalve::server", %error, "an HTTP/2 connection has failed");
                }
                return Poll::Ready(());
            }
            let until = match watch.look(Instant::now(), closing, tasks.is_empty()) {
                Verdict::Wait(until) => until,
                Verdict::Idle => {
                    conn.as_mut().graceful_shutdown();
                    closing = Some(Instant::now());
                    continue;
                }
                Verdict::Cut(why) => {
                    tracing::debug!(target: "bivalve::server", why, "an HTTP/2 connection is cut");
                    return Poll::Ready(());
                }
            };
            if watchdog.poll_passed(until, task).is_pending() {
                return Poll::Pending;
            }
        }
    })
    .await;
}

fn builder(tasks: &Tasks, serving: &Serving) -> http2::Builder<Tasks> {
    let (limits, timeouts) = (&serving.limits, &serving.timeouts);
    let mut builder = http2::Builder::new(tasks.clone());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.http2_streams())
        .max_local_error_reset_streams(limits.http2_resets())
        .max_pending_accept_reset_streams(limits.http2_pending_resets())
        .initial_stream_window_size(HTTP2_WINDOW)
        .initial_connection_window_size(HTTP2_WINDOW)
        .max_send_buf_size(HTTP2_SEND_BUFFER)
        .max_header_list_size(u32::try_from(limits.head_bytes()).unwrap_or(u32::MAX))
        // Who is in the middle of a head cannot answer: this is what ends those that never come to its end.
        .keep_alive_interval(timeouts.head)
        .keep_alive_timeout(timeouts.stall);
    if serving.http2_websocket {
        builder.enable_connect_protocol();
    }
    builder
}

type BoxError = Box<dyn StdError + Send + Sync>;

/// One request through the pipeline. An error resets its stream.
async fn answer(
    request: Request<Incoming>,
    connection: Arc<Connection>,
    watch: Arc<Watch>,
    tasks: Tasks,
) -> Result<Response<Outgoing>, BoxError> {
    let guard = Watch::begin(&watch);
    let serving = Arc::clone(watch.serving());
    let (mut parts, body) = request.into_parts();
    let bodiless = parts.method == Method::HEAD;
    let fault = Fault::default();
    let body = Bounded::new(body, &serving, fault.clone(), tasks);
    let refused = match rules::check(&mut parts, &serving.limits) {
        Ok(refused) => refused,
        Err(Refusal::Malformed(why)) => {
            tracing::debug!(target: "bivalve::server", why, "a malformed request: its stream is reset");
            return Err(h2::Error::from(h2::Reason::PROTOCOL_ERROR).into());
        }
        Err(Refusal::Answer(reject)) => {
            serving.refusals.note(reject, &connection);
            return Ok(refuse(reject, bodiless).map(|body| Outgoing::new(body, guard)));
        }
    };
    parts.extensions.insert(connection);
    let mut service = serving.service();
    let response = match refused {
        None => service.call(Request::from_parts(parts, body)).await,
        Some(reject) => {
            // Nobody reads it any more.
            drop(body);
            service.refuse(Request::from_parts(parts, Body::empty()), &reject.into()).await
        }
    };
    let response = response.unwrap_or_else(|never| match never {});
    let response = match fault.get() {
        // What the handler made of a body that it could not read is not what was wrong.
        Some(reject) => {
            tracing::debug!(target: "bivalve::server", %reject, "a body is refused");
            refuse(reject, bodiless)
        }
        None => response,
    };
    Ok(response.map(|body| Outgoing::new(body, guard)))
}

/// `bodiless`: hyper sends whatever body it gets, also to who asked with HEAD (RFC 9110 section 9.3.2).
fn refuse(reject: Reject, bodiless: bool) -> Response<Body> {
    let text = reject.status.canonical_reason().unwrap_or("Error");
    let mut response = Response::new(if bodiless { Body::empty() } else { Body::from(text) });
    *response.status_mut() = reject.status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response.headers_mut().insert(CONTENT_LENGTH, text.len().into());
    response
}

/// The tasks of one connection's streams.
#[derive(Clone, Default)]
struct Tasks(Arc<Mutex<JoinSet<()>>>);

impl<F> Executor<F> for Tasks
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reap(&mut tasks);
        tasks.spawn(stream);
    }
}

impl Tasks {
    /// Whether no stream is open. One that has changed its protocol has no request any more, only its task.
    fn is_empty(&self) -> bool {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reap(&mut tasks);
        tasks.is_empty()
    }
}

fn reap(tasks: &mut JoinSet<()>) {
    while let Some(ended) = tasks.try_join_next() {
        if let Err(error) = ended {
            tracing::error!(target: "bivalve::server", %error, "a stream was reset by a fault of the server");
        }
    }
}

/// They end with the connection, also where it is cut: each of them holds the set that holds it.
struct EndOf(Tasks);

impl Drop for EndOf {
    fn drop(&mut self) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }
}

const TIMEOUT: Reject =
    Reject::new(StatusCode::REQUEST_TIMEOUT, "the body has not come in time (RFC 9110 section 15.5.9)");
