//! What a completion means.

use std::cmp::Ordering;
use std::sync::Arc;

use bivalve_core::driver::LeasePool;
use bivalve_core::{
    Completion, CompletionStatus, Finished, FinishedBuffer, Handle, Operation, OperationKey, Resource,
};
use bytes::BytesMut;
use io_uring::{cqueue, types};

use super::direct::table_place;
use super::start::{Start, cancellation, key, poll, user_data};
use super::{AHEAD, AHEAD_ACCEPTED, Effects, State};
use crate::buffers::Buffers;
use crate::handles;
use crate::in_flight::{Once, Pause, Place, Stage, Work};
use crate::send::{self, Sent};

/// A completion, and where the buffers are that it may name.
pub(crate) struct Arrived<'a> {
    pub(crate) user_data: u64,
    pub(crate) result: i32,
    pub(crate) flags: u32,
    pub(crate) buffers: &'a mut Buffers,
    pub(crate) heap: &'a Arc<LeasePool>,
}

impl State {
    /// Takes note of a completion.
    pub(crate) fn complete(&mut self, arrived: Arrived<'_>, fx: &mut Effects) {
        if let Some(place) = table_place(arrived.user_data) {
            return self.table_changed(place, arrived.result, fx);
        }
        if let Some(place) = cancellation(arrived.user_data) {
            return self.cancelled_one(place, arrived.result);
        }
        let key = key(arrived.user_data);
        let more = cqueue::more(arrived.flags);
        let Some(in_flight) = self.operations.get_mut(key) else { return };
        if !more {
            in_flight.place = Place::Queued;
        }
        // It was interrupted before it did anything.
        let cancelled = in_flight.cancelled;
        let interrupted = arrived.result == -libc::EINTR && !cancelled;
        let once = match &mut in_flight.work {
            Work::AcceptMany(listener) => {
                let listener = *listener;
                return self.accepted_one(key, listener, arrived.result, more, fx);
            }
            Work::ReceiveMany(_) => return self.received_one(key, arrived, more, fx),
            Work::Once(_) if interrupted => return self.queue.push_back(key),
            Work::Once(once) => once,
        };
        let moved = match usize::try_from(arrived.result) {
            Ok(moved) => moved,
            Err(_) => return self.failed(key, -arrived.result, fx),
        };
        match &mut once.operation {
            Operation::Receive { .. } if once.progress.stage == Stage::Room => {
                once.progress.stage = Stage::Ready;
                if cancelled {
                    return self.finish(key, Completion::failure(CompletionStatus::CANCELLED), None, fx);
                }
                self.ready.push_back(key);
            }
            Operation::ReadAt { buffer, .. } | Operation::Receive { buffer, .. } => {
                // SAFETY: the kernel has written so many bytes behind the buffer's length and is done with it; it was told no
                // more than the spare capacity.
                unsafe { buffer.set_len(buffer.len() + moved) };
                self.finish(key, Completion::success(moved), None, fx);
            }
            Operation::Send { .. } | Operation::SendFile { .. } | Operation::WriteAt { .. } => {
                self.moved(key, moved, fx);
            }
            Operation::Accept { handle } => {
                let handle = *handle;
                let accepted = self.adopt(handle, arrived.result, fx);
                self.finish_with_handle(key, accepted, fx);
            }
            Operation::Connect { .. } => {
                let Some(socket) = once.socket.take() else { return };
                let connected = self.insert(Resource::TcpStream(socket.into()), fx);
                self.finish_with_handle(key, connected, fx);
            }
            _ => self.finish(key, Completion::success(moved), None, fx),
        }
    }

    /// The kernel has looked for an operation that is to be cancelled. It can miss one that is changing its place at that
    /// moment; then it is asked again, a bounded number of times.
    fn cancelled_one(&mut self, place: u32, result: i32) {
        let generation = self.cancelling.generation(place).unwrap_or_default();
        let Some(key) = self.cancelling.remove(place, generation) else { return };
        let Some(in_flight) = self.operations.get_mut(key) else { return };
        let wanted = in_flight.cancelled || in_flight.pause == Pause::Asked;
        if result == -libc::ENOENT && wanted && in_flight.place == Place::Kernel && in_flight.unfound < MISSES
        {
            in_flight.unfound += 1;
            self.cancels.push_back(key);
        }
    }

    /// The kernel was asked by `sendfile`, outside the lock.
    pub(crate) fn sent_file(&mut self, key: OperationKey, sent: Sent, fx: &mut Effects) -> Start {
        let Some(in_flight) = self.operations.get_mut(key) else { return Start::Nothing };
        in_flight.place = Place::Queued;
        let cancelled = in_flight.cancelled;
        let (handle, Some(once)) = (in_flight.handle(), in_flight.once()) else { return Start::Nothing };
        once.progress.stage = Stage::Bytes;
        if cancelled {
            if let Sent::Bytes(bytes) = sent {
                send::advance(once, bytes);
            }
            self.go_on(key, fx);
            return Start::Nothing;
        }
        match sent {
            Sent::Bytes(0) => {
                let completion = once.stopped(CompletionStatus::END_OF_FILE);
                self.finish(key, completion, None, fx);
            }
            Sent::Bytes(bytes) => {
                send::advance(once, bytes);
                self.go_on(key, fx);
            }
            Sent::NotCached => {
                once.progress.stage = Stage::Reading;
                self.queue.push_back(key);
            }
            Sent::Full => {
                once.progress.stage = Stage::Room;
                in_flight.place = Place::Kernel;
                let fd = handle.and_then(|handle| self.entry(handle)).map_or(types::Fd(-1), |entry| entry.fd);
                return Start::Submit(poll(fd, libc::POLLOUT).user_data(user_data(key)));
            }
            Sent::Failed(errno) => self.failed(key, errno, fx),
        }
        Start::Nothing
    }

    fn once(&mut self, key: OperationKey) -> Option<&mut Once> {
        self.operations.get_mut(key)?.once()
    }

    fn finish_with_handle(&mut self, key: OperationKey, handle: Option<Handle>, fx: &mut Effects) {
        let completion = match handle {
            Some(_) => Completion::success(0),
            None => Completion::failure(CompletionStatus::CANCELLED),
        };
        self.finish(key, completion, handle.map(FinishedBuffer::Handle), fx);
    }

    fn failed(&mut self, key: OperationKey, errno: i32, fx: &mut Effects) {
        let Some(once) = self.once(key) else { return };
        if matches!(once.operation, Operation::Timer { .. }) && errno == libc::ETIME {
            return self.finish(key, Completion::success(0), None, fx);
        }
        let errno = if errno == libc::EINTR { libc::ECANCELED } else { errno };
        let completion = once.stopped(status(errno));
        self.finish(key, completion, None, fx);
    }

    /// A write, or a send, has moved bytes, read a piece of a file, or may go on.
    fn moved(&mut self, key: OperationKey, moved: usize, fx: &mut Effects) {
        let Some(in_flight) = self.operations.get_mut(key) else { return };
        let cancelled = in_flight.cancelled;
        let Some(once) = in_flight.once() else { return };
        let nothing = match count(once, moved) {
            Ok(nothing) => nothing,
            Err(status) => {
                let completion = once.stopped(status);
                return self.finish(key, completion, None, fx);
            }
        };
        match end(once, nothing, cancelled) {
            None => self.queue.push_back(key),
            Some(completion) => self.finish(key, completion, None, fx),
        }
    }

    /// More is to be done, unless somebody has cancelled.
    fn go_on(&mut self, key: OperationKey, fx: &mut Effects) {
        let Some(in_flight) = self.operations.get_mut(key) else { return };
        let cancelled = in_flight.cancelled;
        match in_flight.once().and_then(|once| end(once, false, cancelled)) {
            None => self.queue.push_back(key),
            Some(completion) => self.finish(key, completion, None, fx),
        }
    }

    fn accepted_one(
        &mut self,
        key: OperationKey,
        listener: Handle,
        result: i32,
        more: bool,
        fx: &mut Effects,
    ) {
        let cancelled = self.operations.get(key).is_some_and(|in_flight| in_flight.cancelled);
        if let Some(accepted) = self.adopt(listener, result, fx) {
            let item =
                Finished { completion: Completion::success(0), buffer: FinishedBuffer::Handle(accepted) };
            self.push(key, item, fx);
        }
        if more {
            return self.pause_if_full(key, AHEAD_ACCEPTED);
        }
        match -result {
            _ if cancelled => self.end(key, Some(CompletionStatus::CANCELLED), fx),
            libc::EINTR => self.rearm(key, AHEAD_ACCEPTED),
            libc::ECANCELED => self.hold(key, Pause::Full),
            errno if errno > 0 => {
                self.push(key, Finished::bare(Completion::failure(status(errno))), fx);
                self.hold(key, Pause::Failed);
            }
            _ => self.rearm(key, AHEAD_ACCEPTED),
        }
    }

    fn received_one(&mut self, key: OperationKey, arrived: Arrived<'_>, more: bool, fx: &mut Effects) {
        let Arrived { result, flags, buffers, heap, .. } = arrived;
        let selected = cqueue::buffer_select(flags);
        let Some(in_flight) = self.operations.get_mut(key) else { return };
        let cancelled = in_flight.cancelled;
        let own = if more { None } else { in_flight.heap.take() };
        let received = usize::try_from(result).unwrap_or(0);
        let lease = match (received, selected, own) {
            (0, Some(id), _) => {
                buffers.put_back(id);
                None
            }
            (0, None, own) => {
                own.into_iter().for_each(|buffer| heap.put_back(*buffer));
                None
            }
            (_, Some(id), _) => buffers.take(id, received),
            (_, None, Some(mut buffer)) => {
                // SAFETY: the kernel has written so many bytes from the start of the empty buffer and is done with it; it was told no
                // more than its capacity.
                unsafe { buffer.set_len(received) };
                Some(heap.lease(*buffer))
            }
            (_, None, None) => None,
        };
        if let Some(lease) = lease {
            let item =
                Finished { completion: Completion::success(received), buffer: FinishedBuffer::Lease(lease) };
            self.push(key, item, fx);
        }
        if more {
            return self.pause_if_full(key, AHEAD);
        }
        match result.cmp(&0) {
            Ordering::Equal => self.end(key, None, fx),
            _ if cancelled => self.end(key, Some(CompletionStatus::CANCELLED), fx),
            Ordering::Greater => self.rearm(key, AHEAD),
            Ordering::Less => match -result {
                libc::EINTR => self.rearm(key, AHEAD),
                // The shared buffers have run out. This one gets its own, so that it never waits for others to drop theirs.
                libc::ENOBUFS => {
                    self.set_heap(key, heap.take());
                    self.queue.push_back(key);
                }
                libc::ECANCELED => self.hold(key, Pause::Full),
                errno => self.end(key, Some(status(errno)), fx),
            },
        }
    }

    /// The kernel goes on by itself; it is told to stop when the consumer is behind.
    fn pause_if_full(&mut self, key: OperationKey, most: usize) {
        let full = self.operations.queued(key) >= most;
        if let Some(in_flight) =
            self.operations.get_mut(key).filter(|in_flight| full && in_flight.pause == Pause::No)
        {
            in_flight.pause = Pause::Asked;
            self.cancels.push_back(key);
        }
    }

    /// The kernel has stopped by itself: it is asked again when the consumer is not behind.
    fn rearm(&mut self, key: OperationKey, most: usize) {
        if self.operations.queued(key) >= most {
            return self.hold(key, Pause::Full);
        }
        if let Some(in_flight) = self.operations.get_mut(key) {
            in_flight.pause = Pause::No;
            in_flight.unfound = 0;
        }
        self.queue.push_back(key);
    }

    fn hold(&mut self, key: OperationKey, pause: Pause) {
        // The consumer may have taken everything before the kernel stopped; then nobody would ask again.
        let empty = self.operations.queued(key) == 0 && pause == Pause::Full;
        let Some(in_flight) = self.operations.get_mut(key) else { return };
        if empty {
            in_flight.pause = Pause::No;
            in_flight.unfound = 0;
            self.queue.push_back(key);
        } else {
            in_flight.pause = pause;
            in_flight.place = Place::Paused;
        }
    }

    fn set_heap(&mut self, key: OperationKey, buffer: BytesMut) {
        if let Some(in_flight) = self.operations.get_mut(key) {
            in_flight.heap = Some(Box::new(buffer));
        }
    }

    /// The connection of a listener, if the result is one.
    fn adopt(&mut self, listener: Handle, result: i32, fx: &mut Effects) -> Option<Handle> {
        if result < 0 {
            return None;
        }
        // The entry of a listener stays until its last accept has ended.
        let listener = &self.entry(listener)?.resource;
        // SAFETY: a successful accept hands a new descriptor over, in this completion and nowhere else.
        let connection = unsafe { handles::accepted(listener, result) };
        self.insert(connection, fx)
    }

    /// `None` after a shutdown, which closes everything.
    fn insert(&mut self, resource: Resource, fx: &mut Effects) -> Option<Handle> {
        if self.closed {
            fx.resources.push(Arc::new(resource));
            return None;
        }
        Some(self.add(resource))
    }
}

/// How often a cancellation is repeated.
const MISSES: u16 = 1_000;

/// Takes note of what a write has moved, a send has moved, or has read of a file. Whether that was nothing; or why it ends.
fn count(once: &mut Once, moved: usize) -> Result<bool, CompletionStatus> {
    if matches!(once.operation, Operation::WriteAt { .. }) {
        once.progress.done += moved;
        return Ok(moved == 0);
    }
    match once.progress.stage {
        Stage::Room | Stage::Ready => once.progress.stage = Stage::Bytes,
        Stage::Bytes => {
            send::advance(once, moved);
            return Ok(moved == 0);
        }
        Stage::Reading if moved == 0 => return Err(CompletionStatus::END_OF_FILE),
        Stage::Reading => {
            let piece = &mut once.scratch.get_or_insert_default().piece;
            // SAFETY: the kernel has written so many bytes from the start of the empty piece and is done with it; it was told
            // no more than its capacity.
            unsafe { piece.set_len(moved) };
            once.progress.stage = Stage::Piece { sent: 0 };
        }
        Stage::Piece { sent } => {
            once.progress.stage = Stage::Piece { sent: sent + moved };
            // The stage knows how much of the piece is left; the range is counted here.
            send::advance(once, moved);
            return Ok(moved == 0);
        }
    }
    Ok(false)
}

/// How a send or write ends, if it does. A call that moved nothing would be repeated for ever.
fn end(once: &Once, moved_nothing: bool, cancelled: bool) -> Option<Completion> {
    // At once, and not when its turn comes again: most sends are whole with their first completion.
    let status = if is_whole(once) {
        CompletionStatus::SUCCESS
    } else if moved_nothing {
        CompletionStatus::UNSPECIFIED
    } else if cancelled {
        CompletionStatus::CANCELLED
    } else {
        return None;
    };
    Some(once.stopped(status))
}

/// Whether a send or write has nothing left to do.
fn is_whole(once: &Once) -> bool {
    let progress = &once.progress;
    match &once.operation {
        Operation::WriteAt { buffer, .. } => progress.done == buffer.len(),
        // Counting has gone past chunks that are done, and those that are empty.
        Operation::Send { chunks, .. } => progress.chunk == chunks.len(),
        Operation::SendFile { range, .. } => progress.offset == range.len(),
        _ => true,
    }
}

fn status(errno: i32) -> CompletionStatus {
    match errno {
        // The handle is open, or the operation would have been rejected: so it is not open for this.
        libc::EBADF => CompletionStatus::ACCESS_DENIED,
        _ => CompletionStatus::from_errno(errno),
    }
}
