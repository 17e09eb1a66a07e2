//! Files and pipes: how they come to the port, and what is called on them.

#![allow(clippy::cast_possible_truncation, reason = "sizes of structures, which Windows takes in 32 bits")]

use std::fs::File;
use std::io;
use std::os::windows::fs::FileExt;
use std::os::windows::io::{AsRawHandle, FromRawHandle};
use std::ptr;
use std::sync::Arc;

use windows_sys::Wdk::Foundation::{NtQueryObject, ObjectBasicInformation};
use windows_sys::Wdk::Storage::FileSystem::{
    FILE_NO_INTERMEDIATE_BUFFERING, FILE_SEQUENTIAL_ONLY, FILE_SYNCHRONOUS_IO_ALERT,
    FILE_SYNCHRONOUS_IO_NONALERT, FILE_WRITE_THROUGH, FileModeInformation, NtQueryInformationFile,
};
use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_IO_PENDING, ERROR_MORE_DATA, HANDLE, INVALID_HANDLE_VALUE,
};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_NO_BUFFERING, FILE_FLAG_OVERLAPPED, FILE_FLAG_SEQUENTIAL_SCAN, FILE_FLAG_WRITE_THROUGH,
    FILE_READ_DATA, FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE, FILE_TYPE_PIPE, GetFileType,
    ReOpenFile, ReadFile, WriteFile,
};
use windows_sys::Win32::System::IO::IO_STATUS_BLOCK;
use windows_sys::Win32::System::WindowsProgramming::PUBLIC_OBJECT_BASIC_INFORMATION;

use super::port::Port;
use crate::call::Outcome;
use crate::record::RecordRef;
use crate::status::Landed;

/// How the calls on a file end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// At the port.
    Overlapped { skips: bool },
    /// They wait for the disk.
    Synchronous,
}

/// A file, as this driver uses it.
///
/// A file that was not opened for overlapped I/O, as `std` opens them, is opened again: the same file, whatever its name
/// is now, with exactly the access that the given handle has. The given one is closed then. One that cannot be opened
/// again, because its opener keeps out others or because it is deleted already, is used as it is.
pub(crate) fn associate(file: File, port: &Port) -> io::Result<(File, Mode)> {
    let raw = file.as_raw_handle();
    // SAFETY: no memory is passed; `file` keeps the handle open.
    if unsafe { GetFileType(raw) } == FILE_TYPE_PIPE {
        return Err(unsupported("a pipe has no positions: give it as Resource::Pipe"));
    }
    let mode = mode(raw)?;
    let file = match is_overlapped(mode) {
        true => file,
        false => match reopen(&file, mode) {
            Ok(again) => again,
            Err(error) => {
                tracing::debug!(%error, "a file cannot be opened again for overlapped I/O");
                return Ok((file, Mode::Synchronous));
            }
        },
    };
    port.associate(file.as_raw_handle())?;
    let skips = port.skip_on_success(file.as_raw_handle());
    Ok((file, Mode::Overlapped { skips }))
}

/// A named pipe that completes at the port. Every call on it posts a packet: one that ends at once because a message is
/// longer than its buffer posts one in any case, so the others have to as well.
pub(crate) fn associate_pipe(pipe: &File, port: &Port) -> io::Result<()> {
    if !is_overlapped(mode(pipe.as_raw_handle())?) {
        return Err(unsupported("the pipe was not opened with FILE_FLAG_OVERLAPPED"));
    }
    port.associate(pipe.as_raw_handle())
}

/// `ReadFile`. The memory at `to` is the operation's buffer, which waits in the driver's table.
pub(crate) fn read(file: HANDLE, to: *mut u8, len: u32, record: RecordRef, skips: bool) -> Outcome {
    let mut bytes = 0;
    // SAFETY: the table keeps buffer and record until the packet of this call has come, or until it ends without one.
    let done = unsafe { ReadFile(file, to, len, &raw mut bytes, record.overlapped()) };
    outcome(done, bytes, skips)
}

/// `WriteFile`. The memory at `from` is the operation's buffer, which waits in the driver's table.
pub(crate) fn write(file: HANDLE, from: *const u8, len: u32, record: RecordRef, skips: bool) -> Outcome {
    let mut bytes = 0;
    // SAFETY: the table keeps buffer and record until the packet of this call has come, or until it ends without one.
    let done = unsafe { WriteFile(file, from, len, &raw mut bytes, record.overlapped()) };
    outcome(done, bytes, skips)
}

/// Fills a buffer from a file at an offset, for a pipe, which the system cannot send a file range to. Waits for the disk.
pub(crate) fn copy(file: &Arc<File>, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.seek_read(buffer, offset) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

fn outcome(done: i32, bytes: u32, skips: bool) -> Outcome {
    if done != 0 {
        return if skips { Outcome::Landed(Landed::success(bytes)) } else { Outcome::Pending };
    }
    let landed = Landed::from_io_error(&io::Error::last_os_error());
    // "More data" is a warning, not an error: its packet is posted.
    match landed.code {
        ERROR_IO_PENDING | ERROR_MORE_DATA => Outcome::Pending,
        _ => Outcome::Landed(landed),
    }
}

fn reopen(file: &File, mode: u32) -> io::Result<File> {
    let access = granted_access(file.as_raw_handle())?;
    // Another opener is kept out by the share modes of those who have it open; this one keeps out nobody.
    let share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
    let kept = [
        (FILE_WRITE_THROUGH, FILE_FLAG_WRITE_THROUGH),
        (FILE_NO_INTERMEDIATE_BUFFERING, FILE_FLAG_NO_BUFFERING),
        (FILE_SEQUENTIAL_ONLY, FILE_FLAG_SEQUENTIAL_SCAN),
    ];
    let flags = kept.iter().filter(|(was, _)| mode & was != 0).fold(0, |flags, (_, flag)| flags | flag);
    // SAFETY: no memory is passed; `file` keeps the handle open.
    let again = unsafe { ReOpenFile(file.as_raw_handle(), access, share, flags | FILE_FLAG_OVERLAPPED) };
    if again == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the system has just made the handle, and nobody else owns it.
    Ok(unsafe { File::from_raw_handle(again) })
}

/// Whether a file may be read, so that it may be sent. Windows asks this itself when it sends one, Wine does not.
pub(crate) fn may_read(file: HANDLE) -> Result<(), Landed> {
    match granted_access(file) {
        Ok(access) if access & FILE_READ_DATA != 0 => Ok(()),
        Ok(_) => Err(Landed::failure(ERROR_ACCESS_DENIED)),
        Err(error) => Err(Landed::from_io_error(&error)),
    }
}

/// What the handle may do.
fn granted_access(handle: HANDLE) -> io::Result<u32> {
    let mut information = PUBLIC_OBJECT_BASIC_INFORMATION::default();
    // SAFETY: `information` is ours, of the size that is passed, and outlives the call, which does not go on afterwards.
    let status = unsafe {
        let size = size_of_val(&information) as u32;
        NtQueryObject(handle, ObjectBasicInformation, (&raw mut information).cast(), size, ptr::null_mut())
    };
    check(status).map(|()| information.GrantedAccess)
}

/// How the file was opened.
fn mode(handle: HANDLE) -> io::Result<u32> {
    let mut mode: u32 = 0;
    let mut block = IO_STATUS_BLOCK::default();
    // SAFETY: `mode` and `block` are ours, of the sizes that are passed, and outlive the call, which the I/O manager
    // answers itself without waiting for the device.
    let status = unsafe {
        let to = (&raw mut mode).cast();
        NtQueryInformationFile(handle, &raw mut block, to, size_of::<u32>() as u32, FileModeInformation)
    };
    check(status).map(|()| mode)
}

fn is_overlapped(mode: u32) -> bool {
    mode & (FILE_SYNCHRONOUS_IO_ALERT | FILE_SYNCHRONOUS_IO_NONALERT) == 0
}

fn check(status: i32) -> io::Result<()> {
    if status >= 0 {
        return Ok(());
    }
    Err(io::Error::from_raw_os_error(super::code(status).cast_signed()))
}

fn unsupported(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, text)
}
