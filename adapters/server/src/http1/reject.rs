//! Why a request is refused, before any module sees it or, where it is sound and too large, all but those that log it.

use std::fmt;

use bivalve_core::Error;
use http::StatusCode;

/// A request that cannot be served, and what its client gets.
///
/// The connection is closed after the answer: where a request begins or ends is in doubt from here on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reject {
    pub(crate) status: StatusCode,
    /// IIS's, for the log; 0: none.
    pub(crate) sub_status: u16,
    /// For the log; the client is not told.
    pub(crate) why: &'static str,
}

impl Reject {
    pub(crate) const fn new(status: StatusCode, why: &'static str) -> Self {
        Self { status, sub_status: 0, why }
    }

    /// What IIS's request filtering refuses: a request that is sound and too large. It is in the log of a module, with its
    /// sub-status, and its client is told the status only.
    pub(crate) const fn filtered(status: StatusCode, sub_status: u16, why: &'static str) -> Self {
        Self { status, sub_status, why }
    }

    pub(crate) fn is_filtered(self) -> bool {
        self.sub_status > 0
    }

    pub(crate) const fn bad(why: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, why)
    }
}

impl From<Reject> for Error {
    fn from(reject: Reject) -> Self {
        Self::new(reject.status, reject.why).with_sub_status(reject.sub_status)
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status.as_u16())?;
        if self.sub_status > 0 {
            write!(f, ".{}", self.sub_status)?;
        }
        write!(f, ": {}", self.why)
    }
}
