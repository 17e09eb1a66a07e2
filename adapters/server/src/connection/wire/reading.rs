//! The body of the request that is being served, read from the connection.

use std::task::{Context as Task, Poll, ready};

use bivalve_core::CompletionStatus;
use bytes::Bytes;

use super::Wire;
use crate::connection::body::{Body, Part};
use crate::http1::reject::Reject;
use crate::transport::Transport;

impl<T: Transport> Wire<T> {
    pub(in crate::connection) fn start_read(&mut self) {
        self.exchange.reading = true;
    }

    /// The next part of the request's body; empty behind its end.
    pub(in crate::connection) fn poll_read(
        &mut self,
        max: usize,
        task: &mut Task<'_>,
    ) -> Poll<Result<Bytes, CompletionStatus>> {
        let read = ready!(self.poll_body(max, task));
        self.exchange.reading = false;
        Poll::Ready(read)
    }

    fn poll_body(&mut self, max: usize, task: &mut Task<'_>) -> Poll<Result<Bytes, CompletionStatus>> {
        loop {
            match self.exchange.body.read(&mut self.input, max, &self.serving.limits) {
                Ok(Part::Data(data)) => {
                    // It comes without the word.
                    self.exchange.owes_continue = false;
                    // Also where the next part is received before it is asked for.
                    self.expect_body();
                    return Poll::Ready(Ok(data));
                }
                Ok(Part::End) => {
                    // Here to its end without the word: where the next request begins is known.
                    self.exchange.owes_continue = false;
                    return Poll::Ready(Ok(Bytes::new()));
                }
                Ok(Part::More) => {}
                Err(reject) => {
                    self.exchange.reject.get_or_insert(reject);
                    return Poll::Ready(Err(CompletionStatus::CONNECTION_ABORTED));
                }
            }
            if std::mem::take(&mut self.exchange.owes_continue) && self.exchange.encoder.is_none() {
                self.output.text().extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
            }
            // Not waited for: a client may take nothing before it has sent all.
            self.push_out(task);
            self.expect_body();
            if !self.has_failed() && self.poll_more(task).is_pending() {
                self.received.wait();
                return Poll::Pending;
            }
            if self.ended || self.has_failed() {
                self.exchange.body = Body::Broken;
                self.exchange.reject.get_or_insert(CUT_OFF);
                return Poll::Ready(Err(CompletionStatus::CONNECTION_ABORTED));
            }
        }
    }

    fn expect_body(&mut self) {
        let here = self.input.octets().len() as u64;
        self.transport.expect(self.exchange.body.expected().saturating_sub(here));
    }
}

const CUT_OFF: Reject = Reject::bad("the body ends before its length (RFC 9112 section 8)");
