//! A host that is a pipeline itself: IIS.
//!
//! Elsewhere [`Run`](crate::Run) is the pipeline, and a [`Host`](crate::Host) carries bytes. Inside IIS it is IIS that
//! raises the events: it calls one module at a time, and what a module asks for comes back as nested events, on this
//! thread or on another one. Such a host answers [`Host::foreign`](crate::Host::foreign), calls modules with
//! [`Context::call_module`], and the operations of the context then raise nothing of their own.
//!
//! # Several contexts for one request
//!
//! While a module waits inside `flush`, its context is borrowed, and IIS may call the same module: that call gets a
//! context of its own. What modules keep for the request ([`Kept`]) is one for all of them. A context fetches it
//! when a module first asks for it, and puts it back before every operation that may raise an event, and
//! after every call. None of these can happen while a module holds a reference into it: all take `&mut Context`.

use std::fmt;
use std::path::PathBuf;
use std::task::{Context as Task, Poll};

use http::StatusCode;

use crate::context::{StateStore, TypeMap};
use crate::{
    ChildRequest, ChildResponse, Context, CustomNotification, EntityRead, Flow, Notifications, PathMapping,
    Result, Sending,
};

/// What a host that is a pipeline itself answers in place of ours. For hosts.
pub trait Foreign {
    /// Takes what modules keep for this request, waiting for a context on another thread that has it.
    ///
    /// # Panics
    ///
    /// May, when it waits without hope: it is called within a module's method, and the panic is contained there.
    fn take_kept(&mut self) -> Kept;

    /// Puts it back, for the other contexts of the request.
    fn put_kept(&mut self, kept: Kept);

    /// What the host does with the context before an operation in which it may raise events: other contexts of the request
    /// see what this one has changed.
    fn step_out(&self) -> fn(&mut Context);

    /// What it does afterwards: this context sees what others have changed.
    fn step_in(&self) -> fn(&mut Context);

    /// Maps a URL path that has passed the checks of [`Context::map_path`] to a physical path.
    ///
    /// # Errors
    ///
    /// What the host, or a module at MapPath, failed with.
    fn map_path(&mut self, url: &str) -> Result<PathBuf>;

    /// Starts to raise a custom notification. None is outstanding when it is called.
    fn start_custom(&mut self, custom: CustomNotification);

    /// Asks for the notification back, and for the answer.
    fn poll_custom(&mut self, task: &mut Task<'_>) -> Poll<(CustomNotification, Result<Flow>)>;

    /// Starts a child request. None is outstanding when it is called.
    fn start_child(&mut self, child: ChildRequest);

    /// Asks what it answered.
    fn poll_child(&mut self, task: &mut Task<'_>) -> Poll<Result<ChildResponse>>;

    /// A server variable that the host knows.
    fn server_variable(&mut self, name: &str) -> Option<String>;

    /// Sets a server variable; name and value have been checked.
    ///
    /// # Errors
    ///
    /// When the host refuses.
    fn set_server_variable(&mut self, name: &str, value: &str) -> Result<()>;

    /// The calling module wants no more of these.
    fn disable_notifications(&mut self, notifications: Notifications, post_notifications: Notifications);

    /// Whether a module has failed in an event nested in the last operation; asked once after each.
    fn take_nested_failure(&mut self) -> Option<NestedFailure>;
}

/// How a module has failed in a nested event. For hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NestedFailure {
    /// What the request answers.
    pub status: StatusCode,
    /// Its sub-status.
    pub sub_status: u16,
    /// The answer has left in place of the part that the module has failed at.
    pub answered: bool,
}

/// What modules keep for one request: their states, and the values they share. Opaque: a host hands it on.
///
/// Dropped, it drops them all, and contains their panics.
#[derive(Default)]
pub struct Kept {
    pub(crate) states: StateStore,
    pub(crate) shared: TypeMap,
}

impl Kept {
    /// Drops every value and keeps the memory.
    pub(crate) fn dispose(&mut self) {
        self.states.dispose();
        self.shared.dispose();
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.dispose();
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("states", &self.states).field("shared", &self.shared).finish()
    }
}

/// What a module is given besides the context, by a host that calls it. For hosts.
#[derive(Debug)]
pub enum Given<'a> {
    /// Nothing: a deterministic event.
    Nothing,
    /// A part of the response, at SendResponse.
    Sending(&'a mut Sending),
    /// A part of the body, at ReadEntity.
    EntityRead(&'a mut EntityRead),
    /// A custom notification.
    Custom(&'a mut CustomNotification),
    /// A path, at MapPath, which is synchronous.
    MapPath(&'a mut PathMapping),
}
