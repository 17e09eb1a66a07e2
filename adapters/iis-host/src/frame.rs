//! One notification of one module, while it is under way.
//!
//! # States
//!
//! | state | what it means |
//! |---|---|
//! | `running` > 0 | that many calls into the module have not returned: the notification, or `OnAsyncCompletion` |
//! | `asynchronous` | an operation was started for which a completion will come |
//! | `posted` | completions that are to be delivered |
//! | `answer` | `CONTINUE` or `FINISH_REQUEST` was returned, or indicated |
//! | `ended` | the pipeline has gone on |
//!
//! # Rules
//!
//! 1. The pipeline goes on when there is an answer and nothing runs. So no object of the request ends under a call.
//! 2. One asynchronous operation at a time: a second one is refused, and a violation.
//! 3. A completion is delivered when nothing runs; with [`Fault::BeforeReturn`] at once.
//! 4. One answer. A second one, and a completion after the answer, is a violation and changes nothing.
//! 5. The operations are performed by the future that drives the notification, one after the other. Who called a
//!    synchronous one waits for it on its own thread.
//! 6. An operation that is asynchronous starts when nothing runs; with [`Fault::BeforeReturn`] at once.
//! 7. Dropped before its end, the future refuses what is waiting and waits until nothing runs.

use std::collections::VecDeque;
use std::ffi::c_void;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context as Task, Poll, Waker};
use std::thread::{self, ThreadId};

use bivalve_core::Event;
use bivalve_iis_sys::callbacks::{LPOVERLAPPED_COMPLETION_ROUTINE, PFN_ASYNC_COMPLETION};
use bivalve_iis_sys::codes::REQUEST_NOTIFICATION_STATUS as Status;
use bivalve_iis_sys::hresult::{ERROR_INVALID_STATE, ERROR_OPERATION_ABORTED, S_OK, from_win32};
use bivalve_iis_sys::types::HRESULT;

use crate::fault::Fault;
use crate::operation::{Done, Operation};
use crate::request::Request;
use crate::threads::Mailbox;
use crate::violation::Rule;

pub(crate) struct Frame {
    pub(crate) request: Arc<Request>,
    pub(crate) event: Event,
    /// The name under which the module is registered.
    pub(crate) module: Arc<str>,
    state: Mutex<State>,
    idle: Condvar,
}

#[derive(Default)]
struct State {
    running: usize,
    /// How many calls have reached the module.
    entered: usize,
    /// The threads of the calls that run.
    threads: Vec<ThreadId>,
    /// Calls that are held inside an operation until its completion has come: [`Fault::BeforeReturn`].
    overtaken: usize,
    operations: VecDeque<Submitted>,
    asynchronous: bool,
    cancelled: bool,
    posted: VecDeque<Completion>,
    answer: Option<Status>,
    ended: bool,
    waker: Option<Waker>,
}

/// An operation, and who waits for it.
pub(crate) struct Submitted {
    pub(crate) operation: Operation,
    /// Taken when it has been answered.
    waiter: Option<Waiter>,
}

enum Waiter {
    /// A thread that waits.
    Thread(Arc<Reply>),
    /// A completion.
    Completion(Callback),
}

/// Where the result of a synchronous operation goes.
pub(crate) struct Reply {
    mailbox: Arc<Mailbox>,
    done: Mutex<Option<Done>>,
}

/// What is called with a completion.
#[derive(Clone, Copy)]
pub(crate) enum Callback {
    /// `OnAsyncCompletion`.
    Module,
    /// What the operation was given.
    Routine(PFN_ASYNC_COMPLETION, *mut c_void),
    /// What `IHttpContext3::PostCompletion` was given.
    Overlapped(LPOVERLAPPED_COMPLETION_ROUTINE, *mut c_void),
}

// SAFETY: the module said by passing them that the host may call the routine with the pointer, on any thread.
unsafe impl Send for Callback {}

/// A completion that is to be delivered.
pub(crate) struct Completion {
    pub(crate) bytes: u32,
    pub(crate) status: HRESULT,
    pub(crate) callback: Callback,
}

/// What the driving future does next.
pub(crate) enum Next {
    Perform(Submitted),
    Deliver(Completion),
    End(Status),
}

impl Frame {
    pub(crate) fn new(request: &Arc<Request>, event: Event, module: &Arc<str>) -> Arc<Self> {
        Arc::new(Self {
            request: Arc::clone(request),
            event,
            module: Arc::clone(module),
            state: Mutex::default(),
            idle: Condvar::new(),
        })
    }

    /// Before a call into the module.
    pub(crate) fn call_begins(&self) {
        let mut state = self.lock();
        state.running += 1;
    }

    /// On the thread that makes the call.
    pub(crate) fn call_runs(&self) {
        let mut state = self.lock();
        state.entered += 1;
        state.threads.push(thread::current().id());
        drop(state);
        self.idle.notify_all();
    }

    /// After it.
    pub(crate) fn call_ends(&self, status: Status) {
        let mut state = self.lock();
        state.running -= 1;
        let own = thread::current().id();
        if let Some(at) = state.threads.iter().rposition(|thread| *thread == own) {
            state.threads.swap_remove(at);
        }
        let violation = match status {
            Status::PENDING => None,
            Status::CONTINUE | Status::FINISH_REQUEST if state.answer.is_some() => {
                Some(Rule::SecondCompletion)
            }
            Status::CONTINUE | Status::FINISH_REQUEST => {
                state.answer = Some(status);
                // A handler that is not inside one of our calls is on its way out: no lock that a module can hold reaches to
                // its last instruction.
                if state.running > 0 && state.overtaken > 0 {
                    Some(Rule::EndedBeforeReturn)
                } else if state.asynchronous {
                    Some(Rule::OperationOutstanding)
                } else {
                    None
                }
            }
            _ => {
                state.answer = Some(Status::CONTINUE);
                Some(Rule::UnknownStatus)
            }
        };
        if let Some(rule) = violation {
            // Before the pipeline can go on: who sees the end of the request sees it.
            self.report(rule, "CHttpModule");
        }
        self.change(state);
        self.idle.notify_all();
    }

    /// Performs an operation while the calling thread waits: rule 5.
    pub(crate) fn perform(&self, operation: Operation) -> Done {
        let mailbox = Mailbox::own();
        let reply = Arc::new(Reply { mailbox: Arc::clone(&mailbox), done: Mutex::default() });
        let mut state = self.lock();
        if state.ended {
            drop(state);
            self.report(Rule::OutsideNotification, operation.name());
            return Done::failed(from_win32(ERROR_INVALID_STATE));
        }
        if state.asynchronous {
            drop(state);
            self.report(Rule::SecondOperation, operation.name());
            return Done::failed(from_win32(ERROR_INVALID_STATE));
        }
        state.operations.push_back(Submitted { operation, waiter: Some(Waiter::Thread(Arc::clone(&reply))) });
        self.request.block(&mailbox);
        self.change(state);
        let done = mailbox.wait(|| reply.done.lock().unwrap_or_else(PoisonError::into_inner).take());
        self.request.unblock(&mailbox);
        done
    }

    /// Starts an operation for which a completion will come: rule 2.
    pub(crate) fn start(&self, operation: Operation, callback: Callback) -> HRESULT {
        let mut state = self.lock();
        if let Some(rule) = state.refuses() {
            drop(state);
            self.report(rule, operation.name());
            return from_win32(ERROR_INVALID_STATE);
        }
        state.asynchronous = true;
        state.cancelled = false;
        let held = self.hold(&mut state);
        state.operations.push_back(Submitted { operation, waiter: Some(Waiter::Completion(callback)) });
        self.change(state);
        self.overtake(held);
        S_OK
    }

    /// A completion without an operation: one that was done at once and is posted all the same, or a module's own.
    pub(crate) fn post(&self, completion: Completion, operation: &'static str) -> HRESULT {
        let mut state = self.lock();
        if state.ended || (state.answer.is_some() && state.running == 0) {
            drop(state);
            self.report(Rule::SecondCompletion, operation);
            return from_win32(ERROR_INVALID_STATE);
        }
        let held = self.hold(&mut state);
        state.posted.push_back(completion);
        self.change(state);
        self.overtake(held);
        S_OK
    }

    /// Whether an asynchronous operation may be started; a violation if not.
    pub(crate) fn may_start(&self, operation: &'static str) -> bool {
        let rule = self.lock().refuses();
        if let Some(rule) = rule {
            self.report(rule, operation);
        }
        rule.is_none()
    }

    /// `IndicateCompletion`.
    pub(crate) fn indicate(&self, status: Status) {
        let mut state = self.lock();
        let violation = match status {
            _ if state.ended || state.answer.is_some() => Some(Rule::SecondCompletion),
            Status::CONTINUE | Status::FINISH_REQUEST => {
                state.answer = Some(status);
                state.asynchronous.then_some(Rule::OperationOutstanding)
            }
            // The notification goes on as it was.
            Status::PENDING => None,
            _ => Some(Rule::UnknownStatus),
        };
        if let Some(rule) = violation {
            self.report(rule, "IHttpContext::IndicateCompletion");
        }
        self.change(state);
    }

    /// `CancelIo`: whether there was something to cancel.
    pub(crate) fn cancel(&self) -> bool {
        let mut state = self.lock();
        let outstanding = state.asynchronous;
        state.cancelled = outstanding;
        self.change(state);
        outstanding
    }

    /// What the driving future does next.
    pub(crate) fn poll_next(&self, task: &Task<'_>) -> Poll<Next> {
        let early = self.request.host.faults.has(Fault::BeforeReturn);
        let mut state = self.lock();
        let quiet = early || state.running == 0;
        let first = state.operations.iter().position(|next| next.is_waited_for() || quiet);
        if let Some(next) = first.and_then(|at| state.operations.remove(at)) {
            return Poll::Ready(Next::Perform(next));
        }
        if state.running == 0
            && let Some(answer) = state.answer
        {
            let unwanted = !state.posted.is_empty();
            state.posted.clear();
            state.ended = true;
            drop(state);
            if unwanted {
                self.report(Rule::SecondCompletion, "IHttpContext::PostCompletion");
            }
            return Poll::Ready(Next::End(answer));
        }
        if quiet
            && state.answer.is_none()
            && let Some(completion) = state.posted.pop_front()
        {
            return Poll::Ready(Next::Deliver(completion));
        }
        state.waker = Some(task.waker().clone());
        Poll::Pending
    }

    /// Whether the operation that is being performed was cancelled; the future is woken when it is.
    pub(crate) fn poll_cancelled(&self, task: &Task<'_>) -> bool {
        let mut state = self.lock();
        state.waker = Some(task.waker().clone());
        state.cancelled
    }

    /// The operation has been performed.
    pub(crate) fn performed(&self, mut submitted: Submitted, done: Done) {
        match submitted.waiter.take() {
            None => {}
            Some(Waiter::Thread(reply)) => reply.answer(done),
            Some(Waiter::Completion(callback)) => {
                let mut state = self.lock();
                state.asynchronous = false;
                if state.answer.is_none() {
                    state.posted.push_back(Completion { bytes: done.bytes, status: done.status, callback });
                }
                self.change(state);
            }
        }
    }

    /// Rule 7.
    pub(crate) fn abandon(&self) {
        let mut state = self.lock();
        state.ended = true;
        loop {
            // Dropped, they are refused.
            state.operations.clear();
            if state.running == 0 {
                return;
            }
            state = self.idle.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Whether it waits: it has been called, no call runs, and there is no answer.
    pub(crate) fn is_pending(&self) -> bool {
        let state = self.lock();
        state.running == 0 && state.answer.is_none() && !state.ended
    }

    pub(crate) fn report(&self, rule: Rule, interface: &'static str) {
        self.request.host.report(rule, interface);
    }

    /// [`Fault::BeforeReturn`]: the call that has started something is held until its completion has come. How many calls
    /// had reached the module before that.
    fn hold(&self, state: &mut State) -> Option<usize> {
        // A thread of the module's own holds nothing up: its handler may be on its way out.
        let own = state.threads.contains(&thread::current().id());
        let held = own && self.request.host.faults.has(Fault::BeforeReturn);
        held.then(|| {
            // Before anybody can be quicker.
            state.overtaken += 1;
            state.entered
        })
    }

    /// The completion is delivered before the module's call returns. What it calls may wait for that very call, so nobody
    /// waits for it for long.
    fn overtake(&self, held: Option<usize>) {
        let Some(entered) = held else { return };
        let mut state = self.lock();
        let bound = std::time::Instant::now() + OVERTAKING;
        while state.entered == entered && !state.ended && std::time::Instant::now() < bound {
            state = self.idle.wait_timeout(state, STEP).unwrap_or_else(PoisonError::into_inner).0;
        }
        // And some time to do harm.
        let running = state.running;
        if running > 1 {
            let waited = self.idle.wait_timeout_while(state, HARM, |state| state.running >= running);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.overtaken -= 1;
    }

    fn change(&self, mut state: MutexGuard<'_, State>) {
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn refuses(&self) -> Option<Rule> {
        if self.ended {
            Some(Rule::OutsideNotification)
        } else if self.asynchronous {
            Some(Rule::SecondOperation)
        } else {
            None
        }
    }
}

impl Submitted {
    /// The operation, to be performed.
    pub(crate) fn take(&mut self) -> Operation {
        std::mem::replace(&mut self.operation, Operation::Aborted("an operation that has begun"))
    }

    pub(crate) fn is_waited_for(&self) -> bool {
        matches!(self.waiter, Some(Waiter::Thread(_)))
    }
}

impl Drop for Submitted {
    /// Whoever waits for it learns that nobody will perform it.
    fn drop(&mut self) {
        if let Some(Waiter::Thread(reply)) = self.waiter.take() {
            reply.answer(Done::failed(from_win32(ERROR_OPERATION_ABORTED)));
        }
    }
}

impl Reply {
    fn answer(&self, done: Done) {
        *self.done.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
        self.mailbox.ring();
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame").field("event", &self.event).finish_non_exhaustive()
    }
}

/// How long [`Fault::BeforeReturn`] waits for a completion that takes its time.
const OVERTAKING: std::time::Duration = std::time::Duration::from_secs(1);

/// How often it looks.
const STEP: std::time::Duration = std::time::Duration::from_millis(1);

/// How long a module that survives it may wait inside `OnAsyncCompletion` for its handler.
const HARM: std::time::Duration = std::time::Duration::from_millis(5);
