//! Connections and expectations: RFC 9112 section 9, RFC 9110 section 10.1.1.

use super::{bad, case, good};
use crate::{Case, Then};

pub(super) fn cases() -> Vec<Case> {
    vec![
        good("persist", "RFC 9112 9.3: by default", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "<GET / a >"),
        good("persist-keep-alive", "RFC 9112 9.3", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n", "<GET / a >"),
        good("persist-1.0-keep-alive", "RFC 9112 9.3", b"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n", "connection: keep-alive"),
        good("persist-other-options", "RFC 9110 7.6.1", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: x, , TE\r\n\r\n", "<GET / a >"),
        case("close", "RFC 9112 9.6", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", &[200], Then::Closed),
        case("close-any-case", "RFC 9110 7.6.1", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: CLOSE\r\n\r\n", &[200], Then::Closed),
        case("close-in-a-list", "RFC 9110 7.6.1", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: x,close , y\r\n\r\n", &[200], Then::Closed),
        case("close-in-a-second-line", "RFC 9110 7.6.1", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: x\r\nConnection: close\r\n\r\n", &[200], Then::Closed),
        case("close-beats-keep-alive", "RFC 9112 9.3", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, close\r\n\r\n", &[200], Then::Closed),
        case("close-1.0", "RFC 9112 9.3: by default", b"GET / HTTP/1.0\r\nHost: a\r\n\r\n", &[200], Then::Closed),
        case("close-behind-a-body", "RFC 9112 9.6", b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc", &[200], Then::Closed),
        case("pipeline", "RFC 9112 9.3.2", b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\n\r\n", &[200, 200, 200], Then::Open),
        case("pipeline-with-an-empty-line-between", "RFC 9112 2.2", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", &[200, 200], Then::Open),
        case("pipeline-ends-with-close", "RFC 9112 9.6", b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", &[200, 200], Then::Closed),
        case("pipeline-ends-with-a-fault", "RFC 9112 9.3.2", b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\n\r\n", &[200, 400], Then::Closed),
        case("pipeline-behind-a-fault", "RFC 9112 6.3", b"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", &[400], Then::Closed),
        case("head", "RFC 9110 9.3.2", b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", &[200], Then::Open),
        case("head-with-a-body", "RFC 9112 6.3", b"HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", &[200], Then::Open),
        case("head-then-get", "RFC 9110 9.3.2: no body between", b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", &[200, 200], Then::Open),
        case("expect-continue", "RFC 9110 10.1.1", b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc", &[200], Then::Open),
        case("expect-continue-without-a-body", "RFC 9110 10.1.1", b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n", &[200], Then::Open),
        case("expect-continue-1.0", "RFC 9110 10.1.1: ignored", b"POST / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc", &[200], Then::Closed),
        bad("expect-other", "RFC 9110 10.1.1", b"GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n", 417),
        bad("expect-list", "RFC 9110 10.1.1", b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue, tea\r\n\r\n", 417),
        bad("expect-twice", "RFC 9110 10.1.1", b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nExpect: tea\r\n\r\n", 417),
        good("upgrade-without-connection", "RFC 9110 7.8: ignored", b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n", "<GET / a >"),
        good("upgrade-nothing", "RFC 9110 7.8", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n\r\n", "<GET / a >"),
        good("upgrade-with-a-body", "RFC 9110 7.8: may be ignored", b"POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\nContent-Length: 3\r\n\r\nabc", "<POST / a abc>"),
        case("upgrade-1.0", "RFC 9110 7.8: ignored", b"GET / HTTP/1.0\r\nHost: a\r\nConnection: upgrade, keep-alive\r\nUpgrade: x\r\n\r\n", &[200], Then::Open),
    ]
}
