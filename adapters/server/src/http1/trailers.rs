//! Trailer sections, both ways: RFC 9110 section 6.5.

use http::header::{self, HeaderMap, HeaderName};
use http::{HeaderValue, StatusCode};

use super::reject::Reject;
use crate::Limits;

/// Reads complete trailer lines. Fields that may not stand there are left out: who merges trailers into headers must
/// not be told by them where a body ends, or who asks.
pub(crate) fn parse(lines: &[u8]) -> Result<HeaderMap, Reject> {
    let mut trailers = HeaderMap::new();
    if lines.is_empty() {
        return Ok(trailers);
    }
    let section = [lines, b"\r\n"].concat();
    let mut fields = [httparse::EMPTY_HEADER; Limits::MOST_HEADERS];
    let parsed = httparse::parse_headers(&section, &mut fields);
    let fields = match parsed {
        Ok(httparse::Status::Complete((_, fields))) => fields,
        Err(httparse::Error::TooManyHeaders) => {
            return Err(Reject::new(
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "more trailer fields than can be held",
            ));
        }
        _ => return Err(Reject::bad("the trailer section is malformed (RFC 9112 section 7.1.2)")),
    };
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes());
        let value = HeaderValue::from_bytes(field.value);
        let (Ok(name), Ok(value)) = (name, value) else {
            return Err(Reject::bad("a trailer field has an octet that none has (RFC 9110 section 5.5)"));
        };
        if may_trail(&name) {
            trailers.append(name, value);
        }
    }
    Ok(trailers)
}

/// Whether a field may come behind the body: RFC 9110 section 6.5.1 keeps out what frames, routes, authenticates, controls
/// or describes the message.
pub(crate) fn may_trail(name: &HeaderName) -> bool {
    const NEVER: [HeaderName; 32] = [
        header::AGE,
        header::AUTHORIZATION,
        header::CACHE_CONTROL,
        header::CONNECTION,
        header::CONTENT_ENCODING,
        header::CONTENT_LENGTH,
        header::CONTENT_RANGE,
        header::CONTENT_TYPE,
        header::COOKIE,
        header::DATE,
        header::EXPECT,
        header::EXPIRES,
        header::HOST,
        header::IF_MATCH,
        header::IF_MODIFIED_SINCE,
        header::IF_NONE_MATCH,
        header::IF_RANGE,
        header::IF_UNMODIFIED_SINCE,
        header::LOCATION,
        header::MAX_FORWARDS,
        header::PRAGMA,
        header::PROXY_AUTHENTICATE,
        header::PROXY_AUTHORIZATION,
        header::RANGE,
        header::RETRY_AFTER,
        header::SET_COOKIE,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        header::VARY,
        header::WWW_AUTHENTICATE,
    ];
    !NEVER.contains(name) && !matches!(name.as_str(), "keep-alive" | "proxy-connection" | "http2-settings")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn framing_and_credentials_do_not_trail() {
        let trailers = parse(b"X-A: 1\r\nContent-Length: 5\r\nauthorization: x\r\nhost: evil\r\nx-a: 2\r\n")
            .expect("sound");
        let all: Vec<_> = trailers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        assert_eq!(all, [("x-a", &b"1"[..]), ("x-a", b"2")]);
    }

    #[test]
    fn malformed_lines_are_refused() {
        for lines in [&b"a\r\n"[..], b" a: b\r\n", b"a : b\r\n", b"a: b\r\n c\r\n", b": b\r\n"] {
            assert!(parse(lines).is_err(), "{lines:?}");
        }
    }
}
