//! How a notification waits: one [`Call`] for each notification that a module has not answered at once.
//!
//! A notification of IIS either answers, or returns `RQ_NOTIFICATION_PENDING` and gives its answer later, once, through
//! IIS. A Rust method is a future that is polled until it is ready. This is the machine between the two.
//!
//! # Who comes in
//!
//! - **An entry**: a thread of IIS inside `On…` ([`Call::begin`]) or inside `OnAsyncCompletion` ([`Call::completed`]).
//!   What it returns is the answer to IIS.
//! - **The runtime**: a thread of the DLL's Tokio runtime, after a wake-up ([`Call::resume`]). It answers through
//!   `PostCompletion`, after which IIS enters again, to be told.
//! - **A waker**: any thread, at any time. It never polls.
//! - **The end**: `Dispose` ([`Call::retire`]).
//!
//! # States
//!
//! ```text
//!                 begin                           ready, in an entry
//!   (new) ──────────────► Running ────────────────────────────────────────► Gone
//!                           │  │  ready, on the runtime        entry
//!                           │  └───────────────────► Posted ───────────────► Gone
//!                           │      ready, an operation still outstanding
//!                           └──────────────────────► Draining ── completion ─► Gone
//! ```
//!
//! While `Running`, these are true or not, each for itself: *polling* (which thread has the future), *woken* (poll again
//! when this poll is over), *queued* (the runtime has been asked to resume), *expecting* (IIS will call
//! `OnAsyncCompletion` for an operation).
//!
//! # Rules
//!
//! 1. **One poll at a time.** The future is taken out under the lock, with *polling* set, and polled without the lock.
//! 2. **Never in a waker.** A waker sets *woken* if somebody polls, and else asks the runtime, once (*queued*).
//! 3. **An entry waits at the door** while another thread polls; a resume does not, it sets *woken*. So a completion that
//!    comes before the notification has returned is held until it has, and is not even seen by the poll that goes on: a
//!    notification in which an operation was started always returns `PENDING`, and the operation's own entry goes on.
//! 4. **Expecting is set before the operation starts**, and unset by the completion, or when it turned out that none
//!    will come. Between the two, the memory of the operation belongs to the call, whatever becomes of the future.
//! 5. **No answer while expecting.** A future that is ready all the same (it panicked) is `Draining`: the completion's entry
//!    gives its answer. If it was this crate that panicked, the port is asked for the answer ([`Port::failed`]), now or then.
//! 6. **One answer.** `Running` is left once, under the lock. What leaves it in an entry is returned; what leaves it on
//!    the runtime is posted, and the entry that follows returns it.
//! 7. **After the answer nothing of the request is touched.** The future, which holds all of it, is dropped before; what is
//!    left is this call, which is counted, and stays alive as long as anybody has a waker.
//! 8. **A completion that nobody waits for changes nothing.** An operation has one, the first that comes. One that comes while
//!    the answer is posted is taken for that of the post: nobody can tell.
//! 9. **The lock is not held** while anything else is called: futures, wakers, IIS.
//!
//! # Races
//!
//! | race | what happens |
//! |---|---|
//! | completion before `PENDING` was returned | rule 3: it waits until the poll is over, which returns `PENDING` |
//! | completion inside the call that started the operation, same thread | it is kept, *woken* is set, and the poll that goes on sees it; real IIS never does this |
//! | wake during a poll | rule 2: the same thread polls again, at most [`ROUNDS`] times; then the runtime |
//! | wake before the runtime has come | *queued*: one resume |
//! | wake against completion | whoever comes second finds *polling*; the completion waits, the wake is remembered |
//! | a completion without an operation | rule 8: `PENDING`, so that it is not the answer of a guard that still waits |
//! | an entry panics inside the very call that started the operation | it is `PENDING`, and the poll around it fails (rule 6) |
//! | a waker panics at a completion | its panic is nobody's: the poll that follows asks the future all the same |
//! | disconnect against the end | a disconnect is a wake: after the end it finds no future |
//! | resume against `Dispose` | `Dispose` waits for the poll, drops the future, and every later resume finds none |
//! | ready on the runtime before the notification has physically returned | the notification has unlocked for the last time and touches nothing but its return value |
//! | `PostCompletion` fails | the answer goes through `IndicateCompletion` |

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll, Wake, Waker};

use bivalve_iis_sys::codes::REQUEST_NOTIFICATION_STATUS;
use bivalve_iis_sys::hresult::E_FAIL;
use bivalve_iis_sys::types::HRESULT;

use crate::contain::{contained, discard};
use crate::event_log::{self, About};
use crate::sync::{Condvar, Mutex, MutexGuard, ThreadId, current, lock, wait};

#[cfg(all(test, not(bivalve_loom)))]
mod tests;

/// How often one thread polls again for wakes that come while it polls.
const ROUNDS: usize = 16;

/// What a waiting notification runs.
pub(crate) type Work = Pin<Box<dyn Future<Output = REQUEST_NOTIFICATION_STATUS> + Send>>;

/// The memory that an operation of IIS uses.
pub(crate) type Memory = Box<dyn Any + Send>;

/// The world around a call: IIS and the runtime, or a model of them.
pub(crate) trait Port: Send + Sync + Sized + 'static {
    /// Asks the runtime for one [`Call::resume`], later and on another thread.
    fn resume_later(&self, call: Arc<Call<Self>>);

    /// Polls, with the runtime's timers and sockets at hand, on whatever thread this is.
    fn polls<T>(&self, poll: impl FnOnce() -> T) -> T;

    /// `PostCompletion`: IIS will come in once more. `false` if it will not.
    fn post(&self) -> bool;

    /// `IndicateCompletion`: the rest of the request runs now, and this request is gone when it returns.
    fn indicate(&self, status: REQUEST_NOTIFICATION_STATUS);

    /// The answer where this crate itself has failed. Nothing of IIS's is outstanding.
    fn failed(&self) -> REQUEST_NOTIFICATION_STATUS {
        REQUEST_NOTIFICATION_STATUS::FINISH_REQUEST
    }
}

/// One notification that waits. See the [module](self).
pub(crate) struct Call<P> {
    port: P,
    state: Mutex<State>,
    /// Told when a poll is over.
    door: Condvar,
}

/// How an operation ended.
pub(crate) struct Ended {
    pub(crate) bytes: u32,
    pub(crate) status: HRESULT,
    /// What [`Call::expect`] was given.
    pub(crate) memory: Option<Memory>,
}

struct State {
    phase: Phase,
    work: Option<Work>,
    polling: Option<ThreadId>,
    woken: bool,
    queued: bool,
    expecting: bool,
    memory: Option<Memory>,
    completion: Option<(u32, HRESULT)>,
    /// Who waits for the completion: inside a `select!` that may be another waker than that of the call.
    waiter: Option<Waker>,
    /// This crate itself has panicked, and the port has not been asked for the answer.
    fault: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    Draining(REQUEST_NOTIFICATION_STATUS),
    Posted(REQUEST_NOTIFICATION_STATUS),
    Gone,
}

impl<P: Port> Call<P> {
    pub(crate) fn new(port: P) -> Arc<Self> {
        Arc::new(Self {
            port,
            state: Mutex::new(State {
                phase: Phase::Running,
                work: None,
                polling: None,
                woken: false,
                queued: false,
                expecting: false,
                memory: None,
                completion: None,
                waiter: None,
                fault: false,
            }),
            door: Condvar::new(),
        })
    }

    /// The first poll, inside the notification: what the notification returns.
    pub(crate) fn begin(self: &Arc<Self>, work: Work) -> REQUEST_NOTIFICATION_STATUS {
        let mut state = lock(&self.state);
        state.work = Some(work);
        self.poll_in_entry(state)
    }

    /// `OnAsyncCompletion`: what it returns.
    pub(crate) fn completed(self: &Arc<Self>, bytes: u32, status: HRESULT) -> REQUEST_NOTIFICATION_STATUS {
        let mut state = lock(&self.state);
        loop {
            match state.phase {
                Phase::Posted(answer) | Phase::Draining(answer) => {
                    state.phase = Phase::Gone;
                    state.expecting = false;
                    let memory = state.memory.take();
                    let fault = std::mem::take(&mut state.fault);
                    drop(state);
                    discard(memory);
                    return if fault { self.port.failed() } else { answer };
                }
                Phase::Gone => return REQUEST_NOTIFICATION_STATUS::PENDING,
                Phase::Running => {}
            }
            if !state.expecting || state.completion.is_some() {
                // Rule 8.
                return REQUEST_NOTIFICATION_STATUS::PENDING;
            }
            match state.polling {
                Some(thread) if thread == current().id() => {
                    // Inside the very call that started it.
                    state.completion = Some((bytes, status));
                    state.woken = true;
                    let waiter = state.waiter.take();
                    drop(state);
                    waiter.into_iter().for_each(wake);
                    return REQUEST_NOTIFICATION_STATUS::PENDING;
                }
                Some(_) => state = wait(&self.door, state),
                None => break,
            }
        }
        state.completion = Some((bytes, status));
        state.polling = Some(current().id());
        if let Some(waiter) = state.waiter.take() {
            drop(state);
            wake(waiter);
            state = lock(&self.state);
        }
        self.poll_in_entry(state)
    }

    /// A wake-up, on the runtime.
    pub(crate) fn resume(self: &Arc<Self>) {
        let mut state = lock(&self.state);
        state.queued = false;
        if state.phase != Phase::Running || state.work.is_none() {
            return;
        }
        if state.polling.is_some() {
            state.woken = true;
            return;
        }
        let (mut state, answer) = self.poll(state);
        if let Some(answer) = answer {
            state.phase = Phase::Posted(answer);
        }
        drop(state);
        self.door.notify_all();
        let Some(answer) = answer else { return };
        if !self.port.post() {
            let mut state = lock(&self.state);
            let mine = state.phase == Phase::Posted(answer);
            state.phase = Phase::Gone;
            drop(state);
            if mine {
                self.port.indicate(answer);
            }
        }
    }

    /// An entry that has panicked before it came here: as the end of the request, and the port's answer. Inside the very call
    /// that started the operation it is none: the notification around it is still to be answered, and fails (rule 6).
    pub(crate) fn failed(&self) -> REQUEST_NOTIFICATION_STATUS {
        let mut state = lock(&self.state);
        if state.phase == Phase::Running && state.polling == Some(current().id()) {
            state.fault = true;
            state.woken = true;
            if state.expecting {
                state.completion.get_or_insert((0, E_FAIL));
            }
            let waiter = state.waiter.take();
            drop(state);
            discard(waiter);
            return REQUEST_NOTIFICATION_STATUS::PENDING;
        }
        drop(state);
        self.retire();
        self.port.failed()
    }

    /// The request is over, whatever is left here.
    pub(crate) fn retire(&self) {
        let mut state = lock(&self.state);
        while state.polling.is_some_and(|thread| thread != current().id()) {
            state = wait(&self.door, state);
        }
        state.phase = Phase::Gone;
        let work = state.work.take();
        let memory = state.memory.take();
        let waiter = state.waiter.take();
        drop(state);
        discard(work);
        discard((memory, waiter));
    }

    /// An operation of IIS is about to start, and IIS will call `OnAsyncCompletion` for it; with the memory it uses.
    pub(crate) fn expect(&self, memory: Option<Memory>) {
        let mut state = lock(&self.state);
        debug_assert!(!state.expecting, "one operation at a time");
        state.expecting = true;
        state.memory = memory;
    }

    /// It will not: the operation has failed, or was done at once. Its memory.
    pub(crate) fn unexpect(&self) -> Option<Memory> {
        let mut state = lock(&self.state);
        state.expecting = false;
        state.completion = None;
        state.memory.take()
    }

    /// How the operation ended; remembers the waker until then.
    pub(crate) fn poll_ended(&self, task: &Task<'_>) -> Poll<Ended> {
        let mut state = lock(&self.state);
        let Some((bytes, status)) = state.completion.take() else {
            let old = state.waiter.replace(task.waker().clone());
            drop(state);
            drop(old);
            return Poll::Pending;
        };
        state.expecting = false;
        Poll::Ready(Ended { bytes, status, memory: state.memory.take() })
    }

    /// Whether a completion that comes now is for this call.
    pub(crate) fn awaits_iis(&self) -> bool {
        let state = lock(&self.state);
        state.expecting || matches!(state.phase, Phase::Posted(_))
    }

    fn poll_in_entry(self: &Arc<Self>, state: MutexGuard<'_, State>) -> REQUEST_NOTIFICATION_STATUS {
        let (mut state, answer) = self.poll(state);
        if answer.is_some() {
            state.phase = Phase::Gone;
        }
        drop(state);
        self.door.notify_all();
        answer.unwrap_or(REQUEST_NOTIFICATION_STATUS::PENDING)
    }

    /// Polls until nothing has woken it meanwhile. Nobody else polls; the lock is back when this returns.
    fn poll<'s>(
        self: &'s Arc<Self>,
        mut state: MutexGuard<'s, State>,
    ) -> (MutexGuard<'s, State>, Option<REQUEST_NOTIFICATION_STATUS>) {
        state.polling = Some(current().id());
        let waker = Waker::from(Arc::clone(self));
        let (mut answer, mut fault) = (None, false);
        for round in 0.. {
            state.woken = false;
            let Some(mut work) = state.work.take() else { break };
            drop(state);
            let poll = || self.port.polls(|| work.as_mut().poll(&mut Task::from_waker(&waker)));
            let polled = catch_unwind(AssertUnwindSafe(poll));
            match polled {
                Ok(Poll::Pending) => {
                    state = lock(&self.state);
                    if !state.fault {
                        state.work = Some(work);
                    } else {
                        drop(state);
                        discard(work);
                        answer = Some(REQUEST_NOTIFICATION_STATUS::FINISH_REQUEST);
                        state = lock(&self.state);
                        break;
                    }
                }
                other => {
                    discard(work);
                    answer = Some(match other {
                        Ok(Poll::Ready(answer)) => answer,
                        _ => {
                            tell_of_panic();
                            fault = true;
                            REQUEST_NOTIFICATION_STATUS::FINISH_REQUEST
                        }
                    });
                    state = lock(&self.state);
                    break;
                }
            }
            if !state.woken {
                break;
            }
            if round >= ROUNDS {
                self.queue(&mut state);
                break;
            }
        }
        fault |= std::mem::take(&mut state.fault);
        if answer.is_some() && state.expecting && state.completion.take().is_some() {
            // A completion that was kept has come already. What its operation used ends before the answer.
            state.expecting = false;
            let memory = state.memory.take();
            drop(state);
            discard(memory);
            state = lock(&self.state);
        }
        if fault && !state.expecting {
            drop(state);
            answer = Some(self.port.failed());
            state = lock(&self.state);
        }
        state.polling = None;
        if let Some(status) = answer.take_if(|_| state.expecting) {
            // Rule 5.
            state.fault = fault;
            state.phase = Phase::Draining(status);
        }
        (state, answer)
    }

    /// Asks for a resume. The port only notes it, so the lock may be held.
    fn queue(self: &Arc<Self>, state: &mut State) {
        if !std::mem::replace(&mut state.queued, true) {
            self.port.resume_later(Arc::clone(self));
        }
    }
}

/// Wakes whoever waits for a completion, perhaps a module's own waker: its panic is nobody's, and the poll goes on all the same.
fn wake(waker: Waker) {
    contained("the waker of an operation", (), || waker.wake());
}

/// The subscriber is not ours, and its panic would leave a call that nobody polls any more.
fn tell_of_panic() {
    let what = "the IIS adapter itself panicked; the request is finished";
    let tell = || {
        event_log::report(About::Panic, what);
        event_log::reported(|| tracing::error!("{what}"));
    };
    discard(catch_unwind(AssertUnwindSafe(tell)));
}

impl<P: Port> Wake for Call<P> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut state = lock(&self.state);
        if state.phase != Phase::Running {
            return;
        }
        if state.polling.is_some() {
            state.woken = true;
            return;
        }
        if std::mem::replace(&mut state.queued, true) {
            return;
        }
        drop(state);
        self.port.resume_later(Arc::clone(self));
    }
}
