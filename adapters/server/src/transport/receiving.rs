//! What a driver receives: in buffers that all connections share, or, while a large body flows, in large ones of ours.
//!
//! A connection waits in the driver's buffers: then it owns none. Only when a body is known to have much more, and what
//! came last shows that it flows, the receive that goes on is stopped, and single ones go into a large buffer each, until
//! the client has become slow or the connection rests. What had come before the stop is taken first, so that no octet is
//! lost or changes its place.

use std::io;
use std::pin::Pin;
use std::task::{Context as Task, Poll, ready};

use bivalve_core::{CompletionStatus, DriverExt, Lease, Multishot, OwnedHandle, Started};
use bytes::BytesMut;

use super::Piece;
use super::large::Place;

/// The receiving half of a stream.
#[derive(Debug)]
pub(super) struct Receiving {
    /// Into the driver's buffers, as it comes.
    shared: Option<Multishot<Lease>>,
    /// Into large buffers, once the other one has stopped.
    large: Option<Box<Large>>,
    /// Octets of a body that are still to come, as far as that is known.
    expected: u64,
    /// What came last was so much that the client is not waited for.
    flows: bool,
    /// No large buffer is to wait for the client.
    rests: bool,
    ended: bool,
}

#[derive(Debug)]
struct Large {
    place: Place,
    /// The other one has said that it stopped because it was told to.
    stopped: bool,
    receive: Option<Started<BytesMut>>,
}

impl Receiving {
    /// Begins to receive.
    pub(super) fn new(handle: &OwnedHandle) -> Self {
        Self::unfold(handle.driver().receive_many(handle))
    }

    /// What waits for octets, if that is all there is.
    pub(super) fn fold(self) -> Result<Multishot<Lease>, Self> {
        match self {
            Self { shared: Some(shared), large: None, ended: false, .. } => Ok(shared),
            other => Err(other),
        }
    }

    pub(super) fn unfold(shared: Multishot<Lease>) -> Self {
        Self { shared: Some(shared), large: None, expected: 0, flows: false, rests: false, ended: false }
    }

    /// So many octets of a body are still to come.
    pub(super) fn expect(&mut self, octets: u64) {
        self.expected = octets;
    }

    /// Nothing is expected: no large buffer waits for the client any more.
    pub(super) fn rest(&mut self) {
        self.expected = 0;
        self.rests = self.large.is_some();
    }

    /// The next octets. `None`: the peer has finished; asked again, it says so again.
    pub(super) fn poll(
        &mut self,
        handle: &OwnedHandle,
        task: &mut Task<'_>,
    ) -> Poll<Option<io::Result<Piece>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let received = ready!(self.poll_piece(handle, task));
        match &received {
            Some(Ok(piece)) => {
                // What little is left at the end of a body says nothing.
                let is_last = self.expected > 0 && self.expected <= piece.len() as u64;
                self.flows = piece.len() >= FLOWS || (self.flows && is_last);
                self.expected = self.expected.saturating_sub(piece.len() as u64);
            }
            _ => {
                self.ended = true;
                self.large = None;
            }
        }
        Poll::Ready(received)
    }

    /// Stops, and adds what has come meanwhile.
    pub(super) fn poll_stop(&mut self, rest: &mut BytesMut, task: &mut Task<'_>) -> Poll<()> {
        if let Some(shared) = &mut self.shared {
            shared.cancel();
            // An item behind the cancellation is what came before it, or the word that there is no more.
            while let Some(item) = ready!(shared.poll_next(task)) {
                item.into_iter().for_each(|lease| rest.extend_from_slice(&lease));
            }
        }
        if let Some(receive) = self.large.as_mut().and_then(|large| large.receive.as_mut()) {
            receive.cancel();
            rest.extend_from_slice(&ready!(Pin::new(receive).poll(task)).buffer);
        }
        self.large = None;
        Poll::Ready(())
    }

    fn poll_piece(&mut self, handle: &OwnedHandle, task: &mut Task<'_>) -> Poll<Option<io::Result<Piece>>> {
        loop {
            if let Some(shared) = &mut self.shared {
                if self.large.is_none()
                    && self.flows
                    && self.expected >= LARGE
                    && let Some(place) = Place::take()
                {
                    shared.cancel();
                    self.large = Some(Box::new(Large { place, stopped: false, receive: None }));
                }
                match (ready!(shared.poll_next(task)), &mut self.large) {
                    (Some(Err(error)), Some(large)) if is_cancelled(&error) => large.stopped = true,
                    (None, Some(large)) if large.stopped => self.shared = None,
                    (item, _) => return Poll::Ready(item.map(|item| item.map(Piece::from))),
                }
                continue;
            }
            let Some(large) = &mut self.large else {
                self.shared = Some(handle.driver().receive_many(handle));
                continue;
            };
            let Some(receive) = &mut large.receive else {
                // Also behind the body: who sends large ones sends another, and the change costs more than a receive.
                if self.flows && !self.rests {
                    large.receive = Some(handle.driver().receive(handle, large.place.buffer()));
                } else {
                    (self.large, self.rests) = (None, false);
                }
                continue;
            };
            if self.rests {
                receive.cancel();
            }
            let completed = ready!(Pin::new(receive).poll(task));
            large.receive = None;
            match completed.completion.into_result() {
                Ok(0) => return Poll::Ready(None),
                Ok(_) => return Poll::Ready(Some(Ok(Piece::Kept(large.place.lend(completed.buffer))))),
                Err(error) if self.rests && is_cancelled(&error) => {
                    large.place.put_back(completed.buffer);
                }
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
    }
}

fn is_cancelled(error: &io::Error) -> bool {
    CompletionStatus::from_io_error(error) == CompletionStatus::CANCELLED
}

/// So much of a body must still be to come for the change to be worth it.
const LARGE: u64 = 64 * 1024;

/// A piece of so many octets, or more, is one of a client that sends faster than it is read.
const FLOWS: usize = 2048;

#[cfg(test)]
mod tests;
