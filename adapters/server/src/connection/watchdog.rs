//! One timer for a connection, set seldom: it is not moved whenever a deadline is, only when it has run out too early.

use std::pin::Pin;
use std::task::{Context as Task, Poll};
use std::time::Instant;

use tokio::time::Sleep;

/// Tells when a deadline has passed that may change between two looks.
pub(crate) struct Watchdog<'a> {
    sleep: Pin<&'a mut Sleep>,
}

impl<'a> Watchdog<'a> {
    pub(crate) fn new(sleep: Pin<&'a mut Sleep>) -> Self {
        Self { sleep }
    }

    /// `Ready` once the deadline has passed; wakes the task then at the latest, and perhaps before.
    pub(crate) fn poll_passed(&mut self, deadline: Instant, task: &mut Task<'_>) -> Poll<()> {
        if self.sleep.deadline().into_std() > deadline {
            self.sleep.as_mut().reset(deadline.into());
        }
        while self.sleep.as_mut().poll(task).is_ready() {
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            self.sleep.as_mut().reset(deadline.into());
        }
        Poll::Pending
    }
}
