//! An axum [`Router`] with JSON, server-sent events and an upload, in IIS by its last line.
//!
//! `cargo build --release -p axum-in-iis` makes the DLL (on Linux a shared object); without IIS it is asked with
//! `bivalve iis-host --module target/release/libaxum_in_iis.so --name Axum`.
//!
//! | route | |
//! |---|---|
//! | `GET /api/sum?a=1&b=2` | `{"sum":3}` |
//! | `GET /api/events` | three events, 50 ms apart, each of which leaves at once |
//! | `POST /api/upload` | takes any number of bytes in memory that does not grow, and counts them |

use std::time::Duration;

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Query};
use axum::http::StatusCode;
use axum::response::Sse;
use axum::response::sse::Event;
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::stream::{self, Stream, StreamExt};
use serde::{Deserialize, Serialize};

/// The application, as one would serve it anywhere.
pub fn router() -> Router {
    Router::new()
        .route("/api/sum", get(sum))
        .route("/api/events", get(events))
        // Nothing of it is kept, so that there is nothing to limit.
        .route("/api/upload", post(upload).layer(DefaultBodyLimit::disable()))
}

#[derive(Deserialize)]
struct Numbers {
    a: i64,
    b: i64,
}

#[derive(Serialize)]
struct Sum {
    sum: i64,
}

async fn sum(Query(Numbers { a, b }): Query<Numbers>) -> Result<Json<Sum>, StatusCode> {
    let sum = a.checked_add(b).ok_or(StatusCode::UNPROCESSABLE_ENTITY)?;
    Ok(Json(Sum { sum }))
}

async fn events() -> Sse<impl Stream<Item = Result<Event, axum::Error>>> {
    Sse::new(stream::iter(0..3).then(async |number: u8| {
        tokio::time::sleep(Duration::from_millis(50)).await;
        Ok(Event::default().id(number.to_string()).data("tick"))
    }))
}

#[derive(Serialize)]
struct Received {
    bytes: u64,
}

async fn upload(body: Body) -> Result<Json<Received>, StatusCode> {
    let mut pieces = body.into_data_stream();
    let mut bytes = 0;
    while let Some(piece) = pieces.next().await {
        // The client went away, or sent what is no body.
        bytes += piece.map_err(|_| StatusCode::BAD_REQUEST)?.len() as u64;
    }
    Ok(Json(Received { bytes }))
}

bivalve::iis::export_service!(router());
