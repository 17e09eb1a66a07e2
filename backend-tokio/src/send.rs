//! How far a send has come: chunks in order, bytes in batches, file ranges piece by piece.

use std::fs::File;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::{Context, Poll};

use bivalve_core::driver::Direction;
use bivalve_core::{Completion, CompletionStatus, EntityChunk, FileRange, Operation};
use bytes::Bytes;

use crate::attempt::Attempt;
use crate::endpoint::Io;
use crate::sys;

/// What one piece of a file is, and so the memory of a send that is within a file range. Every piece takes a job on
/// the blocking pool, and a slow peer holds one for long.
pub(crate) const WINDOW: usize = 128 << 10;

/// After so many bytes in a row, others have their turn.
const SHARE: usize = 1 << 20;

/// Chunks in one system call, at most: what Linux and the BSDs take. `std` takes fewer where it has to.
const MOST_SLICES: usize = 1024;

/// For most sends, an array of slices that costs little to make.
const FEW_SLICES: usize = 16;

/// What a send has done so far; of no meaning to other operations.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// The chunk it is in.
    part: usize,
    /// Bytes of that chunk which have been sent.
    offset: u64,
    /// Bytes in all.
    sent: usize,
    window: Option<Window>,
}

/// A piece of a file on its way.
#[derive(Debug)]
struct Window {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
}

/// A piece of a file that a send needs next.
#[derive(Debug)]
pub(crate) struct Piece {
    file: Arc<File>,
    offset: u64,
    len: usize,
}

impl Progress {
    /// Sends as much as the system takes now.
    pub(crate) fn attempt(&mut self, operation: &Operation, io: &Io, task: &mut Context<'_>) -> Attempt {
        let mut share = SHARE;
        loop {
            match self.next(operation) {
                Next::Bytes if share == 0 => return Attempt::Again,
                Next::Bytes => {}
                Next::End => return Attempt::Done(Completion::success(self.sent)),
                Next::Piece => return Attempt::Piece,
            }
            match self.write(operation, io) {
                // No system says so when there is something to write; going on would not end.
                Ok(0) => return Attempt::Done(self.ended(CompletionStatus::UNSPECIFIED)),
                Ok(bytes) => {
                    self.advance(operation, bytes);
                    share = share.saturating_sub(bytes);
                }
                // Asked only now: mostly there is room, and a write looks at the readiness by itself.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    match io.poll_ready(Direction::Out, task) {
                        Poll::Pending => return Attempt::Waiting,
                        Poll::Ready(Err(_)) => return Attempt::Done(self.ended(CompletionStatus::CANCELLED)),
                        Poll::Ready(Ok(())) => {}
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Attempt::Done(self.ended(sys::status(&error))),
            }
        }
    }

    /// The end before all was sent.
    pub(crate) fn ended(&self, status: CompletionStatus) -> Completion {
        Completion::new(self.sent, status)
    }

    /// Whether a send has sent something and not all: what follows would be taken for the rest of it.
    pub(crate) fn is_half_sent(&self, operation: &Operation) -> bool {
        self.sent > 0 && part(operation, self.part).is_some()
    }

    /// The piece to be read when an attempt asks for one.
    pub(crate) fn piece(&self, operation: &Operation) -> Option<Piece> {
        let Some(Part::File(range)) = part(operation, self.part) else { return None };
        let left = usize::try_from(range.len() - self.offset).unwrap_or(usize::MAX);
        Some(Piece {
            file: Arc::clone(range.file()),
            offset: range.offset() + self.offset,
            len: left.min(WINDOW),
        })
    }

    /// The piece is there. A file that has nothing more is shorter than its range.
    pub(crate) fn fill(&mut self, bytes: Box<[u8]>, read: io::Result<usize>) -> Result<(), CompletionStatus> {
        let (end, result) = match read {
            Ok(0) => (0, Err(CompletionStatus::END_OF_FILE)),
            Ok(end) => (end, Ok(())),
            Err(error) => (0, Err(sys::status(&error))),
        };
        self.window = Some(Window { bytes, start: 0, end });
        result
    }

    /// The memory for pieces, to be used again.
    pub(crate) fn take_window(&mut self) -> Option<Box<[u8]>> {
        self.window.take().map(|window| window.bytes)
    }

    /// Whether there is no memory for pieces yet.
    pub(crate) fn has_no_window(&self) -> bool {
        self.window.is_none()
    }

    fn next(&mut self, operation: &Operation) -> Next {
        loop {
            let Some(part) = part(operation, self.part) else { return Next::End };
            if self.offset < part.len() {
                let loaded = self.window.as_ref().is_some_and(|window| window.start < window.end);
                let needs = matches!(part, Part::File(_)) && !loaded;
                return if needs { Next::Piece } else { Next::Bytes };
            }
            self.part += 1;
            self.offset = 0;
        }
    }

    fn write(&self, operation: &Operation, io: &Io) -> io::Result<usize> {
        if let (Some(Part::File(_)), Some(window)) = (part(operation, self.part), &self.window) {
            let bytes = &window.bytes[window.start..window.end];
            return io.try_write(&[IoSlice::new(bytes)], bytes.len());
        }
        if part(operation, self.part + 1).is_none() {
            self.write_slices::<1>(operation, io)
        } else if part(operation, self.part + FEW_SLICES).is_some() {
            self.write_slices::<MOST_SLICES>(operation, io)
        } else {
            self.write_slices::<FEW_SLICES>(operation, io)
        }
    }

    fn write_slices<const N: usize>(&self, operation: &Operation, io: &Io) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); N];
        let (mut count, mut room) = (0, 0_usize);
        let mut skip = usize::try_from(self.offset).unwrap_or(usize::MAX);
        for index in self.part.. {
            let Some(Part::Bytes(bytes)) = part(operation, index) else { break };
            let bytes = bytes.get(std::mem::take(&mut skip)..).unwrap_or_default();
            if bytes.is_empty() {
                continue;
            }
            let Some(slice) = slices.get_mut(count) else { break };
            *slice = IoSlice::new(bytes);
            count += 1;
            room = room.saturating_add(bytes.len());
        }
        io.try_write(&slices[..count], room)
    }

    fn advance(&mut self, operation: &Operation, bytes: usize) {
        self.sent = self.sent.saturating_add(bytes);
        let mut left = bytes as u64;
        while let Some(part) = part(operation, self.part).filter(|_| left > 0) {
            let step = left.min(part.len() - self.offset);
            if let (Part::File(_), Some(window)) = (part, &mut self.window) {
                window.start += bytes;
            }
            left -= step;
            self.offset += step;
            if self.offset == part.len() {
                self.part += 1;
                self.offset = 0;
            }
        }
    }
}

impl Piece {
    pub(crate) fn read(&self, bytes: &mut [u8]) -> io::Result<usize> {
        let room = &mut bytes[..self.len];
        loop {
            match sys::read_at(&self.file, room, self.offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }
}

/// Try again: nothing is wrong.
pub(crate) fn is_no_error(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

/// Whether all chunks are of kinds that are known here.
pub(crate) fn can_send(operation: &Operation) -> bool {
    match operation {
        Operation::Send { chunks, .. } => (0..chunks.len()).all(|index| part(operation, index).is_some()),
        _ => true,
    }
}

enum Next {
    Bytes,
    End,
    Piece,
}

#[derive(Clone, Copy)]
enum Part<'a> {
    Bytes(&'a Bytes),
    File(&'a FileRange),
}

impl Part<'_> {
    fn len(self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(range) => range.len(),
        }
    }
}

fn part(operation: &Operation, index: usize) -> Option<Part<'_>> {
    match operation {
        Operation::Send { chunks, .. } => chunks.get(index).and_then(|chunk| match chunk {
            EntityChunk::Bytes(bytes) => Some(Part::Bytes(bytes)),
            EntityChunk::File(range) => Some(Part::File(range)),
            _ => None,
        }),
        Operation::SendFile { range, .. } if index == 0 => Some(Part::File(range)),
        _ => None,
    }
}
