//! Win32 codes and NT statuses to [`CompletionStatus`].

use bivalve_core::CompletionStatus;
use windows_sys::Win32::Foundation::{
    ERROR_CONNECTION_ABORTED, ERROR_NETNAME_DELETED, ERROR_NO_SYSTEM_RESOURCES, ERROR_SEM_TIMEOUT, NTSTATUS,
};
use windows_sys::Win32::Networking::WinSock::{WSAECONNABORTED, WSAECONNRESET, WSAENOBUFS};

use crate::pool::Refused;
use crate::system;

/// How a system call ended: bytes, and a Win32 or Winsock code, 0 for success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Landed {
    pub(crate) bytes: u32,
    pub(crate) code: u32,
}

impl Landed {
    pub(crate) const fn success(bytes: u32) -> Self {
        Self { bytes, code: 0 }
    }

    pub(crate) const fn failure(code: u32) -> Self {
        Self { bytes: 0, code }
    }

    /// By the error's code; one without a code, which no system call returns, is as a generic failure.
    pub(crate) fn from_io_error(error: &std::io::Error) -> Self {
        let code = error.raw_os_error().filter(|code| *code != 0).map(i32::cast_unsigned);
        Self::failure(code.or_else(|| Refused::code(error)).unwrap_or(u32::MAX))
    }

    pub(crate) fn from_ntstatus(bytes: u32, status: NTSTATUS) -> Self {
        if status >= 0 {
            return Self::success(bytes);
        }
        Self { bytes, code: system::code(status) }
    }

    pub(crate) fn status(self) -> CompletionStatus {
        match self.code {
            // What a connection attempt that nobody answers becomes between NTSTATUS and Win32.
            ERROR_SEM_TIMEOUT => CompletionStatus::TIMED_OUT,
            ERROR_NO_SYSTEM_RESOURCES => CompletionStatus::OUT_OF_MEMORY,
            code if code == WSAENOBUFS.cast_unsigned() => CompletionStatus::OUT_OF_MEMORY,
            code => CompletionStatus::from_win32(code),
        }
    }

    /// Whether an accept ended because the client went before anybody saw it.
    pub(crate) fn is_gone(self) -> bool {
        [
            ERROR_NETNAME_DELETED,
            ERROR_CONNECTION_ABORTED,
            WSAECONNRESET.cast_unsigned(),
            WSAECONNABORTED.cast_unsigned(),
        ]
        .contains(&self.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use windows_sys::Win32::Foundation::{
        STATUS_CANCELLED, STATUS_CONNECTION_REFUSED, STATUS_CONNECTION_RESET, STATUS_DISK_FULL,
        STATUS_IO_TIMEOUT, STATUS_PIPE_BROKEN,
    };

    #[test]
    fn nt_statuses_are_the_statuses_of_linux() {
        let status = |nt| Landed::from_ntstatus(3, nt).status();
        assert_eq!(status(0), CompletionStatus::SUCCESS);
        assert_eq!(status(STATUS_CANCELLED), CompletionStatus::CANCELLED);
        assert_eq!(status(STATUS_CONNECTION_REFUSED), CompletionStatus::CONNECTION_REFUSED);
        assert_eq!(status(STATUS_CONNECTION_RESET), CompletionStatus::CONNECTION_RESET);
        assert_eq!(status(STATUS_DISK_FULL), CompletionStatus::DISK_FULL);
        assert_eq!(status(STATUS_IO_TIMEOUT), CompletionStatus::TIMED_OUT);
        assert_eq!(status(STATUS_PIPE_BROKEN), CompletionStatus::BROKEN_PIPE);
    }
}
