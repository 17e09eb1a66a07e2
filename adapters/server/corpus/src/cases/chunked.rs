//! The chunked coding: RFC 9112 section 7.1.

use super::{case, good};
use crate::{Case, Then};

pub(super) fn cases() -> Vec<Case> {
    vec![
        sound("chunk-one", "RFC 9112 7.1", b"3\r\nabc\r\n0\r\n\r\n", "<POST / a abc>"),
        sound("chunk-none", "RFC 9112 7.1", b"0\r\n\r\n", "<POST / a >"),
        sound(
            "chunk-several",
            "RFC 9112 7.1",
            b"1\r\na\r\n2\r\nbc\r\n1\r\nd\r\n0\r\n\r\n",
            "<POST / a abcd>",
        ),
        sound(
            "chunk-size-hexadecimal",
            "RFC 9112 7.1",
            b"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n",
            "<POST / a 01234567890123456789>",
        ),
        sound("chunk-size-leading-zeros", "RFC 9112 7.1", b"0003\r\nabc\r\n000\r\n\r\n", "<POST / a abc>"),
        sound("chunk-data-of-crlf", "RFC 9112 7.1", b"4\r\n\r\n\r\n\r\n0\r\n\r\n", "<POST / a \r\n\r\n>"),
        sound(
            "chunk-data-like-an-end",
            "RFC 9112 7.1",
            b"5\r\n0\r\n\r\n\r\n0\r\n\r\n",
            "<POST / a 0\r\n\r\n>",
        ),
        sound("chunk-extension", "RFC 9112 7.1.1: ignored", b"3;a\r\nabc\r\n0;b\r\n\r\n", "<POST / a abc>"),
        sound(
            "chunk-extension-with-value",
            "RFC 9112 7.1.1: ignored",
            b"3;a=b;c=\"d;e\"\r\nabc\r\n0\r\n\r\n",
            "<POST / a abc>",
        ),
        sound(
            "chunk-extension-white-space",
            "RFC 9112 7.1.1: BWS",
            b"3 ; a\r\nabc\r\n0\r\n\r\n",
            "<POST / a abc>",
        ),
        sound("chunk-trailer", "RFC 9112 7.1.2", b"3\r\nabc\r\n0\r\nX: y\r\n\r\n", "<POST / a abc>"),
        sound("chunk-trailers", "RFC 9112 7.1.2", b"0\r\nX: y\r\nX: z\r\n\r\n", "<POST / a >"),
        sound(
            "chunk-trailer-that-frames",
            "RFC 9110 6.5.1: not merged",
            b"0\r\nContent-Length: 100\r\nHost: b\r\n\r\n",
            "<POST / a >",
        ),
        broken("chunk-size-none", "RFC 9112 7.1", b"\r\nabc\r\n0\r\n\r\n"),
        broken("chunk-size-no-number", "RFC 9112 7.1", b"g\r\nabc\r\n0\r\n\r\n"),
        broken("chunk-size-prefix", "RFC 9112 7.1: smuggling", b"0x3\r\nabc\r\n0\r\n\r\n"),
        broken("chunk-size-plus", "RFC 9112 7.1: smuggling", b"+3\r\nabc\r\n0\r\n\r\n"),
        broken("chunk-size-minus", "RFC 9112 7.1", b"-3\r\nabc\r\n0\r\n\r\n"),
        broken("chunk-size-underscore", "RFC 9112 7.1", b"0_3\r\nabc\r\n0\r\n\r\n"),
        broken("chunk-size-space-before", "RFC 9112 7.1", b" 3\r\nabc\r\n0\r\n\r\n"),
        broken("chunk-size-tab-before", "RFC 9112 7.1", b"\t3\r\nabc\r\n0\r\n\r\n"),
        broken(
            "chunk-size-space-behind",
            "RFC 9112 7.1.1: BWS only before an extension",
            b"3 \r\nabc\r\n0\r\n\r\n",
        ),
        broken("chunk-size-two-numbers", "RFC 9112 7.1", b"3 3\r\nabc\r\n0\r\n\r\n"),
        broken("chunk-size-comma", "RFC 9112 7.1", b"3,a\r\nabc\r\n0\r\n\r\n"),
        broken("chunk-size-2-to-the-64", "RFC 9112 7.1: overflow", b"10000000000000003\r\nabc\r\n0\r\n\r\n"),
        broken("chunk-size-many-zeros", "RFC 9112 7.1: a bound", b"00000000000000003\r\nabc\r\n0\r\n\r\n"),
        broken("chunk-size-bare-lf", "RFC 9112 2.2: smuggling", b"3\nabc\r\n0\r\n\r\n"),
        broken("chunk-size-bare-cr", "RFC 9112 2.2: smuggling", b"3\rabc\r\n0\r\n\r\n"),
        broken("chunk-size-cr-cr-lf", "RFC 9112 2.2", b"3\r\r\nabc\r\n0\r\n\r\n"),
        broken("chunk-size-nul", "RFC 9112 7.1", b"3\0\r\nabc\r\n0\r\n\r\n"),
        broken("chunk-extension-bare-lf", "RFC 9112 7.1.1: smuggling", b"3;a\nb\r\nabc\r\n0\r\n\r\n"),
        broken("chunk-extension-bare-cr", "RFC 9112 7.1.1: smuggling", b"3;a\rb\r\nabc\r\n0\r\n\r\n"),
        broken("chunk-extension-nul", "RFC 9112 7.1.1", b"3;a\0\r\nabc\r\n0\r\n\r\n"),
        broken("chunk-extension-escape", "RFC 9112 7.1.1", b"3;\x1b\r\nabc\r\n0\r\n\r\n"),
        broken("chunk-longer-than-its-size", "RFC 9112 7.1", b"3\r\nabcd\r\n0\r\n\r\n"),
        broken("chunk-shorter-than-its-size", "RFC 9112 7.1", b"3\r\nab\r\n0\r\n\r\n"),
        broken("chunk-data-bare-lf", "RFC 9112 7.1: smuggling", b"3\r\nabc\n0\r\n\r\n"),
        broken("chunk-data-bare-cr", "RFC 9112 7.1: smuggling", b"3\r\nabc\r0\r\n\r\n"),
        broken("chunk-data-no-end", "RFC 9112 7.1", b"3\r\nabc0\r\n\r\n"),
        broken("chunk-data-two-ends", "RFC 9112 7.1", b"3\r\nabc\r\n\r\n0\r\n\r\n"),
        broken("chunk-last-bare-lf", "RFC 9112 7.1", b"0\n\r\n"),
        broken("chunk-end-bare-lf", "RFC 9112 7.1", b"0\r\n\n"),
        broken("chunk-end-bare-cr", "RFC 9112 7.1", b"0\r\n\rX"),
        broken("chunk-trailer-bare-lf", "RFC 9112 2.2", b"0\r\nX: y\n\r\n"),
        broken("chunk-trailer-folded", "RFC 9112 5.2", b"0\r\nX: y\r\n z\r\n\r\n"),
        broken("chunk-trailer-no-colon", "RFC 9112 5", b"0\r\nX\r\n\r\n"),
        broken("chunk-trailer-space-before-colon", "RFC 9112 5.1", b"0\r\nX : y\r\n\r\n"),
        broken("chunk-trailer-nul", "RFC 9110 5.5", b"0\r\nX: \0\r\n\r\n"),
        broken("chunk-trailer-no-name", "RFC 9110 5.1", b"0\r\n: y\r\n\r\n"),
        sized("chunk-size-beyond-the-limit", "RFC 9110 15.5.14", b"1c9c381\r\nabc", 413),
        sized("chunk-size-2-to-the-63", "RFC 9110 15.5.14", b"7fffffffffffffff\r\nabc", 413),
        sized("chunk-size-2-to-the-64-less-1", "RFC 9110 15.5.14: no wrap", b"ffffffffffffffff\r\nabc", 413),
        case(
            "chunk-behind-the-end-is-a-request",
            "RFC 9112 9.3.2",
            &[HEAD, b"3\r\nabc\r\n0\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n"].concat(),
            &[200, 200],
            Then::Open,
        ),
    ]
}

const HEAD: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

fn sound(id: &'static str, rule: &'static str, body: &[u8], says: &'static str) -> Case {
    good(id, rule, &[HEAD, body].concat(), says)
}

fn broken(id: &'static str, rule: &'static str, body: &[u8]) -> Case {
    sized(id, rule, body, 400)
}

fn sized(id: &'static str, rule: &'static str, body: &[u8], status: u16) -> Case {
    case(id, rule, &[HEAD, body].concat(), &[status], Then::Closed)
}
