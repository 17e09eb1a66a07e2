//! How readiness reaches the pump: a list under a lock of its own.

use std::sync::{Arc, OnceLock, PoisonError};
use std::task::{Wake, Waker};

use bivalve_core::driver::Direction;

use crate::sync::{AtomicBool, Mutex, MutexGuard, Ordering};

/// Lanes that can go on, and whom to tell.
///
/// Wakers may run anywhere, also where the driver's lock is held. So this lock is taken for a push or a swap only, and
/// nothing is woken under it. Modelled in `models.rs`.
#[derive(Debug)]
pub(crate) struct ReadyList {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    lanes: Vec<LaneId>,
    /// `None` once it was woken, so that it is woken once.
    pump: Option<Waker>,
}

/// One direction of one handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LaneId {
    pub(crate) index: u32,
    pub(crate) generation: u32,
    pub(crate) direction: Direction,
}

impl ReadyList {
    pub(crate) fn new() -> Self {
        Self { inner: Mutex::new(Inner::default()) }
    }

    /// Moves what is ready to the end of `batch`. What comes later wakes this waker.
    pub(crate) fn take(&self, pump: &Waker, batch: &mut impl Extend<LaneId>) {
        let mut inner = self.lock();
        let stale = match &inner.pump {
            Some(waker) if waker.will_wake(pump) => None,
            _ => inner.pump.replace(pump.clone()),
        };
        batch.extend(inner.lanes.drain(..));
        drop(inner);
        drop(stale);
    }

    /// Wakes the pump: there is something to do that is not a lane.
    pub(crate) fn wake_pump(&self) {
        let pump = self.lock().pump.take();
        if let Some(pump) = pump {
            pump.wake();
        }
    }

    /// The pump is gone.
    pub(crate) fn forget_pump(&self) {
        let pump = self.lock().pump.take();
        drop(pump);
    }

    fn push(&self, lane: LaneId) {
        let mut inner = self.lock();
        inner.lanes.push(lane);
        let pump = inner.pump.take();
        drop(inner);
        if let Some(pump) = pump {
            pump.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What Tokio wakes when a lane can go on. Made once for each lane.
#[derive(Debug)]
pub(crate) struct Signal {
    list: Arc<ReadyList>,
    direction: Direction,
    /// Index and generation of the handle; known once it has its place.
    place: OnceLock<(u32, u32)>,
    /// Whether it is on the list, which it is at most once.
    listed: AtomicBool,
}

impl Signal {
    pub(crate) fn new(list: &Arc<ReadyList>, direction: Direction) -> Arc<Self> {
        let place = OnceLock::new();
        Arc::new(Self { list: Arc::clone(list), direction, place, listed: AtomicBool::new(false) })
    }

    /// The handle has its place. Before that, nobody has been given the waker.
    pub(crate) fn place(&self, index: u32, generation: u32) {
        let _ = self.place.set((index, generation));
    }

    /// It was taken from the list; what is woken from now on puts it there again.
    pub(crate) fn unlist(&self) {
        self.listed.store(false, Ordering::Release);
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let Some(&(index, generation)) = self.place.get() else { return };
        if !self.listed.swap(true, Ordering::AcqRel) {
            self.list.push(LaneId { index, generation, direction: self.direction });
        }
    }
}
