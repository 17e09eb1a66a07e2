//! One system call: prepared under the lock, made without it.

use std::fs::File;
use std::net::{SocketAddr, TcpStream};
use std::os::windows::io::AsRawHandle;
use std::sync::Arc;

use bivalve_core::driver::ResourceKind;
use windows_sys::Win32::Foundation::{ERROR_HANDLE_EOF, HANDLE};
use windows_sys::Win32::Networking::WinSock::{SOCKET, WSABUF, WSAENOTSOCK};

use crate::port::Port;
use crate::record::RecordRef;
use crate::sockets::{self, Provider};
use crate::status::Landed;
use crate::{files, port};

/// The most that one call moves: a round number below what `TransmitFile` takes, 2^31 - 2.
pub(crate) const MOST: u32 = 1 << 30;

/// Chunks that one `WSASend` takes.
pub(crate) const VECTOR: usize = 16;

/// What a call is made on: copied from the handle's entry, which stays until the call has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    /// A HANDLE or a SOCKET.
    pub(crate) raw: usize,
    pub(crate) kind: ResourceKind,
    /// A call that succeeds at once posts no packet.
    pub(crate) skips: bool,
    /// A file whose calls wait for the disk: they are made by a thread that takes a packet.
    pub(crate) waits: bool,
    /// Of a socket.
    pub(crate) provider: Option<Provider>,
    /// Of a socket.
    pub(crate) v6: bool,
}

/// The pointers in it are into buffers of an operation, which keeps them in the driver's table until the call has ended.
#[allow(clippy::large_enum_variant, reason = "it lives on the stack, from the preparation to the call")]
pub(crate) enum Call {
    Accept {
        target: Target,
        record: RecordRef,
    },
    /// An accepted or, without a listener, a connected socket becomes one like any other.
    Adopt {
        listener: Option<Target>,
        stream: TcpStream,
        skips: bool,
    },
    Connect {
        address: SocketAddr,
        record: RecordRef,
    },
    /// From a file into a pipe, through a buffer.
    Copy {
        target: Target,
        record: RecordRef,
        file: Arc<File>,
        offset: u64,
        buffer: *mut u8,
        len: u32,
    },
    Post {
        record: RecordRef,
    },
    Read {
        target: Target,
        record: RecordRef,
        to: *mut u8,
        len: u32,
    },
    Receive {
        target: Target,
        record: RecordRef,
        to: *mut u8,
        len: u32,
    },
    Send {
        target: Target,
        record: RecordRef,
        buffers: [WSABUF; VECTOR],
        count: usize,
    },
    Shutdown {
        target: Target,
    },
    Transmit {
        target: Target,
        record: RecordRef,
        file: Arc<File>,
        offset: u64,
        len: u32,
    },
    Write {
        target: Target,
        record: RecordRef,
        from: *const u8,
        len: u32,
    },
}

/// What a call came to.
pub(crate) enum Outcome {
    /// It has ended, and posts no packet.
    Landed(Landed),
    /// It posts a packet; perhaps it has already.
    Pending,
}

/// What a call came to, and what it made.
pub(crate) struct Issued {
    pub(crate) outcome: Outcome,
    pub(crate) stream: Option<TcpStream>,
    /// Of the stream.
    pub(crate) skips: bool,
    /// Of the stream, if it is not its listener's.
    pub(crate) provider: Option<Provider>,
}

impl Call {
    /// Makes it. The caller holds no lock, and does not touch the record any more. `None` for a packet that was posted:
    /// the thread that takes it leads on, and perhaps does already.
    pub(crate) fn issue(self, port: &Port) -> Option<Issued> {
        let outcome = match self {
            Self::Accept { target, record } => return Some(accept(target, record)),
            Self::Adopt { listener, stream, skips } => return Some(adopt(listener, stream, skips, port)),
            Self::Connect { address, record } => return Some(connect(address, record, port)),
            Self::Copy { target, record, file, offset, buffer, len } => {
                copy(target, record, &file, offset, buffer, len)
            }
            Self::Post { record } => match port.post(record) {
                Ok(()) => return None,
                Err(landed) => Outcome::Landed(landed),
            },
            Self::Read { target, record, to, len } => {
                files::read(target.handle(), to, len, record, target.skips)
            }
            Self::Receive { target, record, to, len } => {
                sockets::receive(target.raw, to, len, record, target.skips)
            }
            Self::Send { target, record, buffers, count } => {
                sockets::send(target.raw, &buffers[..count], record, target.skips)
            }
            Self::Shutdown { target } => sockets::finish_sending(target.raw),
            Self::Transmit { target, record, file, offset, len } => {
                transmit(target, record, &file, offset, len)
            }
            Self::Write { target, record, from, len } => {
                files::write(target.handle(), from, len, record, target.skips)
            }
        };
        Some(outcome.into())
    }
}

impl Target {
    pub(crate) fn handle(self) -> HANDLE {
        self.raw as HANDLE
    }

    /// Asks the kernel to end a call on it.
    pub(crate) fn cancel(raw: usize, record: RecordRef) {
        port::cancel(raw as HANDLE, record);
    }
}

impl From<Outcome> for Issued {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, stream: None, skips: false, provider: None }
    }
}

fn accept(listener: Target, record: RecordRef) -> Issued {
    let Some(provider) = listener.provider else { return no_socket().into() };
    let (outcome, stream) =
        sockets::accept(listener.raw as SOCKET, listener.v6, provider, record, listener.skips);
    Issued { outcome, stream, skips: false, provider: None }
}

fn connect(address: SocketAddr, record: RecordRef, port: &Port) -> Issued {
    match sockets::connect(address, port, record) {
        (outcome, Some((stream, provider, skips))) => {
            Issued { outcome, stream: Some(stream), skips, provider: Some(provider) }
        }
        (outcome, None) => outcome.into(),
    }
}

fn adopt(listener: Option<Target>, stream: TcpStream, skips: bool, port: &Port) -> Issued {
    let adopted = match listener {
        None => sockets::finish_connect(&stream).map(|()| skips),
        Some(Target { raw, provider: Some(provider), .. }) => {
            sockets::finish_accept(&stream, raw, provider, port)
        }
        Some(_) => return no_socket().into(),
    };
    match adopted {
        Ok(skips) => {
            let outcome = Outcome::Landed(Landed::success(0));
            Issued { outcome, stream: Some(stream), skips, provider: None }
        }
        Err(error) => Outcome::Landed(Landed::from_io_error(&error)).into(),
    }
}

fn copy(
    pipe: Target,
    record: RecordRef,
    file: &Arc<File>,
    offset: u64,
    buffer: *mut u8,
    len: u32,
) -> Outcome {
    // SAFETY: the operation's lease, of that many initialised bytes, which the driver's table keeps until the call has
    // ended, and which nobody else touches until then.
    let room = unsafe { std::slice::from_raw_parts_mut(buffer, len as usize) };
    match files::copy(file, offset, room) {
        Ok(0) => Outcome::Landed(Landed::failure(ERROR_HANDLE_EOF)),
        Ok(read) => {
            let read = u32::try_from(read).unwrap_or(len);
            files::write(pipe.handle(), buffer, read, record, pipe.skips)
        }
        Err(error) => Outcome::Landed(Landed::from_io_error(&error)),
    }
}

fn transmit(target: Target, record: RecordRef, file: &Arc<File>, offset: u64, len: u32) -> Outcome {
    let Some(provider) = target.provider else { return no_socket() };
    let file = file.as_raw_handle();
    sockets::transmit(target.raw as SOCKET, file, offset, len, provider, record, target.skips)
}

/// The table of kinds does not let it come to this.
fn no_socket() -> Outcome {
    Outcome::Landed(Landed::failure(WSAENOTSOCK.cast_unsigned()))
}
