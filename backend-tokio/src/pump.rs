//! The one task that goes on with what has become ready, so that operations do so without being polled (rule 4).

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bivalve_core::{Completion, Operation, OperationKey};
use tokio::time::{Instant, Sleep};

use crate::lane;
use crate::ready::LaneId;
use crate::shared::{Aftermath, Shared};
use crate::state::State;

/// Lanes that have their turn before the runtime's other tasks have theirs; some hundred microseconds.
const LANES: usize = 64;

/// Timers and posts that end before other tasks have their turn.
const TIMERS: usize = 1024;

/// Ready when the driver has been shut down. Dropped earlier, with its runtime, it shuts the driver down.
pub(crate) struct Pump {
    shared: Arc<Shared>,
    batch: VecDeque<LaneId>,
    after: Aftermath,
    sleep: Option<Pin<Box<Sleep>>>,
    /// For when the sleep was set.
    alarm: Option<Instant>,
}

impl Pump {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, batch: VecDeque::new(), after: Aftermath::default(), sleep: None, alarm: None }
    }

    /// What can be done now. Whether something is left, and the next deadline; `None` after the shutdown.
    fn pass(&mut self) -> Option<(bool, Option<Instant>)> {
        let mut state = self.shared.lock();
        if state.closed {
            return None;
        }
        let left = state.end_posts(&mut self.after) | state.end_timers(&mut self.after);
        for _ in 0..LANES {
            let Some(lane) = self.batch.pop_front() else { break };
            state = lane::run(&self.shared, state, lane, &mut self.after);
        }
        let deadline = state.timers.first().map(|(deadline, _, _)| *deadline);
        drop(state);
        Some((left || !self.batch.is_empty(), deadline))
    }

    /// Has the task woken at the deadline. Whether that is now.
    fn set_alarm(&mut self, deadline: Option<Instant>, task: &mut Context<'_>) -> bool {
        let Some(deadline) = deadline else { return false };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        // A sleep that is set already has the waker: a task keeps its own.
        if self.alarm != Some(deadline) || sleep.is_elapsed() {
            self.alarm = Some(deadline);
            sleep.as_mut().reset(deadline);
            return sleep.as_mut().poll(task).is_ready();
        }
        false
    }
}

impl Future for Pump {
    type Output = ();

    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        this.shared.ready.take(task.waker(), &mut this.batch);
        let Some((left, deadline)) = this.pass() else { return Poll::Ready(()) };
        this.after.run(&this.shared);
        if this.set_alarm(deadline, task) || left {
            task.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        self.shared.ready.forget_pump();
        self.shared.shut_down();
    }
}

impl State {
    /// Whether there are more.
    fn end_posts(&mut self, after: &mut Aftermath) -> bool {
        for _ in 0..TIMERS {
            let Some(key) = self.posts.pop_front() else { return false };
            let work = self.operations.get_mut(key).and_then(|detail| detail.work.take());
            let Some(work) = work else { continue };
            let bytes = match work.operation {
                Operation::Post { bytes } => bytes,
                _ => 0,
            };
            self.finish(key, work, Completion::success(bytes), after);
        }
        !self.posts.is_empty()
    }

    /// Whether more are due.
    fn end_timers(&mut self, after: &mut Aftermath) -> bool {
        if self.timers.is_empty() {
            return false;
        }
        let now = Instant::now();
        for _ in 0..TIMERS {
            match self.timers.first() {
                Some((deadline, _, _)) if *deadline <= now => {}
                _ => return false,
            }
            let Some((_, index, generation)) = self.timers.pop_first() else { return false };
            let key = OperationKey::new(index, generation);
            let work = self.operations.get_mut(key).and_then(|detail| detail.work.take());
            if let Some(work) = work {
                self.finish(key, work, Completion::success(0), after);
            }
        }
        true
    }
}
