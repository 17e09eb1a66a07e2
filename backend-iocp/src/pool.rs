//! Another's threads for the completions: those of a server that the program is loaded into.

use std::error::Error;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bivalve_core::CompletionStatus;
use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::System::IO::OVERLAPPED;

use crate::record::RecordRef;

/// What a pool calls when an operation has ended: `LPOVERLAPPED_COMPLETION_ROUTINE`.
pub type CompletionRoutine = unsafe extern "system" fn(error: u32, bytes: u32, overlapped: *mut OVERLAPPED);

/// Threads that wait at a completion port of their own, and run a routine for what comes there.
///
/// IIS counterpart: `IHttpServer::AssociateWithThreadPool`; without IIS `BindIoCompletionCallback`.
pub trait ThreadPool: fmt::Debug + Send + Sync {
    /// What the driver over it is called: [`Driver::name`](bivalve_core::Driver::name).
    fn name(&self) -> &'static str;

    /// Binds a file, pipe or socket. From then on, and until it is closed, `routine` has to run once for each packet of
    /// it, with the packet's `OVERLAPPED`, on any thread and at any time, also after the driver was dropped. The routine
    /// does not panic, and blocks only for the driver's lock.
    ///
    /// # Errors
    ///
    /// Why it was refused. [`Driver::associate`](bivalve_core::Driver::associate) then fails with a text that says so;
    /// an accept or connect ends with this status, or with `UNSPECIFIED` where it is no Win32 code.
    fn associate(&self, handle: HANDLE, routine: CompletionRoutine) -> Result<(), CompletionStatus>;
}

/// Why a handle has no place to complete at.
#[derive(Debug)]
pub(crate) struct Refused {
    pool: &'static str,
    status: CompletionStatus,
}

impl Refused {
    pub(crate) fn error(pool: &'static str, status: CompletionStatus) -> io::Error {
        let kind = status.to_io_error().map_or(io::ErrorKind::Other, |error| error.kind());
        io::Error::new(kind, Self { pool, status })
    }

    /// The code in such an error.
    pub(crate) fn code(error: &io::Error) -> Option<u32> {
        let refused: &Self = error.get_ref()?.downcast_ref()?;
        refused.status.win32().map(u32::from)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the thread pool of the server ({}) does not take this handle: {}", self.pool, self.status)
    }
}

impl Error for Refused {}

/// The routine of every pool. What it is told besides is in the `OVERLAPPED` as well, in one form for all of them: the error
/// is an NT status with some pools and a Win32 code with others.
///
/// # Safety
///
/// `overlapped` is of a call that this crate has made on a handle that was associated with the pool, and this is its packet.
pub(crate) unsafe extern "system" fn completed(_error: u32, _bytes: u32, overlapped: *mut OVERLAPPED) {
    // Nothing of the caller's panics through `with`; a panic of ours must not end the server's process.
    let caught = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: as the caller says: the driver's state counts the call until the packet was handled, which nobody but
        // this thread does; until then the driver's own threads keep the arena with the record.
        let Some(record) = (unsafe { RecordRef::from_overlapped(overlapped) }) else { return };
        // From here on this thread keeps all of it as well: handling the last packet ends the others.
        match record.owner() {
            Some(shared) => shared.with(|state, after| ((), state.packet(record, after))),
            None => tracing::error!("a packet came for a driver that has ended"),
        }
    }));
    if let Err(payload) = caught {
        let _ = std::mem::ManuallyDrop::new(payload);
    }
}
