//! Waiting without the driver's help, and polling by hand.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use futures_util::task::AtomicWaker;

/// Between two looks at a condition.
const TICK: Duration = Duration::from_millis(1);

/// Looks before a condition is given up: nearly a minute, which the watchdog of a case shortens.
const LOOKS: usize = 50_000;

/// Waits for a condition, looking again and again while the runtime goes on.
///
/// A thread of the suite's own wakes it, so that a driver whose timers are wrong fails the cases about timers only.
#[track_caller]
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        for _ in 0..LOOKS {
            if holds() {
                return;
            }
            pause().await;
        }
        panic!("waited in vain for {what}, at {caller}");
    }
}

/// Lets the runtime go on for a tick, woken from a foreign thread.
pub(crate) async fn pause() {
    let mut asked = false;
    poll_fn(|task| {
        if std::mem::replace(&mut asked, true) {
            return Poll::Ready(());
        }
        let call = (Instant::now() + TICK, task.waker().clone());
        clock().send(call).expect("the clock's thread never ends");
        Poll::Pending
    })
    .await;
}

/// One thread for the process: it must not come and go while handles are counted.
fn clock() -> &'static Sender<(Instant, Waker)> {
    static CLOCK: OnceLock<Sender<(Instant, Waker)>> = OnceLock::new();
    CLOCK.get_or_init(|| {
        let (sender, calls) = channel::<(Instant, Waker)>();
        thread::spawn(move || {
            // All wait equally long, so the first to ask is the first to be called.
            for (at, waker) in calls {
                thread::sleep(at.saturating_duration_since(Instant::now()));
                waker.wake();
            }
        });
        sender
    })
}

/// A waker that counts.
#[derive(Default)]
pub(crate) struct Flag(AtomicUsize);

impl Flag {
    /// How often it was woken.
    pub(crate) fn woken(&self) -> usize {
        self.0.load(Ordering::Acquire)
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}

/// Polls once; the flag is woken when there is reason to poll again.
pub(crate) fn poll_once<F: Future + Unpin>(future: &mut F, flag: &Arc<Flag>) -> Poll<F::Output> {
    let waker = Waker::from(Arc::clone(flag));
    Pin::new(future).poll(&mut Context::from_waker(&waker))
}

/// Polls every one of these until all are ready, whichever comes first.
pub(crate) async fn all<F: Future + Unpin>(futures: Vec<F>) -> Vec<F::Output> {
    let mut slots: Vec<_> = futures.into_iter().map(|future| (Some(future), None)).collect();
    poll_fn(|task| {
        let mut waiting = false;
        for (future, output) in &mut slots {
            if let Some(running) = future {
                match Pin::new(running).poll(task) {
                    Poll::Ready(ready) => (*future, *output) = (None, Some(ready)),
                    Poll::Pending => waiting = true,
                }
            }
        }
        if waiting { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    slots.into_iter().filter_map(|(_, output)| output).collect()
}

/// What one thread waits for and another sets; nothing else wakes the one who waits.
#[derive(Default)]
pub(crate) struct Signal {
    set: AtomicBool,
    waker: AtomicWaker,
}

impl Signal {
    /// From any thread.
    pub(crate) fn set(&self) {
        self.set.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Until it is set.
    pub(crate) async fn wait(&self) {
        poll_fn(|task| {
            self.waker.register(task.waker());
            if self.set.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}
