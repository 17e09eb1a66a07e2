//! One system call: prepared under the lock, made without it by [`system`].

use std::fs::File;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use bivalve_core::driver::ResourceKind;
use windows_sys::Win32::Networking::WinSock::WSABUF;

use crate::record::RecordRef;
use crate::status::Landed;
use crate::system::{self, Provider};

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

impl Target {
    /// Asks the kernel to end a call on it.
    pub(crate) fn cancel(raw: usize, record: RecordRef) {
        system::cancel(raw, record);
    }
}

impl From<Outcome> for Issued {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, stream: None, skips: false, provider: None }
    }
}
