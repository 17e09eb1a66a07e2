//! Direct descriptors: sockets in the ring's own table.
//!
//! A descriptor keeps its number, for its addresses and options; in the table, under the index of its handle, the kernel
//! finds it without the lookup that each operation would make. It is used from there once the kernel has confirmed it,
//! and by its number until then. A closed handle is forgotten when the table has let go of it: only then is its index
//! used again.

use std::collections::VecDeque;

use bivalve_core::driver::ResourceKind;
use bivalve_core::{Handle, Resource};
use io_uring::{opcode, squeue};

use super::{Effects, State};
use crate::handles::{Direct, Entry};
use crate::setup::DIRECT;
use crate::{Feature, Features};

/// What the table is to hold, and the changes that are under way.
pub(super) struct DirectTable {
    /// What the kernel reads: it never moves. Empty where there is no table.
    descriptors: Box<[i32]>,
    /// Places that are to change.
    changes: VecDeque<u32>,
    in_kernel: usize,
}

/// In the lower half of a completion's user data: a change of the table, whose place is in the upper half.
const CHANGE: u32 = u32::MAX - 1;

/// The place in the table that a completion is about, if it is about one.
pub(super) fn table_place(user_data: u64) -> Option<u32> {
    #[allow(clippy::cast_possible_truncation, reason = "takes the two halves apart")]
    let (kind, place) = (user_data as u32, (user_data >> 32) as u32);
    (kind == CHANGE).then_some(place)
}

impl DirectTable {
    pub(super) fn new(features: Features) -> Self {
        let places = if features.contains(Feature::DirectDescriptors) { DIRECT as usize } else { 0 };
        Self { descriptors: vec![-1; places].into(), changes: VecDeque::new(), in_kernel: 0 }
    }

    pub(super) fn has_work(&self) -> bool {
        !self.changes.is_empty()
    }

    pub(super) fn is_in_kernel(&self) -> bool {
        self.in_kernel > 0
    }

    /// The ring is gone.
    pub(super) fn forget(&mut self) {
        self.changes.clear();
        self.in_kernel = 0;
        self.descriptors = Box::default();
    }

    /// The next change to submit.
    pub(super) fn next(&mut self) -> Option<squeue::Entry> {
        let place = self.changes.pop_front()?;
        let descriptor = self.descriptors.get(place as usize)?;
        self.in_kernel += 1;
        let update = opcode::FilesUpdate::new(descriptor, 1).offset(place.cast_signed());
        Some(update.build().user_data(u64::from(place) << 32 | u64::from(CHANGE)))
    }

    fn change(&mut self, place: u32, descriptor: i32) -> bool {
        let Some(wanted) = self.descriptors.get_mut(place as usize) else { return false };
        *wanted = descriptor;
        self.changes.push_back(place);
        true
    }
}

impl State {
    /// A new handle. Streams and listeners go into the table, where there is room: they live long and do much.
    pub(super) fn add(&mut self, resource: Resource) -> Handle {
        let entry = Entry::new(resource);
        let (fd, direct) = (entry.fd.0, matches!(entry.kind, ResourceKind::Listener | ResourceKind::Stream));
        let (index, generation) = self.handles.insert(entry);
        let handle = Handle::new(self.number, index, generation);
        if direct && self.direct.change(index, fd) {
            self.set_direct(handle, Direct::Coming);
        }
        handle
    }

    /// Whether the table has let go of a handle that nobody uses any more; else it is asked to.
    pub(super) fn leave_table(&mut self, handle: Handle) -> bool {
        match self.entry(handle).map(|entry| entry.direct) {
            None | Some(Direct::No) => true,
            Some(Direct::Coming | Direct::Going) => false,
            Some(Direct::There) => {
                self.direct.change(handle.index(), -1);
                self.set_direct(handle, Direct::Going);
                false
            }
        }
    }

    /// The kernel has changed a place of the table, or refused to.
    pub(super) fn table_changed(&mut self, place: u32, result: i32, fx: &mut Effects) {
        self.direct.in_kernel -= 1;
        let Some(generation) = self.handles.generation(place) else { return };
        let handle = Handle::new(self.number, place, generation);
        let Some(entry) = self.entry_mut(handle) else { return };
        entry.direct = match entry.direct {
            Direct::Coming if result == 1 => Direct::There,
            _ => Direct::No,
        };
        self.forget_if_idle(handle, fx);
    }

    pub(super) fn set_direct(&mut self, handle: Handle, direct: Direct) {
        if let Some(entry) = self.entry_mut(handle) {
            entry.direct = direct;
        }
    }
}
