//! The next head: read where it has come, or known from before.

use bytes::Bytes;

use super::Wire;
use crate::http1::heads::Heads;
use crate::http1::length::BodyLength;
use crate::http1::reject::Reject;
use crate::http1::scan::{Scan, Scanner};
use crate::transport::Transport;

/// What has come of a head.
#[derive(Debug)]
pub(in super::super) enum Head {
    /// All of one: its request is the one that is served now.
    Request,
    /// More of it is needed.
    Partial,
    /// Seldom, so that the others fit into a register or two.
    Other(Box<Other>),
}

/// What begins no request here.
#[derive(Debug)]
pub(in super::super) enum Other {
    /// It asks for another protocol; here it is.
    Upgrade(Bytes),
    /// HTTP/2 from the first octet on; here are those that have been read.
    Http2(Bytes),
    Refused(Reject),
}

impl<T: Transport> Wire<T> {
    /// The next request, if all of its head is here; it is then under way.
    /// One that asks for another protocol stays where it is: whoever speaks HTTP/1.1 up to the change reads it again.
    #[inline]
    pub(in super::super) fn next_head(&mut self, heads: &mut Heads) -> Head {
        if self.scanner.is_fresh()
            && let Some((head, len)) = heads.again(self.input.octets(), &self.serving.limits)
        {
            self.input.skip(len);
            self.begin(head);
            return Head::Request;
        }
        match self.read_head(heads) {
            Ok(head) => head,
            Err(reject) => Head::Other(Box::new(Other::Refused(reject))),
        }
    }

    fn read_head(&mut self, heads: &mut Heads) -> Result<Head, Reject> {
        let limits = &self.serving.limits;
        let Scan::Complete { start, end } = self.scanner.scan(self.input.octets(), limits)? else {
            self.input.gather();
            return Ok(Head::Partial);
        };
        self.scanner = Scanner::default();
        self.input.skip(start);
        let octets = self.input.copy(end - start);
        if !T::ENCRYPTED && std::mem::take(&mut self.fresh) && start == 0 && octets[..] == *PREFACE {
            return Ok(Head::Other(Box::new(Other::Http2(octets))));
        }
        let head = heads.read(octets, limits)?;
        if head.upgrade && head.length == BodyLength::Exact(0) {
            return Ok(match heads.take_octets() {
                Some(octets) => Head::Other(Box::new(Other::Upgrade(octets))),
                None => Head::Partial,
            });
        }
        self.begin(head);
        Ok(Head::Request)
    }
}

/// What HTTP/2 begins with, and nothing before it, up to its first empty line: RFC 9113 section 3.4.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\n";
