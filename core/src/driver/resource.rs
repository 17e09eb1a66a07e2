//! What can be associated with a driver.

use std::fs::File;
use std::net::{TcpListener, TcpStream};
#[cfg(unix)]
use std::os::unix::net::{UnixListener, UnixStream};

use super::Operation;

/// What can be associated with a driver. The driver owns it from then on.
///
/// A file on Windows need not have been opened for overlapped I/O: the completion-port driver opens it again where
/// it has to.
#[derive(Debug)]
#[non_exhaustive]
pub enum Resource {
    /// A file, for positioned reads and writes.
    File(File),
    /// One end of a pipe, for receive and send: a FIFO or an anonymous pipe on Unix; on Windows a named pipe that
    /// was opened for overlapped I/O.
    Pipe(File),
    /// A listener.
    TcpListener(TcpListener),
    /// A connected stream.
    TcpStream(TcpStream),
    /// A listener in the file system.
    #[cfg(unix)]
    UnixListener(UnixListener),
    /// A connected local stream.
    #[cfg(unix)]
    UnixStream(UnixStream),
}

impl Resource {
    /// What can be done with it.
    #[must_use]
    pub fn kind(&self) -> ResourceKind {
        match self {
            Self::File(_) => ResourceKind::File,
            Self::TcpListener(_) => ResourceKind::Listener,
            Self::Pipe(_) => ResourceKind::Pipe,
            Self::TcpStream(_) => ResourceKind::Stream,
            #[cfg(unix)]
            Self::UnixListener(_) => ResourceKind::Listener,
            #[cfg(unix)]
            Self::UnixStream(_) => ResourceKind::Stream,
        }
    }
}

/// What can be done with a handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResourceKind {
    /// Positioned reads and writes.
    File,
    /// Accept.
    Listener,
    /// Receive, or send, by the end that it is.
    Pipe,
    /// Receive, send, shutdown.
    Stream,
}

impl ResourceKind {
    /// Whether the operation can be done with such a handle; those without a handle can always be.
    #[must_use]
    pub fn can(self, operation: &Operation) -> bool {
        match operation {
            Operation::ReadAt { .. } | Operation::WriteAt { .. } => self == Self::File,
            Operation::Accept { .. } | Operation::AcceptMany { .. } => self == Self::Listener,
            Operation::Receive { .. } | Operation::ReceiveMany { .. } | Operation::Send { .. } => {
                matches!(self, Self::Pipe | Self::Stream)
            }
            Operation::SendFile { .. } | Operation::Shutdown { .. } => self == Self::Stream,
            Operation::Connect { .. } | Operation::Timer { .. } | Operation::Post { .. } => true,
        }
    }
}

macro_rules! from {
    ($($(#[$cfg:meta])* $ty:ty => $variant:ident;)*) => {$(
        $(#[$cfg])*
        impl From<$ty> for Resource {
            fn from(resource: $ty) -> Self {
                Self::$variant(resource)
            }
        }
    )*};
}

#[cfg(unix)]
fn pipe(end: impl Into<std::os::fd::OwnedFd>) -> Resource {
    Resource::Pipe(File::from(end.into()))
}

/// An anonymous pipe of Windows cannot be overlapped, so there is no such conversion there.
#[cfg(unix)]
impl From<std::io::PipeReader> for Resource {
    fn from(end: std::io::PipeReader) -> Self {
        pipe(end)
    }
}

#[cfg(unix)]
impl From<std::io::PipeWriter> for Resource {
    fn from(end: std::io::PipeWriter) -> Self {
        pipe(end)
    }
}

from! {
    File => File;
    TcpListener => TcpListener;
    TcpStream => TcpStream;
    #[cfg(unix)] UnixListener => UnixListener;
    #[cfg(unix)] UnixStream => UnixStream;
}
