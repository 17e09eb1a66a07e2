//! One attempt at the operation that is first in its lane, made while no lock is held.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use bivalve_core::driver::Direction;
use bivalve_core::{Completion, CompletionStatus, Lease, Operation};
use bytes::BytesMut;

use crate::endpoint::{Endpoint, Io};
use crate::send::{Progress, is_no_error};
use crate::shared::Shared;
use crate::sys;

/// An operation, and how far it has come: what the one who works on it holds.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) operation: Operation,
    pub(crate) progress: Progress,
}

/// What came of an attempt.
#[derive(Debug)]
pub(crate) enum Attempt {
    /// One connection, which ends the operation.
    Accepted(Arc<Endpoint>),
    /// It has moved its share and could go on.
    Again,
    /// The operation's end; its buffer is in the work.
    Done(Completion),
    /// The end of an operation that goes on, perhaps with a last item.
    End(Option<CompletionStatus>),
    /// One item of an operation that goes on. With `true`, the lane's waker comes when there is more.
    Item(Item, bool),
    /// A send needs a piece of a file first.
    Piece,
    /// The lane's waker comes when it is worth another attempt.
    Waiting,
}

#[derive(Debug)]
pub(crate) enum Item {
    Connection(Arc<Endpoint>),
    Error(CompletionStatus),
    Lease(Lease),
}

impl Work {
    pub(crate) fn new(operation: Operation) -> Self {
        Self { operation, progress: Progress::default() }
    }

    /// Does what can be done now, without waiting.
    pub(crate) fn attempt(&mut self, endpoint: &Endpoint, shared: &Shared) -> Attempt {
        let direction = self.direction();
        if let Err(status) = endpoint.io.check(direction) {
            return if self.operation.is_multishot() {
                Attempt::End(Some(status))
            } else {
                Attempt::Done(Completion::failure(status))
            };
        }
        let mut task = Context::from_waker(endpoint.waker(direction));
        match &mut self.operation {
            Operation::Accept { .. } | Operation::AcceptMany { .. } => {
                self.accept(endpoint, shared, &mut task)
            }
            Operation::Connect { .. } => connect(&endpoint.io, &mut task),
            Operation::Receive { buffer, .. } => receive(&endpoint.io, buffer, &mut task),
            Operation::ReceiveMany { .. } => receive_many(&endpoint.io, shared, &mut task),
            Operation::Shutdown { .. } => Attempt::Done(completion(endpoint.io.finish_sending().map(|()| 0))),
            operation => self.progress.attempt(operation, &endpoint.io, &mut task),
        }
    }

    /// The queue it waits in.
    pub(crate) fn direction(&self) -> Direction {
        // A connect is the first that is written to its socket, in a manner of speaking.
        self.operation.direction().unwrap_or(Direction::Out)
    }

    fn accept(&self, listener: &Endpoint, shared: &Shared, task: &mut Context<'_>) -> Attempt {
        // The new socket belongs to the driver's runtime, wherever this is called.
        let entered = shared.runtime.enter();
        let accepted = loop {
            match listener.io.poll_accept(task) {
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                accepted => break accepted,
            }
        };
        drop(entered);
        let many = self.operation.is_multishot();
        match accepted {
            Poll::Pending => Attempt::Waiting,
            Poll::Ready(Ok(io)) => {
                let endpoint = Endpoint::new(io, &shared.ready);
                if many {
                    Attempt::Item(Item::Connection(endpoint), false)
                } else {
                    Attempt::Accepted(endpoint)
                }
            }
            Poll::Ready(Err(error)) if many => Attempt::Item(Item::Error(sys::status(&error)), false),
            Poll::Ready(Err(error)) => Attempt::Done(completion(Err(error))),
        }
    }
}

fn connect(io: &Io, task: &mut Context<'_>) -> Attempt {
    match io.poll_ready(Direction::Out, task) {
        Poll::Pending => Attempt::Waiting,
        Poll::Ready(Err(_)) => runtime_gone(),
        Poll::Ready(Ok(())) => Attempt::Done(completion(io.connected().map(|()| 0))),
    }
}

fn receive(io: &Io, buffer: &mut BytesMut, task: &mut Context<'_>) -> Attempt {
    loop {
        match io.poll_ready(Direction::In, task) {
            Poll::Pending => return Attempt::Waiting,
            Poll::Ready(Err(_)) => return runtime_gone(),
            Poll::Ready(Ok(())) => {}
        }
        match io.try_read(buffer) {
            Err(error) if is_no_error(&error) => {}
            read => return Attempt::Done(completion(read)),
        }
    }
}

/// A buffer is taken only when there is something to read: an idle connection owns none.
fn receive_many(io: &Io, shared: &Shared, task: &mut Context<'_>) -> Attempt {
    loop {
        match io.poll_ready(Direction::In, task) {
            Poll::Pending => return Attempt::Waiting,
            Poll::Ready(Err(_)) => return Attempt::End(Some(CompletionStatus::CANCELLED)),
            Poll::Ready(Ok(())) => {}
        }
        let mut buffer = shared.leases.take();
        match io.try_read(&mut buffer) {
            Ok(0) => {
                shared.leases.put_back(buffer);
                return Attempt::End(None);
            }
            Ok(_) => {
                let lease = shared.leases.lease(buffer);
                // Asked at once, because the answer is mostly no: it saves another turn.
                let waiting = io.poll_ready(Direction::In, task).is_pending();
                return Attempt::Item(Item::Lease(lease), waiting);
            }
            Err(error) => {
                shared.leases.put_back(buffer);
                if !is_no_error(&error) {
                    return Attempt::End(Some(sys::status(&error)));
                }
            }
        }
    }
}

fn runtime_gone() -> Attempt {
    Attempt::Done(Completion::failure(CompletionStatus::CANCELLED))
}

pub(crate) fn completion(result: io::Result<usize>) -> Completion {
    match result {
        Ok(bytes) => Completion::success(bytes),
        Err(error) => Completion::failure(sys::status(&error)),
    }
}
