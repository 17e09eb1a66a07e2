//! Timers and posts: operations without a handle.

use std::time::{Duration, Instant};

use bivalve_core::DriverExt;

use crate::Trial;
use crate::support::ok;

/// `Post` reports the posted bytes.
pub async fn a_post_reports_its_bytes(trial: Trial) {
    for bytes in [0, 1, usize::from(u16::MAX), usize::MAX >> 1] {
        assert_eq!(ok(trial.driver.post(bytes).await).0, bytes);
    }
}

/// `Timer` completes with 0 bytes, not before its time.
pub async fn a_timer_completes(trial: Trial) {
    for after in [Duration::ZERO, Duration::from_millis(1), Duration::from_millis(20)] {
        let start = Instant::now();
        assert_eq!(ok(trial.driver.timer(after).await).0, 0);
        assert!(start.elapsed() >= after, "{:?} is early for {after:?}", start.elapsed());
    }
}
