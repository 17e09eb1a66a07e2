//! The names and bit values of the request pipeline: IIS's own.

use std::fmt;
use std::ops::{BitOr, BitOrAssign};

/// A request-level notification, with the bit value that IIS gives it (`RQ_*` in `httpserv.h`).
///
/// The first twelve are *deterministic*: each is raised once per request, in this order, and each is
/// followed by its post-notification. The last four are raised on demand, nested inside whatever code
/// asked for them, and have no post-notification.
///
/// ```
/// use bivalve_core::Notification;
///
/// assert_eq!(Notification::AuthenticateRequest.bits(), 0x2);
/// assert_eq!(Notification::AuthenticateRequest.to_string(), "AuthenticateRequest");
/// assert!(Notification::EndRequest.is_deterministic());
/// assert!(!Notification::SendResponse.is_deterministic());
/// ```
///
/// IIS counterpart: the request-processing constants, `RQ_BEGIN_REQUEST` and the rest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
// In the order in which IIS raises them, then those raised on demand by bit value. Dense, so that the dispatch of an
// event is one jump.
pub enum Notification {
    /// `RQ_BEGIN_REQUEST`: the request head has been read.
    BeginRequest,
    /// `RQ_AUTHENTICATE_REQUEST`: who is asking.
    AuthenticateRequest,
    /// `RQ_AUTHORIZE_REQUEST`: whether they may.
    AuthorizeRequest,
    /// `RQ_RESOLVE_REQUEST_CACHE`: whether a cache can answer.
    ResolveRequestCache,
    /// `RQ_MAP_REQUEST_HANDLER`: which handler will answer.
    MapRequestHandler,
    /// `RQ_ACQUIRE_REQUEST_STATE`: session and similar state is fetched.
    AcquireRequestState,
    /// `RQ_PRE_EXECUTE_REQUEST_HANDLER`: the last event before the handler.
    PreExecuteRequestHandler,
    /// `RQ_EXECUTE_REQUEST_HANDLER`: the handler makes the response.
    ExecuteRequestHandler,
    /// `RQ_RELEASE_REQUEST_STATE`: session and similar state is stored.
    ReleaseRequestState,
    /// `RQ_UPDATE_REQUEST_CACHE`: a cache may keep the response.
    UpdateRequestCache,
    /// `RQ_LOG_REQUEST`: always raised, also after a finish, an error or a disconnect.
    LogRequest,
    /// `RQ_END_REQUEST`: always raised, last.
    EndRequest,
    /// `RQ_CUSTOM_NOTIFICATION`: raised by a module through [`Context::notify_custom`](crate::Context::notify_custom).
    CustomRequestNotification,
    /// `RQ_SEND_RESPONSE`: a part of the response is about to leave. Once per flush.
    SendResponse,
    /// `RQ_READ_ENTITY`: a part of the request's entity body has been read.
    ReadEntity,
    /// `RQ_MAP_PATH`: a URL is being mapped to a physical path.
    MapPath,
}

impl Notification {
    /// All sixteen, deterministic ones first, in the order in which they are raised.
    pub const ALL: [Self; 16] = [
        Self::BeginRequest,
        Self::AuthenticateRequest,
        Self::AuthorizeRequest,
        Self::ResolveRequestCache,
        Self::MapRequestHandler,
        Self::AcquireRequestState,
        Self::PreExecuteRequestHandler,
        Self::ExecuteRequestHandler,
        Self::ReleaseRequestState,
        Self::UpdateRequestCache,
        Self::LogRequest,
        Self::EndRequest,
        Self::CustomRequestNotification,
        Self::SendResponse,
        Self::ReadEntity,
        Self::MapPath,
    ];

    /// The twelve that every request passes, in order.
    pub const DETERMINISTIC: [Self; 12] = {
        let mut first = [Self::BeginRequest; 12];
        let mut i = 0;
        while i < first.len() {
            first[i] = Self::ALL[i];
            i += 1;
        }
        first
    };

    /// The bit value that IIS uses (`RQ_*`).
    #[must_use]
    pub const fn bits(self) -> u32 {
        let index = self as u32;
        // RQ_CUSTOM_NOTIFICATION is bit 28.
        1 << if index < 12 { index } else { index + 16 }
    }

    /// The notification with this one bit, or `None` when IIS has none.
    #[must_use]
    pub fn from_bits(bits: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|n| n.bits() == bits)
    }

    /// Whether every request raises it exactly once, with a post-notification after it.
    #[must_use]
    pub const fn is_deterministic(self) -> bool {
        self.index() <= Self::EndRequest.index()
    }

    /// Whether it is raised for every request that began, whatever happened before:
    /// [`LogRequest`](Self::LogRequest) and [`EndRequest`](Self::EndRequest).
    #[must_use]
    pub const fn is_guaranteed(self) -> bool {
        matches!(self, Self::LogRequest | Self::EndRequest)
    }

    /// The name in IIS's documentation, without the `On` of the method.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BeginRequest => "BeginRequest",
            Self::AuthenticateRequest => "AuthenticateRequest",
            Self::AuthorizeRequest => "AuthorizeRequest",
            Self::ResolveRequestCache => "ResolveRequestCache",
            Self::MapRequestHandler => "MapRequestHandler",
            Self::AcquireRequestState => "AcquireRequestState",
            Self::PreExecuteRequestHandler => "PreExecuteRequestHandler",
            Self::ExecuteRequestHandler => "ExecuteRequestHandler",
            Self::ReleaseRequestState => "ReleaseRequestState",
            Self::UpdateRequestCache => "UpdateRequestCache",
            Self::LogRequest => "LogRequest",
            Self::EndRequest => "EndRequest",
            Self::CustomRequestNotification => "CustomRequestNotification",
            Self::SendResponse => "SendResponse",
            Self::ReadEntity => "ReadEntity",
            Self::MapPath => "MapPath",
        }
    }

    /// Its place in [`ALL`](Self::ALL).
    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Notification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Debug for Notification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A set of [`Notification`]s: the mask with which a module registers.
///
/// ```
/// use bivalve_core::{Notification, Notifications};
///
/// let mask = Notification::BeginRequest | Notification::LogRequest;
/// assert_eq!(mask.bits(), 0x401);
/// assert!(mask.contains(Notification::LogRequest));
/// assert_eq!(format!("{mask:?}"), "BeginRequest | LogRequest");
/// assert_eq!(Notifications::NONE.iter().count(), 0);
/// ```
///
/// IIS counterpart: `dwRequestNotifications` of `IHttpModuleRegistrationInfo::SetRequestNotifications`.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Notifications(u32);

impl Notifications {
    /// No notification.
    pub const NONE: Self = Self(0);

    /// The twelve deterministic notifications: those that have a post-notification and that
    /// [`Context::disable_notifications`](crate::Context::disable_notifications) can disable.
    pub const DETERMINISTIC: Self = Self(0x0FFF);

    /// The set with the given IIS bits; bits that name no notification are dropped.
    #[must_use]
    pub const fn from_bits_truncate(bits: u32) -> Self {
        Self(bits & 0xF000_0FFF)
    }

    /// The bits that IIS uses.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// This set and one more notification.
    #[must_use]
    pub const fn with(self, notification: Notification) -> Self {
        Self(self.0 | notification.bits())
    }

    /// What is in both sets.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether the notification is in the set.
    #[must_use]
    pub const fn contains(self, notification: Notification) -> bool {
        self.0 & notification.bits() != 0
    }

    /// Whether the set is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The notifications of the set, in the order of [`Notification::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Notification> {
        Notification::ALL.into_iter().filter(move |n| self.contains(*n))
    }
}

impl From<Notification> for Notifications {
    fn from(notification: Notification) -> Self {
        Self(notification.bits())
    }
}

impl BitOr for Notification {
    type Output = Notifications;
    fn bitor(self, other: Self) -> Notifications {
        Notifications(self.bits() | other.bits())
    }
}

impl BitOr<Notification> for Notifications {
    type Output = Self;
    fn bitor(self, other: Notification) -> Self {
        self.with(other)
    }
}

impl BitOr for Notifications {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Notifications {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl fmt::Debug for Notifications {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("NONE");
        }
        for (i, notification) in self.iter().enumerate() {
            if i > 0 {
                f.write_str(" | ")?;
            }
            f.write_str(notification.name())?;
        }
        Ok(())
    }
}

/// A notification or its post-notification: the place in the pipeline at which a module runs.
///
/// IIS counterpart: the pair `dwNotification`, `fPostNotification` of `CHttpModule::OnAsyncCompletion`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Event {
    notification: Notification,
    post: bool,
}

impl Event {
    /// The notification itself.
    #[must_use]
    pub const fn of(notification: Notification) -> Self {
        Self { notification, post: false }
    }

    /// Its post-notification; `None` for the four that have none.
    #[must_use]
    pub const fn post(notification: Notification) -> Option<Self> {
        if notification.is_deterministic() { Some(Self { notification, post: true }) } else { None }
    }

    /// The notification.
    #[must_use]
    pub const fn notification(self) -> Notification {
        self.notification
    }

    /// Whether it is the post-notification.
    #[must_use]
    pub const fn is_post(self) -> bool {
        self.post
    }
}

impl From<Notification> for Event {
    fn from(notification: Notification) -> Self {
        Self::of(notification)
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.post {
            f.write_str("Post")?;
        }
        f.write_str(self.notification.name())
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_those_of_httpserv_h() {
        let bits: Vec<u32> = Notification::ALL.into_iter().map(Notification::bits).collect();
        assert_eq!(
            bits,
            [
                0x1,
                0x2,
                0x4,
                0x8,
                0x10,
                0x20,
                0x40,
                0x80,
                0x100,
                0x200,
                0x400,
                0x800,
                0x1000_0000,
                0x2000_0000,
                0x4000_0000,
                0x8000_0000
            ]
        );
        for notification in Notification::ALL {
            assert_eq!(Notification::from_bits(notification.bits()), Some(notification));
        }
    }
}
