//! What this DLL has registered, and `RegisterModule`.

use std::collections::BTreeSet;
use std::ffi::c_void;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use bivalve_core::{Event, Module, Notification, Pipeline, Priority, Registration};
use bivalve_iis_sys::flags;
use bivalve_iis_sys::hresult::{E_FAIL, E_POINTER, ERROR_NOT_FOUND, S_OK, from_win32, succeeded};
use bivalve_iis_sys::types::{HRESULT, HTTP_MODULE_ID, PCWSTR};
use bivalve_iis_sys::version::IIS_7_5;
use bivalve_iis_sys::{IHttpModuleRegistrationInfo, IHttpModuleRegistrationInfo2, IHttpServer, IHttpServer2};
use bivalve_iis_sys::{IHttpResponse, IHttpResponse4};

use crate::contain::contained;
use crate::event_log::{self, About};
use crate::script_map::ScriptMap;
use crate::{factory, faults, global, pin, text};

/// One module as IIS knows it.
pub(crate) struct Exported {
    /// Its place among the modules of this DLL.
    pub(crate) index: usize,
    pub(crate) name: Arc<str>,
    pub(crate) module: Arc<dyn Module>,
    pub(crate) registration: Registration,
    pub(crate) dll: Dll,
    script_map: OnceLock<ScriptMap>,
}

/// This DLL in one server.
#[derive(Clone, Copy)]
pub(crate) struct Dll {
    /// Under which all modules of this DLL store what they share: the identifier of the first.
    pub(crate) id: HTTP_MODULE_ID,
    pub(crate) version: u32,
    server: *mut IHttpServer,
}

// SAFETY: the identifier is no address of ours, and the server lives as long as the process; it may be called from
// any thread.
unsafe impl Send for Dll {}
// SAFETY: as above; it is only copied.
unsafe impl Sync for Dll {}

/// All modules of this DLL. A host that stands in for IIS may start many times in one process.
struct Modules {
    /// By [`Exported::index`]. A module is there as long as IIS has its factory or an object of it; then its place is free
    /// for the next.
    places: Vec<Weak<Exported>>,
    /// As IIS has said them, also of those that have gone.
    names: BTreeSet<Arc<str>>,
    /// So far.
    registered: usize,
}

static MODULES: Mutex<Modules> =
    Mutex::new(Modules { places: Vec::new(), names: BTreeSet::new(), registered: 0 });

/// What is at each place.
pub(crate) fn all() -> Vec<Option<Arc<Exported>>> {
    modules().places.iter().map(Weak::upgrade).collect()
}

fn modules() -> MutexGuard<'static, Modules> {
    MODULES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What [`export_modules!`](crate::export_modules) writes the body of `RegisterModule` with.
///
/// `choose` makes the module of a name. What it does not know is refused with `ERROR_NOT_FOUND`, and IIS then says that
/// the module could not be loaded; a panic in it is refused with `E_FAIL`.
///
/// IIS counterpart: `RegisterModule`.
///
/// # Safety
///
/// The arguments are those that IIS has called `RegisterModule` with.
pub unsafe fn register(
    version: u32,
    info: *mut IHttpModuleRegistrationInfo,
    server: *mut IHttpServer,
    choose: impl FnOnce(&str) -> Option<Arc<dyn Module>>,
) -> HRESULT {
    contained("RegisterModule", E_FAIL, || {
        if info.is_null() {
            return E_POINTER;
        }
        pin::pin();
        // SAFETY: IIS keeps all of it alive during the call, and the server as long as the process.
        unsafe {
            let name = text::wide(IHttpModuleRegistrationInfo::get_name(info));
            let name = faults::named(&name);
            faults::reach(&"RegisterModule");
            let Some(module) = choose(name) else {
                refused(name, "this DLL exports no module of that name: correct globalModules");
                return from_win32(ERROR_NOT_FOUND);
            };
            let exported = add(name, module, version, IHttpModuleRegistrationInfo::get_id(info), server);
            let result = announce(info, &exported);
            if !succeeded(result) {
                refused(name, &format!("IIS refused what it asks for, with 0x{result:08X}"));
            }
            result
        }
    })
}

/// Says why the worker process is about to end.
fn refused(name: &str, why: &str) {
    event_log::report(About::Registration, &format!("Module {name} is not registered: {why}."));
    event_log::reported(|| tracing::error!(name, why, "a module is not registered"));
}

fn add(
    name: &str,
    module: Arc<dyn Module>,
    version: u32,
    id: HTTP_MODULE_ID,
    server: *mut IHttpServer,
) -> Arc<Exported> {
    let registration = module.registration();
    let mut modules = modules();
    let free = |place: &Weak<Exported>| place.strong_count() == 0;
    let index = modules.places.iter().position(free).unwrap_or(modules.places.len());
    modules.registered += 1;
    // No name comes twice, so that it also says whether a pipeline has this module.
    let known = !modules.names.insert(name.into());
    let name = if known { format!("{name}#{}", modules.registered) } else { name.to_string() };
    let others: Vec<_> = modules.places.iter().filter_map(Weak::upgrade).collect();
    let first = others.iter().find(|exported| exported.dll.server == server && !server.is_null());
    let dll = Dll::new(first.map_or(id, |exported| exported.dll.id), version, server);
    let script_map = OnceLock::new();
    let exported = Arc::new(Exported { index, name: name.into(), module, registration, dll, script_map });
    if index == modules.places.len() {
        modules.places.push(Weak::new());
    }
    modules.places[index] = Arc::downgrade(&exported);
    // The lock is not held while the last of one of them goes, and with it a module.
    drop(modules);
    drop(others);
    exported
}

/// # Safety
///
/// As for [`register`].
unsafe fn announce(info: *mut IHttpModuleRegistrationInfo, exported: &Arc<Exported>) -> HRESULT {
    let registration = &exported.registration;
    let mut notifications = registration.notifications().bits();
    let post = registration.post_notifications().bits();
    if exported.is_handler() {
        // Where a module that has made itself the handler is put into the handler mapping.
        notifications |= flags::RQ_MAP_REQUEST_HANDLER;
    }
    // SAFETY: as the caller says.
    let result = unsafe { global::announce(info, exported) };
    if !succeeded(result) || (notifications == 0 && post == 0) {
        return result;
    }
    let factory = factory::Factory::make(exported);
    // SAFETY: the registration is alive during the call, and IIS takes over the factory until it terminates it.
    let result =
        unsafe { IHttpModuleRegistrationInfo::set_request_notifications(info, factory, notifications, post) };
    if !succeeded(result) {
        // SAFETY: IIS has not taken it over.
        drop(unsafe { factory::Factory::back(factory) });
        return result;
    }
    // SAFETY: as above.
    unsafe { prioritise(info, exported) }
}

/// # Safety
///
/// As for [`register`].
unsafe fn prioritise(info: *mut IHttpModuleRegistrationInfo, exported: &Exported) -> HRESULT {
    let registration = &exported.registration;
    let mut second = None;
    for notification in Notification::ALL {
        let event = Event::of(notification);
        let priority = registration.priority_at(event);
        if registration.wants(event) && priority != Priority::default() {
            // SAFETY: the registration is alive during the call, and the alias for ever.
            let result = unsafe {
                IHttpModuleRegistrationInfo::set_priority_for_request_notification(
                    info,
                    notification.bits(),
                    alias(priority),
                )
            };
            if !succeeded(result) {
                return result;
            }
        }
        let Some(event) = Event::post(notification) else { continue };
        let priority = registration.priority_at(event);
        if registration.wants(event) && priority != Priority::default() {
            // SAFETY: as above.
            unsafe {
                let info = *second.get_or_insert_with(|| probe(info, &exported.dll));
                if info.is_null() {
                    tracing::warn!(%event, "this IIS has no priorities for post-notifications");
                    continue;
                }
                IHttpModuleRegistrationInfo2::set_priority_for_post_request_notification(
                    info,
                    notification.bits(),
                    alias(priority),
                );
            }
        }
    }
    S_OK
}

/// The registration with priorities for post-notifications; null where this IIS has none.
///
/// # Safety
///
/// As for [`register`].
unsafe fn probe(info: *mut IHttpModuleRegistrationInfo, dll: &Dll) -> *mut IHttpModuleRegistrationInfo2 {
    let mut found: *mut c_void = std::ptr::null_mut();
    if dll.server.is_null() || dll.version < IIS_7_5 {
        return found.cast();
    }
    // SAFETY: the server lives as long as the process, and has this method since 7.5.
    let result = unsafe {
        IHttpServer2::get_extended_interface_by_iid(
            dll.server.cast::<IHttpServer2>(),
            &IHttpModuleRegistrationInfo::IID,
            info.cast(),
            &IHttpModuleRegistrationInfo2::IID,
            &mut found,
        )
    };
    if succeeded(result) { found.cast() } else { std::ptr::null_mut() }
}

pub(crate) fn alias(priority: Priority) -> PCWSTR {
    match priority {
        Priority::First => flags::PRIORITY_ALIAS_FIRST.as_ptr(),
        Priority::High => flags::PRIORITY_ALIAS_HIGH.as_ptr(),
        Priority::Medium => flags::PRIORITY_ALIAS_MEDIUM.as_ptr(),
        Priority::Low => flags::PRIORITY_ALIAS_LOW.as_ptr(),
        Priority::Last => flags::PRIORITY_ALIAS_LAST.as_ptr(),
    }
}

impl Dll {
    pub(crate) fn new(id: HTTP_MODULE_ID, version: u32, server: *mut IHttpServer) -> Self {
        Self { id, version, server }
    }

    /// Null where IIS gave none.
    pub(crate) fn server(self) -> *mut IHttpServer {
        self.server
    }

    /// The response with trailers; null where this IIS has none.
    pub(crate) fn response4(&self, response: *mut IHttpResponse) -> *mut IHttpResponse4 {
        let mut found: *mut c_void = std::ptr::null_mut();
        if self.server.is_null() || self.version < IHttpResponse4::SINCE {
            return found.cast();
        }
        // SAFETY: the server lives as long as the process, and has this method since 7.5; the response is the current one.
        let result = unsafe {
            IHttpServer2::get_extended_interface_by_iid(
                self.server.cast::<IHttpServer2>(),
                &IHttpResponse::IID,
                response.cast(),
                &IHttpResponse4::IID,
                &raw mut found,
            )
        };
        if succeeded(result) { found.cast() } else { std::ptr::null_mut() }
    }
}

impl Exported {
    /// Whether the pipeline has it at its place, and not one that has gone since or was not there yet.
    pub(crate) fn is_in(&self, pipeline: &Pipeline) -> bool {
        pipeline.modules().nth(self.index) == Some(&*self.name)
    }

    /// Whether it may answer at ExecuteRequestHandler.
    pub(crate) fn is_handler(&self) -> bool {
        self.registration.wants(Notification::ExecuteRequestHandler.into())
    }

    /// A handler mapping that names this module.
    pub(crate) fn script_map(&self) -> &ScriptMap {
        self.script_map.get_or_init(|| ScriptMap::new(&self.name))
    }
}
