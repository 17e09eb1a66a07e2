//! `/files/`: a folder, or a few files that the program carries with it.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, header};
use percent_encoding::percent_decode_str;
use tokio::task::spawn_blocking;
use tower_http::services::ServeDir;

/// A folder is served with ranges and validators. It is for files that everybody who has logged in may read: a link
/// that leads out of it, and what begins with a dot, is not found.
pub(super) fn router(folder: Option<&Path>) -> Router {
    match folder {
        Some(folder) => Router::new()
            .nest_service("/files", ServeDir::new(folder).append_index_html_on_directories(false))
            .layer(from_fn_with_state(Arc::from(folder), inside_only)),
        None => BUILT_IN.iter().fold(Router::new(), |router, file| {
            let answer = async || ([(header::CONTENT_TYPE, file.media_type)], file.content).into_response();
            router.route(file.path, get(answer))
        }),
    }
}

/// Lets through what is inside the folder when all links are followed. There is a race: who can write into the folder
/// can put a link there between this look and the opening. Only a file system opened below a handle would close it.
async fn inside_only(State(folder): State<Arc<Path>>, request: Request, next: Next) -> Response {
    let asked =
        request.uri().path().strip_prefix("/files").map(|path| percent_decode_str(path).decode_utf8());
    let Some(Ok(asked)) = asked else { return StatusCode::NOT_FOUND.into_response() };
    let names: Vec<String> = asked.split('/').filter(|name| !name.is_empty()).map(String::from).collect();
    if names.iter().any(|name| name.starts_with('.') || name.contains(['\\', '\0'])) {
        return StatusCode::NOT_FOUND.into_response();
    }
    // Looking at a disk may take its time.
    let inside = spawn_blocking(move || {
        let root = folder.canonicalize()?;
        let path = names.iter().fold(root.clone(), |path, name| path.join(name));
        Ok::<_, std::io::Error>(path.canonicalize()?.starts_with(root))
    });
    match inside.await {
        Ok(Ok(true)) => next.run(request).await,
        _ => StatusCode::NOT_FOUND.into_response(),
    }
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
