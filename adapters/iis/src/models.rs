//! Models of the waiting machine, each run in every order of events that loom finds: `cargo xtask test loom`.
//!
//! IIS and the runtime are models; the machine is the one that ships. What loom checks besides the assertions: nobody
//! sleeps for ever.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context as Task, Poll, Waker};

use bivalve_iis_sys::codes::REQUEST_NOTIFICATION_STATUS as Status;
use loom::sync::{Condvar, Mutex};
use loom::thread::{JoinHandle, spawn};

use crate::sync::{lock, wait};
use crate::waiting::{Call, Port};

/// IIS and the runtime.
#[derive(Default)]
struct World {
    state: Mutex<State>,
    changed: Condvar,
    polling: AtomicBool,
    polls: AtomicUsize,
}

#[derive(Default)]
struct State {
    returned: bool,
    answers: Vec<Status>,
    threads: Vec<JoinHandle<()>>,
    gone: bool,
}

#[derive(Clone)]
struct Model(Arc<World>);

type ModelCall = Call<Model>;

impl Port for Model {
    fn resume_later(&self, call: Arc<Call<Self>>) {
        let thread = spawn(move || call.resume());
        lock(&self.0.state).threads.push(thread);
    }

    fn polls<T>(&self, poll: impl FnOnce() -> T) -> T {
        assert!(!self.0.polling.swap(true, Ordering::Relaxed), "rule 1: two polls at once");
        self.0.polls.fetch_add(1, Ordering::Relaxed);
        let polled = poll();
        self.0.polling.store(false, Ordering::Relaxed);
        polled
    }

    fn post(&self) -> bool {
        CURRENT.with(|current| {
            let call = current.borrow().clone().expect("a call runs");
            let world = Arc::clone(&self.0);
            let thread = spawn(move || world.complete(&call));
            lock(&self.0.state).threads.push(thread);
        });
        true
    }

    fn indicate(&self, _: Status) {
        unreachable!("posts do not fail here");
    }
}

std::thread_local! {
    /// The call of this model: loom runs all of it on one thread of the system.
    static CURRENT: std::cell::RefCell<Option<Arc<ModelCall>>> = const { std::cell::RefCell::new(None) };
}

impl World {
    /// `OnAsyncCompletion`, on the thread that this is.
    fn complete(&self, call: &Arc<ModelCall>) {
        let answer = call.completed(0, 0);
        if answer != Status::PENDING {
            self.answered(answer);
        }
    }

    fn answered(&self, answer: Status) {
        let mut state = lock(&self.state);
        assert!(!state.gone, "rule 7: the request is over");
        state.answers.push(answer);
        drop(state);
        self.changed.notify_all();
    }

    /// The notification, and then IIS's wait for its answer; `Dispose` at the end.
    fn notify(
        self: &Arc<Self>,
        call: &Arc<ModelCall>,
        work: impl Future<Output = Status> + Send + 'static,
    ) -> Status {
        CURRENT.with(|current| *current.borrow_mut() = Some(Arc::clone(call)));
        let status = call.begin(Box::pin(work));
        let mut state = lock(&self.state);
        state.returned = true;
        let answer = if status == Status::PENDING {
            while state.answers.is_empty() {
                state = wait(&self.changed, state);
            }
            state.answers[0]
        } else {
            state.answers.push(status);
            status
        };
        drop(state);
        call.retire();
        loop {
            let threads = std::mem::take(&mut lock(&self.state).threads);
            if threads.is_empty() {
                break;
            }
            threads.into_iter().for_each(|thread| thread.join().expect("no thread panics"));
        }
        assert_eq!(lock(&self.state).answers.len(), 1, "rule 6: one answer");
        CURRENT.with(|current| *current.borrow_mut() = None);
        answer
    }
}

fn model(f: impl Fn(Arc<World>, Arc<ModelCall>) + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(move || {
        let world = Arc::new(World::default());
        let call = Call::new(Model(Arc::clone(&world)));
        f(world, call);
    });
}

/// Starts one operation of IIS, completed on another thread at once, and waits for it.
async fn operate(world: &Arc<World>, call: &Arc<ModelCall>) {
    call.expect(None);
    let (iis, done) = (Arc::clone(world), Arc::clone(call));
    let thread = spawn(move || {
        let before = lock(&iis.state).answers.len();
        assert_eq!(before, 0, "rule 5: no answer while an operation is outstanding");
        iis.complete(&done);
    });
    lock(&world.state).threads.push(thread);
    poll_fn(|task| call.poll_ended(task)).await;
}

#[test]
fn a_completion_before_the_return_is_held() {
    model(|world, call| {
        let (iis, own) = (Arc::clone(&world), Arc::clone(&call));
        let answer = world.notify(&call, async move {
            operate(&iis, &own).await;
            Status::CONTINUE
        });
        assert_eq!(answer, Status::CONTINUE);
    });
}

/// Waits until it is woken from outside.
struct Wakes(Arc<Mutex<(bool, Option<Waker>)>>);

impl Wakes {
    fn new() -> (Self, impl FnOnce() + Send + 'static) {
        let shared = Arc::new(Mutex::new((false, None::<Waker>)));
        let other = Arc::clone(&shared);
        let wake = move || {
            let mut state = lock(&other);
            state.0 = true;
            let waker = state.1.take();
            drop(state);
            waker.into_iter().for_each(Waker::wake);
        };
        (Self(shared), wake)
    }
}

impl Future for Wakes {
    type Output = ();

    fn poll(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<()> {
        let mut state = lock(&self.0);
        if state.0 {
            return Poll::Ready(());
        }
        state.1 = Some(task.waker().clone());
        Poll::Pending
    }
}

#[test]
fn a_wake_from_elsewhere_is_never_lost_and_answers_once() {
    model(|world, call| {
        let (wakes, wake) = Wakes::new();
        let waker = spawn(wake);
        let answer = world.notify(&call, async move {
            wakes.await;
            Status::FINISH_REQUEST
        });
        assert_eq!(answer, Status::FINISH_REQUEST);
        waker.join().expect("no thread panics");
    });
}

#[test]
fn a_wake_against_a_completion() {
    model(|world, call| {
        let (iis, own) = (Arc::clone(&world), Arc::clone(&call));
        let (mut wakes, wake) = Wakes::new();
        let waker = spawn(wake);
        world.notify(&call, async move {
            let mut operation = Box::pin(async move { operate(&iis, &own).await });
            let (mut woken, mut ended) = (false, false);
            poll_fn(|task| {
                woken = woken || Pin::new(&mut wakes).poll(task).is_ready();
                ended = ended || operation.as_mut().poll(task).is_ready();
                if woken && ended { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            Status::CONTINUE
        });
        waker.join().expect("no thread panics");
    });
}

#[test]
fn a_panic_against_a_completion_answers_once_and_after_it() {
    model(|world, call| {
        let (iis, own) = (Arc::clone(&world), Arc::clone(&call));
        let answer = world.notify(&call, async move {
            let mut operation = Box::pin(async move { operate(&iis, &own).await });
            poll_fn(|task| {
                let _ = operation.as_mut().poll(task);
                // As a future that is ready with an operation outstanding: a panic ends in the same state.
                Poll::Ready(())
            })
            .await;
            Status::FINISH_REQUEST
        });
        assert_eq!(answer, Status::FINISH_REQUEST);
    });
}

#[test]
fn a_completion_that_nobody_waits_for_is_no_answer() {
    model(|world, call| {
        let (wakes, wake) = Wakes::new();
        let own = Arc::clone(&call);
        // Before the wake: nobody can tell one that comes while the answer is posted from that of the post.
        let stray = spawn(move || {
            assert_eq!(own.completed(0, 0), Status::PENDING, "rule 8: it is no answer");
            wake();
        });
        let answer = world.notify(&call, async move {
            wakes.await;
            Status::FINISH_REQUEST
        });
        assert_eq!(answer, Status::FINISH_REQUEST);
        stray.join().expect("no thread panics");
    });
}

#[test]
fn a_second_completion_of_an_operation_is_none_of_the_next_one() {
    model(|world, call| {
        let (iis, own) = (Arc::clone(&world), Arc::clone(&call));
        let answer = world.notify(&call, async move {
            own.expect(None);
            // On this very thread, twice: the first is kept.
            assert_eq!(own.completed(1, 0), Status::PENDING);
            assert_eq!(own.completed(2, 0), Status::PENDING);
            assert_eq!(poll_fn(|task| own.poll_ended(task)).await.bytes, 1);
            operate(&iis, &own).await;
            Status::CONTINUE
        });
        assert_eq!(answer, Status::CONTINUE);
    });
}

#[test]
fn a_late_wake_after_the_end_finds_nothing() {
    model(|world, call| {
        let (wakes, wake) = Wakes::new();
        let (mut other, late) = Wakes::new();
        let wakers = spawn(move || {
            wake();
            late();
        });
        world.notify(&call, async move {
            poll_fn(|task| {
                let _ = Pin::new(&mut other).poll(task);
                Poll::Ready(())
            })
            .await;
            wakes.await;
            Status::CONTINUE
        });
        wakers.join().expect("no thread panics");
    });
}

#[test]
fn dispose_waits_for_a_poll_and_nothing_is_polled_after_it() {
    model(|world, call| {
        let (mut wakes, wake) = Wakes::new();
        let waker = spawn(wake);
        let inner = Arc::clone(&world);
        let status = call.begin(Box::pin(poll_fn(move |task| {
            assert!(!lock(&inner.state).gone, "rule 7: polled after the end");
            let _ = Pin::new(&mut wakes).poll(task);
            Poll::<Status>::Pending
        })));
        assert_eq!(status, Status::PENDING);
        call.retire();
        lock(&world.state).gone = true;
        waker.join().expect("no thread panics");
        let threads = std::mem::take(&mut lock(&world.state).threads);
        threads.into_iter().for_each(|thread| thread.join().expect("no thread panics"));
    });
}
