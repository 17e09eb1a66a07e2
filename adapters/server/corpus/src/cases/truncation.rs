//! Requests that are cut off, at every octet: RFC 9112 section 8.

use super::case;
use crate::{Case, Then};

/// A client that finishes in the middle of a head has sent no request, and gets no answer; one that finishes in the middle
/// of a body gets 400, or nothing, and never a success: its handler was told.
pub(super) fn cases() -> Vec<Case> {
    let head = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
    let chunked = b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut cases = Vec::new();
    for (index, id) in HEADS.iter().enumerate() {
        cases.push(case(id, "RFC 9112 8: an incomplete head", &head[..index * 3], &[], Then::Cut));
    }
    for (body, id) in [
        (&b""[..], "cut-chunk-0"),
        (b"5", "cut-chunk-1"),
        (b"5\r", "cut-chunk-2"),
        (b"5\r\n", "cut-chunk-3"),
        (b"5\r\nab", "cut-chunk-4"),
        (b"5\r\nabcde", "cut-chunk-5"),
        (b"5\r\nabcde\r", "cut-chunk-6"),
        (b"5\r\nabcde\r\n", "cut-chunk-7"),
        (b"5\r\nabcde\r\n0", "cut-chunk-8"),
        (b"5\r\nabcde\r\n0\r\n", "cut-chunk-9"),
        (b"5\r\nabcde\r\n0\r\nX: y\r\n", "cut-chunk-10"),
        (b"5\r\nabcde\r\n0\r\n\r", "cut-chunk-11"),
    ] {
        cases.push(case(
            id,
            "RFC 9112 8: an incomplete body",
            &[&chunked[..], body].concat(),
            &[400],
            Then::Cut,
        ));
    }
    for (body, id) in [(&b""[..], "cut-length-0"), (b"a", "cut-length-1"), (b"abcd", "cut-length-4")] {
        cases.push(case(
            id,
            "RFC 9112 8: an incomplete body",
            &[&head[..], body].concat(),
            &[400],
            Then::Cut,
        ));
    }
    cases.push(case(
        "cut-nothing",
        "RFC 9112 8: all is there",
        &[&head[..], b"abcde"].concat(),
        &[200],
        Then::Cut,
    ));
    cases
}

/// A head cut behind 0, 3, 6 … octets.
const HEADS: &[&str] = &[
    "cut-head-0",
    "cut-head-3",
    "cut-head-6",
    "cut-head-9",
    "cut-head-12",
    "cut-head-15",
    "cut-head-18",
    "cut-head-21",
    "cut-head-24",
    "cut-head-27",
    "cut-head-30",
    "cut-head-33",
    "cut-head-36",
    "cut-head-39",
    "cut-head-42",
    "cut-head-45",
];
