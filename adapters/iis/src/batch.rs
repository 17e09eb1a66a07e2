//! Chunks of a body as IIS takes them: so many, and so large, in one write.

use std::ffi::c_void;

use bivalve_core::{EntityChunk, FileRange};
use bivalve_iis_sys::codes::HTTP_DATA_CHUNK_TYPE;
use bivalve_iis_sys::records::{
    FROM_FILE_HANDLE, FROM_MEMORY, HTTP_BYTE_RANGE, HTTP_DATA_CHUNK, HTTP_DATA_CHUNK_DATA,
};
use bytes::Bytes;

use crate::file;

/// More of them in one write fail (aspnetcore#44614). Documented are 65,535.
const CHUNKS: usize = 65_533;

/// More bytes of memory in one write, or in one chunk, are several. One write over 255 MB fails (aspnetcore#14191).
const BYTES: usize = 64 * 1024 * 1024;

/// Chunks for one write, and what they point to.
pub(crate) struct Batch {
    raw: Vec<HTTP_DATA_CHUNK>,
    kept: Vec<EntityChunk>,
}

// SAFETY: the records point into `kept`, which is counted and does not move.
unsafe impl Send for Batch {}

impl Batch {
    /// For IIS, as long as this one lives.
    pub(crate) fn raw(&mut self) -> (*mut HTTP_DATA_CHUNK, u32) {
        (self.raw.as_mut_ptr(), u32::try_from(self.raw.len()).unwrap_or(0))
    }

    /// What has to stay open until it has been sent.
    pub(crate) fn files(&self) -> impl Iterator<Item = EntityChunk> {
        self.kept.iter().filter(|chunk| matches!(chunk, EntityChunk::File(_))).cloned()
    }
}

/// As many writes as these chunks need.
pub(crate) fn batches(chunks: &[EntityChunk]) -> impl Iterator<Item = Batch> + use<> {
    let mut batches = Vec::new();
    let mut batch = Batch { raw: Vec::new(), kept: Vec::new() };
    let mut room = BYTES;
    for chunk in chunks {
        match chunk {
            EntityChunk::Bytes(bytes) => {
                let mut rest = bytes.clone();
                while !rest.is_empty() {
                    if room == 0 || batch.raw.len() == CHUNKS {
                        batches
                            .push(std::mem::replace(&mut batch, Batch { raw: Vec::new(), kept: Vec::new() }));
                        room = BYTES;
                    }
                    let piece = rest.split_to(rest.len().min(room));
                    room -= piece.len();
                    batch.raw.push(memory_chunk(&piece));
                    batch.kept.push(piece.into());
                }
            }
            EntityChunk::File(range) => {
                if batch.raw.len() == CHUNKS {
                    batches.push(std::mem::replace(&mut batch, Batch { raw: Vec::new(), kept: Vec::new() }));
                    room = BYTES;
                }
                batch.raw.push(file_chunk(range));
                batch.kept.push(chunk.clone());
            }
            other => tracing::error!(?other, "a chunk of a kind that IIS does not know was left out"),
        }
    }
    if !batch.raw.is_empty() {
        batches.push(batch);
    }
    batches.into_iter()
}

fn memory_chunk(bytes: &Bytes) -> HTTP_DATA_CHUNK {
    memory_at(bytes.as_ptr().cast_mut().cast(), u32::try_from(bytes.len()).unwrap_or(0))
}

pub(crate) fn memory_at(buffer: *mut c_void, len: u32) -> HTTP_DATA_CHUNK {
    let memory = FROM_MEMORY { pBuffer: buffer, BufferLength: len };
    HTTP_DATA_CHUNK {
        DataChunkType: HTTP_DATA_CHUNK_TYPE::FROM_MEMORY,
        data: HTTP_DATA_CHUNK_DATA { FromMemory: memory },
    }
}

pub(crate) fn file_chunk(range: &FileRange) -> HTTP_DATA_CHUNK {
    let file = FROM_FILE_HANDLE {
        ByteRange: HTTP_BYTE_RANGE { StartingOffset: range.offset(), Length: range.len() },
        FileHandle: file::handle(range.file()),
    };
    HTTP_DATA_CHUNK {
        DataChunkType: HTTP_DATA_CHUNK_TYPE::FROM_FILE_HANDLE,
        data: HTTP_DATA_CHUNK_DATA { FromFileHandle: file },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(chunks: &[EntityChunk]) -> Vec<(usize, u64)> {
        let of = |batch: Batch| (batch.raw.len(), batch.kept.iter().map(EntityChunk::len).sum());
        batches(chunks).map(of).collect()
    }

    #[test]
    fn a_hundred_thousand_tiny_chunks_are_two_writes() {
        let chunks = vec![EntityChunk::from("x"); 100_000];
        assert_eq!(sizes(&chunks), [(65_533, 65_533), (34_467, 34_467)]);
    }

    #[test]
    fn three_hundred_megabytes_are_five_writes() {
        let large = EntityChunk::from(Bytes::from(vec![0; 300 * 1024 * 1024]));
        let mb = 1024 * 1024;
        assert_eq!(sizes(&[large]), [(1, 64 * mb), (1, 64 * mb), (1, 64 * mb), (1, 64 * mb), (1, 44 * mb)]);
    }

    #[test]
    fn nothing_is_no_write() {
        assert!(sizes(&[]).is_empty());
    }
}
