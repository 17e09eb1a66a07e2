//! The Date field: RFC 9110 section 6.6.1, formatted once a second.

use std::cell::Cell;
use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Octets of the line.
pub(crate) const LINE: usize = 37;

/// `date: Sun, 06 Nov 1994 08:49:37 GMT`, and the end of the line.
pub(crate) type Line = [u8; LINE];

/// The line of this second.
pub(crate) fn line() -> Line {
    thread_local! {
        static CACHED: Cell<(u64, Line)> = const { Cell::new((u64::MAX, [0; LINE])) };
    }
    let second = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    CACHED.with(|cached| {
        let (of, line) = cached.get();
        if of == second {
            return line;
        }
        let line = format(second);
        cached.set((second, line));
        line
    })
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
    #[test]
    fn a_date_is_that_of_the_rfc() {
        assert_eq!(&super::format(784_111_777), b"date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
        let second = || {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            now.expect("it is later").as_secs()
        };
        let (before, line, after) = (second(), super::line(), second());
        assert!((before..=after).any(|second| super::format(second) == line), "{line:?}");
    }
}
