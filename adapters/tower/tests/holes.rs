//! What a hostile review found open, one rule each.

#![allow(clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context as Task, Poll};
use std::time::Duration;

use bivalve_core::{Context, EntityChunk, Flow, Module, Notification, Outcome, Registration};
use bivalve_tower::{Body, BoxError, ModuleLayer};
use bytes::Bytes;
use common::{Recorder, at, call, collect, get, pipeline, wrap};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::sync::Notify;
use tower::{Layer, ServiceExt, service_fn};
use tower_service::Service;

type Answer = dyn for<'a> Fn(&'a mut Context) -> Outcome<'a> + Send + Sync;

/// A module of one closure that may wait.
struct Waits(Notification, Box<Answer>);

fn waits(
    at: Notification,
    f: impl for<'a> Fn(&'a mut Context) -> Outcome<'a> + Send + Sync + 'static,
) -> Waits {
    Waits(at, Box::new(f))
}

impl Module for Waits {
    fn registration(&self) -> Registration {
        Registration::new().on(self.0)
    }
    fn on_begin_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        (self.1)(cx)
    }
    fn on_execute_request_handler<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        (self.1)(cx)
    }
    fn on_release_request_state<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        (self.1)(cx)
    }
    fn on_log_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        (self.1)(cx)
    }
}

/// Half a body, then an error, and then it says that it has ended.
struct Half(u8);

impl futures_core::Stream for Half {
    type Item = Result<Frame<Bytes>, BoxError>;
    fn poll_next(mut self: Pin<&mut Self>, _: &mut Task<'_>) -> Poll<Option<Self::Item>> {
        self.0 += 1;
        Poll::Ready(match self.0 {
            1 => Some(Ok(Frame::data(Bytes::from_static(b"half")))),
            2 => Some(Err("the client broke off".into())),
            _ => None,
        })
    }
}

/// Reads all there is and puts it back, whatever the end was.
fn waf() -> Waits {
    waits(Notification::BeginRequest, |cx| {
        Outcome::pending(async move {
            let mut all = Vec::new();
            while let Ok(part) = cx.read_entity(64 * 1024).await {
                if part.is_empty() {
                    break;
                }
                all.extend_from_slice(&part);
            }
            assert!(cx.read_entity(1).await.is_err(), "the error is told again");
            cx.request_mut().insert_entity(all);
            Ok(Flow::Continue)
        })
    })
}

#[tokio::test]
async fn a_request_body_that_broke_off_is_never_complete_for_the_handler() {
    let directly = pipeline().module("waf", waf());
    let buffered = pipeline().module("waf", waf()).module("log", Recorder::on(&[Notification::LogRequest]));
    let asking = pipeline().module("waf", waf()).module("log", Recorder::on(&[Notification::ReadEntity]));
    for builder in [directly, buffered, asking] {
        let service = wrap(
            builder,
            service_fn(|request: Request<Body>| async move {
                let mut body = request.into_body();
                let mut text = String::new();
                while let Some(frame) = body.frame().await {
                    match frame {
                        Ok(frame) => text += std::str::from_utf8(&frame.into_data().unwrap()).unwrap(),
                        Err(error) => text += &format!(" and then {error}"),
                    }
                }
                Ok::<_, Infallible>(Response::new(Body::from(text)))
            }),
        );
        let response = call(service, Request::new(Body::new(StreamBody::new(Half(0))))).await;
        assert_eq!(response.text(), "half and then the client broke off");
    }
}

/// Frames, each on its own.
struct Frames(std::vec::IntoIter<&'static str>);

impl futures_core::Stream for Frames {
    type Item = Result<Frame<Bytes>, BoxError>;
    fn poll_next(mut self: Pin<&mut Self>, _: &mut Task<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.next().map(|text| Ok(Frame::data(Bytes::from(text)))))
    }
}

fn frames(parts: Vec<&'static str>) -> Body {
    Body::new(StreamBody::new(Frames(parts.into_iter())))
}

fn announced(body: Body, length: usize) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert("content-length", HeaderValue::from(length));
    response
}

fn writes(at: Notification, text: &'static str) -> Waits {
    waits(at, move |cx| {
        Outcome::pending(async move {
            cx.write(text).await?;
            Ok(Flow::Continue)
        })
    })
}

#[tokio::test]
async fn content_length_goes_where_modules_write_beside_a_body_that_fills_the_buffer() {
    const FULL: usize = 4 << 20;
    for event in [Notification::BeginRequest, Notification::ReleaseRequestState] {
        let builder = pipeline().module("banner", writes(event, "banner"));
        let builder = builder.module("log", Recorder::on(&[Notification::EndRequest]));
        let inner = service_fn(|_: Request<Body>| async {
            Ok::<_, Infallible>(announced(Body::from(vec![b'b'; FULL]), FULL))
        });
        let response = call(wrap(builder, inner), get("/")).await;
        assert_eq!(response.text().len(), FULL + 6, "{event}");
        assert!(response.error.is_none(), "{event}");
        assert!(response.headers.get("content-length").is_none(), "{event}: {:?}", response.headers);
    }
}

#[tokio::test]
async fn a_stream_that_is_not_as_long_as_announced_ends_in_an_error() {
    for (parts, length, broken) in [
        (vec!["one", "two"], 6, false),
        (vec!["one", "two"], 7, true),
        (vec!["one", "two"], 5, true),
        (vec!["one", "two"], 3, true),
        (vec!["one"], 0, true),
        (vec![], 3, true),
        (vec![], 0, false),
    ] {
        let name = format!("{parts:?} announced as {length}");
        let builder = pipeline().module("log", Recorder::on(&[Notification::EndRequest]));
        let inner = service_fn(move |_: Request<Body>| {
            let parts = parts.clone();
            async move { Ok::<_, Infallible>(announced(frames(parts), length)) }
        });
        let response = call(wrap(builder, inner), get("/")).await;
        assert_eq!(response.error.is_some(), broken, "{name}");
        assert!(response.text().len() <= length, "{name}: {}", response.text());
        assert_eq!(response.headers["content-length"], length.to_string(), "{name}");
    }
}

#[tokio::test]
async fn what_a_module_adds_to_a_stream_of_announced_length_breaks_it() {
    let log = Recorder::on(&[Notification::LogRequest]);
    let builder = pipeline().module("log", log.clone());
    let builder = builder.module("suffix", writes(Notification::ReleaseRequestState, "more"));
    let inner =
        service_fn(|_: Request<Body>| async { Ok::<_, Infallible>(announced(frames(vec!["one"]), 3)) });
    let response = call(wrap(builder, inner), get("/")).await;
    assert!(response.error.is_some(), "{}", response.text());
    until(|| log.log() == ["LogRequest"]).await;
}

/// A service's future that is never ready, and panics in its destructor.
struct PanicDrop;

impl Future for PanicDrop {
    type Output = Result<Response<Body>, Infallible>;
    fn poll(self: Pin<&mut Self>, _: &mut Task<'_>) -> Poll<Self::Output> {
        Poll::Pending
    }
}

impl Drop for PanicDrop {
    fn drop(&mut self) {
        panic!("in the destructor");
    }
}

#[tokio::test]
async fn a_destructor_that_panics_loses_neither_log_request_nor_end_request() {
    let log = Recorder::on(&[Notification::LogRequest, Notification::EndRequest]);
    let layer = ModuleLayer::new(pipeline().module("log", log.clone()).build().unwrap());
    let mut future = Box::pin(layer.layer(service_fn(|_: Request<Body>| PanicDrop)).call(get("/")));
    assert!(now(future.as_mut()).await.is_pending());
    drop(future);
    layer.drained().await;
    assert_eq!(log.log(), ["LogRequest", "EndRequest"]);
    // The same where nothing acts after the handler, and the response would pass.
    let layer = ModuleLayer::new(pipeline().build().unwrap());
    let mut future = Box::pin(layer.layer(service_fn(|_: Request<Body>| PanicDrop)).call(get("/")));
    assert!(now(future.as_mut()).await.is_pending());
    drop(future);
    layer.drained().await;
}

fn head(path: &str) -> Request<Body> {
    let mut request = get(path);
    *request.method_mut() = Method::HEAD;
    request
}

async fn empty(_: Request<Body>) -> Result<Response<Body>, Infallible> {
    Ok(Response::new(Body::empty()))
}

#[tokio::test]
async fn a_head_that_has_left_does_not_cancel_the_request() {
    for status in [StatusCode::OK, StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED] {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (note, logged) = (Arc::clone(&seen), Arc::clone(&seen));
        let answer = waits(Notification::ExecuteRequestHandler, move |cx| {
            let note = Arc::clone(&note);
            Outcome::pending(async move {
                cx.response_mut().set_status(status);
                for text in ["a", "b", "c"] {
                    cx.write(text).await?;
                    cx.flush().await?;
                    tokio::task::yield_now().await;
                }
                note.lock().unwrap().push(("written", cx.is_connected()));
                Ok(Flow::Continue)
            })
        });
        let builder = pipeline().module("answer", answer).module(
            "log",
            waits(Notification::LogRequest, move |cx| {
                logged.lock().unwrap().push(("logged", cx.is_connected()));
                Outcome::CONTINUE
            }),
        );
        let layer = ModuleLayer::new(builder.build().unwrap());
        let request = if status == StatusCode::OK { head("/") } else { get("/") };
        let response = layer.layer(service_fn(empty)).oneshot(request).await.unwrap();
        assert_eq!(response.status(), status);
        assert_eq!(collect(response).await.text(), "");
        layer.drained().await;
        assert_eq!(*seen.lock().unwrap(), [("written", true), ("logged", true)], "{status}");
    }
}

#[tokio::test]
async fn an_answer_to_head_that_streams_without_end_is_cancelled_and_logged() {
    let log = Recorder::on(&[Notification::LogRequest]);
    let endless = waits(Notification::ExecuteRequestHandler, |cx| {
        Outcome::pending(async move {
            loop {
                // Errors are nothing to it.
                let _ = cx.write("a").await;
                let _ = cx.flush().await;
                tokio::task::yield_now().await;
            }
        })
    });
    let builder = pipeline().module("endless", endless).module("log", log.clone());
    let layer = ModuleLayer::new(builder.build().unwrap());
    let response = layer.layer(service_fn(empty)).oneshot(head("/")).await.unwrap();
    assert_eq!(collect(response).await.text(), "");
    layer.drained().await;
    assert_eq!(log.log(), ["LogRequest"]);
}

#[derive(Clone, Debug, PartialEq)]
struct Mark(&'static str);

#[derive(Clone, Debug, PartialEq)]
struct Other(&'static str);

#[tokio::test]
async fn extensions_and_trailers_of_modules_reach_the_response_beside_those_of_the_handler() {
    for (trailers, after) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut builder = pipeline().module(
            "sets",
            at(Notification::BeginRequest, move |cx| {
                let response = cx.response_mut();
                response.extensions_mut().insert(Mark("module"));
                response.extensions_mut().insert(Other("module"));
                if trailers {
                    response.trailers_mut().insert("x-trailer", HeaderValue::from_static("1"));
                }
                Ok(Flow::Continue)
            }),
        );
        if after {
            builder = builder.module("log", Recorder::on(&[Notification::EndRequest]));
        }
        let inner = service_fn(|_: Request<Body>| async {
            let mut response = Response::new(Body::from("hello"));
            response.extensions_mut().insert(Other("handler"));
            Ok::<_, Infallible>(response)
        });
        let response = wrap(builder, inner).oneshot(get("/")).await.unwrap();
        assert_eq!(response.extensions().get(), Some(&Mark("module")), "{trailers} {after}");
        assert_eq!(response.extensions().get(), Some(&Other("handler")), "{trailers} {after}");
        let response = collect(response).await;
        assert_eq!(response.text(), "hello");
        let sent = response.trailers.and_then(|sent| sent.get("x-trailer").cloned());
        assert_eq!(sent, trailers.then(|| HeaderValue::from_static("1")), "{trailers} {after}");
    }
}

#[tokio::test]
async fn drained_waits_for_requests_in_the_background_and_for_nothing_else() {
    let (open, gate) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let entered = Arc::clone(&open);
    let (done, logged) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (wait, count) = (Arc::clone(&gate), Arc::clone(&logged));
    let builder = pipeline().module(
        "log",
        waits(Notification::LogRequest, move |_| {
            let (wait, count) = (Arc::clone(&wait), Arc::clone(&count));
            let entered = Arc::clone(&entered);
            Outcome::pending(async move {
                entered.notify_one();
                wait.notified().await;
                count.fetch_add(1, Ordering::SeqCst);
                Ok(Flow::Continue)
            })
        }),
    );
    let layer = ModuleLayer::new(builder.build().unwrap());
    let mut service = layer
        .layer(service_fn(|_: Request<Body>| std::future::pending::<Result<Response<Body>, Infallible>>()));
    let mut held = Box::pin(service.call(get("/")));
    assert!(now(held.as_mut()).await.is_pending());
    layer.drained().await;
    let mut second = Box::pin(service.call(get("/")));
    assert!(now(second.as_mut()).await.is_pending());
    drop((held, second));
    let waiting = (0..2).map(|_| {
        let (layer, done) = (layer.clone(), Arc::clone(&done));
        tokio::spawn(async move {
            layer.drained().await;
            done.fetch_add(1, Ordering::SeqCst);
        })
    });
    let waiting = waiting.collect::<Vec<_>>();
    {
        // Given up: nothing is lost by that.
        let mut drained = pin!(layer.drained());
        assert!(now(drained.as_mut()).await.is_pending());
    }
    open.notified().await;
    gate.notify_one();
    until(|| logged.load(Ordering::SeqCst) == 1).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(done.load(Ordering::SeqCst), 0);
    gate.notify_one();
    for waiting in waiting {
        waiting.await.unwrap();
    }
    assert_eq!((done.load(Ordering::SeqCst), logged.load(Ordering::SeqCst)), (2, 2));
}

/// Memory that says when it is let go of.
struct Owned(Arc<AtomicBool>);

impl AsRef<[u8]> for Owned {
    fn as_ref(&self) -> &[u8] {
        b"some bytes"
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_part_that_nobody_took_is_not_kept_for_the_next_request() {
    let dropped = Arc::new(AtomicBool::new(false));
    let owned = Mutex::new(Some(Bytes::from_owner(Owned(Arc::clone(&dropped)))));
    let builder = pipeline().module(
        "writes",
        waits(Notification::BeginRequest, move |cx| {
            let chunk = EntityChunk::from(owned.lock().unwrap().take().unwrap());
            Outcome::pending(async move {
                cx.response_mut().disable_buffering();
                cx.write(chunk).await?;
                Ok(Flow::Finish)
            })
        }),
    );
    let service = wrap(builder, service_fn(empty));
    let response = service.clone().oneshot(get("/")).await.unwrap();
    drop(response);
    until(|| dropped.load(Ordering::SeqCst)).await;
    drop(service);
}

/// What the future says now.
async fn now<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|task| Poll::Ready(future.as_mut().poll(task))).await
}

async fn until(mut done: impl FnMut() -> bool) {
    for _ in 0..500 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it did not happen in five seconds");
}
