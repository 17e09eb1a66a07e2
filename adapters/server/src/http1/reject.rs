//! Why a request is refused before any module sees it.

use std::fmt;

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

    /// What IIS's request filtering refuses: 404, and only its log says why.
    pub(crate) const fn filtered(sub_status: u16, why: &'static str) -> Self {
        Self { status: StatusCode::NOT_FOUND, sub_status, why }
    }

    pub(crate) const fn bad(why: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, why)
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
