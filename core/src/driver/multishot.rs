//! The stream of an operation that goes on.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll, ready};

use futures_core::Stream;

use super::{
    Accepted, Driver, Finished, FinishedBuffer, Lease, Operation, OperationKey, OwnedHandle, Rejected,
};
use crate::CompletionStatus;

/// An operation that goes on: one submission, many completions. A [`Stream`] of connections or leased buffers.
///
/// An error is an item; [`CompletionStatus::from_io_error`] tells which.
///
/// # Cancel safety
///
/// [`next`](Self::next) is cancel safe: nothing is lost when its future is dropped. Dropping the stream itself cancels
/// the operation; what had come and was not taken is dropped, and connections among it are closed. To go on with the
/// handle in another way, [`cancel`](Self::cancel) and take what is left, up to the `CANCELLED` item.
#[must_use = "the operation is cancelled when it is dropped"]
pub struct Multishot<T, D: Driver + ?Sized = dyn Driver> {
    driver: Arc<D>,
    state: State,
    item: PhantomData<fn() -> T>,
}

enum State {
    Running(OperationKey),
    Rejected(Box<Rejected>),
    Done,
}

/// What a [`Multishot`] can bring.
pub trait MultishotItem<D: Driver + ?Sized>: sealed::Sealed {
    /// An item.
    type Output: Send;

    #[doc(hidden)]
    fn from_buffer(buffer: FinishedBuffer, driver: &Arc<D>) -> Option<Self::Output>;
}

mod sealed {
    pub trait Sealed {}
}

impl sealed::Sealed for Lease {}
impl<D: Driver + ?Sized> MultishotItem<D> for Lease {
    type Output = Self;

    fn from_buffer(buffer: FinishedBuffer, _driver: &Arc<D>) -> Option<Self> {
        match buffer {
            FinishedBuffer::Lease(lease) => Some(lease),
            _ => None,
        }
    }
}

impl sealed::Sealed for Accepted {}
impl<D: Driver + ?Sized> MultishotItem<D> for Accepted {
    type Output = OwnedHandle<D>;

    fn from_buffer(buffer: FinishedBuffer, driver: &Arc<D>) -> Option<OwnedHandle<D>> {
        match buffer {
            FinishedBuffer::Handle(handle) => Some(OwnedHandle::new(Arc::clone(driver), handle)),
            _ => None,
        }
    }
}

impl<T: MultishotItem<D>, D: Driver + ?Sized> Multishot<T, D> {
    pub(super) fn start(driver: &Arc<D>, operation: Operation) -> Self {
        let state = match driver.submit(operation) {
            Ok(key) => State::Running(key),
            Err(rejected) => State::Rejected(Box::new(rejected)),
        };
        Self { driver: Arc::clone(driver), state, item: PhantomData }
    }

    /// The next item; `None` after the end, again and again.
    pub async fn next(&mut self) -> Option<io::Result<T::Output>> {
        std::future::poll_fn(|task| self.poll_next(task)).await
    }

    /// The next item, if it is there.
    pub fn poll_next(&mut self, task: &mut task::Context<'_>) -> Poll<Option<io::Result<T::Output>>> {
        let finished = match &self.state {
            State::Running(key) => match ready!(self.driver.poll_next(*key, task)) {
                Some(finished) => finished,
                None => {
                    self.state = State::Done;
                    return Poll::Ready(None);
                }
            },
            State::Rejected(_) | State::Done => match std::mem::replace(&mut self.state, State::Done) {
                State::Rejected(rejected) => rejected.finish(),
                _ => return Poll::Ready(None),
            },
        };
        Poll::Ready(Some(item::<T, D>(finished, &self.driver)))
    }
}

impl<T, D: Driver + ?Sized> Multishot<T, D> {
    /// Asks for cancellation: what has come can still be taken, then a `CANCELLED` item, then the end.
    pub fn cancel(&self) {
        if let State::Running(key) = self.state {
            self.driver.cancel(key);
        }
    }
}

fn item<T: MultishotItem<D>, D: Driver + ?Sized>(
    finished: Finished,
    driver: &Arc<D>,
) -> io::Result<T::Output> {
    finished.completion.into_result()?;
    let wrong = || CompletionStatus::UNSPECIFIED.to_io_error().unwrap_or_else(|| io::ErrorKind::Other.into());
    T::from_buffer(finished.buffer, driver).ok_or_else(wrong)
}

impl<T: MultishotItem<D>, D: Driver + ?Sized> Stream for Multishot<T, D> {
    type Item = io::Result<T::Output>;

    fn poll_next(self: Pin<&mut Self>, task: &mut task::Context<'_>) -> Poll<Option<Self::Item>> {
        Self::poll_next(self.get_mut(), task)
    }
}

impl<T, D: Driver + ?Sized> Drop for Multishot<T, D> {
    fn drop(&mut self) {
        if let State::Running(key) = self.state {
            self.driver.abandon(key);
        }
    }
}

impl<T, D: Driver + ?Sized> fmt::Debug for Multishot<T, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Running(_) => "running",
            State::Rejected(_) => "rejected",
            State::Done => "done",
        };
        f.debug_tuple("Multishot").field(&state).finish()
    }
}
