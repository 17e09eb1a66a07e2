//! How far a send has come, and what is to be sent next.

use std::fs::File;
use std::sync::Arc;

use bivalve_core::{EntityChunk, FileRange, Operation};
use windows_sys::Win32::Networking::WinSock::WSABUF;

use crate::call::{MOST, VECTOR};

/// A position in the chunks of a send.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Position {
    chunk: usize,
    within: u64,
}

/// What is next.
#[allow(clippy::large_enum_variant, reason = "it lives on the stack, from the preparation to the call")]
pub(crate) enum Next {
    /// So many buffers of memory.
    Bytes([WSABUF; VECTOR], usize),
    File {
        file: Arc<File>,
        offset: u64,
        len: u32,
    },
    /// All is sent.
    Nothing,
    /// A kind of chunk that this driver does not know.
    Unknown,
}

impl Position {
    /// What follows. The pointers are good as long as the operation is kept; with `single` there is at most one, as a
    /// pipe takes it.
    pub(crate) fn next(&mut self, operation: &Operation, single: bool) -> Next {
        match operation {
            Operation::Send { chunks, .. } => self.next_chunk(chunks, single),
            Operation::SendFile { range, .. } => self.file(range),
            _ => Next::Nothing,
        }
    }

    /// So many bytes went.
    pub(crate) fn advance(&mut self, operation: &Operation, bytes: u64) {
        self.within += bytes;
        let Operation::Send { chunks, .. } = operation else { return };
        while let Some(len) = chunks.get(self.chunk).map(EntityChunk::len).filter(|len| *len <= self.within) {
            self.within -= len;
            self.chunk += 1;
        }
    }

    fn next_chunk(&mut self, chunks: &[EntityChunk], single: bool) -> Next {
        while chunks.get(self.chunk).is_some_and(|chunk| chunk.len() <= self.within) {
            self.chunk += 1;
            self.within = 0;
        }
        match chunks.get(self.chunk) {
            None => Next::Nothing,
            Some(EntityChunk::Bytes(_)) => self.bytes(chunks, if single { 1 } else { VECTOR }),
            Some(EntityChunk::File(range)) => self.file(range),
            Some(_) => Next::Unknown,
        }
    }

    /// As many chunks of memory as one call takes.
    fn bytes(&self, chunks: &[EntityChunk], most: usize) -> Next {
        let mut buffers = [WSABUF::default(); VECTOR];
        let (mut count, mut room) = (0, MOST);
        let mut within = usize::try_from(self.within).unwrap_or(usize::MAX);
        for chunk in &chunks[self.chunk..] {
            let EntityChunk::Bytes(bytes) = chunk else { break };
            let rest = bytes.get(within..).unwrap_or_default();
            within = 0;
            if rest.is_empty() {
                continue;
            }
            if count == most || room == 0 {
                break;
            }
            let len = u32::try_from(rest.len()).unwrap_or(MOST).min(room);
            // The system only reads through it.
            buffers[count] = WSABUF { len, buf: rest.as_ptr().cast_mut() };
            count += 1;
            room -= len;
            if (len as usize) < rest.len() {
                break;
            }
        }
        Next::Bytes(buffers, count)
    }

    fn file(self, range: &FileRange) -> Next {
        let left = range.len().saturating_sub(self.within);
        if left == 0 {
            return Next::Nothing;
        }
        let len = u32::try_from(left).unwrap_or(MOST).min(MOST);
        Next::File { file: Arc::clone(range.file()), offset: range.offset() + self.within, len }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bivalve_core::Handle;

    fn send(chunks: Vec<EntityChunk>) -> Operation {
        Operation::Send { handle: Handle::new(0, 0, 0), chunks }
    }

    fn next(position: &mut Position, operation: &Operation) -> Option<(usize, u32)> {
        match position.next(operation, false) {
            Next::Bytes(buffers, count) => {
                Some((count, buffers[..count].iter().map(|buffer| buffer.len).sum()))
            }
            _ => None,
        }
    }

    #[test]
    fn many_chunks_go_in_batches() {
        let operation = send((0..40).map(|_| EntityChunk::from("abc")).collect());
        let mut position = Position::default();
        for expected in [(16, 48), (16, 48), (8, 24)] {
            assert_eq!(next(&mut position, &operation), Some(expected));
            position.advance(&operation, u64::from(expected.1));
        }
        assert!(matches!(position.next(&operation, false), Next::Nothing));
    }

    #[test]
    fn a_partial_result_goes_on_in_the_middle_of_a_chunk() {
        let operation = send(vec!["".into(), "abc".into(), "".into(), "defg".into(), "".into()]);
        let mut position = Position::default();
        assert_eq!(next(&mut position, &operation), Some((2, 7)));
        position.advance(&operation, 4);
        assert_eq!(next(&mut position, &operation), Some((1, 3)));
        position.advance(&operation, 3);
        assert!(matches!(position.next(&operation, false), Next::Nothing));
    }
}
