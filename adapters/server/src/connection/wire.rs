//! One connection: what was received, what is to be sent, and the message that is under way in each direction.
//!
//! Two have it: the task of the connection, between requests and while a module waits for something else, and the
//! [host](super::host) of the request, while it reads or sends. Both run in that one task and neither keeps it across a
//! call of the other, so a cell that only checks this is enough: it costs half of what a lock does.

mod heads;
mod leaving;
mod reading;

use std::io;
use std::sync::Arc;
use std::task::{Context as Task, Poll, ready};
use std::time::Instant;

use bivalve_core::{Completion, CompletionStatus, EntityChunk, Outgoing, ResponseHead};
use http::header::{self, HeaderMap};
use http::{HeaderValue, StatusCode};

pub(super) use self::heads::{Head, Other};
use super::body::Body;
use super::exchange::Exchange;
use super::idle::Came;
use super::input::Input;
use super::pace::Pace;
use super::pool::Serving;
use crate::http1::head;
use crate::http1::heads::Heads;
use crate::http1::length::BodyLength;
use crate::http1::output::Output;
use crate::http1::reject::Reject;
use crate::http1::response::{Asked, Encoder};
use crate::http1::scan::Scanner;
use crate::limits::READ_AHEAD;
use crate::transport::Transport;

/// One connection.
#[derive(Debug)]
pub(super) struct Wire<T> {
    transport: T,
    serving: Arc<Serving>,
    input: Input,
    output: Output,
    /// Octets of the send that is under way.
    sending: Option<u64>,
    scanner: Scanner,
    /// The client has finished its side, or the connection has failed.
    ended: bool,
    /// Nothing can be sent any more.
    failed: Option<CompletionStatus>,
    /// The request has been told that its client has gone before it hears that its send has failed.
    told: bool,
    received: Pace,
    sent: Pace,
    exchange: Exchange,
    /// No request has come yet.
    fresh: bool,
}

/// What becomes of the connection behind a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// The response is not complete; the client has to notice.
    Abort,
    /// It ends, and the client may still be sending.
    Close,
    /// A rest of the body has to be read first.
    Drain,
    /// The next request.
    Next,
}

impl<T: Transport> Wire<T> {
    /// `fresh`: no request has come yet.
    pub(super) fn new(transport: T, serving: Arc<Serving>, fresh: bool) -> Self {
        Self {
            transport,
            serving,
            input: Input::default(),
            output: Output::default(),
            sending: None,
            scanner: Scanner::default(),
            ended: false,
            failed: None,
            told: false,
            received: Pace::default(),
            sent: Pace::default(),
            exchange: Exchange::default(),
            fresh,
        }
    }

    // Between requests.

    fn begin(&mut self, head: &head::Head) {
        self.exchange = Exchange {
            asked: Some(Asked::of(head)),
            body: Body::of(head.length),
            owes_continue: head.expects_continue && head.length != BodyLength::Exact(0),
            ..Exchange::default()
        };
        self.received = Pace::default();
        // Who does not take the last response gets no more time by asking again.
        if !self.sent.is_waiting() {
            self.sent = Pace::default();
        }
    }

    /// Whether the finished responses are to leave before the next request is served, though it may be here.
    pub(super) fn is_full(&self) -> bool {
        self.output.len() > BATCH
    }

    /// Whether a part of a head has come.
    pub(super) fn has_begun(&self) -> bool {
        !self.input.is_empty()
    }

    /// When the first of the responses was written that have not left.
    pub(super) fn written(&self) -> Option<Instant> {
        self.output.written()
    }

    /// Waits for more of what the client sends. `false`: there is no more.
    pub(super) fn poll_more(&mut self, task: &mut Task<'_>) -> Poll<bool> {
        if self.ended {
            return Poll::Ready(false);
        }
        let came = ready!(self.transport.poll_receive(task));
        Poll::Ready(self.came(came))
    }

    /// Takes what has come. `false`: there is no more.
    pub(super) fn came(&mut self, came: Came) -> bool {
        match came {
            Some(Ok(piece)) => {
                self.received.moved(piece.len() as u64, self.serving.timeouts.octets_per_second);
                self.input.push(piece);
                true
            }
            Some(Err(error)) => {
                note(&error);
                self.ended = true;
                self.failed.get_or_insert(CompletionStatus::CONNECTION_ABORTED);
                false
            }
            None => {
                self.ended = true;
                false
            }
        }
    }

    /// Hands what is to be sent to the transport, without waiting for it, if none is under way.
    pub(super) fn push_out(&mut self, task: &mut Task<'_>) {
        loop {
            if self.poll_sent(task).is_pending() {
                return self.output.stays();
            }
            if self.output.is_empty() {
                return;
            }
            self.start();
            if T::EAGER && self.output.is_empty() {
                // Nothing waits for its end, and nobody needs to be woken by it.
                return;
            }
        }
    }

    /// Sends everything. Whether it left is in [`failed`](Self::has_failed).
    pub(super) fn poll_flush(&mut self, task: &mut Task<'_>) -> Poll<()> {
        loop {
            ready!(self.poll_sent(task));
            if self.output.is_empty() {
                return Poll::Ready(());
            }
            self.start();
        }
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    /// Answers what is no request.
    pub(super) fn answer(&mut self, reject: Reject) {
        self.exchange = Exchange::default();
        self.refuse(reject);
    }

    /// Throws away what the client still sends. `Ready` when it has finished.
    pub(super) fn poll_discard(&mut self, task: &mut Task<'_>) -> Poll<()> {
        ready!(self.transport.poll_shutdown(task));
        for _ in 0..DISCARDED {
            let rest = self.input.octets().len();
            self.input.skip(rest);
            if !ready!(self.poll_more(task)) {
                return Poll::Ready(());
            }
        }
        // Who sends faster than this is no reason to look at no deadline.
        task.waker().wake_by_ref();
        Poll::Pending
    }

    /// Whether the client has not got all of a response that has begun.
    pub(super) fn is_unfinished(&self) -> bool {
        let begun = self.exchange.encoder.is_some() && (!self.exchange.ended || self.exchange.reset);
        begun || self.sending.is_some() || !self.output.is_empty()
    }

    /// From here on, closing tells the client that something is missing.
    pub(super) fn reset_transport(&mut self) {
        self.output.clear();
        self.transport.reset();
    }

    // While a request is served.

    /// Looks whether the client is still there. `Ready`: it has gone.
    pub(super) fn poll_gone(&mut self, task: &mut Task<'_>) -> Poll<()> {
        if self.ended || self.has_failed() {
            return Poll::Ready(());
        }
        // While the handler works on something else, others need the buffer.
        self.input.gather();
        // Who reads will hear of it. And what is here already is a request behind this one, or a body that nobody reads: then
        // the client has to wait, and whether it is there is not seen.
        if self.exchange.reading || self.input.octets().len() >= READ_AHEAD {
            return Poll::Pending;
        }
        loop {
            if !ready!(self.poll_more(task)) {
                return Poll::Ready(());
            }
            self.input.gather();
            if self.input.octets().len() >= READ_AHEAD {
                return Poll::Pending;
            }
        }
    }

    /// When the client has been waited for too long.
    pub(super) fn deadline(&self, timeouts: &super::Timeouts) -> Option<Instant> {
        let (grace, rate) = (timeouts.stall, timeouts.octets_per_second);
        match (self.received.deadline(grace, rate, 0), self.send_deadline(timeouts)) {
            (Some(received), Some(sent)) => Some(received.min(sent)),
            (received, sent) => received.or(sent),
        }
    }

    /// When the client has been waited for too long to take what is sent.
    pub(super) fn send_deadline(&self, timeouts: &super::Timeouts) -> Option<Instant> {
        self.sent.deadline(timeouts.stall, timeouts.octets_per_second, self.sending.unwrap_or_default())
    }

    /// The client takes or gives nothing: no more of it.
    pub(super) fn give_up(&mut self) {
        self.failed.get_or_insert(CompletionStatus::TIMED_OUT);
        self.ended = true;
        self.exchange.reset = true;
    }

    /// A part of the response. What came of it, where nothing is waited for: the last one leaves with what comes next.
    pub(super) fn start_send(&mut self, part: Outgoing<'_>) -> Option<CompletionStatus> {
        self.encode(part);
        let settled = self.exchange.reset || (self.exchange.ended && (self.told || self.failed.is_none()));
        settled.then(|| self.sent_status())
    }

    fn encode(&mut self, mut part: Outgoing<'_>) {
        let (octets, end) = (part.entity_len(), part.is_end());
        self.exchange.part = usize::try_from(octets).unwrap_or(usize::MAX);
        if self.exchange.ended || self.exchange.reset {
            return;
        }
        self.exchange.ended = end;
        if self.exchange.encoder.is_none() {
            if let Some(reject) = self.exchange.reject {
                // What the handler made of a body that it could not read is not what was wrong.
                tracing::debug!(target: "bivalve::server", %reject, "a body is refused");
                return self.refuse(reject);
            }
            let (Some(head), Some(mut asked)) = (part.head(), self.exchange.asked) else {
                self.exchange.reset = true;
                return;
            };
            // Who was never told to go on may send the body, or not: where the next request begins is not known.
            asked.persistent &= !self.exchange.owes_continue;
            // A handler that goes on may still read the rest of a long body.
            asked.persistent &= !end || self.exchange.body.is_short();
            asked.persistent &= !self.serving.has_stopped();
            Encoder::begin(&mut self.exchange.encoder, &mut self.output, head, asked, octets, end);
        }
        let Some(encoder) = &mut self.exchange.encoder else { return };
        // Until it is whole: a destructor of a chunk that panics in between leaves half of it.
        self.exchange.reset = true;
        let mut written = encoder.body(&mut self.output, part.chunks(), octets);
        if end && written.is_ok() {
            written = encoder.end(&mut self.output, part.trailers());
        }
        if written.is_err() {
            tracing::error!(
                "the response is not as long as its Content-Length said; the connection is reset"
            );
        }
        self.exchange.reset = written.is_err();
    }

    /// Whether the part has left.
    pub(super) fn poll_send(&mut self, task: &mut Task<'_>) -> Poll<Completion> {
        if !self.exchange.ended && !self.exchange.reset {
            ready!(self.poll_flush(task));
        }
        if self.failed.is_some() && !self.exchange.reset && !std::mem::replace(&mut self.told, true) {
            // First whoever polls the request looks whether the client is there.
            task.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(self.sent_part())
    }

    fn sent_part(&self) -> Completion {
        match self.sent_status() {
            CompletionStatus::SUCCESS => Completion::success(self.exchange.part),
            status => Completion::failure(status),
        }
    }

    fn sent_status(&self) -> CompletionStatus {
        match self.failed {
            _ if self.exchange.reset => CompletionStatus::CONNECTION_ABORTED,
            failed => failed.unwrap_or(CompletionStatus::SUCCESS),
        }
    }

    pub(super) fn reset(&mut self) {
        self.exchange.reset = true;
    }

    /// What follows, now that the pipeline is done with the request. Where that is the next one, and the finished responses need not
    /// leave first, it is begun, or known not to be here.
    pub(super) fn finish(&mut self, heads: &mut Heads) -> (After, Option<Head>) {
        self.transport.expect(0);
        let Exchange { encoder, body, ended, reset, .. } = &self.exchange;
        let after = match encoder {
            Some(encoder) if *ended && !*reset && !self.has_failed() => {
                if encoder.close {
                    After::Close
                } else if body.is_read() {
                    After::Next
                } else {
                    After::Drain
                }
            }
            _ => After::Abort,
        };
        let next = (after == After::Next && !self.is_full()).then(|| self.next_head(heads));
        (after, next)
    }

    fn refuse(&mut self, reject: Reject) {
        let mut headers = HeaderMap::with_capacity(2);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        let head = ResponseHead { status: reject.status, headers, ..ResponseHead::default() };
        let text = EntityChunk::from(reason(reject.status));
        let mut asked = self.exchange.asked.unwrap_or(Asked::UNKNOWN);
        asked.persistent = false;
        let octets = text.len();
        let encoder = &mut self.exchange.encoder;
        let encoder = Encoder::begin(encoder, &mut self.output, &head, asked, octets, true);
        let _ = encoder.body(&mut self.output, &mut [text], octets);
        self.exchange.ended = true;
    }

    fn start(&mut self) {
        if !self.output.is_empty() {
            let all = self.output.len();
            let piece = self.output.take(if self.output.has_file() { FILE_PIECE } else { PIECE });
            self.sending = Some(all - self.output.len());
            self.transport.start_send(piece);
        }
    }

    /// Waits for the send that is under way.
    fn poll_sent(&mut self, task: &mut Task<'_>) -> Poll<()> {
        let Some(octets) = self.sending else { return Poll::Ready(()) };
        let Poll::Ready((status, memory)) = self.transport.poll_send(task) else {
            self.sent.wait();
            // Others need the buffer meanwhile.
            self.input.gather();
            return Poll::Pending;
        };
        self.sending = None;
        self.sent.moved(octets, self.serving.timeouts.octets_per_second);
        self.output.reuse(memory);
        if !status.is_success() {
            self.failed.get_or_insert(status);
            self.output.clear();
        }
        Poll::Ready(())
    }
}

fn reason(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or("Error")
}

fn note(error: &io::Error) {
    tracing::debug!(target: "bivalve::server", %error, "the connection has failed");
}

/// Octets of finished responses that wait for the next request that is here already.
const BATCH: u64 = 64 * 1024;
/// Octets that are sent at once: how much of them the client has taken is seen at their end only.
const PIECE: u64 = 256 * 1024;
/// The same, where a file is among them: so much of one is sent without a copy.
const FILE_PIECE: u64 = 128 * 1024;

/// Pieces that are thrown away before others get a turn.
const DISCARDED: u32 = 16;
