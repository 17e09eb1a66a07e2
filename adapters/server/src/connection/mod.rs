//! One connection, from its first octet to its last.

mod body;
mod exchange;
mod host;
mod http2;
mod hyper;
mod idle;
mod input;
mod life;
mod pace;
mod pool;
mod refusals;
mod secure;
mod serve;
#[cfg(test)]
mod tests;
mod watchdog;
mod wire;

use std::time::Duration;

#[cfg(any(test, fuzzing))]
pub(crate) use self::http2::is_served as check_http2;
pub(crate) use self::idle::{Asleep, Stay};
pub(crate) use self::life::serve;
pub(crate) use self::pace::Pace;
pub(crate) use self::pool::{Serving, Stopping};
pub(crate) use self::refusals::RefusalCounter;
pub use self::refusals::Refused;
pub(crate) use self::secure::serve as serve_encrypted;
pub(crate) use self::watchdog::Watchdog;

/// How long a client is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    /// For all of a head, from its first octet.
    pub(crate) head: Duration,
    /// For the first octet of a request.
    pub(crate) idle: Duration,
    /// For what is to be read or taken of a body, on top of what its octets earn.
    pub(crate) stall: Duration,
    pub(crate) octets_per_second: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(30),
            idle: Duration::from_secs(120),
            stall: Duration::from_secs(30),
            octets_per_second: 240,
        }
    }
}

/// As long as anybody is waited for: an instant that lies further ahead may be none.
pub(crate) const A_YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
