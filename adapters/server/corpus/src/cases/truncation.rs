//! Requests that are cut off, at every octet: RFC 9112 section 8.

use super::case;
use crate::{Case, Then};

/// A client that finishes in the middle of a head has sent no request, and gets no answer; one that finishes in the middle
/// of a body gets 400, or nothing, and never a success: its handler was told.
pub(super) fn cases() -> Vec<Case> {
    let head = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
    let chunked = b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let line = head.iter().position(|octet| *octet == b'\n').unwrap_or_default();
    let cut_head = |end| {
        let id = format!("{}-{end}", if end <= line { "cut-line" } else { "cut-head" });
        case(id, "RFC 9112 8: an incomplete head", &head[..end], &[], Then::Cut)
    };
    let mut cases: Vec<_> = (0..head.len()).map(cut_head).collect();
    for (id, head, body) in [
        ("cut-chunk", &chunked[..], &b"5\r\nabcde\r\n0\r\nX: y\r\n\r\n"[..]),
        ("cut-end", chunked, b"0\r\n\r\n"),
        ("cut-length", head, b"abcde"),
    ] {
        let rule = "RFC 9112 8: an incomplete body";
        let cut_body = |end| {
            let octets = [head, &body[..end]].concat();
            case(format!("{id}-{end}"), rule, &octets, &[400], Then::Cut)
        };
        cases.extend((0..body.len()).map(cut_body));
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
