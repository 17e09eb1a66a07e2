//! `IHttpSite` and `IHttpApplication2`: one of each for a host.

use std::fmt;
use std::ptr::null_mut;
use std::sync::{Arc, OnceLock};

use bivalve_core::Context;
use bivalve_iis_sys::types::{BOOL, PCWSTR};
use bivalve_iis_sys::{
    IHttpApplication, IHttpApplication2, IHttpApplication2Impl, IHttpApplication2Vtbl, IHttpApplicationImpl,
    IHttpModuleContextContainer, IHttpPerfCounterInfo, IHttpSite, IHttpSiteImpl, IHttpSiteVtbl,
};

use crate::arena::Arena;
use crate::container::Container;
use crate::face::{Face, owner};
use crate::host::Vtables;
use crate::violation::Violations;

/// Both, with what modules keep there.
pub(crate) struct SiteObjects {
    inner: Arc<Inner>,
}

struct Inner {
    site: Face<Self>,
    application: Face<Self>,
    arena: Arena,
    names: OnceLock<Names>,
    of_site: Arc<Container>,
    of_application: Arc<Container>,
}

/// What the first request says.
struct Names {
    site_id: u32,
    site: PCWSTR,
    physical_path: PCWSTR,
    application_id: PCWSTR,
    config_path: PCWSTR,
}

// SAFETY: the texts are the arena's, which lives as long, and do not change.
unsafe impl Send for Names {}
// SAFETY: as above.
unsafe impl Sync for Names {}

impl SiteObjects {
    pub(crate) fn new(vtables: &Vtables, violations: &Violations) -> Self {
        let inner = Arc::new_cyclic(|this| Inner {
            site: Face::new("IHttpSite", &raw const SITE, violations, this.as_ptr()),
            application: Face::new(
                "IHttpApplication",
                vtables.application.as_ptr(),
                violations,
                this.as_ptr(),
            ),
            arena: Arena::default(),
            names: OnceLock::new(),
            of_site: Container::new(violations),
            of_application: Container::new(violations),
        });
        Self { inner }
    }

    pub(crate) fn site(&self, cx: &Context) -> *mut IHttpSite {
        self.learn(cx);
        self.inner.site.object()
    }

    pub(crate) fn application(&self, cx: &Context) -> *mut IHttpApplication {
        self.learn(cx);
        self.inner.application.object()
    }

    /// The application, when somebody has asked for it with a context.
    pub(crate) fn started(&self) -> *mut IHttpApplication {
        self.inner.application.object()
    }

    /// What modules keep is cleaned up.
    pub(crate) fn end(&self) {
        self.inner.of_application.end();
        self.inner.of_site.end();
    }

    fn learn(&self, cx: &Context) {
        self.inner.names.get_or_init(|| {
            let wide = |text: &str| self.inner.arena.wide(text).0;
            let (site, app) = (cx.site(), cx.application());
            let path = app.url_path().trim_end_matches('/');
            Names {
                site_id: site.id(),
                site: wide(site.name()),
                // With a separator at the end, as IIS has it.
                physical_path: wide(&app.root().join("").to_string_lossy()),
                application_id: wide(&format!("/LM/W3SVC/{}/ROOT{path}", site.id())),
                config_path: wide(&format!("MACHINE/WEBROOT/APPHOST/{}{path}", site.name())),
            }
        });
    }
}

/// # Safety
///
/// `this` is one of the objects of a host that lives for `'a`.
unsafe fn inner<'a, C>(this: *const C) -> &'a Inner {
    // SAFETY: says the caller.
    unsafe { owner::<Inner, C>(this) }
}

/// # Safety
///
/// As [`inner`].
unsafe fn name<C>(this: *const C, of: fn(&Names) -> PCWSTR) -> PCWSTR {
    // SAFETY: says the caller.
    unsafe { inner(this) }.names.get().map_or(std::ptr::null(), of)
}

static SITE: IHttpSiteVtbl = IHttpSiteVtbl::of::<Inner>();
pub(crate) static APPLICATION: IHttpApplication2Vtbl = IHttpApplication2Vtbl::of::<Inner>();

impl IHttpSiteImpl for Inner {
    unsafe fn get_site_id(this: *const IHttpSite) -> u32 {
        // SAFETY: the host keeps the object as long as modules may call it. So below.
        unsafe { inner(this) }.names.get().map_or(0, |names| names.site_id)
    }

    unsafe fn get_site_name(this: *const IHttpSite) -> PCWSTR {
        // SAFETY: as above.
        unsafe { name(this, |names| names.site) }
    }

    unsafe fn get_module_context_container(this: *mut IHttpSite) -> *mut IHttpModuleContextContainer {
        // SAFETY: as above.
        unsafe { inner(this) }.of_site.object()
    }

    unsafe fn get_perf_counter_info(_: *mut IHttpSite) -> *mut IHttpPerfCounterInfo {
        null_mut()
    }
}

impl IHttpApplicationImpl for Inner {
    unsafe fn get_application_physical_path(this: *const IHttpApplication) -> PCWSTR {
        // SAFETY: as above.
        unsafe { name(this, |names| names.physical_path) }
    }

    unsafe fn get_application_id(this: *const IHttpApplication) -> PCWSTR {
        // SAFETY: as above.
        unsafe { name(this, |names| names.application_id) }
    }

    unsafe fn get_app_config_path(this: *const IHttpApplication) -> PCWSTR {
        // SAFETY: as above.
        unsafe { name(this, |names| names.config_path) }
    }

    unsafe fn get_module_context_container(this: *mut IHttpApplication) -> *mut IHttpModuleContextContainer {
        // SAFETY: as above.
        unsafe { inner(this) }.of_application.object()
    }
}

impl IHttpApplication2Impl for Inner {
    unsafe fn begin_application_warmup(_: *mut IHttpApplication2) {}

    unsafe fn end_application_warmup(_: *mut IHttpApplication2) {}

    unsafe fn query_is_warming_up(_: *mut IHttpApplication2) -> BOOL {
        0
    }
}

impl fmt::Debug for SiteObjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SiteObjects(..)")
    }
}
