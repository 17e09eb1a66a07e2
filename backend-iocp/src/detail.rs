//! What the driver keeps of an operation while it runs.

use std::net::TcpStream;

use bivalve_core::{Handle, Operation};
use bytes::BytesMut;

use crate::record::RecordRef;
use crate::sending::Position;
use crate::status::Landed;
use crate::system::Provider;

/// One running operation, in the driver's table. The phases are explained in [`crate::state`].
#[derive(Debug)]
pub(crate) struct Detail {
    /// With the buffer it owns.
    pub(crate) operation: Operation,
    pub(crate) phase: Phase,
    pub(crate) stage: Stage,
    /// Somebody asked for the end.
    pub(crate) cancelled: bool,
    /// Bytes of earlier calls.
    pub(crate) moved: u64,
    /// Of a send.
    pub(crate) position: Position,
    /// A packet is on its way to the thread that will lead it on, so that others have their turn.
    pub(crate) hops: bool,
    /// Of the call that is being made or in flight.
    pub(crate) record: Option<RecordRef>,
    /// What the packet said that came before its call had returned.
    pub(crate) early: Option<Landed>,
    /// Of an accept or connect in flight, or what came of it.
    pub(crate) stream: Option<TcpStream>,
    /// Of that stream.
    pub(crate) skips: bool,
    /// Of that stream, if it is not its listener's.
    pub(crate) provider: Option<Provider>,
    /// A call in flight has failed: the system does not say how much of a send the peer got.
    pub(crate) lost: bool,
    /// The leased buffer that is being filled, or through which a file range goes into a pipe.
    pub(crate) lease: Option<BytesMut>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The kernel has it, or its packet is on the way.
    Flying,
    /// A thread is making a call for it. Only that thread leads it on.
    Issuing,
    /// It waits for its consumer.
    Paused(Pause),
    /// It waits for those of its stream that came before.
    Queued,
    /// It waits for its time.
    Timed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pause {
    /// Until an item is taken.
    Full,
    /// After an error, until everything is taken and the next is asked for.
    Setback,
}

/// Which of its calls is next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// There is a connection, which becomes a handle.
    Adopt,
    First,
    /// A packet is on its way to the thread that will wait for the disk.
    Hop,
    /// There is something to receive; or a thread of the driver's has it.
    Ready,
}

impl Detail {
    pub(crate) fn new(operation: Operation) -> Self {
        Self {
            operation,
            phase: Phase::Queued,
            stage: Stage::First,
            cancelled: false,
            moved: 0,
            position: Position::default(),
            hops: false,
            record: None,
            early: None,
            stream: None,
            skips: false,
            provider: None,
            lost: false,
            lease: None,
        }
    }

    pub(crate) fn handle(&self) -> Option<Handle> {
        self.operation.handle()
    }

    /// Whether, if it fails now, some of its bytes may have gone and not all.
    pub(crate) fn is_half_sent(&self) -> bool {
        let sends = matches!(self.operation, Operation::Send { .. } | Operation::SendFile { .. });
        sends && (self.lost || self.moved > 0)
    }

    /// Bytes of all calls.
    pub(crate) fn bytes(&self) -> usize {
        usize::try_from(self.moved).unwrap_or(usize::MAX)
    }
}
