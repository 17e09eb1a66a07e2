//! `RegisterModule`, and what a module asks for in it.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bivalve_core::{Event, Notification, Notifications, OnDisconnect, Priority, Registration};
use bivalve_iis_sys::callbacks::PFN_REGISTERMODULE;
use bivalve_iis_sys::hresult::{
    E_INVALIDARG, ERROR_ALREADY_EXISTS, ERROR_INVALID_STATE, S_OK, from_win32, succeeded,
};
use bivalve_iis_sys::types::{HRESULT, HTTP_MODULE_ID, PCWSTR};
use bivalve_iis_sys::{
    CGlobalModule, IHttpModuleFactory, IHttpModuleRegistrationInfo, IHttpModuleRegistrationInfo2Impl,
    IHttpModuleRegistrationInfo2Vtbl, IHttpModuleRegistrationInfoImpl, upcast,
};

use crate::arena::Arena;
use crate::face::{Face, owner};
use crate::host::Shared;
use crate::loader::LoadError;
use crate::module::NativeModule;
use crate::text::wide;

/// A module that has registered itself.
pub(crate) struct Registered {
    name: Arc<str>,
    factory: *mut IHttpModuleFactory,
    global: *mut CGlobalModule,
    pub(crate) registration: Registration,
    pub(crate) global_notifications: u32,
    global_priorities: Vec<(u32, Priority)>,
}

// SAFETY: factory and global object are the module's, and IIS calls them on any thread.
unsafe impl Send for Registered {}
// SAFETY: as above.
unsafe impl Sync for Registered {}

impl Registered {
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(crate) fn global(&self) -> *mut CGlobalModule {
        self.global
    }

    /// Of one global notification: the last that was set.
    pub(crate) fn global_priority(&self, notification: u32) -> Priority {
        let set = self.global_priorities.iter().rev().find(|(mask, _)| mask & notification != 0);
        set.map_or_else(Priority::default, |(_, priority)| *priority)
    }

    pub(crate) fn factory(&self) -> *mut IHttpModuleFactory {
        self.factory
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        if !self.factory.is_null() {
            // SAFETY: the module keeps its factory alive until this call, which comes once.
            unsafe { IHttpModuleFactory::terminate(self.factory) };
        }
        if !self.global.is_null() {
            // SAFETY: the module keeps its global object alive until this call, which comes once.
            unsafe { CGlobalModule::terminate(self.global) };
        }
    }
}

impl fmt::Debug for Registered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registered")
            .field("name", &self.name)
            .field("registration", &self.registration)
            .finish_non_exhaustive()
    }
}

/// What went wrong, before it is known in which file.
pub(crate) enum Failure {
    Failed(HRESULT),
    Twice,
    Nothing,
}

impl Failure {
    pub(crate) fn of(self, path: &Path) -> LoadError {
        let path = path.to_owned();
        match self {
            Self::Failed(result) => LoadError::RegisterModuleFailed { path, result },
            Self::Twice => LoadError::RegisteredTwice { path },
            Self::Nothing => LoadError::RegisteredNothing { path },
        }
    }
}

/// What `RegisterModule` is given first.
struct Info {
    face: Face<Self>,
    /// Holds the name.
    _arena: Arena,
    name: *const u16,
    asked: Mutex<Asked>,
}

// SAFETY: the name is the arena's, and does not change.
unsafe impl Send for Info {}
// SAFETY: as above; the rest is behind a lock.
unsafe impl Sync for Info {}

/// What the module has asked for so far.
#[derive(Default)]
struct Asked {
    factory: Option<*mut IHttpModuleFactory>,
    global: Option<*mut CGlobalModule>,
    registration: Registration,
    global_notifications: u32,
    global_priorities: Vec<(u32, Priority)>,
    twice: bool,
    over: bool,
}

// SAFETY: pointers that are handed on.
unsafe impl Send for Asked {}

impl Info {
    fn lock(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Calls `RegisterModule`.
pub(crate) fn register(
    host: &Arc<Shared>,
    entry: PFN_REGISTERMODULE,
    name: &str,
) -> Result<NativeModule, Failure> {
    let arena = Arena::default();
    let wide = arena.wide(name).0;
    let info = Arc::new_cyclic(|this| Info {
        face: Face::new(
            "IHttpModuleRegistrationInfo",
            host.vtables.registration.as_ptr(),
            &host.violations,
            this.as_ptr(),
        ),
        _arena: arena,
        name: wide,
        asked: Mutex::default(),
    });
    // SAFETY: it is a module's entry point, says who named it; both objects live longer than the call, the server as
    // long as the host.
    let result = unsafe { entry(host.version, info.face.object(), host.server.object()) };
    let asked = {
        let mut asked = info.lock();
        asked.over = true;
        Asked { over: true, ..std::mem::take(&mut *asked) }
    };
    let registered = Registered {
        name: name.into(),
        factory: asked.factory.unwrap_or(std::ptr::null_mut()),
        global: asked.global.unwrap_or(std::ptr::null_mut()),
        // IIS never gives up on a notification that waits: its operations fail, and the module ends it.
        registration: asked.registration.on_disconnect(OnDisconnect::Finish),
        global_notifications: asked.global_notifications,
        global_priorities: asked.global_priorities,
    };
    if asked.twice {
        return Err(Failure::Twice);
    }
    if !succeeded(result) {
        return Err(Failure::Failed(result));
    }
    if asked.factory.is_none() && asked.global.is_none() {
        return Err(Failure::Nothing);
    }
    // The name and the identifier are of the info, which the module may have kept.
    Ok(NativeModule::new(host, registered, info))
}

/// What keeps the identity of a module alive.
pub(crate) trait Keep: Send + Sync {}

impl Keep for Info {}

pub(crate) static INFO: IHttpModuleRegistrationInfo2Vtbl = IHttpModuleRegistrationInfo2Vtbl::of::<Info>();

impl IHttpModuleRegistrationInfoImpl for Info {
    unsafe fn get_name(this: *const IHttpModuleRegistrationInfo) -> PCWSTR {
        // SAFETY: the host keeps the info as long as the module.
        unsafe { owner::<Self, _>(this) }.name
    }

    unsafe fn get_id(this: *const IHttpModuleRegistrationInfo) -> HTTP_MODULE_ID {
        // SAFETY: as above. Its address is nobody else's.
        std::ptr::from_ref(unsafe { owner::<Self, _>(this) }).cast_mut().cast()
    }

    unsafe fn set_request_notifications(
        this: *mut IHttpModuleRegistrationInfo,
        module_factory: *mut IHttpModuleFactory,
        request_notifications: u32,
        post_request_notifications: u32,
    ) -> HRESULT {
        // SAFETY: as above.
        let mut asked = unsafe { owner::<Self, _>(this) }.lock();
        if module_factory.is_null() || request_notifications | post_request_notifications == 0 {
            return E_INVALIDARG;
        }
        if asked.factory.is_some() {
            asked.twice = true;
            return from_win32(ERROR_ALREADY_EXISTS);
        }
        if asked.over {
            return from_win32(ERROR_INVALID_STATE);
        }
        asked.factory = Some(module_factory);
        asked.registration = std::mem::take(&mut asked.registration)
            .on(Notifications::from_bits_truncate(request_notifications))
            .on_post(Notifications::from_bits_truncate(post_request_notifications));
        S_OK
    }

    unsafe fn set_global_notifications(
        this: *mut IHttpModuleRegistrationInfo,
        global_module: *mut CGlobalModule,
        global_notifications: u32,
    ) -> HRESULT {
        // SAFETY: as above.
        let mut asked = unsafe { owner::<Self, _>(this) }.lock();
        if global_module.is_null() || global_notifications == 0 {
            return E_INVALIDARG;
        }
        if asked.global.is_some() {
            asked.twice = true;
            return from_win32(ERROR_ALREADY_EXISTS);
        }
        asked.global = Some(global_module);
        asked.global_notifications = global_notifications;
        S_OK
    }

    unsafe fn set_priority_for_request_notification(
        this: *mut IHttpModuleRegistrationInfo,
        request_notification: u32,
        priority: PCWSTR,
    ) -> HRESULT {
        // SAFETY: as above; the priority is zero-terminated.
        let (info, priority) = unsafe { (owner::<Self, _>(this), priority_of(priority)) };
        prioritize(info, request_notification, priority, Registration::priority)
    }

    unsafe fn set_priority_for_global_notification(
        this: *mut IHttpModuleRegistrationInfo,
        global_notification: u32,
        priority: PCWSTR,
    ) -> HRESULT {
        // SAFETY: as above; the priority is zero-terminated.
        let (info, priority) = unsafe { (owner::<Self, _>(this), priority_of(priority)) };
        let Some(priority) = priority else { return E_INVALIDARG };
        info.lock().global_priorities.push((global_notification, priority));
        S_OK
    }
}

impl IHttpModuleRegistrationInfo2Impl for Info {
    unsafe fn set_priority_for_post_request_notification(
        this: *mut bivalve_iis_sys::IHttpModuleRegistrationInfo2,
        post_request_notification: u32,
        priority: PCWSTR,
    ) -> HRESULT {
        let this = upcast::<IHttpModuleRegistrationInfo, _>(this);
        // SAFETY: as above.
        let (info, priority) = unsafe { (owner::<Self, _>(this), priority_of(priority)) };
        prioritize(info, post_request_notification, priority, Registration::post_priority)
    }
}

/// Sets a priority for every notification of the mask.
fn prioritize(
    info: &Info,
    notifications: u32,
    priority: Option<Priority>,
    set: fn(Registration, Notification, Priority) -> Registration,
) -> HRESULT {
    let (Some(priority), mut asked) = (priority, info.lock()) else { return E_INVALIDARG };
    for notification in Notifications::from_bits_truncate(notifications).iter() {
        asked.registration = set(std::mem::take(&mut asked.registration), notification, priority);
    }
    S_OK
}

/// # Safety
///
/// Null, or zero-terminated.
unsafe fn priority_of(alias: PCWSTR) -> Option<Priority> {
    // SAFETY: says the caller.
    let alias = unsafe { wide(alias) };
    Priority::ALL.into_iter().find(|priority| priority.alias().eq_ignore_ascii_case(&alias))
}

/// All events that a registration names, for those who print it.
pub(crate) fn events(registration: &Registration) -> Vec<Event> {
    let events = Notification::ALL.into_iter().flat_map(|n| [Some(Event::of(n)), Event::post(n)]);
    events.flatten().filter(|event| registration.wants(*event)).collect()
}
