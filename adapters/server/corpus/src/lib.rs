//! Requests as octets, each with the rule that it is about and the answers that a strict server gives.
//!
//! A server under test answers every request with 200, and with a body of [`text`]'s form. Behind the octets of a case
//! goes a [`PROBE`]: where the connection is kept it is answered, and where the server has refused it must not be.

#![forbid(unsafe_code)]

use std::borrow::Cow;

mod cases;
mod reasons;
mod run;
mod seeds;

pub use self::reasons::{Peer, Reason, reasons};
pub use self::run::{Heard, ask, watch};
pub use self::seeds::{Seed, seeds};

/// Some octets, and what is expected of a server that gets them.
#[derive(Clone, Debug)]
pub struct Case {
    /// Names the case; no two are alike.
    pub id: Cow<'static, str>,
    /// What the rule says, and where.
    pub rule: &'static str,
    /// From the first request line on.
    pub octets: Vec<u8>,
    /// The status of each answer, but not of the probe's, and no 100.
    pub answers: Vec<u16>,
    /// What becomes of the connection.
    pub then: Then,
    /// A part of what the server says of what it has understood.
    pub says: Option<&'static str>,
}

/// What becomes of a connection behind a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It is closed; what the client has sent behind is no request.
    Closed,
    /// The client finishes its side behind the octets, and sends no probe; then the server closes.
    Cut,
    /// It is kept: the probe is answered.
    Open,
    /// It is kept, and the probe is not answered: the server waits for more. No case expects that.
    Waits,
}

/// Every case.
#[must_use]
pub fn all() -> Vec<Case> {
    cases::all()
}

/// The same by subject.
#[must_use]
pub fn subjects() -> Vec<(&'static str, Vec<Case>)> {
    cases::subjects()
}

/// What goes behind a case.
pub const PROBE: &[u8] = b"GET /probe HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n";

/// What a server under test answers.
#[must_use]
pub fn text(method: &str, target: &str, host: &str, body: &[u8]) -> String {
    format!("<{method} {target} {host} {}>", String::from_utf8_lossy(body))
}
