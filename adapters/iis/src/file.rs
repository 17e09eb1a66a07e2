//! Files and the handles that IIS knows them by. On Unix, where a host stands in for IIS, a handle is a descriptor.

use std::fs::File;

use bivalve_iis_sys::types::HANDLE;

/// The handle of a file.
pub(crate) fn handle(file: &File) -> HANDLE {
    imp::handle(file)
}

/// The same file once more.
///
/// # Safety
///
/// The handle is open.
pub(crate) unsafe fn duplicate(handle: HANDLE) -> Option<File> {
    // SAFETY: as the caller says.
    unsafe { imp::duplicate(handle) }
}

#[cfg(windows)]
mod imp {
    use super::{File, HANDLE};
    use std::os::windows::io::{AsRawHandle, BorrowedHandle};

    pub(super) fn handle(file: &File) -> HANDLE {
        file.as_raw_handle()
    }

    pub(super) unsafe fn duplicate(handle: HANDLE) -> Option<File> {
        if handle.is_null() {
            return None;
        }
        // SAFETY: it is open, says the caller, and is borrowed for this call.
        let handle = unsafe { BorrowedHandle::borrow_raw(handle) };
        Some(handle.try_clone_to_owned().ok()?.into())
    }
}

#[cfg(not(windows))]
mod imp {
    use super::{File, HANDLE};
    use std::os::fd::{AsRawFd, BorrowedFd};

    pub(super) fn handle(file: &File) -> HANDLE {
        std::ptr::without_provenance_mut(usize::try_from(file.as_raw_fd()).unwrap_or(usize::MAX))
    }

    pub(super) unsafe fn duplicate(handle: HANDLE) -> Option<File> {
        let fd = i32::try_from(handle.addr()).ok()?;
        // SAFETY: it is open, says the caller, and is borrowed for this call.
        let fd = unsafe { BorrowedFd::borrow_raw(fd) };
        Some(fd.try_clone_to_owned().ok()?.into())
    }
}
