//! Operations, and how they end.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::{Handle, Lease};
use crate::{Completion, CompletionStatus, EntityChunk, FileRange};

/// One operation, with the buffer it owns.
#[derive(Debug)]
#[non_exhaustive]
pub enum Operation {
    /// Next connection of a listener; finishes with [`FinishedBuffer::Handle`].
    Accept {
        /// A listener.
        handle: Handle,
    },
    /// Connections of a listener, until cancelled; each is a [`FinishedBuffer::Handle`].
    AcceptMany {
        /// A listener.
        handle: Handle,
    },
    /// Connect over TCP; finishes with [`FinishedBuffer::Handle`].
    Connect {
        /// Of the listener.
        address: SocketAddr,
    },
    /// Complete with these bytes and success, through the queue.
    Post {
        /// What to report.
        bytes: usize,
    },
    /// Positioned read of a file into the buffer's spare capacity.
    ReadAt {
        /// A file.
        handle: Handle,
        /// Appended to.
        buffer: BytesMut,
        /// In bytes from the start of the file.
        offset: u64,
    },
    /// Receive into the buffer's spare capacity.
    Receive {
        /// A stream or pipe.
        handle: Handle,
        /// Appended to.
        buffer: BytesMut,
    },
    /// Receive as it comes, until the peer has finished; each piece is a [`FinishedBuffer::Lease`].
    ReceiveMany {
        /// A stream or pipe.
        handle: Handle,
    },
    /// Send all chunks in order, memory and files.
    Send {
        /// A stream or pipe.
        handle: Handle,
        /// What to send.
        chunks: Vec<EntityChunk>,
    },
    /// Send one file range.
    SendFile {
        /// A stream.
        handle: Handle,
        /// What to send.
        range: FileRange,
    },
    /// Finish the sending half of a stream, after the sends that were submitted before.
    Shutdown {
        /// A stream.
        handle: Handle,
    },
    /// Complete after a time.
    Timer {
        /// From now.
        after: Duration,
    },
    /// Positioned write of the whole buffer.
    WriteAt {
        /// A file.
        handle: Handle,
        /// What to write.
        buffer: Bytes,
        /// In bytes from the start of the file.
        offset: u64,
    },
}

/// The queue of a stream in which an operation waits for its turn (rule 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Accepts and receives.
    In,
    /// Sends and the shutdown that follows them.
    Out,
}

impl Operation {
    /// The handle it is for.
    #[must_use]
    pub fn handle(&self) -> Option<Handle> {
        match self {
            Self::Accept { handle }
            | Self::AcceptMany { handle }
            | Self::ReadAt { handle, .. }
            | Self::Receive { handle, .. }
            | Self::ReceiveMany { handle }
            | Self::Send { handle, .. }
            | Self::SendFile { handle, .. }
            | Self::Shutdown { handle }
            | Self::WriteAt { handle, .. } => Some(*handle),
            Self::Connect { .. } | Self::Post { .. } | Self::Timer { .. } => None,
        }
    }

    /// The queue it waits in; `None` for what is independent.
    #[must_use]
    pub fn direction(&self) -> Option<Direction> {
        match self {
            Self::Accept { .. } | Self::AcceptMany { .. } => Some(Direction::In),
            Self::Receive { .. } | Self::ReceiveMany { .. } => Some(Direction::In),
            Self::Send { .. } | Self::SendFile { .. } | Self::Shutdown { .. } => Some(Direction::Out),
            _ => None,
        }
    }

    /// Whether it goes on, item by item.
    #[must_use]
    pub fn is_multishot(&self) -> bool {
        matches!(self, Self::AcceptMany { .. } | Self::ReceiveMany { .. })
    }

    /// What no system takes, so that every driver refuses it alike: a read without room, a range beyond 2^63 - 1.
    ///
    /// # Errors
    ///
    /// [`CompletionStatus::INVALID_PARAMETER`].
    pub fn check(&self) -> Result<(), CompletionStatus> {
        let (room, offset, len) = match self {
            Self::ReadAt { buffer, offset, .. } => {
                let room = buffer.capacity() - buffer.len();
                (room > 0, *offset, room as u64)
            }
            Self::WriteAt { buffer, offset, .. } => (true, *offset, buffer.len() as u64),
            Self::Receive { buffer, .. } => (buffer.capacity() > buffer.len(), 0, 0),
            _ => return Ok(()),
        };
        let fits = offset.checked_add(len).is_some_and(|end| i64::try_from(end).is_ok());
        if room && fits { Ok(()) } else { Err(CompletionStatus::INVALID_PARAMETER) }
    }

    /// The operation's end, with its buffer.
    pub fn finish(self, completion: Completion) -> Finished {
        let buffer = match self {
            Self::ReadAt { buffer, .. } | Self::Receive { buffer, .. } => FinishedBuffer::Read(buffer),
            Self::WriteAt { buffer, .. } => FinishedBuffer::Write(buffer),
            Self::Send { chunks, .. } => FinishedBuffer::Chunks(chunks),
            Self::SendFile { range, .. } => FinishedBuffer::File(range),
            Self::Accept { .. }
            | Self::AcceptMany { .. }
            | Self::Connect { .. }
            | Self::Post { .. }
            | Self::ReceiveMany { .. }
            | Self::Shutdown { .. }
            | Self::Timer { .. } => FinishedBuffer::None,
        };
        Finished { completion, buffer }
    }
}

/// Names one operation in flight: a slot and its generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OperationKey {
    index: u32,
    generation: u32,
}

impl OperationKey {
    /// For drivers.
    #[must_use]
    pub const fn new(index: u32, generation: u32) -> Self {
        Self { index, generation }
    }

    /// The slot.
    #[must_use]
    pub const fn index(self) -> u32 {
        self.index
    }

    /// The generation of the slot.
    #[must_use]
    pub const fn generation(self) -> u32 {
        self.generation
    }
}

/// How an operation ended, with its buffer.
#[derive(Debug)]
#[must_use = "it holds the buffer, and perhaps a handle that has to be closed"]
pub struct Finished {
    /// Bytes and status.
    pub completion: Completion,
    /// What the operation owned.
    pub buffer: FinishedBuffer,
}

impl Finished {
    /// An end without a buffer.
    pub const fn bare(completion: Completion) -> Self {
        Self { completion, buffer: FinishedBuffer::None }
    }
}

/// The buffer that comes back.
#[derive(Debug)]
#[non_exhaustive]
pub enum FinishedBuffer {
    /// The operation had none.
    None,
    /// Of a send.
    Chunks(Vec<EntityChunk>),
    /// Of a send of one file range.
    File(FileRange),
    /// A new connection, associated already.
    Handle(Handle),
    /// What a receive that goes on has received.
    Lease(Lease),
    /// Of a read or receive.
    Read(BytesMut),
    /// Of a positioned write.
    Write(Bytes),
}

/// An operation that was never started, with its buffer and the reason.
#[derive(Debug)]
pub struct Rejected {
    /// What was asked for.
    pub operation: Operation,
    /// Why not.
    pub completion: Completion,
}

impl Rejected {
    /// For drivers.
    #[must_use]
    pub fn new(operation: Operation, status: CompletionStatus) -> Self {
        Self { operation, completion: Completion::failure(status) }
    }

    /// The end of the operation, as if it had run.
    pub fn finish(self) -> Finished {
        self.operation.finish(self.completion)
    }
}
