//! The portable pipeline: modules in IIS's order, run for one request at a time.
//!
//! [`Pipeline`] is what is configured: immutable, shared by all requests, the modules of each event computed once. The
//! stepper decides what comes next and knows nothing else; [`Run`] makes the calls.

mod builder;
mod call;
mod cursor;
mod globals;
mod handler;
mod run;

use std::fmt;
use std::sync::Arc;

pub use self::builder::{BuildError, PipelineBuilder};
pub(crate) use self::call::{
    Provider, call, call_from_host, call_from_host_now, call_map_path, settle_from_host,
};
pub use self::cursor::Step;
use self::cursor::{Entry, EventLists};
pub use self::handler::{Handler, HandlerMapping};
pub(crate) use self::run::answer;
pub use self::run::{HandlerGuard, Run};

use crate::context::{ModuleId, Signal};
use crate::meter::{Clock, Meter};
use crate::{
    Application, Context, Event, MapPathError, Module, Notification, OnDisconnect, Registration, Request,
    Server, Site, map_path,
};

/// The modules and the handler of an application, in the order in which they run.
///
/// ```
/// use bivalve_core::{Context, Flow, Module, Notification, Outcome, Pipeline, Registration};
///
/// struct Hello;
/// impl Module for Hello {
///     fn registration(&self) -> Registration {
///         Registration::new().on(Notification::BeginRequest)
///     }
///     fn on_begin_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
///         Outcome::Ready(cx.response_mut().write("Hello World!").map(|()| Flow::Finish))
///     }
/// }
///
/// let pipeline = Pipeline::builder().module("Hello", Hello).build()?;
/// assert_eq!(pipeline.modules().collect::<Vec<_>>(), ["Hello"]);
/// # Ok::<(), bivalve_core::BuildError>(())
/// ```
///
/// IIS counterpart: `<globalModules>`, `<modules>` and `<handlers>` of one application.
pub struct Pipeline {
    modules: Vec<Mounted>,
    lists: EventLists,
    globals: globals::Globals,
    handler: Option<Arc<dyn Handler>>,
    /// Whether it promises to return no future.
    synchronous_handler: bool,
    mappings: Vec<handler::Resolved>,
    server: Server,
    site: Arc<Site>,
    application: Arc<Application>,
    clock: Option<Clock>,
}

/// A module with the name and registration under which it is mounted.
struct Mounted {
    name: Arc<str>,
    module: Arc<dyn Module>,
    registration: Registration,
}

impl Pipeline {
    /// Starts with no modules and no handler.
    pub fn builder() -> PipelineBuilder {
        PipelineBuilder::default()
    }

    /// The names of the modules, in order of registration.
    pub fn modules(&self) -> impl Iterator<Item = &str> {
        self.modules.iter().map(|mounted| &*mounted.name)
    }

    /// The names of the modules that run at an event, in the order in which they run.
    pub fn modules_of(&self, event: impl Into<Event>) -> impl Iterator<Item = &str> {
        self.lists.at(event.into()).iter().map(|entry| self.module_name(entry.module))
    }

    /// Whether a module runs, or the response is looked at, after the handler. Without, a host may let a
    /// response pass untouched.
    #[must_use]
    pub fn acts_after_handler(&self) -> bool {
        self.lists.any_after_handler() || self.raises(Notification::SendResponse)
    }

    /// Whether a module is registered for an on-demand notification.
    #[must_use]
    pub fn raises(&self, notification: Notification) -> bool {
        !self.lists.at(notification.into()).is_empty()
    }

    /// The server.
    #[must_use]
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// The site.
    #[must_use]
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// The application.
    #[must_use]
    pub fn application(&self) -> &Application {
        &self.application
    }

    pub(crate) fn lists(&self) -> &EventLists {
        &self.lists
    }

    pub(crate) fn modules_at(&self, event: Event) -> &[Entry] {
        self.lists.at(event)
    }

    pub(crate) fn module(&self, id: ModuleId) -> &dyn Module {
        &*self.modules[id.index()].module
    }

    pub(crate) fn module_name(&self, id: ModuleId) -> &str {
        self.modules.get(id.index()).map_or("the host", |mounted| &mounted.name)
    }

    pub(crate) fn shared_name(&self, id: ModuleId) -> &Arc<str> {
        &self.modules[id.index()].name
    }

    /// What cancels a waiting call: a disconnect, unless the call is owed or the module wants to finish it.
    pub(crate) fn cancel<'s>(&self, id: ModuleId, event: Event, signal: &'s Signal) -> Option<&'s Signal> {
        let behaviour = self.modules[id.index()].registration.disconnect_behaviour();
        let owed = event.notification().is_guaranteed() || behaviour == OnDisconnect::Finish;
        (!owed).then_some(signal)
    }

    pub(crate) fn handler(&self) -> Option<&Arc<dyn Handler>> {
        self.handler.as_ref()
    }

    pub(crate) fn has_synchronous_handler(&self) -> bool {
        self.synchronous_handler
    }

    pub(crate) fn meter(&self) -> Option<Box<Meter>> {
        self.clock.as_ref().map(|clock| Box::new(Meter::new(clock)))
    }

    /// Whether a handler mapping decides who answers this request. One whose URL cannot be decoded without doubt is
    /// answered by nobody: else `/x.ph%70` would go past the mapping of `*.php` to a service that decodes it.
    pub(crate) fn is_mapped(&self, request: &Request) -> bool {
        !matches!(self.mapping(request), Ok(None))
    }

    /// The mapping that fits the decoded URL.
    fn mapping(&self, request: &Request) -> Result<Option<&handler::Resolved>, MapPathError> {
        if self.mappings.is_empty() {
            return Ok(None);
        }
        let path = map_path::decode_url_path(request.url().path())?;
        Ok(self.mappings.iter().find(|mapping| mapping.fits(request.method(), &path)))
    }

    /// Whether this module is to be called at this event of this request.
    #[inline]
    pub(crate) fn calls(&self, cx: &Context, module: ModuleId, event: Event) -> bool {
        let executes = event.notification() == Notification::ExecuteRequestHandler && !event.is_post();
        cx.wants(module, event) && (!executes || self.handles(cx, module))
    }

    /// Whether this module is called at ExecuteRequestHandler.
    #[cold]
    fn handles(&self, cx: &Context, module: ModuleId) -> bool {
        if let Some(chosen) = cx.control.handler {
            return chosen == module;
        }
        match self.mapping(cx.request()) {
            Ok(Some(mapping)) => mapping.names(module),
            // With mappings configured, a module that none of them names is no handler, as in IIS.
            Ok(None) => self.mappings.is_empty(),
            Err(_) => false,
        }
    }
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline")
            .field("modules", &self.modules().collect::<Vec<_>>())
            .field("handler", &self.handler.is_some())
            .finish_non_exhaustive()
    }
}
