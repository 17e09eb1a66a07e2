//! What a module does wrong, or is talked into, must not become another message on the wire.
//!
//! Parsing belongs to hyper. Ours is what modules set: headers, status, bodies, trailers, child requests; and what
//! they leave unread. One test per attack. The client reads strictly (see [`common::raw`]); each response is followed by
//! another on the same connection, which must be whole, or the connection must have ended.

mod common;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bivalve_core::{
    ChildRequest, Context, ErrorKind, Flow, Module, Notification, Outcome, PipelineBuilder, Registration,
    Result, Sending,
};
use bivalve_tower::{Body, BoxError};
use bytes::Bytes;
use common::raw::{Client, Reply, bounded};
use common::servers::start_service;
use common::{at, pipeline, wrap};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::channel::Channel;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};

/// What the service under the modules answers.
///
/// - `/stream`: "hello" in two frames, of a length that nobody announces
/// - `/sized`: the same, with its length in a header
/// - `/next`: "next", the response that must not be disturbed
/// - all else: "hello", with its length in a header
async fn answer(request: Request<Body>) -> std::result::Result<Response<Body>, Infallible> {
    let path = request.uri().path().to_owned();
    let stream = || {
        let (mut sender, body) = Channel::<Bytes, BoxError>::new(2);
        let _ = sender.try_send(http_body::Frame::data(Bytes::from("hel")));
        let _ = sender.try_send(http_body::Frame::data(Bytes::from("lo")));
        Body::new(body)
    };
    Ok(match &*path {
        "/stream" => Response::new(stream()),
        "/sized" => Response::builder().header("content-length", "5").body(stream()).expect("a response"),
        "/next" => Response::new(Body::from("next")),
        "/headers" => {
            let names: Vec<&str> = request.headers().keys().map(HeaderName::as_str).collect();
            let mut names = names.join(" ");
            let body = request
                .into_body()
                .collect()
                .await
                .map(http_body_util::Collected::to_bytes)
                .unwrap_or_default();
            names.push_str(&format!(" + {} bytes", body.len()));
            Response::new(Body::from(names))
        }
        _ => Response::builder().header("content-length", "5").body(Body::from("hello")).expect("a response"),
    })
}

async fn serve(builder: PipelineBuilder) -> SocketAddr {
    start_service(wrap(builder, tower::service_fn(answer))).await
}

/// Sends a request, and one for `/next` behind it; the responses to both, the second if the connection lived.
async fn ask(addr: SocketAddr, request: &str) -> (Reply, Option<Reply>) {
    let mut client = Client::connect(addr).await;
    client.send(request).await;
    let first = client.try_reply(request.starts_with("HEAD ")).await.expect("a response");
    client.try_send("GET /next HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").await;
    let next = client.try_reply(false).await;
    assert!(client.rest().await.is_empty(), "nothing behind the last response");
    (first, next)
}

/// As `ask`, of a connection that must have lived.
async fn ask_twice(addr: SocketAddr, request: &str) -> Reply {
    let (first, next) = ask(addr, request).await;
    let next = next.expect("the connection lives");
    assert_eq!((next.status(), next.text()), (200, "next"), "{request:?}");
    first
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n")
}

/// Headers, body and trailers over HTTP/2; an error of the stream as such.
async fn ask_http2(addr: SocketAddr, method: Method, path: &str) -> std::result::Result<Http2, String> {
    let stream = tokio::net::TcpStream::connect(addr).await.expect("the server listens");
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .expect("a handshake");
    tokio::spawn(connection);
    let request = Request::builder().method(method).uri(format!("http://test{path}"));
    let request = request.body(Full::<Bytes>::default()).expect("a request");
    let response = bounded("a response", sender.send_request(request)).await.map_err(|e| e.to_string())?;
    let (parts, body) = response.into_parts();
    let body = bounded("a body", body.collect()).await.map_err(|e| e.to_string())?;
    let trailers = body.trailers().cloned().unwrap_or_default();
    Ok(Http2 { status: parts.status.as_u16(), headers: parts.headers, body: body.to_bytes(), trailers })
}

struct Http2 {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
    trailers: HeaderMap,
}

/// A module of one closure at SendResponse.
struct Filter<F>(F);

impl<F> Module for Filter<F>
where
    F: Fn(&mut Context, &Sending) -> Result<Flow> + Send + Sync + 'static,
{
    fn registration(&self) -> Registration {
        Registration::new().on(Notification::SendResponse)
    }
    fn on_send_response<'a>(&'a self, cx: &'a mut Context, sending: &'a mut Sending) -> Outcome<'a> {
        Outcome::Ready((self.0)(cx, sending))
    }
}

/// The same change before the handler, after it, and where the headers leave.
fn in_every_place<F>(change: F) -> [(&'static str, PipelineBuilder); 4]
where
    F: Fn(&mut Context) -> Result<()> + Clone + Send + Sync + 'static,
{
    let module = |notification| {
        let change = change.clone();
        at(notification, move |cx| change(cx).map(|()| Flow::Continue))
    };
    let filter = change.clone();
    [
        ("before the handler", pipeline().module("m", module(Notification::BeginRequest))),
        (
            "before the handler, with a module after it",
            pipeline()
                .module("m", module(Notification::BeginRequest))
                .module("after", at(Notification::LogRequest, |_| Ok(Flow::Continue))),
        ),
        ("after the handler", pipeline().module("m", module(Notification::LogRequest))),
        (
            "where the headers leave",
            pipeline().module(
                "m",
                Filter(move |cx: &mut Context, sending: &Sending| {
                    if sending.headers_being_sent() {
                        filter(cx)?;
                    }
                    Ok(Flow::Continue)
                }),
            ),
        ),
    ]
}

#[tokio::test]
async fn duplicate_content_length() {
    let twice = |cx: &mut Context| {
        cx.response_mut().append_header("content-length", "5")?;
        cx.response_mut().append_header("content-length", "50")
    };
    for (place, builder) in in_every_place(twice) {
        let addr = serve(builder).await;
        for path in ["/", "/stream", "/next"] {
            let reply = ask_twice(addr, &get(path)).await;
            assert_eq!(reply.text(), if path == "/next" { "next" } else { "hello" }, "{place}: {path}");
        }
        let reply = ask_http2(addr, Method::GET, "/").await.expect("a response");
        assert_eq!((reply.status, &*reply.body), (200, b"hello".as_slice()), "{place}");
    }
}

#[tokio::test]
async fn content_length_of_another_body() {
    // Set before the handler, it says nothing of what the handler answers.
    for length in ["3", "50", "0"] {
        let change = move |cx: &mut Context| cx.response_mut().set_header("content-length", length);
        for (place, builder) in in_every_place(change).into_iter().take(2) {
            let addr = serve(builder).await;
            for path in ["/", "/next", "/stream", "/sized"] {
                let reply = ask_twice(addr, &get(path)).await;
                let expected = if path == "/next" { "next" } else { "hello" };
                assert_eq!((reply.status(), reply.text()), (200, expected), "{place}: {length} on {path}");
            }
        }
    }
}

#[tokio::test]
async fn content_length_shorter_or_longer_than_a_stream() {
    // Whoever says it where the headers leave is believed; the connection must not outlive a lie.
    for length in ["3", "50"] {
        let change = move |cx: &mut Context| cx.response_mut().set_header("content-length", length);
        let [_, _, _, (_, builder)] = in_every_place(change);
        let addr = serve(builder).await;
        let mut client = Client::connect(addr).await;
        client.send([get("/stream"), get("/stream")].concat()).await;
        let reply = client.try_reply(false).await;
        assert!(reply.is_none_or(|reply| reply.cut), "{length}");
        assert!(client.rest().await.is_empty(), "{length}: no other response becomes the rest of this one");
        assert!(ask_http2(addr, Method::GET, "/stream").await.is_err(), "HTTP/2 sees that it does not fit");
    }
}

#[tokio::test]
async fn content_length_that_is_no_number() {
    for length in ["+5", "-5", "0x5", "5 5", "5, 5", "99999999999999999999", "", "five"] {
        let change = move |cx: &mut Context| cx.response_mut().set_header("content-length", length);
        for (place, builder) in in_every_place(change) {
            let addr = serve(builder).await;
            for path in ["/", "/stream"] {
                assert_eq!(ask_twice(addr, &get(path)).await.text(), "hello", "{place}: {length:?}, {path}");
            }
            let head = ask_twice(addr, "HEAD /stream HTTP/1.1\r\nhost: test\r\n\r\n").await.head;
            assert_eq!(head.get("content-length"), None, "{place}: {length:?}");
        }
    }
}

#[tokio::test]
async fn content_length_of_the_handler_with_a_body_replaced_by_a_module() {
    for body in ["", "x", "a longer body than hello"] {
        let replace = move |cx: &mut Context| {
            if cx.request().url().path() == "/next" {
                return Ok(());
            }
            cx.response_mut().set_chunks([body.into()])
        };
        for (place, builder) in in_every_place(replace).into_iter().skip(2) {
            let addr = serve(builder).await;
            let reply = ask_twice(addr, &get("/")).await;
            assert_eq!(reply.text(), body, "{place}");
            assert_eq!(reply.head.get("content-length"), Some(&*body.len().to_string()), "{place}");
            let reply = ask_http2(addr, Method::GET, "/").await.expect("a response");
            assert_eq!(reply.body, body, "{place}");
            assert_eq!(reply.headers["content-length"], body.len().to_string(), "{place}");
        }
    }
}

#[tokio::test]
async fn content_length_of_the_handler_behind_what_a_module_wrote() {
    for limit in [1, 1024] {
        let application = bivalve_core::Application::builder().response_buffer_limit(limit).build();
        let prefix = at(Notification::BeginRequest, |cx| {
            if cx.request().url().path() != "/next" {
                cx.response_mut().write("prefix, ")?;
            }
            Ok(Flow::Continue)
        });
        let addr = serve(pipeline().application(application).module("prefix", prefix)).await;
        for path in ["/", "/sized", "/stream"] {
            assert_eq!(ask_twice(addr, &get(path)).await.text(), "prefix, hello", "{path}, {limit}");
        }
    }
}

#[tokio::test]
async fn content_length_of_a_stream_that_a_module_makes_shorter() {
    let cut = Filter(|cx: &mut Context, _: &Sending| {
        // The second frame; the head, with the length, has left with the first.
        if cx.request().url().path() == "/sized" && cx.response().entity_len() == 2 {
            cx.response_mut().clear_entity();
        }
        Ok(Flow::Continue)
    });
    let mut client = Client::connect(serve(pipeline().module("cut", cut)).await).await;
    client.send([get("/sized"), get("/next")].concat()).await;
    // hyper may close before the first part has left.
    let reply = client.try_reply(false).await;
    assert!(reply.is_none_or(|reply| reply.cut));
    assert!(client.rest().await.is_empty(), "the next response must not become the rest of this one");
}

#[tokio::test]
async fn transfer_encoding() {
    for value in ["chunked", "gzip, chunked", "identity", "chunked, chunked", "xchunked"] {
        let change = move |cx: &mut Context| cx.response_mut().set_header("transfer-encoding", value);
        for (place, builder) in in_every_place(change) {
            let addr = serve(builder).await;
            for path in ["/", "/stream"] {
                let reply = ask_twice(addr, &get(path)).await;
                let coding = reply.head.get("transfer-encoding");
                assert_eq!(coding, (path == "/stream").then_some("chunked"), "{place}: {value:?}");
                assert_eq!(reply.text(), "hello", "{place}: {value:?}");
            }
            let reply = ask_http2(addr, Method::GET, "/").await.expect("a response");
            assert!(!reply.headers.contains_key("transfer-encoding"), "{place}");
        }
    }
}

#[tokio::test]
async fn line_ends_and_nul_in_a_header_value() {
    for value in [
        "a\r\nset-cookie: evil=1",
        "a\nset-cookie: evil=1",
        "a\rset-cookie: evil=1",
        "a\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil",
        "evil\0",
        "evil\x0b",
        "evil\x7f",
    ] {
        let change = move |cx: &mut Context| {
            let set = cx.response_mut().set_header("x-value", value).unwrap_err();
            let appended = cx.response_mut().append_header("x-value", value).unwrap_err();
            assert_eq!((set.kind(), appended.kind()), (ErrorKind::InvalidHeader, ErrorKind::InvalidHeader));
            cx.response_mut().set_header("x-value", value)
        };
        refused(change).await;
    }
}

#[tokio::test]
async fn line_ends_in_a_header_name() {
    for name in ["x-a\r\nset-cookie", "x-a\n", "x-a: b\r\nset-cookie", "x a", "x-a:", "", "x-a\0", "évil"] {
        let change = move |cx: &mut Context| {
            let error = cx.response_mut().set_header(name, "evil=1").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidHeader);
            Err(error)
        };
        refused(change).await;
    }
}

#[tokio::test]
async fn a_header_injected_through_the_location_of_a_redirect() {
    for location in ["/there\r\nset-cookie: evil=1", "/there\n\nevil", "/evil\0"] {
        let change = move |cx: &mut Context| {
            let error = cx.response_mut().redirect(location).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidUrl);
            Err(error)
        };
        refused(change).await;
    }
}

/// Before the handler, the module's error answers 500 and nothing of the attack is on the wire.
async fn refused(change: impl Fn(&mut Context) -> Result<()> + Clone + Send + Sync + 'static) {
    let next_only = move |cx: &mut Context| {
        if cx.request().url().path() == "/next" { Ok(()) } else { change(cx) }
    };
    for (place, builder) in in_every_place(next_only) {
        let addr = serve(builder).await;
        let mut client = Client::connect(addr).await;
        client.send(get("/")).await;
        client.send("GET /next HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").await;
        let bytes = client.rest().await;
        let text = String::from_utf8(bytes).expect("text");
        assert!(!text.contains("evil") && !text.contains("set-cookie"), "{place}: {text:?}");
        let heads: Vec<&str> = text.matches("HTTP/1.1 ").collect();
        assert_eq!(heads.len(), 2, "{place}: two responses: {text:?}");
        // An error in LogRequest is traced and changes nothing.
        let status = if place == "after the handler" { "200 OK" } else { "500 Internal Server Error" };
        assert!(text.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{place}: {text:?}");
        assert!(text.ends_with("\r\n\r\nnext"), "{place}: {text:?}");
    }
}

#[tokio::test]
async fn hop_by_hop_headers() {
    let change = |cx: &mut Context| {
        cx.response_mut().set_header("keep-alive", "timeout=5, max=1000")?;
        cx.response_mut().set_header("proxy-connection", "keep-alive")?;
        cx.response_mut().set_header("upgrade", "h2c")
    };
    for (place, builder) in in_every_place(change) {
        let addr = serve(builder).await;
        for path in ["/", "/stream"] {
            let reply = ask_twice(addr, &get(path)).await;
            for name in ["keep-alive", "proxy-connection", "upgrade"] {
                assert_eq!(reply.head.get(name), None, "{place}: {name}");
            }
        }
    }
}

#[tokio::test]
async fn connection_close_of_a_module_closes() {
    let change = |cx: &mut Context| {
        cx.response_mut().close_connection();
        Ok(())
    };
    for (place, builder) in in_every_place(change) {
        let (reply, next) = ask(serve(builder).await, &get("/")).await;
        assert_eq!((reply.text(), reply.head.get("connection")), ("hello", Some("close")), "{place}");
        assert_eq!(next, None, "{place}");
    }
}

#[tokio::test]
async fn a_status_that_is_no_status_of_a_response() {
    for status in [0, 99, 100, 102, 103, 199, 600, 999, 1000, u16::MAX] {
        let change = move |cx: &mut Context| {
            let error = cx.response_mut().set_status_code(status, 0).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidStatus);
            Err(error)
        };
        refused(change).await;
    }
}

#[tokio::test]
async fn an_interim_status_as_the_response() {
    // `http` takes any status from 100 to 999, and so does `set_status`.
    for status in [100, 103, 600, 999] {
        let change = move |cx: &mut Context| {
            if cx.request().url().path() != "/next" {
                cx.response_mut().set_status(StatusCode::from_u16(status)?);
            }
            Ok(())
        };
        for (place, builder) in in_every_place(change) {
            let addr = serve(builder).await;
            for path in ["/", "/stream"] {
                let reply = ask_twice(addr, &get(path)).await;
                // Before the handler it is overwritten; once the stream has begun it comes too late.
                let counts = match place {
                    "where the headers leave" => true,
                    "after the handler" => path == "/",
                    _ => false,
                };
                let expected = if counts { (500, "Internal Server Error") } else { (200, "hello") };
                assert_eq!((reply.status(), reply.text()), expected, "{place}: {status} on {path}");
            }
        }
    }
}

#[tokio::test]
async fn switching_protocols_without_an_upgrade() {
    let switch = at(Notification::BeginRequest, |cx| {
        if cx.request().url().path() == "/next" {
            return Ok(Flow::Continue);
        }
        cx.response_mut().set_status(StatusCode::SWITCHING_PROTOCOLS);
        cx.response_mut().write("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")?;
        Ok(Flow::Finish)
    });
    let addr = serve(pipeline().module("switch", switch)).await;
    let mut client = Client::connect(addr).await;
    client.send(get("/")).await;
    assert_eq!(client.head().await.status, 101);
    client.try_send(get("/next")).await;
    assert_eq!(String::from_utf8_lossy(&client.rest().await), "", "no body, and the connection ends");
}

#[tokio::test]
async fn a_body_where_none_is_allowed() {
    for (request, status) in [("GET", 204), ("GET", 304), ("HEAD", 200), ("HEAD", 404)] {
        let change = move |cx: &mut Context| {
            if cx.request().url().path() == "/next" {
                return Ok(());
            }
            cx.response_mut().set_status_code(status, 0)?;
            cx.response_mut().set_chunks(["HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil".into()])
        };
        let [_, _, (_, after), (_, leaving)] = in_every_place(change);
        let finish = at(Notification::BeginRequest, move |cx| {
            change(cx)?;
            Ok(if cx.request().url().path() == "/next" { Flow::Continue } else { Flow::Finish })
        });
        let flushed = pipeline().module("flush", Flush { status });
        for (place, builder) in [
            ("instead of the handler", pipeline().module("m", finish)),
            ("after the handler", after),
            ("where the headers leave", leaving),
            ("flushed", flushed),
        ] {
            let addr = serve(builder).await;
            let paths: &[&str] = if place == "after the handler" { &["/"] } else { &["/", "/stream"] };
            for path in paths {
                let reply =
                    ask_twice(addr, &format!("{request} {path} HTTP/1.1\r\nhost: test\r\n\r\n")).await;
                assert_eq!(reply.status(), status, "{place}: {request} {path}");
                assert_eq!(reply.head.get("transfer-encoding"), None, "{place}: {request} {path}");
                let method = request.parse().expect("a method");
                let reply = ask_http2(addr, method, path).await.expect("a response");
                assert_eq!((reply.status, reply.body.len()), (status, 0), "{place}: {request} {path}");
            }
        }
    }
}

/// Flushes a body that is not allowed, part by part.
struct Flush {
    status: u16,
}

impl Module for Flush {
    fn registration(&self) -> Registration {
        Registration::new().on(Notification::BeginRequest)
    }
    fn on_begin_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        Outcome::pending(async {
            if cx.request().url().path() == "/next" {
                return Ok(Flow::Continue);
            }
            cx.response_mut().set_status_code(self.status, 0)?;
            for _ in 0..3 {
                cx.write("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil").await?;
                cx.flush().await?;
            }
            Ok(Flow::Finish)
        })
    }
}

#[tokio::test]
async fn trailers_named_like_framing_headers() {
    const NAMES: [&str; 9] = [
        "content-length",
        "transfer-encoding",
        "host",
        "set-cookie",
        "authorization",
        "content-type",
        "content-encoding",
        "cache-control",
        "trailer",
    ];
    let change = |cx: &mut Context| {
        cx.response_mut().set_header("trailer", &format!("x-sum, {}", NAMES.join(", ")))?;
        for name in NAMES {
            cx.response_mut().trailers_mut().insert(name, HeaderValue::from_static("5"));
        }
        cx.response_mut().trailers_mut().insert("x-sum", HeaderValue::from_static("7"));
        Ok(())
    };
    let [_, _, _, (_, leaving)] = in_every_place(change);
    let addr = serve(leaving).await;
    let reply = ask_twice(addr, "GET /stream HTTP/1.1\r\nhost: test\r\nte: trailers\r\n\r\n").await;
    assert_eq!(reply.trailers, [("x-sum".to_owned(), "7".to_owned())]);
    for path in ["/stream", "/"] {
        let reply = ask_http2(addr, Method::GET, path).await.expect("a response");
        let names: Vec<&str> = reply.trailers.keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["x-sum"], "{path}");
    }
}

#[tokio::test]
async fn trailers_with_line_ends() {
    // A trailer's value is a `HeaderValue`: there is no way to make one of these.
    for value in ["7\r\nset-cookie: evil=1", "7\n", "\0"] {
        assert!(HeaderValue::from_str(value).is_err());
        assert!(HeaderValue::from_bytes(value.as_bytes()).is_err());
        assert!(value.parse::<HeaderValue>().is_err());
    }
}

/// The paths that modules were asked for.
#[derive(Clone, Default)]
struct Paths(Arc<Mutex<BTreeMap<String, usize>>>);

impl Paths {
    fn seen(&self) -> Vec<String> {
        self.0.lock().expect("nobody panicked").keys().cloned().collect()
    }

    fn module(&self) -> impl Module {
        let paths = Arc::clone(&self.0);
        at(Notification::BeginRequest, move |cx| {
            let path = cx.request().url().path().to_owned();
            *paths.lock().expect("nobody panicked").entry(path).or_default() += 1;
            Ok(Flow::Continue)
        })
    }
}

/// Refuses `POST`: unread, or with so much of it read.
struct Refuse {
    read: usize,
}

impl Module for Refuse {
    fn registration(&self) -> Registration {
        Registration::new().on(Notification::AuthenticateRequest)
    }
    fn on_authenticate_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        Outcome::pending(async {
            if cx.request().method() != Method::POST {
                return Ok(Flow::Continue);
            }
            if self.read > 0 {
                cx.read_entity(self.read).await?;
            }
            cx.response_mut().set_status_code(403, 0)?;
            Ok(Flow::Finish)
        })
    }
}

#[tokio::test]
async fn a_request_body_left_unread_that_looks_like_a_request() {
    let smuggled = "GET /smuggled HTTP/1.1\r\nhost: test\r\n\r\n";
    for read in [0, 4] {
        for repeated in [1, 40_000] {
            let body = smuggled.repeat(repeated);
            let length = body.len();
            let framings = [
                format!("content-length: {length}\r\n\r\n{body}"),
                format!("transfer-encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n"),
            ];
            for framed in framings {
                let paths = Paths::default();
                let builder = pipeline().module("paths", paths.module()).module("refuse", Refuse { read });
                let addr = serve(builder).await;
                let mut client = Client::connect(addr).await;
                client
                    .try_send(format!("POST /upload HTTP/1.1\r\nhost: test\r\n{framed}{}", get("/next")))
                    .await;
                client.end_of_sending().await;
                // A reset may overtake the refusal of a large body: then there is nothing to read.
                if let Some(reply) = client.try_reply(false).await {
                    assert_eq!(reply.status(), 403);
                    // The next request is found behind the body, or not at all.
                    if let Some(next) = client.try_reply(false).await {
                        assert_eq!((next.status(), next.text()), (200, "next"));
                    }
                } else {
                    assert!(repeated > 1, "a small body is no reason for a reset");
                }
                let seen = paths.seen();
                assert!(!seen.contains(&"/smuggled".to_owned()), "{read} bytes read: {seen:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_request_body_left_unread_does_not_hold_the_connection() {
    for read in [0, 4] {
        let addr = serve(pipeline().module("refuse", Refuse { read })).await;
        let (reply, next) =
            ask(addr, "POST /upload HTTP/1.1\r\nhost: test\r\ncontent-length: 8\r\n\r\nall here").await;
        assert_eq!(reply.status(), 403);
        assert_eq!(next.expect("the body was there, and small").text(), "next");
    }
}

#[tokio::test]
async fn a_child_request_does_not_inherit_the_framing_of_its_parent() {
    struct Parent;
    impl Module for Parent {
        fn registration(&self) -> Registration {
            Registration::new().on(Notification::BeginRequest)
        }
        fn on_begin_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
            Outcome::pending(async {
                if cx.child_depth() > 0 || cx.request().url().path() == "/next" {
                    return Ok(Flow::Continue);
                }
                let mut child = ChildRequest::new(Method::POST, "/headers")?.headers_of(cx.request());
                if cx.request().url().path() == "/with-body" {
                    child = child.body("four");
                }
                let answer = cx.execute_request(child).await?;
                cx.response_mut().set_chunks(answer.into_chunks())?;
                Ok(Flow::Finish)
            })
        }
    }
    let builder = pipeline()
        .module("parent", Parent)
        .handler(bivalve_tower::ServiceHandler::new(tower::service_fn(answer)));
    let addr = serve(builder).await;
    let framings =
        ["content-length: 5\r\n\r\nhello", "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"];
    for framed in framings {
        let head = "host: test\r\nx-kept: 1\r\nconnection: keep-alive, x-dropped\r\nx-dropped: 1\r\n\
                    keep-alive: timeout=5\r\nte: trailers\r\ntrailer: x-sum\r\nupgrade: h2c\r\nexpect: 100-continue\r\n";
        for (path, expected) in
            [("/", "host x-kept + 0 bytes"), ("/with-body", "host x-kept content-length + 4 bytes")]
        {
            let mut client = Client::connect(addr).await;
            client.send(format!("POST {path} HTTP/1.1\r\n{head}{framed}")).await;
            let reply = client.reply().await;
            assert_eq!(reply.text(), expected, "{path} with {framed:?}");
        }
    }
}

#[tokio::test]
async fn an_error_page_has_its_own_length() {
    for place in [Notification::ReleaseRequestState, Notification::SendResponse] {
        let fail = at(place, |cx| {
            if cx.request().url().path() == "/next" {
                return Ok(Flow::Continue);
            }
            Err(bivalve_core::Error::from_status(StatusCode::BAD_GATEWAY))
        });
        let addr = serve(pipeline().module("fail", fail)).await;
        let reply = ask_twice(addr, &get("/")).await;
        assert_eq!((reply.status(), reply.text()), (502, "Bad Gateway"), "{place:?}");
    }
}

#[tokio::test]
async fn a_huge_header_value() {
    let change = |cx: &mut Context| {
        if cx.request().url().path() == "/next" {
            return Ok(());
        }
        cx.response_mut().set_header("x-huge", &"x".repeat(1024 * 1024))
    };
    for (place, builder) in in_every_place(change) {
        let addr = serve(builder).await;
        let reply = ask_twice(addr, &get("/")).await;
        assert_eq!(reply.head.get("x-huge").map(str::len), Some(1024 * 1024), "{place}");
        assert_eq!(reply.text(), "hello", "{place}");
        // A client of HTTP/2 may refuse it; the server serves the next.
        let _ = ask_http2(addr, Method::GET, "/").await;
        let next = ask_http2(addr, Method::GET, "/next").await.expect("a response");
        assert_eq!(next.body, "next", "{place}");
    }
}

#[tokio::test]
async fn more_headers_than_a_map_holds() {
    let typed = |cx: &mut Context| {
        if cx.request().url().path() == "/next" {
            return Ok(());
        }
        (0..40_000).try_for_each(|i| cx.response_mut().set_header(&format!("x-{i}"), "1")).inspect_err(
            |error| {
                assert_eq!(error.kind(), ErrorKind::InvalidHeader);
            },
        )
    };
    // `http`'s own map panics where it is full: that is the module's panic, and contained.
    let panicking = |cx: &mut Context| {
        if cx.request().url().path() != "/next" {
            for i in 0..40_000 {
                let name = HeaderName::try_from(format!("x-{i}"))?;
                cx.response_mut().headers_mut().insert(name, HeaderValue::from_static("1"));
            }
        }
        Ok(())
    };
    let [(_, typed), ..] = in_every_place(typed);
    let [(_, panicking), ..] = in_every_place(panicking);
    for builder in [typed, panicking] {
        let reply = ask_twice(serve(builder).await, &get("/")).await;
        assert_eq!((reply.status(), reply.text()), (500, "Internal Server Error"));
    }
}

#[tokio::test]
async fn a_reset_never_looks_like_a_whole_response() {
    for path in ["/", "/stream", "/sized"] {
        let reset = Filter(|cx: &mut Context, _: &Sending| {
            if cx.response().headers_sent() || cx.request().url().path() == "/" {
                cx.reset_connection();
                return Ok(Flow::Finish);
            }
            Ok(Flow::Continue)
        });
        let addr = serve(pipeline().module("reset", reset)).await;
        let mut client = Client::connect(addr).await;
        client.send([get(path), get("/next")].concat()).await;
        if let Some(reply) = client.try_reply(false).await {
            assert!(reply.cut, "{path}: {reply:?}");
        }
        assert!(client.rest().await.is_empty(), "{path}: nothing behind a reset");
        assert!(ask_http2(addr, Method::GET, path).await.is_err(), "{path}");
    }
}
