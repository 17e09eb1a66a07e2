//! The heads of a connection, one after the other. One that comes again is not read again: many clients ask for the same
//! thing in the same words, over and over.

use bivalve_core::UnreadHead;
use bytes::Bytes;
use http::request::Parts;

use super::head::{self, Head};
use super::reject::Reject;
use crate::Limits;

/// The head that is served, and the octets of the last one, if that was short.
///
/// Octets that are the same say the same, so no rule is looser for it. They are those of one connection only, and kept for as
/// long as requests come on it.
#[derive(Debug, Default)]
pub(crate) struct Heads {
    served: Option<(Bytes, Head)>,
    /// Of a sound head that has come once; empty without one.
    last: Vec<u8>,
    /// The last head has come a second time: it is the one that is served, and stays, in memory of its own, so that nothing of
    /// another request stays with it.
    repeats: bool,
    /// The kept head has been taken before.
    taken: bool,
}

/// What a pipeline begins with.
pub(crate) enum Taken {
    Unread(UnreadHead),
    /// With headers that are not as they came: seldom.
    Read(Box<Parts>),
}

impl Heads {
    /// The head and its length, if what has come begins with the octets of the last one. Nothing of it may have been scanned.
    pub(crate) fn again(&mut self, received: &[u8], limits: &Limits) -> Option<(&Head, usize)> {
        let last = match &self.served {
            Some((octets, _)) if self.repeats => &octets[..],
            _ => &self.last[..],
        };
        if last.is_empty() || !are_same(received.get(..last.len())?, last) {
            return None;
        }
        if !self.repeats {
            let octets = Bytes::from(std::mem::take(&mut self.last));
            let head = head::parse(&octets, limits).ok()?;
            self.served = Some((octets, head));
            (self.repeats, self.taken) = (true, false);
        }
        self.served.as_ref().map(|(octets, head)| (head, octets.len()))
    }

    /// Reads a complete head, as [`Scanner`](super::scan::Scanner) found it.
    pub(crate) fn read(&mut self, octets: Bytes, limits: &Limits) -> Result<&Head, Reject> {
        self.repeats = false;
        self.last.clear();
        let head = head::parse(&octets, limits)?;
        if octets.len() <= LONGEST && head.is_as_it_came() && head.refused.is_none() {
            self.last.extend_from_slice(&octets);
        }
        Ok(&self.served.insert((octets, head)).1)
    }

    /// Why the request is refused, if it is sound, and too large.
    pub(crate) fn refused(&self) -> Option<Reject> {
        self.served.as_ref().and_then(|(_, head)| head.refused)
    }

    /// Whether the request that was [taken](Self::take) last has the head of this one.
    pub(crate) fn was_taken(&self) -> bool {
        self.repeats && self.taken
    }

    /// The request.
    pub(crate) fn take(&mut self) -> Option<Taken> {
        if self.repeats {
            self.taken = true;
            let (octets, head) = self.served.as_ref()?;
            return Some(Taken::Unread(UnreadHead {
                method: head.method.clone(),
                url: head.uri.clone(),
                version: head.version,
                headers: head::unread(octets.clone()),
            }));
        }
        let (octets, mut head) = self.served.take()?;
        if !head.is_as_it_came() {
            return Some(Taken::Read(Box::new(head.take_parts())));
        }
        Some(Taken::Unread(UnreadHead {
            method: head.method,
            url: head.uri,
            version: head.version,
            headers: head::unread(octets),
        }))
    }

    /// Lets go of everything.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Its octets, for who reads them by other rules.
    pub(crate) fn take_octets(&mut self) -> Option<Bytes> {
        std::mem::take(self).served.map(|(octets, _)| octets)
    }
}

/// Looks at all octets, however early they differ: behind a proxy, one connection has requests of many, and how long this
/// takes shall not tell one of them how much of another's cookie was guessed.
fn are_same(these: &[u8], those: &[u8]) -> bool {
    let ((these, end), (those, other_end)) = (these.as_chunks::<8>(), those.as_chunks::<8>());
    let words = these.iter().zip(those);
    let word =
        words.fold(0, |found, (one, other)| found | (u64::from_ne_bytes(*one) ^ u64::from_ne_bytes(*other)));
    let rest = end.iter().zip(other_end).fold(0, |found, (one, other)| found | (one ^ other));
    these.len() == those.len() && end.len() == other_end.len() && word == 0 && rest == 0
}

/// Octets of a head that is kept.
const LONGEST: usize = 1024;

#[cfg(test)]
mod tests {
    use http::{Method, Uri};

    use super::*;

    const HEAD: &[u8] = b"PUT /a?b HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\n\r\n";

    fn having_read(head: &[u8]) -> Heads {
        let mut heads = Heads::default();
        heads.read(Bytes::copy_from_slice(head), &Limits::default()).expect("it is sound");
        heads
    }

    fn comes_again(heads: &mut Heads, received: &[u8]) -> bool {
        heads.again(received, &Limits::default()).is_some()
    }

    #[test]
    fn the_same_octets_are_the_same_head() {
        let mut heads = having_read(HEAD);
        let received = [HEAD, b"bodyPUT /a?b HTTP/1.1"].concat();
        let fresh = head::parse(&Bytes::from_static(HEAD), &Limits::default()).expect("it is sound");
        for time in 0..4 {
            if time > 0 {
                let (head, len) = heads.again(&received, &Limits::default()).expect("it comes again");
                assert_eq!((format!("{head:?}"), len), (format!("{fresh:?}"), HEAD.len()));
            }
            let Some(Taken::Unread(taken)) = heads.take() else { panic!("it is as it came") };
            assert_eq!((taken.method, taken.url), (Method::PUT, Uri::from_static("/a?b")));
        }
    }

    #[test]
    fn another_octet_anywhere_is_another_head() {
        let mut heads = having_read(HEAD);
        for at in 0..HEAD.len() {
            let mut other = HEAD.to_vec();
            other[at] ^= 0x20;
            assert!(!comes_again(&mut heads, &other), "{at}");
            assert!(!comes_again(&mut heads, &HEAD[..at]), "{at}");
        }
        assert!(comes_again(&mut heads, HEAD));
        assert!(!comes_again(&mut Heads::default(), b""));
    }

    #[test]
    fn only_the_last_head_is_kept_and_none_that_is_long_refused_or_changed() {
        let get =
            |path: &str, host: &str| format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n").into_bytes();
        let long = get("/", &"h".repeat(LONGEST));
        let refused = b"PUT / HTTP/1.1\r\nhost: h\r\ncontent-length: 30000001\r\n\r\n".to_vec();
        let malformed = get("/", "");
        let changed = get("http://b/", "a");
        for (other, is_kept) in
            [(get("/", "h"), true), (long, false), (refused, false), (malformed, false), (changed, false)]
        {
            let mut heads = having_read(HEAD);
            assert!(comes_again(&mut heads, HEAD));
            let _ = heads.read(Bytes::from(other.clone()), &Limits::default());
            assert_eq!(comes_again(&mut heads, &other), is_kept);
            assert!(!comes_again(&mut heads, HEAD));
        }
    }
}
