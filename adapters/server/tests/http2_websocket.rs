//! WebSocket on a stream of HTTP/2 (RFC 8441), through axum's own extractor, with hyper's client.

mod support;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::routing::{any, get};
use bivalve_core::{Context, Error, Flow, Module, Notification, Outcome, Pipeline, Registration};
use bivalve_server::Server;
use bivalve_tower::ServiceHandler;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper::ext::Protocol;
use hyper::upgrade::Upgraded;
use hyper_util::rt::{TokioExecutor, TokioIo};
use support::{DRIVERS, server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Writes down what is logged, and lets nobody into `/forbidden`.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Module for Log {
    fn registration(&self) -> Registration {
        Registration::new().on(Notification::BeginRequest).on(Notification::LogRequest)
    }

    fn on_begin_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        Outcome::Ready(match cx.request().url().path() {
            "/forbidden" => Err(Error::new(StatusCode::FORBIDDEN, "nobody may")),
            _ => Ok(Flow::Continue),
        })
    }

    fn on_log_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        let (request, status) = (cx.request(), cx.response().status().as_u16());
        let host = request.header("host").unwrap_or_default();
        let entry = format!("{} {} {host} {status}", request.method(), request.url().path());
        self.0.lock().expect("no panic").push(entry);
        Outcome::CONTINUE
    }
}

fn pipeline(log: &Log) -> Arc<Pipeline> {
    async fn echo(mut socket: WebSocket) {
        while let Some(Ok(message)) = socket.recv().await {
            if socket.send(message).await.is_err() {
                return;
            }
        }
    }
    let upgrade = |upgrade: WebSocketUpgrade| async { upgrade.on_upgrade(echo) };
    let router = Router::new()
        .route("/ws", any(upgrade))
        .route("/forbidden", any(upgrade))
        .route("/", get(|| async { "Hello World!" }));
    let handler = ServiceHandler::new(router);
    Pipeline::builder().module("log", log.clone()).handler(handler).build().expect("it builds")
}

/// A server that allows it.
fn allowing(driver: &str, log: &Log) -> Server {
    server(driver, &pipeline(log)).http2_websocket(true)
}

/// A client whose connection has been used: it knows what the server allows.
async fn client(address: SocketAddr) -> SendRequest<Empty<Bytes>> {
    let stream = TokioIo::new(TcpStream::connect(address).await.expect("it listens"));
    let shaken = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await;
    let (mut client, connection) = shaken.expect("it speaks HTTP/2");
    tokio::spawn(connection);
    let hello = ask(&mut client, Method::GET, "/", None).await.expect("an answer");
    assert_eq!(hello.into_body().collect().await.expect("a body").to_bytes(), "Hello World!");
    client
}

async fn ask(
    client: &mut SendRequest<Empty<Bytes>>,
    method: Method,
    path: &str,
    protocol: Option<&'static str>,
) -> hyper::Result<Response<Incoming>> {
    let mut request = Request::new(Empty::new());
    *request.method_mut() = method;
    *request.uri_mut() = format!("http://a{path}").parse().expect("a URL");
    if let Some(protocol) = protocol {
        request.headers_mut().insert("sec-websocket-version", "13".parse().expect("a value"));
        request.extensions_mut().insert(Protocol::from_static(protocol));
    }
    client.ready().await?;
    client.send_request(request).await
}

async fn websocket(client: &mut SendRequest<Empty<Bytes>>) -> TokioIo<Upgraded> {
    let response = ask(client, Method::CONNECT, "/ws", Some("websocket")).await.expect("an answer");
    assert_eq!(response.status(), 200);
    TokioIo::new(hyper::upgrade::on(response).await.expect("it changes"))
}

/// RFC 6455 section 5.7: a masked "Hello", and the same from a server.
const HELLO: &[u8] = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
const HELLO_BACK: &[u8] = b"\x81\x05Hello";

/// Whether what is sent comes back.
async fn echoes(socket: &mut TokioIo<Upgraded>) -> bool {
    let mut back = [0; HELLO_BACK.len()];
    let echo = async {
        socket.write_all(HELLO).await?;
        socket.read_exact(&mut back).await
    };
    let echoed = tokio::time::timeout(Duration::from_secs(10), echo).await;
    echoed.is_ok_and(|echoed| echoed.is_ok()) && back == *HELLO_BACK
}

#[tokio::test]
async fn several_echo_beside_requests_of_one_connection_and_modules_see_them() {
    for driver in DRIVERS {
        let log = Log::default();
        let running = allowing(driver, &log).start().expect("it starts");
        let mut client = client(running.addresses()[0]).await;
        let (mut one, mut other) = (websocket(&mut client).await, websocket(&mut client).await);
        assert!(echoes(&mut one).await && echoes(&mut other).await && echoes(&mut one).await, "{driver}");
        assert_eq!(ask(&mut client, Method::GET, "/", None).await.expect("an answer").status(), 200);
        drop(one);
        assert!(echoes(&mut other).await, "{driver}: one ends another");
        let forbidden = ask(&mut client, Method::CONNECT, "/forbidden", Some("websocket")).await;
        assert_eq!(forbidden.expect("an answer").status(), 403, "{driver}");
        let logged = log.0.lock().expect("no panic").clone();
        let expected = [
            "GET / a 200",
            "CONNECT /ws a 200",
            "CONNECT /ws a 200",
            "GET / a 200",
            "CONNECT /forbidden a 403",
        ];
        assert_eq!(logged, expected, "{driver}");
    }
}

#[tokio::test]
async fn other_protocols_and_unsound_targets_are_refused() {
    for driver in DRIVERS {
        let log = Log::default();
        let running = allowing(driver, &log).start().expect("it starts");
        let mut client = client(running.addresses()[0]).await;
        let long = format!("/{}", "a".repeat(5000));
        for (path, protocol, status) in [
            ("/ws", "connect-udp", 501),
            ("/ws", "WebSocket", 501),
            ("/%00", "websocket", 400),
            (long.as_str(), "websocket", 404),
            ("/", "websocket", 405),
        ] {
            let answer = ask(&mut client, Method::CONNECT, path, Some(protocol)).await.expect("an answer");
            assert_eq!(answer.status(), status, "{driver} {path:.10} {protocol}");
        }
        // A proxy's CONNECT is none of it.
        let mut plain = Request::new(Empty::new());
        *plain.method_mut() = Method::CONNECT;
        *plain.uri_mut() = "a:443".parse().expect("an authority");
        assert_eq!(client.send_request(plain).await.expect("an answer").status(), 501, "{driver}");
        assert!(echoes(&mut websocket(&mut client).await).await, "{driver}");
    }
}

#[tokio::test]
async fn a_server_that_was_not_told_so_does_not_allow_it() {
    for driver in DRIVERS {
        let log = Log::default();
        let running = server(driver, &pipeline(&log)).start().expect("it starts");
        let mut client = client(running.addresses()[0]).await;
        let answer = ask(&mut client, Method::CONNECT, "/ws", Some("websocket")).await;
        assert!(answer.is_err(), "{driver}: the client was told that it may");
        assert_eq!(log.0.lock().expect("no panic").len(), 1, "{driver}");
    }
}

#[tokio::test]
async fn one_that_is_silent_keeps_its_connection_and_the_connection_is_idle_behind_it() {
    for driver in DRIVERS {
        let log = Log::default();
        let server = allowing(driver, &log).idle_timeout(Duration::from_millis(200));
        let running = server.start().expect("it starts");
        let mut client = client(running.addresses()[0]).await;
        let mut socket = websocket(&mut client).await;
        // The idle timeout, and the time in which a connection that was told to go is waited for.
        tokio::time::sleep(Duration::from_millis(2700)).await;
        assert!(echoes(&mut socket).await, "{driver}");
        drop(socket);
        let gone = async {
            while ask(&mut client, Method::GET, "/", None).await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), gone).await.expect("it is never idle");
    }
}

#[tokio::test]
async fn a_stop_waits_for_it_until_the_deadline_and_counts_its_connection() {
    for driver in DRIVERS {
        let log = Log::default();
        let running = allowing(driver, &log).start().expect("it starts");
        let mut client = client(running.addresses()[0]).await;
        let mut socket = websocket(&mut client).await;
        let stopping = tokio::spawn(running.stop(Duration::from_secs(4)));
        tokio::time::sleep(Duration::from_millis(2700)).await;
        assert!(echoes(&mut socket).await, "{driver}: it was cut before its time");
        let stopped = stopping.await.expect("no panic");
        assert_eq!((stopped.connections, stopped.requests), (1, 0), "{driver}");
        assert!(!echoes(&mut socket).await, "{driver}");
    }
}
