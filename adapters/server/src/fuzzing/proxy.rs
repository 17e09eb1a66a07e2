//! The PROXY protocol's header: how it is cut changes nothing, and nothing behind it is touched.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context as Task, Poll, Waker};

use tokio::io::{AsyncRead, ReadBuf};

use crate::proxy;

/// The first octet says how many octets come at once.
pub fn proxy_protocol(data: &[u8]) {
    let Some((cut, octets)) = data.split_first() else { return };
    let (whole, behind) = read(octets, usize::MAX);
    let (in_pieces, behind_pieces) = read(octets, usize::from(*cut) + 1);
    assert_eq!(whole, in_pieces, "how a header is cut changes what it is");
    if whole.is_none() {
        // How much was read of what is none is nobody's: the connection is closed.
        return;
    }
    assert_eq!(behind.len(), behind_pieces.len(), "what is behind it is for others");
    let header = &octets[..octets.len() - behind.len()];
    if let Some(line) = header.strip_prefix(b"PROXY ") {
        assert!(line.ends_with(b"\r\n") && line.iter().filter(|octet| **octet == b'\n').count() == 1);
        assert!(header.len() <= 107, "section 2.1");
    } else {
        let length = usize::from(u16::from_be_bytes([header[14], header[15]]));
        assert!(header.starts_with(b"\r\n\r\n\0\r\nQUIT\n") && header.len() == 16 + length, "section 2.2");
    }
}

/// What it says, if it is sound, and what is left behind it.
fn read(octets: &[u8], at_once: usize) -> (Option<Option<proxy::Said>>, &[u8]) {
    let mut pieces = Pieces { octets, at_once };
    let read = pin!(proxy::read(&mut pieces)).poll(&mut Task::from_waker(Waker::noop()));
    let Poll::Ready(read) = read else { unreachable!("it waits for what is there") };
    (read.ok(), pieces.octets)
}

struct Pieces<'a> {
    octets: &'a [u8],
    at_once: usize,
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _task: &mut Task<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (piece, rest) = self.octets.split_at(into.remaining().min(self.at_once).min(self.octets.len()));
        into.put_slice(piece);
        self.octets = rest;
        Poll::Ready(Ok(()))
    }
}
