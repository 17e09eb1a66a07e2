//! The bookkeeping of operations that every driver needs: who is running, who has ended, who was abandoned.

use std::collections::VecDeque;
use std::num::NonZeroU32;
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
    results: Results,
}

/// An operation. It is small, because most wait for something that comes seldom: what has come is in [`Results`].
#[derive(Debug)]
struct Entry<T> {
    detail: Option<T>,
    waker: Option<Waker>,
    /// Where the last result is that nobody has taken.
    last: Option<Number>,
    /// How many there are; no more than fits are counted.
    queued: u16,
    end: End,
    abandoned: bool,
}

/// Whether an operation has ended, and what the last of its results is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It runs; results are items.
    No,
    /// Its one result is the outcome.
    Outcome,
    /// It went on, item by item, and goes on no longer.
    Items,
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
        Self { entries: Slots::default(), results: Results::default() }
    }
}

impl<T> OperationTable<T> {
    /// An operation starts to run.
    pub fn insert(&mut self, detail: T) -> OperationKey {
        let (index, generation) = self.entries.insert(Entry {
            detail: Some(detail),
            waker: None,
            last: None,
            queued: 0,
            end: End::No,
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
    #[inline]
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
        self.entries.get(key.index(), key.generation()).map_or(0, Entry::queued)
    }

    /// The outcome of an operation that ends once. Its detail must have been taken.
    ///
    /// Returns whom to wake.
    ///
    /// # Errors
    ///
    /// The outcome, when nobody will hear it: to be dropped outside the lock, a handle in it closed.
    pub fn finish(&mut self, key: OperationKey, finished: Finished) -> Result<Option<Waker>, Finished> {
        let Self { entries, results } = self;
        let Some(entry) = entries.get_mut(key.index(), key.generation()) else { return Err(finished) };
        debug_assert!(entry.detail.is_none(), "finish comes after take");
        if entry.abandoned {
            entries.discard(key.index(), key.generation());
            return Err(finished);
        }
        entry.end = End::Outcome;
        entry.push(results, finished);
        Ok(entry.waker.take())
    }

    /// The next item of an operation that goes on. Returns whom to wake.
    ///
    /// # Errors
    ///
    /// The item, when nobody will hear it: to be dropped outside the lock, a handle in it closed.
    pub fn push(&mut self, key: OperationKey, item: Finished) -> Result<Option<Waker>, Finished> {
        let Self { entries, results } = self;
        match entries.get_mut(key.index(), key.generation()) {
            Some(entry) if !entry.abandoned => {
                entry.push(results, item);
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
        entry.end = End::Items;
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
        let Self { entries, results } = self;
        let Some(entry) = entries.get_mut(key.index(), key.generation()) else {
            return Poll::Ready(Finished::bare(Completion::failure(CompletionStatus::INVALID_PARAMETER)));
        };
        if entry.end == End::Outcome
            && let Some(finished) = entry.pop(results)
        {
            *stale = entry.waker.take();
            entries.discard(key.index(), key.generation());
            return Poll::Ready(finished);
        }
        entry.wake_later(task, stale);
        Poll::Pending
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
        let Self { entries, results } = self;
        let Some(entry) = entries.get_mut(key.index(), key.generation()) else { return Poll::Ready(None) };
        if let Some(item) = entry.pop(results) {
            return Poll::Ready(Some(item));
        }
        if entry.end != End::No {
            *stale = entry.waker.take();
            entries.discard(key.index(), key.generation());
            return Poll::Ready(None);
        }
        entry.wake_later(task, stale);
        Poll::Pending
    }

    /// Nobody will ask for the outcome any more.
    pub fn abandon(&mut self, key: OperationKey) -> Abandoned {
        let Self { entries, results } = self;
        let Some(entry) = entries.get_mut(key.index(), key.generation()) else {
            return Abandoned::default();
        };
        let running = entry.end == End::No;
        entry.abandoned = true;
        let unheard = std::iter::from_fn(|| entry.pop(results)).collect();
        let waker = entry.waker.take();
        if !running {
            entries.discard(key.index(), key.generation());
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

    #[inline]
    fn entry(&mut self, key: OperationKey) -> Option<&mut Entry<T>> {
        self.entries.get_mut(key.index(), key.generation())
    }
}

impl<T> Entry<T> {
    fn push(&mut self, results: &mut Results, result: Finished) {
        results.push(&mut self.last, result);
        self.queued = self.queued.saturating_add(1);
    }

    fn pop(&mut self, results: &mut Results) -> Option<Finished> {
        self.queued = self.queued.saturating_sub(1);
        results.pop(&mut self.last)
    }

    fn queued(&self) -> usize {
        usize::from(self.queued).max(usize::from(self.last.is_some()))
    }

    fn wake_later(&mut self, task: &task::Context<'_>, stale: &mut Option<Waker>) {
        match &self.waker {
            Some(waker) if waker.will_wake(task.waker()) => {}
            _ => *stale = self.waker.replace(task.waker().clone()),
        }
    }
}

/// The results of all operations that nobody has taken yet: a ring for each operation, which knows its last one. Places
/// are used again, the one that was left last first: it is in the cache.
#[derive(Debug, Default)]
struct Results {
    places: Vec<Place>,
    free: Option<Number>,
}

/// Of a place, from 1.
type Number = NonZeroU32;

#[derive(Debug)]
struct Place {
    result: Option<Finished>,
    /// The one that is taken next, and behind the last the first. Of a free place, another that is free.
    next: Option<Number>,
}

impl Results {
    fn push(&mut self, last: &mut Option<Number>, result: Finished) {
        let number = match self.free {
            Some(number) => number,
            None => self.grow(),
        };
        // The first comes behind the last; the only one is both.
        let first = match last.and_then(|last| self.at(last)) {
            Some(last) => last.next.replace(number),
            None => Some(number),
        };
        if let Some(place) = self.places.get_mut(number.get() as usize - 1) {
            self.free = std::mem::replace(&mut place.next, first);
            place.result = Some(result);
        }
        *last = Some(number);
    }

    /// The first.
    fn pop(&mut self, last: &mut Option<Number>) -> Option<Finished> {
        let behind = (*last)?;
        let number = self.at(behind)?.next?;
        let free = self.free.replace(number);
        let place = self.at(number)?;
        let (result, next) = (place.result.take(), std::mem::replace(&mut place.next, free));
        if number == behind {
            *last = None;
        } else {
            self.at(behind)?.next = next;
        }
        result
    }

    /// A place that is free, where there was none.
    #[cold]
    fn grow(&mut self) -> Number {
        self.places.push(Place { result: None, next: None });
        let number = u32::try_from(self.places.len()).ok().and_then(Number::new);
        number.expect("fewer than 2^32 results at once: the memory ends first")
    }

    fn at(&mut self, number: Number) -> Option<&mut Place> {
        self.places.get_mut(number.get() as usize - 1)
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
    #[test]
    fn results_of_many_operations_stay_apart_and_in_order() {
        let mut table = OperationTable::default();
        let keys: Vec<_> = (0..5).map(|_| table.insert(())).collect();
        for round in 0..3 {
            for (at, key) in keys.iter().enumerate() {
                assert!((0..at).all(|number| table.push(*key, done(100 * at + 10 * round + number)).is_ok()));
            }
            for (at, key) in keys.iter().enumerate().rev() {
                for number in 0..at {
                    assert_eq!(table.queued(*key), at - number);
                    assert_eq!(next(&mut table, *key), Poll::Ready(Some(100 * at + 10 * round + number)));
                }
                assert_eq!((next(&mut table, *key), table.queued(*key)), (Poll::Pending, 0));
            }
        }
        assert_eq!(table.results.places.len(), 10, "places are used again");
    }

    #[test]
    fn more_results_than_are_counted_are_all_heard() {
        let mut table = OperationTable::default();
        let key = table.insert(());
        let many = usize::from(u16::MAX) + 3;
        assert!((0..many).all(|number| table.push(key, done(number)).is_ok()));
        for number in 0..many {
            assert!(table.queued(key) > 0);
            assert_eq!(next(&mut table, key), Poll::Ready(Some(number)));
        }
        assert_eq!(next(&mut table, key), Poll::Pending);
        assert_eq!(table.abandon(key).unheard.len(), 0);
    }

    #[test]
    fn an_operation_that_waits_is_one_cache_line() {
        // A detail of 32 bytes with a niche, as the io_uring driver has.
        type Detail = (std::num::NonZeroU64, [u64; 3]);
        assert_eq!(Slots::<Entry<Detail>>::PLACE, 64);
    }
}
