//! Aborts the process when a case hangs: a driver that loses a completion must not hang the whole run.

use std::process;
use std::sync::{Condvar, Mutex, MutexGuard, Once, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Watches until it is dropped.
pub(crate) struct Watched(());

/// Starts to watch what runs under this name.
pub(crate) fn over(name: &'static str, limit: Duration) -> Watched {
    static THREAD: Once = Once::new();
    // One thread for the process: it must not come and go while handles are counted.
    THREAD.call_once(|| drop(thread::spawn(watch)));
    set(Some((name, Instant::now() + limit)));
    Watched(())
}

impl Drop for Watched {
    fn drop(&mut self) {
        set(None);
    }
}

type Subject = Option<(&'static str, Instant)>;

static SUBJECT: Mutex<Subject> = Mutex::new(None);
static CHANGED: Condvar = Condvar::new();

fn subject() -> MutexGuard<'static, Subject> {
    SUBJECT.lock().unwrap_or_else(PoisonError::into_inner)
}

fn set(to: Subject) {
    *subject() = to;
    CHANGED.notify_all();
}

fn watch() {
    let mut current = subject();
    loop {
        current = match *current {
            None => CHANGED.wait(current).unwrap_or_else(PoisonError::into_inner),
            Some((name, end)) => {
                let left = end.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    eprintln!("conformance: {name} hangs; the process is aborted");
                    process::abort();
                }
                CHANGED.wait_timeout(current, left).unwrap_or_else(PoisonError::into_inner).0
            }
        };
    }
}
