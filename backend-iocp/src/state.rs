//! The state of all operations and handles, behind the driver's one lock.
//!
//! # The life of an operation
//!
//! ```text
//!                 +--------------------- next in line --------------------+
//!                 |                                                       |
//! submit --> Queued ---> Issuing --- call is pending ---> Flying --- packet ---> (judged) --> ended
//!    |                   ^  |                                              |  ^
//!    |                   |  +--- call has ended, or its packet came first -+  |
//!    |                   +------------------- another call is needed --------+
//!    |                   +<--- an item was taken ---- Paused <---------------+
//!    +--> Timed --- its time --> ended
//! ```
//!
//! | phase | who may touch the record | who leads the operation on |
//! |---|---|---|
//! | `Queued`, `Paused`, `Timed` | there is none | whoever holds the lock: the operation before it, the consumer, the timer |
//! | `Issuing` | the kernel, and the call that the issuing thread makes | the issuing thread alone |
//! | `Flying` | the kernel | the thread that takes the packet |
//!
//! 1. A phase changes under the lock only. System calls that may take time are made without it; `CancelIoEx` is made
//!    with it, so that the record is not used for another call meanwhile.
//! 2. While an operation is `Issuing` or `Flying`, its record, its buffer, and the entry of its handle with the open
//!    resource stay. Buffer and resource are in these tables, the record in the arena.
//! 3. A packet that comes while the operation is `Issuing` is noted (`early`) and nothing else: the issuing thread finds
//!    it when its call has returned. So each operation is led by one thread at a time, and a completion before the
//!    return of its call is nothing special. A packet that the driver posts itself makes an operation `Flying` at once:
//!    the thread that takes it leads on, and the one that posted it is done with the operation.
//! 4. The record goes back to the arena when its packet was taken, or when its call ended without one.
//! 5. Cancelling sets a flag. An operation that the kernel does not have ends at once; for one that is `Flying` the
//!    kernel is asked, and the packet ends it; one that is `Issuing` is looked after by its thread when the call has
//!    returned. The flag is looked at again before every further call.
//! 6. Of the operations in one lane of a handle (its receives and accepts; its sends) only the first has left `Queued`.
//!    A send that fails after a call moved something, or after a call in flight failed, breaks its lane: those behind it
//!    end, and so does every later send or shutdown. A call that failed at once was not begun, and took nothing.
//! 7. A closed handle's entry takes no more operations. It goes, and the resource is closed, when its last call has
//!    ended. Then its slot has another generation, so that neither an old handle nor a late cancellation finds it.
//! 8. A thread makes some calls in a row (`TURN`) for one lane, then it posts a packet (`hops`), so that those of others that
//!    wait at the port come before the next.
//! 9. With a pool, packets are taken on threads that the driver does not own. The record names its driver (`owner`); whoever takes
//!    a packet holds the driver from before the packet is handled, since the count of calls holds it only until then.
//! 10. Whatever of the caller's is to be woken, dropped or closed goes into [`After`], which runs without the lock.

mod lead;

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Instant;

use bivalve_core::driver::{Direction, LeasePool, OperationTable, ResourceKind, Slots};
use bivalve_core::{
    Completion, CompletionStatus, Finished, FinishedBuffer, Handle, Operation, OperationKey, Resource,
};
use socket2::SockRef;

use crate::after::{After, Garbage};
use crate::call::{Call, Issued, Outcome, Target};
use crate::detail::{Detail, Pause, Phase};
use crate::record::{RecordRef, Records};
use crate::shared::Shared;
use crate::timers::Timers;

/// A call that is to be made, and for whom.
pub(crate) type Work = Option<(OperationKey, Call)>;

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) operations: OperationTable<Detail>,
    pub(crate) handles: Slots<Entry>,
    pub(crate) timers: Timers,
    /// The driver was shut down.
    pub(crate) closed: bool,
    records: Records,
    pool: Arc<LeasePool>,
    driver: u32,
    /// Operations that are `Issuing` or `Flying`.
    calls: usize,
    /// Threads that have not been told to end.
    threads: usize,
}

/// A handle.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) resource: Arc<Resource>,
    target: Target,
    /// By [`Direction`].
    lanes: [VecDeque<OperationKey>; 2],
    /// Operations on it that are `Issuing` or `Flying`.
    calls: usize,
    closing: bool,
    /// Nothing more is sent.
    finished: bool,
    /// A send ended in the middle: nothing follows it.
    broken: bool,
}

impl State {
    pub(crate) fn new(driver: u32, threads: usize, pool: Arc<LeasePool>, owner: Weak<Shared>) -> Self {
        Self {
            operations: OperationTable::default(),
            handles: Slots::default(),
            timers: Timers::default(),
            closed: false,
            records: Records::new(owner),
            pool,
            driver,
            calls: 0,
            threads,
        }
    }

    /// Takes what completes at the port already.
    pub(crate) fn insert(&mut self, resource: Arc<Resource>, target: Target) -> Handle {
        let entry = Entry {
            resource,
            target,
            lanes: [VecDeque::new(), VecDeque::new()],
            calls: 0,
            closing: false,
            finished: false,
            broken: false,
        };
        let (index, generation) = self.handles.insert(entry);
        Handle::new(self.driver, index, generation)
    }

    /// An open handle.
    pub(crate) fn open(&self, handle: Handle) -> Option<&Entry> {
        let entry = self.handles.get(handle.index(), handle.generation())?;
        (handle.driver() == self.driver && !entry.closing).then_some(entry)
    }

    pub(crate) fn check(&self, operation: &Operation) -> Result<(), CompletionStatus> {
        if self.closed {
            return Err(CompletionStatus::CANCELLED);
        }
        if let Some(handle) = operation.handle() {
            let entry = self.open(handle).ok_or(CompletionStatus::INVALID_HANDLE)?;
            if !entry.target.kind.can(operation) {
                return Err(CompletionStatus::INVALID_HANDLE);
            }
        }
        operation.check()
    }

    /// Takes an operation that was [checked](Self::check); the second is whether the timers' thread has to be told.
    pub(crate) fn admit(&mut self, operation: Operation, after: &mut After) -> (OperationKey, Work, bool) {
        let (direction, handle) = (operation.direction(), operation.handle());
        let timer = match &operation {
            Operation::Timer { after } => Some(*after),
            _ => None,
        };
        let key = self.operations.insert(Detail::new(operation));
        if let Some(time) = timer {
            self.set_phase(key, Phase::Timed);
            // A time that the clock cannot express never comes.
            let first =
                Instant::now().checked_add(time).is_some_and(|deadline| self.timers.add(deadline, key));
            return (key, None, first);
        }
        let lane = direction.zip(handle).and_then(|(direction, handle)| self.lane(handle, direction));
        let first = lane.is_none_or(|lane| {
            lane.push_back(key);
            lane.len() == 1
        });
        let work = if first { self.lead(key, after) } else { None };
        (key, work, false)
    }

    /// The thread that made the call is back.
    pub(crate) fn issued(&mut self, key: OperationKey, issued: Issued, after: &mut After) -> Work {
        let Some(detail) = self.operations.get_mut(key) else {
            after.discard_stream(issued.stream);
            return None;
        };
        if issued.stream.is_some() {
            (detail.stream, detail.skips) = (issued.stream, issued.skips);
            detail.provider = issued.provider.or(detail.provider);
        }
        let landed = match issued.outcome {
            Outcome::Landed(landed) => Some(landed),
            Outcome::Pending => detail.early.take(),
        };
        if let Some(landed) = landed {
            return self.landed(key, landed, after);
        }
        detail.phase = Phase::Flying;
        if detail.cancelled {
            self.recall(key);
        }
        None
    }

    /// A packet has come.
    pub(crate) fn packet(&mut self, record: RecordRef, after: &mut After) -> Work {
        let key = record.key();
        let detail = self.operations.get_mut(key).filter(|detail| detail.record == Some(record));
        let Some(detail) = detail else {
            tracing::error!("a packet came for an operation that had ended");
            return None;
        };
        let landed = record.landed();
        // A call that failed without a packet was never begun.
        detail.lost |= landed.code != 0;
        if detail.phase == Phase::Flying {
            return self.landed(key, landed, after);
        }
        detail.early = Some(landed);
        None
    }

    /// Asks for an operation's end.
    pub(crate) fn cancel(&mut self, key: OperationKey, after: &mut After) -> Work {
        let detail = self.operations.get_mut(key).filter(|detail| !detail.cancelled)?;
        detail.cancelled = true;
        match detail.phase {
            Phase::Issuing => return None,
            Phase::Flying => {
                self.recall(key);
                return None;
            }
            Phase::Paused(_) | Phase::Queued | Phase::Timed => {}
        }
        let timed = detail.phase == Phase::Timed;
        let next = self.end(key, Completion::failure(CompletionStatus::CANCELLED), after);
        if timed {
            let Self { timers, operations, .. } = self;
            timers.cancelled(|key| operations.get(key).is_some());
        }
        next.and_then(|next| self.lead(next, after))
    }

    /// Cancels what nobody waits behind, so that its end starts nothing.
    fn cancel_last(&mut self, key: OperationKey, after: &mut After) {
        let work = self.cancel(key, after);
        debug_assert!(work.is_none(), "the end of an operation started another on a closed handle");
    }

    /// Nobody will ask for the outcome.
    pub(crate) fn abandon(&mut self, key: OperationKey, after: &mut After) -> Work {
        let abandoned = self.operations.abandon(key);
        if let Some(waker) = abandoned.waker {
            after.discard(Garbage::Waker { _waker: waker });
        }
        abandoned.unheard.into_iter().for_each(|finished| self.unheard(finished, after));
        if abandoned.running { self.cancel(key, after) } else { None }
    }

    pub(crate) fn close(&mut self, handle: Handle, after: &mut After) {
        if self.open(handle).is_none() {
            return;
        }
        if let Some(entry) = self.entry(handle) {
            entry.closing = true;
            linger_not(&entry.resource);
        }
        for direction in [Direction::In, Direction::Out] {
            // From the back: so that none of them becomes the first, and starts.
            let mut index = self.lane(handle, direction).map_or(0, |lane| lane.len());
            while index > 0 {
                index -= 1;
                if let Some(key) = self.lane(handle, direction).and_then(|lane| lane.get(index).copied()) {
                    self.cancel_last(key, after);
                }
            }
        }
        if self.entry(handle).is_some_and(|entry| entry.calls > 0 && entry.target.kind == ResourceKind::File)
        {
            let positioned = self.operations.running().filter(|(_, detail)| detail.handle() == Some(handle));
            let keys: Vec<OperationKey> = positioned.map(|(key, _)| key).collect();
            keys.into_iter().for_each(|key| self.cancel_last(key, after));
        }
        self.release(handle, after);
    }

    pub(crate) fn shut_down(&mut self, after: &mut After) {
        self.closed = true;
        let handles: Vec<Handle> = self
            .handles
            .iter()
            .map(|(index, generation, _)| Handle::new(self.driver, index, generation))
            .collect();
        handles.into_iter().for_each(|handle| self.close(handle, after));
        // Timers, connects, posts: nobody waits in line for them.
        let keys: Vec<OperationKey> = self.operations.running().map(|(key, _)| key).collect();
        keys.into_iter().for_each(|key| self.cancel_last(key, after));
        self.end_threads(after);
    }

    /// Its consumer has asked for an item, and found none if `empty`.
    pub(crate) fn resume(&mut self, key: OperationKey, empty: bool, after: &mut After) -> Work {
        match self.operations.get(key)?.phase {
            Phase::Paused(Pause::Full) => self.lead(key, after),
            Phase::Paused(Pause::Setback) if empty => self.lead(key, after),
            _ => None,
        }
    }

    /// A timer's time has come.
    pub(crate) fn ring(&mut self, key: OperationKey, after: &mut After) {
        if self.operations.get(key).is_some() {
            self.end(key, Completion::success(0), after);
        } else {
            self.timers.was_stale();
        }
    }

    /// Nobody hears it: its handle is closed.
    pub(crate) fn unheard(&mut self, finished: Finished, after: &mut After) {
        if let FinishedBuffer::Handle(handle) = &finished.buffer {
            self.close(*handle, after);
        }
        after.discard(Garbage::Finished { _finished: finished });
    }

    fn lane(&mut self, handle: Handle, direction: Direction) -> Option<&mut VecDeque<OperationKey>> {
        let [inward, outward] = &mut self.entry(handle)?.lanes;
        Some(match direction {
            Direction::In => inward,
            Direction::Out => outward,
        })
    }

    fn entry(&mut self, handle: Handle) -> Option<&mut Entry> {
        self.handles.get_mut(handle.index(), handle.generation())
    }

    fn entry_ref(&self, handle: Handle) -> Option<&Entry> {
        self.handles.get(handle.index(), handle.generation())
    }

    fn set_phase(&mut self, key: OperationKey, phase: Phase) {
        if let Some(detail) = self.operations.get_mut(key) {
            detail.phase = phase;
        }
    }
}

/// From here on closing does not block (`Driver::close`), whatever option was set through `inspect`: what is in the
/// socket's buffer leaves in the background. To linger for no time at all is to reset the connection, and stays.
fn linger_not(resource: &Resource) {
    let Resource::TcpStream(stream) = resource else { return };
    let socket = SockRef::from(stream);
    if socket.linger().is_ok_and(|linger| linger.is_some_and(|time| !time.is_zero())) {
        let _ = socket.set_linger(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Landed;
    use bytes::BytesMut;
    use windows_sys::Win32::Foundation::ERROR_NETNAME_DELETED;

    #[test]
    fn a_packet_that_only_lets_others_have_their_turn_is_no_shutdown() {
        let mut state = State::new(1, 1, LeasePool::new(64, 1), Weak::new());
        let kind = ResourceKind::Stream;
        let target = Target { raw: 0, kind, skips: true, waits: false, provider: None, v6: false };
        let file = tempfile::tempfile().expect("a file can be made");
        let handle = state.insert(Arc::new(Resource::File(file)), target);
        let mut after = After::default();
        let (send, work, _) = state.admit(Operation::Send { handle, chunks: vec!["abc".into()] }, &mut after);
        assert!(work.is_some());
        let (shutdown, _, _) = state.admit(Operation::Shutdown { handle }, &mut after);
        // It fails with nothing sent, and its thread has made enough calls in a row.
        let refused = Outcome::Landed(Landed::failure(ERROR_NETNAME_DELETED));
        let mut work = state.issued(send, refused.into(), &mut After::tired_if(true));
        while let Some((key, Call::Post { record })) = work {
            if key == shutdown {
                state.cancel(shutdown, &mut after);
            }
            work = state.packet(record, &mut after);
        }
        assert!(work.is_none() && state.operations.get(shutdown).is_none());
        assert!(state.open(handle).is_some_and(|entry| !entry.finished), "no shutdown was made");
    }

    #[test]
    fn whoever_takes_a_posted_packet_leads_on() {
        let mut state = State::new(1, 1, LeasePool::new(64, 1), Weak::new());
        let kind = ResourceKind::File;
        let target = Target { raw: 0, kind, skips: true, waits: true, provider: None, v6: false };
        let file = tempfile::tempfile().expect("a file can be made");
        let handle = state.insert(Arc::new(Resource::File(file)), target);
        let mut after = After::default();
        let operation = Operation::ReadAt { handle, buffer: BytesMut::with_capacity(8), offset: 0 };
        let (key, work, _) = state.admit(operation, &mut after);
        let Some((_, Call::Post { record })) = work else { panic!("the disk is for a thread of the port") };
        // The packet overtakes the submitter: it is not left to it, or the submitter would wait for the disk.
        let work = state.packet(record, &mut after);
        let Some((of, Call::Read { record, .. })) = work else { panic!("its taker makes the call") };
        assert_eq!(of, key);
        // A call of the kernel's is left to the thread that made it.
        assert!(state.packet(record, &mut after).is_none());
        let work = state.issued(key, Outcome::Pending.into(), &mut after);
        assert!(work.is_none() && state.calls == 0);
    }
}
