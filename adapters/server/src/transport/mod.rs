//! What carries a connection's octets.

mod driven;
mod large;
mod piece;
mod prefixed;
mod receiving;
mod socket;
mod streamed;

use std::io;
use std::task::{Context as Task, Poll};

use bivalve_core::{CompletionStatus, EntityChunk};
use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite};

pub(crate) use self::driven::Driven;
pub(crate) use self::piece::Piece;
pub(crate) use self::prefixed::Prefixed;
pub(crate) use self::socket::Socket;
pub(crate) use self::streamed::{Abort, Streamed};

/// A connection's octets, both ways. One send at a time.
pub(crate) trait Transport: Send + Sync + 'static {
    /// Whether a send that was started goes on by itself. Where it does not, it goes on while somebody
    /// [asks](Self::poll_send).
    const EAGER: bool;

    /// Whether the client said before what it speaks: by ALPN (RFC 9113 section 3.2), and not by beginning to.
    const ENCRYPTED: bool;

    /// What is left of it while a connection sleeps.
    type Folded: Send + 'static;

    /// Leaves out what only a request needs.
    fn fold(self) -> Self::Folded;

    /// As it was.
    fn unfold(folded: Self::Folded) -> Self;

    /// So many octets of a body are still to come, as far as that is known: whether larger buffers are worth it.
    fn expect(&mut self, _octets: u64) {}

    /// No request has come for a while: memory that waits for one is given back at the next
    /// [`poll_receive`](Self::poll_receive).
    fn rest(&mut self) {}

    /// The next octets. `None`: the client has finished; asked again, it says so again.
    fn poll_receive(&mut self, task: &mut Task<'_>) -> Poll<Option<io::Result<Piece>>>;

    /// Starts to send.
    fn start_send(&mut self, chunks: Vec<EntityChunk>);

    /// How the send ended, and its memory.
    fn poll_send(&mut self, task: &mut Task<'_>) -> Poll<(CompletionStatus, Vec<EntityChunk>)>;

    /// Finishes the sending half, behind what was sent.
    fn poll_shutdown(&mut self, task: &mut Task<'_>) -> Poll<()>;

    /// From here on, closing tells the client that something is missing.
    fn reset(&mut self);

    /// Stops receiving, and adds what has come meanwhile. `Ready`: nothing is under way any more, in either direction.
    fn poll_quiet(&mut self, rest: &mut BytesMut, task: &mut Task<'_>) -> Poll<()>;

    /// The stream itself, for another protocol. Nothing may be under way.
    fn into_stream(self) -> io::Result<BoxStream>
    where
        Self: Sized;
}

/// A stream as Tokio knows it.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

pub(crate) type BoxStream = Box<dyn Stream>;
