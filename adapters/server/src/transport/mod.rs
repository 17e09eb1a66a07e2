//! What carries a connection's octets.

mod driven;

use std::fmt;
use std::io;
use std::ops::Deref;
use std::task::{Context as Task, Poll};

use bivalve_core::{CompletionStatus, EntityChunk, Lease};
use bytes::{Buf, Bytes};

pub(crate) use self::driven::Driven;

/// A connection's octets, both ways. One send at a time.
pub(crate) trait Transport: Send + 'static {
    /// The next octets. `None`: the client has finished; asked again, it says so again.
    fn poll_receive(&mut self, task: &mut Task<'_>) -> Poll<Option<io::Result<Piece>>>;

    /// Starts to send. It goes on whether or not anybody asks.
    fn start_send(&mut self, chunks: Vec<EntityChunk>);

    /// How the send ended, and its memory.
    fn poll_send(&mut self, task: &mut Task<'_>) -> Poll<(CompletionStatus, Vec<EntityChunk>)>;

    /// Finishes the sending half, behind what was sent.
    fn poll_shutdown(&mut self, task: &mut Task<'_>) -> Poll<()>;

    /// From here on, closing tells the client that something is missing.
    fn reset(&mut self);
}

/// Octets that were received.
pub(crate) enum Piece {
    Bytes(Bytes),
    Lease(Lease),
}

impl Piece {
    /// Forgets the first octets.
    pub(crate) fn advance(&mut self, octets: usize) {
        match self {
            Self::Bytes(bytes) => bytes.advance(octets),
            Self::Lease(lease) => lease.advance(octets),
        }
    }
}

impl Deref for Piece {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Lease(lease) => lease,
        }
    }
}

impl fmt::Debug for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Piece({} octets)", self.len())
    }
}
