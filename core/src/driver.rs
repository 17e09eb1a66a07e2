//! The completion driver: starts operations on handles and reports bytes and status.
//!
//! A [`Driver`] is object-safe: the server hands one to modules, and they do not name its type. Underneath it is
//! io_uring, a completion port, Tokio, IIS's thread pool or the test host's memory. Operations take their buffer
//! and give it back, whatever happens. [`Started`] is the future of one operation, [`Multishot`] the stream of one
//! that goes on.
//!
//! # Rules for every driver
//!
//! One suite holds all drivers to them (`backend-conformance`); its tests cite the numbers.
//!
//! 1. **The buffer lives until the system is done with it**, also when the future is dropped or the driver shuts down.
//! 2. **Exactly once.** Each operation that was accepted ends once: with its result, or cancelled. A cancelled one
//!    reports [`CANCELLED`](CompletionStatus::CANCELLED) or its real result. After a drop, nobody hears it.
//! 3. **One stream, one order.** The sends of one handle leave in the order in which they were submitted, the whole
//!    of one before the next; its receives complete in that order. A send that ended in the middle, by an error, a file
//!    that was too short or a cancellation, breaks the sending half: what waits behind it and what comes later, a
//!    shutdown as well, ends as [`BROKEN_PIPE`](CompletionStatus::BROKEN_PIPE), or the peer would take it for the rest. Positioned reads and writes, and operations on
//!    different handles, are independent.
//! 4. **Eager.** An operation that was accepted goes on whether or not anybody polls it.
//! 5. **Close and shutdown cancel and drain.** What is in flight on a closed handle ends as cancelled or with its
//!    real result; the descriptor is closed once the system is done with it.
//! 6. **A full queue waits** and loses nothing: any number of operations may be outstanding.
//! 7. **An error reports itself** and never ends the driver's loop.
//! 8. **No lock is held** while a waker runs or a caller's buffer is dropped: both may call the driver again.
//!    A destructor that panics then is contained; two in one send that nobody waits for end the process.
//!
//! # What each operation reports
//!
//! | operation | success | 0 bytes | errors of its own |
//! |---|---|---|---|
//! | `ReadAt` | what was read, perhaps less than asked for | end of the file | `INVALID_PARAMETER`: no spare capacity, or the range ends beyond 2^63 - 1; `ACCESS_DENIED`: not open for reading |
//! | `WriteAt` | the whole buffer | the buffer was empty | `INVALID_PARAMETER`: the range ends beyond 2^63 - 1; `ACCESS_DENIED`: not open for writing; `DISK_FULL` with the bytes that went in |
//! | `Accept` | 0 bytes and a handle | | `TOO_MANY_OPEN_FILES` |
//! | `Connect` | 0 bytes and a handle | | `CONNECTION_REFUSED`, `TIMED_OUT` |
//! | `Receive` | what came, perhaps less than there is room for | the peer has finished | `INVALID_PARAMETER`: no spare capacity; `CONNECTION_RESET` |
//! | `Send`, `SendFile` | all of it | there was nothing to send | a [disconnect](CompletionStatus::is_disconnect), with the bytes that the system took; `END_OF_FILE`: a file is shorter than its range; after `Shutdown`, and after a send that ended in the middle, `BROKEN_PIPE` |
//! | `Shutdown` | 0 bytes; queued sends leave first | | |
//! | `Timer`, `Post` | 0 bytes; the posted bytes | | |
//!
//! Any of them is [`Rejected`] with `INVALID_HANDLE` when the handle is closed, of another driver or of the wrong
//! kind, and with `CANCELLED` when the driver has been shut down. Statuses are the same on every system: what Linux
//! calls `EBADF` for a file that is not open for writing is `ACCESS_DENIED`, as on Windows.

mod buffer;
mod handle;
mod lease;
mod multishot;
mod operation;
mod resource;
mod slots;
mod started;
mod table;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{self, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};

#[cfg(doc)]
use crate::CompletionStatus;
use crate::{EntityChunk, FileRange};

pub use self::buffer::{Accepted, Buffer};
pub use self::handle::{Handle, OwnedHandle};
pub use self::lease::{Lease, LeaseHome, LeasePool};
pub use self::multishot::{Multishot, MultishotItem};
pub use self::operation::{Direction, Finished, FinishedBuffer, Operation, OperationKey, Rejected};
pub use self::resource::{Resource, ResourceKind};
pub use self::slots::Slots;
pub use self::started::Started;
pub use self::table::{Abandoned, OperationTable};

/// Starts operations and reports their completion.
///
/// Module code uses the typed methods of [`DriverExt`]; the trait's own methods are for those who write a driver.
///
/// IIS counterpart: `IHttpServer::AssociateWithThreadPool` and the completion port behind it.
pub trait Driver: fmt::Debug + Send + Sync {
    /// Which driver this is: `io_uring`, `iocp`, `tokio`, `iis`, `memory`.
    fn name(&self) -> &'static str;

    /// Takes a file, socket or pipe; its operations then complete through this driver.
    ///
    /// # Errors
    ///
    /// When the system refuses the resource, when it is of a kind that this driver cannot drive
    /// ([`io::ErrorKind::Unsupported`]), or when the driver has been shut down. The resource is closed then.
    fn associate(&self, resource: Resource) -> io::Result<Handle>;

    /// Lends the resource behind a handle, to ask it for its addresses or to set an option.
    ///
    /// Reading or writing through it is not the driver's business and breaks the order of the stream.
    ///
    /// # Errors
    ///
    /// When the handle is closed or of another driver.
    fn inspect(&self, handle: Handle, look: &mut dyn FnMut(&Resource)) -> io::Result<()>;

    /// Starts an operation. Its buffer is the driver's until it is handed back by [`poll`](Self::poll).
    ///
    /// # Errors
    ///
    /// [`Rejected`] hands the operation back with the reason: a handle that is closed, not associated or of the
    /// wrong kind, parameters that no system takes, or a driver that has been shut down.
    fn submit(&self, operation: Operation) -> Result<OperationKey, Rejected>;

    /// Asks for the outcome of an operation that ends once. `Ready` once, then the key is spent.
    fn poll(&self, key: OperationKey, task: &mut task::Context<'_>) -> Poll<Finished>;

    /// Asks for the next item of an operation that goes on ([`Operation::AcceptMany`],
    /// [`Operation::ReceiveMany`]). `Ready(None)` once, then the key is spent.
    fn poll_next(&self, key: OperationKey, task: &mut task::Context<'_>) -> Poll<Option<Finished>>;

    /// Asks for cancellation; the outcome still comes through [`poll`](Self::poll) or
    /// [`poll_next`](Self::poll_next). A spent key is ignored.
    fn cancel(&self, key: OperationKey);

    /// Cancels, and drops outcome and buffer when they come. What [`Started`] and [`Multishot`] do when they are
    /// dropped. A handle in the outcome is closed.
    fn abandon(&self, key: OperationKey);

    /// Closes a handle. Its operations end first, as cancelled. A closed handle is ignored. Does not block.
    fn close(&self, handle: Handle);

    /// Cancels every operation and closes every handle; what is submitted later is rejected. Outcomes can still be
    /// polled. Does not block: [`usage`](Self::usage) tells when the last operation has ended.
    fn shut_down(&self);

    /// What the driver holds at this moment.
    fn usage(&self) -> Usage;
}

/// What a driver holds: for metrics, and for tests that count before and after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Operations whose outcome nobody has taken yet, and abandoned ones that the system has not finished.
    pub operations: usize,
    /// Handles that are open, or closed and waiting for an operation to end.
    pub handles: usize,
    /// Leased buffers: with their holders, or in items that nobody has taken yet.
    pub leases: usize,
}

impl Usage {
    /// For drivers.
    #[must_use]
    pub const fn new(operations: usize, handles: usize, leases: usize) -> Self {
        Self { operations, handles, leases }
    }

    /// Whether the driver holds nothing.
    #[must_use]
    pub fn is_idle(self) -> bool {
        self == Self::default()
    }
}

/// Typed operations on a shared driver, of a known type or behind `dyn`.
///
/// ```
/// use bivalve_core::testing::{Completions, MemoryDriver, block_on};
/// use bivalve_core::{Driver, DriverExt};
/// use std::sync::Arc;
///
/// # let path = std::env::temp_dir().join(format!("bivalve-ext-{}", std::process::id()));
/// let driver: Arc<dyn Driver> = Arc::new(MemoryDriver::new(&Completions::default()));
/// let file = driver.attach(std::fs::File::create(&path)?)?; // closed when it is dropped
/// let done = block_on(driver.write_at(&file, "Hello", 0));
/// assert_eq!((done.completion.into_result()?, &done.buffer[..]), (5, &b"Hello"[..]));
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait DriverExt {
    /// The driver's type; `dyn Driver` for a module.
    type Driver: Driver + ?Sized;

    /// Associates a resource with the driver; it is closed when the returned handle is dropped.
    ///
    /// # Errors
    ///
    /// As [`Driver::associate`].
    fn attach(&self, resource: impl Into<Resource>) -> io::Result<OwnedHandle<Self::Driver>>;

    /// Reads up to the buffer's spare capacity at an offset, and appends what was read.
    fn read_at(&self, file: &Handle, buffer: BytesMut, offset: u64) -> Started<BytesMut, Self::Driver>;

    /// Writes all of the buffer at an offset.
    fn write_at(&self, file: &Handle, buffer: impl Into<Bytes>, offset: u64) -> Started<Bytes, Self::Driver>;

    /// The next connection of a listener, associated with this driver: `Some` handle, `None` with an error.
    fn accept(&self, listener: &Handle) -> Started<Accepted, Self::Driver>;

    /// Connections of a listener, one after the other.
    ///
    /// An error, for example [`TOO_MANY_OPEN_FILES`](CompletionStatus::TOO_MANY_OPEN_FILES), is an item; the stream
    /// goes on when it is asked again, so that the caller decides how long to wait. It ends after
    /// [`CANCELLED`](CompletionStatus::CANCELLED).
    fn accept_many(&self, listener: &Handle) -> Multishot<Accepted, Self::Driver>;

    /// Connects over TCP; `None` with an error.
    fn connect(&self, address: SocketAddr) -> Started<Accepted, Self::Driver>;

    /// Receives up to the buffer's spare capacity, and appends what came. 0 bytes: the peer has finished.
    fn receive(&self, stream: &Handle, buffer: BytesMut) -> Started<BytesMut, Self::Driver>;

    /// Receives as it comes, in buffers leased from the driver: an idle connection owns none, unless all were leased when
    /// it became idle.
    ///
    /// Ends when the peer has finished, and after an error, which is its last item. A consumer that is slow is
    /// waited for: a few buffers are filled ahead, then the peer has to wait.
    fn receive_many(&self, stream: &Handle) -> Multishot<Lease, Self::Driver>;

    /// Sends all chunks, in order: bytes in as few system calls as there can be, file ranges without a copy where
    /// the system can.
    fn send(&self, stream: &Handle, chunks: Vec<EntityChunk>) -> Started<Vec<EntityChunk>, Self::Driver>;

    /// Sends one range of a file.
    fn send_file(&self, stream: &Handle, range: FileRange) -> Started<FileRange, Self::Driver>;

    /// Finishes the sending half of a stream, after the sends that were submitted before.
    fn shutdown(&self, stream: &Handle) -> Started<(), Self::Driver>;

    /// Completes after a time.
    fn timer(&self, after: Duration) -> Started<(), Self::Driver>;

    /// Completes with these bytes and success, through the driver's queue.
    ///
    /// IIS counterpart: `PostQueuedCompletionStatus`.
    fn post(&self, bytes: usize) -> Started<(), Self::Driver>;

    /// Starts any operation that ends once and whose buffer is a `B`.
    fn start<B: Buffer<Self::Driver>>(&self, operation: Operation) -> Started<B, Self::Driver>;
}

impl<D: Driver + ?Sized> DriverExt for Arc<D> {
    type Driver = D;

    fn attach(&self, resource: impl Into<Resource>) -> io::Result<OwnedHandle<D>> {
        Ok(OwnedHandle::new(Self::clone(self), self.associate(resource.into())?))
    }

    fn read_at(&self, file: &Handle, buffer: BytesMut, offset: u64) -> Started<BytesMut, D> {
        self.start(Operation::ReadAt { handle: *file, buffer, offset })
    }

    fn write_at(&self, file: &Handle, buffer: impl Into<Bytes>, offset: u64) -> Started<Bytes, D> {
        self.start(Operation::WriteAt { handle: *file, buffer: buffer.into(), offset })
    }

    fn accept(&self, listener: &Handle) -> Started<Accepted, D> {
        self.start(Operation::Accept { handle: *listener })
    }

    fn accept_many(&self, listener: &Handle) -> Multishot<Accepted, D> {
        Multishot::start(self, Operation::AcceptMany { handle: *listener })
    }

    fn connect(&self, address: SocketAddr) -> Started<Accepted, D> {
        self.start(Operation::Connect { address })
    }

    fn receive(&self, stream: &Handle, buffer: BytesMut) -> Started<BytesMut, D> {
        self.start(Operation::Receive { handle: *stream, buffer })
    }

    fn receive_many(&self, stream: &Handle) -> Multishot<Lease, D> {
        Multishot::start(self, Operation::ReceiveMany { handle: *stream })
    }

    fn send(&self, stream: &Handle, chunks: Vec<EntityChunk>) -> Started<Vec<EntityChunk>, D> {
        self.start(Operation::Send { handle: *stream, chunks })
    }

    fn send_file(&self, stream: &Handle, range: FileRange) -> Started<FileRange, D> {
        self.start(Operation::SendFile { handle: *stream, range })
    }

    fn shutdown(&self, stream: &Handle) -> Started<(), D> {
        self.start(Operation::Shutdown { handle: *stream })
    }

    fn timer(&self, after: Duration) -> Started<(), D> {
        self.start(Operation::Timer { after })
    }

    fn post(&self, bytes: usize) -> Started<(), D> {
        self.start(Operation::Post { bytes })
    }

    fn start<B: Buffer<D>>(&self, operation: Operation) -> Started<B, D> {
        Started::start(self, operation)
    }
}
