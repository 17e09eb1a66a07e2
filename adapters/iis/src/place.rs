//! Site and application, each known to this DLL as long as IIS knows it, and the pipeline of its modules there.

use std::sync::{Arc, Mutex, PoisonError};

use bivalve_core::{Application, Module, Pipeline, Registration, Server, Site};
use bivalve_iis_sys::{IHttpApplication, IHttpContext, IHttpSite};

use crate::registry::{self, Dll, Exported};
use crate::{driver, runtime, stored, text};

/// One application of one site.
pub(crate) struct Place {
    site: Arc<Site>,
    application: Arc<Application>,
    /// IIS does not know the application yet: a path that it maps before the request begins.
    provisional: bool,
    /// All modules of this DLL. Made anew for one that was registered since.
    pipeline: Mutex<Arc<Pipeline>>,
    dll: Dll,
}

impl Place {
    fn new(site: Arc<Site>, application: Application, provisional: bool, dll: Dll) -> Arc<Self> {
        let application = Arc::new(application);
        let pipeline = Mutex::new(build(&site, &application, dll));
        Arc::new(Self { site, application, provisional, pipeline, dll })
    }

    /// Whether the application is to be asked for again.
    pub(crate) fn is_provisional(&self) -> bool {
        self.provisional
    }

    /// A pipeline that has this module.
    pub(crate) fn pipeline(&self, module: &Exported) -> Arc<Pipeline> {
        let mut pipeline = self.pipeline.lock().unwrap_or_else(PoisonError::into_inner);
        if !module.is_in(&pipeline) {
            *pipeline = build(&self.site, &self.application, self.dll);
        }
        Arc::clone(&pipeline)
    }
}

/// Where this request belongs.
///
/// # Safety
///
/// IIS has given `context` to the notification that runs.
pub(crate) unsafe fn place_of(context: *mut IHttpContext, exported: &Exported) -> Arc<Place> {
    // SAFETY: site and application live longer than the request, and their texts as long as they do.
    unsafe {
        let site = IHttpContext::get_site(context);
        let application = IHttpContext::get_application(context);
        if application.is_null() {
            return Place::new(site_of(site, exported), Application::default(), true, exported.dll);
        }
        let container = IHttpApplication::get_module_context_container(application);
        stored::stored(container, exported.dll.id, || {
            Place::new(site_of(site, exported), application_of(application), false, exported.dll)
        })
    }
}

/// What IIS says of an application.
///
/// # Safety
///
/// `application` is null or alive during the call.
pub(crate) unsafe fn application_of(application: *mut IHttpApplication) -> Application {
    if application.is_null() {
        return Application::default();
    }
    // SAFETY: it is alive, says the caller, and its texts with it.
    let (root, path) = unsafe {
        (
            text::wide(IHttpApplication::get_application_physical_path(application)),
            text::wide(IHttpApplication::get_app_config_path(application)),
        )
    };
    // MACHINE/WEBROOT/APPHOST/Default Web Site/shop
    let url = path.splitn(5, '/').nth(4).unwrap_or_default();
    Application::builder().url_path(url).root(root).build()
}

/// The server, as modules see it.
pub(crate) fn server(dll: Dll) -> Server {
    Server::new()
        .with_spawn(|future| drop(runtime::handle().spawn(future)))
        .with_driver_on_demand(move || driver::of(dll))
}

/// # Safety
///
/// `site` is null or alive during the call.
unsafe fn site_of(site: *mut IHttpSite, exported: &Exported) -> Arc<Site> {
    if site.is_null() {
        return Arc::default();
    }
    // SAFETY: it is alive, says the caller, and its name with it.
    unsafe {
        let container = IHttpSite::get_module_context_container(site);
        stored::stored(container, exported.dll.id, || {
            Arc::new(Site::new(IHttpSite::get_site_id(site), text::wide(IHttpSite::get_site_name(site))))
        })
    }
}

fn build(site: &Arc<Site>, application: &Arc<Application>, dll: Dll) -> Arc<Pipeline> {
    let mut builder =
        Pipeline::builder().server(server(dll)).site(Arc::clone(site)).application(Arc::clone(application));
    for (index, exported) in registry::all().into_iter().enumerate() {
        builder = match exported {
            Some(exported) => builder.shared_module(exported.name.to_string(), Arc::clone(&exported.module)),
            // No name that comes from IIS has a zero in it.
            None => builder.module(format!("\0{index}"), Free),
        };
    }
    builder.build().expect("names are told apart when they are registered, and there are few of them")
}

/// Where no module is: nobody calls it.
struct Free;

impl Module for Free {
    fn registration(&self) -> Registration {
        Registration::new()
    }
}
