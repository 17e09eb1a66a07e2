//! What is done when the lock is free.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Waker;

use bivalve_core::{FinishedBuffer, Resource};

/// Wakers to wake, and things to drop, when the lock is free: both may call the driver again (rule 8).
#[derive(Default)]
pub(crate) struct Effects {
    pub(crate) wakers: Vec<Waker>,
    /// Wakers that were replaced.
    pub(crate) stale: Vec<Waker>,
    /// Of operations whose outcome nobody hears.
    pub(crate) buffers: Vec<FinishedBuffer>,
    /// Closed with their last owner.
    pub(crate) resources: Vec<Arc<Resource>>,
}

impl Effects {
    /// Does it all. A panic in a caller's waker or destructor stays with it, the driver goes on (rule 7).
    pub(crate) fn apply(&mut self) {
        for waker in self.wakers.drain(..) {
            contain(|| waker.wake());
        }
        for waker in self.stale.drain(..) {
            contain(|| drop(waker));
        }
        for buffer in self.buffers.drain(..) {
            contain(|| drop(buffer));
        }
        self.resources.clear();
    }
}

fn contain(act: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(act)).is_err() {
        tracing::error!(
            "a waker or a buffer's destructor panicked in the io_uring driver; the driver goes on"
        );
    }
}

impl Drop for Effects {
    fn drop(&mut self) {
        self.apply();
    }
}
