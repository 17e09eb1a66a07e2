//! The future of one operation.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll, ready};

use super::{Buffer, Driver, Operation, OperationKey, Rejected};
use crate::Completed;

/// An operation in flight: a future of its completion and buffer. It goes on whether or not it is polled.
///
/// # Cancel safety
///
/// Dropping it cancels the operation; the driver keeps the buffer until the system is done with it, then frees it.
/// What was received into it is lost then, and a stream of which a send had left in part is broken (rule 3 of
/// [`driver`](super)). [`cancel`](Self::cancel) and a last await keep buffer and bytes.
///
/// # Panics
///
/// When polled after it was ready, and when `B` is not the kind of buffer that the operation owns.
#[must_use = "an operation is cancelled when it is dropped"]
pub struct Started<B, D: Driver + ?Sized = dyn Driver> {
    driver: Arc<D>,
    state: State,
    buffer: PhantomData<fn() -> B>,
}

enum State {
    Running(OperationKey),
    Rejected(Box<Rejected>),
    Done,
}

impl<B: Buffer<D>, D: Driver + ?Sized> Started<B, D> {
    pub(super) fn start(driver: &Arc<D>, operation: Operation) -> Self {
        let state = match driver.submit(operation) {
            Ok(key) => State::Running(key),
            Err(rejected) => State::Rejected(Box::new(rejected)),
        };
        Self { driver: Arc::clone(driver), state, buffer: PhantomData }
    }
}

impl<B, D: Driver + ?Sized> Started<B, D> {
    /// Asks for cancellation; the future still has to be awaited for the outcome and the buffer.
    pub fn cancel(&self) {
        if let State::Running(key) = self.state {
            self.driver.cancel(key);
        }
    }
}

impl<B: Buffer<D>, D: Driver + ?Sized> Future for Started<B, D> {
    type Output = Completed<B::Output>;

    fn poll(mut self: Pin<&mut Self>, task: &mut task::Context<'_>) -> Poll<Self::Output> {
        let finished = match self.state {
            State::Running(key) => ready!(self.driver.poll(key, task)),
            State::Rejected(_) | State::Done => match std::mem::replace(&mut self.state, State::Done) {
                State::Rejected(rejected) => rejected.finish(),
                _ => misuse("Started was polled after it had completed"),
            },
        };
        self.state = State::Done;
        match B::from_finished(finished.buffer, &self.driver) {
            Ok(buffer) => Poll::Ready(Completed::new(finished.completion, buffer)),
            Err(_) => misuse("the operation's buffer is of another type than Started was made for"),
        }
    }
}

/// A mistake in the caller's code, of the kind that `Future` documents as a panic.
#[allow(clippy::panic, reason = "documented on Started; no network input reaches it")]
fn misuse(text: &str) -> ! {
    panic!("{text}")
}

impl<B, D: Driver + ?Sized> Drop for Started<B, D> {
    fn drop(&mut self) {
        if let State::Running(key) = self.state {
            self.driver.abandon(key);
        }
    }
}

impl<B, D: Driver + ?Sized> fmt::Debug for Started<B, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Running(_) => "running",
            State::Rejected(_) => "rejected",
            State::Done => "done",
        };
        f.debug_tuple("Started").field(&state).finish()
    }
}
