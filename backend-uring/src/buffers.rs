//! The provided-buffer ring: the buffers that receives share.

use std::alloc::{self, Layout};
use std::fmt;
use std::io;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

use bivalve_core::Lease;
use bivalve_core::driver::LeaseHome;
use bytes::BytesMut;
use io_uring::types::BufRingEntry;

use crate::ring::Ring;
use crate::sync::Lock;

/// The buffers, in a ring that is shared with the kernel. Belongs to the turn task.
///
/// A buffer is in one of three places: in `slots`, where the kernel may fill it; in a [`Lease`]; or on its way home in
/// [`Returns`]. Its id is the index of its slot.
pub(crate) struct Buffers {
    ring: NonNull<BufRingEntry>,
    layout: Layout,
    mask: u16,
    tail: u16,
    size: usize,
    /// Each with the way home of its next lease, which so costs no count of references.
    slots: Vec<Option<(BytesMut, Arc<Returns>)>>,
    returns: Arc<Returns>,
    /// Taken out of `returns`, emptied at each turn.
    arrived: Vec<Arrived>,
}

/// The one group of buffers of a ring.
pub(crate) const GROUP: u16 = 0;

/// Where leases come home, from any thread.
pub(crate) struct Returns {
    /// Leases that were made. Only the turn counts here, so that no lock is needed for it.
    made: AtomicUsize,
    state: Lock<Home>,
}

#[derive(Default)]
struct Home {
    arrived: Vec<Arrived>,
    /// Leases that came back.
    ended: usize,
    /// Nobody looks here any more.
    closed: bool,
}

/// What comes home: the buffer, unless its holder keeps it, and the way that it took.
struct Arrived {
    id: u32,
    buffer: Option<BytesMut>,
    home: Arc<Returns>,
}

// SAFETY: `ring` is memory of this struct's own, reached from nowhere else in the process; it goes with the struct to
// whichever thread owns that, and is freed by it alone.
unsafe impl Send for Buffers {}

impl Buffers {
    /// Allocates the buffers and registers them. `count` is a power of two.
    pub(crate) fn register(ring: &Ring, count: u16, size: usize) -> io::Result<Self> {
        let bytes = usize::from(count) * size_of::<BufRingEntry>();
        let layout = Layout::from_size_align(bytes, PAGE).map_err(io::Error::other)?;
        // SAFETY: the layout is not empty, `count` is at least 1.
        let memory = unsafe { alloc::alloc_zeroed(layout) };
        let Some(entries) = NonNull::new(memory.cast::<BufRingEntry>()) else {
            return Err(io::ErrorKind::OutOfMemory.into());
        };
        let mut buffers = Self {
            ring: entries,
            layout,
            mask: count - 1,
            tail: 0,
            size,
            slots: (0..count).map(|_| None).collect(),
            returns: Arc::new(Returns { made: AtomicUsize::new(0), state: Lock::new(Home::default()) }),
            arrived: Vec::new(),
        };
        let address = entries.as_ptr() as u64;
        // SAFETY: the memory has room for `count` entries and is this struct's, whose owner keeps it until no receive is
        // in flight and the group is unregistered or the ring closed (`Turn`'s destructor), or leaks it.
        unsafe { ring.register_buffers(address, count)? };
        for id in 0..count {
            buffers.provide(id, BytesMut::with_capacity(size), Arc::clone(&buffers.returns));
        }
        buffers.publish();
        Ok(buffers)
    }

    /// Where leases come home.
    pub(crate) fn returns(&self) -> &Arc<Returns> {
        &self.returns
    }

    /// Gives the kernel back what has come home.
    pub(crate) fn recycle(&mut self) {
        std::mem::swap(&mut self.arrived, &mut self.returns.state.lock().arrived);
        if self.arrived.is_empty() {
            return;
        }
        let mut arrived = std::mem::take(&mut self.arrived);
        for Arrived { id, buffer, home } in arrived.drain(..) {
            // A holder who kept the buffer, or changed its capacity, costs a new one.
            let buffer = buffer.filter(|buffer| buffer.capacity() >= self.size);
            let buffer = buffer.unwrap_or_else(|| BytesMut::with_capacity(self.size));
            self.provide(u16::try_from(id).unwrap_or(0), buffer, home);
        }
        self.arrived = arrived;
        self.publish();
    }

    /// The buffer that the kernel filled with so many bytes.
    pub(crate) fn take(&mut self, id: u16, bytes: usize) -> Option<Lease> {
        let (mut buffer, home) = self.slots.get_mut(usize::from(id))?.take()?;
        // SAFETY: the kernel has written `bytes` bytes from the start of the buffer, which was provided empty and with room
        // for at least `size`, more than which it was not told; the completion says that it is done with it.
        unsafe { buffer.set_len(bytes.min(self.size)) };
        let made = self.returns.made.load(Ordering::Relaxed);
        // No read-modify-write: nobody else writes. Whoever is given the lease sees it, as it comes through a lock.
        self.returns.made.store(made.wrapping_add(1), Ordering::Relaxed);
        Some(Lease::new(buffer, u32::from(id), home))
    }

    /// The kernel selected a buffer and did not fill it.
    pub(crate) fn put_back(&mut self, id: u16) {
        if let Some((buffer, home)) = self.slots.get_mut(usize::from(id)).and_then(Option::take) {
            self.provide(id, buffer, home);
            self.publish();
        }
    }

    fn provide(&mut self, id: u16, mut buffer: BytesMut, home: Arc<Returns>) {
        let index = usize::from(self.tail & self.mask);
        // SAFETY: the index is below the number of entries; the kernel reads an entry only once the tail is published, and
        // this one is between the kernel's head and the tail it knows, because there are as many entries as buffers.
        let entry = unsafe { &mut *self.ring.as_ptr().add(index) };
        entry.set_addr(buffer.spare_capacity_mut().as_mut_ptr() as u64);
        entry.set_len(u32::try_from(self.size).unwrap_or(u32::MAX));
        entry.set_bid(id);
        self.tail = self.tail.wrapping_add(1);
        self.slots[usize::from(id)] = Some((buffer, home));
    }

    fn publish(&self) {
        // SAFETY: the memory is that of a ring of entries, whose first holds the tail in a field that nothing else uses; it
        // lives as long as `self`. The kernel reads it, with acquire order.
        let tail = unsafe { AtomicU16::from_ptr(BufRingEntry::tail(self.ring.as_ptr()).cast_mut()) };
        tail.store(self.tail, Ordering::Release);
    }
}

impl Drop for Buffers {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout in `register`; the owner drops this only when the kernel is done with it.
        unsafe { alloc::dealloc(self.ring.as_ptr().cast(), self.layout) };
        // What comes later is dropped there: it would keep its home, and its home it.
        let mut home = self.returns.state.lock();
        home.closed = true;
        let arrived = std::mem::take(&mut home.arrived);
        drop(home);
        drop(arrived);
    }
}

impl Returns {
    /// Leases that somebody holds.
    pub(crate) fn out(&self) -> usize {
        let ended = self.state.lock().ended;
        self.made.load(Ordering::Relaxed).wrapping_sub(ended)
    }
}

impl LeaseHome for Returns {
    fn give_back(self: Arc<Self>, id: u32, buffer: Option<BytesMut>) {
        // SAFETY: the reference goes into the list behind this lock, out of which nobody takes it before the lock is free
        // again, or it is dropped in this function behind the guard. So what it points to outlives the guard.
        let state = unsafe { &(*Arc::as_ptr(&self)).state };
        let mut home = state.lock();
        home.ended = home.ended.wrapping_add(1);
        let arrived = Arrived { id, buffer, home: self };
        let unwanted = if home.closed {
            Some(arrived)
        } else {
            home.arrived.push(arrived);
            None
        };
        drop(home);
        drop(unwanted);
    }
}

impl fmt::Debug for Returns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Returns").field("out", &self.out()).finish_non_exhaustive()
    }
}

/// The kernel wants the ring to start on a page; no Linux has smaller ones, and those with larger take a multiple.
const PAGE: usize = 65_536;
