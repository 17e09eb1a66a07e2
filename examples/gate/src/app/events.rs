//! `/events`: a stream without an end.

use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::Event;
use bivalve::User;
use futures_util::stream::{self, Stream};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::time::Time;

/// The time, each second, until the client goes away or the server stops.
pub(super) async fn seconds(
    State(stopping): State<watch::Receiver<bool>>,
    user: Option<Extension<User>>,
) -> Sse<impl Stream<Item = Result<Event, axum::Error>>> {
    let mut ticks = interval(Duration::from_secs(1));
    // A client that reads slowly gets fewer events, not all of them late.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    Sse::new(stream::unfold((ticks, stopping, user, 0_u64), async |(mut ticks, mut stopping, user, n)| {
        tokio::select! {
            _ = ticks.tick() => {}
            // An error: whoever stops the server is gone, and so is the server.
            _ = stopping.wait_for(|stopping| *stopping) => return None,
        }
        let event = Event::default().id(n.to_string()).json_data(Time::now(user.as_deref()));
        Some((event, (ticks, stopping, user, n + 1)))
    }))
}
