//! What a finished operation reports: bytes and status.

use std::fmt;
use std::io;

/// Bytes moved and how it ended.
///
/// ```
/// use bivalve_core::{Completion, CompletionStatus};
///
/// let done = Completion::success(12);
/// assert_eq!((done.bytes(), done.status()), (12, CompletionStatus::SUCCESS));
/// assert!(Completion::failure(CompletionStatus::CANCELLED).into_result().is_err());
/// ```
///
/// IIS counterpart: `IHttpCompletionInfo` (`GetCompletionBytes`, `GetCompletionStatus`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    bytes: usize,
    status: CompletionStatus,
}

impl Completion {
    /// An operation that worked.
    pub const fn success(bytes: usize) -> Self {
        Self { bytes, status: CompletionStatus::SUCCESS }
    }

    /// An operation that failed before it moved anything.
    pub const fn failure(status: CompletionStatus) -> Self {
        Self { bytes: 0, status }
    }

    /// Both parts, as a driver reports them: a failed operation may have moved bytes.
    pub const fn new(bytes: usize, status: CompletionStatus) -> Self {
        Self { bytes, status }
    }

    /// Bytes moved.
    #[must_use]
    pub const fn bytes(self) -> usize {
        self.bytes
    }

    /// How it ended.
    #[must_use]
    pub const fn status(self) -> CompletionStatus {
        self.status
    }

    /// Whether it worked.
    #[must_use]
    pub const fn is_success(self) -> bool {
        self.status.is_success()
    }

    /// The bytes, or the status as an error.
    ///
    /// # Errors
    ///
    /// Every status but success, as [`CompletionStatus::to_io_error`] words it.
    pub fn into_result(self) -> io::Result<usize> {
        match self.status.to_io_error() {
            None => Ok(self.bytes),
            Some(error) => Err(error),
        }
    }
}

/// How an operation ended, as an `HRESULT`: the one status space that IIS, Win32 and errno share.
///
/// Win32 errors map by IIS's rule (`HRESULT_FROM_WIN32`). An errno of Linux has no HRESULT of its own:
/// those that mean the same as a Win32 error become it (`ECONNRESET` is `ERROR_NETNAME_DELETED`), so a
/// module compares the same constants on both systems; any other travels in a facility of its own and
/// comes back unchanged through [`errno`](Self::errno).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CompletionStatus(i32);

/// `HRESULT_FROM_WIN32` for codes below 65,536.
const fn win32(code: u16) -> i32 {
    (0x8007_0000_u32 | code as u32).cast_signed()
}

/// Severity error, customer bit, facility 0x0B1: a raw errno in the low half.
const ERRNO_FACILITY: u32 = 0xA0B1_0000;

impl CompletionStatus {
    /// `S_OK`.
    pub const SUCCESS: Self = Self(0);
    /// `ERROR_HANDLE_EOF`: nothing left to read.
    pub const END_OF_FILE: Self = Self(win32(38));
    /// `ERROR_OPERATION_ABORTED`: the operation was cancelled.
    pub const CANCELLED: Self = Self(win32(995));
    /// `ERROR_NETNAME_DELETED`: the peer reset the connection.
    pub const CONNECTION_RESET: Self = Self(win32(64));
    /// `ERROR_CONNECTION_ABORTED`: the connection is gone, by our own doing or the peer's.
    pub const CONNECTION_ABORTED: Self = Self(win32(1236));
    /// `ERROR_BROKEN_PIPE`: the reading side is gone.
    pub const BROKEN_PIPE: Self = Self(win32(109));
    /// `ERROR_CONNECTION_REFUSED`: nobody listens there.
    pub const CONNECTION_REFUSED: Self = Self(win32(1225));
    /// `ERROR_NOT_CONNECTED`: a stream that has no peer.
    pub const NOT_CONNECTED: Self = Self(win32(2250));
    /// `ERROR_INVALID_HANDLE`: the handle is closed, or of a kind that cannot do this.
    pub const INVALID_HANDLE: Self = Self(win32(6));
    /// `ERROR_ACCESS_DENIED`.
    pub const ACCESS_DENIED: Self = Self(win32(5));
    /// `ERROR_FILE_NOT_FOUND`.
    pub const NOT_FOUND: Self = Self(win32(2));
    /// `ERROR_DISK_FULL`.
    pub const DISK_FULL: Self = Self(win32(112));
    /// `ERROR_INVALID_PARAMETER`.
    pub const INVALID_PARAMETER: Self = Self(win32(87));
    /// `ERROR_NOT_SUPPORTED`.
    pub const NOT_SUPPORTED: Self = Self(win32(50));
    /// `WAIT_TIMEOUT`.
    pub const TIMED_OUT: Self = Self(win32(258));
    /// `ERROR_TOO_MANY_OPEN_FILES`.
    pub const TOO_MANY_OPEN_FILES: Self = Self(win32(4));
    /// `ERROR_NOT_ENOUGH_MEMORY`.
    pub const OUT_OF_MEMORY: Self = Self(win32(8));
    /// `ERROR_STACK_OVERFLOW`: nested too deep; what IIS answers to a child request beyond its limit.
    pub const STACK_OVERFLOW: Self = Self(win32(1001));
    /// `E_FAIL`: failed, and nobody said how.
    pub const UNSPECIFIED: Self = Self(0x8000_4005_u32.cast_signed());

    /// Each row: Linux errno, status, the kind `std` uses.
    const TABLE: [(i32, Self, io::ErrorKind); 16] = [
        (125, Self::CANCELLED, io::ErrorKind::Interrupted),
        (104, Self::CONNECTION_RESET, io::ErrorKind::ConnectionReset),
        (103, Self::CONNECTION_ABORTED, io::ErrorKind::ConnectionAborted),
        (32, Self::BROKEN_PIPE, io::ErrorKind::BrokenPipe),
        (111, Self::CONNECTION_REFUSED, io::ErrorKind::ConnectionRefused),
        (107, Self::NOT_CONNECTED, io::ErrorKind::NotConnected),
        (9, Self::INVALID_HANDLE, io::ErrorKind::Other),
        (13, Self::ACCESS_DENIED, io::ErrorKind::PermissionDenied),
        (2, Self::NOT_FOUND, io::ErrorKind::NotFound),
        (28, Self::DISK_FULL, io::ErrorKind::StorageFull),
        (22, Self::INVALID_PARAMETER, io::ErrorKind::InvalidInput),
        (95, Self::NOT_SUPPORTED, io::ErrorKind::Unsupported),
        (110, Self::TIMED_OUT, io::ErrorKind::TimedOut),
        (24, Self::TOO_MANY_OPEN_FILES, io::ErrorKind::Other),
        (12, Self::OUT_OF_MEMORY, io::ErrorKind::OutOfMemory),
        (0, Self::END_OF_FILE, io::ErrorKind::UnexpectedEof),
    ];

    /// From an `HRESULT`, unchanged. Positive values are successes, as everywhere in Windows.
    #[must_use]
    pub const fn from_hresult(hresult: i32) -> Self {
        Self(hresult)
    }

    /// As an `HRESULT`.
    #[must_use]
    pub const fn hresult(self) -> i32 {
        self.0
    }

    /// What Winsock and the pipes call otherwise, and means the same: so a module compares one constant.
    const SYNONYMS: [(u16, Self); 12] = [
        (39, Self::DISK_FULL),              // ERROR_HANDLE_DISK_FULL
        (232, Self::BROKEN_PIPE),           // ERROR_NO_DATA: the other end of a pipe is gone
        (233, Self::BROKEN_PIPE),           // ERROR_PIPE_NOT_CONNECTED
        (10038, Self::INVALID_HANDLE),      // WSAENOTSOCK
        (10022, Self::INVALID_PARAMETER),   // WSAEINVAL
        (10024, Self::TOO_MANY_OPEN_FILES), // WSAEMFILE
        (10053, Self::CONNECTION_ABORTED),  // WSAECONNABORTED
        (10054, Self::CONNECTION_RESET),    // WSAECONNRESET
        (10057, Self::NOT_CONNECTED),       // WSAENOTCONN
        (10058, Self::BROKEN_PIPE),         // WSAESHUTDOWN: sent after our own shutdown
        (10060, Self::TIMED_OUT),           // WSAETIMEDOUT
        (10061, Self::CONNECTION_REFUSED),  // WSAECONNREFUSED
    ];

    /// From a Win32 or Winsock error code (`GetLastError`, `WSAGetLastError`); 0 is success, codes over 65,535 become
    /// [`UNSPECIFIED`](Self::UNSPECIFIED). Codes that mean the same become one status: `WSAECONNRESET` is
    /// [`CONNECTION_RESET`](Self::CONNECTION_RESET).
    #[must_use]
    pub fn from_win32(code: u32) -> Self {
        match u16::try_from(code) {
            Ok(0) => Self::SUCCESS,
            Ok(code) => match Self::SYNONYMS.iter().find(|row| row.0 == code) {
                Some(row) => row.1,
                None => Self(win32(code)),
            },
            Err(_) => Self::UNSPECIFIED,
        }
    }

    /// The Win32 error code, where the status is one.
    #[must_use]
    pub const fn win32(self) -> Option<u16> {
        let bits = self.0.cast_unsigned();
        if bits & 0xFFFF_0000 == 0x8007_0000 { Some((bits & 0xFFFF) as u16) } else { None }
    }

    /// From an errno of Linux; 0 is success.
    #[must_use]
    pub fn from_errno(errno: i32) -> Self {
        if errno == 0 {
            return Self::SUCCESS;
        }
        match Self::TABLE.iter().find(|row| row.0 == errno) {
            Some(row) => row.1,
            None => match u16::try_from(errno) {
                Ok(errno) => Self((ERRNO_FACILITY | u32::from(errno)).cast_signed()),
                Err(_) => Self::UNSPECIFIED,
            },
        }
    }

    /// The errno of Linux, where the status has one.
    #[must_use]
    pub fn errno(self) -> Option<i32> {
        if self == Self::SUCCESS {
            return Some(0);
        }
        if self.0.cast_unsigned() & 0xFFFF_0000 == ERRNO_FACILITY {
            return Some(self.0 & 0xFFFF);
        }
        Self::TABLE.iter().find(|row| row.1 == self && row.0 != 0).map(|row| row.0)
    }

    /// From an I/O error: by its code on the system that made it, else by its kind.
    #[must_use]
    pub fn from_io_error(error: &io::Error) -> Self {
        if let Some(code) = error.raw_os_error() {
            if cfg!(windows) {
                return Self::from_win32(code.cast_unsigned());
            }
            // Elsewhere the numbers of errno are others; the kind is the same.
            if cfg!(target_os = "linux") {
                return Self::from_errno(code);
            }
        }
        if let Some(status) = error.get_ref().and_then(|inner| inner.downcast_ref::<StatusError>()) {
            return status.0;
        }
        Self::TABLE
            .iter()
            .find(|row| row.2 == error.kind() && row.2 != io::ErrorKind::Other)
            .map_or(Self::UNSPECIFIED, |row| row.1)
    }

    /// As an I/O error that [`from_io_error`](Self::from_io_error) turns back into the same status;
    /// `None` for success.
    #[must_use]
    pub fn to_io_error(self) -> Option<io::Error> {
        if self.is_success() {
            return None;
        }
        let kind = Self::TABLE.iter().find(|row| row.1 == self).map_or(io::ErrorKind::Other, |row| row.2);
        Some(io::Error::new(kind, StatusError(self)))
    }

    /// Whether the operation worked.
    #[must_use]
    pub const fn is_success(self) -> bool {
        self.0 >= 0
    }

    /// Whether it means that the client has gone: what a module may treat as the end, not as a fault.
    #[must_use]
    pub fn is_disconnect(self) -> bool {
        // ERROR_CONNECTION_INVALID (1229) is what IIS reports for a connection closed earlier.
        [Self::CONNECTION_RESET, Self::CONNECTION_ABORTED, Self::BROKEN_PIPE, Self(win32(1229))]
            .contains(&self)
    }

    fn text(self) -> Option<&'static str> {
        Some(match self {
            Self::SUCCESS => "success",
            Self::END_OF_FILE => "end of file",
            Self::CANCELLED => "cancelled",
            Self::CONNECTION_RESET => "connection reset by the peer",
            Self::CONNECTION_ABORTED => "connection aborted",
            Self::BROKEN_PIPE => "broken pipe",
            Self::CONNECTION_REFUSED => "connection refused",
            Self::NOT_CONNECTED => "not connected",
            Self::INVALID_HANDLE => "invalid handle",
            Self::ACCESS_DENIED => "access denied",
            Self::NOT_FOUND => "not found",
            Self::DISK_FULL => "disk full",
            Self::INVALID_PARAMETER => "invalid parameter",
            Self::NOT_SUPPORTED => "not supported",
            Self::TIMED_OUT => "timed out",
            Self::TOO_MANY_OPEN_FILES => "too many open files",
            Self::OUT_OF_MEMORY => "out of memory",
            Self::STACK_OVERFLOW => "nested too deep",
            Self::UNSPECIFIED => "unspecified failure",
            _ => return None,
        })
    }
}

impl fmt::Display for CompletionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.text(), self.errno()) {
            (Some(text), _) => f.pad(text),
            (None, Some(errno)) => write!(f, "errno {errno}"),
            (None, None) => write!(f, "HRESULT 0x{:08X}", self.0),
        }
    }
}

impl fmt::Debug for CompletionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CompletionStatus(0x{:08X}: {self})", self.0)
    }
}

/// A status as the payload of an `io::Error`, so that it comes back unchanged.
#[derive(Debug)]
struct StatusError(CompletionStatus);

impl fmt::Display for StatusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl std::error::Error for StatusError {}

/// What a finished operation hands back: the completion, and always the buffer.
///
/// ```
/// use bivalve_core::{Completed, Completion};
///
/// let done = Completed::new(Completion::success(5), b"hello".to_vec());
/// let (read, buffer) = done.into_result()?;
/// assert_eq!(&buffer[..read], b"hello");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "it holds the buffer and says whether the operation worked"]
pub struct Completed<B> {
    /// Bytes and status.
    pub completion: Completion,
    /// The buffer that went into the operation.
    pub buffer: B,
}

impl<B> Completed<B> {
    /// Both parts.
    pub const fn new(completion: Completion, buffer: B) -> Self {
        Self { completion, buffer }
    }

    /// Bytes and buffer, or the error; the buffer is dropped with an error. Take the fields to keep it.
    ///
    /// # Errors
    ///
    /// The completion's status, unless it is success.
    pub fn into_result(self) -> io::Result<(usize, B)> {
        self.completion.into_result().map(|bytes| (bytes, self.buffer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_errno_comes_back_unchanged() {
        for errno in 0..=133 {
            assert_eq!(CompletionStatus::from_errno(errno).errno(), Some(errno), "errno {errno}");
        }
    }

    #[test]
    fn every_status_survives_io_error() {
        for row in CompletionStatus::TABLE {
            let error = row.1.to_io_error().expect("no row is success");
            assert_eq!(CompletionStatus::from_io_error(&error), row.1);
        }
        assert!(CompletionStatus::SUCCESS.to_io_error().is_none());
    }

    #[test]
    fn win32_codes_are_hresults_as_iis_reports_them() {
        assert_eq!(CompletionStatus::CANCELLED.hresult().cast_unsigned(), 0x8007_03E3);
        assert_eq!(CompletionStatus::END_OF_FILE.hresult().cast_unsigned(), 0x8007_0026);
        assert_eq!(CompletionStatus::from_win32(995), CompletionStatus::CANCELLED);
        assert_eq!(CompletionStatus::CANCELLED.win32(), Some(995));
        assert_eq!(CompletionStatus::from_win32(10054), CompletionStatus::CONNECTION_RESET);
    }
}
