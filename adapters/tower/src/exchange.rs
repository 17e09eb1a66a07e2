//! Between the pipeline that makes a response and the body that hyper polls.
//!
//! Both are driven by one task: the body polls the pipeline, the pipeline puts parts into the [`Exchange`], the body takes
//! them out. A part that is not the last completes when it has been taken, which is what holds a fast module back to
//! the speed of a slow client.

use std::any::Any;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context as Task, Poll, Waker};

use bivalve_core::{
    Completion, CompletionStatus, Context, Disconnector, EntityChunk, Host, Outgoing, ResponseHead,
    ResponsePart,
};
use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};

use crate::detach::detach;
use crate::file::FileReader;
use crate::layer::Shared;
use crate::{Body, BoxError};

/// The rest of a request's run; it gives back the context for the next one.
pub(crate) type RunFuture = Pin<Box<dyn Future<Output = Box<Context>> + Send>>;

/// What passes from the pipeline to the body.
#[derive(Default)]
pub(crate) struct Exchange {
    state: Mutex<State>,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) head: Option<ResponseHead>,
    /// A response that passes through untouched.
    pub(crate) passed: Option<Response<Body>>,
    pub(crate) chunks: Chunks,
    /// The last part is in.
    pub(crate) ended: bool,
    pub(crate) reset: bool,
    /// The length that a head announced which left before the end of the response.
    pub(crate) announced: Option<u64>,
    /// Nobody takes parts any more.
    abandoned: bool,
    /// Nobody takes parts, and the pipeline is not to notice.
    discarding: Option<Discarding>,
    /// Bytes of the part that is being taken.
    sending: usize,
    sender: Option<Waker>,
}

impl Exchange {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Parts of a response that has no body.
struct Discarding {
    /// How many more, before the client counts as gone.
    left: u32,
    disconnector: Disconnector,
}

/// How many parts are discarded: a module that streams without end shall learn that nobody listens.
const DISCARDED: u32 = 1024;

impl Exchange {
    /// From here on every part is taken at once, and thrown away.
    pub(crate) fn discard(&self, disconnector: Disconnector) {
        self.let_go(|state| state.discarding = Some(Discarding { left: DISCARDED, disconnector }));
    }

    /// From here on nobody takes parts.
    pub(crate) fn abandon(&self) {
        self.let_go(|state| state.abandoned = true);
    }

    /// Nobody will take what is there. It is dropped outside the lock, for its destructors are anybody's.
    fn let_go(&self, why: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        why(&mut state);
        let rest = (std::mem::take(&mut state.chunks), state.passed.take());
        let sender = state.sender.take();
        drop(state);
        drop(rest);
        if let Some(sender) = sender {
            sender.wake();
        }
    }
}

/// Entity on its way out: bytes, file ranges, then trailers.
#[derive(Default)]
pub(crate) struct Chunks {
    queue: VecDeque<EntityChunk>,
    file: Option<FileReader>,
    trailers: Option<HeaderMap>,
    remaining: u64,
}

impl Chunks {
    fn push(&mut self, part: ResponsePart) {
        self.remaining += part.chunks.iter().map(EntityChunk::len).sum::<u64>();
        if self.queue.is_empty() {
            // Its memory as well.
            self.queue = part.chunks.into();
        } else {
            self.queue.extend(part.chunks);
        }
        self.trailers = part.trailers;
    }

    /// Bytes that are left.
    pub(crate) fn remaining(&self) -> u64 {
        self.remaining
    }

    /// Whether nothing is left, trailers included.
    pub(crate) fn is_empty(&self) -> bool {
        self.remaining == 0 && self.trailers.is_none()
    }

    /// The common case: at most one piece of memory, and nothing after it. `None` otherwise, and all is still here.
    pub(crate) fn take_single(&mut self) -> Option<Bytes> {
        if self.trailers.is_some() || self.file.is_some() || self.queue.len() > 1 {
            return None;
        }
        match self.queue.front_mut() {
            None => Some(Bytes::new()),
            Some(EntityChunk::Bytes(bytes)) => {
                let bytes = std::mem::take(bytes);
                *self = Self::default();
                Some(bytes)
            }
            Some(_) => None,
        }
    }

    /// The next frame; `None` when nothing is left now.
    pub(crate) fn poll_frame(&mut self, task: &mut Task<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        loop {
            if let Some(file) = &mut self.file {
                match std::task::ready!(file.poll_read(task)) {
                    Some(Ok(bytes)) => return self.data(bytes),
                    Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                    None => self.file = None,
                }
            }
            match self.queue.pop_front() {
                Some(EntityChunk::Bytes(bytes)) if bytes.is_empty() => {}
                Some(EntityChunk::Bytes(bytes)) => return self.data(bytes),
                Some(EntityChunk::File(range)) => self.file = Some(FileReader::new(&range)),
                // A kind of chunk this adapter does not know must not become a short body.
                Some(_) => {
                    return Poll::Ready(Some(Err("an entity chunk of a kind that cannot be sent".into())));
                }
                None => {
                    return Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))));
                }
            }
        }
    }

    fn data(&mut self, bytes: Bytes) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.remaining = self.remaining.saturating_sub(bytes.len() as u64);
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }
}

/// The host of a request that came through Tower.
pub(crate) struct TowerHost {
    exchange: Arc<Exchange>,
    body: Body,
    max: usize,
    left: Bytes,
    /// The request's body broke off: whoever reads it from here on is told so again.
    broken: bool,
    /// What it broke off with, for the handler.
    error: Option<BoxError>,
}

impl TowerHost {
    pub(crate) fn new(body: Body) -> (Self, Arc<Exchange>) {
        let exchange = Arc::new(Exchange::default());
        let host = Self {
            exchange: Arc::clone(&exchange),
            body,
            max: 0,
            left: Bytes::new(),
            broken: false,
            error: None,
        };
        (host, exchange)
    }

    /// Another request in the same memory.
    pub(crate) fn restart(&mut self, body: Body) -> Arc<Exchange> {
        self.release();
        self.body = body;
        if Arc::get_mut(&mut self.exchange).is_some() {
            *self.exchange.lock() = State::default();
        } else {
            self.exchange = Arc::default();
        }
        Arc::clone(&self.exchange)
    }

    /// Lets go of the request's body. hyper reads the next request of a connection only when nobody holds the body
    /// of this one any more.
    pub(crate) fn release(&mut self) {
        // A body that is still being taken keeps its exchange; nothing else of the request stays with a pooled context.
        if Arc::get_mut(&mut self.exchange).is_some() {
            let state = std::mem::take(&mut *self.exchange.lock());
            drop(state);
        } else {
            self.exchange = Arc::default();
        }
        self.body = Body::empty();
        self.left = Bytes::new();
        self.broken = false;
        self.error = None;
    }

    pub(crate) fn take_error(&mut self) -> Option<BoxError> {
        self.error.take()
    }

    pub(crate) fn of(cx: &mut Context) -> Option<&mut Self> {
        (cx.host_mut() as &mut dyn Any).downcast_mut()
    }

    /// The request's body, for a handler that reads it without the pipeline. One that has broken off ends in its error:
    /// a part of a body must not look like the whole.
    pub(crate) fn take_body(&mut self) -> Body {
        let left = std::mem::take(&mut self.left);
        let body = if self.broken {
            Body::broken(self.error.take().unwrap_or_else(|| "the request's body broke off".into()))
        } else {
            std::mem::take(&mut self.body)
        };
        if left.is_empty() { body } else { body.after(vec![left]) }
    }
}

impl Host for TowerHost {
    fn start_send(&mut self, part: Outgoing<'_>) {
        let mut part = part.into_part();
        let mut state = self.exchange.lock();
        let bytes = part.chunks.iter().map(EntityChunk::len).sum::<u64>();
        if let Some(mut head) = part.head.take() {
            if !part.end {
                if bytes > 0 {
                    // Modules have written: before the handler's body, after it, or both.
                    head.headers.remove(CONTENT_LENGTH);
                }
                state.announced = head
                    .headers
                    .get(CONTENT_LENGTH)
                    .and_then(|v| v.to_str().ok())
                    .and_then(|v| v.parse().ok());
            }
            state.head = Some(head);
        }
        state.sending = usize::try_from(bytes).unwrap_or(usize::MAX);
        state.ended |= part.end;
        if state.abandoned || state.discarding.is_some() {
            drop(state);
            drop(part);
        } else {
            state.chunks.push(part);
        }
    }

    fn poll_send(&mut self, task: &mut Task<'_>) -> Poll<Completion> {
        let mut guard = self.exchange.lock();
        let state = &mut *guard;
        let bytes = state.sending;
        if let Some(discarding) = &mut state.discarding
            && !state.reset
            && !state.ended
        {
            if let Some(left) = discarding.left.checked_sub(1) {
                discarding.left = left;
                return Poll::Ready(Completion::success(bytes));
            }
            state.abandoned = true;
            let discarding = state.discarding.take();
            drop(guard);
            if let Some(Discarding { disconnector, .. }) = discarding {
                disconnector.disconnect();
            }
            return Poll::Ready(Completion::failure(CompletionStatus::CONNECTION_ABORTED));
        }
        if state.reset || (state.abandoned && bytes > 0 && !state.ended) {
            return Poll::Ready(Completion::failure(CompletionStatus::CONNECTION_ABORTED));
        }
        // The last part needs no waiting for: the body that takes it has all it needs.
        if state.ended || state.abandoned || state.chunks.is_empty() {
            return Poll::Ready(Completion::success(bytes));
        }
        match &mut state.sender {
            Some(waker) => waker.clone_from(task.waker()),
            None => state.sender = Some(task.waker().clone()),
        }
        Poll::Pending
    }

    fn start_read(&mut self, max: usize) {
        self.max = max;
    }

    fn poll_read(&mut self, task: &mut Task<'_>) -> Poll<Result<Bytes, CompletionStatus>> {
        while self.left.is_empty() {
            if self.broken {
                return Poll::Ready(Err(CompletionStatus::CONNECTION_ABORTED));
            }
            match std::task::ready!(Pin::new(&mut self.body).poll_frame(task)) {
                // Trailers of a request are dropped, as IIS does.
                Some(Ok(frame)) => self.left = frame.into_data().unwrap_or_default(),
                Some(Err(error)) => {
                    tracing::debug!(%error, "the request's body broke off");
                    // A body that has failed is not polled again, and some then say that they have ended.
                    self.body = Body::empty();
                    self.broken = true;
                    self.error = Some(error);
                }
                None => return Poll::Ready(Ok(Bytes::new())),
            }
        }
        let at = self.left.len().min(self.max.max(1));
        Poll::Ready(Ok(self.left.split_to(at)))
    }

    fn reset(&mut self) {
        let mut state = self.exchange.lock();
        state.reset = true;
        state.chunks = Chunks::default();
    }
}

/// Where a response and its `Content-Length` differ.
pub(crate) const WRONG_LENGTH: &str = "the response is not as long as its Content-Length said";

/// A response that the pipeline is still making; polling the body drives it.
pub(crate) struct Streaming {
    run: Option<RunFuture>,
    exchange: Arc<Exchange>,
    shared: Arc<Shared>,
    disconnector: Disconnector,
    /// Bytes that are still to come, where the head announced a length.
    expected: Option<u64>,
    /// It has ended in an error of its own.
    failed: bool,
}

impl Streaming {
    pub(crate) fn new(
        run: RunFuture,
        exchange: Arc<Exchange>,
        shared: Arc<Shared>,
        disconnector: Disconnector,
        expected: Option<u64>,
    ) -> Self {
        Self { run: Some(run), exchange, shared, disconnector, expected, failed: false }
    }

    pub(crate) fn poll_frame(&mut self, task: &mut Task<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.failed {
            return Poll::Ready(None);
        }
        let frame = std::task::ready!(self.poll_next(task));
        let Some(expected) = self.expected else { return Poll::Ready(frame) };
        let bytes = match &frame {
            Some(Err(_)) => return Poll::Ready(frame),
            Some(Ok(frame)) => frame.data_ref().map(Bytes::len),
            None => None,
        };
        let left = match bytes {
            Some(bytes) => expected.checked_sub(bytes as u64),
            // Nothing follows trailers, or the end.
            None => (expected == 0).then_some(0),
        };
        self.expected = left;
        if left == Some(0) {
            // hyper does not ask for more than was announced: the events after the handler run now, if they can.
            let _ = self.poll_run(task);
        }
        if left.is_none() || (left == Some(0) && self.exchange.lock().chunks.remaining() > 0) {
            self.failed = true;
            self.expected = None;
            tracing::error!("{WRONG_LENGTH}");
            return Poll::Ready(Some(Err(WRONG_LENGTH.into())));
        }
        Poll::Ready(frame)
    }

    fn poll_next(&mut self, task: &mut Task<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        loop {
            if let Some(frame) = std::task::ready!(self.poll_part(task)) {
                return Poll::Ready(frame);
            }
            if self.run.is_none() {
                return Poll::Ready(None);
            }
            if self.poll_run(task).is_pending() {
                // What it waits for may be that somebody takes the part it has just put in.
                return match self.poll_part(task) {
                    Poll::Ready(Some(frame)) => Poll::Ready(frame),
                    Poll::Ready(None) | Poll::Pending => Poll::Pending,
                };
            }
        }
    }

    /// The pipeline goes on; ready when the request is over.
    fn poll_run(&mut self, task: &mut Task<'_>) -> Poll<()> {
        // Taken out, so that what panics is not polled again when this body is dropped.
        let Some(mut run) = self.run.take() else { return Poll::Ready(()) };
        match run.as_mut().poll(task) {
            Poll::Ready(cx) => {
                self.shared.recycle(cx);
                Poll::Ready(())
            }
            Poll::Pending => {
                self.run = Some(run);
                Poll::Pending
            }
        }
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        if self.failed {
            return true;
        }
        self.run.is_none() && self.expected.is_none_or(|expected| expected == 0) && {
            let state = self.exchange.lock();
            state.ended && !state.reset && state.chunks.is_empty()
        }
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        self.expected.map_or_else(SizeHint::default, SizeHint::with_exact)
    }

    /// Takes from what is there. `None`: nothing, the pipeline has to go on.
    #[allow(clippy::type_complexity, reason = "a frame, and whether there is one")]
    fn poll_part(&mut self, task: &mut Task<'_>) -> Poll<Option<Option<Result<Frame<Bytes>, BoxError>>>> {
        let mut state = self.exchange.lock();
        if state.reset {
            state.reset = false;
            state.ended = true;
            return Poll::Ready(Some(Some(Err("the response was reset".into()))));
        }
        let Some(frame) = std::task::ready!(state.chunks.poll_frame(task)) else {
            let over = state.ended && self.run.is_none();
            return Poll::Ready(if over { Some(None) } else { None });
        };
        if state.chunks.is_empty()
            && let Some(sender) = state.sender.take()
        {
            sender.wake();
        }
        Poll::Ready(Some(Some(frame)))
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        let state = self.exchange.lock();
        // hyper drops a body as soon as it has the announced bytes, without asking for the end: that is no disconnect.
        let complete = !self.failed && (self.expected == Some(0) || (state.ended && state.chunks.is_empty()));
        drop(state);
        self.exchange.abandon();
        let Some(run) = self.run.take() else { return };
        if !complete {
            self.disconnector.disconnect();
        }
        detach(run, &self.shared);
    }
}
