//! The completion port.

use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr;
use std::sync::Arc;

use windows_sys::Win32::Foundation::{HANDLE, INVALID_HANDLE_VALUE};
use windows_sys::Win32::Storage::FileSystem::SetFileCompletionNotificationModes;
use windows_sys::Win32::System::IO::{
    CancelIoEx, CreateIoCompletionPort, GetQueuedCompletionStatusEx, OVERLAPPED_ENTRY,
    PostQueuedCompletionStatus,
};
use windows_sys::Win32::System::Threading::INFINITE;
use windows_sys::Win32::System::WindowsProgramming::{
    FILE_SKIP_COMPLETION_PORT_ON_SUCCESS, FILE_SKIP_SET_EVENT_ON_HANDLE,
};

use crate::packet::{BATCH, KEY_EXIT, KEY_OPERATION};
use crate::pool::{self, Refused, ThreadPool};
use crate::record::RecordRef;
use crate::status::Landed;

/// The driver's own port, and the pool of another's threads, if it has one: then resources complete there, and only what the
/// driver posts itself comes to its own port.
#[derive(Debug)]
pub(crate) struct Port {
    handle: OwnedHandle,
    pool: Option<Arc<dyn ThreadPool>>,
}

impl Port {
    pub(crate) fn new(threads: u32, pool: Option<Arc<dyn ThreadPool>>) -> io::Result<Self> {
        // SAFETY: no memory is passed.
        let handle = unsafe { CreateIoCompletionPort(INVALID_HANDLE_VALUE, ptr::null_mut(), 0, threads) };
        if handle.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the system has just made the handle, and nobody else owns it.
        Ok(Self { handle: unsafe { OwnedHandle::from_raw_handle(handle) }, pool })
    }

    /// Whose port it is, where the driver has none of its own for resources.
    pub(crate) fn pool_name(&self) -> Option<&'static str> {
        self.pool.as_ref().map(|pool| pool.name())
    }

    /// Packets of this file, socket or pipe come here, or to the pool, from now on.
    pub(crate) fn associate(&self, resource: HANDLE) -> io::Result<()> {
        if let Some(pool) = &self.pool {
            let refused = |status| Refused::error(pool.name(), status);
            return pool.associate(resource, pool::completed).map_err(refused);
        }
        // SAFETY: no memory is passed; the caller owns the resource for the duration of the call.
        let port = unsafe { CreateIoCompletionPort(resource, self.raw(), KEY_OPERATION, 0) };
        if port.is_null() { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// A thread will end.
    pub(crate) fn post_exit(&self) -> io::Result<()> {
        // SAFETY: no memory is passed.
        let posted = unsafe { PostQueuedCompletionStatus(self.raw(), 0, KEY_EXIT, ptr::null()) };
        if posted == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// A packet with this record, which the caller leaves alone until it comes.
    pub(crate) fn post(&self, record: RecordRef) -> Result<(), Landed> {
        // SAFETY: the pointer is only handed through; the arena keeps the record until after the packet.
        let posted = unsafe { PostQueuedCompletionStatus(self.raw(), 0, KEY_OPERATION, record.overlapped()) };
        if posted == 0 { Err(Landed::from_io_error(&io::Error::last_os_error())) } else { Ok(()) }
    }

    /// Waits for packets; how many there are in `batch`.
    pub(crate) fn wait(&self, batch: &mut [OVERLAPPED_ENTRY; BATCH]) -> io::Result<usize> {
        let mut taken = 0;
        // SAFETY: `batch` and `taken` are the caller's and ours, and outlive the call, which waits.
        let waited = unsafe {
            let room = u32::try_from(BATCH).unwrap_or(1);
            GetQueuedCompletionStatusEx(self.raw(), batch.as_mut_ptr(), room, &raw mut taken, INFINITE, 0)
        };
        if waited == 0 { Err(io::Error::last_os_error()) } else { Ok(taken as usize) }
    }

    /// Calls that succeed at once post no packet from now on; whether the system agreed. Not where a pool has the port: what
    /// its owner makes of a call without a packet is not known.
    pub(crate) fn skip_on_success(&self, resource: HANDLE) -> bool {
        if self.pool.is_some() {
            return false;
        }
        let modes = FILE_SKIP_COMPLETION_PORT_ON_SUCCESS | FILE_SKIP_SET_EVENT_ON_HANDLE;
        // SAFETY: no memory is passed; the caller owns the resource for the duration of the call.
        u8::try_from(modes)
            .is_ok_and(|modes| unsafe { SetFileCompletionNotificationModes(resource, modes) } != 0)
    }

    fn raw(&self) -> HANDLE {
        self.handle.as_raw_handle()
    }
}

/// Asks the kernel to end the call with this record. Its packet still comes; nothing happens if it is on its way.
pub(crate) fn cancel(resource: usize, record: RecordRef) {
    // SAFETY: the caller's lock keeps the record from being used for another call, and the resource open.
    unsafe { CancelIoEx(resource as HANDLE, record.overlapped()) };
}
