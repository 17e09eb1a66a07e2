//! Models of what other threads do to a request, each run in every order of events that loom finds: `cargo xtask test loom`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;

use loom::model;
use loom::thread::spawn;

use super::*;

/// Whether it was woken. Of the standard library: no model depends on its order.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Woken {
    fn poll<T>(self: &Arc<Self>, poll: impl FnOnce(&mut Task<'_>) -> T) -> T {
        poll(&mut Task::from_waker(&Waker::from(Arc::clone(self))))
    }

    fn was_woken(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// A request that nobody knows of, and whether its client has gone.
fn unknown_request(signal: &Signal) -> bool {
    signal.begin();
    let gone = signal.is_gone();
    signal.end();
    gone
}

#[test]
fn a_late_disconnect_reaches_no_later_request() {
    model(|| {
        let signal = Arc::new(Signal::default());
        let late = Disconnector::new(&signal, signal.begin());
        let other = spawn(move || late.disconnect());
        signal.end();
        assert!(!unknown_request(&signal), "nobody could know of it");
        let epoch = signal.begin();
        let own = Disconnector::new(&signal, epoch);
        assert!(!signal.is_gone(), "that of the first request says nothing of the third");
        assert!(own.disconnect(), "nobody has told it before");
        assert!(signal.is_gone());
        signal.end();
        other.join().expect("it does not panic");
    });
}

#[test]
fn a_late_post_reaches_no_later_request() {
    model(|| {
        let signal = Arc::new(Signal::default());
        let epoch = signal.begin();
        let late = CompletionHandle::new(&signal, epoch, signal.arm());
        let other = spawn(move || late.post_completion(1).is_ok());
        signal.end();
        assert!(!unknown_request(&signal));
        let epoch = signal.begin();
        let arm = signal.arm();
        let own = CompletionHandle::new(&signal, epoch, arm);
        let woken = Arc::new(Woken::default());
        assert!(woken.poll(|task| signal.poll_posted(arm, task)).is_pending(), "nobody has posted to it");
        own.post_completion(2).expect("it is awaited");
        assert!(woken.was_woken());
        assert!(matches!(woken.poll(|task| signal.poll_posted(arm, task)), Poll::Ready(Posted::Bytes(2))));
        drop(own);
        signal.end();
        other.join().expect("it does not panic");
    });
}

#[test]
fn whoever_waits_for_a_disconnect_hears_of_it() {
    model(|| {
        let signal = Arc::new(Signal::default());
        let disconnector = Disconnector::new(&signal, signal.begin());
        let other = spawn(move || disconnector.disconnect());
        let woken = Arc::new(Woken::default());
        let gone = woken.poll(|task| signal.poll_gone(task));
        assert!(other.join().expect("it does not panic"), "the request lives");
        assert!(gone || woken.was_woken());
        assert!(signal.is_gone());
        signal.end();
    });
}

#[test]
fn whoever_waits_for_the_end_of_a_request_hears_of_it() {
    model(|| {
        let signal = Arc::new(Signal::default());
        let mut watch = Disconnected::new(&signal, signal.begin());
        let woken = Arc::new(Woken::default());
        let waker = Arc::clone(&woken);
        let other = spawn(move || {
            let polled = waker.poll(|task| Pin::new(&mut watch).poll(task));
            assert!(polled != Poll::Ready(Gone::Client), "it has not gone");
            // Dropped, it would wait no more.
            (watch, polled.is_ready())
        });
        signal.end();
        assert!(!unknown_request(&signal));
        let (_watch, ended) = other.join().expect("it does not panic");
        assert!(ended || woken.was_woken());
    });
}

#[test]
fn a_guard_that_outlives_its_request_changes_no_later_one() {
    model(|| {
        let signal = Arc::new(Signal::default());
        signal.begin();
        let guard = Arc::clone(&signal);
        let other = spawn(move || {
            let woken = Arc::new(Woken::default());
            assert!(!woken.poll(|task| guard.poll_gone(task)));
        });
        signal.end();
        assert!(!unknown_request(&signal));
        other.join().expect("it does not panic");
        let epoch = signal.begin();
        assert!(Disconnector::new(&signal, epoch).disconnect(), "it is alive");
        signal.end();
    });
}
