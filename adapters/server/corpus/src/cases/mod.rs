//! The cases, by subject.

mod chunked;
mod connection;
mod fields;
mod framing;
mod limits;
mod request_line;
mod target;
mod truncation;

use crate::{Case, Then};

pub(crate) fn all() -> Vec<Case> {
    [
        request_line::cases(),
        target::cases(),
        fields::cases(),
        framing::cases(),
        chunked::cases(),
        connection::cases(),
        limits::cases(),
        truncation::cases(),
    ]
    .concat()
}

/// Understood, and the connection is kept.
fn good(id: &'static str, rule: &'static str, octets: &[u8], says: &'static str) -> Case {
    Case { id, rule, octets: octets.to_vec(), answers: vec![200], then: Then::Open, says: Some(says) }
}

/// Refused, and the connection is closed.
fn bad(id: &'static str, rule: &'static str, octets: &[u8], status: u16) -> Case {
    Case { id, rule, octets: octets.to_vec(), answers: vec![status], then: Then::Closed, says: None }
}

/// Anything else.
fn case(id: &'static str, rule: &'static str, octets: &[u8], answers: &[u16], then: Then) -> Case {
    Case { id, rule, octets: octets.to_vec(), answers: answers.to_vec(), then, says: None }
}
