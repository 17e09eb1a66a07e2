//! Background work of the server: polled by whatever request or test is running.

use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use super::wake::Alarm;
use crate::BackgroundFuture;

#[derive(Default)]
pub(super) struct Background {
    tasks: Mutex<Vec<BackgroundFuture>>,
}

impl Background {
    pub(super) fn spawn(&self, task: BackgroundFuture) {
        self.lock().push(task);
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Polls every task once. The lock is open meanwhile: a task may spawn another.
    pub(super) fn poll(&self, alarm: &Alarm) {
        let mut tasks = std::mem::take(&mut *self.lock());
        tasks.retain_mut(|task| alarm.poll(task.as_mut()).is_pending());
        let mut spawned = self.lock();
        if !spawned.is_empty() {
            // The new ones have never been polled, so nobody would wake them.
            alarm.ring();
        }
        tasks.append(&mut spawned);
        *spawned = tasks;
    }

    /// Waits until all tasks have ended.
    pub(super) async fn finish(&self) {
        poll_fn(|task| {
            self.poll(&Alarm::new(task.waker()));
            if self.len() == 0 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    fn lock(&self) -> MutexGuard<'_, Vec<BackgroundFuture>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
