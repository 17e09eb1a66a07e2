//! A response on its way out: status line, headers, and how its body is framed.

use bivalve_core::{EntityChunk, ResponseHead};
use bytes::BytesMut;
use http::header::{self, HeaderMap, HeaderName};
use http::{HeaderValue, Method, StatusCode, Version};

use super::head::Head;
use super::output::Output;
use super::said::members;
use super::{date, trailers};

/// What a response has to know of its request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    head: bool,
    old: bool,
    takes_trailers: bool,
    /// Another request may follow on the connection.
    pub(crate) persistent: bool,
}

impl Asked {
    /// By what was no request.
    pub(crate) const UNKNOWN: Self =
        Self { head: false, old: false, takes_trailers: false, persistent: false };

    pub(crate) fn of(head: &Head) -> Self {
        Self {
            head: head.method == Method::HEAD,
            old: head.version < Version::HTTP_11,
            takes_trailers: head.takes_trailers,
            persistent: head.persistent,
        }
    }
}

/// Writes one response: the head, then the body in parts, then the end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Encoder {
    framing: Framing,
    takes_trailers: bool,
    /// The connection ends with this response.
    pub(crate) close: bool,
}

/// How the client knows where the body ends: RFC 9112 section 6.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// There is none, whatever the handler wrote: an answer to HEAD, 204, 304.
    Bodiless,
    Chunked,
    /// So many bytes are still to come.
    Exact(u64),
    /// By the end of the connection: HTTP/1.0.
    UntilClose,
}

/// A body that is not as long as its head said: what follows it on the connection would be taken for its rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WrongLength;

impl Encoder {
    /// Writes the head, and puts the encoder in its place. `first`: bytes of body that come with it; `end`: those are all.
    pub(crate) fn begin<'e>(
        place: &'e mut Option<Self>,
        out: &mut Output,
        head: &ResponseHead,
        asked: Asked,
        first: u64,
        end: bool,
    ) -> &'e mut Self {
        let ResponseHead { status, headers, .. } = head;
        let status = *status;
        let mut lines = Lines::default();
        let told = match status {
            // Nearly all that is written is written there.
            StatusCode::OK if headers.is_empty() => {
                lines.push(OK);
                Told::default()
            }
            _ => {
                let text = out.text();
                status_line(text, status);
                fields(text, headers)
            }
        };
        let Told { announced, close, upgrade, dated } = told;
        // RFC 9110 sections 6.4.1, 15.3.5, 15.4.5. A 101 of a module is the end of what can be said on this connection.
        let never =
            status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let (framing, length) = match (end, announced) {
            _ if never => (Framing::Bodiless, announced.filter(|_| status == StatusCode::NOT_MODIFIED)),
            // What the answer to GET would have: what was written, or what the handler says.
            (true, said) if asked.head => (Framing::Bodiless, if first > 0 { Some(first) } else { said }),
            (false, said) if asked.head => (Framing::Bodiless, said.filter(|_| first == 0)),
            (true, _) => (Framing::Exact(first), Some(first)),
            // Modules that wrote before the rest have changed the length that was announced.
            (false, Some(length)) if first == 0 => (Framing::Exact(length), Some(length)),
            (false, _) if asked.old => (Framing::UntilClose, None),
            (false, _) => (Framing::Chunked, None),
        };
        let close = !asked.persistent || framing == Framing::UntilClose || status.is_informational() || close;
        if let Some(length) = length {
            lines.content_length(length);
        }
        if framing == Framing::Chunked {
            lines.push(b"transfer-encoding: chunked\r\n");
        }
        // RFC 9110 section 7.8: who names protocols says so here.
        match (close, upgrade && status == StatusCode::UPGRADE_REQUIRED) {
            (true, true) => lines.push(b"connection: close, upgrade\r\n"),
            (true, false) => lines.push(b"connection: close\r\n"),
            (false, true) => lines.push(b"connection: upgrade\r\n"),
            // RFC 9112 sections 9.3 and 9.6.
            (false, false) if asked.old => lines.push(b"connection: keep-alive\r\n"),
            (false, false) => {}
        }
        if !dated {
            out.with_date(|line| lines.push(line));
        }
        lines.push(b"\r\n");
        out.text().extend_from_slice(lines.octets());
        place.insert(Self { framing, takes_trailers: asked.takes_trailers, close })
    }

    /// Writes a part of the body, so many octets in all. What it does not take is copied.
    pub(crate) fn body(
        &mut self,
        out: &mut Output,
        chunks: &mut [EntityChunk],
        length: u64,
    ) -> Result<(), WrongLength> {
        match &mut self.framing {
            _ if length == 0 => return Ok(()),
            Framing::Bodiless => return Ok(()),
            Framing::Exact(left) => *left = left.checked_sub(length).ok_or(WrongLength)?,
            Framing::Chunked => {
                hexadecimal(out.text(), length);
                out.text().extend_from_slice(b"\r\n");
            }
            Framing::UntilClose => {}
        }
        for chunk in chunks {
            out.push(chunk);
        }
        if self.framing == Framing::Chunked {
            out.text().extend_from_slice(b"\r\n");
        }
        Ok(())
    }

    /// Writes the end.
    pub(crate) fn end(&mut self, out: &mut Output, trailers: Option<&HeaderMap>) -> Result<(), WrongLength> {
        match self.framing {
            Framing::Bodiless | Framing::UntilClose | Framing::Exact(0) => {}
            Framing::Exact(_) => return Err(WrongLength),
            Framing::Chunked => {
                let text = out.text();
                text.extend_from_slice(b"0\r\n");
                // RFC 9110 section 6.5.1: to a client that has not said that it reads them, they may be lost.
                if let Some(trailers) = trailers.filter(|_| self.takes_trailers) {
                    for (name, value) in trailers.iter().filter(|(name, _)| trailers::may_trail(name)) {
                        field(text, name.as_str().as_bytes(), value);
                    }
                }
                text.extend_from_slice(b"\r\n");
            }
        }
        Ok(())
    }
}

/// What the fields of a response say that this file acts on.
#[derive(Default)]
struct Told {
    /// The length that the head announces: one number, or none.
    announced: Option<u64>,
    close: bool,
    upgrade: bool,
    dated: bool,
}

fn status_line(text: &mut BytesMut, status: StatusCode) {
    if status == StatusCode::OK {
        return text.extend_from_slice(OK);
    }
    text.extend_from_slice(b"HTTP/1.1 ");
    text.extend_from_slice(status.as_str().as_bytes());
    text.extend_from_slice(b" ");
    text.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    text.extend_from_slice(b"\r\n");
}

const OK: &[u8; 17] = b"HTTP/1.1 200 OK\r\n";

/// Writes all fields but those that frame the message or speak of the connection, which are this file's.
fn fields(text: &mut BytesMut, headers: &HeaderMap) -> Told {
    let mut told = Told::default();
    let mut lengths = 0;
    for (name, value) in headers {
        match *name {
            header::CONTENT_LENGTH => {
                lengths += 1;
                told.announced = number(value).filter(|_| lengths == 1);
            }
            header::CONNECTION => {
                told.close |= members(value.as_bytes()).any(|option| option.eq_ignore_ascii_case(b"close"));
            }
            header::TRANSFER_ENCODING | header::TE => {}
            _ if *name == KEEP_ALIVE || *name == PROXY_CONNECTION => {}
            _ => {
                told.dated |= *name == header::DATE;
                told.upgrade |= *name == header::UPGRADE;
                field(text, name.as_str().as_bytes(), value);
            }
        }
    }
    told
}

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Digits only: `parse` takes a sign, and others do not.
fn number(value: &HeaderValue) -> Option<u64> {
    let digits = value.as_bytes().iter().all(u8::is_ascii_digit);
    value.to_str().ok().filter(|_| digits)?.parse().ok()
}

fn field(text: &mut BytesMut, name: &[u8], value: &HeaderValue) {
    text.reserve(name.len() + value.len() + 4);
    text.extend_from_slice(name);
    text.extend_from_slice(b": ");
    text.extend_from_slice(value.as_bytes());
    text.extend_from_slice(b"\r\n");
}

/// Lines that are gathered here and appended at once: the last ones of a head, and where it has no others the first one.
struct Lines {
    octets: [u8; LINES],
    len: usize,
}

/// The longest lines of each kind, and the empty one.
const LINES: usize = OK.len() + 16 + DIGITS + 2 + 28 + 28 + date::LINE + 2;

/// Of the largest number.
const DIGITS: usize = 20;

impl Default for Lines {
    fn default() -> Self {
        Self { octets: [0; LINES], len: 0 }
    }
}

impl Lines {
    fn octets(&self) -> &[u8] {
        &self.octets[..self.len]
    }

    fn push<const N: usize>(&mut self, line: &[u8; N]) {
        self.octets[self.len..self.len + N].copy_from_slice(line);
        self.len += N;
    }

    fn content_length(&mut self, number: u64) {
        self.push(b"content-length: ");
        let digits = number.checked_ilog10().unwrap_or_default() as usize + 1;
        let mut rest = number;
        for octet in self.octets[self.len..self.len + digits].iter_mut().rev() {
            *octet = b'0' + u8::try_from(rest % 10).unwrap_or_default();
            rest /= 10;
        }
        self.len += digits;
        self.push(b"\r\n");
    }
}

fn hexadecimal(text: &mut BytesMut, number: u64) {
    let digits = (64 - number.leading_zeros()).div_ceil(4).max(1);
    for digit in (0..digits).rev() {
        text.extend_from_slice(&[b"0123456789abcdef"[(number >> (digit * 4) & 15) as usize]]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: Asked = Asked { head: false, old: false, takes_trailers: false, persistent: true };

    fn head(status: u16, fields: &[(&'static str, &'static str)]) -> ResponseHead {
        let mut head = ResponseHead {
            status: StatusCode::from_u16(status).expect("a status"),
            ..ResponseHead::default()
        };
        head.headers.insert("date", HeaderValue::from_static("now"));
        for (name, value) in fields {
            head.headers.append(*name, HeaderValue::from_static(value));
        }
        head
    }

    /// The whole response, as it leaves: a part with the head, and perhaps a second one.
    fn written(
        head: &ResponseHead,
        asked: Asked,
        parts: &[&'static str],
    ) -> Result<(String, bool), WrongLength> {
        let mut out = Output::default();
        let chunks = |part: &&'static str| vec![EntityChunk::from(*part)];
        let (first, more) = parts.split_first().map_or(("", parts), |(first, more)| (*first, more));
        let mut place = None;
        let encoder = Encoder::begin(&mut place, &mut out, head, asked, first.len() as u64, more.is_empty());
        encoder.body(&mut out, &mut chunks(&first), first.len() as u64)?;
        for part in more {
            encoder.body(&mut out, &mut chunks(part), part.len() as u64)?;
        }
        encoder.end(&mut out, None)?;
        Ok((out.take_text(), encoder.close))
    }

    #[test]
    fn bodies_are_framed_by_what_is_known() {
        let plain = head(200, &[]);
        let (text, close) = written(&plain, ASKED, &["Hello"]).expect("it fits");
        assert_eq!(text, "HTTP/1.1 200 OK\r\ndate: now\r\ncontent-length: 5\r\n\r\nHello");
        assert!(!close);
        let (text, _) = written(&plain, ASKED, &["Hello", " World!", ""]).expect("it fits");
        assert_eq!(
            text,
            "HTTP/1.1 200 OK\r\ndate: now\r\ntransfer-encoding: chunked\r\n\r\n5\r\nHello\r\n7\r\n World!\r\n0\r\n\r\n"
        );
        let old = Asked { old: true, persistent: false, ..ASKED };
        let (text, close) = written(&plain, old, &["Hello", " World!"]).expect("it fits");
        assert_eq!(text, "HTTP/1.1 200 OK\r\ndate: now\r\nconnection: close\r\n\r\nHello World!");
        assert!(close);
    }

    #[test]
    fn an_announced_length_is_kept_or_the_response_fails() {
        let announced = head(200, &[("content-length", "12")]);
        let (text, _) = written(&announced, ASKED, &["", "Hello", " World!"]).expect("it fits");
        assert!(text.ends_with("content-length: 12\r\n\r\nHello World!"), "{text}");
        assert_eq!(written(&announced, ASKED, &["", "Hello"]), Err(WrongLength));
        assert_eq!(written(&announced, ASKED, &["", "Hello World!!"]), Err(WrongLength));
        let (text, _) = written(&announced, ASKED, &["Hello", "!"]).expect("a module wrote first");
        assert!(text.contains("chunked") && !text.contains("content-length"), "{text}");
    }

    #[test]
    fn answers_without_a_body_have_none() {
        let asked = Asked { head: true, ..ASKED };
        let (text, _) = written(&head(200, &[]), asked, &["Hello"]).expect("it fits");
        assert!(text.ends_with("content-length: 5\r\n\r\n"), "{text}");
        let (text, _) = written(&head(200, &[("content-length", "7")]), asked, &[]).expect("it fits");
        assert!(text.ends_with("content-length: 7\r\n\r\n"), "{text}");
        let (text, _) = written(&head(204, &[("content-length", "7")]), ASKED, &["x"]).expect("it fits");
        assert_eq!(text, "HTTP/1.1 204 No Content\r\ndate: now\r\n\r\n");
        let (text, _) = written(&head(304, &[("content-length", "7")]), ASKED, &[]).expect("it fits");
        assert!(text.ends_with("content-length: 7\r\n\r\n"), "{text}");
    }

    #[test]
    fn hop_by_hop_fields_of_modules_do_not_leave() {
        let fields = [
            ("transfer-encoding", "gzip"),
            ("connection", "close, x-a"),
            ("keep-alive", "timeout=5"),
            ("content-length", "1, 2"),
        ];
        let (text, close) = written(&head(200, &fields), ASKED, &["Hello"]).expect("it fits");
        assert_eq!(
            text,
            "HTTP/1.1 200 OK\r\ndate: now\r\ncontent-length: 5\r\nconnection: close\r\n\r\nHello"
        );
        assert!(close);
    }

    #[test]
    fn the_longest_head_has_room() {
        let mut none = ResponseHead { status: StatusCode::UPGRADE_REQUIRED, ..ResponseHead::default() };
        none.headers.insert("upgrade", HeaderValue::from_static("h2c"));
        let closing = Asked { persistent: false, ..ASKED };
        let mut out = Output::default();
        Encoder::begin(&mut None, &mut out, &none, closing, u64::MAX, true);
        let text = out.take_text();
        assert!(
            text.contains("content-length: 18446744073709551615\r\nconnection: close, upgrade\r\ndate: ")
        );
        assert!(text.ends_with(" GMT\r\n\r\n"), "{text}");
    }

    #[test]
    fn numbers_are_written() {
        for number in [0, 1, 9, 10, 15, 16, 99, 100, 255, 256, 4096, u64::MAX] {
            let (mut ten, mut sixteen) = (Lines::default(), BytesMut::new());
            ten.content_length(number);
            hexadecimal(&mut sixteen, number);
            assert_eq!(ten.octets(), format!("content-length: {number}\r\n").as_bytes());
            assert_eq!(sixteen, format!("{number:x}"));
        }
    }
}
