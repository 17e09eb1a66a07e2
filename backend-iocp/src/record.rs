//! Operation records: the memory that the kernel writes to while it has an operation.

use std::ffi::c_void;
use std::mem::offset_of;
use std::ptr::{self, NonNull};
use std::sync::{Arc, Weak};

use bivalve_core::OperationKey;
use windows_sys::Win32::System::IO::OVERLAPPED;

use crate::shared::Shared;
use crate::status::Landed;

/// What `AcceptEx` wants for one address: the largest of TCP and 16 bytes of its own.
pub(crate) const ADDRESS_BYTES: u32 = 28 + 16;

/// One for each system call in flight. Its address is its identity: the port hands it back.
///
/// The kernel writes `overlapped` and `addresses` between the call and its completion packet. Nobody makes a
/// reference to a record, only to its fields through the pointer, and only while the kernel does not have it, but for
/// `owner`, which nobody writes.
#[repr(C)]
struct Record {
    overlapped: OVERLAPPED,
    key: OperationKey,
    addresses: [u8; 2 * ADDRESS_BYTES as usize],
    /// Whose arena it is of. Written once, before the kernel or another thread sees the record.
    owner: Weak<Shared>,
}

// A packet carries a pointer to the OVERLAPPED, which has to be one to the record.
const _: () = assert!(offset_of!(Record, overlapped) == 0);
const _: () = assert!(align_of::<Record>() >= align_of::<OVERLAPPED>());

/// A record by its address. It stays valid as long as the [`Records`] it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordRef(NonNull<Record>);

// SAFETY: a number; what it points to lives as long as the arena, and is touched under the rules of `crate::state`.
unsafe impl Send for RecordRef {}

impl RecordRef {
    /// From a packet.
    ///
    /// # Safety
    ///
    /// The pointer must be one of [`overlapped`](Self::overlapped), of a record whose arena is alive.
    pub(crate) unsafe fn from_overlapped(overlapped: *mut OVERLAPPED) -> Option<Self> {
        NonNull::new(overlapped.cast()).map(Self)
    }

    pub(crate) fn overlapped(self) -> *mut OVERLAPPED {
        self.0.as_ptr().cast()
    }

    pub(crate) fn addresses(self) -> *mut c_void {
        // SAFETY: the arena keeps the record until it is dropped itself, after the last packet; no reference is made.
        unsafe { (&raw mut (*self.0.as_ptr()).addresses).cast() }
    }

    /// Whose it is.
    pub(crate) fn key(self) -> OperationKey {
        // SAFETY: the arena keeps the record; the key is written under the driver's lock, when the record is taken, and
        // never by the kernel. The caller holds the lock.
        unsafe { (*self.0.as_ptr()).key }
    }

    /// Whose threads are not the driver's finds the driver by this: `None` when it has ended.
    pub(crate) fn owner(self) -> Option<Arc<Shared>> {
        // SAFETY: the arena keeps the record, says who made this of a packet; the field was written before the record was
        // given to anybody and is not written again, so that it may be read without the lock.
        let owner = unsafe { &(*self.0.as_ptr()).owner };
        owner.upgrade()
    }

    /// What the kernel wrote. Only after the packet, or after a call that ended at once.
    pub(crate) fn landed(self) -> Landed {
        // SAFETY: the arena keeps the record, and the kernel is done with it.
        let (status, bytes) = unsafe {
            let overlapped = self.overlapped();
            ((*overlapped).Internal, (*overlapped).InternalHigh)
        };
        // Internal is an NTSTATUS in a word, InternalHigh the bytes of one call, at most 1 GiB.
        #[allow(clippy::cast_possible_truncation, reason = "as the comment above says")]
        Landed::from_ntstatus(bytes as u32, (status as u32).cast_signed())
    }

    fn reset(self, key: OperationKey, offset: u64) {
        let mut overlapped = OVERLAPPED::default();
        // The two halves are what they are for.
        #[allow(clippy::cast_possible_truncation, reason = "as the comment above says")]
        {
            overlapped.Anonymous.Anonymous.Offset = offset as u32;
            overlapped.Anonymous.Anonymous.OffsetHigh = (offset >> 32) as u32;
        }
        // SAFETY: the record comes from the free list of its arena, so neither the kernel nor a thread has it.
        unsafe {
            ptr::write(self.overlapped(), overlapped);
            (*self.0.as_ptr()).key = key;
        }
    }
}

/// The arena. Records go back to a free list, so that an operation in the steady state allocates nothing; the memory of
/// the busiest moment is kept until the driver ends.
///
/// The driver's threads own the arena with everything else, and end when no call is in flight: a record is never freed
/// while the kernel may write to it. A call that the kernel never finishes keeps the threads, and all of this, for good.
#[derive(Debug, Default)]
pub(crate) struct Records {
    free: Vec<RecordRef>,
    owner: Weak<Shared>,
}

impl Records {
    /// For a driver, or for nobody in a test of something else.
    pub(crate) fn new(owner: Weak<Shared>) -> Self {
        Self { free: Vec::new(), owner }
    }

    /// A record for one call, at this offset of a file.
    pub(crate) fn take(&mut self, key: OperationKey, offset: u64) -> RecordRef {
        let record = self.free.pop().unwrap_or_else(|| {
            let overlapped = OVERLAPPED::default();
            let owner = Weak::clone(&self.owner);
            let record = Box::new(Record { overlapped, key, addresses: [0; _], owner });
            RecordRef(NonNull::from(Box::leak(record)))
        });
        record.reset(key, offset);
        record
    }

    /// The kernel is done with it.
    pub(crate) fn put_back(&mut self, record: RecordRef) {
        self.free.push(record);
    }
}

impl Drop for Records {
    fn drop(&mut self) {
        for record in self.free.drain(..) {
            // SAFETY: made by `Box::leak` in `take`, once in the list, and nobody's: the kernel is done with it.
            drop(unsafe { Box::from_raw(record.0.as_ptr()) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_used_again_and_starts_clean() {
        let mut records = Records::new(Weak::new());
        let first = records.take(OperationKey::new(1, 2), (7 << 32) | 9);
        // SAFETY: the arena keeps the record, and no kernel has it.
        let (low, high) = unsafe {
            let offset = (*first.overlapped()).Anonymous.Anonymous;
            (offset.Offset, offset.OffsetHigh)
        };
        assert_eq!((low, high, first.key()), (9, 7, OperationKey::new(1, 2)));
        records.put_back(first);
        let again = records.take(OperationKey::new(3, 4), 0);
        assert_eq!(
            (again, again.key(), again.landed()),
            (first, OperationKey::new(3, 4), Landed::success(0))
        );
        records.put_back(again);
    }
}
