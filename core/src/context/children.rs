//! Child requests: one request runs another through the same pipeline.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as Task, Poll, Waker};

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode, Uri};

use super::{Context, StartedOperation};
use crate::{
    Completion, CompletionStatus, Disconnector, EntityChunk, Error, ErrorKind, Host, Outgoing, Result, Run,
    Server, User, limits,
};

/// A request that a module sends through the pipeline it runs in.
///
/// ```
/// use bivalve_core::ChildRequest;
///
/// let child = ChildRequest::get("/fragment?id=7")?.header("accept", "text/html")?;
/// # Ok::<(), bivalve_core::Error>(())
/// ```
///
/// IIS counterpart: `CloneContext` and `ExecuteRequest`.
#[derive(Debug)]
pub struct ChildRequest {
    method: Method,
    url: Uri,
    headers: HeaderMap,
    body: Bytes,
    user: Option<User>,
}

/// What a parent's headers must not carry into a child: they frame or route the parent's message.
const NOT_INHERITED: [HeaderName; 11] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

impl ChildRequest {
    /// A `GET` without headers or body.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidUrl`] when it is no URL that starts with a slash.
    pub fn get(url: &str) -> Result<Self> {
        Self::new(Method::GET, url)
    }

    /// A request without headers or body.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidUrl`] when it is no URL that starts with a slash.
    pub fn new(method: Method, url: &str) -> Result<Self> {
        let parsed = url.starts_with('/').then(|| url.parse::<Uri>().ok()).flatten();
        let Some(url) = parsed else {
            return Err(Error::framework(
                ErrorKind::InvalidUrl,
                format!("a child request cannot go to {url:?}: use a URL that starts with a slash"),
            ));
        };
        Ok(Self { method, url, headers: HeaderMap::new(), body: Bytes::new(), user: None })
    }

    /// With a header.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidHeader`] when name or value cannot be sent.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self> {
        let (name, value) = super::request::parse_header(name, value)?;
        self.headers.try_append(name, value).map_err(|_| super::request::too_many_headers())?;
        Ok(self)
    }

    /// With the parent's headers, but those that frame or route the parent's own message, and those that its
    /// `Connection` names (RFC 9110 section 7.6.1).
    ///
    /// IIS counterpart: `CLONE_FLAG_HEADERS`.
    #[must_use]
    pub fn headers_of(mut self, parent: &super::Request) -> Self {
        let connection = parent.headers().get_all(header::CONNECTION).iter();
        let listed: Vec<&str> =
            connection.filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(',')).collect();
        let is_listed = |name: &str| listed.iter().any(|listed| listed.trim().eq_ignore_ascii_case(name));
        for (name, value) in parent.headers() {
            if !NOT_INHERITED.contains(name) && !is_listed(name.as_str()) {
                self.headers.append(name.clone(), value.clone());
            }
        }
        self
    }

    /// With a body; sets `Content-Length`.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(self.body.len()));
        self
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The URL.
    #[must_use]
    pub fn url(&self) -> &Uri {
        &self.url
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The body; empty unless set.
    #[must_use]
    pub fn entity(&self) -> &Bytes {
        &self.body
    }

    /// As whom it runs, unless that is the parent's user.
    #[must_use]
    pub fn own_user(&self) -> Option<&User> {
        self.user.as_ref()
    }

    /// As this user; the parent's unless set.
    #[must_use]
    pub fn user(mut self, user: User) -> Self {
        self.user = Some(user);
        self
    }
}

/// What a child request answered.
#[derive(Debug, Default)]
pub struct ChildResponse {
    status: StatusCode,
    headers: HeaderMap,
    chunks: Vec<EntityChunk>,
    trailers: Option<HeaderMap>,
}

impl ChildResponse {
    /// What a host that is a pipeline itself got for it. For hosts.
    #[must_use]
    pub fn new(status: StatusCode, headers: HeaderMap, chunks: Vec<EntityChunk>) -> Self {
        Self { status, headers, chunks, trailers: None }
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The trailers, if there were any.
    #[must_use]
    pub fn trailers(&self) -> Option<&HeaderMap> {
        self.trailers.as_ref()
    }

    /// The entity as it was written.
    #[must_use]
    pub fn chunks(&self) -> &[EntityChunk] {
        &self.chunks
    }

    /// The entity as it was written, to be written again.
    #[must_use]
    pub fn into_chunks(self) -> Vec<EntityChunk> {
        self.chunks
    }

    /// Length of the entity in bytes.
    #[must_use]
    pub fn entity_len(&self) -> u64 {
        self.chunks.iter().map(EntityChunk::len).sum()
    }

    /// The entity as bytes; `None` when a part of it is a file range, which only the host reads.
    #[must_use]
    pub fn bytes(&self) -> Option<Bytes> {
        let parts: Option<Vec<&Bytes>> = self
            .chunks
            .iter()
            .map(|chunk| match chunk {
                EntityChunk::Bytes(bytes) => Some(bytes),
                EntityChunk::File(_) => None,
            })
            .collect();
        match parts?.as_slice() {
            [] => Some(Bytes::new()),
            [one] => Some(Bytes::clone(one)),
            many => {
                let mut all = BytesMut::with_capacity(many.iter().map(|b| b.len()).sum());
                many.iter().for_each(|b| all.extend_from_slice(b));
                Some(all.freeze())
            }
        }
    }
}

impl Context {
    /// Runs a request of its own through the whole pipeline, from BeginRequest to EndRequest, and gives back what
    /// it answered. Nothing of it reaches the client by itself.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ChildTooDeep`] below [`limits::MAX_CHILD_DEPTH`] parents, [`ErrorKind::Disconnected`] when the
    /// client has gone, [`ErrorKind::BufferFull`] when the child answered more than
    /// [`limits::MAX_CHILD_RESPONSE`] bytes. A child that fails answers with its status: that is no error here.
    ///
    /// The mounted handler answers, not the service inside a Tower layer: see the docs of the host. A child of a method
    /// that goes on after a disconnect ([`OnDisconnect::Finish`](crate::OnDisconnect::Finish)) goes on as well.
    ///
    /// # Cancel safety
    ///
    /// A child whose future is dropped sees a disconnect; its LogRequest and EndRequest still run, on the
    /// server's background if they wait.
    ///
    /// IIS counterpart: `ExecuteRequest`.
    pub async fn execute_request(&mut self, request: ChildRequest) -> Result<ChildResponse> {
        if self.is_foreign() {
            return self.execute_foreign(request).await;
        }
        if self.child_depth() >= limits::MAX_CHILD_DEPTH {
            return Err(Error::framework(
                ErrorKind::ChildTooDeep,
                format!(
                    "a child request would be the {}th level, the limit is {}: does it request itself?",
                    self.child_depth() + 1,
                    limits::MAX_CHILD_DEPTH
                ),
            ));
        }
        if self.total_depth() >= limits::MAX_NESTING {
            return Err(Error::framework(
                ErrorKind::NestingTooDeep,
                format!(
                    "a child request would run {} levels deep: nested events of its parents count as well",
                    self.total_depth() + 1
                ),
            ));
        }
        if !self.is_connected() {
            return Err(Error::disconnected());
        }
        let captured =
            Arc::new(Mutex::new(Captured { body: Some(request.body.clone()), ..Captured::default() }));
        let mut child = self.child(request, &captured);
        if self.trace.is_some() {
            child.record_trace();
        }
        let disconnector = child.disconnector();
        let future = Box::pin(async move { Run::new(child).run_to_end().await });
        let server = self.server().clone();
        ChildRun { future: Some(future), disconnector, server }.await;

        let mut captured = captured.lock().unwrap_or_else(PoisonError::into_inner);
        match captured.failure.take() {
            Some(error) => Err(error),
            None => Ok(std::mem::take(&mut captured.response)),
        }
    }

    /// As [`execute_request`](Self::execute_request), the explicit way; the answer is in
    /// [`CompletionInfo::take_child_response`](crate::CompletionInfo::take_child_response).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::OperationOutstanding`] when the method has started one already.
    pub fn start_execute_request(&mut self, request: ChildRequest) -> Result<()> {
        self.start_operation(StartedOperation::Child(Box::new(request)))
    }

    fn child(&self, request: ChildRequest, captured: &Arc<Mutex<Captured>>) -> Box<Self> {
        let (mut parts, ()) = http::Request::new(()).into_parts();
        parts.method = request.method;
        parts.uri = request.url;
        parts.headers = request.headers;
        let host = Box::new(CaptureHost { captured: Arc::clone(captured), sent: None });
        let mut child = Self::new(&self.pipeline, host, parts, Arc::clone(&self.connection));
        child.child_depth = self.child_depth + 1;
        child.parents_depth = self.total_depth() + 1;
        child.user = request.user.or_else(|| self.user.clone());
        child
    }
}

#[derive(Default)]
struct Captured {
    body: Option<Bytes>,
    response: ChildResponse,
    held: usize,
    failure: Option<Error>,
}

/// Keeps a child's response instead of sending it.
struct CaptureHost {
    captured: Arc<Mutex<Captured>>,
    sent: Option<Completion>,
}

impl Host for CaptureHost {
    fn start_send(&mut self, part: Outgoing<'_>) {
        let part = part.into_part();
        let mut captured = self.captured.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(head) = part.head {
            captured.response.status = head.status;
            captured.response.headers = head.headers;
        }
        let bytes = part.chunks.iter().map(EntityChunk::memory).sum::<usize>();
        captured.held += bytes;
        if captured.held > limits::MAX_CHILD_RESPONSE {
            captured.failure = Some(Error::framework(
                ErrorKind::BufferFull,
                format!("a child request answered more than {} bytes", limits::MAX_CHILD_RESPONSE),
            ));
            captured.response.chunks.clear();
            self.sent = Some(Completion::failure(CompletionStatus::OUT_OF_MEMORY));
            return;
        }
        captured.response.chunks.extend(part.chunks);
        captured.response.trailers = part.trailers;
        self.sent = Some(Completion::success(bytes));
    }

    fn poll_send(&mut self, _task: &mut Task<'_>) -> Poll<Completion> {
        let sent = self.sent.take();
        Poll::Ready(sent.unwrap_or(Completion::failure(CompletionStatus::UNSPECIFIED)))
    }

    fn start_read(&mut self, _max: usize) {}

    fn poll_read(&mut self, _task: &mut Task<'_>) -> Poll<Result<Bytes, CompletionStatus>> {
        let mut captured = self.captured.lock().unwrap_or_else(PoisonError::into_inner);
        Poll::Ready(Ok(captured.body.take().unwrap_or_default()))
    }

    fn reset(&mut self) {
        let mut captured = self.captured.lock().unwrap_or_else(PoisonError::into_inner);
        // A child that answered too much is reset for it: that stays the reason.
        captured.failure.get_or_insert_with(|| {
            Error::framework(
                ErrorKind::Io(CompletionStatus::CONNECTION_RESET),
                "the child request was reset instead of answered",
            )
        });
    }
}

/// The child's run. Dropped before its end, it is told that its client has gone, and finishes without its parent:
/// LogRequest and EndRequest are owed to every request that began.
struct ChildRun {
    future: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    disconnector: Disconnector,
    server: Server,
}

impl Future for ChildRun {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<()> {
        let Some(future) = &mut self.future else { return Poll::Ready(()) };
        let done = future.as_mut().poll(task);
        if done.is_ready() {
            self.future = None;
        }
        done
    }
}

impl Drop for ChildRun {
    fn drop(&mut self) {
        let Some(mut future) = self.future.take() else { return };
        self.disconnector.disconnect();
        if future.as_mut().poll(&mut Task::from_waker(Waker::noop())).is_pending()
            && self.server.spawn(future).is_err()
        {
            tracing::error!(
                "a child request was cancelled and could not finish: its modules wait and the server cannot run background work"
            );
        }
    }
}
