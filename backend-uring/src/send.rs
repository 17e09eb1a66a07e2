//! Sends: which piece is next, and how it goes out.
//!
//! Runs of bytes go out together, up to [`VECTORS`] chunks in one call. Of a file, up to [`SENDFILE`] bytes that are in the
//! page cache go out by `sendfile(2)`, which copies nothing; it is called between two turns of the ring, without the lock. Bytes in
//! front of a file wait for it (`MSG_MORE`): a head that left alone would be a packet of its own, and wake the peer twice.
//! Everything else is read into memory by the ring, which waits for the disk where it has to, and sent from there:
//! measured, that is faster for large ranges. Whether a file is in the cache is [asked](PageCache) of the first and the last
//! byte; the thread waits for the disk when pages have been evicted since, or between them.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;

use bivalve_core::{Completion, EntityChunk, FileRange, Operation, Resource};
use io_uring::types::Fd;
use io_uring::{opcode, squeue};

use crate::in_flight::{Once, Progress, Scratch, Spare, Stage};
use crate::page_cache::PageCache;

/// What a send does next.
pub(crate) enum Next {
    /// Nothing: it has ended like this.
    Done(Completion),
    /// The kernel sends or reads.
    Submit(squeue::Entry),
    /// `sendfile(2)`, outside the lock.
    SendFile { file: Arc<File>, offset: u64, len: usize },
}

/// The most chunks in one call: the kernel's `UIO_MAXIOV`.
const VECTORS: usize = 1024;

/// The most bytes in one call: what fits a completion's result, and the kernel's own limit of a transfer.
pub(crate) const TRANSFER: usize = 0x7fff_f000;

/// Files up to this size go by `sendfile`.
const SENDFILE: u64 = 128 * 1024;

/// Larger ones are read and sent in pieces of this size.
const PIECE: usize = 256 * 1024;

/// The next step of a `Send` or `SendFile`.
pub(crate) fn next(once: &mut Once, fd: Fd, is_pipe: bool, spare: &mut Spare) -> Next {
    if let Stage::Piece { sent } = once.progress.stage {
        let piece = &once.scratch.get_or_insert_default().piece[sent..];
        if !piece.is_empty() {
            return Next::Submit(send(fd, is_pipe, piece, Behind::Anything));
        }
        once.progress.stage = Stage::Bytes;
    }
    let progress = &mut once.progress;
    let chunks = match &once.operation {
        Operation::Send { chunks, .. } => chunks.as_slice(),
        Operation::SendFile { range, .. } => {
            return next_of_file(range, progress, &mut once.scratch, spare, is_pipe);
        }
        _ => return Next::Done(Completion::success(progress.done)),
    };
    while let Some(chunk) = chunks.get(progress.chunk) {
        if chunk.len() > progress.offset {
            break;
        }
        progress.chunk += 1;
        progress.offset = 0;
    }
    match chunks.get(progress.chunk) {
        None => Next::Done(Completion::success(progress.done)),
        Some(EntityChunk::File(range)) => next_of_file(range, progress, &mut once.scratch, spare, is_pipe),
        Some(EntityChunk::Bytes(first)) => {
            progress.stage = Stage::Bytes;
            // Less than the chunk's length, which is a usize.
            let first = &first[usize::try_from(progress.offset).unwrap_or(usize::MAX)..];
            let rest = &chunks[progress.chunk + 1..];
            if !matches!(rest.first(), Some(EntityChunk::Bytes(_))) {
                return Next::Submit(send(fd, is_pipe, first, Behind::of(rest.first())));
            }
            let scratch = once.scratch.get_or_insert_with(|| spare.take());
            gather(scratch, first, rest);
            let behind = Behind::of(rest.get(scratch.vectors.len() - 1));
            Next::Submit(send_vectors(fd, is_pipe, scratch, behind))
        }
        // A kind of chunk that this driver does not know: core added one, and this crate was not told.
        Some(_) => Next::Done(Completion::success(progress.done)),
    }
}

fn next_of_file(
    range: &FileRange,
    progress: &mut Progress,
    scratch: &mut Option<Box<Scratch>>,
    spare: &mut Spare,
    is_pipe: bool,
) -> Next {
    let left = range.len().saturating_sub(progress.offset);
    if left == 0 {
        return Next::Done(Completion::success(progress.done));
    }
    let offset = range.offset() + progress.offset;
    if left <= SENDFILE && !is_pipe && progress.stage != Stage::Reading {
        // At most SENDFILE.
        let len = usize::try_from(left).unwrap_or(PIECE);
        return Next::SendFile { file: Arc::clone(range.file()), offset, len };
    }
    progress.stage = Stage::Reading;
    let scratch = scratch.get_or_insert_with(|| spare.take());
    let piece = &mut scratch.piece;
    if piece.capacity() == 0 {
        *piece = spare.take_piece();
    }
    piece.clear();
    piece.reserve(PIECE);
    let len = u32::try_from(left.min(PIECE as u64)).unwrap_or(u32::MAX);
    let place = piece.spare_capacity_mut().as_mut_ptr().cast();
    let file = Fd(range.file().as_raw_fd());
    Next::Submit(opcode::Read::new(file, place, len).offset(offset).build())
}

/// What follows the bytes of a call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Behind {
    /// A file, by a call of its own: the last bytes need not leave in a packet before it, nor wake the peer.
    File,
    Anything,
}

impl Behind {
    /// An empty file would leave the bytes waiting for something that never comes.
    fn of(chunk: Option<&EntityChunk>) -> Self {
        match chunk {
            Some(EntityChunk::File(range)) if !range.is_empty() => Self::File,
            _ => Self::Anything,
        }
    }

    fn flags(self) -> libc::c_int {
        let flags = libc::MSG_WAITALL | libc::MSG_NOSIGNAL;
        if self == Self::File { flags | libc::MSG_MORE } else { flags }
    }
}

fn send(fd: Fd, is_pipe: bool, bytes: &[u8], behind: Behind) -> squeue::Entry {
    let len = u32::try_from(bytes.len().min(TRANSFER)).unwrap_or(u32::MAX);
    if is_pipe {
        return opcode::Write::new(fd, bytes.as_ptr(), len).offset(NO_OFFSET).build();
    }
    opcode::Send::new(fd, bytes.as_ptr(), len).flags(behind.flags()).build()
}

fn send_vectors(fd: Fd, is_pipe: bool, scratch: &mut Scratch, behind: Behind) -> squeue::Entry {
    let vectors = scratch.vectors.as_ptr();
    if is_pipe {
        // At most VECTORS.
        let count = u32::try_from(scratch.vectors.len()).unwrap_or(u32::MAX);
        return opcode::Writev::new(fd, vectors, count).offset(NO_OFFSET).build();
    }
    scratch.message.msg_iov = vectors.cast_mut();
    scratch.message.msg_iovlen = scratch.vectors.len();
    let flags = behind.flags().cast_unsigned();
    opcode::SendMsg::new(fd, &raw const scratch.message).flags(flags).build()
}

/// Writes the vectors of a run of bytes.
fn gather(scratch: &mut Scratch, first: &[u8], rest: &[EntityChunk]) {
    scratch.vectors.clear();
    let mut room = TRANSFER;
    let run = rest.iter().map_while(|chunk| match chunk {
        EntityChunk::Bytes(bytes) => Some(&bytes[..]),
        _ => None,
    });
    for bytes in std::iter::once(first).chain(run) {
        if scratch.vectors.len() == VECTORS || room == 0 {
            break;
        }
        if !bytes.is_empty() {
            let len = bytes.len().min(room);
            room -= len;
            scratch.vectors.push(libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: len });
        }
    }
}

/// Counts bytes that have gone, over as many chunks as they reach.
pub(crate) fn advance(once: &mut Once, bytes: usize) {
    let progress = &mut once.progress;
    progress.done += bytes;
    progress.offset += bytes as u64;
    if let Operation::Send { chunks, .. } = &once.operation {
        while let Some(chunk) = chunks.get(progress.chunk).filter(|chunk| chunk.len() <= progress.offset) {
            progress.offset -= chunk.len();
            progress.chunk += 1;
        }
    }
}

/// How a `sendfile` went.
#[derive(Clone, Copy)]
pub(crate) enum Sent {
    /// So many bytes; 0 is the end of the file.
    Bytes(usize),
    /// The file is not in memory: let the ring read it.
    NotCached,
    /// The socket takes no more now.
    Full,
    /// An errno.
    Failed(i32),
}

/// Sends a piece of a file that is in the page cache to a socket, as much as it takes now.
pub(crate) fn send_file(
    socket: &Resource,
    file: &Arc<File>,
    offset: u64,
    len: usize,
    page_cache: &mut PageCache,
) -> Sent {
    let (Ok(mut start), fd) = (i64::try_from(offset), crate::handles::raw_fd(socket)) else {
        return Sent::Failed(libc::EINVAL);
    };
    if !page_cache.has(file, start, len) {
        return Sent::NotCached;
    }
    // The ring needs descriptors that wait, `sendfile` must not: so it is told for the length of this call.
    if let Err(errno) = set_nonblocking(fd, true) {
        return Sent::Failed(errno);
    }
    // SAFETY: both descriptors are open as long as the references to their owners; the call writes the offset, a local.
    let sent = unsafe { libc::sendfile(fd, file.as_raw_fd(), &raw mut start, len) };
    let errno = if sent < 0 { last_errno() } else { 0 };
    if let Err(errno) = set_nonblocking(fd, false) {
        return Sent::Failed(errno);
    }
    match usize::try_from(sent) {
        Ok(bytes) => Sent::Bytes(bytes),
        Err(_) if matches!(errno, libc::EAGAIN | libc::EINTR) => Sent::Full,
        // A file that has no pages to send: let the ring read it.
        Err(_) if errno == libc::EINVAL => Sent::NotCached,
        Err(_) => Sent::Failed(errno),
    }
}

fn set_nonblocking(fd: RawFd, nonblocking: bool) -> Result<(), i32> {
    let mut flag = libc::c_int::from(nonblocking);
    // SAFETY: the descriptor is open, its owner is borrowed by the caller; the call reads one int, a local.
    if unsafe { libc::ioctl(fd, libc::FIONBIO, &raw mut flag) } == 0 { Ok(()) } else { Err(last_errno()) }
}

fn last_errno() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}

/// "At the current position", which is all that a pipe has.
pub(crate) const NO_OFFSET: u64 = u64::MAX;
