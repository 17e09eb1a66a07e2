//! The driver's state: what is asked of it, and what each completion means.
//!
//! Nothing in here makes a system call on the hot path or waits; it is all behind one lock ([`Shared`](crate::shared)). What
//! must not happen under that lock, waking tasks and dropping what belongs to callers, is collected in [`Effects`].

mod complete;
mod direct;
mod effects;
mod start;

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use bivalve_core::driver::{Abandoned, Direction, OperationTable, Slots};
use bivalve_core::{
    Completion, CompletionStatus, Finished, FinishedBuffer, Handle, Operation, OperationKey, Rejected,
    Resource,
};

pub(crate) use self::complete::Arrived;
use self::direct::DirectTable;
pub(crate) use self::effects::Effects;
pub(crate) use self::start::Start;
use crate::Features;
use crate::handles::{Direct, Entry};
use crate::in_flight::{InFlight, Once, Pause, Place, Spare};

/// What is asked of the driver, and how far it is.
pub(crate) struct State {
    number: u32,
    features: Features,
    pub(crate) operations: OperationTable<InFlight>,
    handles: Slots<Entry>,
    /// To be started, or continued, by the next turn.
    queue: VecDeque<OperationKey>,
    /// Receives into large buffers for which something has come: one is started in each pass of a turn.
    ready: VecDeque<OperationKey>,
    /// With the kernel, and to be cancelled there by the next turn.
    cancels: VecDeque<OperationKey>,
    spare: Spare,
    /// The ring's table of descriptors.
    direct: DirectTable,
    /// Cancellations that the kernel has, by the operation they are for.
    cancelling: Slots<OperationKey>,
    /// Operations that have not ended.
    running: usize,
    /// The turn task, once it has run.
    turn: Option<Waker>,
    /// The turn task will run without being woken again.
    scheduled: bool,
    closed: bool,
}

/// Items of one receive that wait to be taken before the kernel is told to stop. What is under way still comes: at most
/// 32 more, the kernel's limit for one run of a multishot receive. Models have fewer, so that it happens within a few steps.
const AHEAD: usize = if cfg!(bivalve_loom) { 2 } else { 8 };

/// The same for connections.
const AHEAD_ACCEPTED: usize = 64;

impl State {
    pub(crate) fn new(features: Features) -> Self {
        Self {
            number: Handle::next_driver(),
            features,
            operations: OperationTable::default(),
            handles: Slots::default(),
            queue: VecDeque::new(),
            ready: VecDeque::new(),
            cancels: VecDeque::new(),
            cancelling: Slots::default(),
            running: 0,
            spare: Spare::default(),
            direct: DirectTable::new(features),
            turn: None,
            scheduled: false,
            closed: false,
        }
    }

    pub(crate) fn associate(&mut self, resource: Resource) -> Result<Handle, Resource> {
        if self.closed {
            return Err(resource);
        }
        Ok(self.add(resource))
    }

    pub(crate) fn resource(&self, handle: Handle) -> Option<Arc<Resource>> {
        self.entry(handle).filter(|entry| !entry.closing).map(|entry| Arc::clone(&entry.resource))
    }

    /// Takes an operation. `prepare` adds what the operation needs that is not in it.
    pub(crate) fn submit(
        &mut self,
        operation: Operation,
        prepare: impl FnMut(&mut Once),
    ) -> Result<OperationKey, Rejected> {
        if self.closed {
            return Err(Rejected::new(operation, CompletionStatus::CANCELLED));
        }
        if let Some(handle) = operation.handle() {
            let able = |entry: &&Entry| !entry.closing && entry.kind.can(&operation);
            if self.entry(handle).filter(able).is_none() {
                return Err(Rejected::new(operation, CompletionStatus::INVALID_HANDLE));
            }
        }
        if let Err(status) = operation.check() {
            return Err(Rejected::new(operation, status));
        }
        self.running += 1;
        let (handle, direction) = (operation.handle(), operation.direction());
        let mut in_flight = InFlight::new(operation, &mut self.spare);
        in_flight.once().into_iter().for_each(prepare);
        let key = self.operations.insert(in_flight);
        if let Some(entry) = handle.and_then(|handle| self.entry_mut(handle)) {
            match direction {
                Some(direction) if entry.enter(direction, key) => {}
                Some(_) => {
                    self.set_place(key, Place::Behind);
                    return Ok(key);
                }
                None => entry.independent += 1,
            }
        }
        self.queue.push_back(key);
        Ok(key)
    }

    pub(crate) fn cancel(&mut self, key: OperationKey, fx: &mut Effects) {
        let Some(in_flight) = self.operations.get_mut(key) else { return };
        if std::mem::replace(&mut in_flight.cancelled, true) {
            return;
        }
        match in_flight.place {
            Place::Kernel => self.cancels.push_back(key),
            Place::Behind | Place::Queued | Place::Paused => self.conclude_cancelled(key, fx),
        }
    }

    pub(crate) fn abandon(&mut self, key: OperationKey, fx: &mut Effects) {
        let Abandoned { running, unheard, waker } = self.operations.abandon(key);
        fx.stale.extend(waker);
        for finished in unheard {
            self.discard(finished, fx);
        }
        if running {
            self.cancel(key, fx);
        }
    }

    pub(crate) fn close(&mut self, handle: Handle, fx: &mut Effects) {
        if !self.cancel_streams(handle, fx) {
            return;
        }
        if self.entry(handle).is_some_and(|entry| entry.independent > 0) {
            let own =
                |in_flight: &InFlight| in_flight.handle() == Some(handle) && in_flight.direction().is_none();
            let running = self.operations.running().filter(|(_, in_flight)| own(in_flight));
            let keys: Vec<OperationKey> = running.map(|(key, _)| key).collect();
            for key in keys {
                self.cancel(key, fx);
            }
        }
        self.forget_if_idle(handle, fx);
    }

    pub(crate) fn shut_down(&mut self, fx: &mut Effects) {
        self.closed = true;
        let handles: Vec<Handle> = (self.handles.iter())
            .map(|(index, generation, _)| Handle::new(self.number, index, generation))
            .collect();
        for handle in &handles {
            self.cancel_streams(*handle, fx);
        }
        let keys: Vec<OperationKey> = self.operations.running().map(|(key, _)| key).collect();
        for key in keys {
            self.cancel(key, fx);
        }
        for handle in handles {
            self.forget_if_idle(handle, fx);
        }
    }

    /// No new operations for a handle, and the end of those in its queues. Whether it was open.
    fn cancel_streams(&mut self, handle: Handle, fx: &mut Effects) -> bool {
        let Some(entry) = self.entry_mut(handle) else { return false };
        if std::mem::replace(&mut entry.closing, true) {
            return false;
        }
        entry.linger_not();
        // From the back, so that none starts only to be cancelled.
        let keys = entry.last_to_first(Direction::Out).chain(entry.last_to_first(Direction::In));
        for key in keys.collect::<Vec<_>>() {
            self.cancel(key, fx);
        }
        true
    }

    /// The ring is gone: what the kernel may still write to is leaked, everything else ends.
    pub(crate) fn abort(&mut self, fx: &mut Effects) {
        self.shut_down(fx);
        let keys: Vec<OperationKey> = self.operations.running().map(|(key, _)| key).collect();
        for key in keys {
            let Some(in_flight) = self.operations.take(key) else { continue };
            self.running -= 1;
            let multishot = in_flight.is_multishot();
            let (handle, direction) = (in_flight.handle(), in_flight.direction());
            let finished = in_flight.leak();
            if multishot {
                self.push(key, finished, fx);
                fx.wakers.extend(self.operations.end(key));
            } else {
                self.deliver(key, finished, fx);
            }
            self.release(key, handle, direction, fx);
        }
        // The table goes with the ring.
        self.direct.forget();
        let handles: Vec<Handle> = (self.handles.iter())
            .map(|(index, generation, _)| Handle::new(self.number, index, generation))
            .collect();
        for handle in handles {
            self.set_direct(handle, Direct::No);
            self.forget_if_idle(handle, fx);
        }
    }

    /// After a shutdown: nothing is left to wait for.
    pub(crate) fn is_drained(&self) -> bool {
        self.closed && self.running == 0 && self.handles.is_empty()
    }

    /// Whether the kernel has an operation.
    pub(crate) fn is_in_kernel(&self) -> bool {
        self.direct.is_in_kernel()
            || self.operations.running().any(|(_, in_flight)| in_flight.place == Place::Kernel)
    }

    pub(crate) fn open_handles(&self) -> usize {
        self.handles.len()
    }

    /// After an item was taken: lets an operation that was held up go on.
    pub(crate) fn resume(&mut self, key: OperationKey, asked: bool) {
        let pause = self.operations.get(key).map_or(Pause::No, |in_flight| in_flight.pause);
        let on = match pause {
            // Nearly always.
            Pause::No | Pause::Asked => return,
            Pause::Full => true,
            Pause::Failed => asked,
        };
        if !on || self.operations.queued(key) > 0 {
            return;
        }
        if let Some(in_flight) = self.operations.get_mut(key).filter(|it| it.place == Place::Paused) {
            in_flight.pause = Pause::No;
            in_flight.unfound = 0;
            in_flight.place = Place::Queued;
            self.queue.push_back(key);
        }
    }

    /// The turn begins: whoever asks for something from now on wakes it again.
    pub(crate) fn begin_turn(&mut self, waker: &Waker, fx: &mut Effects) {
        self.scheduled = false;
        if !self.turn.as_ref().is_some_and(|turn| turn.will_wake(waker)) {
            fx.stale.extend(self.turn.replace(waker.clone()));
        }
    }

    /// The turn will run again by itself: nobody needs to wake it.
    pub(crate) fn will_turn(&mut self) {
        self.scheduled = true;
    }

    /// Whether the turn has something to do.
    pub(crate) fn has_work(&self) -> bool {
        !(self.queue.is_empty() && self.ready.is_empty() && self.cancels.is_empty()) || self.direct.has_work()
    }

    /// Whom to wake for the work there is, unless that was done already.
    pub(crate) fn signal(&mut self) -> Option<Waker> {
        let due = self.has_work() || (self.closed && self.is_drained());
        if self.scheduled || !due {
            return None;
        }
        self.scheduled = self.turn.is_some();
        self.turn.clone()
    }

    fn conclude_cancelled(&mut self, key: OperationKey, fx: &mut Effects) {
        let Some(in_flight) = self.operations.get_mut(key) else { return };
        match in_flight.once() {
            None => self.end(key, Some(CompletionStatus::CANCELLED), fx),
            Some(once) => {
                let completion = once.stopped(CompletionStatus::CANCELLED);
                self.finish(key, completion, None, fx);
            }
        }
    }

    /// The end of an operation that ends once; with a buffer that is not its own, or the one it owns.
    fn finish(
        &mut self,
        key: OperationKey,
        completion: Completion,
        buffer: Option<FinishedBuffer>,
        fx: &mut Effects,
    ) {
        let Some(mut in_flight) = self.operations.take(key) else { return };
        self.running -= 1;
        let half_sent = !completion.is_success() && in_flight.once().is_some_and(|once| once.is_half_sent());
        let (handle, direction) = (in_flight.handle(), in_flight.direction());
        let mut finished = in_flight.finish(completion, &mut self.spare);
        if let Some(buffer) = buffer {
            finished.buffer = buffer;
        }
        self.deliver(key, finished, fx);
        if half_sent {
            self.break_sending(key, handle, fx);
        }
        self.release(key, handle, direction, fx);
    }

    /// A send ended in the middle (rule 3): those behind it end as well, and so will all later ones.
    fn break_sending(&mut self, key: OperationKey, handle: Option<Handle>, fx: &mut Effects) {
        let Some(entry) = handle.and_then(|handle| self.entry_mut(handle)) else { return };
        entry.broken = true;
        let behind: Vec<OperationKey> =
            entry.last_to_first(Direction::Out).filter(|other| *other != key).collect();
        for key in behind {
            self.finish(key, Completion::failure(CompletionStatus::BROKEN_PIPE), None, fx);
        }
    }

    /// The end of an operation that goes on, with a last item if it did not end well.
    fn end(&mut self, key: OperationKey, status: Option<CompletionStatus>, fx: &mut Effects) {
        if let Some(status) = status {
            self.push(key, Finished::bare(Completion::failure(status)), fx);
        }
        let Some(in_flight) = self.operations.take(key) else { return };
        self.running -= 1;
        fx.wakers.extend(self.operations.end(key));
        self.release(key, in_flight.handle(), in_flight.direction(), fx);
    }

    fn push(&mut self, key: OperationKey, item: Finished, fx: &mut Effects) {
        match self.operations.push(key, item) {
            Ok(waker) => fx.wakers.extend(waker),
            Err(unheard) => self.discard(unheard, fx),
        }
    }

    fn deliver(&mut self, key: OperationKey, finished: Finished, fx: &mut Effects) {
        match self.operations.finish(key, finished) {
            Ok(waker) => fx.wakers.extend(waker),
            Err(unheard) => self.discard(unheard, fx),
        }
    }

    /// Nobody hears it: a connection in it is closed.
    fn discard(&mut self, unheard: Finished, fx: &mut Effects) {
        match unheard.buffer {
            FinishedBuffer::Handle(handle) => self.close(handle, fx),
            buffer => fx.buffers.push(buffer),
        }
    }

    /// An operation has left its handle: the next of its stream starts, or a closed handle goes.
    fn release(
        &mut self,
        key: OperationKey,
        handle: Option<Handle>,
        direction: Option<Direction>,
        fx: &mut Effects,
    ) {
        let Some(handle) = handle else { return };
        let Some(entry) = self.entry_mut(handle) else { return };
        let next = match direction {
            None => {
                entry.independent -= 1;
                None
            }
            Some(direction) => entry.leave(direction, key),
        };
        let closing = entry.closing;
        if let Some(next) = next {
            self.set_place(next, Place::Queued);
            self.queue.push_back(next);
        }
        if closing {
            self.forget_if_idle(handle, fx);
        }
    }

    fn forget_if_idle(&mut self, handle: Handle, fx: &mut Effects) {
        if self.entry(handle).is_some_and(|entry| entry.closing && entry.is_idle())
            && self.leave_table(handle)
        {
            let entry = self.handles.remove(handle.index(), handle.generation());
            fx.resources.extend(entry.map(|entry| entry.resource));
        }
    }

    fn set_place(&mut self, key: OperationKey, place: Place) {
        if let Some(in_flight) = self.operations.get_mut(key) {
            in_flight.place = place;
        }
    }

    fn entry(&self, handle: Handle) -> Option<&Entry> {
        self.handles.get(handle.index(), handle.generation()).filter(|_| handle.driver() == self.number)
    }

    fn entry_mut(&mut self, handle: Handle) -> Option<&mut Entry> {
        let own = handle.driver() == self.number;
        self.handles.get_mut(handle.index(), handle.generation()).filter(|_| own)
    }
}
