//! Memory for heads and responses, shared by all connections of a thread: an idle connection owns none.

use std::cell::RefCell;
use std::thread::LocalKey;

use bytes::{Bytes, BytesMut};

/// Bytes of one piece of it for responses.
const SIZE: usize = 64 * 1024;
/// The same for heads: a request that waits holds all of the piece that its head is in, and so might each of many, if large
/// heads of others came in between.
const HEADS_SIZE: usize = 16 * 1024;
/// What must be left of a piece to be worth having.
const ENOUGH: usize = 4096;

thread_local! {
    static HEADS: RefCell<BytesMut> = RefCell::new(BytesMut::new());
    static RESPONSES: RefCell<BytesMut> = RefCell::new(BytesMut::new());
}

/// A copy of what was received, to be kept as long as anybody wants.
pub(crate) fn copy(received: &[u8]) -> Bytes {
    let mut memory = take_from(&HEADS, HEADS_SIZE, received.len());
    memory.extend_from_slice(received);
    let copy = memory.split().freeze();
    give_back_to(&HEADS, memory);
    copy
}

/// Memory to write responses to, empty.
pub(crate) fn take() -> BytesMut {
    take_from(&RESPONSES, SIZE, ENOUGH)
}

/// What is left of it, for the next response.
pub(crate) fn give_back(memory: BytesMut) {
    give_back_to(&RESPONSES, memory);
}

fn take_from(arena: &'static LocalKey<RefCell<BytesMut>>, size: usize, enough: usize) -> BytesMut {
    let mut memory = arena.with(|arena| std::mem::take(&mut *arena.borrow_mut()));
    memory.clear();
    if memory.capacity() < enough {
        // The old piece serves again, if all that was cut from it is gone.
        memory.reserve(size.max(enough));
    }
    memory
}

fn give_back_to(arena: &'static LocalKey<RefCell<BytesMut>>, memory: BytesMut) {
    arena.with(|arena| {
        let mut arena = arena.borrow_mut();
        if arena.capacity() < memory.capacity() && memory.capacity() <= 2 * SIZE {
            *arena = memory;
        }
    });
}
