//! Real sockets, raw bytes: an axum router with modules, served in the four ways in which users serve one.
//!
//! Each test runs on each [`Server`] with each set of modules of [`PIPELINES`], and says what it saw where it fails.

mod common;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, WebSocketUpgrade, ws};
use axum::response::IntoResponse;
use axum::routing::{any, get, post};
use bivalve_core::{Flow, Notification, Pipeline, PipelineBuilder, Scope};
use common::everywhere::Everywhere;
use common::raw::{Client, bounded};
use common::servers::Server;
use common::{at, pipeline};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, Response, StatusCode};
use http_body_util::channel::{Channel, Sender};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

type Named = (&'static str, fn() -> PipelineBuilder);

/// Where the modules are that only go on.
const PIPELINES: [Named; 3] = [
    ("no module", pipeline),
    ("modules before the handler", || pipeline().mount(Everywhere::before_the_handler())),
    ("modules everywhere", || {
        pipeline().module("ready", Everywhere::ready()).module("waiting", Everywhere::waiting())
    }),
];

/// Runs a test everywhere.
async fn everywhere(router: Router, test: impl AsyncFn(SocketAddr)) {
    with_modules(router, |builder| builder, test).await;
}

/// Runs a test everywhere, with more modules.
async fn with_modules(
    router: Router,
    add: impl Fn(PipelineBuilder) -> PipelineBuilder,
    test: impl AsyncFn(SocketAddr),
) {
    for server in Server::ALL {
        for (modules, builder) in PIPELINES {
            println!("{server:?}, {modules}");
            let pipeline = add(builder()).build().expect("the pipeline builds");
            test(server.start(router.clone(), &pipeline).await).await;
        }
    }
}

fn router() -> Router {
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/echo", post(|body: Body| async { Response::new(body) }))
        .route("/collect", post(|body: Bytes| async { body }))
        .route("/status/204", get(|| async { StatusCode::NO_CONTENT }))
        .route("/status/304", get(|| async { (StatusCode::NOT_MODIFIED, [("etag", "\"one\"")]) }))
}

/// A route whose response the test writes, frame by frame.
fn stream() -> (Router, Queue<Sender<Bytes>>) {
    let (streams, received) = queue();
    let handler = move || {
        let streams = streams.clone();
        async move {
            let (sender, body) = Channel::new(1);
            streams.send(sender).expect("the test waits for it");
            let trailer = [("trailer", "x-sum")];
            (trailer, Body::new(body))
        }
    };
    (router().route("/stream", get(handler)), received)
}

/// What handlers and modules tell the test.
struct Queue<T>(Mutex<UnboundedReceiver<T>>);

fn queue<T>() -> (UnboundedSender<T>, Queue<T>) {
    let (sender, receiver) = unbounded_channel();
    (sender, Queue(Mutex::new(receiver)))
}

impl<T> Queue<T> {
    async fn next(&self, what: &str) -> T {
        bounded(what, async { self.0.lock().await.recv().await }).await.expect("a sender is left")
    }
}

/// A module that reports from LogRequest: the status, and whether the client was still there.
fn reporting(builder: PipelineBuilder, reports: &UnboundedSender<(u16, bool)>) -> PipelineBuilder {
    let reports = reports.clone();
    builder.module(
        "report",
        at(Notification::LogRequest, move |cx| {
            let _ = reports.send((cx.response().status().as_u16(), cx.is_connected()));
            Ok(Flow::Continue)
        }),
    )
}

#[tokio::test]
async fn a_connection_serves_several_requests() {
    everywhere(router(), async |addr| {
        let mut client = Client::connect(addr).await;
        for _ in 0..3 {
            client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
            assert_eq!(client.reply().await.text(), "hello");
            client.send("POST /collect HTTP/1.1\r\nhost: test\r\ncontent-length: 4\r\n\r\nbody").await;
            assert_eq!(client.reply().await.text(), "body");
            client.send("GET /nowhere HTTP/1.1\r\nhost: test\r\n\r\n").await;
            assert_eq!(client.reply().await.status(), 404);
        }
        client.send("GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").await;
        let reply = client.reply().await;
        assert_eq!((reply.text(), reply.head.get("connection")), ("hello", Some("close")));
        assert!(client.rest().await.is_empty(), "the connection ends");
    })
    .await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_their_order() {
    everywhere(router(), async |addr| {
        let mut client = Client::connect(addr).await;
        client
            .send(
                "GET / HTTP/1.1\r\nhost: test\r\n\r\n\
                 POST /echo HTTP/1.1\r\nhost: test\r\ncontent-length: 3\r\n\r\none\
                 POST /collect HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n\
                 HEAD / HTTP/1.1\r\nhost: test\r\n\r\n\
                 GET /status/204 HTTP/1.1\r\nhost: test\r\n\r\n\
                 GET / HTTP/1.1\r\nhost: test\r\n\r\n",
            )
            .await;
        for expected in ["hello", "one", "two"] {
            assert_eq!(client.reply().await.text(), expected);
        }
        assert_eq!(client.reply_to_head().await.status(), 200);
        assert_eq!(client.reply().await.status(), 204);
        assert_eq!(client.reply().await.text(), "hello");
    })
    .await;
}

#[tokio::test]
async fn a_chunked_upload_is_echoed_while_it_is_sent() {
    everywhere(router(), async |addr| {
        let mut client = Client::connect(addr).await;
        client.send("POST /echo HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n").await;
        client.send("5\r\nfirst\r\n").await;
        assert_eq!(client.head().await.get("transfer-encoding"), Some("chunked"));
        assert_eq!(client.chunk().await, b"first");
        client.send("6;an=extension\r\nsecond\r\n").await;
        assert_eq!(client.chunk().await, b"second");
        client.send("0\r\nx-trailer: dropped or not\r\n\r\n").await;
        assert_eq!(client.chunk().await, b"");
        assert_eq!(client.exactly(2).await, b"\r\n");
        client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
        assert_eq!(client.reply().await.text(), "hello");
    })
    .await;
}

#[tokio::test]
async fn a_large_upload_arrives_whole() {
    let body: Vec<u8> = (0..3_000_000_u32).map(|i| i.to_le_bytes()[1]).collect();
    let count = post(|body: Body| async {
        let mut body = body;
        let (mut length, mut sum) = (0_usize, 0_u64);
        while let Some(Ok(frame)) = body.frame().await {
            let data = frame.into_data().unwrap_or_default();
            length += data.len();
            sum += data.iter().map(|b| u64::from(*b)).sum::<u64>();
        }
        format!("{length} {sum}")
    });
    let expected = format!("{} {}", body.len(), body.iter().map(|b| u64::from(*b)).sum::<u64>());
    everywhere(router().route("/count", count), async |addr| {
        let mut client = Client::connect(addr).await;
        let length = body.len();
        client.send(format!("POST /count HTTP/1.1\r\nhost: test\r\ncontent-length: {length}\r\n\r\n")).await;
        client.send(&body).await;
        assert_eq!(client.reply().await.text(), expected);
    })
    .await;
}

#[tokio::test]
async fn a_streaming_response_leaves_frame_by_frame() {
    let (router, streams) = stream();
    everywhere(router, async |addr| {
        let mut client = Client::connect(addr).await;
        client.send("GET /stream HTTP/1.1\r\nhost: test\r\nte: trailers\r\n\r\n").await;
        let mut sender = streams.next("the handler").await;
        // The head comes before the first frame is there; each frame before the next is written.
        assert_eq!(client.head().await.get("transfer-encoding"), Some("chunked"));
        for text in ["one", "two", "three"] {
            sender.send_data(Bytes::from(text)).await.expect("somebody reads");
            assert_eq!(client.chunk().await, text.as_bytes());
        }
        let sum = (HeaderName::from_static("x-sum"), HeaderValue::from_static("7"));
        sender.send_trailers(HeaderMap::from_iter([sum])).await.expect("somebody reads");
        drop(sender);
        assert_eq!(client.chunk().await, b"");
        assert_eq!(client.exactly(b"x-sum: 7\r\n\r\n".len()).await, b"x-sum: 7\r\n\r\n");
        client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
        assert_eq!(client.reply().await.text(), "hello");
    })
    .await;
}

#[tokio::test]
async fn head_has_the_headers_of_get_and_no_body() {
    everywhere(router(), async |addr| {
        let mut client = Client::connect(addr).await;
        client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
        let mut get = client.reply().await.head;
        client.send("HEAD / HTTP/1.1\r\nhost: test\r\n\r\nGET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
        let mut head = client.reply_to_head().await.head;
        assert_eq!(head.get("content-length"), Some("5"));
        for head in [&mut get, &mut head] {
            head.headers.retain(|(name, _)| name != "date");
            head.headers.sort();
        }
        assert_eq!(get, head);
        assert_eq!(client.reply().await.text(), "hello", "the next response begins where it should");
    })
    .await;
}

#[tokio::test]
async fn responses_without_a_body_end_with_their_head() {
    everywhere(router(), async |addr| {
        let mut client = Client::connect(addr).await;
        for status in [204, 304] {
            let request = format!("GET /status/{status} HTTP/1.1\r\nhost: test\r\n\r\n");
            client.send(format!("{request}GET / HTTP/1.1\r\nhost: test\r\n\r\n")).await;
            let head = client.head().await;
            assert_eq!(head.status, status);
            assert_eq!(head.get("transfer-encoding"), None);
            assert_eq!(head.get("content-length").filter(|_| status == 204), None);
            assert_eq!(client.reply().await.text(), "hello");
        }
    })
    .await;
}

#[tokio::test]
async fn an_old_client_gets_a_stream_that_ends_with_the_connection() {
    let (router, streams) = stream();
    everywhere(router, async |addr| {
        let mut client = Client::connect(addr).await;
        client.send("GET /stream HTTP/1.0\r\n\r\n").await;
        let mut sender = streams.next("the handler").await;
        let head = client.head().await;
        assert_eq!((head.get("transfer-encoding"), head.get("content-length")), (None, None));
        sender.send_data(Bytes::from("all there is")).await.expect("somebody reads");
        drop(sender);
        assert_eq!(client.rest().await, b"all there is");
    })
    .await;
}

// RFC 9110 section 10.1.1: a server that reads the body sends 100 first; one that refuses it need not.

#[tokio::test]
async fn expect_100_continue_is_answered_when_the_body_is_read() {
    everywhere(router(), async |addr| {
        let mut client = Client::connect(addr).await;
        for _ in 0..2 {
            client
                .send(
                    "POST /collect HTTP/1.1\r\nhost: test\r\ncontent-length: 4\r\nexpect: 100-continue\r\n\r\n",
                )
                .await;
            assert_eq!(client.head().await.status, 100);
            client.send("body").await;
            assert_eq!(client.reply().await.text(), "body");
        }
    })
    .await;
}

#[tokio::test]
async fn expect_100_continue_is_not_answered_when_a_module_refuses() {
    let deny = |builder: PipelineBuilder| {
        builder.module(
            "deny",
            at(Notification::AuthenticateRequest, |cx| {
                if cx.request().method() == Method::GET {
                    return Ok(Flow::Continue);
                }
                cx.response_mut().set_status_code(403, 0)?;
                Ok(Flow::Finish)
            }),
        )
    };
    with_modules(router(), deny, async |addr| {
        let mut client = Client::connect(addr).await;
        client
            .send("POST /collect HTTP/1.1\r\nhost: test\r\ncontent-length: 4\r\nexpect: 100-continue\r\n\r\n")
            .await;
        assert_eq!(client.reply().await.status(), 403);
    })
    .await;
}

#[tokio::test]
async fn a_client_that_goes_away_while_it_sends_is_logged() {
    let (reports, reported) = queue();
    with_modules(
        router(),
        |builder| reporting(builder, &reports),
        async |addr| {
            for (path, reset) in [("/collect", false), ("/collect", true), ("/echo", false), ("/echo", true)]
            {
                let mut client = Client::connect(addr).await;
                let head =
                    format!("POST {path} HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n");
                client.send(head).await;
                client.send("4\r\nhalf\r\n8\r\nof").await;
                if path == "/echo" {
                    client.head().await;
                    assert_eq!(client.chunk().await, b"half");
                }
                client.leave(reset);
                reported.next(&format!("LogRequest of {path}, reset: {reset}")).await;
            }
        },
    )
    .await;
}

#[tokio::test]
async fn a_client_that_goes_away_while_it_receives_is_logged_as_gone() {
    let (router, streams) = stream();
    let (reports, reported) = queue();
    with_modules(
        router,
        |builder| reporting(builder, &reports),
        async |addr| {
            for reset in [false, true] {
                let mut client = Client::connect(addr).await;
                client.send("GET /stream HTTP/1.1\r\nhost: test\r\n\r\n").await;
                let mut sender = streams.next("the handler").await;
                client.head().await;
                sender.send_data(Bytes::from("one")).await.expect("somebody reads");
                assert_eq!(client.chunk().await, b"one");
                client.leave(reset);
                let report = reported.next("LogRequest").await;
                assert_eq!(report, (200, false));
                // The handler's body is dropped, and its writer hears of it.
                bounded("the end of the stream", async {
                    while sender.send_data(Bytes::from("more")).await.is_ok() {
                        tokio::task::yield_now().await;
                    }
                })
                .await;
            }
        },
    )
    .await;
}

#[tokio::test]
async fn a_client_that_reads_to_the_end_is_logged_as_present() {
    let (reports, reported) = queue();
    let sized = get(|| async { Body::new(Full::new(Bytes::from(vec![b'x'; 100_000]))) });
    let (router, streams) = stream();
    let small_buffer = |builder: PipelineBuilder| {
        let application = bivalve_core::Application::builder().response_buffer_limit(1).build();
        reporting(builder.application(application), &reports)
    };
    with_modules(router.route("/sized", sized), small_buffer, async |addr| {
        let mut client = Client::connect(addr).await;
        for (method, path) in [("GET", "/"), ("GET", "/sized"), ("HEAD", "/sized"), ("GET", "/status/304")] {
            client.send(format!("{method} {path} HTTP/1.1\r\nhost: test\r\n\r\n")).await;
            let reply = client.try_reply(method == "HEAD").await.expect("a response");
            let report = reported.next("LogRequest").await;
            assert_eq!(report, (reply.status(), true), "{method} {path}");
        }
        client.send("GET /stream HTTP/1.1\r\nhost: test\r\n\r\n").await;
        let mut sender = streams.next("the handler").await;
        sender.send_data(Bytes::from("one")).await.expect("somebody reads");
        drop(sender);
        assert_eq!(client.reply().await.text(), "one");
        assert_eq!(reported.next("LogRequest").await, (200, true));
    })
    .await;
}

// RFC 6455 sections 1.3 and 5.7: the handshake and the frames of its examples.

const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nhost: test\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
    sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const MASKED_HELLO: &[u8] = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
const HELLO: &[u8] = b"\x81\x05Hello";

#[tokio::test]
async fn a_websocket_works_behind_modules() {
    async fn echo(upgrade: WebSocketUpgrade) -> impl IntoResponse {
        upgrade.on_upgrade(|mut socket| async move {
            while let Some(Ok(message)) = socket.recv().await {
                if matches!(message, ws::Message::Close(_)) || socket.send(message).await.is_err() {
                    break;
                }
            }
        })
    }
    let (reports, reported) = queue();
    with_modules(
        router().route("/ws", any(echo)),
        |builder| reporting(builder, &reports),
        async |addr| {
            for at_once in [false, true] {
                let mut client = Client::connect(addr).await;
                if at_once {
                    client.send([HANDSHAKE.as_bytes(), MASKED_HELLO].concat()).await;
                } else {
                    client.send(HANDSHAKE).await;
                }
                let head = client.head().await;
                assert_eq!(head.status, 101);
                assert_eq!(head.get("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
                assert_eq!(head.get("upgrade"), Some("websocket"));
                assert_eq!((head.get("content-length"), head.get("transfer-encoding")), (None, None));
                assert_eq!(reported.next("LogRequest").await, (101, true));
                if !at_once {
                    client.send(MASKED_HELLO).await;
                }
                assert_eq!(client.exactly(HELLO.len()).await, HELLO);
                client.send(MASKED_HELLO).await;
                assert_eq!(client.exactly(HELLO.len()).await, HELLO);
            }
        },
    )
    .await;
}

/// Answers CONNECT and `Upgrade: echo`, and then sends back what comes.
async fn tunnel(mut request: Request) -> Response<Body> {
    let connect = request.method() == Method::CONNECT;
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        let mut stream = TokioIo::new(upgraded);
        let mut buffer = [0; 64];
        while let Ok(count @ 1..) = stream.read(&mut buffer).await {
            if stream.write_all(&buffer[..count]).await.is_err() {
                break;
            }
        }
    });
    let response = Response::builder();
    let response = if connect {
        response.status(200)
    } else {
        response.status(101).header("connection", "upgrade").header("upgrade", "echo")
    };
    response.body(Body::empty()).expect("a response")
}

#[tokio::test]
async fn a_tunnel_keeps_the_bytes_that_came_with_its_request() {
    everywhere(router().fallback(tunnel), async |addr| {
        for (request, status) in [
            ("CONNECT host:443 HTTP/1.1\r\nhost: host:443\r\n\r\nearly", 200),
            ("GET /up HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nearly", 101),
        ] {
            let mut client = Client::connect(addr).await;
            client.send(request).await;
            let head = client.head().await;
            assert_eq!(head.status, status);
            assert_eq!((head.get("content-length"), head.get("transfer-encoding")), (None, None));
            assert_eq!(client.exactly(5).await, b"early");
            client.send("late").await;
            assert_eq!(client.exactly(4).await, b"late");
            client.end_of_sending().await;
            assert!(client.rest().await.is_empty());
        }
    })
    .await;
}

#[tokio::test]
async fn http2_with_prior_knowledge_carries_streams_bodies_and_trailers() {
    let (router, streams) = stream();
    everywhere(router, async |addr| {
        let stream = tokio::net::TcpStream::connect(addr).await.expect("the server listens");
        let (mut sender, connection) = hyper::client::conn::http2::handshake::<_, _, Full<Bytes>>(
            TokioExecutor::new(),
            TokioIo::new(stream),
        )
        .await
        .expect("a handshake");
        tokio::spawn(connection);
        let mut ask = |method: Method, path: &str, body: &'static str| {
            let request = http::Request::builder().method(method).uri(format!("http://test{path}"));
            sender.send_request(request.body(Full::from(body)).expect("a request"))
        };

        // A stream that is open, while others come and go.
        let streamed = ask(Method::GET, "/stream", "");
        let mut frames = streams.next("the handler").await;
        let mut streamed = bounded("its head", streamed).await.expect("a response").into_body();
        for round in 0..3 {
            let text = format!("frame {round}");
            frames.send_data(Bytes::from(text.clone())).await.expect("somebody reads");
            let frame = bounded("a frame", streamed.frame()).await.expect("a frame").expect("no error");
            assert_eq!(frame.into_data().expect("data"), text);
            let echoed = bounded("a response", ask(Method::POST, "/echo", "body")).await.expect("a response");
            assert_eq!(bounded("a body", echoed.collect()).await.expect("a body").to_bytes(), "body");
            let hello = bounded("a response", ask(Method::GET, "/", "")).await.expect("a response");
            assert_eq!(hello.headers()["content-length"], "5");
        }
        let head = bounded("a response", ask(Method::HEAD, "/", "")).await.expect("a response");
        assert_eq!(
            (head.status(), &head.headers()["content-length"]),
            (StatusCode::OK, &HeaderValue::from(5))
        );
        assert!(bounded("a body", head.collect()).await.expect("no error").to_bytes().is_empty());

        let sum = (HeaderName::from_static("x-sum"), HeaderValue::from_static("7"));
        frames.send_trailers(HeaderMap::from_iter([sum])).await.expect("somebody reads");
        drop(frames);
        let frame = bounded("the trailers", streamed.frame()).await.expect("a frame").expect("no error");
        assert_eq!(frame.into_trailers().expect("trailers")["x-sum"], "7");
        assert!(bounded("the end", streamed.frame()).await.is_none());
    })
    .await;
}

#[tokio::test]
async fn a_stream_that_an_http2_client_resets_is_logged_as_gone() {
    let (router, streams) = stream();
    let (reports, reported) = queue();
    with_modules(
        router,
        |builder| reporting(builder, &reports),
        async |addr| {
            let stream = tokio::net::TcpStream::connect(addr).await.expect("the server listens");
            let (mut sender, connection) = hyper::client::conn::http2::handshake::<_, _, Full<Bytes>>(
                TokioExecutor::new(),
                TokioIo::new(stream),
            )
            .await
            .expect("a handshake");
            tokio::spawn(connection);
            let request =
                || http::Request::get("http://test/stream").body(Full::default()).expect("a request");
            let response = sender.send_request(request());
            let _frames = streams.next("the handler").await;
            let response = bounded("its head", response).await.expect("a response");
            drop(response);
            assert_eq!(reported.next("LogRequest").await, (200, false));
            // The connection serves the next stream.
            let request = http::Request::get("http://test/").body(Full::default()).expect("a request");
            let response = bounded("a response", sender.send_request(request)).await.expect("a response");
            assert_eq!(response.status(), 200);
            assert_eq!(reported.next("LogRequest").await, (200, true));
        },
    )
    .await;
}

#[tokio::test]
async fn modules_see_the_addresses_of_the_connection_and_keep_values_with_it() {
    let addresses = |builder: PipelineBuilder| {
        builder.module(
            "addresses",
            at(Notification::BeginRequest, |cx| {
                let count = cx.module_context_or_insert_with(Scope::Connection, AtomicUsize::default)?;
                let count = count.fetch_add(1, Ordering::Relaxed);
                let connection = cx.connection();
                let text = format!("{:?} {:?} {count}", connection.remote_addr(), connection.local_addr());
                cx.response_mut().write(text)?;
                Ok(Flow::Finish)
            }),
        )
    };
    with_modules(router(), addresses, async |addr| {
        for _ in 0..2 {
            let mut client = Client::connect(addr).await;
            for count in 0..2 {
                client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
                let expected = format!("{:?} {:?} {count}", Some(client.local_addr()), Some(addr));
                assert_eq!(client.reply().await.text(), expected);
            }
        }
    })
    .await;
}

/// What a user writes first; it has to compile.
#[tokio::test]
async fn the_layer_fits_where_axum_takes_layers() {
    let pipeline: Arc<Pipeline> = pipeline().mount(Everywhere::ready()).build().expect("the pipeline builds");
    let layer = || bivalve_tower::ModuleLayer::new(Arc::clone(&pipeline));
    let app: Router = Router::new()
        .route("/method", get(|| async { "method" }).layer(layer()))
        .nest("/nested", router().layer(layer()))
        .route_layer(layer())
        .layer(layer())
        .layer(tower::ServiceBuilder::new().layer(layer()).layer(tower_http::cors::CorsLayer::permissive()));
    let service = tower::ServiceBuilder::new().layer(layer()).service(app);
    let addr = Server::HyperAround.start(Router::new().fallback_service(service), &pipeline).await;
    let mut client = Client::connect(addr).await;
    for (path, text) in [("/method", "method"), ("/nested", "hello")] {
        client.send(format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n")).await;
        assert_eq!(client.reply().await.text(), text);
    }
}
