//! Memory that a module was given and that lives as long as the request.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::collections::HashMap;
use std::ffi::c_void;
use std::fmt;
use std::ptr::null_mut;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Allocations that end together. Each is one of the allocator's own, so that an address sanitizer sees who writes
/// past its end. Equal texts are one: a module that asks for the same header a thousand times costs one copy.
#[derive(Default)]
pub(crate) struct Arena {
    blocks: Mutex<Blocks>,
}

#[derive(Default)]
struct Blocks {
    all: Vec<(*mut u8, Layout)>,
    narrow: HashMap<Box<[u8]>, *const u8>,
    wide: HashMap<Box<[u16]>, *const u16>,
}

// SAFETY: the blocks are owned by the arena and freed once, when it is dropped; the maps only point into them.
unsafe impl Send for Blocks {}

impl Arena {
    /// Zeroed memory, aligned for anything; null when there is none.
    pub(crate) fn allocate(&self, len: usize) -> *mut c_void {
        self.lock().allocate(len).cast()
    }

    /// Zero-terminated bytes.
    pub(crate) fn narrow(&self, text: &[u8]) -> *const u8 {
        let mut blocks = self.lock();
        if let Some(known) = blocks.narrow.get(text) {
            return *known;
        }
        let block = blocks.allocate(text.len() + 1);
        if !block.is_null() {
            // SAFETY: the block is one byte longer than the text, zeroed, and nobody else's yet.
            unsafe { block.copy_from_nonoverlapping(text.as_ptr(), text.len()) };
            blocks.narrow.insert(text.into(), block);
        }
        block
    }

    /// Zero-terminated UTF-16, and its length without the zero.
    pub(crate) fn wide(&self, text: &str) -> (*const u16, usize) {
        let text: Vec<u16> = text.encode_utf16().collect();
        let len = text.len();
        let mut blocks = self.lock();
        if let Some(known) = blocks.wide.get(text.as_slice()) {
            return (*known, len);
        }
        let block = blocks.allocate((len + 1) * size_of::<u16>()).cast::<u16>();
        if !block.is_null() {
            // SAFETY: the block is one unit longer than the text, aligned for anything, and nobody else's yet.
            unsafe { block.copy_from_nonoverlapping(text.as_ptr(), len) };
            blocks.wide.insert(text.into(), block);
        }
        (block, len)
    }

    /// A value that lives as long as the arena. It is never dropped.
    pub(crate) fn place<T: Copy>(&self, value: T) -> *mut T {
        let block = self.lock().allocate(size_of::<T>()).cast::<T>();
        if !block.is_null() {
            // SAFETY: the block has the size, is aligned for anything, and is nobody else's yet.
            unsafe { block.write(value) };
        }
        block
    }

    /// Values in a row; see [`place`](Self::place). Null for none.
    pub(crate) fn place_all<T: Copy>(&self, values: &[T]) -> *mut T {
        if values.is_empty() {
            return null_mut();
        }
        let block = self.lock().allocate(size_of_val(values)).cast::<T>();
        if !block.is_null() {
            // SAFETY: the block has the size of all, is aligned for anything, and is nobody else's yet.
            unsafe { block.copy_from_nonoverlapping(values.as_ptr(), values.len()) };
        }
        block
    }

    fn lock(&self) -> MutexGuard<'_, Blocks> {
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Blocks {
    fn allocate(&mut self, len: usize) -> *mut u8 {
        let Ok(layout) = Layout::from_size_align(len.max(1), ALIGN) else { return null_mut() };
        // SAFETY: the layout is not empty.
        let block = unsafe { alloc_zeroed(layout) };
        if !block.is_null() {
            self.all.push((block, layout));
        }
        block
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        for (block, layout) in self.all.drain(..) {
            // SAFETY: it was allocated with this layout, and is freed here only.
            unsafe { dealloc(block, layout) };
        }
    }
}

impl fmt::Debug for Arena {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Arena({} blocks)", self.lock().all.len())
    }
}

/// What `malloc` of Windows promises on 64-bit targets.
const ALIGN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_are_one() {
        let arena = Arena::default();
        assert_eq!(arena.narrow(b"text"), arena.narrow(b"text"));
        assert_eq!(arena.wide("text"), arena.wide("text"));
        // SAFETY: the arena lives.
        let text = unsafe { std::ffi::CStr::from_ptr(arena.narrow(b"text").cast()) };
        assert_eq!(text, c"text");
    }

    #[test]
    fn memory_is_zeroed_and_aligned() {
        let arena = Arena::default();
        for len in [0, 1, 17, 4096] {
            let block = arena.allocate(len).cast::<u8>();
            assert_eq!(block.addr() % ALIGN, 0);
            // SAFETY: the arena lives, and the block is that long.
            assert!((0..len).all(|at| unsafe { *block.add(at) } == 0));
        }
    }
}
