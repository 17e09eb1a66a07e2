//! The same request through bare tower-http, and through the same stack with modules: the same response.
//!
//! Each layer is tried with modules around it and with modules between it and the application; with six sets of
//! modules (see [`Modules`]); and the response is looked at as a service sees it, in HTTP/1.1 as hyper writes it, and
//! in HTTP/2. The tests at the end show the differences that belong to the design; the crate's documentation lists
//! them.
//!
//! | layer or service | requests |
//! |---|---|
//! | none | GET, HEAD, POST, 404, 405, 204, 304, redirect, stream with trailers, broken stream, cookies |
//! | `AddAuthorizationLayer` | what the handler sees, basic and bearer |
//! | `AddExtensionLayer` | read by the handler |
//! | `AsyncRequireAuthorizationLayer` | without, wrong, right |
//! | `CatchPanicLayer` | a handler that panics, one that does not |
//! | `CompressionLayer` | gzip, br, deflate, zstd, identity, too small, HEAD, stream |
//! | `CorsLayer` | permissive and strict: preflight, simple, foreign origin |
//! | `CsrfLayer` | same origin, foreign origin, safe method |
//! | `DecompressionLayer` | gzip, br, deflate, zstd, plain |
//! | `FollowRedirectLayer` | followed, not needed |
//! | `InFlightRequestsLayer` | count after the body, and while it is held |
//! | `MapRequestBodyLayer`, `MapResponseBodyLayer` | upper case on the way in and out |
//! | `NormalizePathLayer` | trailing slashes trimmed and added |
//! | `OnEarlyDropLayer` | read to the end, dropped halfway |
//! | `PropagateHeaderLayer` | with and without the header |
//! | `Redirect` | temporary, permanent |
//! | `RequestBodyLimitLayer` | below, above by length, above by counting |
//! | `RequestBodyTimeoutLayer`, `ResponseBodyTimeoutLayer` and the deadlines | in time |
//! | `RequestDecompressionLayer` | gzip, br, deflate, zstd, unknown, not gzip at all |
//! | `ServeDir`, `ServeFile` | whole, ranges, 206, 304, 404, 405, 416, HEAD, precompressed, index, redirect |
//! | `SetRequestHeaderLayer`, `SetResponseHeaderLayer` | overriding, appending, if not present |
//! | `SetRequestIdLayer`, `PropagateRequestIdLayer` | given, made |
//! | `SetSensitiveHeadersLayer` | the marks on both sides |
//! | `SetStatusLayer` | another status |
//! | `TimeoutLayer` | in time, too late |
//! | `TraceLayer` | the callbacks it makes |
//! | `ValidateRequestHeaderLayer` | accept, custom, header value |

#[path = "differential/app.rs"]
mod app;
mod common;
#[path = "differential/stand.rs"]
mod stand;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use app::{Greeting, app, text};
use axum::Router;
use bivalve_tower::{Body, BoxError};
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::BodyExt;
use stand::{Ask, Frames, Inner, Log, Modules, Seen, Stack, View, same, same_around, same_inside, stack};
use tower::ServiceExt;
use tower_http::add_extension::AddExtensionLayer;
use tower_http::auth::{AddAuthorizationLayer, AsyncRequireAuthorizationLayer};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::cors::CorsLayer;
use tower_http::csrf::CsrfLayer;
use tower_http::decompression::{DecompressionLayer, RequestDecompressionLayer};
use tower_http::follow_redirect::FollowRedirectLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::map_request_body::MapRequestBodyLayer;
use tower_http::map_response_body::MapResponseBodyLayer;
use tower_http::metrics::InFlightRequestsLayer;
use tower_http::normalize_path::NormalizePathLayer;
use tower_http::on_early_drop::{OnBodyDropFn, OnEarlyDropLayer};
use tower_http::propagate_header::PropagateHeaderLayer;
use tower_http::request_id::{MakeRequestId, PropagateRequestIdLayer, RequestId, SetRequestIdLayer};
use tower_http::sensitive_headers::SetSensitiveHeadersLayer;
use tower_http::services::{Redirect, ServeDir, ServeFile};
use tower_http::set_header::{SetRequestHeaderLayer, SetResponseHeaderLayer};
use tower_http::set_status::SetStatusLayer;
use tower_http::timeout::{
    RequestBodyDeadlineLayer, RequestBodyTimeoutLayer, ResponseBodyDeadlineLayer, ResponseBodyTimeoutLayer,
    TimeoutLayer,
};
use tower_http::trace::TraceLayer;
use tower_http::validate_request::ValidateRequestHeaderLayer;
use tower_layer::Layer;

const ENCODINGS: [&str; 4] = ["gzip", "br", "deflate", "zstd"];

#[tokio::test]
async fn no_layer_at_all() {
    let asks = [
        Ask::get("/"),
        Ask::head("/"),
        Ask::post("/", &["a", "b"]),
        Ask::post("/", &["sized"]).with("content-length", "5"),
        Ask::post("/echo", &["one, ", "two, ", "three"]),
        Ask::post("/request", &["body"]).with("x-a", "1").with("x-a", "2"),
        Ask::get("/nowhere"),
        Ask::post("/text", &["not allowed"]),
        Ask::get("/text"),
        Ask::head("/text"),
        Ask::get("/stream"),
        Ask::head("/stream"),
        Ask::get("/cookies"),
        Ask::get("/moved"),
        Ask::get("/broken"),
        Ask::get("/status/200"),
        Ask::get("/status/204"),
        Ask::get("/status/205"),
        Ask::get("/status/304"),
        Ask::get("/status/426"),
        Ask::get("/status/599"),
        Ask::new(Method::OPTIONS, "/"),
    ];
    same(app, |inner, _| stack(inner), &asks).await;
}

#[tokio::test]
async fn add_authorization() {
    let asks = [Ask::get("/request"), Ask::get("/request").with("authorization", "Basic of the client")];
    same(app, |inner, _| stack(AddAuthorizationLayer::basic("ada", "secret").layer(inner)), &asks).await;
    let bearer = AddAuthorizationLayer::bearer("token").as_sensitive(true);
    same(app, |inner, _| stack(bearer.layer(inner)), &asks).await;
}

#[tokio::test]
async fn add_extension() {
    let layer = AddExtensionLayer::new(Greeting("from the layer"));
    same(app, |inner, _| stack(layer.layer(inner)), &[Ask::get("/extension"), Ask::head("/extension")]).await;
}

#[tokio::test]
async fn require_authorization() {
    let asks = [
        Ask::get("/request"),
        Ask::get("/request").with("authorization", "Bearer wrong"),
        Ask::get("/request").with("authorization", "Bearer right"),
        Ask::post("/echo", &["body"]),
    ];
    let build = |inner, _: &Log| {
        let layer = AsyncRequireAuthorizationLayer::new(|request: Request<Body>| async {
            if request.headers().get(header::AUTHORIZATION).is_some_and(|value| value == "Bearer right") {
                return Ok(request);
            }
            let denied = Response::builder().status(401).header(header::WWW_AUTHENTICATE, "Bearer");
            Err(denied.body(Body::from("denied")).expect("a response"))
        });
        stack(layer.layer(inner))
    };
    same(app, build, &asks).await;
}

#[tokio::test]
async fn catch_panic() {
    let build = |inner: Inner| stack(CatchPanicLayer::new().layer(inner));
    let asks = [Ask::get("/panic"), Ask::get("/"), Ask::get("/stream")];
    same_around(|_| build(Inner::new(app())), &asks).await;
    // Inside the layer, a module's pipeline contains the panic first: see the differences below.
    same_inside(app, |inner, _| build(inner), &asks[1..]).await;
}

#[tokio::test]
async fn compression() {
    let mut asks = vec![
        Ask::get("/text"),
        Ask::get("/text").with("accept-encoding", "identity"),
        Ask::get("/text").with("accept-encoding", "gzip;q=0, *;q=0"),
        Ask::get("/").with("accept-encoding", "gzip"),
        Ask::get("/status/204").with("accept-encoding", "gzip"),
        Ask::get("/cookies").with("accept-encoding", "br"),
        Ask::post("/echo", &[text(), text()]).with("accept-encoding", "zstd"),
    ];
    for encoding in ENCODINGS {
        asks.push(Ask::get("/text").with("accept-encoding", encoding));
        asks.push(Ask::head("/text").with("accept-encoding", encoding));
        asks.push(Ask::get("/stream").with("accept-encoding", encoding));
    }
    same(app, |inner, _| stack(CompressionLayer::new().layer(inner)), &asks).await;
}

#[tokio::test]
async fn cors() {
    let preflight = |origin: &str| {
        Ask::new(Method::OPTIONS, "/text")
            .with("origin", origin)
            .with("access-control-request-method", "PUT")
            .with("access-control-request-headers", "x-custom")
    };
    let asks = [
        Ask::get("/text"),
        Ask::get("/text").with("origin", "https://example.com"),
        Ask::get("/text").with("origin", "https://evil.example"),
        Ask::get("/cookies").with("origin", "https://example.com"),
        Ask::post("/echo", &["body"]).with("origin", "https://example.com"),
        preflight("https://example.com"),
        preflight("https://evil.example"),
        Ask::get("/nowhere").with("origin", "https://example.com"),
    ];
    same(app, |inner, _| stack(CorsLayer::permissive().layer(inner)), &asks).await;
    let strict = CorsLayer::new()
        .allow_origin("https://example.com".parse::<HeaderValue>().expect("an origin"))
        .allow_methods([Method::GET, Method::PUT])
        .allow_headers([HeaderName::from_static("x-custom")])
        .expose_headers([header::ETAG])
        .allow_credentials(true)
        .max_age(Duration::from_secs(60));
    same(app, |inner, _| stack(strict.clone().layer(inner)), &asks).await;
}

#[tokio::test]
async fn csrf() {
    let asks = [
        Ask::get("/text").with("sec-fetch-site", "cross-site"),
        Ask::post("/echo", &["body"]).with("sec-fetch-site", "same-origin"),
        Ask::post("/echo", &["body"]).with("sec-fetch-site", "cross-site"),
        Ask::post("/echo", &["body"]).with("origin", "https://evil.example"),
    ];
    same(app, |inner, _| stack(CsrfLayer::new().layer(inner)), &asks).await;
}

#[tokio::test]
async fn decompression() {
    let mut asks = vec![Ask::get("/text"), Ask::head("/text"), Ask::get("/stream"), Ask::get("/")];
    asks.extend(ENCODINGS.map(|encoding| Ask::get("/text").with("accept-encoding", encoding)));
    let build = |inner, _: &Log| stack(DecompressionLayer::new().layer(CompressionLayer::new().layer(inner)));
    same(app, build, &asks).await;
}

#[tokio::test]
async fn request_decompression() {
    let plain = Inner::new(app());
    let mut asks = vec![
        Ask::post("/echo", &["plain"]),
        Ask::post("/echo", &["squeezed"]).with("content-encoding", "squeeze"),
        Ask::post("/request", &["this is not gzip"]).with("content-encoding", "gzip"),
    ];
    for encoding in ENCODINGS {
        let request = Request::get("/text").header("accept-encoding", encoding);
        let compressed = CompressionLayer::new()
            .layer(plain.clone())
            .oneshot(request.body(Body::empty()).expect("a request"))
            .await
            .expect("a response");
        assert_eq!(compressed.headers()["content-encoding"], encoding);
        let bytes = compressed.into_body().collect().await.expect("a body").to_bytes();
        let halves = [&bytes[..bytes.len() / 2], &bytes[bytes.len() / 2..]];
        asks.push(Ask::post("/echo", &halves).with("content-encoding", encoding));
        asks.push(Ask::post("/request", &halves).with("content-encoding", encoding));
    }
    let build = |inner, _: &Log| stack(RequestDecompressionLayer::new().layer(inner));
    same(app, build, &asks).await;
    let pass =
        |inner, _: &Log| stack(RequestDecompressionLayer::new().pass_through_unaccepted(true).layer(inner));
    same(app, pass, &asks).await;
}

#[tokio::test]
async fn follow_redirect() {
    let build = |inner, _: &Log| stack(FollowRedirectLayer::new().layer(inner));
    // A client's layer: it wants absolute URLs.
    let asks = [Ask::get("/moved"), Ask::get("/text"), Ask::get("/status/204")];
    same(app, build, &asks).await;
}

#[tokio::test]
async fn in_flight_requests() {
    let (layer, counter) = InFlightRequestsLayer::pair();
    let build = |inner, _: &Log| stack(layer.clone().layer(inner));
    same(app, build, &[Ask::get("/text"), Ask::get("/stream"), Ask::head("/stream"), Ask::get("/broken")])
        .await;
    assert_eq!(counter.get(), 0, "every request was counted out again");

    for modules in Modules::ALL {
        let service = modules.layer().layer(layer.clone().layer(app()));
        let request = Request::get("/stream").body(Body::empty()).expect("a request");
        let response = service.oneshot(request).await.expect("a response");
        assert_eq!(counter.get(), 1, "{modules:?}: while a stream is held");
        drop(response);
        wait_until(|| counter.get() == 0).await;
    }
}

#[tokio::test]
async fn map_bodies() {
    let upper = |body: Body| {
        Body::new(body.map_frame(|frame| frame.map_data(|data| Bytes::from(data.to_ascii_uppercase()))))
    };
    let asks = [Ask::post("/echo", &["one ", "two"]), Ask::post("/", &["body"]), Ask::get("/stream")];
    same(app, |inner, _| stack(MapRequestBodyLayer::new(upper).layer(inner)), &asks).await;
    same(app, |inner, _| stack(MapResponseBodyLayer::new(upper).layer(inner)), &asks).await;
}

#[tokio::test]
async fn normalize_path() {
    let asks =
        [Ask::get("/request/"), Ask::get("/request///"), Ask::get("/"), Ask::get("/text"), Ask::get("//")];
    same(app, |inner, _| stack(NormalizePathLayer::trim_trailing_slash().layer(inner)), &asks).await;
    same(app, |inner, _| stack(NormalizePathLayer::append_trailing_slash().layer(inner)), &asks).await;
}

#[tokio::test]
async fn on_early_drop() {
    fn layered(inner: Inner, log: &Log) -> Stack {
        let (future, body) = (log.clone(), log.clone());
        let layer = OnEarlyDropLayer::builder()
            .on_future_drop(move |_: &Request<Body>| {
                let log = future.clone();
                move || log.add("the future was dropped")
            })
            .on_body_drop(OnBodyDropFn::new(move |_: &Request<Body>| {
                let log = body.clone();
                move |_: &http::response::Parts| {
                    let log = log.clone();
                    move || log.add("the body was dropped")
                }
            }));
        stack(layer.layer(inner))
    }
    // Compared with the log: read to the end, nothing was dropped early.
    let asks = [
        Ask::get("/text"),
        Ask::get("/stream"),
        Ask::post("/echo", &["one", "two"]),
        Ask::get("/status/204"),
    ];
    same(app, layered, &asks).await;

    for modules in Modules::ALL {
        let log = Log::default();
        let service = stack(modules.layer().layer(layered(Inner::new(app()), &log)));
        let stream = service.clone().oneshot(Request::get("/stream").body(Body::empty()).expect("a request"));
        drop(stream.await.expect("a response"));
        wait_until(|| log.peek() == ["the body was dropped"]).await;

        let log = Log::default();
        let service = stack(modules.layer().layer(layered(Inner::new(app()), &log)));
        let request = Request::get("/slow").body(Body::empty()).expect("a request");
        let mut slow = Box::pin(service.oneshot(request));
        std::future::poll_fn(|task| {
            // Modules that wait are as many polls away from the handler.
            for _ in 0..100 {
                assert!(slow.as_mut().poll(task).is_pending());
            }
            std::task::Poll::Ready(())
        })
        .await;
        drop(slow);
        wait_until(|| log.peek() == ["the future was dropped"]).await;
    }
}

#[tokio::test]
async fn propagate_header() {
    let layer = PropagateHeaderLayer::new(HeaderName::from_static("x-trace"));
    let asks = [
        Ask::get("/text"),
        Ask::get("/text").with("x-trace", "7"),
        Ask::get("/stream").with("x-trace", "8"),
        Ask::get("/nowhere").with("x-trace", "9"),
    ];
    same(app, |inner, _| stack(layer.clone().layer(inner)), &asks).await;
}

#[tokio::test]
async fn redirect() {
    let asks = [Ask::get("/anywhere"), Ask::head("/anywhere"), Ask::post("/anywhere", &["body"])];
    for make in [Redirect::<Body>::temporary, Redirect::<Body>::permanent] {
        same_around(|_| stack(make("/there".parse().expect("a URL"))), &asks).await;
    }
}

#[tokio::test]
async fn request_body_limit() {
    let asks = [
        Ask::post("/", &["short"]),
        Ask::post("/", &["exactly ten"]).with("content-length", "11"),
        Ask::post("/", &["much longer than ten bytes"]),
        Ask::post("/", &["much ", "longer ", "than ", "ten ", "bytes"]),
        Ask::get("/text"),
    ];
    same(app, |inner, _| stack(RequestBodyLimitLayer::new(10).layer(inner)), &asks).await;
}

#[tokio::test]
async fn body_timeouts() {
    let long = Duration::from_secs(3600);
    let asks = [Ask::post("/echo", &["one", "two"]), Ask::get("/stream"), Ask::get("/text")];
    same(app, |inner, _| stack(RequestBodyTimeoutLayer::new(long).layer(inner)), &asks).await;
    same(app, |inner, _| stack(ResponseBodyTimeoutLayer::new(long).layer(inner)), &asks).await;
    same(app, |inner, _| stack(RequestBodyDeadlineLayer::new(long).layer(inner)), &asks).await;
    same(app, |inner, _| stack(ResponseBodyDeadlineLayer::new(long).layer(inner)), &asks).await;
}

#[tokio::test]
async fn serve_dir() {
    let dir = Files::new();
    let asks = [
        Ask::get("/page.html"),
        Ask::head("/page.html"),
        Ask::get("/"),
        Ask::get("/sub"),
        Ask::get("/sub/"),
        Ask::get("/missing"),
        Ask::get("/..%2fsecret"),
        Ask::post("/page.html", &["body"]),
        Ask::get("/empty"),
        Ask::get("/large.bin"),
        Ask::head("/large.bin"),
        Ask::get("/large.bin").with("range", "bytes=0-9"),
        Ask::get("/large.bin").with("range", "bytes=100000-"),
        Ask::get("/large.bin").with("range", "bytes=-5"),
        Ask::get("/large.bin").with("range", "bytes=0-1,5-6"),
        Ask::get("/large.bin").with("range", "bytes=9999999-"),
        Ask::head("/large.bin").with("range", "bytes=0-9"),
        Ask::get("/large.bin").with("if-modified-since", Files::TIME),
        Ask::get("/large.bin").with("if-modified-since", "Thu, 01 Jan 1970 00:00:00 GMT"),
        Ask::get("/large.bin").with("if-unmodified-since", "Thu, 01 Jan 1970 00:00:00 GMT"),
        Ask::get("/page.html").with("accept-encoding", "gzip"),
        Ask::get("/page.html").with("accept-encoding", "br, gzip"),
        Ask::head("/page.html").with("accept-encoding", "gzip"),
    ];
    same_around(|_| stack(ServeDir::new(&dir.path).precompressed_gzip().precompressed_br()), &asks).await;
    let fallback = || ServeDir::new(&dir.path).not_found_service(ServeFile::new(dir.path.join("page.html")));
    same_around(|_| stack(fallback()), &asks).await;
    same_around(|_| stack(Router::new().fallback_service(fallback())), &asks).await;
    let compressed = || CompressionLayer::new().layer(ServeDir::new(&dir.path));
    same_around(|_| stack(compressed()), &asks).await;
}

#[tokio::test]
async fn serve_file() {
    let dir = Files::new();
    let asks = [
        Ask::get("/any"),
        Ask::head("/any"),
        Ask::get("/any").with("range", "bytes=1-4"),
        Ask::get("/any").with("if-modified-since", Files::TIME),
        Ask::get("/any").with("accept-encoding", "gzip"),
    ];
    let file = dir.path.join("page.html");
    same_around(|_| stack(ServeFile::new(&file).precompressed_gzip()), &asks).await;
    same_around(|_| stack(ServeFile::new(dir.path.join("missing"))), &asks).await;
}

#[tokio::test]
async fn set_header() {
    let name = HeaderName::from_static("x-request-id");
    let value = HeaderValue::from_static("from the layer");
    let asks = [Ask::get("/cookies"), Ask::get("/request").with("x-request-id", "1"), Ask::get("/stream")];
    let request = [
        SetRequestHeaderLayer::overriding(name.clone(), value.clone()),
        SetRequestHeaderLayer::appending(name.clone(), value.clone()),
        SetRequestHeaderLayer::if_not_present(name.clone(), value.clone()),
    ];
    for layer in request {
        same(app, |inner, _| stack(layer.clone().layer(inner)), &asks).await;
    }
    let response = [
        SetResponseHeaderLayer::overriding(name.clone(), value.clone()),
        SetResponseHeaderLayer::appending(name.clone(), value.clone()),
        SetResponseHeaderLayer::if_not_present(name, value),
    ];
    for layer in response {
        same(app, |inner, _| stack(layer.clone().layer(inner)), &asks).await;
    }
}

#[tokio::test]
async fn request_id() {
    #[derive(Clone, Default)]
    struct Counter(Arc<AtomicUsize>);
    impl MakeRequestId for Counter {
        fn make_request_id<B>(&mut self, request: &Request<B>) -> Option<RequestId> {
            // From the request, so that both sides make the same.
            self.0.fetch_add(1, Ordering::Relaxed);
            let id = format!("made-for-{}", request.uri().path().len());
            Some(RequestId::new(id.parse().expect("a header value")))
        }
    }
    let asks = [
        Ask::get("/request"),
        Ask::get("/request").with("x-request-id", "of the client"),
        Ask::get("/cookies"),
        Ask::get("/stream"),
        Ask::get("/status/304"),
    ];
    let build = |inner, _: &Log| {
        let inner = PropagateRequestIdLayer::x_request_id().layer(inner);
        stack(SetRequestIdLayer::x_request_id(Counter::default()).layer(inner))
    };
    same(app, build, &asks).await;
}

#[tokio::test]
async fn sensitive_headers() {
    let layer = SetSensitiveHeadersLayer::new([header::AUTHORIZATION, header::SET_COOKIE, header::ETAG]);
    let asks = [
        Ask::get("/request").with("authorization", "Bearer secret"),
        Ask::get("/cookies"),
        Ask::get("/text"),
    ];
    same(app, |inner, _| stack(layer.layer(inner)), &asks).await;
}

#[tokio::test]
async fn set_status() {
    let asks = [Ask::get("/"), Ask::get("/stream"), Ask::get("/nowhere"), Ask::head("/text")];
    for status in [StatusCode::ACCEPTED, StatusCode::IM_A_TEAPOT, StatusCode::SERVICE_UNAVAILABLE] {
        same(app, |inner, _| stack(SetStatusLayer::new(status).layer(inner)), &asks).await;
    }
}

#[tokio::test(start_paused = true)]
async fn timeout() {
    // The clock stands still while anything can run.
    let layer = TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, Duration::from_millis(50));
    let asks = [Ask::get("/slow"), Ask::get("/"), Ask::get("/stream"), Ask::get("/slow")];
    same(app, |inner, _| stack(layer.layer(inner)), &asks).await;
}

#[tokio::test]
async fn trace() {
    let build = |inner, log: &Log| {
        let [request, response, chunk, eos, failure] = [(); 5].map(|()| log.clone());
        let layer = TraceLayer::new_for_http()
            .on_request(move |r: &Request<Body>, _: &tracing::Span| {
                request.add(format!("request {} {}", r.method(), r.uri().path()));
            })
            .on_response(move |r: &Response<Body>, _: Duration, _: &tracing::Span| {
                response.add(format!("response {}", r.status()));
            })
            .on_body_chunk(move |data: &Bytes, _: Duration, _: &tracing::Span| {
                chunk.add(format!("chunk of {}", data.len()));
            })
            .on_eos(move |trailers: Option<&http::HeaderMap>, _: Duration, _: &tracing::Span| {
                eos.add(format!("end with {} trailers", trailers.map_or(0, http::HeaderMap::len)));
            })
            .on_failure(
                move |class: tower_http::classify::ServerErrorsFailureClass,
                      _: Duration,
                      _: &tracing::Span| {
                    failure.add(class.to_string().replace(char::is_whitespace, " "));
                },
            );
        stack(layer.layer(inner))
    };
    let asks = [
        Ask::get("/text"),
        Ask::get("/stream"),
        Ask::get("/nowhere"),
        Ask::get("/status/500"),
        Ask::post("/echo", &["one", "two"]),
    ];
    same(app, build, &asks).await;
}

#[tokio::test]
async fn validate_request() {
    let asks = [
        Ask::get("/request"),
        Ask::get("/request").with("accept", "application/json"),
        Ask::get("/request").with("accept", "text/html"),
        Ask::get("/request").with("x-key", "right"),
        Ask::get("/request").with("x-key", "wrong"),
    ];
    same(app, |inner, _| stack(ValidateRequestHeaderLayer::accept("application/json").layer(inner)), &asks)
        .await;
    let build = |inner, _: &Log| {
        let layer = ValidateRequestHeaderLayer::has_header_value("x-key", "right").expect("a header");
        stack(layer.layer(inner))
    };
    same(app, build, &asks).await;
    #[allow(clippy::result_large_err, reason = "the layer's signature")]
    let build = |inner, _: &Log| {
        let layer = ValidateRequestHeaderLayer::custom(|request: &mut Request<Body>| {
            request.headers_mut().insert("x-seen", HeaderValue::from_static("yes"));
            if request.headers().contains_key("accept") { Ok(()) } else { Err(refused()) }
        });
        stack(layer.layer(inner))
    };
    same(app, build, &asks).await;
}

fn refused() -> Response<Body> {
    Response::builder().status(403).body(Body::from("refused")).expect("a response")
}

#[tokio::test]
async fn many_layers_at_once() {
    let build = |inner, _: &Log| {
        let inner =
            SetResponseHeaderLayer::appending(header::VARY, HeaderValue::from_static("x-a")).layer(inner);
        let inner = RequestDecompressionLayer::new().layer(inner);
        let inner = CatchPanicLayer::new().layer(inner);
        let inner = CompressionLayer::new().layer(inner);
        let inner = CorsLayer::permissive().layer(inner);
        let inner = TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, Duration::from_secs(60))
            .layer(MapResponseBodyLayer::new(Body::new).layer(inner));
        let inner = TraceLayer::new_for_http().layer(inner);
        let inner = PropagateRequestIdLayer::x_request_id().layer(inner);
        stack(inner)
    };
    let asks = [
        Ask::get("/text").with("accept-encoding", "gzip").with("origin", "https://example.com"),
        Ask::get("/stream").with("accept-encoding", "br").with("x-request-id", "1"),
        Ask::head("/text").with("accept-encoding", "gzip"),
        Ask::post("/echo", &["one", "two"]).with("x-request-id", "2"),
        Ask::get("/cookies"),
        Ask::get("/nowhere"),
    ];
    same(app, build, &asks).await;
}

// What differs by design. Each of these is a line under "Differences" in the crate's documentation.

/// Modules after the handler: the response is buffered or streamed by the pipeline.
const ACTING: [Modules; 4] = [Modules::Log, Modules::Everywhere, Modules::Waiting, Modules::Streaming];

/// No module after the handler: the response passes through.
const PASSING: [Modules; 2] = [Modules::None, Modules::Before];

async fn seen(service: &Stack, ask: &Ask, view: View) -> Seen {
    view.of(service, ask, &Log::default()).await.expect("a response")
}

fn answering(answer: fn() -> Response<Body>) -> Stack {
    stack(tower::service_fn(move |_: Request<Body>| async move { Ok::<_, Infallible>(answer()) }))
}

#[tokio::test]
async fn an_error_of_the_service_becomes_a_response() {
    let failing = stack(tower::service_fn(|_: Request<Body>| async {
        Err::<Response<Body>, _>(std::io::Error::other("a detail for the log"))
    }));
    let ask = Ask::get("/");
    assert_eq!(View::Service.of(&failing, &ask, &Log::default()).await.unwrap_err(), "a detail for the log");
    for modules in Modules::ALL {
        let ours = seen(&stack(modules.layer().layer(failing.clone())), &ask, View::Http1).await;
        assert_eq!((ours.status, &*ours.body), (500, b"Internal Server Error".as_slice()), "{modules:?}");
    }
}

#[tokio::test]
async fn a_panic_of_the_service_becomes_a_response_before_a_layer_around_it_can_catch_it() {
    let ask = Ask::get("/panic");
    let bare = seen(&stack(CatchPanicLayer::new().layer(app())), &ask, View::Service).await;
    assert_eq!((bare.status, &*bare.body), (500, b"Service panicked".as_slice()));
    for modules in Modules::ALL {
        let ours = CatchPanicLayer::new().layer(modules.layer().layer(app()));
        let ours = seen(&stack(ours), &ask, View::Service).await;
        assert_eq!((ours.status, &*ours.body), (500, b"Internal Server Error".as_slice()), "{modules:?}");
    }
}

#[tokio::test]
async fn a_buffered_body_that_breaks_off_is_an_error_page() {
    /// Announces four bytes, and gives two.
    struct Short(Frames);
    impl http_body::Body for Short {
        type Data = Bytes;
        type Error = BoxError;
        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            task: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<Frame<Bytes>, BoxError>>> {
            std::pin::Pin::new(&mut self.0).poll_frame(task)
        }
        fn size_hint(&self) -> http_body::SizeHint {
            http_body::SizeHint::with_exact(4)
        }
    }
    let short = answering(|| {
        Response::new(Body::new(Short(Frames::of(&["ab".into()]).then(Err("the disk has gone".into())))))
    });
    let ask = Ask::get("/");
    let bare = seen(&short, &ask, View::Service).await;
    assert_eq!((bare.status, &*bare.body, bare.broke), (200, b"ab".as_slice(), true));
    for modules in [Modules::Log, Modules::Everywhere, Modules::Waiting] {
        let ours = seen(&stack(modules.layer().layer(short.clone())), &ask, View::Service).await;
        assert_eq!((ours.status, ours.broke), (500, false), "{modules:?}: nothing had left");
        assert_eq!(ours.body, b"Internal Server Error");
    }
    for modules in [Modules::None, Modules::Before, Modules::Streaming] {
        let ours = seen(&stack(modules.layer().layer(short.clone())), &ask, View::Service).await;
        assert_eq!((ours.status, ours.broke), (200, true), "{modules:?}");
    }
}

#[tokio::test]
async fn a_length_that_only_the_body_knows_is_not_announced_where_the_body_streams() {
    let sized = answering(|| Response::new(Body::from("four")));
    let bare = seen(&sized, &Ask::get("/"), View::Http1).await;
    assert_eq!(bare.headers["content-length"], ["4"]);
    let ours = stack(Modules::Streaming.layer().layer(sized));
    let ours = seen(&ours, &Ask::get("/"), View::Http1).await;
    assert!(!ours.headers.contains_key("content-length"), "modules may still change the body");
    assert_eq!((&*ours.headers["transfer-encoding"][0], &*ours.body), ("chunked", b"four".as_slice()));
    // A length in a header is the service's word, and stays.
    let said = answering(|| {
        Response::builder().header("content-length", "4").body(Body::from("four")).expect("a response")
    });
    let ours = seen(&stack(Modules::Streaming.layer().layer(said)), &Ask::get("/"), View::Http1).await;
    assert_eq!(ours.headers["content-length"], ["4"]);
}

#[tokio::test]
async fn trailers_of_a_request_do_not_pass_read_entity() {
    let trailers = tower::service_fn(|request: Request<Body>| async {
        let body = request.into_body().collect().await.expect("a body");
        let trailers = body.trailers().map_or(0, http::HeaderMap::len);
        Ok::<_, Infallible>(Response::new(Body::from(trailers.to_string())))
    });
    for modules in Modules::ALL {
        let trailers_of_the_client =
            http::HeaderMap::from_iter([(header::ETAG, HeaderValue::from_static("1"))]);
        let body = Frames::of(&["body".into()]).then(Ok(Frame::trailers(trailers_of_the_client)));
        let request = Request::post("/").body(Body::new(body)).expect("a request");
        let response = modules.layer().layer(trailers).oneshot(request).await.expect("a response");
        let count = response.into_body().collect().await.expect("a body").to_bytes();
        let read_by_modules = matches!(modules, Modules::Everywhere | Modules::Waiting | Modules::Streaming);
        assert_eq!(count, if read_by_modules { "0" } else { "1" }, "{modules:?}");
    }
}

#[tokio::test]
async fn the_size_of_a_request_is_not_known_where_modules_read_it() {
    let hint = tower::service_fn(|request: Request<Body>| async move {
        let hint = http_body::Body::size_hint(request.body()).exact();
        Ok::<_, Infallible>(Response::new(Body::from(format!("{hint:?}"))))
    });
    for modules in Modules::ALL {
        let request = Request::post("/").body(Body::from("body")).expect("a request");
        let response = modules.layer().layer(hint).oneshot(request).await.expect("a response");
        let text = response.into_body().collect().await.expect("a body").to_bytes();
        let read_by_modules = matches!(modules, Modules::Everywhere | Modules::Waiting | Modules::Streaming);
        assert_eq!(text, if read_by_modules { "None" } else { "Some(4)" }, "{modules:?}");
    }
}

#[tokio::test]
async fn headers_and_trailers_that_frame_a_message_do_not_pass_modules_after_the_handler() {
    let framing = answering(|| {
        let trailers = [
            (header::CONTENT_LENGTH, HeaderValue::from_static("50")),
            (header::TRANSFER_ENCODING, HeaderValue::from_static("chunked")),
            (HeaderName::from_static("x-sum"), HeaderValue::from_static("7")),
        ];
        let body = Frames::of(&["body".into()]).then(Ok(Frame::trailers(trailers.into_iter().collect())));
        Response::builder()
            .header("keep-alive", "timeout=5")
            .header("proxy-connection", "keep-alive")
            .header("transfer-encoding", "chunked")
            .body(Body::new(body))
            .expect("a response")
    });
    let bare = seen(&framing, &Ask::get("/"), View::Service).await;
    assert_eq!(
        bare.headers.keys().collect::<Vec<_>>(),
        ["keep-alive", "proxy-connection", "transfer-encoding"]
    );
    assert_eq!(bare.trailers.len(), 3);
    for modules in PASSING {
        let ours = seen(&stack(modules.layer().layer(framing.clone())), &Ask::get("/"), View::Service).await;
        assert_eq!(bare, ours, "{modules:?}");
    }
    for modules in ACTING {
        let ours = seen(&stack(modules.layer().layer(framing.clone())), &Ask::get("/"), View::Service).await;
        assert!(ours.headers.is_empty(), "{modules:?}: {ours:?}");
        assert_eq!(ours.trailers.keys().collect::<Vec<_>>(), ["x-sum"], "{modules:?}");
    }
}

#[tokio::test]
async fn a_body_where_none_is_allowed_does_not_pass_modules_after_the_handler() {
    type Case = (Ask, fn() -> Response<Body>, Option<u64>);
    let cases: [Case; 4] = [
        (Ask::head("/"), || Response::new(Body::from("body")), Some(4)),
        (Ask::head("/"), || Response::new(Body::new(Frames::of(&["body".into()]))), Some(0)),
        (Ask::get("/"), || Response::builder().status(204).body(Body::from("body")).expect("one"), Some(0)),
        (Ask::get("/"), || Response::builder().status(304).body(Body::from("body")).expect("one"), Some(0)),
    ];
    for (ask, answer, announced) in cases {
        let bare = seen(&answering(answer), &ask, View::Service).await;
        assert_eq!(bare.body, b"body");
        for modules in [Modules::Log, Modules::Everywhere, Modules::Waiting] {
            let ours = stack(modules.layer().layer(answering(answer)));
            let ours = seen(&ours, &ask, View::Service).await;
            assert_eq!((&*ours.body, ours.announced), (b"".as_slice(), announced), "{ask}, {modules:?}");
        }
    }
}

#[tokio::test]
async fn a_status_that_is_no_final_response_is_500_with_modules_after_the_handler() {
    let odd = answering(|| Response::builder().status(600).body(Body::from("body")).expect("a response"));
    for modules in PASSING {
        let ours = seen(&stack(modules.layer().layer(odd.clone())), &Ask::get("/"), View::Service).await;
        assert_eq!(ours.status, 600, "{modules:?}");
    }
    for modules in ACTING {
        let ours = seen(&stack(modules.layer().layer(odd.clone())), &Ask::get("/"), View::Service).await;
        assert_eq!((ours.status, &*ours.body), (500, b"Internal Server Error".as_slice()), "{modules:?}");
    }
}

/// Files with a known time, removed at the end.
struct Files {
    path: std::path::PathBuf,
}

impl Files {
    const TIME: &'static str = "Fri, 13 Feb 2009 23:31:30 GMT";

    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("bivalve-differential-{}-{count}", std::process::id()));
        std::fs::create_dir_all(path.join("sub")).expect("a directory");
        let time = std::time::UNIX_EPOCH + Duration::from_secs(1_234_567_890);
        let large: Vec<u8> = (0..150_000_u32).map(|i| i.to_le_bytes()[0]).collect();
        let page = b"<h1>A page</h1>".as_slice();
        for (name, content) in [
            ("page.html", page),
            ("page.html.gz", b"not really gzip".as_slice()),
            ("page.html.br", b"not really brotli".as_slice()),
            ("index.html", b"the index".as_slice()),
            ("sub/index.html", b"another index".as_slice()),
            ("empty", b"".as_slice()),
            ("large.bin", large.as_slice()),
        ] {
            let file = path.join(name);
            std::fs::write(&file, content).expect("a file");
            let file = std::fs::File::options().write(true).open(file).expect("a file");
            file.set_modified(time).expect("a time");
        }
        Self { path }
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// Waits for what a background task does; bounded, and only to fail.
async fn wait_until(mut done: impl FnMut() -> bool) {
    common::raw::bounded("what a background task does", async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}
