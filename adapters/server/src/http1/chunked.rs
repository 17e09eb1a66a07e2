//! The chunked coding, read: RFC 9112 section 7.1.
//!
//! A state machine over octets: how the body is cut into pieces on the wire changes nothing.

use bytes::BytesMut;
use http::StatusCode;
use http::header::HeaderMap;

use super::length::TOO_LARGE;
use super::octets::is_value;
use super::reject::Reject;
use super::trailers;
use crate::Limits;
use crate::limits::{CHUNK_OVERHEAD, CHUNK_OVERHEAD_PER_BYTE};

/// Reads one chunked body.
#[derive(Debug, Default)]
pub(crate) struct Chunked {
    state: State,
    /// Bytes of the chunk that are still to come; its size, while that is read.
    left: u64,
    /// Bytes of body so far.
    body: u64,
    /// Bytes of sizes, extensions and line ends so far.
    overhead: u64,
    trailers: BytesMut,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Before the first digit of a size.
    #[default]
    Size,
    /// Behind so many digits.
    Digits(u8),
    /// White space behind a size, which an extension must follow.
    Space,
    Extension,
    /// The LF of the line of a size.
    SizeEnd,
    Data,
    /// The CR, then the LF, behind the data.
    DataCr,
    DataLf,
    /// A trailer line begins.
    Line,
    /// In a trailer line.
    Trailer,
    /// The LF of a trailer line.
    TrailerLf,
    /// The LF of the empty line at the end.
    LastLf,
    Done,
}

/// What the next octets mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decoded {
    /// So many were framing, and what follows is not known yet: read on, or ask for more.
    Framing(usize),
    /// Behind so many of framing stand so many of body.
    Data { skip: usize, len: usize },
    /// The body ends behind so many.
    End(usize),
}

impl Chunked {
    /// Bytes of body so far.
    pub(crate) fn octets(&self) -> u64 {
        self.body
    }

    /// The trailers, once the end was read; those that may not stand in a trailer section are left out.
    pub(crate) fn trailers(&mut self) -> Result<HeaderMap, Reject> {
        trailers::parse(&std::mem::take(&mut self.trailers))
    }

    /// Reads on. What it reports is consumed.
    pub(crate) fn decode(&mut self, input: &[u8], limits: &Limits) -> Result<Decoded, Reject> {
        for (at, byte) in input.iter().copied().enumerate() {
            if self.state == State::Data {
                return Ok(self.data(at, input.len() - at));
            }
            self.overhead += 1;
            if self.overhead > CHUNK_OVERHEAD + self.body * CHUNK_OVERHEAD_PER_BYTE {
                return Err(Reject::bad("a chunked body of almost nothing but sizes and extensions"));
            }
            self.state = self.framing(byte, limits)?;
            if self.state == State::Done {
                return Ok(Decoded::End(at + 1));
            }
        }
        Ok(Decoded::Framing(input.len()))
    }

    fn data(&mut self, skip: usize, available: usize) -> Decoded {
        let len = usize::try_from(self.left).map_or(available, |left| left.min(available));
        self.left -= len as u64;
        self.body += len as u64;
        if self.left == 0 {
            self.state = State::DataCr;
        }
        Decoded::Data { skip, len }
    }

    fn framing(&mut self, byte: u8, limits: &Limits) -> Result<State, Reject> {
        Ok(match (self.state, byte) {
            (State::Size, _) => {
                self.left = digit(byte)?;
                State::Digits(1)
            }
            (State::Digits(_) | State::Space, b';') => State::Extension,
            (State::Digits(_) | State::Space, b' ' | b'\t') => State::Space,
            (State::Digits(_) | State::Extension, b'\r') => State::SizeEnd,
            (State::Digits(count), _) => {
                // Sixteen digits are 64 bits.
                if count == 16 {
                    return Err(Reject::bad("a chunk size that no number holds (RFC 9112 section 7.1)"));
                }
                self.left = self.left << 4 | digit(byte)?;
                State::Digits(count + 1)
            }
            (State::Extension, _) if is_value(byte) => State::Extension,
            (State::SizeEnd, b'\n') if self.left == 0 => State::Line,
            (State::SizeEnd, b'\n') => {
                if self.left > limits.body_bytes().saturating_sub(self.body) {
                    return Err(TOO_LARGE);
                }
                State::Data
            }
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Size,
            (State::Line, b'\r') => State::LastLf,
            (State::Trailer, b'\r') => State::TrailerLf,
            (State::Line | State::Trailer, _) if is_value(byte) => {
                self.keep(byte, limits)?;
                State::Trailer
            }
            (State::TrailerLf, b'\n') => {
                self.keep(b'\r', limits)?;
                self.keep(b'\n', limits)?;
                State::Line
            }
            (State::LastLf, b'\n') => State::Done,
            (State::Space, _) => {
                return Err(Reject::bad(
                    "white space behind a chunk size, and no extension (RFC 9112 section 7.1.1)",
                ));
            }
            (State::Extension | State::SizeEnd, _) => {
                return Err(Reject::bad(
                    "the line of a chunk size has a control character or no CR LF (RFC 9112 section 7.1)",
                ));
            }
            (State::DataCr | State::DataLf, _) => {
                return Err(Reject::bad("a chunk is longer than its size says (RFC 9112 section 7.1)"));
            }
            _ => return Err(Reject::bad("the trailer section is malformed (RFC 9112 section 7.1.2)")),
        })
    }

    fn keep(&mut self, byte: u8, limits: &Limits) -> Result<(), Reject> {
        if self.trailers.len() >= limits.head_bytes() {
            return Err(Reject::new(
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "the trailer section has more bytes than the limit of the head",
            ));
        }
        self.trailers.extend_from_slice(&[byte]);
        Ok(())
    }
}

fn digit(byte: u8) -> Result<u64, Reject> {
    char::from(byte)
        .to_digit(16)
        .map(u64::from)
        .ok_or(Reject::bad("a chunk size that is no hexadecimal number (RFC 9112 section 7.1)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The body, and what was left behind it.
    fn read_in(pieces: usize, wire: &[u8]) -> Result<(Vec<u8>, usize, HeaderMap), Reject> {
        let (mut chunked, mut body, limits) = (Chunked::default(), Vec::new(), Limits::default());
        let mut at = 0;
        while at < wire.len() {
            let piece = &wire[at..(at + pieces).min(wire.len())];
            match chunked.decode(piece, &limits)? {
                Decoded::Framing(n) => at += n,
                Decoded::Data { skip, len } => {
                    body.extend_from_slice(&piece[skip..skip + len]);
                    at += skip + len;
                }
                Decoded::End(n) => return Ok((body, wire.len() - at - n, chunked.trailers()?)),
            }
        }
        Err(Reject::bad("it has no end"))
    }

    #[test]
    fn how_a_body_is_cut_changes_nothing() {
        let wire =
            b"5\r\nHello\r\n7;a=b;c=\"d;\"\r\n World!\r\nA \t;x\r\n0123456789\r\n000\r\nX-Sum: 1\r\n\r\nGET";
        for pieces in 1..=wire.len() {
            let (body, left, trailers) = read_in(pieces, wire).expect("it is sound");
            assert_eq!((&body[..], left), (&b"Hello World!0123456789"[..], 3), "{pieces}");
            assert_eq!(trailers["x-sum"], "1");
        }
    }

    #[test]
    fn malformed_chunks_are_refused_however_they_are_cut() {
        for wire in [
            &b"\r\n"[..],
            b"-1\r\n",
            b"+5\r\n",
            b"0x5\r\n",
            b" 5\r\nHello",
            b"5 \r\nHello",
            b"5\nHello",
            b"5\r\rHello",
            b"5\r\nHello World\r\n",
            b"5\r\nHello\n0\r\n\r\n",
            b"5\r\nHello\r0\r\n\r\n",
            b"5;a\nb\r\nHello",
            b"5;a\rb\r\nHello",
            b"5;a\0\r\nHello",
            b"10000000000000000\r\n",
            b"ffffffffffffffff\r\n",
            b"1c9c381\r\n",
            b"0\r\nX: 1\n\r\n",
            b"0\r\nX: \x01\r\n\r\n",
            b"0\r\nbroken\r\n\r\n",
            b"0\r\n X: 1\r\n\r\n",
            b"0\r\n\n",
        ] {
            for pieces in 1..=wire.len() {
                assert!(
                    read_in(pieces, wire).is_err_and(|reject| reject.why != "it has no end"),
                    "{wire:?} in {pieces}"
                );
            }
        }
    }

    #[test]
    fn overhead_is_bounded() {
        let mut wire = b"1".to_vec();
        wire.push(b';');
        wire.resize(70_000, b'a');
        assert!(read_in(4096, &wire).is_err_and(|reject| reject.why.contains("extensions")));
        let tiny = [&b"1\r\na\r\n".repeat(100_000)[..], b"0\r\n\r\n"].concat();
        assert_eq!(read_in(4096, &tiny).map(|(body, ..)| body.len()), Ok(100_000));
    }

    #[test]
    fn trailers_are_bounded() {
        let mut wire = b"0\r\nx: ".to_vec();
        wire.resize(20_000, b'a');
        assert_eq!(read_in(4096, &wire).map_err(|reject| reject.status.as_u16()).err(), Some(431));
    }
}
