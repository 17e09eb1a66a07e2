//! The layer's promises: buffering, streaming, errors, readiness, bodies and what survives a client that goes away.

#![allow(clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::convert::Infallible;
use std::future::{Ready, pending, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context as Task, Poll};
use std::time::Duration;

use bivalve_core::{Application, Connection, Error, FileRange, Flow, Notification, Scope, User};
use bivalve_tower::{Body, BoxError, ServiceHandler};
use bytes::Bytes;
use common::{Recorder, at, call, collect, get, pipeline, wrap};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tower::{ServiceExt, service_fn};
use tower_service::Service;

const ALL: [Notification; 5] = [
    Notification::BeginRequest,
    Notification::LogRequest,
    Notification::EndRequest,
    Notification::SendResponse,
    Notification::ReadEntity,
];

fn frames(parts: Vec<Result<Frame<Bytes>, BoxError>>) -> Body {
    struct Stream(std::vec::IntoIter<Result<Frame<Bytes>, BoxError>>);
    impl futures_core::Stream for Stream {
        type Item = Result<Frame<Bytes>, BoxError>;
        fn poll_next(mut self: Pin<&mut Self>, _: &mut Task<'_>) -> Poll<Option<Self::Item>> {
            Poll::Ready(self.0.next())
        }
    }
    Body::new(StreamBody::new(Stream(parts.into_iter())))
}

fn data(text: &'static str) -> Result<Frame<Bytes>, BoxError> {
    Ok(Frame::data(Bytes::from_static(text.as_bytes())))
}

async fn hello(_: Request<Body>) -> Result<Response<Body>, Infallible> {
    Ok(Response::new(Body::from("hello")))
}

#[tokio::test]
async fn an_exact_body_is_buffered_and_later_events_may_change_the_response() {
    let log = Recorder::on(&ALL);
    let service = wrap(
        pipeline().module("log", log.clone()).module(
            "late",
            at(Notification::LogRequest, |cx| {
                cx.response_mut().set_status(StatusCode::ACCEPTED);
                cx.response_mut().set_header("x-late", "1")?;
                Ok(Flow::Continue)
            }),
        ),
        service_fn(hello),
    );
    let response = call(service, get("/")).await;
    assert_eq!((response.status, &*response.text()), (202, "hello"));
    assert_eq!(response.headers["x-late"], "1");
    assert_eq!(
        log.log(),
        ["BeginRequest", "LogRequest", "EndRequest", "SendResponse headers=true more=false bytes=5"]
    );
}

#[tokio::test]
async fn a_body_of_unknown_size_streams_frame_by_frame_and_later_events_run_at_its_end() {
    let log = Recorder::on(&ALL);
    let inner =
        service_fn(|_| async { Ok::<_, Infallible>(Response::new(frames(vec![data("one"), data("two")]))) });
    let response = wrap(pipeline().module("log", log.clone()), inner).oneshot(get("/")).await.unwrap();
    // The headers are there while the first frame waits to be taken; nothing later has run.
    assert_eq!(
        log.log(),
        [
            "BeginRequest",
            "SendResponse headers=true more=true bytes=0",
            "SendResponse headers=false more=true bytes=3"
        ]
    );
    let response = collect(response).await;
    assert_eq!(response.frames, ["one", "two"]);
    assert_eq!(
        log.log(),
        [
            "BeginRequest",
            "SendResponse headers=true more=true bytes=0",
            "SendResponse headers=false more=true bytes=3",
            "SendResponse headers=false more=true bytes=3",
            "LogRequest",
            "EndRequest",
            "SendResponse headers=false more=false bytes=0",
        ]
    );
}

#[tokio::test]
async fn with_nothing_after_the_handler_the_body_passes_untouched() {
    let service = wrap(
        pipeline().module(
            "early",
            at(Notification::BeginRequest, |cx| {
                cx.response_mut().append_header("set-cookie", "m=1")?;
                cx.response_mut().set_header("server", "module")?;
                Ok(Flow::Continue)
            }),
        ),
        service_fn(|_| async {
            let response = Response::builder().header("set-cookie", "h=1").header("server", "handler");
            Ok::<_, Infallible>(response.body(StreamBody::new(Never)).unwrap())
        }),
    );
    let response = service.oneshot(get("/")).await.unwrap();
    assert_eq!(response.headers()["server"], "handler");
    assert_eq!(response.headers().get_all("set-cookie").iter().count(), 2);
    let mut body = response.into_body();
    assert!(tokio::time::timeout(Duration::from_millis(5), body.frame()).await.is_err(), "the frame pends");
}

#[tokio::test]
async fn trailers_pass_buffered_streamed_and_untouched() {
    let trailers = || HeaderMap::from_iter([("x-sum".parse().unwrap(), HeaderValue::from_static("7"))]);
    for acts in [false, true] {
        let mut builder = pipeline();
        if acts {
            builder = builder.module("log", Recorder::on(&ALL));
        }
        let inner = service_fn(move |_| async move {
            let parts = vec![data("a"), Ok(Frame::trailers(trailers()))];
            Ok::<_, Infallible>(Response::new(frames(parts)))
        });
        let response = call(wrap(builder, inner), get("/")).await;
        assert_eq!(
            response.trailers.expect("trailers arrive")["x-sum"],
            "7",
            "acts after the handler: {acts}"
        );
    }
}

#[tokio::test]
async fn an_error_of_the_inner_service_becomes_a_response() {
    let log = Recorder::on(&[Notification::LogRequest]);
    let inner = service_fn(|_| async { Err::<Response<Body>, _>(std::io::Error::other("secret detail")) });
    let response = call(wrap(pipeline().module("log", log.clone()), inner), get("/")).await;
    assert_eq!(response.status, 500);
    assert!(!response.text().contains("secret"), "the client sees no detail");
    assert_eq!(log.log(), ["LogRequest"]);

    let response = call(wrap(pipeline(), inner), get("/")).await;
    assert_eq!(response.status, 500, "also where the body would pass untouched");
}

#[tokio::test]
async fn a_panic_of_the_inner_service_becomes_a_response_and_the_next_request_works() {
    let calls = Arc::new(AtomicUsize::new(0));
    let inner = service_fn(move |_| {
        let first = calls.fetch_add(1, Ordering::Relaxed) == 0;
        async move {
            assert!(!first, "the first call panics");
            Ok::<_, Infallible>(Response::new(Body::from("fine")))
        }
    });
    let service = wrap(pipeline().module("log", Recorder::on(&ALL)), inner);
    assert_eq!(call(service.clone(), get("/")).await.status, 500);
    assert_eq!(call(service, get("/")).await.text(), "fine");
}

#[tokio::test]
async fn a_stream_that_breaks_off_breaks_the_response_and_is_logged() {
    let log = Recorder::on(&[Notification::LogRequest, Notification::EndRequest]);
    let inner = service_fn(|_| async {
        Ok::<_, Infallible>(Response::new(frames(vec![data("half"), Err("disk gone".into())])))
    });
    let response = call(wrap(pipeline().module("log", log.clone()), inner), get("/")).await;
    assert!(response.error.is_some(), "a short body must not look complete");
    assert_eq!(log.log(), ["LogRequest", "EndRequest"]);
}

#[tokio::test]
async fn a_client_that_goes_away_during_the_handler_cancels_it_and_the_request_is_logged() {
    struct Dropped(Arc<AtomicUsize>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let dropped = Arc::new(AtomicUsize::new(0));
    let guard = Arc::clone(&dropped);
    let inner = service_fn(move |_| {
        let guard = Dropped(Arc::clone(&guard));
        async move {
            pending::<()>().await;
            drop(guard);
            Ok::<_, Infallible>(Response::new(Body::empty()))
        }
    });
    let log = Recorder::on(&ALL);
    let future = wrap(pipeline().module("log", log.clone()), inner).oneshot(get("/"));
    assert!(tokio::time::timeout(Duration::from_millis(5), future).await.is_err());
    until(|| log.log().len() == 3).await;
    assert_eq!(log.log(), ["BeginRequest", "LogRequest", "EndRequest"]);
    assert_eq!(dropped.load(Ordering::SeqCst), 1, "the handler's future was dropped");
}

#[tokio::test]
async fn a_client_that_goes_away_during_a_stream_cancels_it_and_the_request_is_logged() {
    struct Endless;
    impl http_body::Body for Endless {
        type Data = Bytes;
        type Error = Infallible;
        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Task<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"tick")))))
        }
    }
    let log = Recorder::on(&[Notification::LogRequest, Notification::EndRequest]);
    let inner = service_fn(|_| async { Ok::<_, Infallible>(Response::new(Endless)) });
    let response = wrap(pipeline().module("log", log.clone()), inner).oneshot(get("/")).await.unwrap();
    let mut body = response.into_body();
    assert!(body.frame().await.is_some());
    drop(body);
    until(|| log.log().len() == 2).await;
}

#[tokio::test]
async fn a_body_dropped_after_its_announced_length_is_no_disconnect() {
    let connected = Arc::new(AtomicUsize::new(9));
    let seen = Arc::clone(&connected);
    let module = at(Notification::LogRequest, move |cx| {
        seen.store(usize::from(cx.is_connected()), Ordering::SeqCst);
        Ok(Flow::Continue)
    });
    let inner = service_fn(|_| async {
        // A stream with a length: hyper stops asking as soon as it has these bytes.
        let response = Response::builder().header("content-length", "6");
        Ok::<_, Infallible>(response.body(frames(vec![data("one"), data("two")])).unwrap())
    });
    let response = wrap(pipeline().module("log", module), inner).oneshot(get("/")).await.unwrap();
    let mut body = response.into_body();
    body.frame().await.unwrap().unwrap();
    body.frame().await.unwrap().unwrap();
    drop(body);
    until(|| connected.load(Ordering::SeqCst) != 9).await;
    assert_eq!(connected.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_answer_to_head_does_not_wait_for_a_stream_without_end() {
    let inner = service_fn(|_| async {
        let body = StreamBody::new(Never);
        Ok::<_, Infallible>(Response::builder().header("x-kind", "endless").body(body).unwrap())
    });
    let service = wrap(pipeline().module("log", Recorder::on(&ALL)), inner);
    let response = call(service, Request::head("/").body(Body::empty()).unwrap()).await;
    assert_eq!((response.status, &response.headers["x-kind"]), (200, &HeaderValue::from_static("endless")));
}

struct Never;
impl futures_core::Stream for Never {
    type Item = Result<Frame<Bytes>, Infallible>;
    fn poll_next(self: Pin<&mut Self>, _: &mut Task<'_>) -> Poll<Option<Self::Item>> {
        Poll::Pending
    }
}

#[tokio::test]
async fn readiness_of_the_inner_service_is_driven_and_not_carried_to_a_clone() {
    /// Panics unless the very instance that was ready is called.
    struct Strict {
        ready: bool,
    }
    impl Clone for Strict {
        fn clone(&self) -> Self {
            Self { ready: false }
        }
    }
    impl Service<Request<Body>> for Strict {
        type Response = Response<Body>;
        type Error = Infallible;
        type Future = Ready<Result<Response<Body>, Infallible>>;
        fn poll_ready(&mut self, _: &mut Task<'_>) -> Poll<Result<(), Infallible>> {
            self.ready = true;
            Poll::Ready(Ok(()))
        }
        fn call(&mut self, _: Request<Body>) -> Self::Future {
            assert!(std::mem::take(&mut self.ready), "called without readiness");
            ready(Ok(Response::new(Body::from("ready"))))
        }
    }
    let mut service = wrap(pipeline(), Strict { ready: false });
    for _ in 0..3 {
        let ready = ServiceExt::<Request<Body>>::ready(&mut service).await.unwrap();
        let response = ready.call(get("/")).await.unwrap();
        assert_eq!(collect(response).await.text(), "ready");
    }
}

#[tokio::test]
async fn an_inner_service_that_is_not_ready_holds_the_layer_back() {
    #[derive(Clone)]
    struct Busy;
    impl Service<Request<Body>> for Busy {
        type Response = Response<Body>;
        type Error = Infallible;
        type Future = Ready<Result<Response<Body>, Infallible>>;
        fn poll_ready(&mut self, _: &mut Task<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Pending
        }
        fn call(&mut self, _: Request<Body>) -> Self::Future {
            ready(Ok(Response::new(Body::empty())))
        }
    }
    let mut service = wrap(pipeline(), Busy);
    assert!(
        tokio::time::timeout(Duration::from_millis(5), ServiceExt::<Request<Body>>::ready(&mut service))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn finish_before_the_handler_answers_without_it() {
    let inner =
        service_fn(|_| async { panic!("the handler must not run") as Result<Response<Body>, Infallible> });
    let service = wrap(
        pipeline().module(
            "deny",
            at(Notification::AuthenticateRequest, |cx| {
                cx.response_mut().set_status_code(401, 2)?;
                cx.response_mut().write("Access denied.")?;
                Ok(Flow::Finish)
            }),
        ),
        inner,
    );
    let response = call(service, get("/")).await;
    assert_eq!((response.status, &*response.text()), (401, "Access denied."));
}

#[tokio::test]
async fn a_handler_reads_the_body_through_read_entity_and_sees_what_modules_made_of_it() {
    struct Upper;
    impl bivalve_core::Module for Upper {
        fn registration(&self) -> bivalve_core::Registration {
            bivalve_core::Registration::new().on(Notification::ReadEntity)
        }
        fn on_read_entity<'a>(
            &'a self,
            _cx: &'a mut bivalve_core::Context,
            entity: &'a mut bivalve_core::EntityRead,
        ) -> bivalve_core::Outcome<'a> {
            let upper = entity.data().to_ascii_uppercase();
            entity.set_data(upper);
            bivalve_core::Outcome::CONTINUE
        }
    }
    let echo = service_fn(|request: Request<Body>| async move {
        Ok::<_, Infallible>(Response::new(request.into_body()))
    });
    let request = Request::post("/").body(frames(vec![data("abc"), data("def")])).unwrap();
    let service = wrap(pipeline().module("upper", Upper).module("log", Recorder::on(&ALL)), echo);
    assert_eq!(
        call(service, request).await.text(),
        "ABCDEF",
        "the response streams while the request is read"
    );
}

#[tokio::test]
async fn inserted_entity_comes_before_the_rest_of_the_body() {
    let service = wrap(
        pipeline().module(
            "insert",
            at(Notification::BeginRequest, |cx| {
                cx.request_mut().insert_entity("first,");
                Ok(Flow::Continue)
            }),
        ),
        service_fn(|request: Request<Body>| async move {
            Ok::<_, Infallible>(Response::new(request.into_body()))
        }),
    );
    let request = Request::post("/").body(Body::from("second")).unwrap();
    assert_eq!(call(service, request).await.text(), "first,second");
}

#[tokio::test]
async fn file_ranges_arrive_as_bytes_in_order_with_memory() {
    let path = std::env::temp_dir().join(format!("bivalve-file-{}", std::process::id()));
    let content: Vec<u8> = (0..200_000_u32).map(|i| i.to_le_bytes()[0]).collect();
    std::fs::write(&path, &content).unwrap();
    let file = Arc::new(std::fs::File::open(&path).unwrap());
    std::fs::remove_file(&path).unwrap();
    let service = wrap(
        pipeline().module(
            "file",
            at(Notification::ExecuteRequestHandler, move |cx| {
                cx.response_mut().write("<")?;
                cx.response_mut().write(FileRange::new(Arc::clone(&file), 10, 150_000))?;
                cx.response_mut().write(">")?;
                Ok(Flow::Finish)
            }),
        ),
        service_fn(hello),
    );
    let response = call(service, get("/")).await;
    let body = response.frames.concat();
    assert_eq!(body.len(), 150_002);
    assert_eq!((body[0], body[150_001]), (b'<', b'>'));
    assert_eq!(body[1..150_001], content[10..150_010]);
}

#[tokio::test]
async fn a_file_shorter_than_its_range_breaks_the_response() {
    let path = std::env::temp_dir().join(format!("bivalve-short-{}", std::process::id()));
    std::fs::write(&path, "short").unwrap();
    let file = Arc::new(std::fs::File::open(&path).unwrap());
    std::fs::remove_file(&path).unwrap();
    let service = wrap(
        pipeline().module(
            "file",
            at(Notification::ExecuteRequestHandler, move |cx| {
                cx.response_mut().write(FileRange::new(Arc::clone(&file), 0, 10))?;
                Ok(Flow::Finish)
            }),
        ),
        service_fn(hello),
    );
    let response = call(service, get("/")).await;
    assert_eq!(response.frames.concat(), b"short");
    assert!(response.error.is_some());
}

#[tokio::test]
async fn a_reset_breaks_the_body() {
    let service = wrap(
        pipeline().module(
            "reset",
            at(Notification::BeginRequest, |cx| {
                cx.reset_connection();
                Ok(Flow::Finish)
            }),
        ),
        service_fn(hello),
    );
    assert!(call(service, get("/")).await.error.is_some());
}

#[tokio::test]
async fn the_user_reaches_the_inner_service() {
    let service = wrap(
        pipeline().module(
            "auth",
            at(Notification::AuthenticateRequest, |cx| {
                cx.set_user(User::new("ada", "Basic"));
                Ok(Flow::Continue)
            }),
        ),
        service_fn(|request: Request<Body>| async move {
            let name = request.extensions().get::<User>().map(|user| user.name().to_owned());
            Ok::<_, Infallible>(Response::new(Body::from(name.unwrap_or_default())))
        }),
    );
    assert_eq!(call(service, get("/")).await.text(), "ada");
}

#[tokio::test]
async fn connection_scope_lasts_as_long_as_the_connection_of_the_extensions() {
    let service = wrap(
        pipeline().module(
            "count",
            at(Notification::BeginRequest, |cx| {
                let count = cx.module_context_or_insert_with(Scope::Connection, || AtomicUsize::new(0))?;
                let count = count.fetch_add(1, Ordering::Relaxed) + 1;
                cx.response_mut().write(count.to_string())?;
                Ok(Flow::Finish)
            }),
        ),
        service_fn(hello),
    );
    let connection = Arc::new(Connection::builder().build());
    for expected in ["1", "2"] {
        let mut request = get("/");
        request.extensions_mut().insert(Arc::clone(&connection));
        assert_eq!(call(service.clone(), request).await.text(), expected);
    }
    for _ in 0..2 {
        assert_eq!(call(service.clone(), get("/")).await.text(), "1", "unknown connections share nothing");
    }
}

#[tokio::test]
async fn a_body_over_the_buffer_limit_streams() {
    let log = Recorder::on(&[Notification::SendResponse]);
    let app = Application::builder().response_buffer_limit(4).build();
    let service = wrap(pipeline().application(app).module("log", log.clone()), service_fn(hello));
    assert_eq!(call(service, get("/")).await.text(), "hello");
    assert_eq!(log.log()[0], "SendResponse headers=true more=true bytes=0");
}

#[tokio::test]
async fn content_length_follows_a_body_that_a_module_replaced() {
    let service = wrap(
        pipeline().module(
            "replace",
            at(Notification::ReleaseRequestState, |cx| {
                cx.response_mut().set_chunks(["longer than before".into()])?;
                Ok(Flow::Continue)
            }),
        ),
        service_fn(|_| async {
            let response = Response::builder().header("content-length", "5");
            Ok::<_, Infallible>(response.body(Body::from("hello")).unwrap())
        }),
    );
    let response = call(service, get("/")).await;
    assert_eq!(response.headers["content-length"], "18");
    assert_eq!(response.text(), "longer than before");
}

#[tokio::test]
async fn framing_headers_of_a_module_do_not_reach_the_wire() {
    let service = wrap(
        pipeline().module(
            "smuggle",
            at(Notification::LogRequest, |cx| {
                let response = cx.response_mut();
                response.set_header("transfer-encoding", "chunked")?;
                response.append_header("content-length", "5")?;
                response.append_header("content-length", "50")?;
                response.set_header("keep-alive", "timeout=5")?;
                Ok(Flow::Continue)
            }),
        ),
        service_fn(hello),
    );
    let response = call(service, get("/")).await;
    assert!(!response.headers.contains_key("transfer-encoding"));
    assert!(!response.headers.contains_key("keep-alive"));
    let lengths: Vec<_> = response.headers.get_all("content-length").iter().collect();
    assert_eq!(lengths, ["5"], "one length, and the right one");
}

#[tokio::test]
async fn a_service_handler_answers_in_a_pipeline_of_any_host() {
    let echo = service_fn(|request: Request<Body>| async move {
        let path = request.uri().path().to_owned();
        let body = request.into_body().collect().await.unwrap().to_bytes();
        Ok::<_, Infallible>(Response::new(Body::from([path.as_bytes(), b":", &body].concat())))
    });
    let inner = pipeline().handler(ServiceHandler::new(echo));
    // A child request has another host than Tower's: the body is read through the pipeline.
    let service = wrap(
        inner.module("parent", Parent),
        service_fn(|_| async { panic!("the parent answers") as Result<Response<Body>, Infallible> }),
    );
    assert_eq!(call(service, get("/")).await.text(), "/child:data");

    struct Parent;
    impl bivalve_core::Module for Parent {
        fn registration(&self) -> bivalve_core::Registration {
            bivalve_core::Registration::new().on(Notification::BeginRequest)
        }
        fn on_begin_request<'a>(&'a self, cx: &'a mut bivalve_core::Context) -> bivalve_core::Outcome<'a> {
            bivalve_core::Outcome::pending(async move {
                if cx.child_depth() > 0 {
                    return Ok(Flow::Continue);
                }
                let child = bivalve_core::ChildRequest::new(http::Method::POST, "/child")?.body("data");
                let answer = cx.execute_request(child).await?;
                for chunk in answer.into_chunks() {
                    cx.write(chunk).await?;
                }
                Ok(Flow::Finish)
            })
        }
    }
}

#[tokio::test]
async fn a_failing_send_filter_does_not_let_the_body_pass() {
    let service = wrap(
        pipeline().module(
            "filter",
            at(Notification::SendResponse, |_| Err(Error::from_status(StatusCode::BAD_GATEWAY))),
        ),
        service_fn(hello),
    );
    let response = call(service, get("/")).await;
    assert_eq!(response.status, 502);
    assert!(!response.text().contains("hello"));
}

#[test]
fn without_a_runtime_the_rest_of_a_cancelled_request_runs_at_once() {
    let log = Recorder::on(&[Notification::LogRequest]);
    let inner = service_fn(|_| async {
        pending::<()>().await;
        Ok::<_, Infallible>(Response::new(Body::empty()))
    });
    let mut future = Box::pin(wrap(pipeline().module("log", log.clone()), inner).oneshot(get("/")));
    let mut task = Task::from_waker(std::task::Waker::noop());
    assert!(future.as_mut().poll(&mut task).is_pending());
    drop(future);
    assert_eq!(log.log(), ["LogRequest"]);
}

/// Waits for what a background task does; bounded, and only to fail.
async fn until(mut done: impl FnMut() -> bool) {
    for _ in 0..2000 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("it did not happen within two seconds");
}
