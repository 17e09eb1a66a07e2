//! The request target and the Host field: what is asked for, and of whom.

use std::net::Ipv6Addr;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, StatusCode, Uri};

use super::octets::{is_name, is_path, is_plain_name, is_plain_path, is_query};
use super::reject::Reject;
use crate::Limits;

/// A target in origin form, and the authority that an absolute one named.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) uri: Uri,
    /// Takes the place of the Host field: RFC 9112 section 3.2.2.
    pub(crate) authority: Option<HeaderValue>,
    /// It is sound, and longer than the limit.
    pub(crate) refused: Option<Reject>,
}

/// Reads a target: origin form, absolute form, or `*` (RFC 9112 section 3.2).
///
/// What browsers send is taken, and nothing that two readers could read in two ways: no fragment, no octet outside ASCII,
/// no escape in a path that is none or means NUL.
pub(crate) fn parse(target: &Bytes, method: &Method, limits: &Limits) -> Result<Target, Reject> {
    if *method == Method::CONNECT {
        return Err(Reject::new(
            StatusCode::NOT_IMPLEMENTED,
            "CONNECT: this is an origin server (RFC 9110 section 9.3.6)",
        ));
    }
    if target.first() == Some(&b'/') {
        return origin(target, limits).map(|(uri, refused)| Target { uri, authority: None, refused });
    }
    if target[..] == b"*"[..] {
        let uri = Uri::from_static("*");
        return if *method == Method::OPTIONS {
            Ok(Target { uri, authority: None, refused: None })
        } else {
            Err(FORM)
        };
    }
    let rest = strip_scheme(target).ok_or(FORM)?;
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    let authority = rest.slice(..end);
    if !is_host(&authority) {
        return Err(Reject::bad("the authority of the target is no host and port (RFC 9112 section 3.2.2)"));
    }
    let path = rest.slice(end..);
    let (uri, refused) = match path.first() {
        Some(b'/') => origin(&path, limits)?,
        // RFC 9110 section 4.2.3: no path is the path "/"; and `http://host?query` has one too.
        None if *method == Method::OPTIONS => (Uri::from_static("*"), None),
        None => (Uri::from_static("/"), None),
        Some(_) => origin(&Bytes::from([b"/", &path[..]].concat()), limits)?,
    };
    let authority = HeaderValue::from_maybe_shared(authority).map_err(|_| FORM)?;
    Ok(Target { uri, authority: Some(authority), refused })
}

fn origin(target: &Bytes, limits: &Limits) -> Result<(Uri, Option<Reject>), Reject> {
    // Most paths have no escape, and are looked at once.
    let plain = target.iter().position(|byte| !is_plain_path(*byte)).unwrap_or(target.len());
    let end = target[plain..].iter().position(|byte| *byte == b'?').map_or(target.len(), |at| plain + at);
    let (path, query) = target.split_at(end);
    let refused = if path.len() > limits.url_bytes() {
        Some(PATH_TOO_LONG)
    } else if query.len() > limits.query_bytes().saturating_add(1) {
        // The question mark is nobody's.
        Some(QUERY_TOO_LONG)
    } else {
        None
    };
    if !path[plain..].iter().all(|byte| is_path(*byte)) || !query.iter().all(|byte| is_query(*byte)) {
        return Err(Reject::bad("the target has an octet that no URL has (RFC 3986 sections 3.3, 3.4)"));
    }
    if !escapes_are_sound(&path[plain..]) {
        return Err(Reject::bad(
            "the path has a % without two hexadecimal digits, or %00 (RFC 3986 section 2.1)",
        ));
    }
    if target.len() == 1 {
        // The slash needs no memory.
        return Ok((Uri::default(), refused));
    }
    let target = PathAndQuery::from_maybe_shared(target.clone());
    target.map(|target| (target.into(), refused)).map_err(|_| Reject::bad("the target is no URL (RFC 3986)"))
}

/// Whether each `%` begins an escape, and none means NUL.
fn escapes_are_sound(path: &[u8]) -> bool {
    let mut rest = path;
    while let Some(at) = rest.iter().position(|byte| *byte == b'%') {
        match rest.get(at + 1..at + 3) {
            Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) && digits != b"00" => {
                rest = &rest[at + 3..];
            }
            _ => return false,
        }
    }
    true
}

fn strip_scheme(target: &Bytes) -> Option<Bytes> {
    [&b"http://"[..], b"https://"].into_iter().find_map(|scheme| {
        let begins = target.get(..scheme.len())?.eq_ignore_ascii_case(scheme);
        begins.then(|| target.slice(scheme.len()..))
    })
}

/// Whether it is a host that can be asked, and perhaps a port: RFC 9110 section 7.2. An empty one is not, and neither is
/// one with a user in front of it.
pub(crate) fn is_host(value: &[u8]) -> bool {
    // Most hosts have no escape, and are looked at once.
    let plain = value.iter().position(|byte| !is_plain_name(*byte)).unwrap_or(value.len());
    let (host, port) = match value.first() {
        Some(b'[') => match value.iter().position(|byte| *byte == b']') {
            Some(end) => value.split_at(end + 1),
            None => return false,
        },
        _ => {
            let colon = value[plain..].iter().position(|byte| *byte == b':');
            value.split_at(colon.map_or(value.len(), |at| plain + at))
        }
    };
    let host_fits = match host.strip_prefix(b"[").and_then(|host| host.strip_suffix(b"]")) {
        Some(literal) => std::str::from_utf8(literal).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok()),
        None => {
            let rest = &host[plain..];
            !host.is_empty() && rest.iter().all(|byte| is_name(*byte)) && escapes_are_sound(rest)
        }
    };
    let port_fits = match port.split_first() {
        None => true,
        Some((_, digits)) => {
            // A colon without a port is allowed: RFC 3986 section 3.2.3.
            port[0] == b':'
                && digits.iter().all(u8::is_ascii_digit)
                && (digits.is_empty()
                    || std::str::from_utf8(digits).is_ok_and(|text| text.parse::<u16>().is_ok()))
        }
    };
    host_fits && port_fits
}

const PATH_TOO_LONG: Reject =
    Reject::filtered(StatusCode::NOT_FOUND, 14, "the path is longer than the limit");
const QUERY_TOO_LONG: Reject =
    Reject::filtered(StatusCode::NOT_FOUND, 15, "the query is longer than the limit");
const FORM: Reject = Reject::bad("the target has no form that its method may have (RFC 9112 section 3.2)");

#[cfg(test)]
mod tests {
    use super::*;

    fn read(method: &Method, target: &'static str) -> Result<(String, Option<String>), u16> {
        let target = parse(&Bytes::from_static(target.as_bytes()), method, &Limits::default());
        target.map_err(|reject| reject.status.as_u16()).map(|target| {
            let authority = target.authority.map(|value| value.to_str().expect("ASCII").to_owned());
            (target.uri.to_string(), authority)
        })
    }

    #[test]
    fn each_form_is_for_its_methods() {
        let plain = |uri: &str| Ok((uri.to_owned(), None));
        let of = |uri: &str, host: &str| Ok((uri.to_owned(), Some(host.to_owned())));
        assert_eq!(read(&Method::GET, "/a/b?c=d&e[]=%zz"), plain("/a/b?c=d&e[]=%zz"));
        assert_eq!(read(&Method::GET, "//a"), plain("//a"));
        assert_eq!(read(&Method::OPTIONS, "*"), plain("*"));
        assert_eq!(read(&Method::GET, "*"), Err(400));
        assert_eq!(read(&Method::GET, "http://a:80/b?c"), of("/b?c", "a:80"));
        assert_eq!(read(&Method::GET, "HTTP://a"), of("/", "a"));
        assert_eq!(read(&Method::OPTIONS, "https://a"), of("*", "a"));
        assert_eq!(read(&Method::GET, "http://[::1]?q"), of("/?q", "[::1]"));
        assert_eq!(read(&Method::CONNECT, "a:443"), Err(501));
        for target in
            ["a", "a/b", "a:443", "ftp://a/", "http://", "http:///a", "http://u@a/", "http://a:x/", ""]
        {
            assert_eq!(read(&Method::GET, target), Err(400), "{target}");
        }
    }

    #[test]
    fn targets_that_are_read_in_two_ways_are_refused() {
        for target in [
            "/a#b",
            "/a\\b",
            "/a%41#b",
            "/a%41%4?b",
            "/%",
            "/%4",
            "/%zz",
            "/a%00",
            "/<",
            "/\"",
            "/\u{e9}",
            "/?\u{e9}",
            "/?a#b",
        ] {
            assert_eq!(read(&Method::GET, target), Err(400), "{target}");
        }
    }

    #[test]
    fn lengths_are_those_of_the_limits() {
        let limits = Limits::default();
        for (len, query, fits) in [
            (limits.url_bytes(), 0, true),
            (limits.url_bytes() + 1, 0, false),
            (1, limits.query_bytes(), true),
            (1, limits.query_bytes() + 1, false),
        ] {
            let target = format!("/{}?{}", "a".repeat(len - 1), "b".repeat(query));
            let read = parse(&Bytes::from(target), &Method::GET, &limits);
            let refused = read.expect("it is sound").refused;
            let sub_status = if query > 0 { 15 } else { 14 };
            assert_eq!(refused.map(|reject| reject.sub_status), (!fits).then_some(sub_status));
        }
    }

    #[test]
    fn hosts_are_names_addresses_and_ports() {
        for host in ["a", "a.b:80", "a:", "127.0.0.1:65535", "[::1]:80", "a_b", "%41", "a%41b:80"] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for host in [
            "", ":80", "a b", "a:b", "a:65536", "[::1", "[::1]x", "[v1.a]", "u@a", "a,b", "a/b", "%4",
            "a:80:80", "a%4", "a%00", "a%41,b", "a%", "[", "[]",
        ] {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
    }
}
