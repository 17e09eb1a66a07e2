//! Sockets: how they come to the port, and what is called on them.

#![allow(
    clippy::cast_possible_truncation,
    reason = "sizes of structures, 16 buffers, and a word that is a SOCKET"
)]

use std::ffi::c_void;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::windows::io::AsRawSocket;
use std::ptr;
use std::sync::OnceLock;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use windows_sys::Win32::Foundation::{ERROR_HANDLE_EOF, ERROR_IO_PENDING, HANDLE};
use windows_sys::Win32::Networking::WinSock::{
    LPFN_ACCEPTEX, LPFN_CONNECTEX, LPFN_TRANSMITFILE, SD_SEND, SIO_GET_EXTENSION_FUNCTION_POINTER,
    SO_PROTOCOL_INFOW, SO_UPDATE_ACCEPT_CONTEXT, SO_UPDATE_CONNECT_CONTEXT, SOCKET, SOL_SOCKET, WSABUF,
    WSAEOPNOTSUPP, WSAID_ACCEPTEX, WSAID_CONNECTEX, WSAID_TRANSMITFILE, WSAIoctl, WSAPROTOCOL_INFOW, WSARecv,
    WSASend, XP1_IFS_HANDLES, getsockopt, setsockopt, shutdown,
};
use windows_sys::Win32::Storage::FileSystem::GetFileSizeEx;
use windows_sys::core::GUID;

use super::files;
use super::port::Port;
use crate::call::Outcome;
use crate::record::{ADDRESS_BYTES, RecordRef};
use crate::status::Landed;

/// What the provider of a socket can do. Accepted sockets have that of their listener.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Provider {
    accept: LPFN_ACCEPTEX,
    connect: LPFN_CONNECTEX,
    transmit: LPFN_TRANSMITFILE,
    /// Its sockets are handles of the kernel's, so that their calls need not post a packet when they succeed at once.
    /// Those of a layered provider complete in its own way.
    kernel_handles: bool,
}

impl Provider {
    pub(crate) fn of(socket: SOCKET) -> io::Result<Self> {
        // SAFETY: each type is that of the function which its GUID names.
        unsafe {
            Ok(Self {
                accept: extension(socket, &WSAID_ACCEPTEX)?,
                connect: extension(socket, &WSAID_CONNECTEX)?,
                transmit: extension(socket, &WSAID_TRANSMITFILE)?,
                kernel_handles: has_kernel_handles(socket),
            })
        }
    }

    /// Sends packets of a socket to the port; whether calls that succeed at once post none.
    pub(crate) fn associate(&self, socket: SOCKET, port: &Port) -> io::Result<bool> {
        port.associate(socket as HANDLE)?;
        Ok(self.kernel_handles && port.skip_on_success(socket as HANDLE))
    }
}

/// `AcceptEx` into a new socket, which has to be kept until the call has ended.
pub(crate) fn accept(
    listener: SOCKET,
    v6: bool,
    provider: Provider,
    record: RecordRef,
    skips: bool,
) -> (Outcome, Option<TcpStream>) {
    let Some(accept) = provider.accept else { return (unsupported(), None) };
    let socket = match stream(v6) {
        Ok(socket) => socket,
        Err(error) => return (Outcome::Landed(Landed::from_io_error(&error)), None),
    };
    let mut bytes = 0;
    // SAFETY: the driver's table keeps the listener open and the record until the packet has come; the new socket goes
    // into the table as well. The room for the two addresses is in the record.
    let done = unsafe {
        let to = record.addresses();
        let new = raw(&socket);
        accept(listener, new, to, 0, ADDRESS_BYTES, ADDRESS_BYTES, &raw mut bytes, record.overlapped())
    };
    (outcome(done != 0, 0, skips), Some(socket))
}

/// `ConnectEx` with a new socket that is associated already, which has to be kept until the call has ended.
pub(crate) fn connect(
    address: SocketAddr,
    port: &Port,
    record: RecordRef,
) -> (Outcome, Option<(TcpStream, Provider, bool)>) {
    let (socket, provider, skips) = match prepare(address, port) {
        Ok(prepared) => prepared,
        Err(error) => return (Outcome::Landed(Landed::from_io_error(&error)), None),
    };
    let Some(connect) = provider.connect else { return (unsupported(), None) };
    let address = SockAddr::from(address);
    // SAFETY: the address is copied before the call returns; socket and record are in the driver's table until the
    // packet has come.
    let done = unsafe {
        let name = address.as_ptr().cast();
        connect(raw(&socket), name, address.len(), ptr::null(), 0, ptr::null_mut(), record.overlapped())
    };
    (outcome(done != 0, 0, skips), Some((socket, provider, skips)))
}

/// What a connected socket needs before it is like any other.
pub(crate) fn finish_connect(socket: &TcpStream) -> io::Result<()> {
    update(socket, SO_UPDATE_CONNECT_CONTEXT, None)
}

/// What an accepted socket needs before it is like any other.
pub(crate) fn finish_accept(
    socket: &TcpStream,
    listener: SOCKET,
    provider: Provider,
    port: &Port,
) -> io::Result<bool> {
    update(socket, SO_UPDATE_ACCEPT_CONTEXT, Some(listener))?;
    provider.associate(raw(socket), port)
}

/// `WSARecv`. The memory at `to` is the operation's buffer, which waits in the driver's table; or nothing, to learn that
/// there is something.
pub(crate) fn receive(socket: SOCKET, to: *mut u8, len: u32, record: RecordRef, skips: bool) -> Outcome {
    let buffer = WSABUF { len, buf: to };
    let (mut bytes, mut flags) = (0, 0);
    // SAFETY: the table keeps buffer and record until the packet has come; the descriptor and the two words are copied
    // before the call returns.
    let failed = unsafe {
        let overlapped = record.overlapped();
        WSARecv(socket, &raw const buffer, 1, &raw mut bytes, &raw mut flags, overlapped, None)
    };
    outcome(failed == 0, bytes, skips)
}

/// `WSASend`. What the buffers point to are chunks of an operation, which waits in the driver's table.
pub(crate) fn send(socket: SOCKET, buffers: &[WSABUF], record: RecordRef, skips: bool) -> Outcome {
    let mut bytes = 0;
    // SAFETY: the table keeps the chunks and the record until the packet has come; the descriptors are copied before the
    // call returns.
    let failed = unsafe {
        let count = buffers.len() as u32;
        WSASend(socket, buffers.as_ptr(), count, &raw mut bytes, 0, record.overlapped(), None)
    };
    outcome(failed == 0, bytes, skips)
}

/// `TransmitFile` of at most `len` bytes, from the offset in the record; the end of the file is an error.
pub(crate) fn transmit(
    socket: SOCKET,
    file: HANDLE,
    offset: u64,
    len: u32,
    provider: Provider,
    record: RecordRef,
    skips: bool,
) -> Outcome {
    let Some(transmit) = provider.transmit else { return unsupported() };
    if let Err(landed) = files::may_read(file) {
        return Outcome::Landed(landed);
    }
    let mut size = 0;
    // SAFETY: `size` is ours; the operation in the table keeps the file open.
    if unsafe { GetFileSizeEx(file, &raw mut size) } == 0 {
        return last_error();
    }
    // Asked for more than there is, the systems differ in what they send and report.
    let left = u64::try_from(size).unwrap_or(0).saturating_sub(offset);
    let len = len.min(u32::try_from(left).unwrap_or(u32::MAX));
    if len == 0 {
        return Outcome::Landed(Landed::failure(ERROR_HANDLE_EOF));
    }
    // SAFETY: the table keeps the operation, with the file, and the record until the packet has come.
    let done = unsafe { transmit(socket, file, len, 0, record.overlapped(), ptr::null(), 0) };
    // The bytes are not reported by the call itself.
    match outcome(done != 0, 0, skips) {
        Outcome::Landed(landed) if landed.code == 0 => Outcome::Landed(record.landed()),
        outcome => outcome,
    }
}

/// No more is sent.
pub(crate) fn finish_sending(socket: SOCKET) -> Outcome {
    // SAFETY: no memory is passed; the table keeps the socket open.
    if unsafe { shutdown(socket, SD_SEND) } == 0 { Outcome::Landed(Landed::success(0)) } else { last_error() }
}

pub(crate) fn raw(socket: &impl AsRawSocket) -> SOCKET {
    // Both are the word that the system calls a socket.
    socket.as_raw_socket() as SOCKET
}

fn outcome(done: bool, bytes: u32, skips: bool) -> Outcome {
    match done {
        true if skips => Outcome::Landed(Landed::success(bytes)),
        true => Outcome::Pending,
        false => match last_error() {
            Outcome::Landed(landed) if landed.code == ERROR_IO_PENDING => Outcome::Pending,
            outcome => outcome,
        },
    }
}

/// Winsock keeps its errors where the others are.
fn last_error() -> Outcome {
    Outcome::Landed(Landed::from_io_error(&io::Error::last_os_error()))
}

fn unsupported() -> Outcome {
    Outcome::Landed(Landed::failure(WSAEOPNOTSUPP.cast_unsigned()))
}

/// Not inherited by child processes, and open for overlapped calls, as `socket2` makes them.
fn stream(v6: bool) -> io::Result<TcpStream> {
    let domain = if v6 { Domain::IPV6 } else { Domain::IPV4 };
    Socket::new(domain, Type::STREAM, Some(Protocol::TCP)).map(TcpStream::from)
}

fn prepare(address: SocketAddr, port: &Port) -> io::Result<(TcpStream, Provider, bool)> {
    static PROVIDERS: [OnceLock<Provider>; 2] = [const { OnceLock::new() }; 2];
    let socket = bound(address)?;
    let cache = &PROVIDERS[usize::from(address.is_ipv6())];
    let provider = match cache.get() {
        Some(provider) => *provider,
        None => {
            let provider = Provider::of(raw(&socket))?;
            *cache.get_or_init(|| provider)
        }
    };
    let skips = provider.associate(raw(&socket), port)?;
    Ok((socket, provider, skips))
}

/// A socket with a local port, which `ConnectEx` does not give it.
fn bound(address: SocketAddr) -> io::Result<TcpStream> {
    let any: SocketAddr =
        if address.is_ipv6() { (Ipv6Addr::UNSPECIFIED, 0).into() } else { (Ipv4Addr::UNSPECIFIED, 0).into() };
    let bind = || {
        let socket = Socket::from(stream(address.is_ipv6())?);
        socket.bind(&any.into())?;
        Ok::<_, io::Error>(TcpStream::from(socket))
    };
    let socket = bind()?;
    // From the port that it is to connect to, a socket would connect to itself where nobody listens. The first one keeps
    // that port from the second.
    if socket.local_addr()?.port() == address.port() { bind() } else { Ok(socket) }
}

/// `None` or the function pointer that a GUID names.
///
/// # Safety
///
/// `F` must be the `Option` of a function pointer of the type that belongs to the GUID.
unsafe fn extension<F: Default>(socket: SOCKET, guid: &GUID) -> io::Result<F> {
    const { assert!(size_of::<F>() == size_of::<usize>()) };
    let mut function = F::default();
    let mut bytes = 0;
    // SAFETY: GUID and result are ours, of the sizes that are passed, and outlive the call, which is not overlapped.
    let failed = unsafe {
        WSAIoctl(
            socket,
            SIO_GET_EXTENSION_FUNCTION_POINTER,
            ptr::from_ref(guid).cast(),
            size_of::<GUID>() as u32,
            (&raw mut function).cast(),
            size_of::<F>() as u32,
            &raw mut bytes,
            ptr::null_mut(),
            None,
        )
    };
    if failed == 0 { Ok(function) } else { Err(io::Error::last_os_error()) }
}

fn has_kernel_handles(socket: SOCKET) -> bool {
    let mut protocol = WSAPROTOCOL_INFOW::default();
    let mut size = size_of::<WSAPROTOCOL_INFOW>() as i32;
    // SAFETY: `protocol` and `size` are ours and outlive the call.
    let failed = unsafe {
        let to = (&raw mut protocol).cast();
        getsockopt(socket, SOL_SOCKET, SO_PROTOCOL_INFOW, to, &raw mut size)
    };
    failed == 0 && protocol.dwServiceFlags1 & XP1_IFS_HANDLES != 0
}

fn update(socket: &TcpStream, option: i32, listener: Option<SOCKET>) -> io::Result<()> {
    let value: *const c_void =
        listener.as_ref().map_or(ptr::null(), |listener| ptr::from_ref(listener).cast());
    let size = if listener.is_some() { size_of::<SOCKET>() as i32 } else { 0 };
    // SAFETY: the value is ours, of the size that is passed, and outlives the call.
    let failed = unsafe { setsockopt(raw(socket), SOL_SOCKET, option, value.cast(), size) };
    if failed == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
