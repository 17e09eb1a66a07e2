//! The Date field: RFC 9110 section 6.6.1, formatted once a second.

use std::cell::Cell;
use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(crate) type Date = [u8; 29];

/// The date of this second.
pub(crate) fn now() -> Date {
    thread_local! {
        static CACHED: Cell<(u64, Date)> = const { Cell::new((u64::MAX, [0; 29])) };
    }
    let second = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    CACHED.with(|cached| {
        let (of, date) = cached.get();
        if of == second {
            return date;
        }
        let date = format(second);
        cached.set((second, date));
        date
    })
}

fn format(second: u64) -> Date {
    let mut date = [b' '; 29];
    let time = UNIX_EPOCH + Duration::from_secs(second);
    // Always 29 bytes up to the year 9999.
    let _ = write!(&mut date[..], "{}", httpdate::HttpDate::from(time));
    date
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_date_is_that_of_the_rfc() {
        assert_eq!(&super::format(784_111_777), b"Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(super::now().len(), 29);
    }
}
