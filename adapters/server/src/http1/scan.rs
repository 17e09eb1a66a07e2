//! Finds the end of a request's head, whatever the pieces it comes in.
//!
//! Each byte is looked at once, so that a head that comes byte by byte costs no more than one that comes at once.

use super::octets::is_token;
use super::reject::Reject;
use crate::Limits;
use http::StatusCode;
use memchr::memchr;

/// Where the search stands.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Scanner {
    /// Bytes that were looked at.
    at: usize,
    /// Where the current line begins.
    line: usize,
    /// Lines that have ended, the request line included; no empty one.
    lines: usize,
    /// Where the request line begins: behind an empty line.
    start: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scan {
    /// The head stands at this range; the body begins at its end.
    Complete {
        start: usize,
        end: usize,
    },
    Partial,
}

impl Scanner {
    /// Whether nothing was looked at yet.
    pub(crate) fn is_fresh(&self) -> bool {
        self.at == 0
    }

    /// Goes on with the search. `bytes` is all that has come since the request began, the earlier pieces included.
    ///
    /// Refuses as early as it can: a line without CR, a request line that is none, too many bytes or lines.
    pub(crate) fn scan(&mut self, bytes: &[u8], limits: &Limits) -> Result<Scan, Reject> {
        while let Some(found) = bytes.get(self.at..).and_then(line_feed) {
            let newline = self.at + found;
            // As if the octets had come one by one: no method is refused before too many octets, and what is beyond the
            // limit is not looked at.
            if self.lines == 0 {
                self.check_start(bytes)?;
            }
            self.within(newline + 1, limits)?;
            // RFC 9112 section 2.2 lets a recipient take a bare LF for a line end. Not all do, and smuggling lives on that.
            let Some(end) = newline.checked_sub(1).filter(|end| *end >= self.line && bytes[*end] == b'\r')
            else {
                return Err(Reject::bad("a line ends in LF without CR (RFC 9112 section 2.2)"));
            };
            self.at = newline + 1;
            if end > self.line {
                self.lines += 1;
                if self.lines > limits.headers() + 1 {
                    return Err(TOO_MANY_HEADERS);
                }
            } else if self.lines > 0 {
                return Ok(Scan::Complete { start: self.start, end: self.at });
            } else if self.start == 0 {
                // One empty line before a request is ignored: RFC 9112 section 2.2.
                self.start = self.at;
            } else {
                return Err(Reject::bad(
                    "more than one empty line before the request line (RFC 9112 section 2.2)",
                ));
            }
            self.line = self.at;
        }
        self.at = bytes.len();
        self.check_start(bytes)?;
        self.within(bytes.len(), limits)?;
        Ok(Scan::Partial)
    }

    /// What no method begins with is no request: a TLS handshake, say. Its client shall not wait for a timeout.
    fn check_start(&self, bytes: &[u8]) -> Result<(), Reject> {
        match bytes.get(self.start) {
            Some(first) if !(is_token(*first) || (self.start == 0 && *first == b'\r')) => {
                Err(Reject::bad("the request line does not begin with a method (RFC 9112 section 3.1)"))
            }
            _ => Ok(()),
        }
    }

    fn within(&self, len: usize, limits: &Limits) -> Result<(), Reject> {
        if len - self.start <= limits.head_bytes() {
            return Ok(());
        }
        // Without a line end, it is the request line that is too long, and in it the URL.
        Err(if self.lines == 0 { URI_TOO_LONG } else { HEAD_TOO_LARGE })
    }
}

/// Where the first one is. Most lines are short, and a call of `memchr` costs as much as looking at one of these.
fn line_feed(bytes: &[u8]) -> Option<usize> {
    let (near, far) = bytes.split_at(bytes.len().min(NEAR));
    let (words, rest) = near.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let differences = u64::from_le_bytes(*word) ^ LINE_FEEDS;
        // The high bit of each octet that differs; nothing is carried from one to the next.
        let others = ((differences & LOW_BITS) + LOW_BITS) | differences | LOW_BITS;
        if others != u64::MAX {
            return Some(8 * index + (!others).trailing_zeros() as usize / 8);
        }
    }
    match rest.iter().position(|byte| *byte == b'\n') {
        Some(at) => Some(8 * words.len() + at),
        None => memchr(b'\n', far).map(|at| near.len() + at),
    }
}

/// Octets that are looked at here.
const NEAR: usize = 64;
const LINE_FEEDS: u64 = u64::from_le_bytes([b'\n'; 8]);
const LOW_BITS: u64 = u64::from_le_bytes([0x7f; 8]);

pub(crate) const URI_TOO_LONG: Reject =
    Reject::new(StatusCode::URI_TOO_LONG, "the request line is longer than the limit of the head");
const HEAD_TOO_LARGE: Reject =
    Reject::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "the head has more bytes than the limit");
const TOO_MANY_HEADERS: Reject =
    Reject::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "the head has more header lines than the limit");

#[cfg(test)]
mod tests {
    use super::*;

    fn scan_in(pieces: usize, head: &[u8]) -> Result<Scan, Reject> {
        let (mut scanner, limits) = (Scanner::default(), Limits::default());
        let mut end = 0;
        loop {
            end = (end + pieces).min(head.len());
            let scan = scanner.scan(&head[..end], &limits)?;
            if scan != Scan::Partial || end == head.len() {
                return Ok(scan);
            }
        }
    }

    #[test]
    fn the_end_is_found_in_pieces_of_any_size() {
        let head = b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nbody\n";
        for pieces in 1..=head.len() {
            assert_eq!(scan_in(pieces, head), Ok(Scan::Complete { start: 2, end: 29 }), "{pieces}");
        }
    }

    #[test]
    fn line_feeds_are_found_wherever_they_are() {
        for other in (0..=u8::MAX).filter(|octet| *octet != b'\n') {
            let mut line = [other; 2 * NEAR + 3];
            for len in 0..line.len() {
                assert_eq!(line_feed(&line[..len]), None, "{other} {len}");
            }
            for at in (0..line.len()).rev() {
                // The first one counts: they are added from the end.
                line[at] = b'\n';
                assert_eq!(line_feed(&line), Some(at), "{other}");
                assert_eq!(line_feed(&line[..=at]), Some(at), "{other}");
                assert_eq!(line_feed(&line[..at]), None, "{other}");
            }
        }
    }

    #[test]
    fn what_cannot_become_a_request_is_refused_at_once() {
        for (head, status) in [
            (&b"GET / HTTP/1.1\n"[..], 400),
            (b"\n", 400),
            (b"\r\n\r\n", 400),
            (b"\x16\x03\x01", 400),
            (b" GET", 400),
            (b"GET / HTTP/1.1\r\nHost: a\n", 400),
        ] {
            for pieces in 1..=head.len() {
                let refused = scan_in(pieces, head).expect_err("it is refused");
                assert_eq!(refused.status.as_u16(), status, "{head:?}");
            }
        }
    }

    #[test]
    fn what_is_beyond_the_limit_is_not_looked_at_however_it_is_cut() {
        let mut head = b"GET / HTTP/1.1\r\na: ".to_vec();
        head.resize(Limits::default().head_bytes() + 10, b'a');
        head.push(b'\n');
        for pieces in [1, 4096, head.len()] {
            assert_eq!(scan_in(pieces, &head), Err(HEAD_TOO_LARGE), "{pieces}");
        }
    }

    #[test]
    fn limits_are_exact() {
        let limits = Limits::default();
        let mut head = b"GET / HTTP/1.1\r\n".to_vec();
        for _ in 0..limits.headers() {
            head.extend_from_slice(b"a: b\r\n");
        }
        let mut over = head.clone();
        head.extend_from_slice(b"\r\n");
        assert!(matches!(scan_in(7, &head), Ok(Scan::Complete { .. })));
        over.extend_from_slice(b"a: b\r\n");
        assert_eq!(scan_in(7, &over), Err(TOO_MANY_HEADERS));

        let mut long = vec![b'a'; limits.head_bytes()];
        assert_eq!(scan_in(4096, &long), Ok(Scan::Partial));
        long.push(b'a');
        assert_eq!(scan_in(4096, &long), Err(URI_TOO_LONG));
        let mut large = b"GET / HTTP/1.1\r\na: ".to_vec();
        large.resize(limits.head_bytes() + 1, b'a');
        assert_eq!(scan_in(4096, &large), Err(HEAD_TOO_LARGE));
    }
}
