//! Chunks of a body, from `HTTP_DATA_CHUNK`.

use std::fs::File;

use bivalve_core::{EntityChunk, FileRange};
use bivalve_iis_sys::codes::HTTP_DATA_CHUNK_TYPE;
use bivalve_iis_sys::hresult::{E_INVALIDARG, ERROR_NOT_SUPPORTED, from_win32};
use bivalve_iis_sys::records::{FROM_FILE_HANDLE, HTTP_BYTE_RANGE_TO_EOF, HTTP_DATA_CHUNK};
use bivalve_iis_sys::types::{HANDLE, HRESULT};
use bytes::Bytes;

use crate::text::bytes;

/// Copies of the chunks: the bytes, and a handle of the file.
///
/// They are copied also where IIS would only keep the pointer: bytes may wait in the server's socket when the request is
/// over, and with it the module's memory.
///
/// # Safety
///
/// Null, or that many chunks, each with memory or a file as it says.
pub(crate) unsafe fn copy(chunks: *const HTTP_DATA_CHUNK, count: usize) -> Result<Vec<EntityChunk>, HRESULT> {
    if count == 0 {
        return Ok(Vec::new());
    }
    if chunks.is_null() {
        return Err(E_INVALIDARG);
    }
    // SAFETY: there are that many, says the caller.
    let chunks = unsafe { std::slice::from_raw_parts(chunks, count) };
    chunks
        .iter()
        .map(|chunk| match chunk.DataChunkType {
            HTTP_DATA_CHUNK_TYPE::FROM_MEMORY => {
                // SAFETY: its type says that this is the member, and that the memory is there.
                let data = unsafe {
                    let memory = chunk.data.FromMemory;
                    bytes(memory.pBuffer.cast(), memory.BufferLength as usize)
                };
                Ok(EntityChunk::from(Bytes::copy_from_slice(data)))
            }
            // SAFETY: its type says that this is the member.
            HTTP_DATA_CHUNK_TYPE::FROM_FILE_HANDLE => file(unsafe { &chunk.data.FromFileHandle }),
            _ => Err(from_win32(ERROR_NOT_SUPPORTED)),
        })
        .collect()
}

fn file(chunk: &FROM_FILE_HANDLE) -> Result<EntityChunk, HRESULT> {
    let file = clone(chunk.FileHandle).map_err(status)?;
    let offset = chunk.ByteRange.StartingOffset;
    let len = match chunk.ByteRange.Length {
        HTTP_BYTE_RANGE_TO_EOF => file.metadata().map_err(status)?.len().saturating_sub(offset),
        len => len,
    };
    Ok(FileRange::new(file, offset, len).into())
}

#[allow(clippy::needless_pass_by_value, reason = "what map_err takes")]
fn status(error: std::io::Error) -> HRESULT {
    bivalve_core::CompletionStatus::from_io_error(&error).hresult()
}

/// The file as a record has it.
#[cfg(windows)]
pub(crate) fn handle(file: &File) -> HANDLE {
    use std::os::windows::io::AsRawHandle;
    file.as_raw_handle()
}

/// The file as a record has it.
#[cfg(unix)]
pub(crate) fn handle(file: &File) -> HANDLE {
    use std::os::fd::AsRawFd;
    std::ptr::without_provenance_mut(usize::try_from(file.as_raw_fd()).unwrap_or(usize::MAX))
}

/// A handle of our own: the module may close its own when the request is over, which may be before it is sent.
#[cfg(windows)]
fn clone(handle: HANDLE) -> std::io::Result<File> {
    use std::os::windows::io::BorrowedHandle;
    // SAFETY: the module keeps the handle open during this call.
    let handle = unsafe { BorrowedHandle::borrow_raw(handle) };
    handle.try_clone_to_owned().map(File::from)
}

/// On Unix a handle is a descriptor.
#[cfg(unix)]
fn clone(handle: HANDLE) -> std::io::Result<File> {
    use std::os::fd::BorrowedFd;
    let Ok(descriptor @ 0..) = i32::try_from(handle.addr()) else {
        return Err(std::io::ErrorKind::InvalidInput.into());
    };
    // SAFETY: the module keeps the descriptor open during this call.
    let descriptor = unsafe { BorrowedFd::borrow_raw(descriptor) };
    descriptor.try_clone_to_owned().map(File::from)
}
