//! What the client has received.

use std::io::{self, Read, Seek, SeekFrom};

use bytes::{Bytes, BytesMut};
use http::header::AsHeaderName;
use http::{Extensions, HeaderMap, StatusCode};

use crate::{Completion, CompletionStatus, EntityChunk, FileRange, ResponsePart};

/// What the client has received: the whole response, and each part of it.
///
/// ```
/// use bivalve_core::testing::{TestHost, block_on};
/// use bivalve_core::{Context, Flow, Result};
///
/// fn hello(cx: &mut Context) -> Result<Flow> {
///     cx.response_mut().set_header("content-type", "text/plain")?;
///     cx.response_mut().write("Hello World!")?;
///     Ok(Flow::Continue)
/// }
/// let response = block_on(TestHost::new().handler(hello).get("/").finish());
/// assert_eq!(response.status(), 200);
/// assert_eq!(response.header("content-type"), Some("text/plain"));
/// assert_eq!(response.text(), "Hello World!");
/// ```
#[derive(Clone, Debug, Default)]
pub struct TestResponse {
    /// The client's request had no use for a body (`HEAD`).
    bodiless: bool,
    head: Option<StatusCode>,
    headers: HeaderMap,
    extensions: Extensions,
    body: BytesMut,
    trailers: Option<HeaderMap>,
    parts: Vec<TestPart>,
    pub(super) reset: bool,
    pub(super) disconnected: bool,
}

/// What one flush carried.
#[derive(Clone, Debug)]
pub struct TestPart {
    status: Option<StatusCode>,
    body: Bytes,
    end: bool,
    completion: Completion,
}

impl TestPart {
    /// The status, when status and headers went with this part.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        self.status
    }

    /// The entity bytes that reached the client with this part.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Whether the response ended with this part.
    #[must_use]
    pub fn is_end(&self) -> bool {
        self.end
    }

    /// What the send reported.
    pub fn completion(&self) -> Completion {
        self.completion
    }
}

impl TestResponse {
    pub(super) fn new(bodiless: bool) -> Self {
        Self { bodiless, ..Self::default() }
    }

    /// The status.
    ///
    /// # Panics
    ///
    /// When no status and headers reached the client: it had gone, or the connection was reset before.
    /// [`was_answered`](Self::was_answered) asks for that.
    #[must_use]
    #[track_caller]
    pub fn status(&self) -> StatusCode {
        let Some(status) = self.head else {
            panic!(
                "no status reached the client{}{}",
                if self.disconnected { ": it had gone" } else { "" },
                if self.reset { ": the connection was reset" } else { "" },
            );
        };
        status
    }

    /// Whether status and headers reached the client.
    #[must_use]
    pub fn was_answered(&self) -> bool {
        self.head.is_some()
    }

    /// The headers; none when nothing reached the client.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The first value of a header, if it is visible ASCII.
    #[must_use]
    pub fn header(&self, name: impl AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// What went with the response to a Rust host, and never on the wire.
    #[must_use]
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// The entity body, file ranges read. Empty for an answer to `HEAD`, 204 and 304, as on the wire.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The entity body as text.
    ///
    /// # Panics
    ///
    /// When it is not UTF-8.
    #[must_use]
    #[track_caller]
    pub fn text(&self) -> &str {
        match std::str::from_utf8(&self.body) {
            Ok(text) => text,
            Err(error) => panic!("the response's body is no text: {error}"),
        }
    }

    /// The trailers.
    #[must_use]
    pub fn trailers(&self) -> Option<&HeaderMap> {
        self.trailers.as_ref()
    }

    /// What each flush carried, in order, those that failed among them.
    #[must_use]
    pub fn parts(&self) -> &[TestPart] {
        &self.parts
    }

    /// Whether the response reached its end.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        !self.reset && self.parts.last().is_some_and(|part| part.end && part.completion.is_success())
    }

    /// Whether the connection was reset: by a module, or because something failed after the headers had left.
    #[must_use]
    pub fn was_reset(&self) -> bool {
        self.reset
    }

    /// A part arrives. Files are read here, as the last moment at which a host reads them.
    pub(super) fn receive(&mut self, part: ResponsePart) -> Completion {
        let status = part.head.as_ref().map(|head| head.status);
        if let Some(head) = part.head {
            self.head = Some(head.status);
            self.headers = head.headers;
            self.extensions = head.extensions;
        }
        let no_body = matches!(self.head, Some(StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED));
        let (bytes, completion) = collect(&part.chunks);
        let body = if self.bodiless || no_body { Bytes::new() } else { bytes };
        self.body.extend_from_slice(&body);
        if part.trailers.is_some() {
            self.trailers = part.trailers;
        }
        if !completion.is_success() {
            // The client was promised more: it can only see a broken connection.
            self.reset = true;
        }
        self.parts.push(TestPart { status, body, end: part.end, completion });
        completion
    }

    /// A part does not arrive.
    pub(super) fn miss(&mut self, part: &ResponsePart, completion: Completion) {
        let status = part.head.as_ref().map(|head| head.status);
        self.parts.push(TestPart { status, body: Bytes::new(), end: part.end, completion });
    }

    /// The last part that arrived reports something else than it was.
    pub(super) fn report(&mut self, completion: Completion) {
        if let Some(part) = self.parts.last_mut() {
            part.completion = completion;
        }
    }
}

fn collect(chunks: &[EntityChunk]) -> (Bytes, Completion) {
    let mut bytes = BytesMut::new();
    for chunk in chunks {
        let read = match chunk {
            EntityChunk::Bytes(chunk) => {
                bytes.extend_from_slice(chunk);
                Ok(())
            }
            EntityChunk::File(range) => read_range(range, &mut bytes),
        };
        if let Err(error) = read {
            let completion = Completion::new(bytes.len(), CompletionStatus::from_io_error(&error));
            return (bytes.freeze(), completion);
        }
    }
    let completion = Completion::success(bytes.len());
    (bytes.freeze(), completion)
}

fn read_range(range: &FileRange, bytes: &mut BytesMut) -> io::Result<()> {
    let mut file = &**range.file();
    file.seek(SeekFrom::Start(range.offset()))?;
    let mut read = Vec::new();
    file.take(range.len()).read_to_end(&mut read)?;
    bytes.extend_from_slice(&read);
    // A file that is shorter than the range ends the response early.
    if read.len() as u64 == range.len() { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}
