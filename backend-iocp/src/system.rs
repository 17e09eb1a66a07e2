//! Windows: whatever of it this driver calls is in here, so that the models put another in its place.

mod associate;
mod files;
mod issue;
mod port;
mod sockets;

use windows_sys::Win32::Foundation::{NTSTATUS, RtlNtStatusToDosError};

pub(crate) use self::associate::associate;
pub(crate) use self::port::{Port, cancel};
pub(crate) use self::sockets::{Provider, raw};

/// The Win32 code of an NT status.
pub(crate) fn code(status: NTSTATUS) -> u32 {
    // SAFETY: a pure function of its argument; no memory is involved.
    unsafe { RtlNtStatusToDosError(status) }
}
