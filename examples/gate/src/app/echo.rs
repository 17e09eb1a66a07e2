//! `POST /echo`: an upload, streamed back while it comes in.

use axum::body::{Body, HttpBody};
use axum::response::Response;
use http::{HeaderValue, header};

/// The body of the request is the body of the response; nothing is collected. Its type is that of a download: what
/// somebody sends must not become a page of this origin.
pub(super) async fn echo(body: Body) -> Response {
    let length = body.size_hint().exact();
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    if let Some(length) = length {
        headers.insert(header::CONTENT_LENGTH, length.into());
    }
    response
}
