//! What RFC 9113 forbids in a request and hyper lets through, and the rules of HTTP/1.1 that are as good here.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Method, StatusCode, Version};
use hyper::ext::Protocol;

use crate::Limits;
use crate::http1::length;
use crate::http1::reject::Reject;
use crate::http1::said::Said;
use crate::http1::target::{self, is_host};

/// What becomes of a request that is not served.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// RFC 9113 section 8.1.1: the stream is reset.
    Malformed(&'static str),
    Answer(Reject),
}

impl From<Reject> for Refusal {
    fn from(reject: Reject) -> Self {
        Self::Answer(reject)
    }
}

/// Checks a head, and writes it as the pipeline knows it from HTTP/1.1: the target in origin form, the authority in `Host`,
/// cookies in one field. One that is sound and too large is refused by what is returned.
pub(super) fn check(parts: &mut Parts, limits: &Limits) -> Result<Option<Reject>, Refusal> {
    let protocol = parts.extensions.get::<Protocol>().map(Protocol::as_str);
    if parts.method == Method::CONNECT && protocol != Some("websocket") {
        if parts.uri.authority().is_none() {
            return Err(Refusal::Malformed("CONNECT to nothing (RFC 9113 section 8.5)"));
        }
        if protocol.is_some() {
            return Err(Refusal::Answer(Reject::new(
                StatusCode::NOT_IMPLEMENTED,
                "CONNECT with a protocol that is not websocket (RFC 9220 section 3)",
            )));
        }
        return Err(Refusal::Answer(Reject::new(
            StatusCode::NOT_IMPLEMENTED,
            "CONNECT: this is an origin server (RFC 9110 section 9.3.6)",
        )));
    }
    check_fields(&parts.headers)?;
    take_authority(parts)?;
    let path = parts.uri.path_and_query().map_or("", http::uri::PathAndQuery::as_str);
    if !path.starts_with('/') && path != "*" {
        return Err(Refusal::Malformed(":path is no path (RFC 9113 section 8.3.1)"));
    }
    // One that begins WebSocket has the target of a GET: RFC 8441 section 4.
    let method = if parts.method == Method::CONNECT { &Method::GET } else { &parts.method };
    let target = target::parse(&Bytes::copy_from_slice(path.as_bytes()), method, limits)?;
    parts.uri = target.uri;
    if parts.headers.len() > limits.headers() {
        return Err(Refusal::Answer(Reject::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "more header fields than the limit",
        )));
    }
    let mut said = Said::default();
    parts.headers.iter().for_each(|(name, value)| said.hear(name.as_str().as_bytes(), value.as_bytes()));
    said.check_host(Version::HTTP_11)?;
    said.expects_continue(Version::HTTP_11)?;
    let refused = match length::of(&said, Version::HTTP_11, limits) {
        Err(reject) if reject.is_filtered() => target.refused.or(Some(reject)),
        length => length.map(|_| target.refused)?,
    };
    join_cookies(&mut parts.headers);
    Ok(refused)
}

/// Whether a head passes, for who holds the rules against those of HTTP/1.1.
#[cfg(any(test, fuzzing))]
pub(crate) fn is_served(parts: &mut Parts, limits: &Limits) -> bool {
    matches!(check(parts, limits), Ok(None))
}

/// Of a head, or of trailers.
pub(super) fn check_fields(fields: &HeaderMap) -> Result<(), Refusal> {
    let is_space = |octet: Option<&u8>| matches!(octet, Some(b' ' | b'\t'));
    for value in fields.values().map(HeaderValue::as_bytes) {
        if is_space(value.first()) || is_space(value.last()) {
            return Err(Refusal::Malformed(
                "a value begins or ends with white space (RFC 9113 section 8.2.1)",
            ));
        }
    }
    // h2 refuses these already; a proxy behind us shall not depend on it.
    for name in ["connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade"] {
        if fields.contains_key(name) {
            return Err(Refusal::Malformed("a field of the connection (RFC 9113 section 8.2.2)"));
        }
    }
    Ok(())
}

/// RFC 9113 section 8.3.1: the authority is what is asked of, and a `Host` beside it has to say the same.
fn take_authority(parts: &mut Parts) -> Result<(), Refusal> {
    if parts.uri.scheme_str().is_some_and(|scheme| scheme != "http" && scheme != "https") {
        return Err(Refusal::Answer(Reject::bad("a scheme that is not served (RFC 9110 section 4.2)")));
    }
    let mut hosts = parts.headers.get_all(header::HOST).iter();
    let (host, more) = (hosts.next(), hosts.next().is_some());
    let Some(authority) = parts.uri.authority() else { return Ok(()) };
    if authority.as_str().contains('@') {
        return Err(Refusal::Malformed(":authority names a user (RFC 9113 section 8.3.1)"));
    }
    if !is_host(authority.as_str().as_bytes()) {
        return Err(Refusal::Answer(Reject::bad(":authority is no host and port (RFC 9113 section 8.3.1)")));
    }
    let differs =
        host.is_some_and(|host| !host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes()));
    if differs || more {
        return Err(Refusal::Malformed("Host and :authority differ (RFC 9113 section 8.3.1)"));
    }
    let host = HeaderValue::from_str(authority.as_str())
        .map_err(|_| Refusal::Malformed(":authority is no value (RFC 9113 section 8.3.1)"))?;
    parts.headers.insert(header::HOST, host);
    Ok(())
}

/// RFC 9113 section 8.2.3: who does not speak HTTP/2 gets the crumbs in one field.
fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(header::COOKIE).iter().nth(1).is_none() {
        return;
    }
    // An empty one would leave white space at an end, which no value has.
    let crumbs = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes);
    let crumbs: Vec<_> = crumbs.filter(|crumb| !crumb.is_empty()).collect();
    if let Ok(cookie) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        headers.insert(header::COOKIE, cookie);
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn checked(
        method: &str,
        uri: &str,
        fields: &[(&'static str, &str)],
    ) -> Result<(Parts, Option<Reject>), Refusal> {
        let mut request = Request::builder().method(method).uri(uri).version(Version::HTTP_2);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).expect("http takes it").into_parts();
        check(&mut parts, &Limits::default()).map(|refused| (parts, refused))
    }

    fn status(method: &str, uri: &str, fields: &[(&'static str, &str)]) -> u16 {
        match checked(method, uri, fields) {
            Ok((_, refused)) => refused.map_or(200, |reject| reject.status.as_u16()),
            Err(Refusal::Malformed(_)) => 0,
            Err(Refusal::Answer(reject)) => reject.status.as_u16(),
        }
    }

    #[test]
    fn a_request_becomes_what_http1_makes_of_it() {
        let parts = checked("GET", "https://a:1/b?c", &[("cookie", "a=1"), ("cookie", "b=2")]);
        let (parts, _) = parts.expect("it is sound");
        assert_eq!(
            (parts.uri.to_string(), &parts.headers["host"]),
            ("/b?c".into(), &"a:1".parse().expect("a value"))
        );
        assert_eq!(parts.headers["cookie"], "a=1; b=2");
        let (parts, _) = checked("GET", "/b", &[("host", "a")]).expect("it is sound");
        assert_eq!(
            (parts.uri.to_string(), &parts.headers["host"]),
            ("/b".into(), &"a".parse().expect("a value"))
        );
    }

    #[test]
    fn malformed_requests_reset_their_stream() {
        for (uri, fields) in [
            ("http://a/", &[("x", " b")][..]),
            ("http://a/", &[("x", "b\t")]),
            ("http://a/", &[("host", "b")]),
            ("http://a/", &[("host", "a"), ("host", "a")]),
            ("http://u@a/", &[]),
            ("http://a/", &[("connection", "close")]),
            ("http://a/", &[("transfer-encoding", "chunked")]),
        ] {
            assert_eq!(status("GET", uri, fields), 0, "{uri} {fields:?}");
        }
        assert_eq!(status("GET", "http://A/", &[("host", "a")]), 200);
    }

    #[test]
    fn what_http1_refuses_is_refused_with_the_same_status() {
        let long = format!("http://a/{}", "b".repeat(4096));
        let query = format!("http://a/?{}", "b".repeat(2049));
        for (method, uri, fields, expected) in [
            ("CONNECT", "a:443", &[][..], 501),
            ("GET", "/", &[], 400),
            ("GET", "/", &[("host", "a"), ("host", "a")], 400),
            ("GET", "ftp://a/", &[], 400),
            ("GET", "http://a/%", &[], 400),
            ("GET", "http://a/%00", &[], 400),
            ("GET", &long, &[], 404),
            ("GET", &query, &[], 404),
            ("PUT", "http://a/", &[("content-length", "30000001")], 413),
            ("PUT", "http://a/", &[("content-length", "+1")], 400),
            ("PUT", "http://a/", &[("expect", "tea")], 417),
        ] {
            assert_eq!(status(method, uri, fields), expected, "{method} {uri:.40} {fields:?}");
        }
        let many = vec![("x", "y"); 101];
        assert_eq!(status("GET", "http://a/", &many), 431);
    }
}
