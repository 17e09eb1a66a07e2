//! What comes through the port.

use windows_sys::Win32::System::IO::OVERLAPPED_ENTRY;

use crate::record::RecordRef;

/// Packets taken at once.
pub(crate) const BATCH: usize = 64;

/// What a packet is about.
#[derive(Debug)]
pub(crate) enum Packet {
    /// The thread that takes it ends.
    Exit,
    /// The call with this record has ended.
    Landed(RecordRef),
}

pub(crate) const KEY_OPERATION: usize = 0;
pub(crate) const KEY_EXIT: usize = 1;

impl Packet {
    /// # Safety
    ///
    /// Every pointer that comes through the port must be that of a record whose arena is alive: nobody but this driver
    /// starts overlapped operations on what is associated with it.
    pub(crate) unsafe fn from_entry(entry: &OVERLAPPED_ENTRY) -> Option<Self> {
        if entry.lpCompletionKey == KEY_EXIT {
            return Some(Self::Exit);
        }
        // SAFETY: as the caller promises.
        unsafe { RecordRef::from_overlapped(entry.lpOverlapped) }.map(Self::Landed)
    }
}
