//! An operation while the driver has it.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use bivalve_core::driver::Direction;
use bivalve_core::{Completion, CompletionStatus, EntityChunk, Finished, FinishedBuffer, Handle, Operation};
use bytes::{Bytes, BytesMut};
use io_uring::types::Timespec;
use socket2::SockAddr;

/// An operation while the driver has it. It is small: thousands may wait for something that comes seldom.
pub(crate) struct InFlight {
    pub(crate) work: Work,
    /// Of a receive that goes on, when the shared buffers have run out.
    #[allow(clippy::box_collection, reason = "rare, and every operation has room for it")]
    pub(crate) heap: Option<Box<BytesMut>>,
    /// Cancellations that the kernel did not find it for, though it had it.
    pub(crate) unfound: u16,
    pub(crate) place: Place,
    /// Somebody asked for cancellation: whatever comes next is the end.
    pub(crate) cancelled: bool,
    /// Of an operation that goes on: the kernel is told to stop, or has stopped, until the consumer has caught up.
    pub(crate) pause: Pause,
}

/// What is to be done.
pub(crate) enum Work {
    /// `AcceptMany` of this listener.
    AcceptMany(Handle),
    /// `ReceiveMany` of this stream.
    ReceiveMany(Handle),
    /// Anything that ends once.
    Once(Box<Once>),
}

/// An operation that ends once: its buffers, and how far it has come. Boxed and used again, so that those that are under
/// way are in few places.
pub(crate) struct Once {
    pub(crate) operation: Operation,
    pub(crate) progress: Progress,
    /// What the kernel reads besides the buffers.
    pub(crate) scratch: Option<Box<Scratch>>,
    /// Of a connect: the socket that is to become the handle.
    pub(crate) socket: Option<OwnedFd>,
}

/// Where an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Behind another of its stream.
    Behind,
    /// In the queue of the next turn.
    Queued,
    /// With the kernel, which has its memory until the completion comes.
    Kernel,
    /// With nobody: it goes on when its consumer asks.
    Paused,
}

/// Whether an operation that goes on is held up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pause {
    /// It is not.
    No,
    /// The kernel has been told to stop.
    Asked,
    /// Items wait to be taken; it goes on when they have been.
    Full,
    /// An error was reported; it goes on when it is asked for more.
    Failed,
}

/// How far a send or write has come, or a receive into a large buffer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Progress {
    /// The chunk that is next.
    pub(crate) chunk: usize,
    /// Bytes of it that are done.
    pub(crate) offset: u64,
    /// Bytes in all.
    pub(crate) done: usize,
    pub(crate) stage: Stage,
}

/// What the kernel is doing for a send, or for a receive into a large buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It sends memory of the chunks, or receives.
    #[default]
    Bytes,
    /// It tells when the socket takes more, for `sendfile`, or when something has come.
    Room,
    /// Something has come: this receive is next, or waits until others have had their turn.
    Ready,
    /// It reads a piece of a file into the scratch buffer.
    Reading,
    /// It sends that piece; so much of it has gone.
    Piece { sent: usize },
}

/// Memory that the kernel reads while it has the operation: boxed, so that it stays where it is.
pub(crate) struct Scratch {
    pub(crate) vectors: Vec<libc::iovec>,
    pub(crate) message: libc::msghdr,
    pub(crate) time: Timespec,
    pub(crate) address: Option<SockAddr>,
    /// A piece of a file on its way to a socket.
    pub(crate) piece: BytesMut,
}

// SAFETY: the pointers in `vectors` and `message` are to `vectors` itself and to buffers of the operation that owns the
// scratch. Only the kernel follows them; our code writes them before each use and never reads them.
unsafe impl Send for Scratch {}

impl Default for Scratch {
    fn default() -> Self {
        Self {
            vectors: Vec::new(),
            // SAFETY: all zeroes is a valid msghdr: null pointers and no lengths.
            message: unsafe { std::mem::zeroed() },
            time: Timespec::new(),
            address: None,
            piece: BytesMut::new(),
        }
    }
}

/// Memory that is not used at the moment.
#[derive(Default)]
pub(crate) struct Spare {
    #[allow(clippy::vec_box, reason = "an operation takes the box as it is; what is in there must not move")]
    scratches: Vec<Box<Scratch>>,
    /// Apart from the scratches: they are large, and a timer that takes a scratch has no use for one.
    pieces: Vec<BytesMut>,
    #[allow(clippy::vec_box, reason = "an operation takes the box as it is, and costs no allocation then")]
    onces: Vec<Box<Once>>,
}

impl Spare {
    pub(crate) fn take(&mut self) -> Box<Scratch> {
        self.scratches.pop().unwrap_or_default()
    }

    /// Empty, and perhaps with room from an earlier use.
    pub(crate) fn take_piece(&mut self) -> BytesMut {
        self.pieces.pop().unwrap_or_default()
    }

    pub(crate) fn keep(&mut self, mut scratch: Box<Scratch>) {
        let mut piece = std::mem::take(&mut scratch.piece);
        if piece.capacity() > 0 && self.pieces.len() < PIECES {
            piece.clear();
            self.pieces.push(piece);
        }
        if self.scratches.len() < SCRATCHES {
            self.scratches.push(scratch);
        }
    }

    fn once(&mut self, operation: Operation) -> Box<Once> {
        match self.onces.pop() {
            Some(mut once) => {
                once.operation = operation;
                once
            }
            None => {
                let progress = Progress::default();
                Box::new(Once { operation, progress, scratch: None, socket: None })
            }
        }
    }

    /// What an operation that has ended had, but for the operation itself, which is returned.
    fn put_back(&mut self, mut once: Box<Once>) -> Operation {
        once.scratch.take().into_iter().for_each(|scratch| self.keep(scratch));
        once.progress = Progress::default();
        once.socket = None;
        let operation = std::mem::replace(&mut once.operation, Operation::Post { bytes: 0 });
        if self.onces.len() < ONCES {
            self.onces.push(once);
        }
        operation
    }
}

const SCRATCHES: usize = 256;
const ONCES: usize = 1024;
/// For the few files that are sent at one moment.
const PIECES: usize = 8;

impl InFlight {
    pub(crate) fn new(operation: Operation, spare: &mut Spare) -> Self {
        let work = match operation {
            Operation::AcceptMany { handle } => Work::AcceptMany(handle),
            Operation::ReceiveMany { handle } => Work::ReceiveMany(handle),
            once => Work::Once(spare.once(once)),
        };
        Self { work, heap: None, unfound: 0, place: Place::Queued, cancelled: false, pause: Pause::No }
    }

    pub(crate) fn handle(&self) -> Option<Handle> {
        match &self.work {
            Work::AcceptMany(handle) | Work::ReceiveMany(handle) => Some(*handle),
            Work::Once(once) => once.operation.handle(),
        }
    }

    pub(crate) fn direction(&self) -> Option<Direction> {
        match &self.work {
            Work::AcceptMany(_) | Work::ReceiveMany(_) => Some(Direction::In),
            Work::Once(once) => once.operation.direction(),
        }
    }

    /// What it is if it ends once.
    pub(crate) fn once(&mut self) -> Option<&mut Once> {
        match &mut self.work {
            Work::Once(once) => Some(once),
            Work::AcceptMany(_) | Work::ReceiveMany(_) => None,
        }
    }

    /// Whether it goes on, item by item.
    pub(crate) fn is_multishot(&self) -> bool {
        !matches!(self.work, Work::Once(_))
    }

    /// The end, with the buffer, of what ends once.
    pub(crate) fn finish(self, completion: Completion, spare: &mut Spare) -> Finished {
        match self.work {
            Work::Once(once) => spare.put_back(once).finish(completion),
            Work::AcceptMany(_) | Work::ReceiveMany(_) => Finished::bare(completion),
        }
    }

    /// The end of one whose memory the kernel keeps: all of it is leaked, and an empty buffer comes in the place of its own.
    pub(crate) fn leak(self) -> Finished {
        let finished = match &self.work {
            Work::Once(once) => without_buffer(&once.operation),
            Work::AcceptMany(_) | Work::ReceiveMany(_) => {
                Finished::bare(Completion::failure(CompletionStatus::CANCELLED))
            }
        };
        // Not freed under the kernel: it has the addresses of the buffers in there.
        Box::leak(Box::new(self));
        finished
    }
}

impl Once {
    /// Whether it is a send that has sent something and not all: what follows would be taken for the rest of it.
    pub(crate) fn is_half_sent(&self) -> bool {
        let whole = match &self.operation {
            Operation::Send { chunks, .. } => chunks.iter().map(EntityChunk::len).sum(),
            Operation::SendFile { range, .. } => range.len(),
            _ => return false,
        };
        self.progress.done > 0 && (self.progress.done as u64) < whole
    }

    /// Bytes that are done, and a reason to stop.
    pub(crate) fn stopped(&self, status: CompletionStatus) -> Completion {
        Completion::new(self.progress.done, status)
    }
}

/// An empty buffer in the place of the one that is leaked.
fn without_buffer(operation: &Operation) -> Finished {
    let buffer = match operation {
        Operation::ReadAt { .. } | Operation::Receive { .. } => FinishedBuffer::Read(BytesMut::new()),
        Operation::WriteAt { .. } => FinishedBuffer::Write(Bytes::new()),
        Operation::Send { .. } => FinishedBuffer::Chunks(Vec::new()),
        Operation::SendFile { range, .. } => FinishedBuffer::File(range.clone()),
        _ => FinishedBuffer::None,
    };
    Finished { completion: Completion::failure(CompletionStatus::CANCELLED), buffer }
}

impl Scratch {
    pub(crate) fn address(&mut self, address: SocketAddr) -> &SockAddr {
        self.address.insert(SockAddr::from(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_does_not_pin_a_piece_of_a_file() {
        let mut spare = Spare::default();
        for _ in 0..PIECES + 1 {
            let scratch = Box::new(Scratch { piece: BytesMut::with_capacity(1024), ..Scratch::default() });
            spare.keep(scratch);
        }
        assert_eq!((spare.scratches.len(), spare.pieces.len()), (PIECES + 1, PIECES));
        assert_eq!(spare.take().piece.capacity(), 0);
        assert_eq!(spare.take_piece().capacity(), 1024);
    }
}
