//! Runs one case and asks afterwards what it left behind.

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use bivalve_core::Driver;

use crate::support::until;
use crate::{Backend, watch};

/// Entries of the queue in every case: few, so that it is full often (rule 6).
pub const QUEUE: u32 = 64;

/// How long a case may take before the process is aborted.
pub const NORMAL: Duration = Duration::from_secs(60);

/// The same for cases that move much.
pub const LARGE: Duration = Duration::from_secs(120);

/// How often a case that left handles behind is run again.
///
/// What runtime and system make once (a thread's handles, a library that a first connect loads) is not a leak; what
/// grows in every run is.
const RUNS: usize = 4;

/// How often the handles are counted, with [`PAUSE`] between: a thread that has ended may take a moment to give back
/// what it had.
const COUNTS: usize = 200;
const PAUSE: Duration = Duration::from_millis(5);

/// What a case gets: a driver of its own, and the means to start another.
#[derive(Clone)]
pub struct Trial {
    /// The driver on whose runtime the case runs.
    pub driver: Arc<dyn Driver>,
    /// To start another of the same kind.
    pub backend: Backend,
}

impl fmt::Debug for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trial").field("driver", &self.driver).finish_non_exhaustive()
    }
}

/// Runs one case on a driver of its own, and asserts that the driver is idle and no handle was left behind.
///
/// One case runs at a time in a process, because handles are counted for the process.
///
/// # Panics
///
/// When the case does, or has left something behind. When it takes longer than the limit, the process is aborted
/// with its name.
pub fn check<C, F>(backend: &Backend, name: &'static str, limit: Duration, case: C)
where
    C: Fn(Trial) -> F + Copy + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let _watched = watch::over(name, limit);
    run(backend, |_| async {});
    let mut before = (backend.open_handles)();
    for _ in 0..RUNS {
        run(backend, case);
        let after = settled(backend, before);
        if after <= before {
            return;
        }
        before = after;
    }
    panic!("{name} leaks handles: {before} are open, and each of {RUNS} runs left more than there were");
}

fn run<C, F>(backend: &Backend, case: C)
where
    C: FnOnce(Trial) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let trial = *backend;
    let completed = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&completed);
    (backend.run)(
        QUEUE,
        Box::new(move |driver| {
            Box::pin(async move {
                case(Trial { driver: Arc::clone(&driver), backend: trial }).await;
                // The end of an operation that was abandoned is heard by nobody, so it has to be looked for.
                until("the driver to be idle", || driver.usage().is_idle()).await;
                flag.store(true, Ordering::Release);
            })
        }),
    );
    assert!(completed.load(Ordering::Acquire), "the backend returned before the body had completed");
}

/// The number of open handles, once it is no more than before or has had its time to fall.
pub(crate) fn settled(backend: &Backend, before: usize) -> usize {
    for _ in 0..COUNTS {
        if (backend.open_handles)() <= before {
            break;
        }
        thread::sleep(PAUSE);
    }
    (backend.open_handles)()
}
