//! What modules are told that no request is about: that the application starts and stops, and that the configuration has
//! changed.

use std::fmt;
use std::sync::{Arc, Mutex, Once, PoisonError, Weak};

use bivalve_core::Context;
use bivalve_iis_sys::codes::GLOBAL_NOTIFICATION_STATUS as Status;
use bivalve_iis_sys::flags::{
    GL_APPLICATION_START, GL_APPLICATION_STOP, GL_CONFIGURATION_CHANGE, GL_STOP_LISTENING,
};
use bivalve_iis_sys::types::{BOOL, HRESULT, PCWSTR};
use bivalve_iis_sys::{
    CGlobalModule, IGlobalConfigurationChangeProvider, IGlobalConfigurationChangeProviderImpl,
    IGlobalConfigurationChangeProviderVtbl, IGlobalStopListeningProvider, IGlobalStopListeningProviderImpl,
    IGlobalStopListeningProviderVtbl, IHttpApplication, IHttpApplicationProvider,
    IHttpApplicationProviderImpl, IHttpApplicationProviderVtbl, IHttpEventProvider, IHttpEventProviderImpl,
};

use crate::arena::Arena;
use crate::face::{Face, owner};
use crate::faces::site::SiteObjects;
use crate::host::Shared;
use crate::registration::Registered;
use crate::violation::Violations;

/// Whom to tell, and what has been told.
pub(crate) struct Globals {
    /// Given when the application starts, and when it stops.
    application: Face<Shared>,
    stop_listening: Face<Shared>,
    violations: Violations,
    modules: Mutex<Vec<Weak<Registered>>>,
    start: Once,
    stop: Once,
}

impl Globals {
    /// Of the host, which holds it.
    pub(crate) fn new(violations: &Violations, host: *const Shared) -> Self {
        Self {
            application: Face::new("IHttpApplicationProvider", &raw const APPLICATION, violations, host),
            stop_listening: Face::new(
                "IGlobalStopListeningProvider",
                &raw const STOP_LISTENING,
                violations,
                host,
            ),
            violations: violations.clone(),
            modules: Mutex::default(),
            start: Once::new(),
            stop: Once::new(),
        }
    }

    /// One more module, loaded before the first request.
    pub(crate) fn add(&self, module: &Arc<Registered>) {
        self.modules.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(module));
    }

    /// Before the first call about the first request, once.
    pub(crate) fn start(&self, site: &SiteObjects, cx: &Context) {
        self.start.call_once(|| {
            let _ = site.application(cx);
            self.tell(GL_APPLICATION_START, |global| {
                // SAFETY: the module keeps its global object alive until `Terminate`, which its registration outlives;
                // the host keeps the provider. So below.
                unsafe { CGlobalModule::on_global_application_start(global, self.application.object()) }
            });
        });
    }

    /// After the last request, once, where there has been one.
    pub(crate) fn stop(&self) {
        if !self.start.is_completed() {
            return;
        }
        self.stop.call_once(|| {
            self.tell(GL_STOP_LISTENING, |global| {
                // SAFETY: as above.
                unsafe { CGlobalModule::on_global_stop_listening(global, self.stop_listening.object()) }
            });
            self.tell(GL_APPLICATION_STOP, |global| {
                // SAFETY: as above.
                unsafe { CGlobalModule::on_global_application_stop(global, self.application.object()) }
            });
        });
    }

    /// Whenever the host is told so.
    pub(crate) fn configuration_changed(&self, path: &str) {
        let arena = Arena::default();
        let change = Change { path: arena.wide(path).0, _arena: arena };
        let provider = Face::new(
            "IGlobalConfigurationChangeProvider",
            &raw const CONFIGURATION_CHANGE,
            &self.violations,
            &raw const change,
        );
        self.tell(GL_CONFIGURATION_CHANGE, |global| {
            // SAFETY: as above; the provider ends when all have been told, as in IIS.
            unsafe { CGlobalModule::on_global_configuration_change(global, provider.object()) }
        });
    }

    /// Every module that registered for it, by priority and then in the order in which they were loaded, until one has
    /// handled it.
    fn tell(&self, notification: u32, call: impl Fn(*mut CGlobalModule) -> Status) {
        let modules = self.modules.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut modules: Vec<_> = modules.iter().filter_map(Weak::upgrade).collect();
        modules.retain(|module| module.global_notifications & notification != 0);
        modules.sort_by_key(|module| module.global_priority(notification));
        for module in modules {
            if call(module.global()) == Status::HANDLED {
                return;
            }
        }
    }
}

impl fmt::Debug for Globals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Globals(..)")
    }
}

static APPLICATION: IHttpApplicationProviderVtbl = IHttpApplicationProviderVtbl::of::<Globals>();
static STOP_LISTENING: IGlobalStopListeningProviderVtbl = IGlobalStopListeningProviderVtbl::of::<Globals>();

static CONFIGURATION_CHANGE: IGlobalConfigurationChangeProviderVtbl =
    IGlobalConfigurationChangeProviderVtbl::of::<Change>();

/// One change.
struct Change {
    path: PCWSTR,
    /// Holds the path.
    _arena: Arena,
}

// SAFETY: the path is the arena's, and does not change.
unsafe impl Send for Change {}
// SAFETY: as above.
unsafe impl Sync for Change {}

impl IHttpEventProviderImpl for Change {
    unsafe fn set_error_status(_: *mut IHttpEventProvider, error: HRESULT) {
        failed(error);
    }
}

impl IGlobalConfigurationChangeProviderImpl for Change {
    unsafe fn get_change_path(this: *const IGlobalConfigurationChangeProvider) -> PCWSTR {
        // SAFETY: the change lives until all modules have been told.
        unsafe { owner::<Self, _>(this) }.path
    }
}

fn failed(error: HRESULT) {
    tracing::error!(error = %format_args!("0x{error:08X}"), "a module reports that a global notification failed");
}

impl IHttpEventProviderImpl for Globals {
    unsafe fn set_error_status(_: *mut IHttpEventProvider, error: HRESULT) {
        failed(error);
    }
}

impl IHttpApplicationProviderImpl for Globals {
    unsafe fn get_application(this: *mut IHttpApplicationProvider) -> *mut IHttpApplication {
        // SAFETY: modules hold their host, so it lives as long as they may call.
        unsafe { owner::<Shared, _>(this) }.site.started()
    }
}

impl IGlobalStopListeningProviderImpl for Globals {
    unsafe fn drain_requests_gracefully(_: *const IGlobalStopListeningProvider) -> BOOL {
        1
    }
}
