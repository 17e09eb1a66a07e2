//! Leased buffers: what a receive that goes on hands out, and how they come home.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::BytesMut;

/// Received bytes in a buffer of the driver's. Dropping it gives the buffer back.
///
/// It borrows nothing: it may be kept, sent to another thread and dropped there, also after the driver is gone. But a
/// driver has a bounded number of buffers for all of its connections; whoever keeps leases for long makes the others
/// wait. Copy what is needed later, or [`detach`](Self::detach) the buffer.
pub struct Lease {
    buffer: BytesMut,
    start: usize,
    id: u32,
    /// `None` once it was detached.
    home: Option<Arc<dyn LeaseHome>>,
}

/// Where leased buffers live: a driver's ring or pool.
pub trait LeaseHome: fmt::Debug + Send + Sync + 'static {
    /// A buffer comes back, with the id it went out with; `None` when its holder keeps it for good. So does the reference
    /// that the lease had, which a home may keep for the next one.
    ///
    /// Called from any thread, from destructors: it must not block for long, and never panic.
    fn give_back(self: Arc<Self>, id: u32, buffer: Option<BytesMut>);
}

impl Lease {
    /// For drivers: a filled buffer, and where it goes afterwards.
    #[must_use]
    pub fn new(buffer: BytesMut, id: u32, home: Arc<dyn LeaseHome>) -> Self {
        Self { buffer, start: 0, id, home: Some(home) }
    }

    /// Forgets the first bytes: what was parsed already.
    ///
    /// # Panics
    ///
    /// When there are not as many.
    pub fn advance(&mut self, bytes: usize) {
        assert!(bytes <= self.len(), "a lease of {} bytes cannot advance by {bytes}", self.len());
        self.start += bytes;
    }

    /// Keeps the buffer for good; the driver allocates another in its place.
    #[must_use]
    pub fn detach(mut self) -> BytesMut {
        let mut buffer = std::mem::take(&mut self.buffer);
        if let Some(home) = self.home.take() {
            home.give_back(self.id, None);
        }
        let _ = buffer.split_to(self.start);
        buffer
    }
}

impl Deref for Lease {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.buffer[self.start..]
    }
}

impl AsRef<[u8]> for Lease {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(home) = self.home.take() {
            let mut buffer = std::mem::take(&mut self.buffer);
            buffer.clear();
            home.give_back(self.id, Some(buffer));
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("bytes", &self.len()).finish_non_exhaustive()
    }
}

/// Buffers of one size for drivers that fill them themselves: made when they are needed, kept when they come back.
pub struct LeasePool {
    size: usize,
    keep: usize,
    state: Mutex<Pool>,
}

#[derive(Default)]
struct Pool {
    free: Vec<BytesMut>,
    out: usize,
}

impl LeasePool {
    /// Buffers of `size` bytes, of which at most `keep` unused ones are kept.
    #[must_use]
    pub fn new(size: usize, keep: usize) -> Arc<Self> {
        Arc::new(Self { size, keep, state: Mutex::default() })
    }

    /// An empty buffer, to be filled. Counted when it becomes a lease.
    #[must_use]
    pub fn take(&self) -> BytesMut {
        let kept = self.lock().free.pop();
        kept.unwrap_or_else(|| BytesMut::with_capacity(self.size))
    }

    /// An empty buffer of [`take`](Self::take) that was not needed after all.
    pub fn put_back(&self, buffer: BytesMut) {
        let surplus = self.lock().keep(buffer, self.keep);
        drop(surplus);
    }

    /// A filled buffer as a lease.
    #[must_use]
    pub fn lease(self: &Arc<Self>, buffer: BytesMut) -> Lease {
        self.lock().out += 1;
        Lease::new(buffer, 0, Arc::clone(self) as Arc<dyn LeaseHome>)
    }

    /// Leases that somebody holds.
    #[must_use]
    pub fn out(&self) -> usize {
        self.lock().out
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Pool> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pool {
    /// What is not kept is the caller's to drop, outside the lock.
    fn keep(&mut self, buffer: BytesMut, most: usize) -> Option<BytesMut> {
        if self.free.len() < most {
            self.free.push(buffer);
            None
        } else {
            Some(buffer)
        }
    }
}

impl LeaseHome for LeasePool {
    fn give_back(self: Arc<Self>, _id: u32, buffer: Option<BytesMut>) {
        let mut pool = self.lock();
        pool.out = pool.out.saturating_sub(1);
        let surplus = buffer.and_then(|buffer| pool.keep(buffer, self.keep));
        drop(pool);
        drop(surplus);
    }
}

impl fmt::Debug for LeasePool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeasePool")
            .field("size", &self.size)
            .field("out", &self.out())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_comes_home_when_it_is_dropped() {
        let pool = LeasePool::new(16, 4);
        let mut buffer = pool.take();
        let place = buffer.as_ptr();
        buffer.extend_from_slice(b"GET / HTTP/1.1");
        let mut lease = pool.lease(buffer);
        lease.advance(4);
        assert_eq!((&lease[..], pool.out()), (&b"/ HTTP/1.1"[..], 1));
        drop(lease);
        let again = pool.take();
        assert_eq!((again.as_ptr(), again.len(), again.capacity(), pool.out()), (place, 0, 16, 0));
    }

    #[test]
    fn a_detached_buffer_is_the_holders() {
        let pool = LeasePool::new(16, 4);
        let mut buffer = pool.take();
        buffer.extend_from_slice(b"abc");
        let mut lease = pool.lease(buffer);
        lease.advance(1);
        assert_eq!(&lease.detach()[..], b"bc");
        assert_eq!(pool.out(), 0);
    }

    #[test]
    fn no_more_than_the_limit_is_kept() {
        let pool = LeasePool::new(16, 1);
        let leases: Vec<_> = (0..3).map(|_| pool.lease(pool.take())).collect();
        assert_eq!(pool.out(), 3);
        drop(leases);
        assert_eq!((pool.out(), pool.lock().free.len()), (0, 1));
    }
}
