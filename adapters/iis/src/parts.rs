//! Memory for what modules make of the parts of a response in SendResponse.
//!
//! IIS sends it after the notification, and says when it has done so to whoever has flushed, which may be another DLL.
//! What we see is the next part: IIS has one send of a request at a time (semantics of `Flush`: the memory of a send must live
//! until its completion), so when another part passes, with a record that does not point into a block, that block has left.
//!
//! # Rules
//!
//! 1. A block is memory of the request: whatever IIS may still point to is there until the request ends.
//! 2. A block is written to once for each part. It may be written to again when the record that passes points neither
//!    its array nor one of its chunks into it.
//! 3. All calls are in SendResponse, of which IIS raises one for each send; one that is nested in another sees the record of the
//!    outer one, or one that has replaced it.
//!
//! So a filter over a stream holds about as much as its largest part, whatever the stream's length.

use std::sync::{Mutex, PoisonError};

use bivalve_core::EntityChunk;
use bivalve_iis_sys::IHttpContext;
use bivalve_iis_sys::codes::HTTP_DATA_CHUNK_TYPE;
use bivalve_iis_sys::records::{HTTP_DATA_CHUNK, HTTP_RESPONSE};

use crate::batch::{file_chunk, memory_at};
use crate::raw::raw_chunks;

/// The smallest block.
const SMALLEST: usize = 4096;

/// Blocks of one request.
#[derive(Default)]
pub(crate) struct Parts(Mutex<Vec<Block>>);

#[derive(Clone, Copy)]
struct Block {
    start: *mut u8,
    size: usize,
}

// SAFETY: the memory is the request's, and is written to by the call that changes a part, one at a time.
unsafe impl Send for Block {}

impl Parts {
    /// Chunks that IIS has already, and others behind them, copied: their array, and how many.
    ///
    /// # Safety
    ///
    /// The context is that of a SendResponse that has not been answered, and `raw` is null or its record.
    pub(crate) unsafe fn place(
        &self,
        context: *mut IHttpContext,
        raw: *const HTTP_RESPONSE,
        before: &[HTTP_DATA_CHUNK],
        chunks: &[EntityChunk],
    ) -> Option<(*mut HTTP_DATA_CHUNK, u16)> {
        let all = before.len() + chunks.len();
        let count = u16::try_from(all).ok()?;
        let table = all * size_of::<HTTP_DATA_CHUNK>();
        let memory: usize = chunks.iter().map(EntityChunk::memory).sum();
        // SAFETY: as the caller says.
        let start = unsafe { self.block(context, raw, table.checked_add(memory)?)? };
        let array = start.cast::<HTTP_DATA_CHUNK>();
        // SAFETY: the block has room for all of it, and IIS does not use it: rule 2. So `before` is elsewhere.
        unsafe { array.copy_from_nonoverlapping(before.as_ptr(), before.len()) };
        let mut at = table;
        for (index, chunk) in (before.len()..).zip(chunks) {
            let raw = match chunk {
                EntityChunk::Bytes(bytes) => {
                    let len = u32::try_from(bytes.len()).ok()?;
                    // SAFETY: as above.
                    let copy = unsafe { start.add(at) };
                    // SAFETY: as above; the bytes are a copy of ours.
                    unsafe { copy.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
                    at += bytes.len();
                    memory_at(copy.cast(), len)
                }
                EntityChunk::File(range) => file_chunk(range),
                _ => return None,
            };
            // SAFETY: the array has room for all of them.
            unsafe { array.add(index).write(raw) };
        }
        Some((array, count))
    }

    /// A block of at least this size that nobody uses.
    ///
    /// # Safety
    ///
    /// As for [`place`](Self::place).
    unsafe fn block(
        &self,
        context: *mut IHttpContext,
        raw: *const HTTP_RESPONSE,
        size: usize,
    ) -> Option<*mut u8> {
        let mut blocks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: as the caller says.
        let free = |block: &&Block| block.size >= size && !unsafe { block.is_used(raw) };
        if let Some(block) = blocks.iter().filter(free).min_by_key(|block| block.size) {
            return Some(block.start);
        }
        // Geometric, so that parts that grow from one to the next do not each leave a block behind.
        let size = size.checked_add(size / 4)?.max(SMALLEST);
        let len = u32::try_from(size).ok()?;
        // SAFETY: the context is alive, says the caller.
        let start = unsafe { IHttpContext::allocate_request_memory(context, len) }.cast::<u8>();
        if start.is_null() || !start.cast::<HTTP_DATA_CHUNK>().is_aligned() {
            return None;
        }
        blocks.push(Block { start, size });
        Some(start)
    }
}

impl Block {
    /// # Safety
    ///
    /// `raw` is null or alive.
    unsafe fn is_used(&self, raw: *const HTTP_RESPONSE) -> bool {
        let within =
            |address: usize| (self.start as usize..self.start as usize + self.size).contains(&address);
        if raw.is_null() {
            return true;
        }
        // SAFETY: it is alive, says the caller, and its chunks with it; the type says which member is valid.
        unsafe {
            within((*raw).Base.pEntityChunks as usize)
                || raw_chunks(raw).iter().any(|chunk| {
                    chunk.DataChunkType == HTTP_DATA_CHUNK_TYPE::FROM_MEMORY
                        && within(chunk.data.FromMemory.pBuffer as usize)
                })
        }
    }
}
