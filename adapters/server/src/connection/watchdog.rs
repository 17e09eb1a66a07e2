//! One timer for a connection, set seldom: it is not moved whenever a deadline is, only when it has run out too early.

use std::pin::Pin;
use std::task::{Context as Task, Poll, Waker};
use std::time::Instant;

use tokio::task::coop::has_budget_remaining;
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
        // A task that has used up its turn is polled again at once, and the timer has not been told whom to wake.
        self.heard_by = has_budget_remaining().then(|| task.waker().clone());
        Poll::Pending
    }

    fn reset(&mut self, deadline: Instant) {
        self.sleep.as_mut().reset(deadline.into());
        self.heard_by = None;
    }
}

/// What is waited for, or `None` behind the deadline.
pub(super) fn first_of<R>(
    awaited: Poll<R>,
    watchdog: &mut Watchdog<'_>,
    deadline: Instant,
    task: &mut Task<'_>,
) -> Poll<Option<R>> {
    match awaited {
        Poll::Ready(result) => Poll::Ready(Some(result)),
        Poll::Pending => watchdog.poll_passed(deadline, task).map(|()| None),
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::time::Duration;

    use tokio::task::coop::consume_budget;

    use super::*;

    #[tokio::test]
    async fn a_deadline_is_heard_where_the_task_had_used_up_its_turn_when_it_asked() {
        let watched = tokio::spawn(async {
            let mut sleep = pin!(tokio::time::sleep(Duration::from_secs(3600)));
            let mut watchdog = Watchdog::new(sleep.as_mut());
            let deadline = Instant::now() + Duration::from_millis(50);
            let mut turns = 0;
            poll_fn(|task| {
                turns += 1;
                while turns == 1 && has_budget_remaining() {
                    let _ = pin!(consume_budget()).poll(task);
                }
                watchdog.poll_passed(deadline, task)
            })
            .await;
        });
        // Nothing but the timer wakes the task.
        tokio::time::timeout(Duration::from_secs(20), watched)
            .await
            .expect("it is heard")
            .expect("it does not panic");
    }
}
