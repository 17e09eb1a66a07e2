//! `AssociateWithThreadPool`: the system's own pool, where it has one.

use bivalve_iis_sys::callbacks::LPOVERLAPPED_COMPLETION_ROUTINE;
use bivalve_iis_sys::types::{HANDLE, HRESULT};

/// Elsewhere there is no overlapped input and output.
#[cfg(not(windows))]
pub(crate) fn associate(_: HANDLE, _: LPOVERLAPPED_COMPLETION_ROUTINE) -> HRESULT {
    crate::faces::NOT_SUPPORTED
}

/// The pool that IIS used before it had its own.
#[cfg(windows)]
pub(crate) fn associate(handle: HANDLE, routine: LPOVERLAPPED_COMPLETION_ROUTINE) -> HRESULT {
    use bivalve_iis_sys::hresult::{S_OK, from_win32};
    use bivalve_iis_sys::types::BOOL;

    #[link(name = "kernel32")]
    unsafe extern "system" {
        fn BindIoCompletionCallback(
            handle: HANDLE,
            routine: LPOVERLAPPED_COMPLETION_ROUTINE,
            flags: u32,
        ) -> BOOL;
    }
    // SAFETY: the handle is open, says the module, and the routine can be called as long as it is.
    if unsafe { BindIoCompletionCallback(handle, routine, 0) } != 0 {
        return S_OK;
    }
    let error = std::io::Error::last_os_error().raw_os_error().unwrap_or(0);
    from_win32(error.cast_unsigned())
}
