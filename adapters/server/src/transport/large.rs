//! Buffers for large bodies, which all connections of a thread share.
//!
//! A body that comes faster than a driver's small buffers can carry it is received into these, and lent without a copy to
//! who reads it. What that may cost is bounded: so many connections have a [`Place`], so many buffers are lent; where there
//! is none left, a body comes in the small ones, or is copied.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};

use crate::limits::{LARGE_LENT, LARGE_PLACES};

/// Bytes of a buffer: measured with eight connections, half of it is slower, and more is no faster.
const SIZE: usize = 256 * 1024;

/// What a buffer must hold to be lent; less is copied, or a few octets would keep all of it.
const LENDABLE: usize = SIZE / 4;

/// Unused buffers that a thread keeps.
const KEPT: usize = 16;

/// A connection's right to one buffer at a time that waits for its client.
pub(super) struct Place {
    home: Arc<Home>,
}

/// Where buffers come from, and come back to, from any thread.
#[derive(Default)]
struct Home(Mutex<State>);

#[derive(Default)]
struct State {
    /// The one that came last is used first: the processor's cache has it.
    free: Vec<BytesMut>,
    places: usize,
    lent: usize,
}

/// A buffer that somebody reads.
struct Lent {
    buffer: BytesMut,
    home: Arc<Home>,
}

thread_local! {
    static HOME: Arc<Home> = Arc::default();
}

impl Place {
    /// `None`: there are as many as may be.
    pub(super) fn take() -> Option<Self> {
        HOME.with(|home| {
            let mut state = home.lock();
            if state.places >= LARGE_PLACES {
                return None;
            }
            state.places += 1;
            Some(Self { home: Arc::clone(home) })
        })
    }

    /// An empty buffer.
    pub(super) fn buffer(&self) -> BytesMut {
        let kept = self.home.lock().free.pop();
        kept.unwrap_or_else(|| BytesMut::with_capacity(SIZE))
    }

    /// A buffer that was not filled.
    pub(super) fn put_back(&self, buffer: BytesMut) {
        self.home.come_back(buffer, 0);
    }

    /// What was received, for as long as anybody wants.
    pub(super) fn lend(&self, buffer: BytesMut) -> Bytes {
        if buffer.len() >= LENDABLE && self.home.may_lend() {
            return Bytes::from_owner(Lent { buffer, home: Arc::clone(&self.home) });
        }
        let copy = Bytes::copy_from_slice(&buffer);
        self.put_back(buffer);
        copy
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.home.lock().places -= 1;
    }
}

impl Home {
    fn may_lend(&self) -> bool {
        let mut state = self.lock();
        let may = state.lent < LARGE_LENT;
        state.lent += usize::from(may);
        may
    }

    fn come_back(&self, mut buffer: BytesMut, lent: usize) {
        buffer.clear();
        let mut state = self.lock();
        state.lent -= lent;
        // A driver that gave up has kept the memory for the system, and handed back none.
        if state.free.len() < KEPT && buffer.capacity() >= SIZE {
            state.free.push(buffer);
            return;
        }
        drop(state);
        drop(buffer);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.home.come_back(std::mem::take(&mut self.buffer), 1);
    }
}

/// Connections of this thread that have a place, and its buffers that are lent.
#[cfg(test)]
pub(super) fn in_use() -> (usize, usize) {
    HOME.with(|home| {
        let state = home.lock();
        (state.places, state.lent)
    })
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.home.lock();
        f.debug_struct("Place").field("places", &state.places).field("lent", &state.lent).finish()
    }
}
