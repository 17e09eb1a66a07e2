//! One timer for a connection, set seldom: it is not moved whenever a deadline is, only when it has run out too early.

use std::pin::Pin;
use std::task::{Context as Task, Poll, Waker};
use std::time::Instant;

use tokio::time::Sleep;

/// Tells when a deadline has passed that may change between two looks.
pub(crate) struct Watchdog<'a> {
    sleep: Pin<&'a mut Sleep>,
    /// Who hears of it.
    heard_by: Option<Waker>,
}

impl<'a> Watchdog<'a> {
    pub(crate) fn new(sleep: Pin<&'a mut Sleep>) -> Self {
        Self { sleep, heard_by: None }
    }

    /// `Ready` once the deadline has passed; wakes the task then at the latest, and perhaps before.
    pub(crate) fn poll_passed(&mut self, deadline: Instant, task: &mut Task<'_>) -> Poll<()> {
        if self.sleep.deadline().into_std() > deadline {
            self.reset(deadline);
        }
        // Who hears of it already need not say so again.
        if !self.sleep.is_elapsed()
            && self.heard_by.as_ref().is_some_and(|waker| waker.will_wake(task.waker()))
        {
            return Poll::Pending;
        }
        while self.sleep.as_mut().poll(task).is_ready() {
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            self.reset(deadline);
        }
        self.heard_by = Some(task.waker().clone());
        Poll::Pending
    }

    fn reset(&mut self, deadline: Instant) {
        self.sleep.as_mut().reset(deadline.into());
        self.heard_by = None;
    }
}
