//! What notifications are given beside the context.

use std::ffi::c_void;
use std::fmt;
use std::path::PathBuf;
use std::ptr::{null, null_mut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bivalve_core::{Event, Notification, User};
use bivalve_iis_sys::flags::HTTP_SEND_RESPONSE_FLAG_MORE_DATA;
use bivalve_iis_sys::hresult::{E_INVALIDARG, S_OK, succeeded};
use bivalve_iis_sys::records::HTTP_LOG_DATA;
use bivalve_iis_sys::types::{BOOL, HRESULT, PCWSTR};
use bivalve_iis_sys::*;
use bytes::Bytes;

use crate::face::{Face, owner};
use crate::host::Shared;
use crate::operation::Custom;
use crate::registration::Registered;
use crate::request::Request;
use crate::text::{bytes, len32, store, wide, wide_len};

/// What a notification is about.
pub(crate) enum Data {
    Custom { own: Option<Custom>, unique_id: String },
    Entity(Bytes),
    Event,
    Path { url: String, path: String },
    Sending { headers: bool, more: bool },
}

/// The object, as long as its notification.
pub(crate) struct Provider {
    face: Face<Self>,
    request: Arc<Request>,
    module: Arc<Registered>,
    data: Data,
    changed: Mutex<Changed>,
}

#[derive(Default)]
struct Changed {
    path: Option<String>,
    /// That the notification has failed.
    error: Option<HRESULT>,
    /// The bytes as a module may change them in place; once it has asked for them.
    entity: Option<Entity>,
    flags: Option<u32>,
}

struct Entity {
    buffer: *mut u8,
    len: u32,
    room: u32,
    /// What was handed out lives here, unless the module has put another buffer in its place.
    own: Vec<u8>,
}

// SAFETY: the buffer is our own vector's, or the module's own, which it keeps until the request ends.
unsafe impl Send for Entity {}

impl Provider {
    pub(crate) fn new(
        host: &Shared,
        request: &Arc<Request>,
        module: &Arc<Registered>,
        event: Event,
        data: Data,
    ) -> Arc<Self> {
        let (interface, vtable): (&str, *const c_void) = match &data {
            Data::Custom { .. } => ("ICustomNotificationProvider", (&raw const CUSTOM).cast()),
            Data::Entity(_) => ("IReadEntityProvider", (&raw const READ_ENTITY).cast()),
            Data::Path { .. } => ("IMapPathProvider", (&raw const MAP_PATH).cast()),
            Data::Sending { .. } => ("ISendResponseProvider", (&raw const SEND_RESPONSE).cast()),
            Data::Event => match (event.notification(), event.is_post()) {
                (Notification::AuthenticateRequest, false) => {
                    ("IAuthenticationProvider", (&raw const AUTHENTICATION).cast())
                }
                (Notification::MapRequestHandler, false) => {
                    ("IMapHandlerProvider", (&raw const MAP_HANDLER).cast())
                }
                _ => ("IHttpEventProvider", (&raw const EVENT).cast()),
            },
        };
        Arc::new_cyclic(|this| Self {
            face: Face::new(interface, vtable, &host.violations, this.as_ptr()),
            request: Arc::clone(request),
            module: Arc::clone(module),
            data,
            changed: Mutex::default(),
        })
    }

    /// As a module gets it: the module's own, where another module raised it.
    pub(crate) fn object<C>(&self) -> *mut C {
        match &self.data {
            Data::Custom { own: Some(own), .. } => own.0.cast(),
            _ => self.face.object(),
        }
    }

    /// The path that a module has set.
    pub(crate) fn changed_path(&self) -> Option<PathBuf> {
        self.lock().path.take().map(PathBuf::from)
    }

    /// What a module has said with `SetErrorStatus`, if it is a failure.
    pub(crate) fn error(&self) -> Option<HRESULT> {
        self.lock().error.filter(|error| !succeeded(*error))
    }

    /// What became of the entity, if a module has seen it.
    pub(crate) fn changed_entity(&self) -> Option<Bytes> {
        let changed = self.lock();
        let entity = changed.entity.as_ref()?;
        // SAFETY: the buffer is alive: our own until this is dropped, or the module's until the request ends.
        Some(Bytes::copy_from_slice(unsafe { bytes(entity.buffer, entity.len as usize) }))
    }

    fn lock(&self) -> MutexGuard<'_, Changed> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a module's user says of itself.
///
/// # Safety
///
/// The user is alive, and its texts as long.
pub(crate) unsafe fn user_of(user: *mut IHttpUser) -> User {
    // SAFETY: says the caller.
    unsafe { User::new(wide(IHttpUser::get_user_name(user)), wide(IHttpUser::get_authentication_type(user))) }
}

/// # Safety
///
/// `this` is a provider whose notification has not ended.
unsafe fn provider<'a, C>(this: *const C) -> &'a Provider {
    // SAFETY: says the caller.
    unsafe { owner::<Provider, C>(this) }
}

static AUTHENTICATION: IAuthenticationProviderVtbl = IAuthenticationProviderVtbl::of::<Provider>();
static CUSTOM: ICustomNotificationProviderVtbl = ICustomNotificationProviderVtbl::of::<Provider>();
static EVENT: IHttpEventProviderVtbl = IHttpEventProviderVtbl::of::<Provider>();
static MAP_HANDLER: IMapHandlerProviderVtbl = IMapHandlerProviderVtbl::of::<Provider>();
static MAP_PATH: IMapPathProviderVtbl = IMapPathProviderVtbl::of::<Provider>();
static READ_ENTITY: IReadEntityProviderVtbl = IReadEntityProviderVtbl::of::<Provider>();
static SEND_RESPONSE: ISendResponseProviderVtbl = ISendResponseProviderVtbl::of::<Provider>();

// SAFETY, for every block below that says "as IIS": the call that the provider is an argument of keeps it alive until the
// notification has ended; pointers are null or what the header asks for, by the module's word.

impl IHttpEventProviderImpl for Provider {
    unsafe fn set_error_status(this: *mut IHttpEventProvider, error: HRESULT) {
        // SAFETY: as IIS.
        let provider = unsafe { provider(this) };
        provider.request.details().error = error;
        provider.lock().error = Some(error);
    }
}

impl IAuthenticationProviderImpl for Provider {
    unsafe fn set_user(this: *mut IAuthenticationProvider, user: *mut IHttpUser) {
        // SAFETY: as IIS.
        let request = &unsafe { provider(this) }.request;
        if user.is_null() {
            return;
        }
        // SAFETY: the module's reference to the user is the host's from here on.
        let known = unsafe { user_of(user) };
        let mut details = request.details();
        details.users.push(user);
        details.user = Some((user, known.clone()));
        drop(details);
        request.with("IAuthenticationProvider::SetUser", |cx| cx.set_user(known));
    }
}

impl IMapHandlerProviderImpl for Provider {
    unsafe fn set_script_name(
        this: *mut IMapHandlerProvider,
        script_name: PCWSTR,
        script_name_len: u32,
    ) -> HRESULT {
        // SAFETY: as IIS.
        let (provider, name) = unsafe { (provider(this), wide_len(script_name, script_name_len as usize)) };
        provider.request.details().script_name = Some(name);
        S_OK
    }

    unsafe fn set_script_map(this: *mut IMapHandlerProvider, script_map: *mut IScriptMapInfo) {
        if script_map.is_null() {
            return;
        }
        // SAFETY: as IIS; the map lives as long as the request, whoever made it.
        let (provider, modules) =
            unsafe { (provider(this), wide(IScriptMapInfo::get_modules(script_map, null_mut()))) };
        let own = provider.module.name();
        if modules.split(',').any(|name| name.trim().eq_ignore_ascii_case(own)) {
            provider.request.with("IMapHandlerProvider::SetScriptMap", bivalve_core::Context::set_handler);
        } else {
            tracing::warn!(%modules, module = &**own, "a module named another one as the handler: ignored");
        }
    }

    unsafe fn set_file_info(_: *mut IMapHandlerProvider, _: *mut IHttpFileInfo) {}
}

impl IMapPathProviderImpl for Provider {
    unsafe fn get_url(this: *const IMapPathProvider) -> PCWSTR {
        // SAFETY: as IIS.
        let provider = unsafe { provider(this) };
        match &provider.data {
            Data::Path { url, .. } => provider.request.arena.wide(url).0,
            _ => null(),
        }
    }

    unsafe fn get_physical_path(this: *const IMapPathProvider) -> PCWSTR {
        // SAFETY: as IIS.
        let provider = unsafe { provider(this) };
        let changed = provider.lock().path.clone();
        match (&provider.data, changed) {
            (_, Some(path)) => provider.request.arena.wide(&path).0,
            (Data::Path { path, .. }, None) => provider.request.arena.wide(path).0,
            _ => null(),
        }
    }

    unsafe fn set_physical_path(
        this: *mut IMapPathProvider,
        physical_path: PCWSTR,
        physical_path_len: u32,
    ) -> HRESULT {
        // SAFETY: as IIS.
        let (provider, path) =
            unsafe { (provider(this), wide_len(physical_path, physical_path_len as usize)) };
        provider.lock().path = Some(path);
        S_OK
    }
}

impl ISendResponseProviderImpl for Provider {
    unsafe fn get_headers_being_sent(this: *const ISendResponseProvider) -> BOOL {
        // SAFETY: as IIS.
        BOOL::from(matches!(unsafe { provider(this) }.data, Data::Sending { headers: true, .. }))
    }

    unsafe fn get_flags(this: *const ISendResponseProvider) -> u32 {
        // SAFETY: as IIS.
        let provider = unsafe { provider(this) };
        let more = matches!(provider.data, Data::Sending { more: true, .. });
        provider.lock().flags.unwrap_or(if more { HTTP_SEND_RESPONSE_FLAG_MORE_DATA } else { 0 })
    }

    unsafe fn set_flags(this: *mut ISendResponseProvider, flags: u32) {
        // SAFETY: as IIS.
        unsafe { provider(this) }.lock().flags = Some(flags);
    }

    unsafe fn get_log_data(_: *const ISendResponseProvider) -> *mut HTTP_LOG_DATA {
        null_mut()
    }

    unsafe fn set_log_data(_: *mut ISendResponseProvider, log_data: *mut HTTP_LOG_DATA) -> HRESULT {
        if log_data.is_null() { E_INVALIDARG } else { S_OK }
    }

    unsafe fn get_ready_to_log_data(_: *const ISendResponseProvider) -> BOOL {
        0
    }
}

impl IReadEntityProviderImpl for Provider {
    unsafe fn get_entity(
        this: *mut IReadEntityProvider,
        buffer: *mut *mut c_void,
        data_len: *mut u32,
        buffer_len: *mut u32,
    ) {
        // SAFETY: as IIS.
        let provider = unsafe { provider(this) };
        let mut changed = provider.lock();
        let entity = changed.entity.get_or_insert_with(|| {
            let mut own = match &provider.data {
                Data::Entity(data) => data.to_vec(),
                _ => Vec::new(),
            };
            let len = len32(own.len());
            Entity { buffer: own.as_mut_ptr(), len, room: len, own }
        });
        // SAFETY: as IIS.
        unsafe {
            store(buffer, entity.buffer.cast());
            store(data_len, entity.len);
            store(buffer_len, entity.room);
        }
    }

    unsafe fn set_entity(
        this: *mut IReadEntityProvider,
        buffer: *mut c_void,
        data_len: u32,
        buffer_len: u32,
    ) {
        // SAFETY: as IIS.
        let mut changed = unsafe { provider(this) }.lock();
        let own = changed.entity.take().map(|entity| entity.own).unwrap_or_default();
        changed.entity = Some(Entity { buffer: buffer.cast(), len: data_len, room: buffer_len, own });
    }
}

impl ICustomNotificationProviderImpl for Provider {
    unsafe fn query_notification_type(this: *mut ICustomNotificationProvider) -> PCWSTR {
        // SAFETY: as IIS.
        let provider = unsafe { provider(this) };
        match &provider.data {
            Data::Custom { unique_id, .. } => provider.request.arena.wide(unique_id).0,
            _ => null(),
        }
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.face)
    }
}
