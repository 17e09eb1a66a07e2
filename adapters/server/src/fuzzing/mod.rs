//! What `fuzz/` feeds with octets: each function holds one part of the server against what is true of it whatever comes, and
//! panics where it is not. The tests replay what is kept in `fuzz/seeds`.
//!
//! Built for tests and for fuzzing only; no part of the API.

mod connection;
mod memory;
mod proxy;
mod reference;
#[cfg(test)]
mod tests;

use std::io::Write;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, Version};

pub use self::connection::connection;
pub use self::proxy::proxy_protocol;
use self::reference::Line;
use crate::Limits;
use crate::connection::check_http2;
use crate::http1::chunked::{Chunked, Decoded};
use crate::http1::head::{self, Head};
use crate::http1::heads::Heads;
use crate::http1::length::{self, BodyLength};
use crate::http1::said::Said;
use crate::http1::scan::{Scan, Scanner};
use crate::http1::target;

/// A chunked body: the first octet says how it is cut, which changes nothing; a simpler reader finds the same.
pub fn chunked(data: &[u8]) {
    let Some((cut, wire)) = data.split_first() else { return };
    let limits = limits(*cut);
    let whole = decode(wire, wire.len(), &limits);
    let cut = decode(wire, usize::from(*cut & 0x7f) + 1, &limits);
    assert_eq!(whole, cut, "how a body is cut changes what it is");
    let (mut body, expected) = (Vec::new(), reference::chunked(wire, &limits, &mut Vec::new()));
    reference::chunked(wire, &limits, &mut body);
    assert_eq!(whole, expected.map(|consumed| (body, consumed)), "another reader finds another body");
}

/// The body, and how many octets it was; `None`: it is malformed, or has no end.
fn decode(wire: &[u8], pieces: usize, limits: &Limits) -> Option<(Vec<u8>, usize)> {
    let (mut chunked, mut body, mut at) = (Chunked::default(), Vec::new(), 0);
    while at < wire.len() {
        let piece = &wire[at..(at + pieces.max(1)).min(wire.len())];
        match chunked.decode(piece, limits).ok()? {
            Decoded::Framing(octets) => {
                assert!(octets > 0 && octets <= piece.len(), "no progress");
                at += octets;
            }
            Decoded::Data { skip, len } => {
                assert!(len > 0 && skip + len <= piece.len(), "no progress");
                body.extend_from_slice(&piece[skip..skip + len]);
                assert!(body.len() as u64 <= limits.body_bytes(), "more than the limit");
                at += skip + len;
            }
            Decoded::End(octets) => {
                chunked.trailers().ok()?;
                return Some((body, at + octets));
            }
        }
    }
    None
}

/// A head: found in pieces as in one; written again in its plainest form, it says the same.
pub fn head(data: &[u8]) {
    let Some((cut, wire)) = data.split_first() else { return };
    let limits = limits(*cut);
    let whole = Scanner::default().scan(wire, &limits);
    let (mut scanner, mut end) = (Scanner::default(), 0);
    let pieces = loop {
        end = (end + usize::from(*cut & 0x7f) + 1).min(wire.len());
        let scan = scanner.scan(&wire[..end], &limits);
        if scan != Ok(Scan::Partial) || end == wire.len() {
            break scan;
        }
    };
    assert_eq!(whole.map_err(|_| ()), pieces.map_err(|_| ()), "how a head is cut changes where it ends");
    let Ok(Scan::Complete { start, end }) = whole else { return };
    assert!(start < end && end <= wire.len() && end - start <= limits.head_bytes());
    let octets = Bytes::copy_from_slice(&wire[start..end]);
    let Some((read, parts)) = parse(&octets, &limits) else { return };
    let mut heads = Heads::default();
    assert!(heads.read(octets, &limits).is_ok(), "it was read before");
    if let Some((again, len)) = heads.again(&wire[start..], &limits) {
        let framing = |head: &Head| (head.length, head.persistent, head.expects_continue, head.upgrade);
        assert_eq!(
            (framing(again), len),
            (framing(&read), end - start),
            "it says another thing the second time"
        );
    }
    assert!(parts.headers.len() <= limits.headers() + 1, "more fields than the limit, and the Host");
    let mut plain = Vec::new();
    let version = if parts.version == Version::HTTP_10 { "1.0" } else { "1.1" };
    let _ = write!(plain, "{} {} HTTP/{version}\r\n", parts.method, parts.uri);
    for (name, value) in &parts.headers {
        plain.extend_from_slice(&[name.as_str().as_bytes(), b":", value.as_bytes(), b"\r\n"].concat());
    }
    plain.extend_from_slice(b"\r\n");
    let (again, parts_again) =
        parse(&Bytes::from(plain), &Limits::default()).expect("what was read can be read again");
    assert_eq!((&parts_again.method, &parts_again.uri), (&parts.method, &parts.uri));
    assert_eq!(parts_again.headers, parts.headers);
    assert_eq!((again.length, again.persistent), (read.length, read.persistent));
    assert_eq!(again.expects_continue, read.expects_continue);
}

/// A head that is served, with its fields, which are read later otherwise.
fn parse(octets: &Bytes, limits: &Limits) -> Option<(Head, Parts)> {
    let mut read = head::parse(octets, limits).ok().filter(|head| head.refused.is_none())?;
    let as_it_came = read.is_as_it_came();
    let mut parts = read.take_parts();
    if as_it_came {
        head::read_fields(octets, &mut parts.headers);
    }
    Some((read, parts))
}

/// A target, of a method that the first octet chooses, against a simpler reader; what is taken stays what it is.
pub fn target(data: &[u8]) {
    let Some((first, text)) = data.split_first() else { return };
    let method = [Method::GET, Method::OPTIONS, Method::CONNECT][usize::from(*first & 0x7f) % 3].clone();
    let limits = limits(*first);
    let read = target::parse(&Bytes::copy_from_slice(text), &method, &limits).ok();
    let read = read.filter(|target| target.refused.is_none()).map(|target| {
        let authority = target.authority.map(|authority| authority.as_bytes().to_vec());
        (target.uri.to_string().into_bytes(), authority)
    });
    let expected = reference::target(text, method.as_str().as_bytes(), &limits);
    assert_eq!(read, expected, "another reader finds another target");
    let Some((origin, authority)) = read else { return };
    let again = target::parse(&Bytes::from(origin.clone()), &method, &limits).expect("it was taken before");
    assert_eq!(again.uri.to_string().into_bytes(), origin);
    if let Some(authority) = authority {
        // Whoever reads it as a URL, which the crate `http` does not where a host has escapes, finds the same host.
        let url = [b"http://", &authority[..], b"/"].concat();
        if let Ok(url) = String::from_utf8_lossy(&url).parse::<http::Uri>() {
            assert_eq!(url.authority().map(|found| found.as_str().as_bytes()), Some(&authority[..]));
        }
    }
}

/// Fields that say how long a body is, a value a line: those that begin with `T` are Transfer-Encoding, the others
/// Content-Length.
pub fn lengths(data: &[u8]) {
    let Some((first, text)) = data.split_first() else { return };
    let version = if *first & 1 == 0 { Version::HTTP_11 } else { Version::HTTP_10 };
    let limits = limits(*first);
    let (mut said, mut lines) = (Said::default(), Vec::new());
    for line in text.split(|octet| *octet == b'\n').filter(|line| !line.is_empty()) {
        let name = if line[0] == b'T' { &b"Transfer-Encoding"[..] } else { b"content-length" };
        said.hear(name, &line[1..]);
        lines.push(Line { name: name.to_vec(), value: line[1..].to_vec() });
    }
    let read = length::of(&said, version, &limits).ok().map(|length| match length {
        BodyLength::Chunked => None,
        BodyLength::Exact(octets) => Some(octets),
    });
    let expected = reference::length(&lines, version == Version::HTTP_10, &limits);
    assert_eq!(read, expected, "another reader finds another length");
}

/// A head as HTTP/2 has it, a part a line: method, URI, then `name:value`. What the rules of HTTP/2 let through, HTTP/1.1 reads
/// in the same way: nothing gets further by speaking another version.
pub fn http2_rules(data: &[u8]) {
    let mut lines = data.split(|octet| *octet == b'\n');
    let (Some(method), Some(uri)) = (lines.next(), lines.next()) else { return };
    let mut request = Request::builder().method(method).uri(uri).version(Version::HTTP_2);
    for line in lines {
        let mut parts = line.splitn(2, |octet| *octet == b':');
        let (name, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        request = request.header(name, value);
    }
    let Ok(request) = request.body(()) else { return };
    let (mut parts, ()) = request.into_parts();
    let limits = Limits::default();
    if !check_http2(&mut parts, &limits) {
        return;
    }
    let mut plain = Vec::new();
    let _ = write!(plain, "{} {} HTTP/1.1\r\n", parts.method, parts.uri);
    for (name, value) in &parts.headers {
        plain.extend_from_slice(&[name.as_str().as_bytes(), b":", value.as_bytes(), b"\r\n"].concat());
    }
    plain.extend_from_slice(b"\r\n");
    let (_, read) = parse(&Bytes::from(plain), &limits).expect("HTTP/1.1 takes it as well");
    assert_eq!((&read.method, &read.uri), (&parts.method, &parts.uri));
    assert_eq!(read.headers, parts.headers);
}

/// Those of every server, or small ones that short inputs reach.
fn limits(choice: u8) -> Limits {
    if choice & 0x80 == 0 {
        return Limits::default();
    }
    Limits::default()
        .with_head_bytes(128)
        .with_headers(3)
        .with_url_bytes(16)
        .with_query_bytes(8)
        .with_body_bytes(20)
}
