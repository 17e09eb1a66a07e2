//! What is too large: see `Limits` of bivalve-server, whose defaults these are.

use super::{bad, good};
use crate::Case;

pub(super) fn cases() -> Vec<Case> {
    let path = |length: usize| format!("/{}", "a".repeat(length - 1));
    let fields = |count: usize| "X: y\r\n".repeat(count);
    let with = |line: &str, fields: &str| format!("{line}\r\nHost: a\r\n{fields}\r\n").into_bytes();
    vec![
        good(
            "path-4096",
            "the longest path",
            &with(&format!("GET {} HTTP/1.1", path(4096)), ""),
            "<GET /aaaa",
        ),
        bad("path-4097", "IIS: 404.14", &with(&format!("GET {} HTTP/1.1", path(4097)), ""), 404),
        good(
            "query-2048",
            "the longest query",
            &with(&format!("GET /?{} HTTP/1.1", "q".repeat(2048)), ""),
            "<GET /?qqqq",
        ),
        bad("query-2049", "IIS: 404.15", &with(&format!("GET /?{} HTTP/1.1", "q".repeat(2049)), ""), 404),
        bad(
            "line-longer-than-a-head",
            "RFC 9110 15.5.15",
            &with(&format!("GET {} HTTP/1.1", path(20_000)), ""),
            414,
        ),
        bad("line-without-end", "RFC 9110 15.5.15", &[b'A'; 20_000], 414),
        good("fields-100", "the most, Host among them", &with("GET / HTTP/1.1", &fields(99)), "<GET / a >"),
        bad("fields-101", "RFC 6585 5", &with("GET / HTTP/1.1", &fields(100)), 431),
        bad(
            "fields-without-end",
            "RFC 6585 5",
            format!("GET / HTTP/1.1\r\nHost: a\r\n{}", fields(5000)).as_bytes(),
            431,
        ),
        bad(
            "field-too-long",
            "RFC 6585 5",
            &with("GET / HTTP/1.1", &format!("X: {}\r\n", "y".repeat(20_000))),
            431,
        ),
        bad(
            "field-name-too-long",
            "RFC 6585 5",
            &with("GET / HTTP/1.1", &format!("{}: y\r\n", "X".repeat(20_000))),
            431,
        ),
        bad(
            "body-30000001",
            "RFC 9110 15.5.14",
            &with("POST / HTTP/1.1", "Content-Length: 30000001\r\n"),
            413,
        ),
        bad(
            "chunk-extension-without-end",
            "RFC 9112 7.1.1: a bound",
            &[&b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;"[..], &[b'x'; 100_000]]
                .concat(),
            400,
        ),
        bad(
            "chunk-trailers-without-end",
            "RFC 6585 5",
            &[
                &b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"[..],
                &b"X: y\r\n".repeat(5000),
            ]
            .concat(),
            431,
        ),
    ]
}
