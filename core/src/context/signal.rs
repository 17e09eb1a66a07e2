//! What other threads may do to a request: report that the client has gone, post a completion.
//!
//! One [`Signal`] serves all requests that reuse a context. Each request is an *epoch*; a handle carries the
//! epoch in which it was made, and every use checks it under the lock. So a late disconnect or a late post reaches
//! the request it was meant for, or nobody (design.md section 8, facts 3 and 10).
//!
//! Most requests give no handle away and wait for nothing. For them nobody takes the lock.
//!
//! # Rules
//!
//! 1. `epoch` changes at the end of each request, by whoever drives it, and never comes back. Under the lock if the request is
//!    `known`: before a handle is made, and whenever something is put into the state, that is set. Of a request that is not known no
//!    handle has the epoch, and the state holds nothing: then whoever looks sees a difference before and after, lock or not.
//! 2. A handle whose epoch differs changes nothing. What was made while there was no request has epoch 0, which no request has.
//! 3. An arm (one completion to be posted) goes Waiting -> Posted or Abandoned -> taken, once (a new handle makes it Waiting again); the pipeline revokes it
//!    when the event that made it returns.
//! 4. Wakers are taken out under the lock, and called or dropped after it: the last reference to a task may be in
//!    one, and its drop may come back here.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, atomic::Ordering};
#[cfg(not(all(test, bivalve_loom)))]
use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU64},
};
use std::task::{Context as Task, Poll, Waker};

#[cfg(all(test, bivalve_loom))]
use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU64},
};

pub(crate) struct Signal {
    epoch: AtomicU64,
    /// Whether there may be a handle of this request, or something in the state.
    known: AtomicBool,
    /// Set under the lock, by a handle of this epoch.
    gone: AtomicBool,
    state: Mutex<State>,
}

impl Default for Signal {
    fn default() -> Self {
        Self {
            epoch: AtomicU64::new(1),
            known: AtomicBool::new(false),
            gone: AtomicBool::new(false),
            state: Mutex::default(),
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signal").field("gone", &self.gone).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct State {
    arms: Vec<Arm>,
    /// Whoever drives the request, once a call of it waits.
    task: Option<Waker>,
    watchers: Vec<(u64, Waker)>,
    next_id: u64,
}

struct Arm {
    id: u64,
    holders: usize,
    state: ArmState,
    /// Whoever waits for the post: inside a `select!` that may be another waker than that of the request.
    waiter: Option<Waker>,
}

#[derive(Clone, Copy)]
enum ArmState {
    Waiting,
    Posted(usize),
    Abandoned,
}

/// How a wait for a posted completion ended.
pub(crate) enum Posted {
    Bytes(usize),
    Abandoned,
}

impl Signal {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A handle of this request is made.
    fn know(&self) {
        // Whoever ends the request has the context, which was lent for this: no other order is needed.
        self.known.store(true, Ordering::Relaxed);
    }

    /// A new request begins; its epoch.
    pub(crate) fn begin(&self) -> u64 {
        if self.known.load(Ordering::Relaxed) {
            // Between two requests.
            self.end_known();
        }
        // Nobody has the new epoch yet, and with another one this is not written.
        self.gone.store(false, Ordering::Relaxed);
        self.epoch.load(Ordering::Relaxed)
    }

    /// The request is over: every handle made in it is stale from here on.
    pub(crate) fn end(&self) {
        if self.known.load(Ordering::Relaxed) {
            self.end_known();
        } else {
            self.next_epoch();
        }
    }

    /// Only whoever drives the request does this, so nothing comes between.
    fn next_epoch(&self) {
        self.epoch.store(self.epoch.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    #[cold]
    fn end_known(&self) {
        let mut state = self.lock();
        self.next_epoch();
        self.known.store(false, Ordering::Relaxed);
        let arms = std::mem::take(&mut state.arms);
        let task = state.task.take();
        let watchers = std::mem::take(&mut state.watchers);
        drop(state);
        // The driver of the request is the one who calls this: nobody needs to wake it.
        drop((arms, task));
        watchers.into_iter().for_each(|(_, waker)| waker.wake());
    }

    fn is_over(&self, epoch: u64) -> bool {
        self.epoch.load(Ordering::Relaxed) != epoch
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// Ready when the client has gone; remembers the waker otherwise.
    pub(crate) fn poll_gone(&self, task: &Task<'_>) -> bool {
        if self.is_gone() {
            return true;
        }
        let mut state = self.lock();
        let gone = self.is_gone();
        let old = if gone { None } else { remember(&mut state.task, task) };
        self.know();
        drop(state);
        drop(old);
        gone
    }

    fn disconnect(&self, epoch: u64) -> bool {
        let mut state = self.lock();
        if self.is_over(epoch) || self.is_gone() {
            return false;
        }
        self.gone.store(true, Ordering::Release);
        let task = state.task.take();
        let watchers = std::mem::take(&mut state.watchers);
        drop(state);
        task.into_iter().chain(watchers.into_iter().map(|w| w.1)).for_each(Waker::wake);
        true
    }

    /// Makes an arm, for one completion.
    pub(crate) fn arm(&self) -> u64 {
        let mut state = self.lock();
        self.know();
        state.next_id += 1;
        let id = state.next_id;
        state.arms.push(Arm { id, holders: 0, state: ArmState::Waiting, waiter: None });
        id
    }

    /// The event that made the arm has returned: a post to it reaches nobody.
    pub(crate) fn revoke(&self, arm: u64) {
        let mut state = self.lock();
        let index = state.arms.iter().position(|a| a.id == arm);
        let arm = index.map(|index| state.arms.swap_remove(index));
        drop(state);
        drop(arm);
    }

    /// Waits for the post, and takes it.
    pub(crate) fn poll_posted(&self, arm: u64, task: &Task<'_>) -> Poll<Posted> {
        let mut state = self.lock();
        let Some(index) = state.arms.iter().position(|a| a.id == arm) else {
            return Poll::Ready(Posted::Abandoned);
        };
        let posted = match state.arms[index].state {
            ArmState::Posted(bytes) => Posted::Bytes(bytes),
            ArmState::Abandoned => Posted::Abandoned,
            ArmState::Waiting => {
                let old = remember(&mut state.arms[index].waiter, task);
                drop(state);
                drop(old);
                return Poll::Pending;
            }
        };
        let arm = state.arms.swap_remove(index);
        drop(state);
        drop(arm);
        Poll::Ready(posted)
    }
}

/// Keeps the waker, unless it is there already; the one it replaces is the caller's to drop, after the lock.
#[must_use = "dropped under the lock, it may drop a task, and that a handle, which locks again"]
fn remember(slot: &mut Option<Waker>, task: &Task<'_>) -> Option<Waker> {
    match slot {
        Some(waker) if waker.will_wake(task.waker()) => None,
        _ => slot.replace(task.waker().clone()),
    }
}

impl Signal {
    /// An arm of a request, which its handles look for.
    fn find<'s>(&self, state: &'s mut State, epoch: u64, id: u64) -> Result<&'s mut Arm, PostError> {
        if self.is_over(epoch) {
            return Err(PostError::RequestEnded);
        }
        state.arms.iter_mut().find(|arm| arm.id == id).ok_or(PostError::NotAwaited)
    }
}

/// Why a completion was not posted. Nothing happened, and nothing can: each is final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PostError {
    /// The handle, or a clone of it, has posted already. (In IIS a second post crashes the worker: KB 2824214.)
    AlreadyPosted,
    /// Nobody waits: the event that made the handle has returned something else than `Pending`, or its
    /// completion was delivered.
    NotAwaited,
    /// The request is over.
    RequestEnded,
}

impl fmt::Display for PostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AlreadyPosted => {
                "this completion handle has posted already: take a new one for the next completion"
            }
            Self::NotAwaited => {
                "nobody waits for this completion: the event that made the handle has returned"
            }
            Self::RequestEnded => "the request of this completion handle is over",
        })
    }
}

impl std::error::Error for PostError {}

/// Posts one completion to a module that returned [`Flow::Pending`](crate::Flow::Pending). From any thread, at any time.
///
/// Made by [`Context::completion_handle`](crate::Context::completion_handle). Clones post the same completion: the
/// first wins. When the last clone is dropped without a post, the waiting event fails with a clear text rather than hang.
///
/// IIS counterpart: `IHttpContext::PostCompletion`.
pub struct CompletionHandle {
    signal: Arc<Signal>,
    epoch: u64,
    arm: u64,
}

impl CompletionHandle {
    pub(crate) fn new(signal: &Arc<Signal>, epoch: u64, arm: u64) -> Self {
        if let Ok(arm) = signal.find(&mut signal.lock(), epoch, arm) {
            arm.holders += 1;
            if let ArmState::Abandoned = arm.state {
                // Somebody can post again.
                arm.state = ArmState::Waiting;
            }
        }
        Self { signal: Arc::clone(signal), epoch, arm }
    }

    /// Posts: `on_async_completion` then sees these bytes and success.
    ///
    /// # Errors
    ///
    /// When it is too late or was done before; nothing happens then.
    pub fn post_completion(&self, bytes: usize) -> Result<(), PostError> {
        let mut state = self.signal.lock();
        let arm = self.signal.find(&mut state, self.epoch, self.arm)?;
        match arm.state {
            ArmState::Waiting => arm.state = ArmState::Posted(bytes),
            ArmState::Posted(_) | ArmState::Abandoned => return Err(PostError::AlreadyPosted),
        }
        let waiter = arm.waiter.take();
        drop(state);
        if let Some(waiter) = waiter {
            waiter.wake();
        }
        Ok(())
    }
}

impl Clone for CompletionHandle {
    fn clone(&self) -> Self {
        Self::new(&self.signal, self.epoch, self.arm)
    }
}

impl Drop for CompletionHandle {
    fn drop(&mut self) {
        let mut state = self.signal.lock();
        let Ok(arm) = self.signal.find(&mut state, self.epoch, self.arm) else { return };
        arm.holders -= 1;
        if arm.holders > 0 || !matches!(arm.state, ArmState::Waiting) {
            return;
        }
        arm.state = ArmState::Abandoned;
        let waiter = arm.waiter.take();
        drop(state);
        if let Some(waiter) = waiter {
            waiter.wake();
        }
    }
}

impl fmt::Debug for CompletionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompletionHandle")
            .field("epoch", &self.epoch)
            .field("arm", &self.arm)
            .finish_non_exhaustive()
    }
}

/// Tells a request that its client has gone. For hosts; from any thread, at any time.
///
/// IIS counterpart: `IHttpConnectionStoredContext::NotifyDisconnect`.
#[derive(Clone)]
pub struct Disconnector {
    signal: Arc<Signal>,
    epoch: u64,
}

impl Disconnector {
    pub(crate) fn new(signal: &Arc<Signal>, epoch: u64) -> Self {
        signal.know();
        Self { signal: Arc::clone(signal), epoch }
    }

    /// The client has gone. `false` when the request is over or knew it already.
    pub fn disconnect(&self) -> bool {
        self.signal.disconnect(self.epoch)
    }
}

impl fmt::Debug for Disconnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disconnector").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

/// Why a [`Disconnected`] future resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Gone {
    /// The client has gone.
    Client,
    /// The request is over.
    RequestEnded,
}

/// Resolves when the client goes away, or the request ends; owned, for a `select!` or a task of its own.
///
/// # Cancel safety
///
/// May be dropped and made anew at any time.
pub struct Disconnected {
    signal: Arc<Signal>,
    epoch: u64,
    id: u64,
}

impl Disconnected {
    pub(crate) fn new(signal: &Arc<Signal>, epoch: u64) -> Self {
        let mut state = signal.lock();
        signal.know();
        state.next_id += 1;
        let id = state.next_id;
        drop(state);
        Self { signal: Arc::clone(signal), epoch, id }
    }
}

impl Future for Disconnected {
    type Output = Gone;

    fn poll(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Gone> {
        let mut state = self.signal.lock();
        if self.signal.is_over(self.epoch) {
            return Poll::Ready(Gone::RequestEnded);
        }
        if self.signal.is_gone() {
            return Poll::Ready(Gone::Client);
        }
        let old = match state.watchers.iter_mut().find(|w| w.0 == self.id) {
            Some(watcher) => Some(std::mem::replace(&mut watcher.1, task.waker().clone())),
            None => {
                state.watchers.push((self.id, task.waker().clone()));
                None
            }
        };
        drop(state);
        drop(old);
        Poll::Pending
    }
}

impl Drop for Disconnected {
    fn drop(&mut self) {
        let mut state = self.signal.lock();
        let index = state.watchers.iter().position(|w| w.0 == self.id);
        let watcher = index.map(|index| state.watchers.swap_remove(index));
        drop(state);
        drop(watcher);
    }
}

impl fmt::Debug for Disconnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disconnected").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

#[cfg(all(test, bivalve_loom))]
mod models;
