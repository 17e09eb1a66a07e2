//! Waking: an executor of one future, and an alarm that knows whether it rang.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context as Task, Poll, Wake, Waker};
use std::thread::{self, Thread};

/// How often a future that wakes itself is polled before the executor gets its turn.
pub(super) const ROUNDS: usize = 256;

/// Runs a future to its end on this thread, which sleeps while the future waits.
///
/// It has no timers and no sockets: a future of Tokio needs Tokio's own. Where a test runs in Tokio anyway, simply
/// `.await`; nothing in this module needs a runtime.
///
/// ```
/// use bivalve_core::testing::block_on;
///
/// assert_eq!(block_on(async { 6 * 7 }), 42);
/// ```
///
/// # Panics
///
/// When the future does.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut task = Task::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut task) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Wakes the outer task, and remembers that it did.
pub(super) struct Alarm {
    shared: Arc<Shared>,
    waker: Waker,
}

struct Shared {
    rang: AtomicBool,
    outer: Waker,
}

impl Alarm {
    pub(super) fn new(outer: &Waker) -> Self {
        let shared = Arc::new(Shared { rang: AtomicBool::new(false), outer: outer.clone() });
        Self { waker: Waker::from(Arc::clone(&shared)), shared }
    }

    pub(super) fn poll<F: Future + ?Sized>(&self, future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Task::from_waker(&self.waker))
    }

    pub(super) fn ring(&self) {
        self.waker.wake_by_ref();
    }

    /// Whether it rang since it was last asked.
    pub(super) fn rang(&self) -> bool {
        self.shared.rang.swap(false, Ordering::AcqRel)
    }
}

impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rang.store(true, Ordering::Release);
        self.outer.wake_by_ref();
    }
}
