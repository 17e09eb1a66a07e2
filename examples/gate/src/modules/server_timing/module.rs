//! The module.

use std::fmt::Write;
use std::time::{Duration, Instant};

use bivalve::prelude::*;

use super::{Audience, ServerTimingConfig};

/// Adds `Server-Timing` to responses.
#[derive(Debug)]
pub struct ServerTiming {
    audience: Audience,
}

/// When the request began.
#[derive(Default)]
struct Began(Option<Instant>);

impl ServerTiming {
    /// The module. Mount it first: among modules of one priority the first to be mounted is the last at SendResponse,
    /// and has everybody's time.
    #[must_use]
    pub fn new(config: &ServerTimingConfig) -> Self {
        Self { audience: config.audience }
    }

    fn tells(&self, cx: &Context) -> bool {
        match self.audience {
            Audience::All => true,
            Audience::Nobody => false,
            Audience::Users => cx.user().is_some(),
        }
    }
}

#[bivalve::module(state = Began, priority = First)]
impl Module for ServerTiming {
    fn on_begin_request(&self, cx: &mut Context) -> Result<Flow> {
        cx.state_mut::<Began>().0 = Some(Instant::now());
        Ok(Flow::Continue)
    }

    fn on_send_response(&self, cx: &mut Context, sending: &mut Sending) -> Result<Flow> {
        if !sending.headers_being_sent() || !self.tells(cx) {
            return Ok(Flow::Continue);
        }
        let total = cx.state::<Began>().0.map(|began| began.elapsed());
        let value = value(total, cx.timings());
        if let Ok(value) = HeaderValue::try_from(value) {
            // Beside what the application says of its own.
            cx.response_mut().headers_mut().append(HEADER, value);
        }
        Ok(Flow::Continue)
    }
}

fn value(total: Option<Duration>, timings: impl Iterator<Item = (impl AsRef<str>, Duration)>) -> String {
    let mut value = String::with_capacity(128);
    let total = total.map(|time| (String::from("total"), time));
    for (name, time) in total.into_iter().chain(timings.map(|(name, time)| (metric(name.as_ref()), time))) {
        let separator = if value.is_empty() { "" } else { ", " };
        // Writing to a String cannot fail.
        let _ = write!(value, "{separator}{name};dur={:.3}", time.as_secs_f64() * 1000.0);
    }
    value
}

/// A module's name as a metric: `RequestId` becomes `request-id`. What a token may not hold (RFC 9110 section 5.6.2)
/// becomes a dash.
fn metric(name: &str) -> String {
    let mut metric = String::with_capacity(name.len() + 4);
    let mut after_lower = false;
    for c in name.chars() {
        if c.is_ascii_uppercase() && after_lower {
            metric.push('-');
        }
        after_lower = c.is_ascii_lowercase() || c.is_ascii_digit();
        metric.push(if c.is_ascii_alphanumeric() || "-_.".contains(c) {
            c.to_ascii_lowercase()
        } else {
            '-'
        });
    }
    if metric.is_empty() { String::from("-") } else { metric }
}

const HEADER: HeaderName = HeaderName::from_static("server-timing");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_tokens() {
        for (name, expected) in [
            ("RequestId", "request-id"),
            ("W3CLog", "w3-clog"),
            ("crate::My Module<T>", "crate--my-module-t-"),
            ("a,b;dur=1\r\nx: y", "a-b-dur-1--x--y"),
            ("ümlaut", "-mlaut"),
            ("", "-"),
        ] {
            assert_eq!(metric(name), expected);
        }
    }

    #[test]
    fn times_are_in_milliseconds() {
        let timings =
            [("Authentication", Duration::from_micros(21_347)), ("RequestId", Duration::from_nanos(900))];
        let total = Some(Duration::from_millis(30));
        assert_eq!(
            value(total, timings.into_iter()),
            "total;dur=30.000, authentication;dur=21.347, request-id;dur=0.001"
        );
        assert_eq!(value(None, std::iter::empty::<(&str, Duration)>()), "");
    }
}
