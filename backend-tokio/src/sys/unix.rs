//! Linux, macOS and the BSDs.

use std::fs::File;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::task::{Context, Poll};

use bivalve_core::driver::Direction;
use bivalve_core::{CompletionStatus, Resource};
use bytes::BytesMut;
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::unix::pipe;
use tokio::net::{UnixListener, UnixStream};

use crate::endpoint::{Io, moving};

/// A short read or write has taken or filled all there was: `epoll` and `kqueue` tell again when that changes.
///
/// Tokio itself relies on it, and on other systems does not.
pub(crate) const SHORT_IS_ALL: bool = cfg!(any(
    target_os = "android",
    target_os = "dragonfly",
    target_os = "freebsd",
    target_os = "ios",
    target_os = "linux",
    target_os = "macos",
    target_os = "netbsd",
    target_os = "openbsd",
));

/// For sends: a peer that is gone is an error, and no signal that ends the process. Apple's sockets have an option instead,
/// which `std` sets.
#[cfg(not(target_vendor = "apple"))]
pub(crate) const NO_SIGNAL: libc::c_int = libc::MSG_NOSIGNAL;
#[cfg(target_vendor = "apple")]
pub(crate) const NO_SIGNAL: libc::c_int = 0;

pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    file.read_at(buffer, offset)
}

pub(crate) fn write_at(file: &File, buffer: &[u8], offset: u64) -> io::Result<usize> {
    file.write_at(buffer, offset)
}

/// The status that all systems have for this error.
///
/// A descriptor that is not open is never used here, so `EBADF` means: not open for this direction. The numbers of the
/// others are known to the core for Linux only, and `std` has no kind for them.
pub(crate) fn status(error: &io::Error) -> CompletionStatus {
    match error.raw_os_error() {
        Some(libc::EBADF) => CompletionStatus::ACCESS_DENIED,
        Some(libc::EMFILE | libc::ENFILE) => CompletionStatus::TOO_MANY_OPEN_FILES,
        _ => CompletionStatus::from_io_error(error),
    }
}

/// Whether a connect that does not wait has only begun.
pub(crate) fn connect_goes_on(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINPROGRESS | libc::EINTR))
}

/// What only this family of systems has.
#[derive(Debug)]
pub(crate) enum Local {
    Listener(UnixListener),
    /// Both for a FIFO that was opened for reading and writing.
    Pipe(Option<pipe::Receiver>, Option<pipe::Sender>),
    Stream(UnixStream),
}

impl Local {
    pub(crate) fn new(resource: Resource) -> io::Result<Self> {
        match resource {
            Resource::Pipe(end) => Self::pipe(end),
            Resource::UnixListener(listener) => {
                listener.set_nonblocking(true)?;
                UnixListener::from_std(listener).map(Self::Listener)
            }
            Resource::UnixStream(stream) => {
                stream.set_nonblocking(true)?;
                UnixStream::from_std(stream).map(Self::Stream)
            }
            other => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                format!("the Tokio driver does not know this kind of resource: {other:?}"),
            )),
        }
    }

    /// Tokio asks the system which end it is.
    fn pipe(end: File) -> io::Result<Self> {
        let reader = pipe::Receiver::from_file(end.try_clone()?);
        let writer = pipe::Sender::from_file(end);
        match (reader, writer) {
            (Err(error), Err(_)) => Err(error),
            (reader, writer) => Ok(Self::Pipe(reader.ok(), writer.ok())),
        }
    }

    /// A second descriptor of the same thing: Tokio does not lend the types of `std`.
    pub(crate) fn resource(&self) -> io::Result<Resource> {
        let descriptor = match self {
            Self::Listener(listener) => return Ok(Resource::UnixListener(again(listener)?.into())),
            Self::Stream(stream) => return Ok(Resource::UnixStream(again(stream)?.into())),
            Self::Pipe(Some(reader), _) => again(reader)?,
            Self::Pipe(None, Some(writer)) => again(writer)?,
            Self::Pipe(None, None) => return Err(io::ErrorKind::NotFound.into()),
        };
        Ok(Resource::Pipe(descriptor.into()))
    }

    /// Whether it is an end for this direction.
    pub(crate) fn can(&self, direction: Direction) -> bool {
        match (self, direction) {
            (Self::Pipe(reader, _), Direction::In) => reader.is_some(),
            (Self::Pipe(_, writer), Direction::Out) => writer.is_some(),
            _ => true,
        }
    }

    pub(crate) fn poll_ready(&self, direction: Direction, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        match (self, direction) {
            (Self::Stream(stream), Direction::In) => stream.poll_read_ready(task),
            (Self::Stream(stream), Direction::Out) => stream.poll_write_ready(task),
            (Self::Pipe(Some(reader), _), Direction::In) => reader.poll_read_ready(task),
            (Self::Pipe(_, Some(writer)), Direction::Out) => writer.poll_write_ready(task),
            _ => Poll::Ready(Ok(())),
        }
    }

    pub(crate) fn poll_accept(&self, task: &mut Context<'_>) -> Poll<io::Result<Io>> {
        match self {
            Self::Listener(listener) => {
                listener.poll_accept(task).map_ok(|(stream, _)| Io::Local(Self::Stream(stream)))
            }
            _ => Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
        }
    }

    pub(crate) fn try_read(&self, buffer: &mut BytesMut, room: usize) -> io::Result<usize> {
        match self {
            Self::Stream(stream) => moving(
                room,
                || stream.try_read_buf(buffer),
                |attempt| stream.try_io(Interest::READABLE, attempt),
            ),
            Self::Pipe(Some(reader), _) => {
                moving(room, || reader.try_read_buf(buffer), |attempt| reader.try_io(attempt))
            }
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    pub(crate) fn try_write(&self, slices: &[IoSlice<'_>], room: usize) -> io::Result<usize> {
        match self {
            Self::Stream(stream) => moving(
                room,
                || SockRef::from(stream).send_vectored_with_flags(slices, NO_SIGNAL),
                |attempt| stream.try_io(Interest::WRITABLE, attempt),
            ),
            // No guess for a pipe: one that has room for less than `PIPE_BUF` is not writable, and not full either.
            Self::Pipe(_, Some(writer)) => writer.try_write_vectored(slices),
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    pub(crate) fn finish_sending(&self) -> io::Result<()> {
        match self {
            Self::Stream(stream) => SockRef::from(stream).shutdown(Shutdown::Write),
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

fn again(of: &impl AsFd) -> io::Result<std::os::fd::OwnedFd> {
    of.as_fd().try_clone_to_owned()
}
