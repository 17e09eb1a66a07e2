//! How an operation is led from call to call, and to its end.

use std::net::TcpStream;
use std::sync::Arc;
use std::task::Waker;

use bivalve_core::driver::{Direction, ResourceKind};
use bivalve_core::{
    Completion, CompletionStatus, Finished, FinishedBuffer, Handle, Operation, OperationKey, Resource,
};

use super::{State, Work};
use crate::after::{After, Garbage};
use crate::call::{Call, Target};
use crate::detail::{Detail, Pause, Phase, Stage};
use crate::status::Landed;
use crate::step::{self, Plan, Sending, Verdict};
use crate::system;

impl State {
    /// Leads an operation on, and after its end the next of its lane, until a call is to be made.
    pub(super) fn lead(&mut self, mut key: OperationKey, after: &mut After) -> Work {
        loop {
            let queued = self.operations.queued(key);
            let detail = self.operations.get_mut(key)?;
            if after.tired {
                detail.hops = true;
            }
            let place = detail.handle().map(|handle| (handle.index(), handle.generation()));
            let mut entry = place.and_then(|(index, generation)| self.handles.get_mut(index, generation));
            let (target, sending) = match &entry {
                Some(entry) if entry.broken => (Some(entry.target), Sending::Broken),
                Some(entry) if entry.finished => (Some(entry.target), Sending::Finished),
                Some(entry) => (Some(entry.target), Sending::Open),
                None => (None, Sending::Open),
            };
            let plan = match detail.hops {
                true => step::hop(detail, key, &mut self.records),
                false => step::plan(detail, key, target, sending, queued, &mut self.records, &self.pool),
            };
            match plan {
                Plan::Call(call) => {
                    // A posted packet is nobody's but its taker's.
                    let posts = matches!(call, Call::Post { .. });
                    detail.phase = if posts { Phase::Flying } else { Phase::Issuing };
                    self.calls += 1;
                    if let Some(entry) = &mut entry {
                        entry.calls += 1;
                    }
                    return Some((key, call));
                }
                Plan::Pause(pause) => {
                    detail.phase = Phase::Paused(pause);
                    return None;
                }
                Plan::End(completion) => key = self.end(key, completion, after)?,
            }
        }
    }

    /// A call has ended.
    pub(super) fn landed(&mut self, key: OperationKey, landed: Landed, after: &mut After) -> Work {
        let detail = self.operations.get_mut(key)?;
        let handle = detail.handle();
        self.calls -= 1;
        detail.record.take().into_iter().for_each(|record| self.records.put_back(record));
        let mut entry = handle.and_then(|handle| self.handles.get_mut(handle.index(), handle.generation()));
        if let Some(entry) = &mut entry {
            entry.calls -= 1;
            // And not a packet of its that only let others have their turn.
            let is_shutdown = matches!(detail.operation, Operation::Shutdown { .. }) && !detail.hops;
            entry.finished |= is_shutdown && landed.code == 0;
        }
        let verdict = match std::mem::take(&mut detail.hops) {
            true => Verdict::Again,
            false => step::judge(detail, entry.as_ref().map(|entry| entry.target.kind), landed),
        };
        if detail.stage != Stage::Adopt {
            after.discard_stream(detail.stream.take());
        }
        let next = self.follow(key, verdict, after);
        let work = next.and_then(|next| self.lead(next, after));
        handle.into_iter().for_each(|handle| self.release(handle, after));
        self.end_threads(after);
        work
    }

    /// Does what a verdict says; who is to be led on then.
    fn follow(&mut self, key: OperationKey, verdict: Verdict, after: &mut After) -> Option<OperationKey> {
        let item = match verdict {
            Verdict::Again => return Some(key),
            Verdict::End(completion) => return self.end(key, completion, after),
            Verdict::Over => {
                let (_, next) = self.leave(key, after)?;
                after.wake(self.operations.end(key));
                return next;
            }
            Verdict::Connection(stream) if self.closed => {
                after.discard_stream(Some(stream));
                return self.end(key, Completion::failure(CompletionStatus::CANCELLED), after);
            }
            Verdict::Connection(stream) => FinishedBuffer::Handle(self.adopt(key, stream)),
            Verdict::Piece(buffer) => FinishedBuffer::Lease(self.pool.lease(buffer)),
            Verdict::Setback(status) => {
                self.push(key, Finished::bare(Completion::failure(status)), after);
                self.set_phase(key, Phase::Paused(Pause::Setback));
                // A cancellation that came meanwhile ends it; otherwise it waits.
                return self.operations.get(key).filter(|detail| detail.cancelled).map(|_| key);
            }
        };
        let bytes = if let FinishedBuffer::Lease(lease) = &item { lease.len() } else { 0 };
        let finished = Finished { completion: Completion::success(bytes), buffer: item };
        if self.operations.get(key).is_some_and(|detail| detail.operation.is_multishot()) {
            self.push(key, finished, after);
            return Some(key);
        }
        let left = self.leave(key, after);
        let heard = self.operations.finish(key, finished);
        self.heard(heard, after);
        left.and_then(|(_, next)| next)
    }

    /// An operation's end, and its last item if it goes on. Who is next in its lane.
    pub(super) fn end(
        &mut self,
        key: OperationKey,
        completion: Completion,
        after: &mut After,
    ) -> Option<OperationKey> {
        let half_sent =
            !completion.is_success() && self.operations.get(key).is_some_and(Detail::is_half_sent);
        let (operation, next) = self.leave(key, after)?;
        let broken = operation.handle().filter(|_| half_sent);
        let multishot = operation.is_multishot();
        let finished = operation.finish(completion);
        if multishot {
            self.push(key, finished, after);
            after.wake(self.operations.end(key));
        } else {
            let heard = self.operations.finish(key, finished);
            self.heard(heard, after);
        }
        match broken {
            Some(handle) => {
                self.break_sending(handle, after);
                None
            }
            None => next,
        }
    }

    /// A send ended in the middle (rule 3): those that wait behind it end as well, and so will all later ones.
    fn break_sending(&mut self, handle: Handle, after: &mut After) {
        if let Some(entry) = self.entry(handle) {
            entry.broken = true;
        }
        // Each leaves the lane, and has sent nothing itself.
        while let Some(key) = self.lane(handle, Direction::Out).and_then(|lane| lane.front().copied()) {
            self.end(key, Completion::failure(CompletionStatus::BROKEN_PIPE), after);
        }
    }

    /// An operation runs no more: it leaves its lane, and who is next there.
    fn leave(&mut self, key: OperationKey, after: &mut After) -> Option<(Operation, Option<OperationKey>)> {
        let detail = self.operations.take(key)?;
        after.discard_stream(detail.stream);
        detail.lease.into_iter().for_each(|mut lease| {
            lease.clear();
            self.pool.put_back(lease);
        });
        let place = detail.operation.handle().zip(detail.operation.direction());
        let lane = place.and_then(|(handle, direction)| self.lane(handle, direction));
        let next = lane.and_then(|lane| {
            let position = lane.iter().position(|other| *other == key)?;
            lane.remove(position);
            lane.front().copied().filter(|_| position == 0)
        });
        Some((detail.operation, next))
    }

    /// An accepted or connected socket, which completes at the port already, becomes a handle.
    fn adopt(&mut self, key: OperationKey, stream: TcpStream) -> Handle {
        let detail = self.operations.get(key);
        let listener = detail.and_then(Detail::handle).and_then(|handle| self.entry_ref(handle));
        let target = Target {
            raw: system::raw(&stream),
            kind: ResourceKind::Stream,
            skips: detail.is_some_and(|detail| detail.skips),
            waits: false,
            provider: listener.map_or_else(
                || detail.and_then(|detail| detail.provider),
                |listener| listener.target.provider,
            ),
            v6: false,
        };
        self.insert(Arc::new(Resource::TcpStream(stream)), target)
    }

    fn push(&mut self, key: OperationKey, item: Finished, after: &mut After) {
        let heard = self.operations.push(key, item);
        self.heard(heard, after);
    }

    fn heard(&mut self, heard: Result<Option<Waker>, Finished>, after: &mut After) {
        match heard {
            Ok(waker) => after.wake(waker),
            Err(finished) => self.unheard(finished, after),
        }
    }

    /// Asks the kernel for the end of a call in flight.
    pub(super) fn recall(&self, key: OperationKey) {
        let Some(detail) = self.operations.get(key) else { return };
        let entry = detail.handle().and_then(|handle| self.entry_ref(handle));
        let raw = match (entry, &detail.stream) {
            (Some(entry), _) => entry.target.raw,
            (None, Some(connecting)) => system::raw(connecting),
            // A posted packet comes anyhow.
            (None, None) => return,
        };
        detail.record.into_iter().for_each(|record| Target::cancel(raw, record));
    }

    /// Closes the resource of a closed handle, when no call on it is left.
    pub(super) fn release(&mut self, handle: Handle, after: &mut After) {
        if self.entry_ref(handle).is_some_and(|entry| entry.closing && entry.calls == 0)
            && let Some(entry) = self.handles.remove(handle.index(), handle.generation())
        {
            after.discard(Garbage::Resource { _resource: entry.resource });
        }
    }

    /// After the shutdown, when the kernel has nothing any more.
    pub(super) fn end_threads(&mut self, after: &mut After) {
        if self.closed && self.calls == 0 {
            after.end_threads(std::mem::take(&mut self.threads));
        }
    }
}
