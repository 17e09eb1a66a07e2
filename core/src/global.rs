//! Global notifications: what a module is told that no request is about.

use std::fmt;

use crate::{Application, Priority, Result, Server};

/// A notification that no request is about.
///
/// IIS counterpart: the constants `GL_*`. Those of its cache, of its own tracing and of preloading have none here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GlobalNotification {
    /// The server takes no more requests.
    ///
    /// IIS counterpart: `GL_STOP_LISTENING`.
    StopListening,
    /// A file of the configuration was changed.
    ///
    /// IIS counterpart: `GL_CONFIGURATION_CHANGE`.
    ConfigurationChange,
    /// An application starts.
    ///
    /// IIS counterpart: `GL_APPLICATION_START`.
    ApplicationStart,
    /// An application ends.
    ///
    /// IIS counterpart: `GL_APPLICATION_STOP`.
    ApplicationStop,
}

impl GlobalNotification {
    /// All four, in the order of IIS's bits.
    pub const ALL: [Self; 4] =
        [Self::StopListening, Self::ConfigurationChange, Self::ApplicationStart, Self::ApplicationStop];

    /// IIS's bit.
    #[must_use]
    pub const fn bits(self) -> u32 {
        match self {
            Self::StopListening => 0x2,
            Self::ConfigurationChange => 0x40,
            Self::ApplicationStart => 0x200,
            Self::ApplicationStop => 0x800,
        }
    }

    pub(crate) const fn index(self) -> usize {
        match self {
            Self::StopListening => 0,
            Self::ConfigurationChange => 1,
            Self::ApplicationStart => 2,
            Self::ApplicationStop => 3,
        }
    }
}

impl fmt::Display for GlobalNotification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Whether the next module hears of a global notification as well.
///
/// IIS counterpart: `GLOBAL_NOTIFICATION_STATUS`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum GlobalFlow {
    /// It does (`GL_NOTIFICATION_CONTINUE`).
    #[default]
    Continue,
    /// It does not (`GL_NOTIFICATION_HANDLED`).
    Handled,
}

/// Which global notifications a module wants, each with its priority.
///
/// ```
/// use bivalve_core::{GlobalNotification, GlobalRegistration, Priority};
///
/// let registration = GlobalRegistration::new()
///     .on(GlobalNotification::ApplicationStart)
///     .priority(GlobalNotification::ApplicationStart, Priority::High);
/// assert_eq!(registration.bits(), 0x200);
/// ```
///
/// IIS counterpart: `SetGlobalNotifications` and `SetPriorityForGlobalNotification`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GlobalRegistration {
    wanted: [bool; 4],
    priorities: [Priority; 4],
}

impl GlobalRegistration {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Also this one.
    #[must_use]
    pub fn on(mut self, notification: GlobalNotification) -> Self {
        self.wanted[notification.index()] = true;
        self
    }

    /// The priority at one.
    #[must_use]
    pub fn priority(mut self, notification: GlobalNotification, priority: Priority) -> Self {
        self.priorities[notification.index()] = priority;
        self
    }

    /// Whether it is wanted.
    #[must_use]
    pub fn wants(&self, notification: GlobalNotification) -> bool {
        self.wanted[notification.index()]
    }

    /// The priority at one.
    #[must_use]
    pub fn priority_at(&self, notification: GlobalNotification) -> Priority {
        self.priorities[notification.index()]
    }

    /// IIS's bits of those that are wanted.
    #[must_use]
    pub fn bits(&self) -> u32 {
        GlobalNotification::ALL.into_iter().filter(|n| self.wants(*n)).fold(0, |bits, n| bits | n.bits())
    }
}

/// The part of a module that hears of what no request is about. [`Module::global_module`](crate::Module::global_module)
/// hands it out; under `#[bivalve::module(global)]` the module itself is it.
///
/// ```
/// use std::sync::atomic::{AtomicU32, Ordering};
///
/// use bivalve_core::{
///     ApplicationProvider, GlobalFlow, GlobalModule, GlobalNotification, GlobalRegistration, Module,
///     Registration, Result,
/// };
///
/// #[derive(Default)]
/// struct Applications(AtomicU32);
///
/// impl Module for Applications {
///     fn registration(&self) -> Registration {
///         Registration::new()
///     }
///     fn global_module(&self) -> Option<&dyn GlobalModule> {
///         Some(self)
///     }
/// }
///
/// impl GlobalModule for Applications {
///     fn global_registration(&self) -> GlobalRegistration {
///         GlobalRegistration::new().on(GlobalNotification::ApplicationStart)
///     }
///     fn on_global_application_start(&self, provider: &ApplicationProvider<'_>) -> Result<GlobalFlow> {
///         tracing::info!(root = %provider.application().root().display(), "an application starts");
///         self.0.fetch_add(1, Ordering::Relaxed);
///         Ok(GlobalFlow::Continue)
///     }
/// }
/// ```
///
/// # What raises them
///
/// | | inside IIS | everywhere else |
/// |---|---|---|
/// | ApplicationStart | IIS, for each application, mostly at its first request | the pipeline, before its first request; [`Pipeline::start`](crate::Pipeline::start) for whoever wants it earlier |
/// | StopListening | IIS; not always (IIS Express leaves it out, and so does an application that was preloaded and never asked) | whoever runs the server, with [`Pipeline::stop_listening`](crate::Pipeline::stop_listening), before it drains |
/// | ApplicationStop | IIS | the pipeline, when the last of its requests and owners is gone, if it had started |
/// | ConfigurationChange | IIS, for every file of the configuration | whoever reads a configuration, with [`Pipeline::configuration_changed`](crate::Pipeline::configuration_changed) |
///
/// None is certain: a process can end without. What must be kept is written when it is known, not at the end. Inside IIS
/// a module that serves several applications hears of each start and each stop.
///
/// # What a method may do
///
/// It is synchronous, and whoever raised it waits: the first request for ApplicationStart. Inside IIS and in a Tokio
/// application it may start tasks. It does not make a request of its own application and wait for it.
///
/// # Errors and panics
///
/// Both are traced, and the others hear of the notification all the same. IIS is told of them (`SetErrorStatus`, with the
/// error's own text in the event log).
///
/// IIS counterpart: `CGlobalModule`.
pub trait GlobalModule: Send + Sync {
    /// What this module wants to hear of. Read once.
    ///
    /// IIS counterpart: `IHttpModuleRegistrationInfo::SetGlobalNotifications`.
    fn global_registration(&self) -> GlobalRegistration;

    /// An application starts; no module has seen a request of it.
    ///
    /// # Errors
    ///
    /// Are traced.
    ///
    /// IIS counterpart: `CGlobalModule::OnGlobalApplicationStart`.
    fn on_global_application_start(&self, provider: &ApplicationProvider<'_>) -> Result<GlobalFlow> {
        let _ = provider;
        Ok(GlobalFlow::Continue)
    }

    /// An application ends; no module will see another request of it.
    ///
    /// # Errors
    ///
    /// Are traced.
    ///
    /// IIS counterpart: `CGlobalModule::OnGlobalApplicationStop`.
    fn on_global_application_stop(&self, provider: &ApplicationProvider<'_>) -> Result<GlobalFlow> {
        let _ = provider;
        Ok(GlobalFlow::Continue)
    }

    /// The server takes no more requests; those that it has go on.
    ///
    /// # Errors
    ///
    /// Are traced.
    ///
    /// IIS counterpart: `CGlobalModule::OnGlobalStopListening`.
    fn on_global_stop_listening(&self, provider: &StopListeningProvider) -> Result<GlobalFlow> {
        let _ = provider;
        Ok(GlobalFlow::Continue)
    }

    /// A file of the configuration was changed. IIS raises it many times for one change, also for `MACHINE` and
    /// `MACHINE/WEBROOT`, with which nothing can be done.
    ///
    /// # Errors
    ///
    /// Are traced.
    ///
    /// IIS counterpart: `CGlobalModule::OnGlobalConfigurationChange`.
    fn on_global_configuration_change(
        &self,
        provider: &ConfigurationChangeProvider<'_>,
    ) -> Result<GlobalFlow> {
        let _ = provider;
        Ok(GlobalFlow::Continue)
    }
}

/// Which application starts or ends.
///
/// IIS counterpart: `IHttpApplicationProvider`.
#[derive(Clone, Copy, Debug)]
pub struct ApplicationProvider<'a> {
    application: &'a Application,
    server: &'a Server,
}

impl<'a> ApplicationProvider<'a> {
    /// For hosts.
    #[must_use]
    pub fn new(application: &'a Application, server: &'a Server) -> Self {
        Self { application, server }
    }

    /// The application.
    ///
    /// IIS counterpart: `GetApplication`.
    #[must_use]
    pub fn application(&self) -> &'a Application {
        self.application
    }

    /// The server, for background work.
    #[must_use]
    pub fn server(&self) -> &'a Server {
        self.server
    }
}

/// How the server stops.
///
/// IIS counterpart: `IGlobalStopListeningProvider`.
#[derive(Clone, Copy, Debug)]
pub struct StopListeningProvider {
    graceful: bool,
}

impl StopListeningProvider {
    /// For hosts.
    #[must_use]
    pub fn new(graceful: bool) -> Self {
        Self { graceful }
    }

    /// Whether requests that have begun may end.
    ///
    /// IIS counterpart: `DrainRequestsGracefully`.
    #[must_use]
    pub fn drain_requests_gracefully(&self) -> bool {
        self.graceful
    }
}

/// What was changed.
///
/// IIS counterpart: `IGlobalConfigurationChangeProvider`.
#[derive(Clone, Copy, Debug)]
pub struct ConfigurationChangeProvider<'a> {
    change_path: &'a str,
}

impl<'a> ConfigurationChangeProvider<'a> {
    /// For hosts.
    #[must_use]
    pub fn new(change_path: &'a str) -> Self {
        Self { change_path }
    }

    /// The path in the configuration, such as `MACHINE/WEBROOT/APPHOST/Default Web Site`.
    ///
    /// IIS counterpart: `GetChangePath`.
    #[must_use]
    pub fn change_path(&self) -> &'a str {
        self.change_path
    }
}
