//! Models of the ready list, each run in every order of events that loom finds: readiness comes from any thread while
//! the pump looks or sleeps.

use std::sync::Arc;
use std::task::{Wake, Waker};

use bivalve_core::driver::Direction;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::sync::{Condvar, Mutex};
use loom::thread::spawn;

use crate::ready::{ReadyList, Signal};

/// Whom the pump's waker wakes.
struct Task {
    woken: Mutex<bool>,
    changed: Condvar,
}

impl Task {
    fn new() -> Arc<Self> {
        Arc::new(Self { woken: Mutex::new(false), changed: Condvar::new() })
    }

    fn sleep(&self) {
        let mut woken = self.woken.lock().expect("no model panics");
        while !*woken {
            woken = self.changed.wait(woken).expect("no model panics");
        }
        *woken = false;
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        *self.woken.lock().expect("no model panics") = true;
        self.changed.notify_one();
    }
}

fn model(run: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.max_branches = 10_000;
    model.check(run);
}

/// Looks at lanes as the pump does, until so many bytes have been seen in `arrived`.
fn pump(list: &ReadyList, signal: &Signal, arrived: &AtomicUsize, bytes: usize) {
    let task = Task::new();
    let waker = Waker::from(Arc::clone(&task));
    let (mut batch, mut seen) = (Vec::new(), 0);
    loop {
        list.take(&waker, &mut batch);
        assert!(batch.len() <= 1, "a lane is on the list at most once");
        for _ in batch.drain(..) {
            signal.unlist();
            seen += arrived.swap(0, Ordering::AcqRel);
        }
        if seen == bytes {
            return;
        }
        task.sleep();
    }
}

#[test]
fn readiness_from_two_threads_is_never_forgotten() {
    model(|| {
        let list = Arc::new(ReadyList::new());
        let signal = Signal::new(&list, Direction::In);
        signal.place(0, 0);
        let arrived = Arc::new(AtomicUsize::new(0));
        let threads = [1, 2].map(|bytes| {
            let (waker, arrived) = (Waker::from(Arc::clone(&signal)), Arc::clone(&arrived));
            spawn(move || {
                arrived.fetch_add(bytes, Ordering::AcqRel);
                waker.wake();
            })
        });
        pump(&list, &signal, &arrived, 3);
        threads.into_iter().for_each(|thread| thread.join().expect("it has told"));
    });
}

#[test]
fn what_is_no_lane_wakes_the_pump() {
    model(|| {
        let list = Arc::new(ReadyList::new());
        let posts = Arc::new(AtomicUsize::new(0));
        let submitter = spawn({
            let (list, posts) = (Arc::clone(&list), Arc::clone(&posts));
            move || {
                posts.store(1, Ordering::Release);
                list.wake_pump();
            }
        });
        let task = Task::new();
        let waker = Waker::from(Arc::clone(&task));
        loop {
            list.take(&waker, &mut Vec::new());
            if posts.load(Ordering::Acquire) == 1 {
                break;
            }
            task.sleep();
        }
        submitter.join().expect("it has told");
        list.forget_pump();
        drop(waker);
        assert_eq!(Arc::strong_count(&task), 1, "no waker is kept");
    });
}
