//! What an outstanding operation shows of itself.

use std::fmt;

use super::OperationId;

/// An operation that has started and not completed.
///
/// Its text says what it is: `#3 send: status 200, 12 bytes, end`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outstanding {
    pub(super) id: OperationId,
    pub(super) kind: OperationKind,
    pub(super) description: String,
    pub(super) cancel_requested: bool,
    pub(super) abandoned: bool,
}

/// What kind of operation it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
// Those of a request, then those of the driver in the order of `Operation`.
pub enum OperationKind {
    /// A part of the response on its way to the client.
    Send,
    /// A read of the request's entity body.
    Read,
    /// The driver's positioned read.
    ReadAt,
    /// The driver's positioned write.
    WriteAt,
    /// The driver's timer, in virtual time.
    Timer,
    /// The driver's post.
    Post,
}

impl Outstanding {
    pub(super) fn new(id: OperationId, kind: OperationKind, description: String) -> Self {
        Self { id, kind, description, cancel_requested: false, abandoned: false }
    }

    /// Names it.
    #[must_use]
    pub fn id(&self) -> OperationId {
        self.id
    }

    /// What kind of operation it is.
    #[must_use]
    pub fn kind(&self) -> OperationKind {
        self.kind
    }

    /// What it does, such as `up to 1024 bytes`.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Whether whoever started it asked for its cancellation.
    #[must_use]
    pub fn is_cancel_requested(&self) -> bool {
        self.cancel_requested
    }

    /// Whether its future was dropped: nobody will hear how it ends, but its buffer is still in use.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.abandoned
    }
}

impl fmt::Display for Outstanding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            OperationKind::Send => "send",
            OperationKind::Read => "read",
            OperationKind::ReadAt => "read of a file",
            OperationKind::WriteAt => "write to a file",
            OperationKind::Timer => "timer",
            OperationKind::Post => "post",
        };
        write!(f, "{} {kind}: {}", self.id, self.description)?;
        match (self.abandoned, self.cancel_requested) {
            (true, _) => f.write_str(" (its future was dropped)"),
            (false, true) => f.write_str(" (cancellation requested)"),
            (false, false) => Ok(()),
        }
    }
}
