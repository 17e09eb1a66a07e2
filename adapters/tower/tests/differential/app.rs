//! The application under the layers: every kind of response that a handler gives.

#![allow(unreachable_pub, reason = "a part of one test")]
#![allow(clippy::panic, clippy::unwrap_used, reason = "this is how tests fail")]

use std::future::pending;

use axum::body::{Body, Bytes};
use axum::extract::Path;
use axum::response::{IntoResponse, Redirect};
use axum::routing::{any, get, post};
use axum::{Extension, Router};
use bivalve_tower::BoxError;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body::Frame;

use crate::stand::{Frames, Tag};

/// Long enough, and dull enough, for every compression.
pub fn text() -> String {
    "All happy pipelines are alike; each unhappy pipeline is unhappy in its own way.\n".repeat(200)
}

/// What an `AddExtensionLayer` adds.
#[derive(Clone)]
pub struct Greeting(pub &'static str);

pub fn app() -> Router {
    Router::new()
        .route("/", get(|| async { "hello" }).post(|body: Bytes| async { body }))
        .route("/text", get(long))
        .route("/stream", get(stream))
        .route("/echo", post(|body: Body| async { Response::new(body) }))
        .route("/request", any(request))
        .route("/cookies", get(cookies))
        .route("/status/{code}", any(status))
        .route("/moved", get(|| async { Redirect::to("/") }))
        .route("/broken", get(broken))
        .route("/panic", get(panics))
        .route("/slow", get(pending::<StatusCode>))
        .route("/extension", get(|Extension(Greeting(text)): Extension<Greeting>| async move { text }))
}

async fn long() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain"), (header::ETAG, "\"one\"")], text())
}

/// Frames, then trailers; nobody knows how long it is.
async fn stream() -> Response<Body> {
    let text = Bytes::from(text());
    let parts: Vec<Bytes> = (0..4).map(|part| text.slice(part * 4000..(part + 1) * 4000)).collect();
    let trailers = HeaderMap::from_iter([
        (HeaderName::from_static("x-sum"), HeaderValue::from_static("7")),
        (HeaderName::from_static("x-count"), HeaderValue::from_static("4")),
    ]);
    let body = Frames::of(&parts).then(Ok(Frame::trailers(trailers)));
    Response::builder()
        .header(header::CONTENT_TYPE, "text/plain")
        .header(header::TRAILER, "x-sum, x-count")
        .body(Body::new(body))
        .expect("a response")
}

/// What the handler was asked, as it saw it.
async fn request(request: Request<Body>) -> impl IntoResponse {
    let mut lines = vec![format!("{} {}", request.method(), request.uri().path())];
    for (name, value) in request.headers() {
        let mark = if value.is_sensitive() { " (sensitive)" } else { "" };
        lines.push(format!("{name}: {}{mark}", String::from_utf8_lossy(value.as_bytes())));
    }
    lines[1..].sort();
    let body = axum::body::to_bytes(request.into_body(), usize::MAX).await;
    lines.push(body.map_or_else(|_| "no body".into(), |body| String::from_utf8_lossy(&body).into_owned()));
    lines.join("\n")
}

async fn cookies() -> Response<Body> {
    let mut response = Response::builder()
        .header(header::SET_COOKIE, "a=1")
        .header(header::SET_COOKIE, "b=2; HttpOnly")
        .header(header::VARY, "accept")
        .header(header::LINK, "</style.css>; rel=preload")
        .header(header::WWW_AUTHENTICATE, "Basic")
        .header(header::WWW_AUTHENTICATE, "Bearer")
        .header("x-request-id", "from the handler")
        .body(Body::from("two cookies"))
        .expect("a response");
    response.extensions_mut().insert(Tag("from the handler"));
    response
}

async fn status(Path(code): Path<u16>) -> StatusCode {
    StatusCode::from_u16(code).expect("a status")
}

async fn broken() -> Response<Body> {
    let error: BoxError = "the disk has gone".into();
    Response::new(Body::new(Frames::of(&["half".into()]).then(Err(error))))
}

async fn panics() -> StatusCode {
    panic!("the handler panics, as this test wants it")
}
