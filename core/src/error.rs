//! Errors: opaque outside, precise inside.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use http::StatusCode;

use crate::contain::contained;
use crate::{CompletionStatus, Event, MapPathError, PostError};

/// The result of a module's method and of most operations of a [`Context`](crate::Context).
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Anything that went wrong while a request was processed.
///
/// A module returns it from a notification; the pipeline then answers with its [`status`](Self::status)
/// (500 unless it carries another), traces it with module, event and position, and finishes the request.
/// The client never sees its text.
///
/// Every `std` error converts with `?`. For that `Error` itself is no `std::error::Error`;
/// [`into_boxed`](Self::into_boxed) makes one.
///
/// ```
/// use bivalve_core::{Error, ErrorKind};
/// use http::StatusCode;
///
/// fn parse(port: &str) -> Result<u16, Error> {
///     Ok(port.parse::<u16>()?)
/// }
/// let error = parse("x").unwrap_err();
/// assert_eq!((error.status(), error.kind()), (StatusCode::INTERNAL_SERVER_ERROR, ErrorKind::Module));
///
/// let denied = Error::new(StatusCode::FORBIDDEN, "the account is locked").with_sub_status(2);
/// assert_eq!(denied.sub_status(), 2);
/// ```
///
/// IIS counterpart: a failing `HRESULT` given to `IHttpEventProvider::SetErrorStatus`.
pub struct Error {
    inner: Box<Inner>,
}

struct Inner {
    kind: ErrorKind,
    status: StatusCode,
    sub_status: u16,
    source: Source,
    place: Option<Place>,
}

/// Where in the pipeline an error arose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The name under which the module is mounted.
    pub module: Arc<str>,
    /// The event in which its method ran.
    pub event: Event,
    /// Its position among the modules of that event, from 0.
    pub position: usize,
}

/// What kind of thing went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The response holds as much as may be buffered; write with `Context::write`, which flushes.
    BufferFull,
    /// A child request would nest deeper than [`MAX_CHILD_DEPTH`](crate::limits::MAX_CHILD_DEPTH).
    ChildTooDeep,
    /// The client has gone.
    Disconnected,
    /// The server has no [`Driver`](crate::Driver), or it refused the handle.
    Driver,
    /// Status and headers have left already.
    HeadersSent,
    /// A header name or value that cannot be sent: CR, LF, NUL and other control characters among them.
    InvalidHeader,
    /// A server variable with a name or value that IIS would not take.
    InvalidServerVariable,
    /// A status outside 200–599 (101 for an upgrade excepted), or none at all.
    InvalidStatus,
    /// A redirect or rewrite to something that is no URL.
    InvalidUrl,
    /// An operation of the host failed; the status says how.
    Io(CompletionStatus),
    /// A URL that must not be mapped to a path.
    MapPath,
    /// The module's own error, or one of a library it called.
    Module,
    /// On-demand events and child requests together nest deeper than [`MAX_NESTING`](crate::limits::MAX_NESTING).
    NestingTooDeep,
    /// `Flow::Pending` with nothing outstanding that could complete.
    NothingPending,
    /// One asynchronous operation of the request is outstanding already.
    OperationOutstanding,
    /// The module panicked.
    Panicked,
    /// A [`CompletionHandle`](crate::CompletionHandle) could not be made or used.
    Post,
    /// The request ended in a state that allows no more of this.
    RequestEnded,
}

impl Error {
    /// An error that answers with this status. The text is for the log, not for the client.
    pub fn new(status: StatusCode, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::build(ErrorKind::Module, status, Some(source.into()))
    }

    /// An error that answers with this status and has nothing to add.
    #[must_use]
    pub fn from_status(status: StatusCode) -> Self {
        Self::build(ErrorKind::Module, status, None)
    }

    /// Sets IIS's sub-status, the 2 in 401.2; it goes to the log, never on the wire.
    #[must_use]
    pub fn with_sub_status(mut self, sub_status: u16) -> Self {
        self.inner.sub_status = sub_status;
        self
    }

    /// Sets the status that answers the client.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.inner.status = status;
        self
    }

    /// What kind of thing went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// The status that answers the client.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.inner.status
    }

    /// IIS's sub-status; 0 unless set.
    #[must_use]
    pub fn sub_status(&self) -> u16 {
        self.inner.sub_status
    }

    /// Module, event and position, once the pipeline has seen the error.
    #[must_use]
    pub fn place(&self) -> Option<&Place> {
        self.inner.place.as_ref()
    }

    /// The error underneath, if there is one.
    #[must_use]
    pub fn source(&self) -> Option<&(dyn StdError + Send + Sync + 'static)> {
        self.inner.source.0.as_deref()
    }

    /// Whether it only says that the client has gone.
    #[must_use]
    pub fn is_disconnected(&self) -> bool {
        match self.kind() {
            ErrorKind::Disconnected => true,
            ErrorKind::Io(status) => status.is_disconnect(),
            _ => false,
        }
    }

    /// Whether the module panicked.
    #[must_use]
    pub fn is_panic(&self) -> bool {
        self.kind() == ErrorKind::Panicked
    }

    /// Whether it is a panic that has just been caught, not that of another module handed on.
    pub(crate) fn is_fresh_panic(&self) -> bool {
        self.is_panic() && self.place().is_none()
    }

    /// As a `std` error.
    #[must_use]
    pub fn into_boxed(self) -> Box<dyn StdError + Send + Sync> {
        Box::new(Boxed(self))
    }

    /// An error of the framework itself: the text says what was wrong and what to do.
    pub(crate) fn framework(kind: ErrorKind, text: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::build(kind, StatusCode::INTERNAL_SERVER_ERROR, Some(text.into()))
    }

    pub(crate) fn disconnected() -> Self {
        Self::framework(ErrorKind::Disconnected, "the client has gone")
    }

    /// The failed completion of a host's operation.
    pub(crate) fn io(status: CompletionStatus, doing: &'static str) -> Self {
        let kind = if status.is_disconnect() { ErrorKind::Disconnected } else { ErrorKind::Io(status) };
        Self::framework(kind, format!("{doing}: {status}"))
    }

    pub(crate) fn at(mut self, place: Place) -> Self {
        // The innermost place is the true one: a nested failure passes through its callers.
        self.inner.place.get_or_insert(place);
        self
    }

    fn build(kind: ErrorKind, status: StatusCode, source: Option<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { inner: Box::new(Inner { kind, status, sub_status: 0, source: Source(source), place: None }) }
    }
}

impl<E: StdError + Send + Sync + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        // Our own typed errors keep their kind and status on the way through `?`.
        let any: &dyn std::any::Any = &error;
        if let Some(error) = any.downcast_ref::<MapPathError>() {
            return Self::build(ErrorKind::MapPath, error.status(), Some(Box::new(*error)));
        }
        let kind = if any.is::<PostError>() {
            ErrorKind::Post
        } else if any.is::<http::header::InvalidHeaderValue>() || any.is::<http::header::InvalidHeaderName>()
        {
            ErrorKind::InvalidHeader
        } else if any.is::<http::status::InvalidStatusCode>() {
            ErrorKind::InvalidStatus
        } else {
            ErrorKind::Module
        };
        Self::build(kind, StatusCode::INTERNAL_SERVER_ERROR, Some(Box::new(error)))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = self.place() {
            write!(f, "module {} at {} (position {}): ", place.module, place.event, place.position)?;
        }
        match self.source() {
            Some(source) => {
                fmt::Display::fmt(source, f)?;
                let mut cause = source.source();
                while let Some(error) = cause {
                    write!(f, ": {error}")?;
                    cause = error.source();
                }
                Ok(())
            }
            None => write!(f, "answered {}", self.status()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.inner.kind)
            .field("status", &self.inner.status)
            .field("sub_status", &self.inner.sub_status)
            .field("place", &self.inner.place)
            .field("source", &self.inner.source.0)
            .finish()
    }
}

/// The error underneath: module code, whose destructor may panic wherever the framework drops it.
struct Source(Option<Box<dyn StdError + Send + Sync>>);

impl Drop for Source {
    fn drop(&mut self) {
        if let Some(source) = self.0.take() {
            let _ = contained(|| drop(source));
        }
    }
}

struct Boxed(Error);

impl fmt::Display for Boxed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Boxed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl StdError for Boxed {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source().and_then(StdError::source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_pointer_wide() {
        assert_eq!(size_of::<Result<crate::Flow>>(), 2 * size_of::<usize>());
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }

    #[test]
    fn the_text_names_module_event_and_position() {
        let place = Place {
            module: "Audit".into(),
            event: Event::post(crate::Notification::LogRequest).expect("LogRequest has a post-notification"),
            position: 3,
        };
        let error = Error::new(StatusCode::BAD_GATEWAY, "sink is full").at(place);
        assert_eq!(error.to_string(), "module Audit at PostLogRequest (position 3): sink is full");
    }
}
