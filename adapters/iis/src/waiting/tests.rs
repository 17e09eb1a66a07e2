//! What a call does with a fault, without its races: those are in `crate::models`.

#![allow(clippy::panic)]

use std::sync::Mutex;

use super::*;

/// Notes when it was asked for the answer of a failure, and when an operation's memory was dropped.
struct Fails(Arc<Mutex<Vec<&'static str>>>);

impl Port for Fails {
    fn resume_later(&self, _: Arc<Call<Self>>) {}

    fn polls<T>(&self, poll: impl FnOnce() -> T) -> T {
        poll()
    }

    fn post(&self) -> bool {
        true
    }

    fn indicate(&self, _: REQUEST_NOTIFICATION_STATUS) {}

    fn failed(&self) -> REQUEST_NOTIFICATION_STATUS {
        lock(&self.0).push("failed");
        REQUEST_NOTIFICATION_STATUS::FINISH_REQUEST
    }
}

struct Used(Arc<Mutex<Vec<&'static str>>>);

impl Drop for Used {
    fn drop(&mut self) {
        lock(&self.0).push("memory");
    }
}

#[test]
fn a_fault_is_answered_by_the_port() {
    let log = Arc::default();
    let call = Call::new(Fails(Arc::clone(&log)));
    let answer = call.begin(Box::pin(async { panic!("a fault") }));
    assert_eq!(answer, REQUEST_NOTIFICATION_STATUS::FINISH_REQUEST);
    assert_eq!(*lock(&log), ["failed"]);
}

#[test]
fn a_fault_is_answered_when_the_operation_has_ended_and_its_memory_is_gone() {
    // What comes first: the completion, on the same thread, or the panic.
    for kept in [true, false] {
        let log = Arc::default();
        let call = Call::new(Fails(Arc::clone(&log)));
        let (inner, memory) = (Arc::clone(&call), Used(Arc::clone(&log)));
        let work = Box::pin(async move {
            inner.expect(Some(Box::new(memory)));
            if kept {
                inner.completed(0, 0);
            }
            panic!("a fault")
        });
        let mut answer = call.begin(work);
        if !kept {
            assert_eq!(answer, REQUEST_NOTIFICATION_STATUS::PENDING);
            assert!(lock(&log).is_empty(), "IIS still uses it");
            answer = call.completed(0, 0);
        }
        assert_eq!(answer, REQUEST_NOTIFICATION_STATUS::FINISH_REQUEST);
        assert_eq!(*lock(&log), ["memory", "failed"]);
    }
}

/// A waker of a module's own, inside a `select!` of its own.
struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("a waker of a module's own");
    }
}

#[test]
fn a_waker_that_panics_at_a_completion_takes_no_answer_with_it() {
    // What comes first: the completion, on the same thread, or the end of the poll.
    for inside in [true, false] {
        let log = Arc::default();
        let call = Call::new(Fails(Arc::clone(&log)));
        let inner = Arc::clone(&call);
        let mut started = false;
        let work = Box::pin(std::future::poll_fn(move |_| {
            if !started {
                started = true;
                inner.expect(None);
            }
            let waker = Waker::from(Arc::new(Panics));
            let ended = inner.poll_ended(&Task::from_waker(&waker));
            if inside && ended.is_pending() {
                assert_eq!(inner.completed(7, 0), REQUEST_NOTIFICATION_STATUS::PENDING);
            }
            ended.map(|ended| {
                assert_eq!(ended.bytes, 7);
                REQUEST_NOTIFICATION_STATUS::CONTINUE
            })
        }));
        let mut answer = call.begin(work);
        if !inside {
            assert_eq!(answer, REQUEST_NOTIFICATION_STATUS::PENDING);
            answer = call.completed(7, 0);
        }
        assert_eq!(answer, REQUEST_NOTIFICATION_STATUS::CONTINUE);
        assert!(lock(&log).is_empty());
    }
}

#[test]
fn a_completion_that_fails_inside_the_call_that_started_it_leaves_the_answer_to_the_notification() {
    // Whether the module goes on, as if all were well, or still waits.
    for ready in [true, false] {
        let log = Arc::default();
        let call = Call::new(Fails(Arc::clone(&log)));
        let (inner, memory) = (Arc::clone(&call), Used(Arc::clone(&log)));
        let work = Box::pin(async move {
            inner.expect(Some(Box::new(memory)));
            assert_eq!(inner.failed(), REQUEST_NOTIFICATION_STATUS::PENDING, "it is no answer");
            if !ready {
                std::future::pending::<()>().await;
            }
            REQUEST_NOTIFICATION_STATUS::CONTINUE
        });
        assert_eq!(call.begin(work), REQUEST_NOTIFICATION_STATUS::FINISH_REQUEST);
        assert_eq!(*lock(&log), ["memory", "failed"]);
    }
}
