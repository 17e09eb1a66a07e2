//! What an operation does next, and what a call's end means for it. Pure but for the buffers: no system call is in here.

use std::net::TcpStream;

use bivalve_core::driver::{LeasePool, ResourceKind};
use bivalve_core::{Completion, CompletionStatus, Operation, OperationKey};
use bytes::BytesMut;
use windows_sys::Win32::Foundation::{
    ERROR_BROKEN_PIPE, ERROR_HANDLE_EOF, ERROR_MORE_DATA, ERROR_PIPE_NOT_CONNECTED,
};

use crate::call::{Call, MOST, Target};
use crate::detail::{Detail, Pause, Stage};
use crate::record::Records;
use crate::sending::Next;
use crate::status::Landed;

/// Untaken items of one `ReceiveMany`.
const RECEIVE_AHEAD: usize = if cfg!(bivalve_loom) { 2 } else { 8 };

/// Untaken connections of one `AcceptMany`.
const ACCEPT_AHEAD: usize = 16;

/// What an operation does next.
#[allow(clippy::large_enum_variant, reason = "it lives on the stack, from the preparation to the call")]
pub(crate) enum Plan {
    Call(Call),
    End(Completion),
    Pause(Pause),
}

/// How the sending half of a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sending {
    /// A send ended in the middle.
    Broken,
    /// It was shut down.
    Finished,
    Open,
}

/// What a call's end means.
pub(crate) enum Verdict {
    /// Something is left to do.
    Again,
    /// A connection: the outcome of an accept or connect, or an item.
    Connection(TcpStream),
    /// The end; of an operation that goes on, the last item.
    End(Completion),
    /// The end of an operation that goes on, without a last item.
    Over,
    /// Received bytes: an item.
    Piece(BytesMut),
    /// An error that does not end an operation that goes on.
    Setback(CompletionStatus),
}

/// A packet, so that whoever takes it leads on.
pub(crate) fn hop(detail: &mut Detail, key: OperationKey, records: &mut Records) -> Plan {
    Plan::Call(Call::Post { record: take(detail, key, 0, records) })
}

/// Plans the next call. `queued` counts the items that nobody took.
pub(crate) fn plan(
    detail: &mut Detail,
    key: OperationKey,
    target: Option<Target>,
    sending: Sending,
    queued: usize,
    records: &mut Records,
    pool: &LeasePool,
) -> Plan {
    // A connection that has come is never thrown away for a cancellation: it is the real result.
    if detail.cancelled && detail.stage != Stage::Adopt && !is_complete(detail) {
        return Plan::End(Completion::new(detail.bytes(), CompletionStatus::CANCELLED));
    }
    let target = match (target, &detail.operation) {
        (_, Operation::Post { bytes }) if detail.stage == Stage::Ready => {
            return Plan::End(Completion::success(*bytes));
        }
        (_, Operation::Post { .. }) => {
            return hop(detail, key, records);
        }
        (_, Operation::Connect { address }) => {
            let address = *address;
            return Plan::Call(match (detail.stage, detail.stream.take()) {
                (Stage::Adopt, Some(stream)) => Call::Adopt { listener: None, stream, skips: detail.skips },
                _ => Call::Connect { address, record: take(detail, key, 0, records) },
            });
        }
        (Some(target), _) => target,
        // The handle of a running operation stays until it has ended.
        (None, _) => return Plan::End(Completion::failure(CompletionStatus::INVALID_HANDLE)),
    };
    if target.waits && detail.stage == Stage::First {
        detail.stage = Stage::Hop;
        return hop(detail, key, records);
    }
    match &detail.operation {
        Operation::Accept { .. } | Operation::AcceptMany { .. } => {
            plan_accept(detail, key, target, queued, records)
        }
        Operation::ReadAt { .. } | Operation::Receive { .. } => plan_read(detail, key, target, records),
        Operation::ReceiveMany { .. } => plan_receive_many(detail, key, target, queued, records, pool),
        Operation::Send { .. } | Operation::SendFile { .. } => {
            plan_send(detail, key, target, sending, records, pool)
        }
        Operation::Shutdown { .. } if sending == Sending::Broken => {
            Plan::End(Completion::failure(CompletionStatus::BROKEN_PIPE))
        }
        Operation::Shutdown { .. } => Plan::Call(Call::Shutdown { target }),
        Operation::WriteAt { .. } => plan_write(detail, key, target, records),
        _ => Plan::End(Completion::failure(CompletionStatus::NOT_SUPPORTED)),
    }
}

/// Reads a call's end. The record has gone back already.
pub(crate) fn judge(detail: &mut Detail, kind: Option<ResourceKind>, landed: Landed) -> Verdict {
    let pipe = kind == Some(ResourceKind::Pipe);
    let failed = landed.code != 0;
    if detail.stage == Stage::Hop && !failed {
        detail.stage = Stage::Ready;
        return Verdict::Again;
    }
    match &mut detail.operation {
        Operation::Accept { .. } | Operation::AcceptMany { .. } | Operation::Connect { .. } => {
            judge_connection(detail, landed)
        }
        Operation::Post { .. } if !failed => {
            detail.stage = Stage::Ready;
            Verdict::Again
        }
        Operation::ReadAt { buffer, .. } => match landed.code {
            ERROR_HANDLE_EOF => Verdict::End(Completion::success(0)),
            _ => Verdict::End(filled(buffer, landed)),
        },
        Operation::Receive { buffer, .. } => Verdict::End(filled(buffer, received(landed, pipe))),
        Operation::ReceiveMany { .. } => judge_piece(detail, received(landed, pipe)),
        Operation::Send { .. } | Operation::SendFile { .. } | Operation::WriteAt { .. } => {
            detail.moved += u64::from(landed.bytes);
            detail.position.advance(&detail.operation, u64::from(landed.bytes));
            // A call that moved nothing would be made for ever.
            let status =
                if failed || landed.bytes > 0 { landed.status() } else { CompletionStatus::UNSPECIFIED };
            if status.is_success() {
                return Verdict::Again;
            }
            Verdict::End(Completion::new(detail.bytes(), status))
        }
        _ => Verdict::End(Completion::new(0, landed.status())),
    }
}

/// Whether nothing is left, so that a cancellation comes too late.
fn is_complete(detail: &mut Detail) -> bool {
    match &detail.operation {
        Operation::Post { .. } => detail.stage == Stage::Ready,
        operation @ (Operation::Send { .. } | Operation::SendFile { .. }) => {
            detail.moved > 0 && matches!(detail.position.next(operation, true), Next::Nothing)
        }
        Operation::WriteAt { buffer, .. } => detail.moved > 0 && detail.moved == buffer.len() as u64,
        _ => false,
    }
}

fn plan_accept(
    detail: &mut Detail,
    key: OperationKey,
    target: Target,
    queued: usize,
    records: &mut Records,
) -> Plan {
    if let (Stage::Adopt, Some(stream)) = (detail.stage, detail.stream.take()) {
        return Plan::Call(Call::Adopt { listener: Some(target), stream, skips: false });
    }
    if queued >= ACCEPT_AHEAD {
        return Plan::Pause(Pause::Full);
    }
    Plan::Call(Call::Accept { target, record: take(detail, key, 0, records) })
}

fn plan_read(detail: &mut Detail, key: OperationKey, target: Target, records: &mut Records) -> Plan {
    let (room, offset) = match &mut detail.operation {
        Operation::ReadAt { buffer, offset, .. } => (buffer.spare_capacity_mut(), *offset),
        Operation::Receive { buffer, .. } => (buffer.spare_capacity_mut(), 0),
        _ => return Plan::End(Completion::failure(CompletionStatus::NOT_SUPPORTED)),
    };
    let (to, len) = (room.as_mut_ptr().cast(), limit(room.len()));
    let record = take(detail, key, offset, records);
    Plan::Call(match target.kind {
        ResourceKind::Stream => Call::Receive { target, record, to, len },
        _ => Call::Read { target, record, to, len },
    })
}

fn plan_receive_many(
    detail: &mut Detail,
    key: OperationKey,
    target: Target,
    queued: usize,
    records: &mut Records,
    pool: &LeasePool,
) -> Plan {
    if queued >= RECEIVE_AHEAD {
        return Plan::Pause(Pause::Full);
    }
    // The first call has no room, and tells that there is something; only then is a buffer leased.
    let mut lease = (detail.stage == Stage::Ready).then(|| pool.take());
    let (to, len) = match &mut lease {
        Some(lease) => {
            let room = lease.spare_capacity_mut();
            (room.as_mut_ptr().cast(), limit(room.len()))
        }
        None => (std::ptr::null_mut(), 0),
    };
    detail.lease = lease;
    let record = take(detail, key, 0, records);
    Plan::Call(match target.kind {
        ResourceKind::Stream => Call::Receive { target, record, to, len },
        _ => Call::Read { target, record, to, len },
    })
}

fn plan_send(
    detail: &mut Detail,
    key: OperationKey,
    target: Target,
    sending: Sending,
    records: &mut Records,
    pool: &LeasePool,
) -> Plan {
    let pipe = target.kind == ResourceKind::Pipe;
    let next = detail.position.next(&detail.operation, pipe);
    let end = |status| Plan::End(Completion::new(detail.bytes(), status));
    match next {
        _ if sending == Sending::Broken => end(CompletionStatus::BROKEN_PIPE),
        Next::Nothing => end(CompletionStatus::SUCCESS),
        Next::Unknown => end(CompletionStatus::NOT_SUPPORTED),
        _ if sending == Sending::Finished => end(CompletionStatus::BROKEN_PIPE),
        Next::Bytes(buffers, _) if pipe => {
            let record = take(detail, key, 0, records);
            Plan::Call(Call::Write { target, record, from: buffers[0].buf, len: buffers[0].len })
        }
        Next::Bytes(buffers, count) => {
            let record = take(detail, key, 0, records);
            Plan::Call(Call::Send { target, record, buffers, count })
        }
        Next::File { file, offset, len } if pipe => {
            let lease = detail.lease.get_or_insert_with(|| pool.take());
            lease.resize(lease.capacity().min(len as usize), 0);
            let (buffer, len) = (lease.as_mut_ptr(), limit(lease.len()));
            let record = take(detail, key, 0, records);
            Plan::Call(Call::Copy { target, record, file, offset, buffer, len })
        }
        Next::File { file, offset, len } => {
            let record = take(detail, key, offset, records);
            Plan::Call(Call::Transmit { target, record, file, offset, len })
        }
    }
}

fn plan_write(detail: &mut Detail, key: OperationKey, target: Target, records: &mut Records) -> Plan {
    let Operation::WriteAt { buffer, offset, .. } = &detail.operation else {
        return Plan::End(Completion::failure(CompletionStatus::NOT_SUPPORTED));
    };
    let rest = buffer.get(detail.bytes()..).unwrap_or_default();
    if rest.is_empty() {
        return Plan::End(Completion::success(detail.bytes()));
    }
    let (from, len, offset) = (rest.as_ptr(), limit(rest.len()), offset + detail.moved);
    let record = take(detail, key, offset, records);
    Plan::Call(Call::Write { target, record, from, len })
}

fn judge_connection(detail: &mut Detail, landed: Landed) -> Verdict {
    let many = detail.operation.is_multishot();
    let accept = !matches!(detail.operation, Operation::Connect { .. });
    if landed.code == 0 && detail.stage == Stage::First {
        detail.stage = Stage::Adopt;
        return Verdict::Again;
    }
    detail.stage = Stage::First;
    match detail.stream.take() {
        Some(stream) if landed.code == 0 => return Verdict::Connection(stream),
        // The socket that nobody came to is dropped by the caller, outside the lock.
        unused => detail.stream = unused,
    }
    match landed.status() {
        // The client went before anybody saw it: the next one is waited for.
        _ if accept && landed.is_gone() => Verdict::Again,
        CompletionStatus::CANCELLED => Verdict::End(Completion::failure(CompletionStatus::CANCELLED)),
        status if many => Verdict::Setback(status),
        status => Verdict::End(Completion::failure(status)),
    }
}

fn judge_piece(detail: &mut Detail, landed: Landed) -> Verdict {
    let Some(mut lease) = detail.lease.take() else {
        detail.stage = Stage::Ready;
        return match landed.code {
            0 => Verdict::Again,
            _ => Verdict::End(Completion::failure(landed.status())),
        };
    };
    let filled = filled(&mut lease, landed);
    if !filled.is_success() || lease.is_empty() {
        detail.lease = Some(lease);
        return if filled.is_success() { Verdict::Over } else { Verdict::End(filled) };
    }
    // Also when it was full: nothing may be left behind it, and an idle connection owns no buffer.
    detail.stage = Stage::First;
    Verdict::Piece(lease)
}

/// What a pipe calls otherwise: its end, and a message of which a part is left for the next receive.
fn received(landed: Landed, pipe: bool) -> Landed {
    match landed.code {
        ERROR_MORE_DATA => Landed::success(landed.bytes),
        ERROR_BROKEN_PIPE | ERROR_PIPE_NOT_CONNECTED if pipe => Landed::success(0),
        _ => landed,
    }
}

fn filled(buffer: &mut BytesMut, landed: Landed) -> Completion {
    if landed.code != 0 {
        return Completion::failure(landed.status());
    }
    let bytes = (landed.bytes as usize).min(buffer.capacity() - buffer.len());
    // SAFETY: the buffer is the operation's, and the kernel, which is done with it, has written as many bytes into its
    // spare capacity.
    unsafe { buffer.set_len(buffer.len() + bytes) };
    Completion::success(bytes)
}

fn take(
    detail: &mut Detail,
    key: OperationKey,
    offset: u64,
    records: &mut Records,
) -> crate::record::RecordRef {
    let record = records.take(key, offset);
    detail.record = Some(record);
    record
}

fn limit(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(MOST).min(MOST)
}
