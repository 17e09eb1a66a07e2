//! The bookkeeping of operations that every driver needs: who is running, who has ended, who was abandoned.

use std::collections::VecDeque;
use std::task::{self, Poll, Waker};

use super::{Finished, OperationKey, Slots};
use crate::{Completion, CompletionStatus};

/// For drivers: operations under their keys, from submission until somebody has taken the outcome.
///
/// `T` is what the driver keeps while the system has the operation, its buffer among it. An entry is *running* while
/// it has its detail, *ended* when the outcome is there, and gone when the outcome was taken or, after
/// [`abandon`](Self::abandon), when it has ended.
///
/// The table is not synchronised: a driver puts it behind its lock. For rule 8 of [`Driver`](super::Driver) nothing
/// of the caller's is dropped or woken in here: wakers and outcomes that nobody will hear are returned, to be dropped
/// when the lock is free.
#[derive(Debug)]
pub struct OperationTable<T> {
    entries: Slots<Entry<T>>,
}

#[derive(Debug)]
struct Entry<T> {
    detail: Option<T>,
    ended: bool,
    finished: Option<Finished>,
    /// Of an operation that goes on.
    items: VecDeque<Finished>,
    waker: Option<Waker>,
    abandoned: bool,
}

/// What [`OperationTable::abandon`] found.
#[derive(Debug, Default)]
#[must_use = "a running operation has to be cancelled, outcomes dropped outside the lock, their handles closed"]
pub struct Abandoned {
    /// The system still has it: it has to be cancelled, and is removed when it ends.
    pub running: bool,
    /// What had come and nobody took.
    pub unheard: VecDeque<Finished>,
    /// Nobody is to be woken; dropped outside the lock.
    pub waker: Option<Waker>,
}

impl<T> Default for OperationTable<T> {
    fn default() -> Self {
        Self { entries: Slots::default() }
    }
}

impl<T> OperationTable<T> {
    /// An operation starts to run.
    pub fn insert(&mut self, detail: T) -> OperationKey {
        let (index, generation) = self.entries.insert(Entry {
            detail: Some(detail),
            ended: false,
            finished: None,
            items: VecDeque::new(),
            waker: None,
            abandoned: false,
        });
        OperationKey::new(index, generation)
    }

    /// The detail of a running operation.
    #[must_use]
    pub fn get(&self, key: OperationKey) -> Option<&T> {
        self.entries.get(key.index(), key.generation())?.detail.as_ref()
    }

    /// The detail of a running operation.
    pub fn get_mut(&mut self, key: OperationKey) -> Option<&mut T> {
        self.entry(key)?.detail.as_mut()
    }

    /// Takes the detail out, to build the outcome from it; [`finish`](Self::finish) or [`end`](Self::end) follows.
    pub fn take(&mut self, key: OperationKey) -> Option<T> {
        self.entry(key)?.detail.take()
    }

    /// Whether nobody will hear the outcome.
    #[must_use]
    pub fn is_abandoned(&self, key: OperationKey) -> bool {
        self.entries.get(key.index(), key.generation()).is_some_and(|entry| entry.abandoned)
    }

    /// Items that wait to be taken.
    #[must_use]
    pub fn queued(&self, key: OperationKey) -> usize {
        self.entries.get(key.index(), key.generation()).map_or(0, |entry| entry.items.len())
    }

    /// The outcome of an operation that ends once. Its detail must have been taken.
    ///
    /// Returns whom to wake.
    ///
    /// # Errors
    ///
    /// The outcome, when nobody will hear it: to be dropped outside the lock, a handle in it closed.
    pub fn finish(&mut self, key: OperationKey, finished: Finished) -> Result<Option<Waker>, Finished> {
        let Some(entry) = self.entry(key) else { return Err(finished) };
        debug_assert!(entry.detail.is_none(), "finish comes after take");
        if entry.abandoned {
            self.entries.discard(key.index(), key.generation());
            return Err(finished);
        }
        entry.ended = true;
        entry.finished = Some(finished);
        Ok(entry.waker.take())
    }

    /// The next item of an operation that goes on. Returns whom to wake.
    ///
    /// # Errors
    ///
    /// The item, when nobody will hear it: to be dropped outside the lock, a handle in it closed.
    pub fn push(&mut self, key: OperationKey, item: Finished) -> Result<Option<Waker>, Finished> {
        match self.entry(key) {
            Some(entry) if !entry.abandoned => {
                entry.items.push_back(item);
                Ok(entry.waker.take())
            }
            _ => Err(item),
        }
    }

    /// The end of an operation that goes on: no item follows those that were pushed. Its detail must have been taken.
    ///
    /// Returns whom to wake.
    pub fn end(&mut self, key: OperationKey) -> Option<Waker> {
        let entry = self.entry(key)?;
        debug_assert!(entry.detail.is_none(), "end comes after take");
        if entry.abandoned {
            self.entries.discard(key.index(), key.generation());
            return None;
        }
        entry.ended = true;
        entry.waker.take()
    }

    /// The outcome, if it is there; the key is spent then. A spent key is answered with
    /// [`CompletionStatus::INVALID_PARAMETER`].
    ///
    /// A waker that was replaced is put into `stale`, which the caller drops outside its lock.
    pub fn poll(
        &mut self,
        key: OperationKey,
        task: &task::Context<'_>,
        stale: &mut Option<Waker>,
    ) -> Poll<Finished> {
        let Some(entry) = self.entry(key) else {
            return Poll::Ready(Finished::bare(Completion::failure(CompletionStatus::INVALID_PARAMETER)));
        };
        match entry.finished.take() {
            Some(finished) => {
                *stale = entry.waker.take();
                self.entries.discard(key.index(), key.generation());
                Poll::Ready(finished)
            }
            None => {
                entry.wake_later(task, stale);
                Poll::Pending
            }
        }
    }

    /// The next item, if there is one; `None` at the end, when the key is spent, and for a spent key.
    ///
    /// A waker that was replaced is put into `stale`, which the caller drops outside its lock.
    pub fn poll_next(
        &mut self,
        key: OperationKey,
        task: &task::Context<'_>,
        stale: &mut Option<Waker>,
    ) -> Poll<Option<Finished>> {
        let Some(entry) = self.entry(key) else { return Poll::Ready(None) };
        if let Some(item) = entry.items.pop_front() {
            return Poll::Ready(Some(item));
        }
        if entry.ended {
            *stale = entry.waker.take();
            self.entries.discard(key.index(), key.generation());
            return Poll::Ready(None);
        }
        entry.wake_later(task, stale);
        Poll::Pending
    }

    /// Nobody will ask for the outcome any more.
    pub fn abandon(&mut self, key: OperationKey) -> Abandoned {
        let Some(entry) = self.entry(key) else { return Abandoned::default() };
        let running = !entry.ended;
        entry.abandoned = true;
        let mut unheard = std::mem::take(&mut entry.items);
        unheard.extend(entry.finished.take());
        let waker = entry.waker.take();
        if !running {
            self.entries.discard(key.index(), key.generation());
        }
        Abandoned { running, unheard, waker }
    }

    /// Operations that run, or whose outcome nobody has taken.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The operations that are running.
    pub fn running(&self) -> impl Iterator<Item = (OperationKey, &T)> {
        self.entries.iter().filter_map(|(index, generation, entry)| {
            Some((OperationKey::new(index, generation), entry.detail.as_ref()?))
        })
    }

    fn entry(&mut self, key: OperationKey) -> Option<&mut Entry<T>> {
        self.entries.get_mut(key.index(), key.generation())
    }
}

impl<T> Entry<T> {
    fn wake_later(&mut self, task: &task::Context<'_>, stale: &mut Option<Waker>) {
        match &self.waker {
            Some(waker) if waker.will_wake(task.waker()) => {}
            _ => *stale = self.waker.replace(task.waker().clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FinishedBuffer;

    fn done(bytes: usize) -> Finished {
        Finished::bare(Completion::success(bytes))
    }

    fn poll(table: &mut OperationTable<()>, key: OperationKey) -> Poll<usize> {
        let mut stale = None;
        let polled = table.poll(key, &task::Context::from_waker(Waker::noop()), &mut stale);
        polled.map(|finished| finished.completion.bytes())
    }

    fn next(table: &mut OperationTable<()>, key: OperationKey) -> Poll<Option<usize>> {
        let mut stale = None;
        let polled = table.poll_next(key, &task::Context::from_waker(Waker::noop()), &mut stale);
        polled.map(|item| item.map(|item| item.completion.bytes()))
    }

    #[test]
    fn an_outcome_is_heard_once() {
        let mut table = OperationTable::default();
        let key = table.insert(());
        assert_eq!(poll(&mut table, key), Poll::Pending);
        assert!(table.take(key).is_some());
        assert!(table.finish(key, done(7)).expect("somebody waits").is_some(), "the waker of the poll");
        assert_eq!(poll(&mut table, key), Poll::Ready(7));
        assert!(table.is_empty());
        assert_eq!(poll(&mut table, key), Poll::Ready(0), "a spent key never hangs");
    }

    #[test]
    fn an_abandoned_operation_keeps_its_detail_until_it_ends() {
        let mut table = OperationTable::default();
        let key = table.insert(());
        assert!(table.abandon(key).running);
        assert!(table.get(key).is_some() && table.is_abandoned(key));
        assert!(table.take(key).is_some());
        assert!(table.finish(key, done(1)).is_err(), "nobody hears it");
        assert!(table.is_empty());
    }

    #[test]
    fn abandoning_an_ended_operation_returns_what_nobody_heard() {
        let mut table = OperationTable::default();
        let key = table.insert(());
        table.take(key);
        let _ =
            table.finish(key, Finished { completion: Completion::success(1), buffer: FinishedBuffer::None });
        let abandoned = table.abandon(key);
        assert_eq!((abandoned.running, abandoned.unheard.len(), table.len()), (false, 1, 0));
        assert!(!table.abandon(key).running, "a spent key is ignored");
    }

    #[test]
    fn items_come_in_order_and_then_the_end() {
        let mut table = OperationTable::default();
        let key = table.insert(());
        assert!(table.push(key, done(1)).is_ok() && table.push(key, done(2)).is_ok());
        assert_eq!(table.queued(key), 2);
        assert_eq!(next(&mut table, key), Poll::Ready(Some(1)));
        table.take(key);
        table.end(key);
        assert_eq!(next(&mut table, key), Poll::Ready(Some(2)));
        assert_eq!(next(&mut table, key), Poll::Ready(None));
        assert!(table.is_empty());
        assert!(table.push(key, done(3)).is_err());
    }
}
