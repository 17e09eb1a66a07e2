//! The Windows event log: entries of the source `Bivalve`, no more than a few in a minute.
//!
//! What fails often fails for every request, and whoever sends the requests decides how many that are. So entries are
//! counted, and those beyond are counted only.

use std::cell::Cell;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::pin;

/// How many entries a DLL writes in a minute. Bounds: a client that makes a module fail with each request. Not configurable:
/// who needs more reads a log file.
const ENTRIES: u32 = 20;

const MINUTE: Duration = Duration::from_secs(60);

/// UTF-16 units of one text. Bounds: what a module, or a client through it, puts into a message. Windows takes 31,839.
const LONGEST: usize = 4_000;

/// What an entry is about. Its number is the event's; `EventCreate.exe` has a message for each up to 1,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum About {
    /// A panic was stopped.
    Panic = 1,
    /// A module was not registered.
    Registration = 2,
    /// A module, or this crate, has traced an error.
    Error = 3,
    /// It has traced a warning.
    Warning = 4,
}

/// Writes an entry, unless there were too many. Off Windows nothing is written.
pub(crate) fn report(about: About, text: &str) {
    if pin::is_process_ending() {
        return;
    }
    let entry = BUDGET.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now());
    if let Some(left_out) = entry {
        imp::write(about, &units(text, left_out));
    }
}

/// Runs something that traces what has been reported already.
pub(crate) fn reported<T>(f: impl FnOnce() -> T) -> T {
    let was = REPORTED.replace(true);
    let _reset = Reset(was);
    f()
}

/// Whether [`reported`] is running on this thread.
pub(crate) fn is_reported() -> bool {
    REPORTED.get()
}

thread_local! {
    static REPORTED: Cell<bool> = const { Cell::new(false) };
}

struct Reset(bool);

impl Drop for Reset {
    fn drop(&mut self) {
        REPORTED.set(self.0);
    }
}

static BUDGET: Mutex<Budget> = Mutex::new(Budget { since: None, written: 0, left_out: 0 });

/// What was written in this minute.
struct Budget {
    since: Option<Instant>,
    written: u32,
    left_out: u32,
}

impl Budget {
    /// Whether one more may be written now; how many were left out before it.
    fn take(&mut self, now: Instant) -> Option<u32> {
        if self.since.is_none_or(|since| now.saturating_duration_since(since) >= MINUTE) {
            self.since = Some(now);
            self.written = 0;
        }
        if self.written == ENTRIES {
            self.left_out = self.left_out.saturating_add(1);
            return None;
        }
        self.written += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

/// The text as an entry has it: bounded, without control characters but the ends of lines, and terminated.
fn units(text: &str, left_out: u32) -> Vec<u16> {
    let clean = text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c });
    let mut units: Vec<u16> = String::from_iter(clean).encode_utf16().take(LONGEST).collect();
    if left_out > 0 {
        units.extend(format!("\n({left_out} entries before this one were left out.)").encode_utf16());
    }
    units.push(0);
    units
}

#[cfg(windows)]
mod imp {
    use std::ptr::{null, null_mut};
    use std::sync::OnceLock;

    use windows_sys::Win32::System::EventLog::{
        EVENTLOG_ERROR_TYPE, EVENTLOG_WARNING_TYPE, RegisterEventSourceW, ReportEventW,
    };

    use super::About;

    /// The handle of the source, zero where there is none. It is never closed: the DLL is never unloaded.
    static SOURCE: OnceLock<usize> = OnceLock::new();

    pub(super) fn write(about: About, text: &[u16]) -> bool {
        let source = *SOURCE.get_or_init(|| {
            let name = crate::text::to_wide("Bivalve");
            // SAFETY: the name is terminated, and read during the call; null is this machine.
            unsafe { RegisterEventSourceW(null(), name.as_ptr()) }.addr()
        });
        if source == 0 {
            return false;
        }
        let kind = if about == About::Warning { EVENTLOG_WARNING_TYPE } else { EVENTLOG_ERROR_TYPE };
        let texts = [text.as_ptr()];
        let handle = std::ptr::with_exposed_provenance_mut(source);
        // SAFETY: the source is open for ever; the one text is terminated, and read during the call.
        unsafe { ReportEventW(handle, kind, 0, about as u32, null_mut(), 1, 0, texts.as_ptr(), null()) != 0 }
    }
}

#[cfg(not(windows))]
mod imp {
    pub(super) fn write(_: super::About, _: &[u16]) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_cannot_flood_the_event_log() {
        let mut budget = Budget { since: None, written: 0, left_out: 0 };
        let start = Instant::now();
        let written = (0..10_000).filter(|_| budget.take(start).is_some()).count();
        assert_eq!(written, 20);
        assert_eq!(budget.take(start + MINUTE / 2), None);
        // The first of the next minute says how many there were.
        assert_eq!(budget.take(start + MINUTE), Some(10_000 - 20 + 1));
        assert_eq!(budget.take(start + MINUTE), Some(0));
    }

    #[test]
    fn an_entry_is_bounded_and_ends_where_it_ends() {
        let units = units(&format!("a\0b\u{1b}c\n{}", "x".repeat(100_000)), 3);
        assert!(units.len() < 4_100);
        assert_eq!(units.iter().position(|unit| *unit == 0), Some(units.len() - 1));
        let text = String::from_utf16(&units[..units.len() - 1]).expect("UTF-16");
        assert!(
            text.starts_with("a b c\nxxx") && text.ends_with("(3 entries before this one were left out.)")
        );
    }

    #[cfg(windows)]
    #[test]
    fn windows_takes_an_entry() {
        assert!(imp::write(About::Warning, &units("a test of Bivalve", 0)));
    }
}
