//! The state behind the driver's lock: handles, operations, and where each of them waits.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use bivalve_core::driver::{Direction, OperationTable, ResourceKind, Slots};
use bivalve_core::{Completion, CompletionStatus, Finished, FinishedBuffer, Handle, Operation, OperationKey};
use tokio::time::Instant;

use crate::attempt::Work;
use crate::endpoint::Endpoint;
use crate::files::Jobs;
use crate::lane::{Lane, Stall};
use crate::send;
use crate::shared::Aftermath;

/// An operation that is first in its lane or queue and whose [`Detail::work`] is gone is being worked on, without the
/// lock, by a submitter, the pump or a worker. That one brings the work back and decides how it goes on; others only
/// leave a mark for it ([`Detail::cancel`], [`Entry::closed`], `Lane::again`).
#[derive(Debug)]
pub(crate) struct State {
    number: u32,
    pub(crate) closed: bool,
    pub(crate) handles: Slots<Entry>,
    /// Endpoints that are being closed outside the lock.
    pub(crate) closing: usize,
    pub(crate) operations: OperationTable<Detail>,
    pub(crate) jobs: Jobs,
    /// Deadline, and index and generation of the operation.
    pub(crate) timers: BTreeSet<(Instant, u32, u32)>,
    /// Keys that are spent are left here, and passed over.
    pub(crate) posts: VecDeque<OperationKey>,
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) kind: ResourceKind,
    /// By direction.
    pub(crate) lanes: [Lane; 2],
    /// Positioned operations that no worker has taken yet.
    pub(crate) queued: usize,
    /// Who works with the endpoint at this moment.
    pub(crate) users: usize,
    /// Nothing can find it any more; it goes with its last user.
    pub(crate) closed: bool,
}

/// What the table keeps of a running operation.
#[derive(Debug)]
pub(crate) struct Detail {
    pub(crate) place: Place,
    /// `None` while somebody works on it.
    pub(crate) work: Option<Work>,
    pub(crate) cancel: bool,
    pub(crate) stall: Stall,
}

/// Where an operation waits.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    /// For a worker.
    File(Handle),
    /// In the queue of a direction.
    Lane(Handle, Direction),
    Post,
    Timer(Instant),
}

impl State {
    pub(crate) fn new(number: u32) -> Self {
        Self {
            number,
            closed: false,
            handles: Slots::default(),
            closing: 0,
            operations: OperationTable::default(),
            jobs: Jobs::default(),
            timers: BTreeSet::new(),
            posts: VecDeque::new(),
        }
    }

    /// Gives an endpoint its handle.
    pub(crate) fn insert(&mut self, endpoint: Arc<Endpoint>, kind: ResourceKind) -> Handle {
        let (index, generation) = self.handles.insert(Entry {
            endpoint,
            kind,
            lanes: [Lane::default(), Lane::default()],
            queued: 0,
            users: 0,
            closed: false,
        });
        if let Some(entry) = self.handles.get(index, generation) {
            entry.endpoint.place(index, generation);
        }
        Handle::new(self.number, index, generation)
    }

    /// What is open under this handle.
    pub(crate) fn open(&mut self, handle: Handle) -> Option<&mut Entry> {
        self.entry(handle).filter(|entry| !entry.closed)
    }

    /// What is under this handle, also closed. In use, it is always there.
    pub(crate) fn entry(&mut self, handle: Handle) -> Option<&mut Entry> {
        if handle.driver() != self.number {
            return None;
        }
        self.handles.get_mut(handle.index(), handle.generation())
    }

    /// Whether the operation can be started.
    pub(crate) fn check(&mut self, operation: &Operation) -> Result<(), CompletionStatus> {
        if self.closed {
            return Err(CompletionStatus::CANCELLED);
        }
        if let Some(handle) = operation.handle() {
            let entry = self.open(handle).ok_or(CompletionStatus::INVALID_HANDLE)?;
            if !entry.kind.can(operation) {
                return Err(CompletionStatus::INVALID_HANDLE);
            }
        }
        if !send::can_send(operation) {
            return Err(CompletionStatus::NOT_SUPPORTED);
        }
        operation.check()
    }

    /// A new operation that waits, or that the caller works on.
    pub(crate) fn start(&mut self, place: Place, work: Option<Work>) -> OperationKey {
        self.operations.insert(Detail { place, work, cancel: false, stall: Stall::No })
    }

    /// Ends an operation that waits; marks one that somebody works on.
    pub(crate) fn cancel(&mut self, key: OperationKey, after: &mut Aftermath) {
        let Some(detail) = self.operations.get_mut(key) else { return };
        let Some(work) = detail.work.take() else {
            detail.cancel = true;
            return;
        };
        match detail.place {
            Place::File(handle) => {
                if let Some(entry) = self.entry(handle) {
                    entry.queued -= 1;
                }
            }
            Place::Lane(handle, direction) => {
                if self.leave_lane(handle, direction, key) {
                    self.signal_next(handle, direction, after);
                }
            }
            Place::Post => {}
            Place::Timer(deadline) => {
                self.timers.remove(&(deadline, key.index(), key.generation()));
            }
        }
        self.finish_cancelled(key, work, after);
    }

    /// Nobody will ask for the outcome any more.
    pub(crate) fn abandon(&mut self, key: OperationKey, after: &mut Aftermath) {
        let abandoned = self.operations.abandon(key);
        after.drop_waker(abandoned.waker);
        abandoned.unheard.into_iter().for_each(|finished| self.bury(finished, after));
        if abandoned.running {
            self.cancel(key, after);
        }
    }

    /// Cancels what is in flight and removes the handle, now or with its last user.
    pub(crate) fn close(&mut self, handle: Handle, after: &mut Aftermath) {
        let Some(entry) = self.open(handle) else { return };
        entry.closed = true;
        let mut keys: Vec<_> = entry.lanes.iter().flat_map(Lane::waiting).collect();
        if entry.queued > 0 {
            keys.extend(self.jobs.of(handle, &self.operations));
        }
        keys.into_iter().for_each(|key| self.cancel(key, after));
        self.release(handle, 0, after);
    }

    pub(crate) fn shut_down(&mut self, after: &mut Aftermath) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        let handles: Vec<_> = self.handles.iter().map(|(index, generation, _)| (index, generation)).collect();
        for (index, generation) in handles {
            self.close(Handle::new(self.number, index, generation), after);
        }
        let keys: Vec<_> = self.operations.running().map(|(key, _)| key).collect();
        keys.into_iter().for_each(|key| self.cancel(key, after));
        self.posts = VecDeque::new();
        self.jobs.shut_down();
    }

    /// So many users of the endpoint are done with it.
    pub(crate) fn release(&mut self, handle: Handle, users: usize, after: &mut Aftermath) {
        let Some(entry) = self.entry(handle) else { return };
        entry.users -= users;
        if entry.closed
            && entry.users == 0
            && let Some(entry) = self.handles.remove(handle.index(), handle.generation())
        {
            self.closing += 1;
            after.close(entry.endpoint);
        }
    }

    /// The end of an operation, whose work is `work` and which waits nowhere any more.
    pub(crate) fn finish(
        &mut self,
        key: OperationKey,
        mut work: Work,
        mut completion: Completion,
        after: &mut Aftermath,
    ) {
        let detail = self.operations.take(key);
        let half_sent = !completion.is_success() && work.progress.is_half_sent(&work.operation);
        self.jobs.keep(work.progress.take_window());
        // The handle of a connect is there from the start, and becomes known or closed at the end.
        let connected = match (&detail, &work.operation) {
            (Some(Detail { place: Place::Lane(handle, _), .. }), Operation::Connect { .. }) => Some(*handle),
            _ => None,
        };
        if completion.is_success() && connected.is_some_and(|handle| self.open(handle).is_none()) {
            // The driver was shut down during the last attempt.
            completion = Completion::failure(CompletionStatus::CANCELLED);
        }
        let mut finished = work.operation.finish(completion);
        if let Some(handle) = connected {
            if completion.is_success() {
                finished.buffer = FinishedBuffer::Handle(handle);
            } else {
                self.close(handle, after);
            }
        }
        self.deliver(key, finished, after);
        if let (true, Some(Detail { place: Place::Lane(handle, _), .. })) = (half_sent, detail) {
            self.break_sending(handle, after);
        }
    }

    /// The end of an operation before its time, with what it has done until then.
    pub(crate) fn finish_cancelled(&mut self, key: OperationKey, work: Work, after: &mut Aftermath) {
        let completion = work.progress.ended(CompletionStatus::CANCELLED);
        if work.operation.is_multishot() {
            self.end(key, Some(CompletionStatus::CANCELLED), after);
        } else {
            self.finish(key, work, completion, after);
        }
    }

    /// The end of an operation that goes on, perhaps with a last item.
    pub(crate) fn end(&mut self, key: OperationKey, last: Option<CompletionStatus>, after: &mut Aftermath) {
        if let Some(status) = last {
            self.push(key, Finished::bare(Completion::failure(status)), after);
        }
        self.operations.take(key);
        after.wake(self.operations.end(key));
    }

    /// An item of an operation that goes on.
    pub(crate) fn push(&mut self, key: OperationKey, item: Finished, after: &mut Aftermath) {
        match self.operations.push(key, item) {
            Ok(waker) => after.wake(waker),
            Err(unheard) => self.bury(unheard, after),
        }
    }

    pub(crate) fn deliver(&mut self, key: OperationKey, finished: Finished, after: &mut Aftermath) {
        match self.operations.finish(key, finished) {
            Ok(waker) => after.wake(waker),
            Err(unheard) => self.bury(unheard, after),
        }
    }

    /// Nobody will hear it: a handle in it is closed, a buffer dropped outside the lock.
    fn bury(&mut self, finished: Finished, after: &mut Aftermath) {
        match finished.buffer {
            FinishedBuffer::Handle(handle) => self.close(handle, after),
            FinishedBuffer::None => {}
            buffer => after.drop_buffer(buffer),
        }
    }
}

#[cfg(all(test, not(bivalve_loom)))]
mod tests {
    use std::task::{Context, Poll, Waker};

    use bivalve_core::Resource;

    use super::*;
    use crate::endpoint::Io;
    use crate::ready::ReadyList;

    /// The attempt succeeds while the driver is shut down: there is no handle to report.
    #[test]
    fn a_connect_that_races_with_the_shutdown_is_cancelled() {
        let (mut state, mut after) = (State::new(1), Aftermath::default());
        let file = Io::File(Resource::File(tempfile::tempfile().expect("a file")));
        let endpoint = Endpoint::new(file, &Arc::new(ReadyList::new()));
        let handle = state.insert(endpoint, ResourceKind::Stream);
        let key = state.start(Place::Lane(handle, Direction::Out), None);
        state.shut_down(&mut after);
        let connect = Operation::Connect { address: ([127, 0, 0, 1], 1).into() };
        state.finish(key, Work::new(connect), Completion::success(0), &mut after);
        let outcome = state.operations.poll(key, &Context::from_waker(Waker::noop()), &mut None);
        let outcome =
            outcome.map(|finished| (finished.completion, matches!(finished.buffer, FinishedBuffer::None)));
        assert_eq!(outcome, Poll::Ready((Completion::failure(CompletionStatus::CANCELLED), true)));
    }
}
