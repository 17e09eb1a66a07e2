//! Builds a pipeline: names checked, the modules of each event put in order.

use std::any::type_name;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::cursor::{Entry, EventLists, SLOTS, index};
use super::globals::Globals;
use super::handler::{Pattern, Resolved};
use super::{Handler, HandlerMapping, Mounted, Pipeline};
use crate::context::ModuleId;
use crate::meter::Clock;
use crate::{Application, Event, Module, Notification, Server, Site, limits};

/// Builds a [`Pipeline`].
#[derive(Default)]
#[must_use]
pub struct PipelineBuilder {
    modules: Vec<(String, Arc<dyn Module>)>,
    handler: Option<Arc<dyn Handler>>,
    mappings: Vec<HandlerMapping>,
    server: Server,
    site: Arc<Site>,
    application: Arc<Application>,
    clock: Option<Clock>,
}

impl PipelineBuilder {
    /// Adds a module under a name. Among modules of one priority the order of these calls decides.
    ///
    /// IIS counterpart: an entry of `<modules>`.
    pub fn module(self, name: impl Into<String>, module: impl Module) -> Self {
        self.shared_module(name, Arc::new(module))
    }

    /// Adds a module under the name of its type.
    pub fn mount<M: Module>(self, module: M) -> Self {
        let path = type_name::<M>().split('<').next().unwrap_or_default();
        let name = path.rsplit("::").next().unwrap_or(path).to_string();
        self.module(name, module)
    }

    /// Adds a module that is shared with somebody else.
    pub fn shared_module(mut self, name: impl Into<String>, module: Arc<dyn Module>) -> Self {
        self.modules.push((name.into(), module));
        self
    }

    /// The service that answers unless a module does.
    pub fn handler(self, handler: impl Handler) -> Self {
        self.shared_handler(Arc::new(handler))
    }

    /// The service that answers unless a module does, shared with somebody else.
    pub fn shared_handler(mut self, handler: Arc<dyn Handler>) -> Self {
        self.handler = Some(handler);
        self
    }

    /// Says which modules answer which requests. Without any, every module registered for ExecuteRequestHandler runs.
    pub fn handler_mapping(mut self, mapping: HandlerMapping) -> Self {
        self.mappings.push(mapping);
        self
    }

    /// The server. Default: one without driver.
    pub fn server(mut self, server: Server) -> Self {
        self.server = server;
        self
    }

    /// The site. Default: number 1, "Default Web Site".
    pub fn site(mut self, site: impl Into<Arc<Site>>) -> Self {
        self.site = site.into();
        self
    }

    /// The application. Default: `/`, rooted in the current directory.
    pub fn application(mut self, application: impl Into<Arc<Application>>) -> Self {
        self.application = application.into();
        self
    }

    /// Measures the time of each module with this clock (time since any fixed point): see
    /// [`Context::timings`](crate::Context::timings). Two readings per call. Default: not measured.
    pub fn measure(mut self, clock: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// The pipeline.
    ///
    /// # Errors
    ///
    /// See [`BuildError`].
    ///
    /// # Panics
    ///
    /// When a module's `registration` or `global_registration`, or a handler's `is_synchronous`, panics.
    pub fn build(self) -> Result<Arc<Pipeline>, BuildError> {
        if self.modules.len() > limits::MAX_MODULES {
            return Err(BuildError::TooManyModules { modules: self.modules.len() });
        }
        let mut modules: Vec<Mounted> = Vec::with_capacity(self.modules.len());
        for (name, module) in self.modules {
            if modules.iter().any(|mounted| *mounted.name == *name) {
                return Err(BuildError::DuplicateName { name });
            }
            let registration = module.registration();
            modules.push(Mounted { name: name.into(), module, registration });
        }
        let mappings = self.mappings.into_iter().map(|mapping| resolve(mapping, &modules));
        Ok(Arc::new(Pipeline {
            mappings: mappings.collect::<Result<_, _>>()?,
            lists: lists(&modules),
            globals: Globals::new(&modules),
            modules,
            synchronous_handler: self.handler.as_ref().is_some_and(|handler| handler.is_synchronous()),
            handler: self.handler,
            server: self.server,
            site: self.site,
            application: self.application,
            clock: self.clock,
        }))
    }
}

impl fmt::Debug for PipelineBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.modules.iter().map(|(name, _)| &**name).collect();
        f.debug_struct("PipelineBuilder").field("modules", &names).finish_non_exhaustive()
    }
}

/// The modules of each event, FIRST to LAST and then by registration; reversed for SendResponse.
fn lists(modules: &[Mounted]) -> EventLists {
    let mut lists: [Box<[Entry]>; SLOTS + 4] = Default::default();
    let events = Notification::ALL.into_iter().flat_map(|n| [Some(Event::of(n)), Event::post(n)]).flatten();
    for event in events {
        let mut ids: Vec<ModuleId> = (0_u16..)
            .zip(modules)
            .filter(|(_, mounted)| mounted.registration.wants(event))
            .map(|(id, _)| ModuleId(id))
            .collect();
        ids.sort_by_key(|id| modules[id.index()].registration.priority_at(event));
        if event.notification() == Notification::SendResponse {
            ids.reverse();
        }
        let entry = |module: ModuleId| {
            let synchronous = modules[module.index()].registration.is_synchronous(event);
            Entry { module, synchronous }
        };
        lists[index(event)] = ids.into_iter().map(entry).collect();
    }
    EventLists::new(lists)
}

fn resolve(mapping: HandlerMapping, modules: &[Mounted]) -> Result<Resolved, BuildError> {
    let mut ids = Vec::with_capacity(mapping.modules.len());
    for name in mapping.modules {
        let Some((id, mounted)) = (0_u16..).zip(modules).find(|(_, mounted)| *mounted.name == *name) else {
            return Err(BuildError::UnknownModule { name, path: mapping.path });
        };
        if !mounted.registration.wants(Notification::ExecuteRequestHandler.into()) {
            return Err(BuildError::NotAHandler { name, path: mapping.path });
        }
        ids.push(ModuleId(id));
    }
    Ok(Resolved { path: Pattern::parse(&mapping.path), verbs: mapping.verbs, modules: ids })
}

/// Why a pipeline cannot be built.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError {
    /// Two modules have one name.
    DuplicateName {
        /// The name.
        name: String,
    },
    /// A handler mapping names a module that is not registered for ExecuteRequestHandler.
    NotAHandler {
        /// The module.
        name: String,
        /// The mapping.
        path: String,
    },
    /// More than [`limits::MAX_MODULES`].
    TooManyModules {
        /// How many.
        modules: usize,
    },
    /// A handler mapping names a module that is not mounted: IIS's 500.21.
    UnknownModule {
        /// The module.
        name: String,
        /// The mapping.
        path: String,
    },
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DuplicateName { name } => {
                write!(f, "two modules are called {name}: give each instance a name of its own")
            }
            Self::NotAHandler { name, path } => write!(
                f,
                "the handler mapping for {path} names {name}, which has no on_execute_request_handler"
            ),
            Self::TooManyModules { modules } => {
                write!(f, "{modules} modules, and a pipeline takes {}", limits::MAX_MODULES)
            }
            Self::UnknownModule { name, path } => {
                write!(f, "the handler mapping for {path} names {name}, which is not mounted")
            }
        }
    }
}

impl std::error::Error for BuildError {}
