//! What modules are told that no request is about: that the application starts, and that it stops.

use std::fmt;
use std::sync::{Arc, Mutex, Once, PoisonError, Weak};

use bivalve_core::Context;
use bivalve_iis_sys::codes::GLOBAL_NOTIFICATION_STATUS as Status;
use bivalve_iis_sys::flags::{GL_APPLICATION_START, GL_APPLICATION_STOP, GL_STOP_LISTENING};
use bivalve_iis_sys::types::{BOOL, HRESULT};
use bivalve_iis_sys::{
    CGlobalModule, IGlobalStopListeningProvider, IGlobalStopListeningProviderImpl,
    IGlobalStopListeningProviderVtbl, IHttpApplication, IHttpApplicationProvider,
    IHttpApplicationProviderImpl, IHttpApplicationProviderVtbl, IHttpEventProvider, IHttpEventProviderImpl,
};

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

    /// Every module that registered for it, in the order in which they were loaded, until one has handled it.
    fn tell(&self, notification: u32, call: impl Fn(*mut CGlobalModule) -> Status) {
        let modules = self.modules.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for module in modules.iter().filter_map(Weak::upgrade) {
            if module.global_notifications & notification != 0 && call(module.global()) == Status::HANDLED {
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

impl IHttpEventProviderImpl for Globals {
    unsafe fn set_error_status(_: *mut IHttpEventProvider, error: HRESULT) {
        tracing::error!(error = %format_args!("0x{error:08X}"), "a module reports that a global notification failed");
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
