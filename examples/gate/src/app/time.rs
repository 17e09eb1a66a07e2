//! `/api/time`

use axum::{Extension, Json};
use bivalve::User;
use chrono::{SecondsFormat, Utc};
use serde::Serialize;

/// What `/api/time` answers, and what each event of `/events` holds.
#[derive(Serialize)]
pub(super) struct Time {
    /// RFC 3339, UTC.
    time: String,
    unix_ms: i64,
    /// None where the path is open to all.
    user: Option<String>,
}

/// The time, for the user.
pub(super) async fn now(user: Option<Extension<User>>) -> Json<Time> {
    Json(Time::now(user.as_deref()))
}

impl Time {
    pub(super) fn now(user: Option<&User>) -> Self {
        let now = Utc::now();
        Self {
            time: now.to_rfc3339_opts(SecondsFormat::Millis, true),
            unix_ms: now.timestamp_millis(),
            user: user.map(|user| user.name().to_owned()),
        }
    }
}
