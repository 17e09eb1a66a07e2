//! Memory for heads and responses, shared by all connections of a thread: an idle connection owns none.

use std::cell::RefCell;

use bytes::{Bytes, BytesMut};

/// Bytes of one piece of it for responses.
const SIZE: usize = 64 * 1024;
/// The same for heads: a request that waits holds all of the piece that its head is in, and so might each of many, if large
/// heads of others came in between.
const HEADS_SIZE: usize = 16 * 1024;
/// What must be left of a piece to be worth having.
const ENOUGH: usize = 4096;
/// A larger piece is let go.
const MOST: usize = 2 * SIZE;

thread_local! {
    static HEADS: RefCell<BytesMut> = RefCell::new(BytesMut::new());
    static RESPONSES: RefCell<BytesMut> = RefCell::new(BytesMut::new());
}

/// A copy of what was received, to be kept as long as anybody wants.
pub(crate) fn copy(received: &[u8]) -> Bytes {
    HEADS.with_borrow_mut(|memory| {
        reserve(memory, HEADS_SIZE, received.len());
        memory.extend_from_slice(received);
        let copy = memory.split().freeze();
        if memory.capacity() > MOST {
            *memory = BytesMut::new();
        }
        copy
    })
}

/// Memory to write responses to, empty.
pub(crate) fn take() -> BytesMut {
    let mut memory = RESPONSES.take();
    memory.clear();
    reserve(&mut memory, SIZE, ENOUGH);
    memory
}

/// What is left of it, for the next response.
pub(crate) fn give_back(memory: BytesMut) {
    RESPONSES.with_borrow_mut(|arena| {
        if arena.capacity() < memory.capacity() && memory.capacity() <= MOST {
            *arena = memory;
        }
    });
}

fn reserve(memory: &mut BytesMut, size: usize, enough: usize) {
    if memory.capacity() < enough {
        // The old piece serves again, if all that was cut from it is gone.
        memory.reserve(size.max(enough));
    }
}
