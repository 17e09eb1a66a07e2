//! What is behind a handle: a file, or a socket that is registered with the runtime.

use std::fs::File;
use std::io::{self, IoSlice};
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bivalve_core::driver::Direction;
use bivalve_core::{CompletionStatus, Resource};
use bytes::BytesMut;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream};

use crate::ready::{ReadyList, Signal};
use crate::sys;

/// The resource of a handle, shared with those who use it at this moment; the last one closes it.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) io: Io,
    /// By direction; none for a file.
    watches: Option<[Watch; 2]>,
}

#[derive(Debug)]
struct Watch {
    signal: Arc<Signal>,
    waker: Waker,
}

impl Endpoint {
    pub(crate) fn new(io: Io, ready: &Arc<ReadyList>) -> Arc<Self> {
        let watches = match &io {
            Io::File(_) => None,
            _ => Some([Direction::In, Direction::Out].map(|direction| {
                let signal = Signal::new(ready, direction);
                Watch { waker: Waker::from(Arc::clone(&signal)), signal }
            })),
        };
        Arc::new(Self { io, watches })
    }

    /// Its handle has this place.
    pub(crate) fn place(&self, index: u32, generation: u32) {
        self.watches.iter().flatten().for_each(|watch| watch.signal.place(index, generation));
    }

    /// Makes the pump look at a lane.
    pub(crate) fn waker(&self, direction: Direction) -> &Waker {
        self.watches.as_ref().map_or(Waker::noop(), |watches| &watches[direction as usize].waker)
    }

    /// The pump looks at it now.
    pub(crate) fn unlist(&self, direction: Direction) {
        if let Some(watches) = &self.watches {
            watches[direction as usize].signal.unlist();
        }
    }
}

/// Closing does not block (`Driver::close`), whatever option was set through `inspect`: what is in the socket's buffer
/// leaves in the background. To linger for no time at all is to reset the connection, and stays.
impl Drop for Endpoint {
    fn drop(&mut self) {
        if let Io::TcpStream(stream) = &self.io {
            let socket = SockRef::from(stream);
            if socket.linger().is_ok_and(|linger| linger.is_some_and(|time| !time.is_zero())) {
                let _ = socket.set_linger(None);
            }
        }
    }
}

/// A resource in the runtime's hands. Attempts never wait.
#[derive(Debug)]
pub(crate) enum Io {
    File(Resource),
    Local(sys::Local),
    TcpListener(TcpListener),
    TcpStream(TcpStream),
}

impl Io {
    /// Within the context of the driver's runtime.
    pub(crate) fn new(resource: Resource) -> io::Result<Self> {
        match resource {
            Resource::File(_) => Ok(Self::File(resource)),
            Resource::TcpListener(listener) => {
                listener.set_nonblocking(true)?;
                TcpListener::from_std(listener).map(Self::TcpListener)
            }
            Resource::TcpStream(stream) => {
                stream.set_nonblocking(true)?;
                TcpStream::from_std(stream).map(Self::TcpStream)
            }
            other => sys::Local::new(other).map(Self::Local),
        }
    }

    /// Begins to connect; writable, or in error, once that has ended. Within the context of the driver's runtime.
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        match socket.connect(&address.into()) {
            Err(error) if !sys::connect_goes_on(&error) => Err(error),
            _ => TcpStream::from_std(socket.into()).map(Self::TcpStream),
        }
    }

    /// How a connect has ended, once the socket is writable.
    pub(crate) fn connected(&self) -> io::Result<()> {
        match self {
            Self::TcpStream(stream) => stream.take_error()?.map_or(Ok(()), Err),
            _ => Ok(()),
        }
    }

    /// Shows the resource. Tokio does not lend the types of `std`, so what is shown of a socket is a second
    /// descriptor of it, for as long as it is looked at.
    pub(crate) fn show(&self, look: &mut dyn FnMut(&Resource)) -> io::Result<()> {
        let again = match self {
            Self::File(file) => {
                look(file);
                return Ok(());
            }
            Self::Local(local) => local.resource()?,
            Self::TcpListener(listener) => Resource::TcpListener(SockRef::from(listener).try_clone()?.into()),
            Self::TcpStream(stream) => Resource::TcpStream(SockRef::from(stream).try_clone()?.into()),
        };
        look(&again);
        Ok(())
    }

    pub(crate) fn file(&self) -> Option<&File> {
        match self {
            Self::File(Resource::File(file)) => Some(file),
            _ => None,
        }
    }

    /// Why operations of this direction cannot work: the wrong end of a pipe.
    pub(crate) fn check(&self, direction: Direction) -> Result<(), CompletionStatus> {
        match self {
            Self::Local(local) if !local.can(direction) => Err(CompletionStatus::ACCESS_DENIED),
            _ => Ok(()),
        }
    }

    /// Whether an attempt is worth while; otherwise the waker is told when it is. An error: the runtime is gone.
    pub(crate) fn poll_ready(&self, direction: Direction, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        match (self, direction) {
            (Self::TcpStream(stream), Direction::In) => stream.poll_read_ready(task),
            (Self::TcpStream(stream), Direction::Out) => stream.poll_write_ready(task),
            (Self::Local(local), _) => local.poll_ready(direction, task),
            (Self::File(_) | Self::TcpListener(_), _) => Poll::Ready(Ok(())),
        }
    }

    /// The next connection. Within the context of the driver's runtime.
    pub(crate) fn poll_accept(&self, task: &mut Context<'_>) -> Poll<io::Result<Self>> {
        match self {
            Self::TcpListener(listener) => {
                listener.poll_accept(task).map_ok(|(stream, _)| Self::TcpStream(stream))
            }
            Self::Local(local) => local.poll_accept(task),
            Self::File(_) | Self::TcpStream(_) => Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
        }
    }

    /// Reads into the spare capacity, which there is.
    pub(crate) fn try_read(&self, buffer: &mut BytesMut) -> io::Result<usize> {
        let room = buffer.capacity() - buffer.len();
        match self {
            Self::TcpStream(stream) => moving(
                room,
                || stream.try_read_buf(buffer),
                |attempt| stream.try_io(Interest::READABLE, attempt),
            ),
            Self::Local(local) => local.try_read(buffer, room),
            Self::File(_) | Self::TcpListener(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Writes from slices that hold this many bytes.
    pub(crate) fn try_write(&self, slices: &[IoSlice<'_>], room: usize) -> io::Result<usize> {
        match self {
            Self::TcpStream(stream) => moving(
                room,
                || match slices {
                    [one] => stream.try_write(one),
                    // `writev` cannot be told to do without SIGPIPE.
                    _ => SockRef::from(stream).send_vectored_with_flags(slices, sys::NO_SIGNAL),
                },
                |attempt| stream.try_io(Interest::WRITABLE, attempt),
            ),
            Self::Local(local) => local.try_write(slices, room),
            Self::File(_) | Self::TcpListener(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    pub(crate) fn finish_sending(&self) -> io::Result<()> {
        match self {
            Self::TcpStream(stream) => SockRef::from(stream).shutdown(Shutdown::Write),
            Self::Local(local) => local.finish_sending(),
            Self::File(_) | Self::TcpListener(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

/// Reads or writes, and after a short one takes the readiness back where the system allows it: that saves the call
/// which would only say that it would block.
///
/// `guarded` is Tokio's `try_io`, which notes the readiness before the attempt and takes back no newer one.
pub(crate) fn moving(
    room: usize,
    mut attempt: impl FnMut() -> io::Result<usize>,
    guarded: impl FnOnce(&mut dyn FnMut() -> io::Result<usize>) -> io::Result<usize>,
) -> io::Result<usize> {
    let mut moved = None;
    let result = guarded(&mut || {
        let bytes = attempt()?;
        moved = Some(bytes);
        if sys::SHORT_IS_ALL && 0 < bytes && bytes < room {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(bytes)
    });
    moved.map_or(result, Ok)
}
