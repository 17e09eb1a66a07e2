//! From an operation to a submission.

use std::fs::File;
use std::sync::Arc;

use bivalve_core::driver::ResourceKind;
use bivalve_core::{Completion, CompletionStatus, Operation, OperationKey, Resource};
use bytes::BytesMut;
use io_uring::types::{Fd, Timespec};
use io_uring::{opcode, squeue};

use super::{Effects, State};
use crate::buffers::GROUP;
use crate::handles::Direct;
use crate::in_flight::{Once, Place, Spare, Stage, Work};
use crate::send::{self, NO_OFFSET, Next, TRANSFER};
use crate::{Feature, Features};

/// What the turn does for an operation of the queue.
pub(crate) enum Start {
    /// Nothing: it has ended.
    Nothing,
    /// The kernel gets it.
    Submit(squeue::Entry),
    /// A piece of a file is sent, without the lock; [`State::sent_file`] is told.
    SendFile { key: OperationKey, socket: Arc<Resource>, file: Arc<File>, offset: u64, len: usize },
}

/// Receives into buffers of this size or more are made one after the other, not all at once as soon as something has come.
const LARGE: u32 = 64 * 1024;

/// In the lower half of a completion's user data: a cancellation, whose place in the list is in the upper half.
const CANCEL: u32 = u32::MAX;

/// The cancellation that a completion is about, if it is about one.
pub(super) fn cancellation(user_data: u64) -> Option<u32> {
    #[allow(clippy::cast_possible_truncation, reason = "takes the two halves apart")]
    let (kind, place) = (user_data as u32, (user_data >> 32) as u32);
    (kind == CANCEL).then_some(place)
}

pub(super) fn user_data(key: OperationKey) -> u64 {
    u64::from(key.generation()) << 32 | u64::from(key.index())
}

#[allow(clippy::cast_possible_truncation, reason = "takes the two halves apart")]
pub(super) fn key(user_data: u64) -> OperationKey {
    OperationKey::new(user_data as u32, (user_data >> 32) as u32)
}

impl State {
    /// What the next turn submits, one after the other; `None` when there is nothing left.
    pub(crate) fn next(&mut self, fx: &mut Effects) -> Option<Start> {
        if let Some(key) = self.cancels.pop_front() {
            // It may have ended meanwhile; then the kernel finds nothing.
            let (place, _) = self.cancelling.insert(key);
            let cancel = opcode::AsyncCancel::new(user_data(key)).build();
            return Some(Start::Submit(cancel.user_data(u64::from(place) << 32 | u64::from(CANCEL))));
        }
        if let Some(entry) = self.direct.next() {
            return Some(Start::Submit(entry));
        }
        let key = self.queue.pop_front()?;
        Some(self.start(key, fx))
    }

    /// A receive into a large buffer, behind everything else of a pass, of files as many as it may have: what it brings is
    /// sent on while the processor's cache has it, and not when the buffers of all have been filled.
    pub(crate) fn next_ready(&mut self, fx: &mut Effects) -> Option<Start> {
        let key = self.ready.pop_front()?;
        Some(self.start(key, fx))
    }

    fn start(&mut self, key: OperationKey, fx: &mut Effects) -> Start {
        let Some(in_flight) =
            self.operations.get_mut(key).filter(|in_flight| in_flight.place == Place::Queued)
        else {
            return Start::Nothing;
        };
        let handle = in_flight.handle();
        let entry = handle.and_then(|handle| self.handles.get(handle.index(), handle.generation()));
        let is_pipe = entry.is_some_and(|entry| entry.kind == ResourceKind::Pipe);
        let is_broken = entry.is_some_and(|entry| entry.broken);
        let is_direct = entry.is_some_and(|entry| entry.direct == Direct::There);
        let fd = match (handle, entry) {
            // The index is below the size of the table.
            (Some(handle), Some(_)) if is_direct => Fd(handle.index().cast_signed()),
            (_, entry) => entry.map_or(Fd(-1), |entry| entry.fd),
        };
        let mut of_handle = true;
        let built = match &mut in_flight.work {
            Work::AcceptMany(_) => accept_many(fd, self.features),
            Work::ReceiveMany(_) => receive_many(in_flight.heap.as_deref_mut(), fd, is_pipe, self.features),
            Work::Once(once) => match self::once(once, fd, is_pipe, is_broken, &mut self.spare) {
                Next::Submit(entry) => {
                    // A piece of a file is read from the file, not from the handle.
                    of_handle = once.progress.stage != Stage::Reading;
                    entry
                }
                Next::SendFile { file, offset, len } => {
                    // With `sendfile(2)` for the moment, which is as good as with the kernel: a cancellation has to wait.
                    in_flight.place = Place::Kernel;
                    let Some(entry) = entry else { return Start::Nothing };
                    let socket = Arc::clone(&entry.resource);
                    return Start::SendFile { key, socket, file, offset, len };
                }
                Next::Done(completion) => {
                    self.finish(key, completion, None, fx);
                    return Start::Nothing;
                }
            },
        };
        in_flight.place = Place::Kernel;
        let flags = if is_direct && of_handle { squeue::Flags::FIXED_FILE } else { squeue::Flags::empty() };
        Start::Submit(built.flags(flags).user_data(user_data(key)))
    }
}

/// What is next for an operation that ends once.
fn once(once: &mut Once, fd: Fd, is_pipe: bool, is_broken: bool, spare: &mut Spare) -> Next {
    let done = once.progress.done;
    Next::Submit(match &mut once.operation {
        Operation::Send { .. } | Operation::SendFile { .. } | Operation::Shutdown { .. } if is_broken => {
            return Next::Done(Completion::failure(CompletionStatus::BROKEN_PIPE));
        }
        Operation::Send { .. } | Operation::SendFile { .. } => return send::next(once, fd, is_pipe, spare),
        Operation::Accept { .. } => accept(fd),
        Operation::Connect { address } => {
            let socket =
                once.socket.as_ref().map_or(Fd(-1), |socket| Fd(std::os::fd::AsRawFd::as_raw_fd(socket)));
            let scratch = once.scratch.get_or_insert_with(|| spare.take());
            let address = scratch.address(*address);
            opcode::Connect::new(socket, address.as_ptr().cast(), address.len()).build()
        }
        Operation::Post { bytes } => return Next::Done(Completion::success(*bytes)),
        Operation::ReadAt { buffer, offset, .. } => {
            let (place, len) = room(buffer);
            opcode::Read::new(fd, place, len).offset(*offset).build()
        }
        Operation::Receive { buffer, .. } => {
            let (place, len) = room(buffer);
            if len >= LARGE && !is_pipe && once.progress.stage != Stage::Ready {
                once.progress.stage = Stage::Room;
                poll(fd, libc::POLLIN)
            } else {
                receive(fd, is_pipe, place, len)
            }
        }
        Operation::Shutdown { .. } => opcode::Shutdown::new(fd, libc::SHUT_WR).build(),
        Operation::Timer { after } => {
            let scratch = once.scratch.get_or_insert_with(|| spare.take());
            // What the kernel counts with is signed; this is some 292 billion years.
            let seconds = after.as_secs().min(i64::MAX.cast_unsigned());
            scratch.time = Timespec::new().sec(seconds).nsec(after.subsec_nanos());
            opcode::Timeout::new(&raw const scratch.time).build()
        }
        Operation::WriteAt { buffer, .. } if buffer.len() == done => {
            return Next::Done(Completion::success(done));
        }
        Operation::WriteAt { buffer, offset, .. } => {
            let rest = &buffer[done..];
            let len = u32::try_from(rest.len().min(TRANSFER)).unwrap_or(u32::MAX);
            opcode::Write::new(fd, rest.as_ptr(), len).offset(*offset + done as u64).build()
        }
        // What goes on is none of these; a kind that core added, and of which this crate was not told.
        _ => return Next::Done(Completion::success(done)),
    })
}

fn accept_many(fd: Fd, features: Features) -> squeue::Entry {
    if features.contains(Feature::MultishotAccept) {
        opcode::AcceptMulti::new(fd).flags(libc::SOCK_CLOEXEC).build()
    } else {
        accept(fd)
    }
}

/// The next receive of one that goes on, into a buffer of its own or into one that is shared.
fn receive_many(heap: Option<&mut BytesMut>, fd: Fd, is_pipe: bool, features: Features) -> squeue::Entry {
    if let Some(heap) = heap {
        let (place, len) = room(heap);
        return receive(fd, is_pipe, place, len);
    }
    if is_pipe {
        let read = opcode::Read::new(fd, std::ptr::null_mut(), 0).offset(NO_OFFSET).buf_group(GROUP);
        return read.build().flags(squeue::Flags::BUFFER_SELECT);
    }
    if features.contains(Feature::MultishotReceive) {
        return opcode::RecvMulti::new(fd, GROUP).build();
    }
    let receive = opcode::Recv::new(fd, std::ptr::null_mut(), 0).buf_group(GROUP);
    receive.build().flags(squeue::Flags::BUFFER_SELECT)
}

fn accept(fd: Fd) -> squeue::Entry {
    opcode::Accept::new(fd, std::ptr::null_mut(), std::ptr::null_mut()).flags(libc::SOCK_CLOEXEC).build()
}

fn receive(fd: Fd, is_pipe: bool, place: *mut u8, len: u32) -> squeue::Entry {
    if is_pipe {
        opcode::Read::new(fd, place, len).offset(NO_OFFSET).build()
    } else {
        opcode::Recv::new(fd, place, len).build()
    }
}

/// Tells when a socket has something, or takes something.
pub(super) fn poll(fd: Fd, events: libc::c_short) -> squeue::Entry {
    opcode::PollAdd::new(fd, u32::from(events.cast_unsigned())).build()
}

/// Where the kernel may write, and how much.
fn room(buffer: &mut BytesMut) -> (*mut u8, u32) {
    let spare = buffer.spare_capacity_mut();
    (spare.as_mut_ptr().cast(), u32::try_from(spare.len().min(TRANSFER)).unwrap_or(u32::MAX))
}
