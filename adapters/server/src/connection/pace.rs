//! How long a client may keep us waiting: a grace, and then as many seconds as its octets earn.

use std::time::{Duration, Instant};

/// One direction of one message. Only time in which the client is waited for counts: a slow handler is not its fault.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    waited: Duration,
    octets: u64,
    since: Option<Instant>,
}

impl Pace {
    /// The client is waited for from now on, if it was not before.
    pub(super) fn wait(&mut self) {
        self.since.get_or_insert_with(Instant::now);
    }

    /// It has moved so many octets.
    pub(super) fn moved(&mut self, octets: u64) {
        self.octets = self.octets.saturating_add(octets);
        if self.since.is_some() {
            self.stop(Instant::now());
        }
    }

    fn stop(&mut self, now: Instant) {
        if let Some(since) = self.since.take() {
            self.waited = self.waited.saturating_add(now.saturating_duration_since(since));
        }
    }

    /// When it has been waited for too long; `None` while it is not waited for.
    pub(super) fn deadline(&self, grace: Duration, octets_per_second: u64) -> Option<Instant> {
        let earned = Duration::from_secs(self.octets / octets_per_second.max(1));
        let left = grace.saturating_add(earned).saturating_sub(self.waited);
        self.since.map(|since| since.checked_add(left).unwrap_or(since + A_YEAR))
    }
}

const A_YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_earn_time_and_waiting_spends_it() {
        let second = Duration::from_secs(1);
        let begin = Instant::now();
        let mut pace = Pace::default();
        assert_eq!(pace.deadline(30 * second, 240), None);
        pace.since = Some(begin);
        assert_eq!(pace.deadline(30 * second, 240), Some(begin + 30 * second));
        pace.stop(begin + 5 * second);
        pace.moved(2400);
        assert_eq!(pace.deadline(30 * second, 240), None);
        pace.since = Some(begin + 100 * second);
        assert_eq!(pace.deadline(30 * second, 240), Some(begin + (100 + 30 - 5 + 10) * second));
    }
}
