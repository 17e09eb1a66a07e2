//! Raw native modules for the tests: written over the ABI, linked into the test, registered by their entry point.
//!
//! A test says what its module does in closures; the module's objects look for them by the name it was registered with.
#![allow(dead_code, reason = "each test uses a part")]
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use bivalve_core::testing::TestHost;
use bivalve_iis_host::{IisHost, NativeModule};
use bivalve_iis_sys::codes::REQUEST_NOTIFICATION_STATUS as Status;
use bivalve_iis_sys::hresult::S_OK;
use bivalve_iis_sys::types::{BOOL, HRESULT, HTTP_MODULE_ID};
use bivalve_iis_sys::*;

/// What a notification was called with. Pointers as numbers, so that they cross threads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) slot: &'static str,
    cx: usize,
    provider: usize,
    info: usize,
    pub(crate) notification: u32,
    pub(crate) module_id: usize,
}

impl Call {
    pub(crate) fn cx(&self) -> *mut IHttpContext3 {
        self.cx as *mut IHttpContext3
    }

    pub(crate) fn request(&self) -> *mut IHttpRequest {
        // SAFETY: the host keeps the request alive, or traps what is called later; so for all of the tests.
        unsafe { IHttpContext::get_request(self.cx()) }
    }

    pub(crate) fn response(&self) -> *mut IHttpResponse {
        // SAFETY: as above.
        unsafe { IHttpContext::get_response(self.cx()) }
    }

    pub(crate) fn provider<C>(&self) -> *mut C {
        self.provider as *mut C
    }

    pub(crate) fn id(&self) -> HTTP_MODULE_ID {
        self.module_id as HTTP_MODULE_ID
    }

    /// Bytes and status of a completion.
    pub(crate) fn completion(&self) -> (u32, HRESULT) {
        let info = self.info as *mut IHttpCompletionInfo;
        // SAFETY: as above.
        unsafe {
            (
                IHttpCompletionInfo::get_completion_bytes(info),
                IHttpCompletionInfo::get_completion_status(info),
            )
        }
    }

    /// Buffers text as the response.
    pub(crate) fn write(&self, text: &str) -> HRESULT {
        write(self.response(), text, false, &mut 0, None)
    }

    pub(crate) fn server_variable(&self, name: &std::ffi::CStr) -> Result<String, HRESULT> {
        let (mut value, mut len) = (std::ptr::null(), 0);
        // SAFETY: as above.
        let result = unsafe {
            IHttpContext::get_server_variable_ansi(
                self.cx(),
                name.as_ptr().cast(),
                &raw mut value,
                &raw mut len,
            )
        };
        if result < 0 {
            return Err(result);
        }
        // SAFETY: the host's text is that long.
        let text = unsafe { std::slice::from_raw_parts(value, len as usize) };
        Ok(String::from_utf8_lossy(text).into_owned())
    }
}

/// `WriteEntityChunks` with one chunk of memory.
pub(crate) fn write(
    response: *mut IHttpResponse,
    text: &str,
    is_async: bool,
    sent: &mut u32,
    expected: Option<&mut BOOL>,
) -> HRESULT {
    use bivalve_iis_sys::records::{FROM_MEMORY, HTTP_DATA_CHUNK, HTTP_DATA_CHUNK_DATA};
    let memory = FROM_MEMORY {
        pBuffer: text.as_ptr().cast_mut().cast(),
        BufferLength: text.len().try_into().unwrap(),
    };
    let mut chunk = HTTP_DATA_CHUNK::zeroed();
    chunk.data = HTTP_DATA_CHUNK_DATA { FromMemory: memory };
    let expected = expected.map_or(std::ptr::null_mut(), |expected| expected as *mut BOOL);
    // SAFETY: the response is alive or trapped; chunk and text live during the call, and the host copies.
    unsafe {
        IHttpResponse::write_entity_chunks(response, &raw mut chunk, 1, is_async.into(), 1, sent, expected)
    }
}

pub(crate) type Handler = Box<dyn Fn(&Call) -> Status + Send + Sync>;

/// What a module does.
#[derive(Default)]
pub(crate) struct Script {
    pub(crate) notifications: u32,
    pub(crate) post_notifications: u32,
    pub(crate) handlers: HashMap<&'static str, Handler>,
    pub(crate) made: AtomicUsize,
    pub(crate) disposed: AtomicUsize,
    pub(crate) log: Mutex<Vec<String>>,
    /// What the factory returns.
    pub(crate) factory_result: HRESULT,
}

impl Script {
    pub(crate) fn on(
        mut self,
        slot: &'static str,
        handler: impl Fn(&Call) -> Status + Send + Sync + 'static,
    ) -> Self {
        let (bit, post) = bit(slot);
        if post {
            self.post_notifications |= bit;
        } else {
            self.notifications |= bit;
        }
        self.handlers.insert(slot, Box::new(handler));
        self
    }
}

/// Notification bit of a slot, and whether it is a post-notification.
fn bit(slot: &str) -> (u32, bool) {
    let name = slot.strip_prefix("post_");
    let bit = match name.unwrap_or(slot) {
        "begin_request" => 0x1,
        "authenticate_request" => 0x2,
        "authorize_request" => 0x4,
        "resolve_request_cache" => 0x8,
        "map_request_handler" => 0x10,
        "acquire_request_state" => 0x20,
        "pre_execute_request_handler" => 0x40,
        "execute_request_handler" => 0x80,
        "release_request_state" => 0x100,
        "update_request_cache" => 0x200,
        "log_request" => 0x400,
        "end_request" => 0x800,
        "custom" => 0x1000_0000,
        "send_response" => 0x2000_0000,
        "read_entity" => 0x4000_0000,
        "map_path" => 0x8000_0000,
        "completion" => 0,
        other => panic!("no slot {other}"),
    };
    (bit, name.is_some())
}

/// The scripts of this program, by the name of their module.
static SCRIPTS: LazyLock<Mutex<HashMap<String, Arc<Script>>>> = LazyLock::new(Mutex::default);

fn scripts() -> MutexGuard<'static, HashMap<String, Arc<Script>>> {
    SCRIPTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A module with this script, registered with the host. Names are unique in a program.
pub(crate) fn module(host: &IisHost, name: &str, script: Script) -> (NativeModule, Arc<Script>) {
    let script = Arc::new(script);
    let known = scripts().insert(name.into(), Arc::clone(&script));
    assert!(known.is_none(), "two modules {name}");
    // SAFETY: it is an entry point.
    let module = unsafe { host.register(register_module, name) }.expect("it registers");
    (module, script)
}

/// One module in a test host.
pub(crate) fn mounted(host: &IisHost, name: &str, script: Script) -> (TestHost, Arc<Script>) {
    let (module, script) = module(host, name, script);
    (TestHost::new().module(name, module), script)
}

unsafe extern "system" fn register_module(
    _: u32,
    info: *mut IHttpModuleRegistrationInfo,
    _: *mut IHttpServer,
) -> HRESULT {
    // SAFETY: the host keeps the info alive during the call, and the name with it.
    let (name, id) = unsafe {
        (wide(IHttpModuleRegistrationInfo::get_name(info)), IHttpModuleRegistrationInfo::get_id(info))
    };
    let script = Arc::clone(&scripts()[&name]);
    let (notifications, post) = (script.notifications, script.post_notifications);
    let factory = Box::new(Factory { class: IHttpModuleFactory::new(&FACTORY), script, id: id.addr() });
    let factory = Box::into_raw(factory).cast();
    // SAFETY: the factory lives until it is terminated.
    unsafe { IHttpModuleRegistrationInfo::set_request_notifications(info, factory, notifications, post) }
}

pub(crate) unsafe fn wide(text: *const u16) -> String {
    let mut units = Vec::new();
    let mut at = text;
    // SAFETY: it is zero-terminated.
    unsafe {
        while !at.is_null() && *at != 0 {
            units.push(*at);
            at = at.add(1);
        }
    }
    String::from_utf16(&units).expect("UTF-16")
}

pub(crate) fn utf16(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

#[repr(C)]
struct Factory {
    class: IHttpModuleFactory,
    script: Arc<Script>,
    id: usize,
}

static FACTORY: IHttpModuleFactoryVtbl = IHttpModuleFactoryVtbl::of::<Factory>();

impl IHttpModuleFactoryImpl for Factory {
    unsafe fn get_http_module(
        this: *mut IHttpModuleFactory,
        module: *mut *mut CHttpModule,
        _: *mut IModuleAllocator,
    ) -> HRESULT {
        // SAFETY: the factory lives until it is terminated.
        let factory = unsafe { &*this.cast::<Self>() };
        if factory.script.factory_result < 0 {
            return factory.script.factory_result;
        }
        factory.script.made.fetch_add(1, Ordering::SeqCst);
        let script = Arc::clone(&factory.script);
        let object = Box::new(Object { class: CHttpModule::new(&OBJECT), script, id: factory.id });
        // SAFETY: the host's pointer is writable.
        unsafe { module.write(Box::into_raw(object).cast()) };
        S_OK
    }

    unsafe fn terminate(this: *mut IHttpModuleFactory) {
        // SAFETY: it was made by `Box::into_raw`, and this comes once.
        drop(unsafe { Box::from_raw(this.cast::<Self>()) });
    }
}

#[repr(C)]
struct Object {
    class: CHttpModule,
    script: Arc<Script>,
    id: usize,
}

static OBJECT: CHttpModuleVtbl = CHttpModuleVtbl::of::<Object>();

macro_rules! slots {
    ($($method:ident $slot:literal $provider:ident,)+) => {
        $(
            unsafe fn $method(this: *mut CHttpModule, cx: *mut IHttpContext, provider: *mut $provider) -> Status {
                // SAFETY: the object lives until it is disposed of.
                unsafe { run(this, $slot, cx, provider.cast(), std::ptr::null_mut(), 0) }
            }
        )+
    };
}

unsafe fn run(
    this: *mut CHttpModule,
    slot: &'static str,
    cx: *mut IHttpContext,
    provider: *mut c_void,
    info: *mut IHttpCompletionInfo,
    notification: u32,
) -> Status {
    // SAFETY: the object lives until it is disposed of, which no call outlives.
    let object = unsafe { &*this.cast::<Object>() };
    let call = Call {
        slot,
        cx: cx.addr(),
        provider: provider.addr(),
        info: info.addr(),
        notification,
        module_id: object.id,
    };
    object.script.handlers.get(slot).map_or(Status::CONTINUE, |handler| handler(&call))
}

impl CHttpModuleImpl for Object {
    slots! {
        on_begin_request "begin_request" IHttpEventProvider,
        on_post_begin_request "post_begin_request" IHttpEventProvider,
        on_authenticate_request "authenticate_request" IAuthenticationProvider,
        on_authorize_request "authorize_request" IHttpEventProvider,
        on_map_request_handler "map_request_handler" IMapHandlerProvider,
        on_pre_execute_request_handler "pre_execute_request_handler" IHttpEventProvider,
        on_execute_request_handler "execute_request_handler" IHttpEventProvider,
        on_post_execute_request_handler "post_execute_request_handler" IHttpEventProvider,
        on_log_request "log_request" IHttpEventProvider,
        on_end_request "end_request" IHttpEventProvider,
        on_send_response "send_response" ISendResponseProvider,
        on_map_path "map_path" IMapPathProvider,
        on_read_entity "read_entity" IReadEntityProvider,
        on_custom_request_notification "custom" ICustomNotificationProvider,
    }

    unsafe fn on_async_completion(
        this: *mut CHttpModule,
        cx: *mut IHttpContext,
        notification: u32,
        _: BOOL,
        provider: *mut IHttpEventProvider,
        info: *mut IHttpCompletionInfo,
    ) -> Status {
        // SAFETY: as above.
        unsafe { run(this, "completion", cx, provider.cast(), info, notification) }
    }

    unsafe fn dispose(this: *mut CHttpModule) {
        // SAFETY: it was made by `Box::into_raw`, and this comes once.
        let object = unsafe { Box::from_raw(this.cast::<Object>()) };
        object.script.disposed.fetch_add(1, Ordering::SeqCst);
    }
}
