//! A connection without a request: no task, no timer and no memory but what its transport needs to hear of octets.
//!
//! It is one allocation, which the transport's waker and the table of its thread have. Woken, by octets or because its
//! time is over, it becomes a [task](super::life), which goes to sleep again when it is not needed.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context as Task, Poll, Wake, Waker};
use std::time::Instant;

use bivalve_core::Connection;

use super::life::Awake;
use super::pool::Serving;
use crate::transport::{Piece, Transport};

/// A connection's place among those of its thread, dropped with it.
pub(crate) trait Stay: Sized + Send + 'static {
    /// Serves it in a task of its own.
    fn run<F>(self, serve: impl FnOnce(Self) -> F)
    where
        F: Future<Output = ()> + Send + 'static;

    /// It has no task now. It wants to be woken when this deadline has passed, or there is something that it has to see.
    fn rest(&self, asleep: Arc<dyn Asleep>, deadline: Instant);
}

/// A connection that sleeps. One that is awake ignores both.
pub(crate) trait Asleep: Send + Sync {
    fn wake(self: Arc<Self>);

    /// Drops it where it is.
    fn end(&self);
}

/// A connection between two requests.
pub(super) struct Idle<T, S> {
    pub(super) transport: T,
    pub(super) connection: Arc<Connection>,
    pub(super) serving: Arc<Serving>,
    /// No request has come yet.
    pub(super) fresh: bool,
    /// It closes then, unless a request comes.
    pub(super) deadline: Instant,
    // Last: the connection is closed before its place is free.
    pub(super) stay: S,
}

/// What a transport has received.
pub(super) type Came = Option<io::Result<Piece>>;

/// Where a connection sleeps.
struct Bed<T: Transport, S>(Mutex<State<T, S>>);

enum State<T: Transport, S> {
    /// It goes to sleep: whoever wakes it now is heard.
    Dozes,
    Sleeps(Idle<T::Folded, S>),
    Awake,
}

impl<T, S> Idle<T, S> {
    /// The same connection, by another form of its transport.
    fn map<U>(self, change: impl FnOnce(T) -> U) -> Idle<U, S> {
        let Self { transport, connection, serving, fresh, deadline, stay } = self;
        Idle { transport: change(transport), connection, serving, fresh, deadline, stay }
    }
}

impl<T: Transport, S: Stay> Idle<T, S> {
    /// Puts it to sleep, or closes it if its time is over. What has come already is served first: the client may have sent it
    /// before it could know.
    pub(super) fn sleep(mut self) -> Option<Awake<T, S>> {
        let bed = Arc::new(Bed(Mutex::new(State::<T, S>::Dozes)));
        let waker = Waker::from(Arc::clone(&bed));
        if let Poll::Ready(came) = self.transport.poll_receive(&mut Task::from_waker(&waker)) {
            return Some(Awake::new(self, Some(came)));
        }
        drop(waker);
        if self.is_over() {
            self.farewell();
            return None;
        }
        let serving = Arc::clone(&self.serving);
        self.stay.rest(Arc::clone(&bed) as Arc<dyn Asleep>, self.deadline);
        let mut state = bed.lock();
        if matches!(*state, State::Dozes) {
            *state = State::Sleeps(self.map(T::fold));
            drop(state);
        } else {
            drop(state);
            Awake::new(self, None).run();
        }
        // Whoever stops wakes those that sleep; this one may have been too late for that.
        if serving.has_stopped() {
            bed.wake_by_ref();
        }
        None
    }

    /// Whether nobody waits for a request any more.
    fn is_over(&self) -> bool {
        self.serving.has_stopped() || Instant::now() >= self.deadline
    }

    /// The connection ends here, and nothing is missing: where that is said in so many words (TLS's `close_notify`), it is,
    /// as far as it leaves without waiting.
    fn farewell(&mut self) {
        if !T::EAGER {
            let _ = self.transport.poll_shutdown(&mut Task::from_waker(Waker::noop()));
        }
    }
}

impl<T: Transport, S: Stay> Bed<T, S> {
    /// Who sleeps there, if anybody does.
    fn leave(&self) -> Option<Idle<T, S>> {
        match std::mem::replace(&mut *self.lock(), State::Awake) {
            State::Sleeps(idle) => Some(idle.map(T::unfold)),
            State::Dozes | State::Awake => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T, S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Transport, S: Stay> Wake for Bed<T, S> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(idle) = self.leave() {
            Awake::new(idle, None).run();
        }
    }
}

impl<T: Transport, S: Stay> Asleep for Bed<T, S> {
    fn wake(self: Arc<Self>) {
        Wake::wake(self);
    }

    fn end(&self) {
        // Without the lock: what it has is not ours.
        let left = self.leave();
        drop(left);
    }
}

#[cfg(test)]
mod tests;
