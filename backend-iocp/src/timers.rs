//! Deadlines, and the thread that waits for them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Instant;

use bivalve_core::OperationKey;
use tokio::time::timeout_at;

use crate::shared::Shared;

/// The deadlines of running timers. A timer that is cancelled ends at once; its deadline stays here until it comes, or
/// until such are the greater part.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, u32, u32)>>,
    stale: usize,
}

impl Timers {
    /// Whether it is the first now, so that the thread has to be told.
    pub(crate) fn add(&mut self, deadline: Instant, key: OperationKey) -> bool {
        let entry = Reverse((deadline, key.index(), key.generation()));
        let first = self.heap.peek().is_none_or(|earliest| entry.0 < earliest.0);
        self.heap.push(entry);
        first
    }

    /// One was cancelled; `runs` tells which are left.
    pub(crate) fn cancelled(&mut self, runs: impl Fn(OperationKey) -> bool) {
        self.stale += 1;
        if self.heap.len() > 64 && self.stale * 2 > self.heap.len() {
            self.heap.retain(|Reverse((_, index, generation))| runs(OperationKey::new(*index, *generation)));
            self.stale = 0;
        }
    }

    /// One whose time has come; perhaps it was cancelled before.
    pub(crate) fn due(&mut self, now: Instant) -> Option<OperationKey> {
        let Reverse((deadline, index, generation)) = *self.heap.peek()?;
        if deadline > now {
            return None;
        }
        self.heap.pop();
        Some(OperationKey::new(index, generation))
    }

    /// What came out of [`due`](Self::due) had been cancelled.
    pub(crate) fn was_stale(&mut self) {
        self.stale = self.stale.saturating_sub(1);
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|entry| entry.0.0)
    }
}

/// The thread: a Tokio runtime of its own, so that timers need nothing of the caller's and fire in any program.
pub(crate) fn run(shared: &Arc<Shared>, runtime: &tokio::runtime::Runtime) {
    runtime.block_on(serve(shared));
}

/// Ends timers until the shutdown.
pub(crate) async fn serve(shared: &Shared) {
    while let Some(next) = shared.fire_timers() {
        match next {
            // Whether the bell rang or the time is up: the deadlines are looked at again.
            Some(deadline) => drop(timeout_at(deadline.into(), shared.bell.notified()).await),
            None => shared.bell.notified().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn cancelled_deadlines_do_not_pile_up() {
        let mut timers = Timers::default();
        let now = Instant::now();
        let later = now + Duration::from_secs(30);
        assert!(timers.add(later, OperationKey::new(0, 0)));
        for index in 1..1000 {
            assert!(!timers.add(later, OperationKey::new(index, 0)));
            timers.cancelled(|key| key.index() == 0);
            assert!(timers.heap.len() <= 130, "{}", timers.heap.len());
        }
        assert_eq!((timers.due(now), timers.due(later)), (None, Some(OperationKey::new(0, 0))));
    }
}
