//! Field lines: RFC 9112 section 5, RFC 9110 section 5.

use super::{bad, good};
use crate::Case;

pub(super) fn cases() -> Vec<Case> {
    vec![
        good(
            "field-white-space-around-value",
            "RFC 9112 5.1: OWS",
            b"GET / HTTP/1.1\r\nHost: \t a \t \r\n\r\n",
            "<GET / a >",
        ),
        good("field-no-white-space", "RFC 9112 5.1: OWS", b"GET / HTTP/1.1\r\nHost:a\r\n\r\n", "<GET / a >"),
        good("field-empty-value", "RFC 9110 5.5", b"GET / HTTP/1.1\r\nHost: a\r\nX:\r\n\r\n", "<GET / a >"),
        good(
            "field-obs-text",
            "RFC 9110 5.5: obs-text",
            b"GET / HTTP/1.1\r\nHost: a\r\nX: \xe9\xff\r\n\r\n",
            "<GET / a >",
        ),
        good(
            "field-tab-in-value",
            "RFC 9110 5.5",
            b"GET / HTTP/1.1\r\nHost: a\r\nX: b\tc\r\n\r\n",
            "<GET / a >",
        ),
        good(
            "field-colons-in-value",
            "RFC 9110 5.5",
            b"GET / HTTP/1.1\r\nHost: a\r\nX: :b:\r\n\r\n",
            "<GET / a >",
        ),
        good(
            "field-name-of-symbols",
            "RFC 9110 5.6.2: tchar",
            b"GET / HTTP/1.1\r\nHost: a\r\n!#$%&'*+-.^_`|~: b\r\n\r\n",
            "<GET / a >",
        ),
        good(
            "field-twice",
            "RFC 9110 5.3",
            b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\nx: c\r\n\r\n",
            "<GET / a >",
        ),
        bad("field-space-before-colon", "RFC 9112 5.1: refuse", b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        bad(
            "field-tab-before-colon",
            "RFC 9112 5.1: refuse",
            b"GET / HTTP/1.1\r\nHost: a\r\nX\t: b\r\n\r\n",
            400,
        ),
        bad(
            "field-length-space-before-colon",
            "RFC 9112 5.1: smuggling",
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 3\r\n\r\nabc",
            400,
        ),
        bad(
            "field-coding-space-before-colon",
            "RFC 9112 5.1: smuggling",
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        bad("field-space-before-first", "RFC 9112 2.2: refuse", b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
        bad("field-tab-before-first", "RFC 9112 2.2: refuse", b"GET / HTTP/1.1\r\n\tHost: a\r\n\r\n", 400),
        bad(
            "field-folded",
            "RFC 9112 5.2: refuse obs-fold",
            b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n",
            400,
        ),
        bad(
            "field-folded-with-tab",
            "RFC 9112 5.2: refuse obs-fold",
            b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n\tc\r\n\r\n",
            400,
        ),
        bad(
            "field-folded-coding",
            "RFC 9112 5.2: smuggling",
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        bad(
            "field-folded-empty",
            "RFC 9112 5.2: refuse obs-fold",
            b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n \r\n\r\n",
            400,
        ),
        bad("field-no-colon", "RFC 9112 5", b"GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", 400),
        bad("field-no-name", "RFC 9110 5.1", b"GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", 400),
        bad("field-name-with-space", "RFC 9110 5.1", b"GET / HTTP/1.1\r\nHost: a\r\nX Y: b\r\n\r\n", 400),
        bad(
            "field-name-with-parenthesis",
            "RFC 9110 5.1",
            b"GET / HTTP/1.1\r\nHost: a\r\nX(Y): b\r\n\r\n",
            400,
        ),
        bad("field-name-with-nul", "RFC 9110 5.1", b"GET / HTTP/1.1\r\nHost: a\r\nX\0: b\r\n\r\n", 400),
        bad(
            "field-name-outside-ascii",
            "RFC 9110 5.1",
            b"GET / HTTP/1.1\r\nHost: a\r\nX\xe9: b\r\n\r\n",
            400,
        ),
        bad("field-name-quoted", "RFC 9110 5.1", b"GET / HTTP/1.1\r\nHost: a\r\n\"X\": b\r\n\r\n", 400),
        bad(
            "field-value-with-nul",
            "RFC 9110 5.5: refuse",
            b"GET / HTTP/1.1\r\nHost: a\r\nX: b\0c\r\n\r\n",
            400,
        ),
        bad(
            "field-value-with-bare-cr",
            "RFC 9112 2.2: refuse",
            b"GET / HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n",
            400,
        ),
        bad(
            "field-value-with-cr-at-end",
            "RFC 9112 2.2: refuse",
            b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\r\n\r\n",
            400,
        ),
        bad(
            "field-value-with-escape",
            "RFC 9110 5.5",
            b"GET / HTTP/1.1\r\nHost: a\r\nX: \x1b[0m\r\n\r\n",
            400,
        ),
        bad("field-value-with-delete", "RFC 9110 5.5", b"GET / HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n", 400),
        bad(
            "field-value-with-vertical-tab",
            "RFC 9110 5.5: smuggling",
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        bad("field-bare-lf", "RFC 9112 2.2", b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", 400),
        bad("field-end-bare-lf", "RFC 9112 2.2", b"GET / HTTP/1.1\r\nHost: a\r\n\n", 400),
        bad("field-end-two-lf", "RFC 9112 2.2", b"GET / HTTP/1.1\r\nHost: a\n\n", 400),
        bad("field-end-cr-cr-lf", "RFC 9112 2.2", b"GET / HTTP/1.1\r\nHost: a\r\n\r\r\n", 400),
    ]
}
