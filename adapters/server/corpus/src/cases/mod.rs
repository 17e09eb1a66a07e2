//! The cases, by subject.

mod chunked;
mod connection;
mod fields;
mod framing;
mod limits;
mod request_line;
mod target;
mod truncation;

use std::borrow::Cow;

use crate::{Case, Then};

pub(crate) fn all() -> Vec<Case> {
    subjects().into_iter().flat_map(|(_, cases)| cases).collect()
}

pub(crate) fn subjects() -> Vec<(&'static str, Vec<Case>)> {
    vec![
        ("The request line", request_line::cases()),
        ("The request target and Host", target::cases()),
        ("Field lines", fields::cases()),
        ("Where a body ends", framing::cases()),
        ("The chunked coding", chunked::cases()),
        ("Connections and expectations", connection::cases()),
        ("What is too large", limits::cases()),
        ("Requests that are cut off", truncation::cases()),
    ]
}

/// Understood, and the connection is kept.
fn good(id: &'static str, rule: &'static str, octets: &[u8], says: &'static str) -> Case {
    Case { says: Some(says), ..case(id, rule, octets, &[200], Then::Open) }
}

/// Refused, and the connection is closed.
fn bad(id: &'static str, rule: &'static str, octets: &[u8], status: u16) -> Case {
    case(id, rule, octets, &[status], Then::Closed)
}

/// Anything else.
fn case(
    id: impl Into<Cow<'static, str>>,
    rule: &'static str,
    octets: &[u8],
    answers: &[u16],
    then: Then,
) -> Case {
    Case { id: id.into(), rule, octets: octets.to_vec(), answers: answers.to_vec(), then, says: None }
}
