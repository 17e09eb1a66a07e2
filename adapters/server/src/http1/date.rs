//! The Date field: RFC 9110 section 6.6.1, formatted once a second.

use std::cell::RefCell;
use std::io::Write;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Octets of the line.
pub(crate) const LINE: usize = 37;

/// `date: Sun, 06 Nov 1994 08:49:37 GMT`, and the end of the line.
pub(crate) type Line = [u8; LINE];

/// Shows the line of an instant that has just been.
pub(crate) fn with_line<R>(now: Instant, show: impl FnOnce(&Line) -> R) -> R {
    thread_local! {
        static CACHED: RefCell<Option<Cached>> = const { RefCell::new(None) };
    }
    CACHED.with_borrow_mut(|cached| match cached {
        Some(Cached { from, until, line }) if *from <= now && now < *until => show(line),
        _ => show(&cached.insert(Cached::fresh()).line),
    })
}

/// A line, and the rest of its second. A clock that is set is seen in the next one.
struct Cached {
    from: Instant,
    until: Instant,
    line: Line,
}

impl Cached {
    fn fresh() -> Self {
        let (from, time) = (Instant::now(), SystemTime::now());
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let rest = Duration::from_secs(1) - Duration::from_nanos(since.subsec_nanos().into());
        Self { from, until: from + rest, line: format(since.as_secs()) }
    }
}

fn format(second: u64) -> Line {
    let mut line = *b"date: Thu, 01 Jan 1970 00:00:00 GMT\r\n";
    let time = UNIX_EPOCH + Duration::from_secs(second);
    // Always 29 bytes up to the year 9999.
    let _ = write!(&mut line[6..35], "{}", httpdate::HttpDate::from(time));
    line
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    #[test]
    fn a_date_is_that_of_the_rfc() {
        assert_eq!(&super::format(784_111_777), b"date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
        let second = || {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            now.expect("it is later").as_secs()
        };
        let (before, line, after) = (second(), super::with_line(Instant::now(), |line| *line), second());
        assert!((before..=after).any(|second| super::format(second) == line), "{line:?}");
    }
}
