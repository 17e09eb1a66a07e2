//! What is refused before any module sees it: counted, and traced.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use bivalve_core::Connection;
use http::StatusCode;

use crate::http1::reject::Reject;

/// How many requests were refused before the pipeline, by status: what is no request, or none that can be served here. No module
/// sees them, and no LogRequest.
///
/// IIS counterpart: what http.sys writes to its `HTTPERR` log.
///
/// Not counted is what HTTP/2 answers without a status, with a reset, and what h2 refuses by itself.
///
/// Besides, each is traced as it is refused: target `bivalve::server::refused`, level DEBUG, with the fields `client`, `status` and
/// `reason`. Each ends its connection (in HTTP/2: its stream), so there are no more of them than connections and streams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    counts: [u64; STATUSES.len()],
}

impl Refused {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Those with this answer: 400, 408, 414, 417, 431, 501 or 505.
    #[must_use]
    pub fn with_status(&self, status: StatusCode) -> u64 {
        STATUSES.iter().position(|known| *known == status).map_or(0, |at| self.counts[at])
    }

    pub(crate) fn add(&mut self, counter: &RefusalCounter) {
        for (count, counter) in self.counts.iter_mut().zip(&counter.counts) {
            *count += counter.load(Ordering::Relaxed);
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} requests were refused", self.total())?;
        for (status, count) in STATUSES.iter().zip(self.counts).filter(|(_, count)| *count > 0) {
            write!(f, "; {}: {count}", status.as_u16())?;
        }
        Ok(())
    }
}

/// Every answer that a [`Reject`] before the pipeline has.
const STATUSES: [StatusCode; 7] = [
    StatusCode::BAD_REQUEST,
    StatusCode::REQUEST_TIMEOUT,
    StatusCode::URI_TOO_LONG,
    StatusCode::EXPECTATION_FAILED,
    StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
    StatusCode::NOT_IMPLEMENTED,
    StatusCode::HTTP_VERSION_NOT_SUPPORTED,
];

/// Counts as they come.
#[derive(Debug, Default)]
pub(crate) struct RefusalCounter {
    counts: [AtomicU64; STATUSES.len()],
}

impl RefusalCounter {
    /// One more.
    #[cold]
    pub(super) fn note(&self, reject: Reject, connection: &Connection) {
        if let Some(at) = STATUSES.iter().position(|known| *known == reject.status) {
            self.counts[at].fetch_add(1, Ordering::Relaxed);
        }
        tracing::debug!(
            target: "bivalve::server::refused",
            client = ?connection.remote_addr(),
            status = reject.status.as_u16(),
            reason = reject.why,
            "a request is refused"
        );
    }
}
