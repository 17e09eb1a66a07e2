//! What cases are written with.

mod content;
mod everything;
mod peer;
mod sockets;
mod wait;

use bivalve_core::{Completed, CompletionStatus};
use bytes::BytesMut;

pub(crate) use self::content::{Content, content};
pub(crate) use self::everything::{BLOCKS, Everything, drain};
pub(crate) use self::peer::{Peer, peer};
pub(crate) use self::sockets::{listener, nobody, pair, reads_to_the_end, reset, small_buffers, std_pair};
pub(crate) use self::wait::{Flag, Signal, all, pause, poll_once, until};

/// An empty buffer with room for this much.
pub(crate) fn room(bytes: usize) -> BytesMut {
    BytesMut::with_capacity(bytes)
}

/// Bytes and buffer of an operation that worked.
#[track_caller]
pub(crate) fn ok<B>(done: Completed<B>) -> (usize, B) {
    assert!(done.completion.is_success(), "{:?}", done.completion);
    (done.completion.bytes(), done.buffer)
}

/// The buffer of an operation that moved nothing and failed in this way.
#[track_caller]
pub(crate) fn fails<B>(done: Completed<B>, status: CompletionStatus) -> B {
    assert_eq!((done.completion.status(), done.completion.bytes()), (status, 0));
    done.buffer
}

/// Address and capacity of a buffer: what makes it the same one. As numbers, so that a future may hold them.
pub(crate) fn identity(buffer: &BytesMut) -> (usize, usize) {
    (buffer.as_ptr().addr(), buffer.capacity())
}
