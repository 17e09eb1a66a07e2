//! The list of operations that have started and not completed.
//!
//! # Rules
//!
//! 1. An operation is performed once: by whoever takes it off the list.
//! 2. Locks are taken in the order list, then target. A target calls the list with its own lock released.
//! 3. Targets are called, and wakers woken, with the list's lock released; only
//!    [`Target::is_ready`] is asked under it.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Poll;
use std::time::Duration;

use super::order::Random;
use super::wake::{Alarm, ROUNDS};
use super::{CompletionOrder, Outstanding};
use crate::{Completion, CompletionStatus};

/// The operations that wait for their completion, and the control over it. Clones share one list.
///
/// A [`TestHost`](super::TestHost) has one for all its requests and its driver;
/// [`Control`](super::Control) offers it for one request.
///
/// ```
/// use bivalve_core::testing::{CompletionOrder, Completions, MemoryDriver, block_on};
/// use bivalve_core::{Completion, CompletionStatus, Driver, DriverExt};
/// use std::sync::Arc;
///
/// let completions = Completions::new(CompletionOrder::Manual);
/// let driver: Arc<dyn Driver> = Arc::new(MemoryDriver::new(&completions));
/// let post = driver.post(7);
/// let id = completions.outstanding()[0].id();
/// completions.complete_with(id, Completion::failure(CompletionStatus::DISK_FULL));
/// assert_eq!(block_on(post).completion.status(), CompletionStatus::DISK_FULL);
/// ```
#[derive(Clone)]
pub struct Completions {
    list: Arc<Mutex<List>>,
}

struct List {
    order: CompletionOrder,
    random: Random,
    next_id: u64,
    /// Virtual time: moved by timers that fire.
    now: Duration,
    entries: Vec<Entry>,
}

/// Names one operation of one [`Completions`]. Never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationId(u64);

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// Whose operation it is: a request, or the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    Driver,
    Request(u64),
}

pub(super) struct Entry {
    pub(super) public: Outstanding,
    pub(super) owner: Owner,
    /// Of a timer: when it fires, in virtual time.
    pub(super) deadline: Option<Duration>,
    pub(super) target: Weak<dyn Target>,
}

/// Who performs an operation.
pub(super) trait Target: Send + Sync {
    /// Whether it could complete by itself now. A read without data could not.
    fn is_ready(&self, id: OperationId) -> bool;

    /// Performs it, keeps the result for whoever polls, and wakes them.
    fn perform(&self, id: OperationId, verdict: Verdict);
}

/// How an operation is to end.
#[derive(Clone, Copy, Debug)]
pub(super) enum Verdict {
    Real,
    Instead(Completion),
}

impl Verdict {
    pub(super) const CANCELLED: Self = Self::Instead(Completion::failure(CompletionStatus::CANCELLED));
}

/// What became of a look for something that can go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Advance {
    /// Something completed.
    Progress,
    /// The request waits for what the test has to give.
    Held,
    /// Nothing on the list keeps the request from going on.
    Nothing,
}

impl Completions {
    /// An empty list.
    #[must_use]
    pub fn new(order: CompletionOrder) -> Self {
        let list =
            List { order, random: Random::new(0), next_id: 0, now: Duration::ZERO, entries: Vec::new() };
        let completions = Self { list: Arc::new(Mutex::new(list)) };
        completions.set_order(order);
        completions
    }

    /// Another order from now on. What is outstanding follows it too, once somebody waits for it.
    pub fn set_order(&self, order: CompletionOrder) {
        let mut list = self.lock();
        list.order = order;
        if let CompletionOrder::Seeded(seed) = order {
            list.random = Random::new(seed);
        }
    }

    /// The order.
    #[must_use]
    pub fn order(&self) -> CompletionOrder {
        self.lock().order
    }

    /// What has started and not completed, the oldest first.
    #[must_use]
    pub fn outstanding(&self) -> Vec<Outstanding> {
        self.lock().live().map(|entry| entry.public.clone()).collect()
    }

    /// Completes an operation: what it asked for happens.
    ///
    /// # Panics
    ///
    /// When it is not outstanding, and when it is a read for which there is no data.
    #[track_caller]
    pub fn complete(&self, id: OperationId) {
        self.complete_as(id, Verdict::Real);
    }

    /// Completes an operation with a result of the test's choice. A failure: nothing of it happens. A success with fewer
    /// bytes than asked for: a short read or write.
    ///
    /// # Panics
    ///
    /// When it is not outstanding.
    #[track_caller]
    pub fn complete_with(&self, id: OperationId, completion: Completion) {
        self.complete_as(id, Verdict::Instead(completion));
    }

    /// Completes an operation as cancelled.
    ///
    /// # Panics
    ///
    /// When it is not outstanding.
    ///
    /// IIS counterpart: `CancelIo`, after which the operation completes with `ERROR_OPERATION_ABORTED`.
    #[track_caller]
    pub fn cancel(&self, id: OperationId) {
        self.complete_as(id, Verdict::CANCELLED);
    }

    /// Completes the oldest operation that can; timers last, by their time. `None` when there is none.
    pub fn complete_next(&self) -> Option<OperationId> {
        let list = self.lock();
        let index = list.ready(|_| true).next().or_else(|| list.earliest_timer(|_| true))?;
        let id = list.entries[index].public.id;
        perform(list, index, Verdict::Real);
        Some(id)
    }

    /// Virtual time: what timers that fired have added up to.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.lock().now
    }

    /// Runs a future, and completes operations by the order whenever it waits. A [`TestRequest`](super::TestRequest) does this
    /// by itself; here it is for tests of a driver's user without a request.
    ///
    /// ```
    /// use bivalve_core::testing::{CompletionOrder, Completions, MemoryDriver, block_on};
    /// use bivalve_core::{Driver, DriverExt};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let completions = Completions::new(CompletionOrder::Late);
    /// let driver: Arc<dyn Driver> = Arc::new(MemoryDriver::new(&completions));
    /// block_on(completions.drive(driver.timer(Duration::from_secs(3600))));
    /// assert_eq!(completions.now(), Duration::from_secs(3600));
    /// ```
    pub async fn drive<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        poll_fn(|task| {
            let alarm = Alarm::new(task.waker());
            for _ in 0..ROUNDS {
                if let Poll::Ready(output) = alarm.poll(future.as_mut()) {
                    return Poll::Ready(output);
                }
                if !alarm.rang() && self.advance(None, false) != Advance::Progress {
                    return Poll::Pending;
                }
            }
            task.waker().wake_by_ref();
            Poll::Pending
        })
        .await
    }

    pub(super) fn next_id(&self) -> OperationId {
        let mut list = self.lock();
        list.next_id += 1;
        OperationId(list.next_id)
    }

    pub(super) fn next_request(&self) -> Owner {
        Owner::Request(self.next_id().0)
    }

    pub(super) fn outstanding_of(&self, owner: Owner) -> Vec<Outstanding> {
        let list = self.lock();
        let own = list.live().filter(|entry| entry.owner == owner || entry.owner == Owner::Driver);
        own.map(|entry| entry.public.clone()).collect()
    }

    /// Puts a started operation on the list. Its target knows it already, and may be called from in here.
    pub(super) fn add(&self, entry: Entry) {
        let mut list = self.lock();
        let at_once = entry.deadline.is_none()
            && match list.order {
                CompletionOrder::Immediate => true,
                CompletionOrder::Seeded(_) => list.random.once_in(3),
                CompletionOrder::Late | CompletionOrder::Manual => false,
            };
        list.entries.push(entry);
        let index = list.entries.len() - 1;
        if at_once && list.entries[index].is_ready() {
            perform(list, index, Verdict::Real);
        }
    }

    /// A read has become able to complete. Whoever runs the request is woken in any case.
    pub(super) fn offer(&self, id: OperationId) {
        let list = self.lock();
        if list.order == CompletionOrder::Immediate
            && let Some(index) = list.find(id)
            && list.entries[index].is_ready()
        {
            perform(list, index, Verdict::Real);
        }
    }

    /// Completes it, if it is still outstanding.
    pub(super) fn end(&self, id: OperationId, verdict: Verdict) {
        let list = self.lock();
        if let Some(index) = list.find(id) {
            perform(list, index, verdict);
        }
    }

    /// Completes all operations of a request in this way.
    pub(super) fn end_all(&self, owner: Owner, verdict: Verdict) {
        loop {
            let list = self.lock();
            let Some(index) = list.entries.iter().position(|entry| entry.owner == owner) else { return };
            perform(list, index, verdict);
        }
    }

    /// Its starter wants it cancelled, or has dropped it. In manual order it stays on the list, as a kernel keeps an
    /// operation until it is done with the buffer.
    pub(super) fn request_cancel(&self, id: OperationId, abandon: bool) {
        let mut list = self.lock();
        let Some(index) = list.find(id) else { return };
        let order = list.order;
        let verdict = match order {
            CompletionOrder::Manual => {
                let public = &mut list.entries[index].public;
                public.cancel_requested = true;
                public.abandoned |= abandon;
                return;
            }
            // Cancellation may come too late.
            CompletionOrder::Seeded(_) if list.random.once_in(2) => Verdict::Real,
            _ => Verdict::CANCELLED,
        };
        perform(list, index, verdict);
    }

    /// Ends operations that nobody waits for any more.
    pub(super) fn end_abandoned(&self) {
        loop {
            let list = self.lock();
            let Some(index) = list.entries.iter().position(|entry| entry.public.abandoned) else { return };
            perform(list, index, Verdict::CANCELLED);
        }
    }

    /// Lets one thing go on, after everything has been polled. With `release` the manual order holds nothing of this
    /// request and of the driver back.
    pub(super) fn advance(&self, owner: Option<Owner>, release: bool) -> Advance {
        let mut list = self.lock();
        list.entries.retain(|entry| entry.target.strong_count() > 0);
        let manual = list.order == CompletionOrder::Manual;
        if manual && !release {
            return Advance::Held;
        }
        let mine = |entry: &Entry| !manual || entry.owner == Owner::Driver || Some(entry.owner) == owner;
        let ready: Vec<usize> = list.ready(mine).collect();
        let chosen = match (list.order, ready.as_slice()) {
            (_, []) => None,
            // Now and then nothing happens, and everybody is polled once more.
            (CompletionOrder::Seeded(_), _) if list.random.once_in(4) => return Advance::Progress,
            (CompletionOrder::Seeded(_), ready) => Some(ready[list.random.below(ready.len())]),
            (_, [first, ..]) => Some(*first),
        };
        if let Some(index) = chosen {
            perform(list, index, Verdict::Real);
            return Advance::Progress;
        }
        let starved = list.entries.iter().any(|entry| Some(entry.owner) == owner && !entry.is_ready());
        if starved && !release {
            return Advance::Held;
        }
        match list.earliest_timer(mine) {
            Some(index) => {
                perform(list, index, Verdict::Real);
                Advance::Progress
            }
            None => Advance::Nothing,
        }
    }

    #[track_caller]
    fn complete_as(&self, id: OperationId, verdict: Verdict) {
        let list = self.lock();
        let Some(index) = list.find(id) else {
            let rest = list.describe();
            drop(list);
            panic!("operation {id} is not outstanding: it has completed already. Outstanding: {rest}");
        };
        if matches!(verdict, Verdict::Real) && !list.entries[index].is_ready() {
            let text = list.entries[index].public.to_string();
            drop(list);
            panic!(
                "{text} cannot complete: there is no data. Use push_entity, end_entity or fail_entity, or complete_with"
            );
        }
        perform(list, index, verdict);
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn perform(mut list: MutexGuard<'_, List>, index: usize, verdict: Verdict) {
    let entry = list.entries.remove(index);
    if let (Some(deadline), Verdict::Real) = (entry.deadline, verdict) {
        list.now = list.now.max(deadline);
    }
    drop(list);
    if let Some(target) = entry.target.upgrade() {
        target.perform(entry.public.id, verdict);
    }
}

impl List {
    fn live(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.target.strong_count() > 0)
    }

    fn find(&self, id: OperationId) -> Option<usize> {
        self.entries.iter().position(|entry| entry.public.id == id)
    }

    /// Those that could complete now, without timers.
    fn ready(&self, mine: impl Fn(&Entry) -> bool) -> impl Iterator<Item = usize> {
        self.entries
            .iter()
            .enumerate()
            .filter(move |(_, entry)| entry.deadline.is_none() && mine(entry) && entry.is_ready())
            .map(|(index, _)| index)
    }

    fn earliest_timer(&self, mine: impl Fn(&Entry) -> bool) -> Option<usize> {
        let timers = self.entries.iter().enumerate().filter(|(_, entry)| mine(entry));
        timers.filter_map(|(index, entry)| Some((entry.deadline?, index))).min().map(|(_, index)| index)
    }

    fn describe(&self) -> String {
        let lines: Vec<String> = self.live().map(|entry| entry.public.to_string()).collect();
        if lines.is_empty() { "nothing".into() } else { lines.join("; ") }
    }
}

impl Entry {
    fn is_ready(&self) -> bool {
        self.target.upgrade().is_some_and(|target| target.is_ready(self.public.id))
    }
}

impl Default for Completions {
    fn default() -> Self {
        Self::new(CompletionOrder::default())
    }
}

impl fmt::Debug for Completions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = self.lock();
        f.debug_struct("Completions")
            .field("order", &list.order)
            .field("outstanding", &list.describe())
            .finish_non_exhaustive()
    }
}
