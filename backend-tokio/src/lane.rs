//! The queue of one direction of a handle, and how its first operation is attempted (rule 3).

use std::collections::VecDeque;
use std::sync::{Arc, MutexGuard};

use bivalve_core::driver::{Direction, ResourceKind};
use bivalve_core::{Completion, CompletionStatus, Finished, FinishedBuffer, Handle, Operation, OperationKey};

use crate::attempt::{Attempt, Item, Work};
use crate::endpoint::Endpoint;
use crate::ready::LaneId;
use crate::shared::{Aftermath, Shared};
use crate::state::{Place, State};

/// Attempts of one lane before others have their turn.
const TURN: usize = 4;

/// Items of one `ReceiveMany` that may wait for their consumer.
const MOST_LEASES: usize = 8;

/// Items of one `AcceptMany` that may wait for their consumer.
const MOST_CONNECTIONS: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct Lane {
    queue: VecDeque<OperationKey>,
    /// Somebody attempts the first operation, without the lock.
    busy: bool,
    /// Its waker came meanwhile: readiness may be newer than the attempt.
    again: bool,
    /// The first operation waits for a worker that reads a piece of a file.
    pub(crate) reading: bool,
    /// A send ended in the middle: nothing may follow it.
    broken: bool,
}

/// Why an operation that goes on does not, at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stall {
    /// An item was an error: until its consumer asks for the one after it.
    Error,
    /// Its consumer has to take items first.
    Full,
    No,
}

impl Lane {
    /// The operations in it, first to last.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = OperationKey> {
        self.queue.iter().copied()
    }

    fn is_idle(&self) -> bool {
        self.queue.is_empty() && !self.busy
    }
}

/// Starts an operation in its lane: at once if it is the first, else behind the others.
pub(crate) fn submit<'a>(
    shared: &'a Shared,
    mut state: MutexGuard<'a, State>,
    handle: Handle,
    operation: Operation,
    after: &mut Aftermath,
) -> (MutexGuard<'a, State>, OperationKey) {
    let mut work = Work::new(operation);
    let direction = work.direction();
    let place = Place::Lane(handle, direction);
    let endpoint = match state.open(handle) {
        Some(entry) if entry.lanes[direction as usize].broken => {
            let key = state.start(place, None);
            state.finish(key, work, Completion::failure(CompletionStatus::BROKEN_PIPE), after);
            return (state, key);
        }
        Some(entry) if entry.lanes[direction as usize].is_idle() => {
            entry.lanes[direction as usize].busy = true;
            entry.users += 1;
            Arc::clone(&entry.endpoint)
        }
        _ => {
            let key = state.start(place, Some(work));
            state.lane(handle, direction, |lane| lane.queue.push_back(key));
            return (state, key);
        }
    };
    drop(state);
    let attempt = work.attempt(&endpoint, shared);
    drop(endpoint);
    let mut state = shared.lock();
    // What mostly comes of it, while nothing else happened to the lane: spares the way through the queue.
    let attempt = match attempt {
        Attempt::Done(completion) if state.is_untouched(handle, direction) => {
            state.check_in(handle, direction);
            let key = state.start(place, None);
            state.finish(key, work, completion, after);
            return (state, key);
        }
        Attempt::Waiting if state.is_untouched(handle, direction) => {
            let key = state.start(place, Some(work));
            if let Some(lane) = state.check_in(handle, direction) {
                lane.queue.push_back(key);
            }
            return (state, key);
        }
        attempt => attempt,
    };
    let key = state.start(place, None);
    // Before those that came during the attempt.
    state.lane(handle, direction, |lane| lane.queue.push_front(key));
    if state.settle(handle, direction, work, attempt, after) {
        state.signal_next(handle, direction, after);
    }
    (state, key)
}

/// Lets a lane that can go on have its turn.
pub(crate) fn run<'a>(
    shared: &'a Shared,
    mut state: MutexGuard<'a, State>,
    id: LaneId,
    after: &mut Aftermath,
) -> MutexGuard<'a, State> {
    let handle = Handle::new(shared.number, id.index, id.generation);
    let direction = id.direction;
    for _ in 0..TURN {
        let Some((endpoint, mut work)) = state.check_out(handle, direction) else { return state };
        drop(state);
        let attempt = work.attempt(&endpoint, shared);
        drop(endpoint);
        state = shared.lock();
        if !state.settle(handle, direction, work, attempt, after) {
            return state;
        }
    }
    state.signal_next(handle, direction, after);
    state
}

impl State {
    /// Takes the work of the first operation, if it is one that can be attempted.
    fn check_out(&mut self, handle: Handle, direction: Direction) -> Option<(Arc<Endpoint>, Work)> {
        let entry = self.handles.get_mut(handle.index(), handle.generation())?;
        entry.endpoint.unlist(direction);
        let lane = &mut entry.lanes[direction as usize];
        if lane.busy {
            lane.again = true;
            return None;
        }
        let key = *lane.queue.front().filter(|_| !lane.reading)?;
        let detail = self.operations.get_mut(key).filter(|detail| detail.stall == Stall::No)?;
        let work = detail.work.take()?;
        lane.busy = true;
        lane.again = false;
        entry.users += 1;
        Some((Arc::clone(&entry.endpoint), work))
    }

    /// Whether nothing has happened to a lane during the attempt at an operation that is not in its queue yet.
    fn is_untouched(&self, handle: Handle, direction: Direction) -> bool {
        self.handles.get(handle.index(), handle.generation()).is_some_and(|entry| {
            let lane = &entry.lanes[direction as usize];
            !entry.closed && !lane.again && lane.queue.is_empty()
        })
    }

    /// The attempt is over.
    fn check_in(&mut self, handle: Handle, direction: Direction) -> Option<&mut Lane> {
        let entry = self.handles.get_mut(handle.index(), handle.generation())?;
        entry.users -= 1;
        let lane = &mut entry.lanes[direction as usize];
        lane.busy = false;
        Some(lane)
    }

    /// Brings back what was attempted: the first operation of its lane. Whether another attempt is worth while.
    fn settle(
        &mut self,
        handle: Handle,
        direction: Direction,
        work: Work,
        attempt: Attempt,
        after: &mut Aftermath,
    ) -> bool {
        let Some(entry) = self.entry(handle) else { return false };
        let closed = entry.closed;
        entry.users -= 1;
        let lane = &mut entry.lanes[direction as usize];
        lane.busy = false;
        let again = std::mem::take(&mut lane.again);
        let Some(&key) = lane.queue.front() else { return false };
        if let Attempt::Done(completion) = attempt {
            lane.queue.pop_front();
            let more = !lane.queue.is_empty();
            self.finish(key, work, completion, after);
            if closed {
                self.release(handle, 0, after);
            }
            return more;
        }
        let cancelled = closed || self.operations.get(key).is_some_and(|detail| detail.cancel);
        let go_on = match attempt {
            Attempt::Accepted(endpoint) => {
                self.leave_lane(handle, direction, key);
                if self.closed {
                    // Nothing is opened in a driver that was shut down.
                    self.discard(endpoint, after);
                    self.finish_cancelled(key, work, after);
                } else {
                    let accepted = self.insert(endpoint, ResourceKind::Stream);
                    self.operations.take(key);
                    self.deliver(key, connection(accepted), after);
                }
                true
            }
            Attempt::Done(_) => false, // above
            Attempt::End(last) => {
                self.leave_lane(handle, direction, key);
                self.end(key, last, after);
                true
            }
            Attempt::Item(item, waiting) => {
                let stall = self.take_item(key, item, after);
                if cancelled {
                    self.leave_lane(handle, direction, key);
                    self.finish_cancelled(key, work, after);
                    true
                } else {
                    if let Some(detail) = self.operations.get_mut(key) {
                        detail.work = Some(work);
                        detail.stall = stall;
                    }
                    stall == Stall::No && (again || !waiting)
                }
            }
            Attempt::Again | Attempt::Piece | Attempt::Waiting if cancelled => {
                self.leave_lane(handle, direction, key);
                self.finish_cancelled(key, work, after);
                true
            }
            Attempt::Again => {
                self.put_back(key, work);
                self.signal(handle, direction, after);
                false
            }
            Attempt::Piece => {
                self.put_back(key, work);
                self.lane(handle, direction, |lane| lane.reading = true);
                self.queue_job(key, after);
                false
            }
            Attempt::Waiting => {
                self.put_back(key, work);
                again
            }
        };
        if closed {
            self.release(handle, 0, after);
        }
        go_on
    }

    /// An operation that is not being attempted leaves its queue. Whether it was the first.
    pub(crate) fn leave_lane(&mut self, handle: Handle, direction: Direction, key: OperationKey) -> bool {
        let Some(entry) = self.entry(handle) else { return false };
        let lane = &mut entry.lanes[direction as usize];
        let place = lane.queue.iter().position(|other| *other == key);
        if let Some(place) = place {
            lane.queue.remove(place);
        }
        let first = place == Some(0);
        lane.reading &= !first;
        first
    }

    /// A send ended in the middle, and has left its lane (rule 3): those behind it end as well, and so will all later
    /// ones. On a closed handle they are cancelled anyway.
    pub(crate) fn break_sending(&mut self, handle: Handle, after: &mut Aftermath) {
        let Some(entry) = self.open(handle) else { return };
        let lane = &mut entry.lanes[Direction::Out as usize];
        lane.broken = true;
        for key in std::mem::take(&mut lane.queue) {
            let work = self.operations.get_mut(key).and_then(|detail| detail.work.take());
            if let Some(work) = work {
                self.finish(key, work, Completion::failure(CompletionStatus::BROKEN_PIPE), after);
            }
        }
    }

    /// The consumer of an operation that goes on has asked for an item. Whether its lane goes on.
    pub(crate) fn resume(&mut self, key: OperationKey, got_one: bool, after: &mut Aftermath) {
        let queued = self.operations.queued(key);
        let Some(detail) = self.operations.get_mut(key) else { return };
        let limit = detail.work.as_ref().map_or(0, |work| most(&work.operation));
        let go_on = match detail.stall {
            Stall::Error => !got_one,
            // Not for each single item: that would be a turn of the pump for each.
            Stall::Full => queued <= limit / 2,
            Stall::No => false,
        };
        if let (true, Place::Lane(handle, direction)) = (go_on, detail.place) {
            detail.stall = Stall::No;
            self.signal(handle, direction, after);
        }
    }

    /// Makes the pump look at a lane.
    pub(crate) fn signal(&mut self, handle: Handle, direction: Direction, after: &mut Aftermath) {
        after.wake(self.entry(handle).map(|entry| entry.endpoint.waker(direction).clone()));
    }

    /// Makes the pump look at a lane that has something in it.
    pub(crate) fn signal_next(&mut self, handle: Handle, direction: Direction, after: &mut Aftermath) {
        let entry = self.entry(handle).filter(|entry| !entry.lanes[direction as usize].queue.is_empty());
        after.wake(entry.map(|entry| entry.endpoint.waker(direction).clone()));
    }

    pub(crate) fn lane(&mut self, handle: Handle, direction: Direction, change: impl FnOnce(&mut Lane)) {
        if let Some(entry) = self.entry(handle) {
            change(&mut entry.lanes[direction as usize]);
        }
    }

    pub(crate) fn put_back(&mut self, key: OperationKey, work: Work) {
        if let Some(detail) = self.operations.get_mut(key) {
            detail.work = Some(work);
        }
    }

    fn take_item(&mut self, key: OperationKey, item: Item, after: &mut Aftermath) -> Stall {
        let (finished, most, error) = match item {
            Item::Connection(endpoint) if self.closed => {
                self.discard(endpoint, after);
                return Stall::No;
            }
            Item::Connection(endpoint) => {
                let accepted = self.insert(endpoint, ResourceKind::Stream);
                (connection(accepted), MOST_CONNECTIONS, false)
            }
            Item::Error(status) => (Finished::bare(Completion::failure(status)), MOST_CONNECTIONS, true),
            Item::Lease(lease) => {
                let completion = Completion::success(lease.len());
                (Finished { completion, buffer: FinishedBuffer::Lease(lease) }, MOST_LEASES, false)
            }
        };
        self.push(key, finished, after);
        if error {
            Stall::Error
        } else if self.operations.queued(key) >= most {
            Stall::Full
        } else {
            Stall::No
        }
    }

    /// Closes what never had a handle.
    fn discard(&mut self, endpoint: Arc<Endpoint>, after: &mut Aftermath) {
        self.closing += 1;
        after.close(endpoint);
    }
}

fn most(operation: &Operation) -> usize {
    match operation {
        Operation::AcceptMany { .. } => MOST_CONNECTIONS,
        _ => MOST_LEASES,
    }
}

fn connection(handle: Handle) -> Finished {
    Finished { completion: Completion::success(0), buffer: FinishedBuffer::Handle(handle) }
}
