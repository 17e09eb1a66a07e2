//! Makes a prepared call.

use std::fs::File;
use std::net::{SocketAddr, TcpStream};
use std::os::windows::io::AsRawHandle;
use std::sync::Arc;

use windows_sys::Win32::Foundation::{ERROR_HANDLE_EOF, HANDLE};
use windows_sys::Win32::Networking::WinSock::{SOCKET, WSAENOTSOCK};

use super::{Port, files, sockets};
use crate::call::{Call, Issued, Outcome, Target};
use crate::record::RecordRef;
use crate::status::Landed;

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
                files::read(handle(target), to, len, record, target.skips)
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
                files::write(handle(target), from, len, record, target.skips)
            }
        };
        Some(outcome.into())
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
            files::write(handle(pipe), buffer, read, record, pipe.skips)
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

fn handle(target: Target) -> HANDLE {
    target.raw as HANDLE
}
