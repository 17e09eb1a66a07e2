//! How long a client may keep us waiting: a grace, which waiting spends and octets earn back.

use std::time::{Duration, Instant};

use super::A_YEAR;

/// One direction of one message. Only time in which the client is waited for counts: a slow handler is not its fault.
///
/// What is earned never comes to more than the grace: who was fast may not be silent for hours afterwards.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    spent: Duration,
    since: Option<Instant>,
}

impl Pace {
    /// The client is waited for from now on, if it was not before.
    pub(crate) fn wait(&mut self) {
        self.since.get_or_insert_with(Instant::now);
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.since.is_some()
    }

    /// It has moved so many octets.
    pub(crate) fn moved(&mut self, octets: u64, octets_per_second: u64) {
        if self.since.is_some() {
            self.stop(Instant::now());
        }
        self.spent = self.spent.saturating_sub(worth(octets, octets_per_second));
    }

    fn stop(&mut self, now: Instant) {
        if let Some(since) = self.since.take() {
            self.spent = self.spent.saturating_add(now.saturating_duration_since(since));
        }
    }

    /// When it has been waited for too long, with so many octets under way whose progress is not seen; `None` while it is
    /// not waited for.
    pub(crate) fn deadline(
        &self,
        grace: Duration,
        octets_per_second: u64,
        under_way: u64,
    ) -> Option<Instant> {
        let left = grace.saturating_sub(self.spent).saturating_add(worth(under_way, octets_per_second));
        self.since.map(|since| since.checked_add(left).unwrap_or(since + A_YEAR))
    }
}

/// The time that so many octets may take.
fn worth(octets: u64, octets_per_second: u64) -> Duration {
    let nanoseconds = u128::from(octets) * 1_000_000_000 / u128::from(octets_per_second.max(1));
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_spends_the_grace_and_octets_earn_it_back_but_no_more() {
        let second = Duration::from_secs(1);
        let begin = Instant::now();
        let mut pace = Pace::default();
        assert_eq!(pace.deadline(30 * second, 240, 0), None);
        pace.since = Some(begin);
        assert_eq!(pace.deadline(30 * second, 240, 0), Some(begin + 30 * second));
        assert_eq!(pace.deadline(30 * second, 240, 2400), Some(begin + 40 * second));
        pace.stop(begin + 15 * second);
        pace.moved(2400, 240);
        assert_eq!(pace.deadline(30 * second, 240, 0), None);
        pace.since = Some(begin + 100 * second);
        assert_eq!(pace.deadline(30 * second, 240, 0), Some(begin + (100 + 30 - 15 + 10) * second));
        pace.stop(begin + 105 * second);
        pace.moved(1 << 30, 240);
        pace.since = Some(begin + 200 * second);
        assert_eq!(pace.deadline(30 * second, 240, 0), Some(begin + 230 * second));
    }
}
