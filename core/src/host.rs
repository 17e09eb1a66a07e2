//! The host's side of a request: what the pipeline asks of whoever carries the bytes.

use std::any::Any;
use std::task::{Context as Task, Poll};

use bytes::Bytes;
use http::{Extensions, HeaderMap, StatusCode};

use crate::{Completion, CompletionStatus, EntityChunk, Foreign};

/// Carries one request's bytes: the Tower adapter, the native server, IIS, the test host.
///
/// The pipeline does no I/O of its own. It starts one send and one read at a time through this trait, and
/// polls for their completion. An operation whose future was dropped stays outstanding here, and the next one
/// of its kind waits for it first, so nothing is lost and nothing is sent twice.
///
/// # What a host owes
///
/// - Framing by RFC 9112 section 6 and RFC 9113 section 8.1: the pipeline sets no `Content-Length` that was not
///   there and drops every `Transfer-Encoding`; the body of an answer to `HEAD`, and of 204 and 304, is the host's to
///   leave out. A `Content-Length` in a head that leaves before the end is what somebody announced: what follows may
///   differ, and then the response must not look complete.
/// - `poll_*` is only called after `start_*`, and returns `Ready` once for each, unless the host has
///   [said at once](Self::sent_at_once) what came of it.
/// - A send that failed leaves a hole, so the pipeline resets the connection after it.
/// - A client that goes away is reported through [`Disconnector::disconnect`](crate::Disconnector::disconnect).
pub trait Host: Any + Send {
    /// Starts to send a part of the response. No send is outstanding when it is called.
    fn start_send(&mut self, part: Outgoing<'_>);

    /// What came of the send that has just been started, where that is known without waiting: then nobody polls for it.
    fn sent_at_once(&mut self) -> Option<Completion> {
        None
    }

    /// Asks whether the part has left: bytes of entity body and status.
    fn poll_send(&mut self, task: &mut Task<'_>) -> Poll<Completion>;

    /// Starts to read up to `max` bytes of the request's entity body. No read is outstanding when it is called.
    fn start_read(&mut self, max: usize);

    /// Asks for what was read. Empty: the body has ended.
    fn poll_read(&mut self, task: &mut Task<'_>) -> Poll<Result<Bytes, CompletionStatus>>;

    /// Resets the connection (HTTP/2: the stream). Nothing is sent after it.
    ///
    /// IIS counterpart: `IHttpResponse::ResetConnection`.
    fn reset(&mut self);

    /// The host as one that is a pipeline itself, which no other than IIS is: [`Foreign`] says what that changes.
    /// Asked when a context is made; the answer does not change.
    fn foreign(&mut self) -> Option<&mut (dyn Foreign + 'static)> {
        None
    }
}

/// A part of a response that is to be sent, in the memory of the response.
///
/// A host that writes it at once reads it in place; one that keeps it makes it [its own](Self::into_part). What is left in
/// it is dropped when [`Host::start_send`] returns.
#[derive(Debug)]
pub struct Outgoing<'a> {
    pub(crate) head: Option<&'a mut ResponseHead>,
    pub(crate) chunks: &'a mut Vec<EntityChunk>,
    pub(crate) end: bool,
    pub(crate) trailers: Option<&'a mut HeaderMap>,
}

impl Outgoing<'_> {
    /// Status and headers; only in the first part.
    #[must_use]
    pub fn head(&self) -> Option<&ResponseHead> {
        self.head.as_deref()
    }

    /// Entity body, in order. The host takes out what it keeps.
    #[must_use]
    pub fn chunks(&mut self) -> &mut Vec<EntityChunk> {
        self.chunks
    }

    /// Bytes of entity body.
    #[must_use]
    pub fn entity_len(&self) -> u64 {
        self.chunks.iter().map(EntityChunk::len).sum()
    }

    /// Whether the response ends with this part.
    #[must_use]
    pub fn is_end(&self) -> bool {
        self.end
    }

    /// Trailers; only in the last part.
    #[must_use]
    pub fn trailers(&self) -> Option<&HeaderMap> {
        self.trailers.as_deref()
    }

    /// The part with memory of its own. Headers are copied where the response goes on: modules still read them.
    #[must_use]
    pub fn into_part(self) -> ResponsePart {
        let Self { head, chunks, end, trailers } = self;
        ResponsePart {
            head: head.map(|head| head.leave(end)),
            chunks: std::mem::take(chunks),
            end,
            trailers: trailers.map(std::mem::take),
        }
    }
}

/// A part of a response on its way out.
#[derive(Debug)]
pub struct ResponsePart {
    /// Status and headers; only in the first part.
    pub head: Option<ResponseHead>,
    /// Entity body, in order.
    pub chunks: Vec<EntityChunk>,
    /// Whether the response ends with this part.
    pub end: bool,
    /// Trailers; only in the last part.
    pub trailers: Option<HeaderMap>,
}

/// Status and headers of a response on its way out.
#[derive(Debug, Default)]
pub struct ResponseHead {
    /// The status.
    pub status: StatusCode,
    /// IIS's sub-status: for the host's log, never on the wire.
    pub sub_status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// What the handler attached to its response.
    pub extensions: Extensions,
}

impl ResponseHead {
    /// What leaves, with this memory if nobody reads it any more. Extensions have one owner and go with the first part.
    pub(crate) fn leave(&mut self, end: bool) -> Self {
        Self {
            status: self.status,
            sub_status: self.sub_status,
            headers: if end { std::mem::take(&mut self.headers) } else { self.headers.clone() },
            extensions: std::mem::take(&mut self.extensions),
        }
    }
}
