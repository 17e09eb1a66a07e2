//! The head of a request: read, checked, and turned into the types of `http`.

use std::mem::MaybeUninit;

use bivalve_core::UnreadHeaders;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName};
use http::request::Parts;
use http::{HeaderValue, Method, Request, StatusCode, Uri, Version};

use super::length::{self, BodyLength};
use super::reject::Reject;
use super::said::Said;
use super::target;
use crate::Limits;

/// A request whose body, if it has one, is still to come.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) version: Version,
    /// Where they are not as they came; otherwise [`unread`] makes them. Seldom, so that a head is small.
    headers: Option<Box<HeaderMap>>,
    pub(crate) length: BodyLength,
    /// The connection may be used for another request afterwards: RFC 9112 section 9.3.
    pub(crate) persistent: bool,
    /// The client waits for a word before it sends the body: RFC 9110 section 10.1.1.
    pub(crate) expects_continue: bool,
    /// It asks for another protocol: RFC 9110 section 7.8.
    pub(crate) upgrade: bool,
    /// It reads trailers: RFC 9110 section 6.5.1.
    pub(crate) takes_trailers: bool,
    /// It is sound, and too large: its body is not read, and the connection ends with its answer.
    pub(crate) refused: Option<Reject>,
}

/// Reads a complete head, as [`Scanner`](super::scan::Scanner) found it.
pub(crate) fn parse(head: &Bytes, limits: &Limits) -> Result<Head, Reject> {
    let mut fields = [const { MaybeUninit::uninit() }; Limits::MOST_HEADERS];
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(head, &mut fields) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Err(Reject::bad("the head ends in the middle of a line")),
        Err(error) => return Err(refusal(error, head)),
    }
    let (Some(method), Some(path), Some(minor)) = (request.method, request.path, request.version) else {
        return Err(Reject::bad("the request line is not complete (RFC 9112 section 3)"));
    };
    let method = Method::from_bytes(method.as_bytes())
        .map_err(|_| Reject::bad("the method is no token (RFC 9110 section 9.1)"))?;
    let version = if minor == 0 { Version::HTTP_10 } else { Version::HTTP_11 };
    let target = target::parse(&head.slice_ref(path.as_bytes()), &method, limits)?;

    let mut said = Said::default();
    for field in request.headers.iter() {
        if field.name.len() > LONGEST_NAME {
            return Err(Reject::bad("a field name is longer than any that is known"));
        }
        said.hear(field.name.as_bytes(), field.value);
    }
    said.check_host(version)?;
    let mut refused = target.refused;
    let length = match length::of(&said, version, limits) {
        Err(reject) if reject.is_filtered() => {
            refused = refused.or(Some(reject));
            BodyLength::Exact(0)
        }
        // Of what is refused, nothing is read any more.
        length => length.map(|length| if refused.is_some() { BodyLength::Exact(0) } else { length })?,
    };
    let persistent = refused.is_none() && said.persists(version);
    let takes_trailers = said.takes_trailers(version);
    let expects_continue = said.expects_continue(version)?;
    // Whoever reads the head again would take the Host field for what was asked.
    let upgrade = said.asks_upgrade(version) && target.authority.is_none() && refused.is_none();
    let headers = target.authority.map(|authority| {
        let mut headers = HeaderMap::new();
        read_fields(head, &mut headers);
        headers.insert(header::HOST, authority);
        Box::new(headers)
    });
    let uri = target.uri;
    Ok(Head {
        method,
        uri,
        version,
        headers,
        length,
        persistent,
        expects_continue,
        upgrade,
        takes_trailers,
        refused,
    })
}

impl Head {
    /// Whether the headers are those of the head's octets.
    pub(crate) fn is_as_it_came(&self) -> bool {
        self.headers.is_none()
    }

    /// What a pipeline begins with.
    pub(crate) fn take_parts(&mut self) -> Parts {
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.method = std::mem::take(&mut self.method);
        parts.uri = std::mem::take(&mut self.uri);
        parts.version = self.version;
        if let Some(headers) = self.headers.take() {
            parts.headers = *headers;
        }
        parts
    }
}

/// The fields of a head that has been [parsed](parse), for whoever asks.
pub(crate) fn unread(head: Bytes) -> UnreadHeaders {
    UnreadHeaders::new(head, read_fields)
}

pub(crate) fn read_fields(head: &Bytes, headers: &mut HeaderMap) {
    let mut fields = [const { MaybeUninit::uninit() }; Limits::MOST_HEADERS];
    let mut request = httparse::Request::new(&mut []);
    let parsed = request.parse_with_uninit_headers(head, &mut fields);
    debug_assert!(matches!(parsed, Ok(httparse::Status::Complete(_))), "it was parsed before");
    headers.reserve(request.headers.len());
    for field in request.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes());
        let value = HeaderValue::from_maybe_shared(head.slice_ref(field.value));
        // What `httparse` takes for a field is one for `http`: a test asks for each octet.
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
}

fn refusal(error: httparse::Error, head: &[u8]) -> Reject {
    use httparse::Error;
    match error {
        Error::HeaderName => Reject::bad(
            "a field name is no token, has white space before its colon, or a line is folded (RFC 9112 section 5.1, 5.2)",
        ),
        Error::HeaderValue => Reject::bad("a field value has a control character (RFC 9110 section 5.5)"),
        Error::NewLine => Reject::bad("a CR without LF (RFC 9112 section 2.2)"),
        Error::Token => LINE,
        Error::TooManyHeaders => TOO_MANY,
        Error::Version if names_another_version(head) => Reject::new(
            StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            "neither HTTP/1.1 nor HTTP/1.0 (RFC 9110 section 15.6.6)",
        ),
        Error::Version => LINE,
        _ => Reject::bad("the head is malformed (RFC 9112 section 2.2)"),
    }
}

/// Whether the request line is one, of a version that is not spoken here.
fn names_another_version(head: &[u8]) -> bool {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut parts = line.split(|byte| *byte == b' ').skip(2);
    let (version, more) = (parts.next().unwrap_or_default(), parts.next());
    more.is_none()
        && matches!(version.strip_prefix(b"HTTP/"), Some([major, b'.', minor]) if major.is_ascii_digit() && minor.is_ascii_digit())
}

const LINE: Reject = Reject::bad("the request line is not method, target and version (RFC 9112 section 3)");

/// Octets of a name that `http` takes.
const LONGEST_NAME: usize = u16::MAX as usize;

const TOO_MANY: Reject =
    Reject::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "more header fields than can be held");

#[cfg(test)]
mod tests {
    use super::*;

    fn read(head: &'static str) -> Result<Head, u16> {
        let mut parsed = parse(&Bytes::from_static(head.as_bytes()), &Limits::default());
        if let Ok(parsed) = &mut parsed {
            let headers = parsed.headers.get_or_insert_default();
            if headers.is_empty() {
                read_fields(&Bytes::from_static(head.as_bytes()), headers);
            }
        }
        parsed.map_err(|reject| reject.status.as_u16())
    }

    fn refused(head: &'static str) -> u16 {
        read(head).map(|head| head.length).expect_err(head)
    }

    #[test]
    fn a_request_becomes_parts() {
        let head = read("PUT /a?b HTTP/1.1\r\nHost: h\r\nX-A:  1 \t\r\nx-a: \r\nContent-Length: 3\r\n\r\n")
            .expect("it is sound");
        assert_eq!((&head.method, head.uri.path()), (&Method::PUT, "/a"));
        let headers = head.headers.as_ref().expect("they are read");
        let values: Vec<_> = headers.get_all("x-a").iter().map(HeaderValue::as_bytes).collect();
        assert_eq!(values, [&b"1"[..], b""]);
        assert_eq!((head.length, head.persistent), (BodyLength::Exact(3), true));
    }

    #[test]
    fn connections_persist_by_version_and_field() {
        for (head, persistent) in [
            ("GET / HTTP/1.1\r\nHost: h\r\n\r\n", true),
            ("GET / HTTP/1.1\r\nHost: h\r\nConnection: foo, Close\r\n\r\n", false),
            ("GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n", false),
            ("GET / HTTP/1.0\r\n\r\n", false),
            ("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true),
        ] {
            assert_eq!(read(head).map(|head| head.persistent), Ok(persistent), "{head}");
        }
    }

    #[test]
    fn expectations_are_met_or_refused() {
        let expects = |head| read(head).map(|head| head.expects_continue);
        assert_eq!(expects("PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\n\r\n"), Ok(true));
        assert_eq!(expects("PUT / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n"), Ok(false));
        assert_eq!(expects("PUT / HTTP/1.1\r\nHost: h\r\nExpect: tea\r\n\r\n"), Err(417));
    }

    #[test]
    fn the_targets_authority_takes_the_place_of_host() {
        let head = read("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n").expect("it is sound");
        assert_eq!(head.headers.expect("they are not as they came")[header::HOST], "b");
        assert_eq!(refused("GET http://b/ HTTP/1.1\r\n\r\n"), 400);
    }

    #[test]
    fn malformed_heads_are_refused() {
        for (head, status) in [
            ("GET / HTTP/1.1\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: \r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nA: b\rc\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nA: b\0\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nA\r\n\r\n", 400),
            ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET /\tHTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
            ("GET /\r\nHost: a\r\n\r\n", 400),
            ("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
            ("GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505),
            ("GET / http/1.1\r\nHost: a\r\n\r\n", 400),
        ] {
            assert_eq!(refused(head), status, "{head:?}");
        }
    }

    #[test]
    fn each_octet_that_is_taken_in_a_field_can_be_read_as_one() {
        // A line feed by itself does not come so far.
        for octet in (0..=u8::MAX).filter(|octet| *octet != b'\n') {
            for at in 0..3 {
                let (mut name, mut value) = (*b"abc", *b"abc");
                name[at] = octet;
                value[at] = octet;
                for (name, value) in [(name, *b"abc"), (*b"abc", value)] {
                    let head = [b"GET / HTTP/1.1\r\nhost: h\r\n", &name[..], b": ", &value[..], b"\r\n\r\n"]
                        .concat();
                    let head = Bytes::from(head);
                    if parse(&head, &Limits::default()).is_ok() {
                        let mut headers = HeaderMap::new();
                        read_fields(&head, &mut headers);
                        assert_eq!(headers.len(), 2, "{head:?}");
                    }
                }
            }
        }
        let longest = |extra| {
            let head =
                format!("GET / HTTP/1.1\r\nhost: h\r\n{}: b\r\n\r\n", "a".repeat(LONGEST_NAME + extra));
            parse(&Bytes::from(head.into_bytes()), &Limits::default()).map(|head| head.length)
        };
        assert!(longest(1).is_err());
        let mut headers = HeaderMap::new();
        headers.insert(
            HeaderName::from_bytes(&[b'a'; LONGEST_NAME]).expect("http takes it"),
            HeaderValue::from_static("b"),
        );
        assert!(longest(0).is_ok());
    }
}
