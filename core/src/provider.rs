//! What a method is given besides the context, where IIS passes a provider.

use std::any::Any;
use std::fmt;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::{Completion, Event, Notification};

/// A part of the response that is about to leave.
///
/// The chunks themselves are in [`Context::response`](crate::Context::response): they may be read, replaced or
/// cleared there until the last module has returned.
///
/// IIS counterpart: `ISendResponseProvider`.
#[derive(Debug)]
pub struct Sending {
    pub(crate) headers: bool,
    pub(crate) more: bool,
}

impl Sending {
    /// What a host that is a pipeline itself tells its modules. For hosts.
    #[must_use]
    pub fn new(headers_being_sent: bool, more_data: bool) -> Self {
        Self { headers: headers_being_sent, more: more_data }
    }

    /// Whether status and headers go with this part; only then can they still be changed.
    ///
    /// IIS counterpart: `GetHeadersBeingSent`.
    #[must_use]
    pub fn headers_being_sent(&self) -> bool {
        self.headers
    }

    /// Whether more of the response will follow (`HTTP_SEND_RESPONSE_FLAG_MORE_DATA` of `GetFlags`).
    #[must_use]
    pub fn more_data(&self) -> bool {
        self.more
    }
}

/// A part of the request's entity body that has been read.
///
/// IIS counterpart: `IReadEntityProvider`.
#[derive(Debug)]
pub struct EntityRead {
    pub(crate) data: Bytes,
    pub(crate) end: bool,
}

impl EntityRead {
    /// What a host that is a pipeline itself tells its modules. For hosts.
    #[must_use]
    pub fn new(data: Bytes, end: bool) -> Self {
        Self { data, end }
    }

    /// What was read; empty at the end of the body.
    #[must_use]
    pub fn data(&self) -> &Bytes {
        &self.data
    }

    /// Puts other bytes in their place. Neither `Content-Length` nor the reader's buffer size is adjusted:
    /// the reader gets just these bytes. With none before the end of the body, the reader waits for the next part: so a
    /// decoder keeps back what it cannot use yet. At the end of the body non-empty bytes are delivered first.
    ///
    /// IIS counterpart: `SetEntity`.
    pub fn set_data(&mut self, data: impl Into<Bytes>) {
        self.data = data.into();
    }

    /// Whether the body has ended.
    #[must_use]
    pub fn is_end(&self) -> bool {
        self.end
    }
}

/// A URL that is being mapped to a physical path.
///
/// IIS counterpart: `IMapPathProvider`.
#[derive(Debug)]
pub struct PathMapping {
    pub(crate) url: String,
    pub(crate) path: PathBuf,
}

impl PathMapping {
    /// What a host that is a pipeline itself tells its modules. For hosts.
    #[must_use]
    pub fn new(url: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self { url: url.into(), path: path.into() }
    }

    /// The URL path, decoded and checked.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The path so far.
    #[must_use]
    pub fn physical_path(&self) -> &Path {
        &self.path
    }

    /// Another path. Modules are trusted: nothing is checked, and the path may lie outside every root.
    pub fn set_physical_path(&mut self, path: impl Into<PathBuf>) {
        self.path = path.into();
    }
}

/// A notification that one module raises and others answer.
///
/// ```
/// use bivalve_core::CustomNotification;
///
/// let mut custom = CustomNotification::new("cache/evict").with_data(vec!["/a", "/b"]);
/// assert_eq!(custom.data_mut::<Vec<&str>>().map(|urls| urls.len()), Some(2));
/// ```
///
/// IIS counterpart: `ICustomNotificationProvider`.
pub struct CustomNotification {
    unique_id: String,
    data: Option<Box<dyn Any + Send>>,
}

impl CustomNotification {
    /// A notification with a name that others can know; a path of the crate's name is a good one.
    ///
    /// IIS counterpart: `QueryNotificationType`.
    #[must_use]
    pub fn new(unique_id: impl Into<String>) -> Self {
        Self { unique_id: unique_id.into(), data: None }
    }

    /// With a value for those who know its type.
    #[must_use]
    pub fn with_data<T: Any + Send>(mut self, data: T) -> Self {
        self.data = Some(Box::new(data));
        self
    }

    /// The name.
    #[must_use]
    pub fn unique_id(&self) -> &str {
        &self.unique_id
    }

    /// The value, if it is of this type.
    #[must_use]
    pub fn data<T: Any + Send>(&self) -> Option<&T> {
        self.data.as_deref()?.downcast_ref()
    }

    /// The value for an answer, if it is of this type.
    #[must_use]
    pub fn data_mut<T: Any + Send>(&mut self) -> Option<&mut T> {
        self.data.as_deref_mut()?.downcast_mut()
    }
}

impl fmt::Debug for CustomNotification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CustomNotification").field("unique_id", &self.unique_id).finish_non_exhaustive()
    }
}

/// What completed, for [`on_async_completion`](crate::Module::on_async_completion).
///
/// IIS counterpart: the arguments `dwNotification`, `fPostNotification` and `IHttpCompletionInfo`.
#[derive(Debug)]
pub struct CompletionInfo {
    pub(crate) event: Event,
    pub(crate) completion: Completion,
    pub(crate) source: CompletionSource,
    pub(crate) entity: Bytes,
    pub(crate) child: Option<Box<crate::ChildResponse>>,
}

/// Which kind of operation completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CompletionSource {
    /// [`Context::start_write`](crate::Context::start_write).
    Write,
    /// [`Context::start_flush`](crate::Context::start_flush).
    Flush,
    /// [`Context::start_read_entity`](crate::Context::start_read_entity).
    ReadEntity,
    /// [`Context::start_execute_request`](crate::Context::start_execute_request).
    ExecuteRequest,
    /// [`CompletionHandle::post_completion`](crate::CompletionHandle::post_completion).
    Posted,
}

impl CompletionInfo {
    /// The notification that returned `Pending`.
    #[must_use]
    pub fn notification(&self) -> Notification {
        self.event.notification()
    }

    /// Whether it was the post-notification.
    #[must_use]
    pub fn is_post_notification(&self) -> bool {
        self.event.is_post()
    }

    /// The event that returned `Pending`.
    #[must_use]
    pub fn event(&self) -> Event {
        self.event
    }

    /// Bytes and status.
    pub fn completion(&self) -> Completion {
        self.completion
    }

    /// Which kind of operation it was.
    #[must_use]
    pub fn source(&self) -> CompletionSource {
        self.source
    }

    /// What a started read brought; empty otherwise, and at the end of the body.
    #[must_use]
    pub fn entity(&self) -> &Bytes {
        &self.entity
    }

    /// The response of a started child request; `None` otherwise, or when it was taken before.
    #[must_use]
    pub fn take_child_response(&mut self) -> Option<crate::ChildResponse> {
        self.child.take().map(|child| *child)
    }
}
