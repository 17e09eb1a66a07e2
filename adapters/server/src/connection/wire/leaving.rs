//! A transport that leaves: to sleep, for another protocol, or for good.

use std::task::{Context as Task, Poll, Waker, ready};

use bytes::BytesMut;

use super::Wire;
use crate::transport::Transport;

impl<T: Transport> Wire<T> {
    /// The connection ends here, and nothing is missing: where that is said in so many words (TLS's `close_notify`), it is,
    /// as far as it leaves without waiting.
    pub(in crate::connection) fn farewell(&mut self) {
        if !T::EAGER && self.sending.is_none() && !self.has_failed() {
            let _ = self.transport.poll_shutdown(&mut Task::from_waker(Waker::noop()));
        }
    }

    /// Sends what is left, and stops receiving: the transport is then free for another protocol. Adds what has come.
    pub(in crate::connection) fn poll_quiet(&mut self, rest: &mut BytesMut, task: &mut Task<'_>) -> Poll<()> {
        ready!(self.poll_flush(task));
        let octets = self.input.octets().len();
        rest.extend_from_slice(self.input.octets());
        self.input.skip(octets);
        self.transport.poll_quiet(rest, task)
    }

    pub(in crate::connection) fn into_transport(self) -> T {
        self.transport
    }

    /// The transport, and whether no request has come yet: all else is forgotten. `None`: there is something that may not be.
    pub(in crate::connection) fn into_idle(mut self) -> Option<(T, bool)> {
        let is_idle = self.input.is_empty() && !self.is_unfinished() && !self.ended && !self.has_failed();
        debug_assert!(is_idle, "a connection rests in the middle of a message");
        self.transport.rest();
        is_idle.then_some((self.transport, self.fresh))
    }
}
