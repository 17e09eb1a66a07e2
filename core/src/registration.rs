//! What a module asks for when it is mounted: events, priorities, behaviour on disconnect.

use std::fmt;

use crate::{Event, Notification, Notifications};

/// Where a module stands among the modules of one event.
///
/// `First` runs before `High`, and so on; within one priority the order of registration decides.
/// For [`Notification::SendResponse`] the order is **inverted**, as in IIS: `First` runs last.
///
/// IIS counterpart: `PRIORITY_ALIAS_FIRST` … `PRIORITY_ALIAS_LAST`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
// In IIS's order, which is the order of the derive as well.
pub enum Priority {
    /// `FIRST`.
    First,
    /// `HIGH`.
    High,
    /// `MEDIUM`: the default (see [`inferred`](crate::inferred)).
    Medium,
    /// `LOW`.
    Low,
    /// `LAST`.
    Last,
}

impl Priority {
    /// All five, in order.
    pub const ALL: [Self; 5] = [Self::First, Self::High, Self::Medium, Self::Low, Self::Last];

    /// The alias that IIS uses, such as `MEDIUM`.
    #[must_use]
    pub const fn alias(self) -> &'static str {
        match self {
            Self::First => "FIRST",
            Self::High => "HIGH",
            Self::Medium => "MEDIUM",
            Self::Low => "LOW",
            Self::Last => "LAST",
        }
    }
}

impl Default for Priority {
    fn default() -> Self {
        crate::inferred::DEFAULT_PRIORITY
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.alias())
    }
}

/// What happens to a module's pending method when the client goes away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDisconnect {
    /// The method's future is dropped at its current `.await`; the request goes on with LogRequest.
    #[default]
    Cancel,
    /// The method runs to its end first. Its writes fail with [`Error::is_disconnected`](crate::Error::is_disconnected).
    Finish,
}

/// The events a module wants, each with its priority.
///
/// `#[bivalve::module]` derives it from the methods that are written; by hand:
///
/// ```
/// use bivalve_core::{Notification, Priority, Registration};
///
/// let registration = Registration::new()
///     .on(Notification::AuthenticateRequest)
///     .on_post(Notification::EndRequest)
///     .priority(Notification::AuthenticateRequest, Priority::High);
/// assert_eq!(registration.notifications().bits(), 0x2);
/// assert_eq!(registration.post_notifications().bits(), 0x800);
/// ```
///
/// IIS counterpart: `IHttpModuleRegistrationInfo::SetRequestNotifications` and `SetPriorityForRequestNotification`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    notifications: Notifications,
    post_notifications: Notifications,
    priorities: [Priority; 16],
    post_priorities: [Priority; 12],
    on_disconnect: OnDisconnect,
    synchronous: Notifications,
    post_synchronous: Notifications,
}

impl Registration {
    /// Nothing yet: a module that registers for nothing is legal and is never called, as in IIS.
    #[must_use]
    pub fn new() -> Self {
        Self {
            notifications: Notifications::NONE,
            post_notifications: Notifications::NONE,
            priorities: [Priority::default(); 16],
            post_priorities: [Priority::default(); 12],
            on_disconnect: OnDisconnect::default(),
            synchronous: Notifications::NONE,
            post_synchronous: Notifications::NONE,
        }
    }

    /// Also these notifications.
    #[must_use]
    pub fn on(mut self, notifications: impl Into<Notifications>) -> Self {
        self.notifications |= notifications.into();
        self
    }

    /// Also these post-notifications. The four that have none are ignored.
    #[must_use]
    pub fn on_post(mut self, notifications: impl Into<Notifications>) -> Self {
        self.post_notifications |= notifications.into().intersection(Notifications::DETERMINISTIC);
        self
    }

    /// The priority at one notification.
    #[must_use]
    pub fn priority(mut self, notification: Notification, priority: Priority) -> Self {
        self.priorities[notification.index()] = priority;
        self
    }

    /// The priority at one post-notification. The four that have none are ignored.
    ///
    /// IIS counterpart: `IHttpModuleRegistrationInfo2`, which older IIS versions lack.
    #[must_use]
    pub fn post_priority(mut self, notification: Notification, priority: Priority) -> Self {
        if let Some(slot) = self.post_priorities.get_mut(notification.index()) {
            *slot = priority;
        }
        self
    }

    /// The same priority at every event.
    #[must_use]
    pub fn priority_everywhere(mut self, priority: Priority) -> Self {
        self.priorities = [priority; 16];
        self.post_priorities = [priority; 12];
        self
    }

    /// What happens to a pending method when the client goes away. Default: [`OnDisconnect::Cancel`].
    #[must_use]
    pub fn on_disconnect(mut self, on_disconnect: OnDisconnect) -> Self {
        self.on_disconnect = on_disconnect;
        self
    }

    /// A promise that the methods of these deterministic notifications never return a future: the pipeline then calls
    /// them without preparing to wait, at a third of the cost. `#[bivalve::module]` makes it for every plain `fn`.
    ///
    /// A method that returns [`Outcome::Pending`](crate::Outcome::Pending) all the same fails the request with 500.
    #[must_use]
    pub fn synchronous(mut self, notifications: impl Into<Notifications>) -> Self {
        self.synchronous |= notifications.into();
        self
    }

    /// The same promise for post-notifications.
    #[must_use]
    pub fn post_synchronous(mut self, notifications: impl Into<Notifications>) -> Self {
        self.post_synchronous |= notifications.into();
        self
    }

    /// The notifications asked for.
    #[must_use]
    pub fn notifications(&self) -> Notifications {
        self.notifications
    }

    /// The post-notifications asked for.
    #[must_use]
    pub fn post_notifications(&self) -> Notifications {
        self.post_notifications
    }

    /// Whether the module is called at this event.
    #[must_use]
    pub fn wants(&self, event: Event) -> bool {
        let mask = if event.is_post() { self.post_notifications } else { self.notifications };
        mask.contains(event.notification())
    }

    /// The priority at this event.
    #[must_use]
    pub fn priority_at(&self, event: Event) -> Priority {
        let index = event.notification().index();
        if event.is_post() { self.post_priorities[index] } else { self.priorities[index] }
    }

    /// Whether the module promised that its method of this event returns no future.
    #[must_use]
    pub fn is_synchronous(&self, event: Event) -> bool {
        let mask = if event.is_post() { self.post_synchronous } else { self.synchronous };
        mask.contains(event.notification())
    }

    /// What happens to a pending method when the client goes away.
    #[must_use]
    pub fn disconnect_behaviour(&self) -> OnDisconnect {
        self.on_disconnect
    }
}

impl Default for Registration {
    fn default() -> Self {
        Self::new()
    }
}
