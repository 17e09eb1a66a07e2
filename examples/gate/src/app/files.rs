//! `/files/`: a few files that the program carries with it.

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::get;
use http::header;

pub(super) fn router() -> Router {
    BUILT_IN.iter().fold(Router::new(), |router, file| {
        let answer = async || ([(header::CONTENT_TYPE, file.media_type)], file.content).into_response();
        router.route(file.path, get(answer))
    })
}

struct BuiltIn {
    path: &'static str,
    media_type: &'static str,
    content: &'static str,
}

/// So that the program works wherever it is copied.
const BUILT_IN: [BuiltIn; 2] = [
    BuiltIn {
        path: "/files/hello.txt",
        media_type: "text/plain; charset=utf-8",
        content: include_str!("../../assets/files/hello.txt"),
    },
    BuiltIn {
        path: "/files/shell.svg",
        media_type: "image/svg+xml",
        content: include_str!("../../assets/files/shell.svg"),
    },
];
