//! The response while it is made.

mod framing;

use std::fmt;

use http::header::{self, HeaderMap, HeaderValue};
use http::{Extensions, StatusCode};

use super::request::{parse_header, too_many_headers};
use crate::contain::contained;
use crate::{EntityChunk, Error, ErrorKind, ResponseHead, Result, limits};

/// Status, headers and entity chunks of the response.
///
/// Until the first flush everything may still change, also by modules that run after the handler.
///
/// IIS counterpart: `IHttpResponse`.
pub struct Response {
    head: ResponseHead,
    trailers: Option<HeaderMap>,
    chunks: Vec<EntityChunk>,
    buffered: usize,
    buffer_limit: usize,
    buffering: bool,
    progress: Progress,
    entity_sent: u64,
    /// Whether a handler has begun to answer: headers may be its own from then on.
    answered: bool,
    /// How many parts have left.
    parts: u32,
}

/// How much of the response has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Progress {
    Unsent,
    HeadersSent,
    Ended,
    Reset,
}

/// A response before a part of it passes through SendResponse.
#[derive(Default)]
pub(crate) struct Snapshot {
    head: Option<(StatusCode, u16, HeaderMap)>,
    chunks: Vec<EntityChunk>,
}

impl Response {
    /// The status; 200 at the beginning.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.head.status
    }

    /// IIS's sub-status: the 2 in 401.2. For the log, never on the wire.
    #[must_use]
    pub fn sub_status(&self) -> u16 {
        self.head.sub_status
    }

    /// Sets the status, with sub-status 0. Without effect once the headers have left.
    ///
    /// IIS counterpart: `SetStatus`.
    pub fn set_status(&mut self, status: StatusCode) {
        if !self.headers_sent() {
            self.head.status = status;
            self.head.sub_status = 0;
        }
    }

    /// Sets status and sub-status from numbers.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidStatus`] unless the status is 101 or 200–599: an interim status is not a response, and
    /// IIS and HTTP define nothing above. [`ErrorKind::HeadersSent`] when it is too late.
    pub fn set_status_code(&mut self, status: u16, sub_status: u16) -> Result<()> {
        self.check_unsent()?;
        match StatusCode::from_u16(status) {
            Ok(code) if is_final_status(code) => {
                self.head.status = code;
                self.head.sub_status = sub_status;
                Ok(())
            }
            _ => Err(invalid_status(status)),
        }
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// The headers, to be changed. Without effect once they have left.
    #[must_use]
    pub fn headers_mut(&mut self) -> &mut HeaderMap {
        &mut self.head.headers
    }

    /// Sets a header from text, replacing what was there.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidHeader`] when name or value cannot be sent: CR, LF or NUL would let a client split the
    /// response. Also when there are too many: a message holds some 24,000. [`ErrorKind::HeadersSent`] when it is too late.
    ///
    /// IIS counterpart: `SetHeader` with `fReplace`.
    pub fn set_header(&mut self, name: &str, value: &str) -> Result<()> {
        self.check_unsent()?;
        let (name, value) = parse_header(name, value)?;
        self.head.headers.try_insert(name, value).map(drop).map_err(|_| too_many_headers())
    }

    /// Adds a header from text beside those of the same name.
    ///
    /// # Errors
    ///
    /// As [`set_header`](Self::set_header).
    pub fn append_header(&mut self, name: &str, value: &str) -> Result<()> {
        self.check_unsent()?;
        let (name, value) = parse_header(name, value)?;
        self.head.headers.try_append(name, value).map(drop).map_err(|_| too_many_headers())
    }

    /// Adds a chunk to the buffered entity, without waiting. `Context::write` flushes where this fails.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::BufferFull`] over the application's response buffer limit or [`limits::MAX_ENTITY_CHUNKS`].
    /// [`ErrorKind::RequestEnded`] after the last part has left.
    ///
    /// IIS counterpart: `WriteEntityChunks` with buffering on.
    #[inline]
    pub fn write(&mut self, chunk: impl Into<EntityChunk>) -> Result<()> {
        let chunk = chunk.into();
        self.check_open()?;
        if !self.fits(&chunk) {
            return Err(self.is_full(&chunk));
        }
        self.push(chunk);
        Ok(())
    }

    #[cold]
    fn is_full(&self, chunk: &EntityChunk) -> Error {
        Error::framework(
            ErrorKind::BufferFull,
            format!(
                "{} bytes in {} chunks are buffered and {} more would pass the limit of {} bytes: use Context::write, which flushes",
                self.buffered,
                self.chunks.len(),
                chunk.len(),
                self.buffer_limit
            ),
        )
    }

    /// The buffered chunks: what the next flush sends.
    #[must_use]
    pub fn chunks(&self) -> &[EntityChunk] {
        &self.chunks
    }

    /// Takes the buffered chunks out.
    pub fn take_chunks(&mut self) -> Vec<EntityChunk> {
        self.buffered = 0;
        std::mem::take(&mut self.chunks)
    }

    /// Puts other chunks in place of the buffered ones.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write); the old chunks are gone then as well.
    pub fn set_chunks(&mut self, chunks: impl IntoIterator<Item = EntityChunk>) -> Result<()> {
        self.clear_entity();
        chunks.into_iter().try_for_each(|chunk| self.write(chunk))
    }

    /// Length of the buffered entity in bytes.
    #[must_use]
    pub fn entity_len(&self) -> u64 {
        self.chunks.iter().map(EntityChunk::len).sum()
    }

    /// Entity bytes that have left.
    #[must_use]
    pub fn entity_sent(&self) -> u64 {
        self.entity_sent
    }

    /// Back to an empty 200: status, headers, trailers and buffered entity. What has left stays left.
    ///
    /// IIS counterpart: `Clear`.
    pub fn clear(&mut self) {
        self.set_status(StatusCode::OK);
        self.clear_headers();
        self.clear_trailers();
        self.clear_entity();
    }

    /// Drops the buffered entity.
    pub fn clear_entity(&mut self) {
        self.buffered = 0;
        if !self.chunks.is_empty() {
            // Memory in there may be a module's, and so is its destructor. One at a time: a second one that panics while a panic
            // unwinds ends the process.
            for chunk in self.chunks.drain(..) {
                let _ = contained(|| drop(chunk));
            }
        }
    }

    fn clear_headers(&mut self) {
        // An empty map still has an index, and `clear` writes all of it.
        if !self.head.headers.is_empty() {
            self.head.headers.clear();
        }
    }

    fn clear_trailers(&mut self) {
        if self.trailers.is_some() {
            self.trailers = None;
        }
    }

    fn clear_extensions(&mut self) {
        if !self.head.extensions.is_empty() {
            let _ = contained(|| self.head.extensions.clear());
        }
    }

    /// Sends the client elsewhere: 302 with `Location`. Return [`Flow::Finish`](crate::Flow::Finish) as well, or the
    /// handler still runs.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidUrl`] when the location cannot be a header value; [`ErrorKind::HeadersSent`] when it is too late.
    ///
    /// IIS counterpart: `Redirect`.
    pub fn redirect(&mut self, location: &str) -> Result<()> {
        self.check_unsent()?;
        let value = HeaderValue::from_str(location).map_err(|error| {
            Error::framework(ErrorKind::InvalidUrl, format!("cannot redirect to {location:?}: {error}"))
        })?;
        self.head.headers.try_insert(header::LOCATION, value).map_err(|_| too_many_headers())?;
        self.set_status(StatusCode::FOUND);
        Ok(())
    }

    /// From now on every write leaves at once.
    ///
    /// IIS counterpart: `DisableBuffering`.
    pub fn disable_buffering(&mut self) {
        self.buffering = false;
    }

    /// Back to buffering, the default.
    pub fn enable_buffering(&mut self) {
        self.buffering = true;
    }

    /// Whether writes are buffered.
    #[must_use]
    pub fn is_buffering(&self) -> bool {
        self.buffering
    }

    /// The trailers, which follow the entity. HTTP/1.1 sends them with a chunked body only.
    ///
    /// IIS counterpart: `IHttpResponse4::SetTrailer`.
    #[must_use]
    pub fn trailers_mut(&mut self) -> &mut HeaderMap {
        self.trailers.get_or_insert_default()
    }

    /// The trailers, if any were set.
    #[must_use]
    pub fn trailers(&self) -> Option<&HeaderMap> {
        self.trailers.as_ref()
    }

    /// What goes with the response to a Rust host, and never on the wire: the extensions of an `http::Response`.
    #[must_use]
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        &mut self.head.extensions
    }

    /// Closes the connection after this response (HTTP/1.1).
    ///
    /// IIS counterpart: `SetNeedDisconnect`.
    pub fn close_connection(&mut self) {
        self.head.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }

    /// Whether status and headers have left.
    #[must_use]
    pub fn headers_sent(&self) -> bool {
        self.progress >= Progress::HeadersSent
    }

    /// Whether the whole response has left, or the connection was reset.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.progress >= Progress::Ended
    }

    /// For another request, in the same memory, unless that is more than most requests need.
    pub(crate) fn start(&mut self, buffer_limit: usize) {
        self.progress = Progress::Unsent;
        self.clear();
        if self.chunks.capacity() > SPARE {
            self.chunks = Vec::new();
        }
        if self.head.headers.capacity() > SPARE {
            self.head.headers = HeaderMap::new();
        }
        self.answered = false;
        self.clear_extensions();
        self.buffer_limit = buffer_limit;
        self.buffering = true;
        self.progress = Progress::Unsent;
        self.entity_sent = 0;
        self.parts = 0;
    }

    /// Whether [`write`](Self::write) has room for the chunk. One chunk alone always fits, or it could never be sent;
    /// an empty one takes no place.
    #[must_use]
    pub fn fits(&self, chunk: &EntityChunk) -> bool {
        let memory = self.buffered.saturating_add(chunk.memory());
        self.chunks.is_empty()
            || chunk.is_empty()
            || (memory <= self.buffer_limit && self.chunks.len() < limits::MAX_ENTITY_CHUNKS)
    }

    pub(super) fn replace_head(&mut self, status: StatusCode, sub_status: u16, headers: HeaderMap) {
        self.head.status = status;
        self.head.sub_status = sub_status;
        self.head.headers = headers;
    }

    /// A handler begins to answer.
    pub(crate) fn set_answered(&mut self) {
        self.answered = true;
    }

    #[inline]
    pub(crate) fn push(&mut self, chunk: EntityChunk) {
        if !chunk.is_empty() {
            self.buffered += chunk.memory();
            self.chunks.push(chunk);
        }
    }

    pub(crate) fn progress(&self) -> Progress {
        self.progress
    }

    pub(crate) fn set_progress(&mut self, progress: Progress) {
        self.progress = progress;
    }

    pub(crate) fn part_leaves(&mut self, progress: Progress) {
        self.progress = progress;
        self.parts = self.parts.wrapping_add(1);
    }

    pub(crate) fn parts(&self) -> u32 {
        self.parts
    }

    /// What modules at SendResponse may change, as it is now.
    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            // Once they have left, they are nobody's to change.
            head: (!self.headers_sent())
                .then(|| (self.head.status, self.head.sub_status, self.head.headers.clone())),
            chunks: self.chunks.clone(),
        }
    }

    /// Back to what it was.
    pub(crate) fn restore(&mut self, before: Snapshot) {
        if let Some((status, sub_status, headers)) = before.head
            && !self.headers_sent()
        {
            self.head.status = status;
            self.head.sub_status = sub_status;
            self.head.headers = headers;
        }
        self.buffered = before.chunks.iter().map(EntityChunk::memory).sum();
        self.chunks = before.chunks;
    }

    pub(crate) fn count_sent(&mut self, bytes: u64) {
        self.entity_sent += bytes;
    }

    pub(crate) fn check_unsent(&self) -> Result<()> {
        if self.headers_sent() {
            return Err(Error::framework(
                ErrorKind::HeadersSent,
                "status and headers have left already: change them before the first flush",
            ));
        }
        Ok(())
    }

    /// Before the first part leaves: an error page must not be the beginning of a body that follows.
    pub(crate) fn check_status(&self) -> Result<()> {
        if self.headers_sent() || is_final_status(self.head.status) {
            return Ok(());
        }
        Err(invalid_status(self.head.status.as_u16()))
    }

    pub(crate) fn check_open(&self) -> Result<()> {
        if self.is_ended() {
            return Err(Error::framework(
                ErrorKind::RequestEnded,
                "the response has ended: nothing more can be written",
            ));
        }
        Ok(())
    }
}

/// Chunks and headers for which memory is kept between requests.
const SPARE: usize = 64;

fn is_final_status(status: StatusCode) -> bool {
    status == StatusCode::SWITCHING_PROTOCOLS || (200..600).contains(&status.as_u16())
}

fn invalid_status(status: u16) -> Error {
    Error::framework(
        ErrorKind::InvalidStatus,
        format!("{status} is no status of a final response: use 200 to 599, or 101 for an upgrade"),
    )
}

impl Default for Response {
    fn default() -> Self {
        Self {
            head: ResponseHead::default(),
            trailers: None,
            chunks: Vec::new(),
            buffered: 0,
            buffer_limit: limits::RESPONSE_BUFFER_LIMIT,
            buffering: true,
            progress: Progress::Unsent,
            entity_sent: 0,
            answered: false,
            parts: 0,
        }
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.head.status)
            .field("sub_status", &self.head.sub_status)
            .field("chunks", &self.chunks.len())
            .field("buffered", &self.buffered)
            .field("progress", &self.progress)
            .finish_non_exhaustive()
    }
}
