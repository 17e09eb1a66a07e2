//! The completion driver: starts operations on handles and reports bytes and status.
//!
//! A [`Driver`] is object-safe: the server hands one to modules, and they do not name its type. Underneath it is
//! io_uring, a completion port, Tokio, IIS's thread pool or the test host's memory. Operations take their buffer
//! and give it back, whatever happens; [`Started`] is the future of one.
//!
//! # Rules for every driver
//!
//! 1. The buffer lives until the system is done with it, also when the future is dropped.
//! 2. A cancelled operation reports cancelled or its real result, exactly once; after a drop, nobody hears it.
//! 3. Completions of one stream keep order.
//! 4. Shutdown cancels and drains.
//! 5. A full queue waits and loses nothing.
//! 6. An error reports itself and never ends the driver's loop.

use std::fmt;
use std::fs::File;
use std::future::Future;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::{Completed, Completion, EntityChunk, FileRange};

/// Starts operations and reports their completion.
///
/// Module code uses the typed methods of [`dyn Driver`](#impl-dyn+Driver); the trait's own methods are for those
/// who write a driver.
///
/// IIS counterpart: `IHttpServer::AssociateWithThreadPool` and the completion port behind it.
pub trait Driver: fmt::Debug + Send + Sync + 'static {
    /// Which driver this is: `io_uring`, `iocp`, `tokio`, `iis`, `memory`.
    fn name(&self) -> &'static str;

    /// Takes a file or socket; its operations then complete through this driver.
    ///
    /// # Errors
    ///
    /// When the system refuses the handle: closed, of a kind it cannot drive, or associated elsewhere.
    fn associate(&self, resource: Resource) -> io::Result<Handle>;

    /// Starts an operation. Its buffer is the driver's until it is handed back by [`poll`](Self::poll).
    ///
    /// # Errors
    ///
    /// [`Rejected`] hands the operation back with the reason: a handle that is not associated or of the wrong
    /// kind, or a driver that is shutting down.
    fn submit(&self, operation: Operation) -> Result<OperationKey, Rejected>;

    /// Asks for the outcome. `Ready` once, then the key is spent.
    fn poll(&self, key: OperationKey, task: &mut task::Context<'_>) -> Poll<Finished>;

    /// Asks for cancellation; the outcome still comes through [`poll`](Self::poll). A spent key is ignored.
    fn cancel(&self, key: OperationKey);

    /// Cancels, and drops outcome and buffer when they come. What [`Started`] does when it is dropped.
    fn abandon(&self, key: OperationKey);

    /// Closes a handle. Its operations complete as cancelled first. A closed handle is ignored.
    fn close(&self, handle: &Handle);
}

impl dyn Driver {
    /// Reads up to the buffer's spare capacity at an offset, and appends what was read.
    pub fn read_at(self: &Arc<Self>, handle: &Handle, buffer: BytesMut, offset: u64) -> Started<BytesMut> {
        self.start(Operation::ReadAt { handle: handle.clone(), buffer, offset })
    }

    /// Writes all of the buffer at an offset.
    pub fn write_at(self: &Arc<Self>, handle: &Handle, buffer: Bytes, offset: u64) -> Started<Bytes> {
        self.start(Operation::WriteAt { handle: handle.clone(), buffer, offset })
    }

    /// Receives up to the buffer's spare capacity, and appends what came. 0 bytes: the peer has finished.
    pub fn receive(self: &Arc<Self>, handle: &Handle, buffer: BytesMut) -> Started<BytesMut> {
        self.start(Operation::Receive { handle: handle.clone(), buffer })
    }

    /// Sends all chunks, in order.
    pub fn send(self: &Arc<Self>, handle: &Handle, chunks: Vec<EntityChunk>) -> Started<Vec<EntityChunk>> {
        self.start(Operation::Send { handle: handle.clone(), chunks })
    }

    /// Completes after a time.
    pub fn timer(self: &Arc<Self>, after: Duration) -> Started<()> {
        self.start(Operation::Timer { after })
    }

    /// Completes with these bytes and success, through the driver's queue.
    ///
    /// IIS counterpart: `PostQueuedCompletionStatus`.
    pub fn post(self: &Arc<Self>, bytes: usize) -> Started<()> {
        self.start(Operation::Post { bytes })
    }

    /// Starts any operation whose buffer is a `B`.
    pub fn start<B: Buffer>(self: &Arc<Self>, operation: Operation) -> Started<B> {
        match self.submit(operation) {
            Ok(key) => {
                Started { state: State::Running(Arc::clone(self), key), buffer: std::marker::PhantomData }
            }
            Err(rejected) => {
                Started { state: State::Rejected(Box::new(rejected)), buffer: std::marker::PhantomData }
            }
        }
    }
}

/// What can be associated with a driver. The driver owns it from then on.
#[derive(Debug)]
#[non_exhaustive]
pub enum Resource {
    /// A file, for positioned reads and writes.
    File(File),
    /// A connected stream.
    TcpStream(TcpStream),
    /// A listener.
    TcpListener(TcpListener),
}

/// A file or socket that is associated with a driver: a number that only that driver can read.
///
/// Clones name the same handle. It is closed by [`Driver::close`], or with the driver.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Handle {
    key: OperationKey,
}

impl Handle {
    /// For drivers: a slot and its generation.
    #[must_use]
    pub fn new(index: u32, generation: u32) -> Self {
        Self { key: OperationKey::new(index, generation) }
    }

    /// The slot.
    #[must_use]
    pub fn index(&self) -> u32 {
        self.key.index()
    }

    /// The generation of the slot, so that a handle to what was there before is recognised.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.key.generation()
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

/// One operation, with the buffer it owns.
#[derive(Debug)]
#[non_exhaustive]
pub enum Operation {
    /// Positioned read of a file into the buffer's spare capacity.
    ReadAt {
        /// A file.
        handle: Handle,
        /// Appended to.
        buffer: BytesMut,
        /// In bytes from the start of the file.
        offset: u64,
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
    /// Next connection of a listener; finishes with [`FinishedBuffer::Accepted`].
    Accept {
        /// A listener.
        handle: Handle,
    },
    /// Receive into the buffer's spare capacity.
    Receive {
        /// A stream.
        handle: Handle,
        /// Appended to.
        buffer: BytesMut,
    },
    /// Send all chunks in order, memory and files.
    Send {
        /// A stream.
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
    /// Finish the sending half of a stream.
    Shutdown {
        /// A stream.
        handle: Handle,
    },
    /// Complete after a time.
    Timer {
        /// From now.
        after: Duration,
    },
    /// Complete with these bytes and success, through the queue.
    Post {
        /// What to report.
        bytes: usize,
    },
}

/// How an operation ended, with its buffer.
#[derive(Debug)]
pub struct Finished {
    /// Bytes and status.
    pub completion: Completion,
    /// What the operation owned.
    pub buffer: FinishedBuffer,
}

/// The buffer that comes back.
#[derive(Debug)]
#[non_exhaustive]
pub enum FinishedBuffer {
    /// The operation had none.
    None,
    /// Of a read or receive.
    Read(BytesMut),
    /// Of a positioned write.
    Write(Bytes),
    /// Of a send.
    Chunks(Vec<EntityChunk>),
    /// Of a send of one file range.
    File(FileRange),
    /// A new connection, associated already.
    Accepted(Handle),
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
    /// The buffer of the operation, as if it had run.
    fn finish(self) -> Finished {
        let buffer = match self.operation {
            Operation::ReadAt { buffer, .. } | Operation::Receive { buffer, .. } => {
                FinishedBuffer::Read(buffer)
            }
            Operation::WriteAt { buffer, .. } => FinishedBuffer::Write(buffer),
            Operation::Send { chunks, .. } => FinishedBuffer::Chunks(chunks),
            Operation::SendFile { range, .. } => FinishedBuffer::File(range),
            Operation::Accept { .. }
            | Operation::Shutdown { .. }
            | Operation::Timer { .. }
            | Operation::Post { .. } => FinishedBuffer::None,
        };
        Finished { completion: self.completion, buffer }
    }
}

/// A type that an operation can give back.
pub trait Buffer: Sized + Send + sealed::Sealed {
    /// From what the driver finished with; `Err` when the operation had another kind of buffer.
    fn from_finished(buffer: FinishedBuffer) -> Result<Self, FinishedBuffer>;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! buffers {
    ($($ty:ty => $pattern:pat => $value:expr;)*) => {$(
        impl sealed::Sealed for $ty {}
        impl Buffer for $ty {
            fn from_finished(buffer: FinishedBuffer) -> Result<Self, FinishedBuffer> {
                match buffer {
                    $pattern => Ok($value),
                    other => Err(other),
                }
            }
        }
    )*};
}

buffers! {
    () => FinishedBuffer::None => ();
    BytesMut => FinishedBuffer::Read(buffer) => buffer;
    Bytes => FinishedBuffer::Write(buffer) => buffer;
    Vec<EntityChunk> => FinishedBuffer::Chunks(chunks) => chunks;
    FileRange => FinishedBuffer::File(range) => range;
    Option<Handle> => FinishedBuffer::Accepted(handle) => Some(handle);
}

/// An operation in flight: a future of its completion and buffer.
///
/// # Cancel safety
///
/// Dropping it cancels the operation; the driver keeps the buffer until the system is done with it, then frees it.
///
/// # Panics
///
/// When polled after it was ready, and when `B` is not the kind of buffer that the operation owns.
#[must_use = "an operation is cancelled when it is dropped"]
pub struct Started<B> {
    state: State,
    buffer: std::marker::PhantomData<fn() -> B>,
}

enum State {
    Running(Arc<dyn Driver>, OperationKey),
    Rejected(Box<Rejected>),
    Done,
}

impl<B> Started<B> {
    /// Asks for cancellation; the future still has to be awaited for the outcome and the buffer.
    pub fn cancel(&self) {
        if let State::Running(driver, key) = &self.state {
            driver.cancel(*key);
        }
    }
}

impl<B: Buffer> Future for Started<B> {
    type Output = Completed<B>;

    fn poll(mut self: Pin<&mut Self>, task: &mut task::Context<'_>) -> Poll<Self::Output> {
        let finished = match &self.state {
            State::Running(driver, key) => task::ready!(driver.poll(*key, task)),
            State::Rejected(_) | State::Done => match std::mem::replace(&mut self.state, State::Done) {
                State::Rejected(rejected) => rejected.finish(),
                _ => misuse("Started was polled after it had completed"),
            },
        };
        self.state = State::Done;
        match B::from_finished(finished.buffer) {
            Ok(buffer) => Poll::Ready(Completed::new(finished.completion, buffer)),
            Err(_) => misuse("the operation's buffer is of another type than Started was made for"),
        }
    }
}

/// A mistake in the caller's code, of the kind that `Future` documents as a panic.
#[allow(clippy::panic, reason = "documented on Started; no network input reaches it")]
fn misuse(text: &str) -> ! {
    panic!("{text}")
}

impl<B> Drop for Started<B> {
    fn drop(&mut self) {
        if let State::Running(driver, key) = &self.state {
            driver.abandon(*key);
        }
    }
}

impl<B> fmt::Debug for Started<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Running(..) => "running",
            State::Rejected(_) => "rejected",
            State::Done => "done",
        };
        f.debug_tuple("Started").field(&state).finish()
    }
}
