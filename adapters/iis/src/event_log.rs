//! The Windows event log: entries of the source `Bivalve`, no more than a few in a minute.
//!
//! What fails often fails for every request, and whoever sends the requests decides how many that are. So entries are
//! counted, and those beyond are counted only; each kind for itself, so that nobody hides a panic behind warnings.

use std::cell::Cell;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::{pin, text};

/// How many entries of one kind a DLL writes in a minute. Bounds: a client that makes a module fail with each request. Not configurable:
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
    /// A module failed at a global notification.
    Global = 5,
}

/// Writes an entry, unless there were too many of its kind. Off Windows nothing is written.
pub(crate) fn report(about: About, text: &str) {
    if pin::is_process_ending() {
        return;
    }
    let entry = budget(about).lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now());
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

fn budget(about: About) -> &'static Mutex<Budget> {
    static BUDGETS: [Mutex<Budget>; 5] =
        [const { Mutex::new(Budget { since: None, written: 0, left_out: 0 }) }; 5];
    &BUDGETS[match about {
        About::Panic => 0,
        About::Registration => 1,
        About::Error => 2,
        About::Warning => 3,
        About::Global => 4,
    }]
}

/// What was written of one kind in this minute.
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
    let mut entry = String::new();
    let mut last = ' ';
    for letter in text.chars().take(LONGEST).map(text::plain) {
        // Whoever shows the entry puts other text in the place of `%1` and `%%1`.
        if last == '%' && (letter == '%' || letter.is_ascii_digit()) {
            entry.push(' ');
        }
        entry.push(letter);
        // So that no line looks like the first of another entry, or like the one below.
        if letter == '\n' {
            entry.push_str("    ");
        }
        last = letter;
    }
    let mut units = text::cut(entry.chars(), LONGEST);
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
    fn who_floods_one_kind_does_not_hide_another() {
        let kinds = [About::Panic, About::Registration, About::Error, About::Warning, About::Global];
        for (index, about) in kinds.iter().enumerate() {
            let others = kinds[..index].iter();
            assert!(others.clone().all(|other| !std::ptr::eq(budget(*other), budget(*about))), "{about:?}");
        }
    }

    #[test]
    fn what_a_client_writes_stands_for_nothing_else_in_an_entry() {
        let shown = |text: &str| {
            let units = units(text, 0);
            String::from_utf16(&units[..units.len() - 1]).expect("UTF-16")
        };
        assert_eq!(shown("GET /a%20b%%4096 100% %n"), "GET /a% 20b% % 4096 100% %n");
        assert_eq!(shown("a\r\nError Bivalve 2"), "a \n    Error Bivalve 2");
        assert_eq!(shown("a\u{202e}txt.exe\u{2028}"), "a txt.exe ");
        // Whole letters, also at the end.
        assert!(shown(&"\u{1f600}".repeat(4_000)).chars().all(|letter| letter == '\u{1f600}'));
    }

    #[test]
    fn an_entry_is_bounded_and_ends_where_it_ends() {
        let units = units(&format!("a\0b\u{1b}c\n{}", "x".repeat(100_000)), 3);
        assert!(units.len() < 4_100);
        assert_eq!(units.iter().position(|unit| *unit == 0), Some(units.len() - 1));
        let text = String::from_utf16(&units[..units.len() - 1]).expect("UTF-16");
        assert!(
            text.starts_with("a b c\n    xxx")
                && text.ends_with("(3 entries before this one were left out.)")
        );
    }

    #[cfg(windows)]
    #[test]
    fn windows_takes_an_entry() {
        assert!(imp::write(About::Warning, &units("a test of Bivalve", 0)));
    }
}
