//! What leaves: status and headers that agree with the body, error pages, trailers that may follow.

use http::StatusCode;
use http::header::{self, HeaderName, HeaderValue};

use super::{Progress, Response, is_final_status};
use crate::{EntityChunk, Outgoing, ResponseHead};

/// Headers that describe an entity, say where another one is, or let a cache keep it.
const OF_THE_ENTITY: &[&str] = &[
    "accept-ranges",
    "age",
    "cache-control",
    "content-digest",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-range",
    "content-type",
    "digest",
    "etag",
    "expires",
    "last-modified",
    "location",
    "repr-digest",
    "transfer-encoding",
];

/// Headers that say nothing of the entity: whose request it was, how a browser is to treat this site, how to ask again.
const OF_NO_ENTITY: &[&str] = &[
    "access-control-allow-credentials",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "connection",
    "content-security-policy",
    "content-security-policy-report-only",
    "cross-origin-embedder-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "date",
    "permissions-policy",
    "referrer-policy",
    "retry-after",
    "server",
    "server-timing",
    "strict-transport-security",
    "traceparent",
    "tracestate",
    "upgrade",
    "vary",
    "www-authenticate",
    "x-content-type-options",
    "x-correlation-id",
    "x-frame-options",
    "x-request-id",
];

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

impl Response {
    /// Status and headers for the wire, in place: what a part that leaves lends to the host. `end`: the response ends with
    /// it, so its length is known.
    fn make_head(&mut self, end: bool) {
        if !is_final_status(self.head.status) {
            tracing::error!(
                status = self.head.status.as_u16(),
                "a module set a status that is no final response; answering 500"
            );
            self.fail(StatusCode::INTERNAL_SERVER_ERROR, 0);
        }
        self.frame(end);
    }

    /// Status and headers, for whoever sends them without the pipeline.
    pub(crate) fn copy_head(&mut self) -> ResponseHead {
        self.make_head(false);
        self.head.leave(false)
    }

    /// The part that is to be sent; [`part_left`](Self::part_left) is told when the host has it. A `foreign` host, which is a
    /// pipeline itself, takes trailers with the rest of the response, when the call is over.
    pub(crate) fn outgoing(&mut self, end: bool, foreign: bool) -> Outgoing<'_> {
        let first = !self.headers_sent();
        if first {
            self.make_head(end);
        }
        let trailers = end && !foreign;
        if trailers {
            self.filter_trailers();
        }
        self.part_leaves(if end { Progress::Ended } else { Progress::HeadersSent });
        Outgoing {
            head: first.then_some(&mut self.head),
            chunks: &mut self.chunks,
            end,
            trailers: self.trailers.as_mut().filter(|_| trailers),
        }
    }

    /// The host has taken of the part what it sends. Modules that run later see no headers where the end came with them.
    pub(crate) fn part_left(&mut self, first: bool, end: bool, foreign: bool) {
        self.clear_entity();
        if first && end {
            self.clear_headers();
        }
        if first {
            self.clear_extensions();
        }
        if end && !foreign {
            self.clear_trailers();
        }
    }

    /// Turns the response into an error page without details.
    ///
    /// Before a handler has answered, the headers are those of modules, and stay: a request id, a challenge. What describes
    /// the entity goes with it (RFC 9110 section 8), and so does what would let a cache keep it. Afterwards they may be
    /// of the very response that is refused, cookies included, and only those stay that say nothing of it.
    pub(crate) fn fail(&mut self, status: StatusCode, sub_status: u16) {
        if self.answered {
            let all = std::mem::take(&mut self.head.headers);
            for name in OF_NO_ENTITY {
                for value in all.get_all(*name) {
                    self.head.headers.append(*name, value.clone());
                }
            }
        } else {
            for name in OF_THE_ENTITY {
                self.head.headers.remove(*name);
            }
        }
        self.trailers = None;
        self.clear_entity();
        self.head.status = status;
        self.head.sub_status = sub_status;
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        if self.head.headers.try_insert(header::CONTENT_TYPE, text).is_err() {
            // As many as a map can hold: this may be what failed, and they could not be sent anyway.
            self.head.headers.clear();
        }
        self.push(EntityChunk::from(status.canonical_reason().unwrap_or("Error")));
    }

    /// Framing belongs to the host: whatever a module put there must not contradict it (request smuggling's other half).
    fn frame(&mut self, end: bool) {
        if matches!(self.head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
            // RFC 9110 sections 15.3.5 and 15.4.5: no content.
            self.clear_entity();
        }
        let mut has_length = false;
        let mut has_others = false;
        for name in self.head.headers.keys() {
            has_length |= *name == header::CONTENT_LENGTH;
            has_others |= matches!(*name, header::TRANSFER_ENCODING | header::UPGRADE)
                || *name == KEEP_ALIVE
                || *name == PROXY_CONNECTION;
        }
        if has_others {
            self.head.headers.remove(header::TRANSFER_ENCODING);
            if self.head.status != StatusCode::SWITCHING_PROTOCOLS {
                self.head.headers.remove(KEEP_ALIVE);
                self.head.headers.remove(PROXY_CONNECTION);
                // RFC 9110 section 15.5.22: a 426 names what it asks for.
                if self.head.status != StatusCode::UPGRADE_REQUIRED {
                    self.head.headers.remove(header::UPGRADE);
                }
            }
        }
        if !has_length {
            return;
        }
        if self.head.status == StatusCode::NO_CONTENT {
            self.head.headers.remove(header::CONTENT_LENGTH);
            return;
        }
        let length = self.entity_len();
        if end && length > 0 {
            if self.head.headers.try_insert(header::CONTENT_LENGTH, HeaderValue::from(length)).is_err() {
                self.head.headers.remove(header::CONTENT_LENGTH);
            }
            return;
        }
        // An empty body may be the answer to HEAD, whose Content-Length speaks of another body; one that cannot
        // be read as a single number is nobody's length.
        let mut values = self.head.headers.get_all(header::CONTENT_LENGTH).iter();
        // Digits only: `parse` takes a sign, and others do not.
        let digits = |v: &&HeaderValue| v.as_bytes().iter().all(u8::is_ascii_digit);
        let single = values.next().filter(digits).and_then(|v| v.to_str().ok()).map(str::parse::<u64>);
        if !matches!(single, Some(Ok(_))) || values.next().is_some() {
            self.head.headers.remove(header::CONTENT_LENGTH);
        }
    }

    fn filter_trailers(&mut self) {
        let Some(trailers) = &mut self.trailers else { return };
        // RFC 9110 section 6.5.1: a trailer must not frame, route, modify, authenticate, or describe the content.
        for name in [
            header::AUTHORIZATION,
            header::CACHE_CONTROL,
            header::CONNECTION,
            header::CONTENT_ENCODING,
            header::CONTENT_LENGTH,
            header::CONTENT_RANGE,
            header::CONTENT_TYPE,
            header::HOST,
            header::MAX_FORWARDS,
            header::SET_COOKIE,
            header::TE,
            header::TRAILER,
            header::TRANSFER_ENCODING,
        ] {
            trailers.remove(name);
        }
    }
}
