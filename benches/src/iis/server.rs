//! The least of IIS that both kinds of modules need: one request in fixed memory, and its classes.
//!
//! It allocates nothing while it is called, and does the same for every module. A method that nobody is to call ends the
//! process.

mod classes;

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Thread;

use bivalve_iis_sys::codes::{HTTP_HEADER_ID, REQUEST_NOTIFICATION_STATUS as Status};
use bivalve_iis_sys::hresult::S_OK;
use bivalve_iis_sys::records::{
    HTTP_DATA_CHUNK, HTTP_KNOWN_HEADER, HTTP_REQUEST, HTTP_RESPONSE, HTTP_UNKNOWN_HEADER, SOCKADDR_IN,
};
use bivalve_iis_sys::types::{HRESULT, HTTP_MODULE_ID};
use bivalve_iis_sys::{
    CHttpModule, IHttpApplicationVtbl, IHttpCompletionInfo, IHttpCompletionInfoVtbl,
    IHttpConnectionModuleContextContainerVtbl, IHttpConnectionVtbl, IHttpContext, IHttpContextVtbl,
    IHttpModuleFactory, IHttpModuleRegistrationInfo, IHttpModuleRegistrationInfoVtbl, IHttpRequestVtbl,
    IHttpResponseVtbl, IHttpSiteVtbl, IHttpStoredContext, IModuleAllocatorVtbl,
};

/// What a browser sends, by the numbers of http.sys.
const KNOWN: [(HTTP_HEADER_ID, &str); 8] = [
    (HTTP_HEADER_ID::CONNECTION, "keep-alive"),
    (HTTP_HEADER_ID::ACCEPT, "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"),
    (HTTP_HEADER_ID::ACCEPT_ENCODING, "gzip, deflate, br"),
    (HTTP_HEADER_ID::ACCEPT_LANGUAGE, "en-GB,en;q=0.9,de;q=0.8"),
    (HTTP_HEADER_ID::COOKIE, "session=0123456789abcdef0123456789abcdef; theme=dark"),
    (HTTP_HEADER_ID::HOST, "example.com"),
    (HTTP_HEADER_ID::REFERER, "https://example.com/shop/list?sort=name"),
    (HTTP_HEADER_ID::USER_AGENT, "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
];

/// And two that have no number.
const UNKNOWN: [(&str, &str); 2] = [("Sec-Fetch-Mode", "navigate"), ("Upgrade-Insecure-Requests", "1")];

/// What the one server variable says.
const VARIABLE: &str = "DefaultAppPool";

/// Names and values of the response's headers, each in a place of its own.
const HEADERS: usize = 16;
const TEXT: usize = 64;
const CHUNKS: usize = 16;
const ARENA: usize = 64 * 1024;

/// One object of a class: the vtable, and whose it is.
#[repr(C)]
struct Face<V: 'static> {
    vtable: &'static V,
    server: *mut Server,
}

impl<V: 'static> Face<V> {
    fn object<C>(&self) -> *mut C {
        std::ptr::from_ref(self).cast_mut().cast()
    }
}

/// A container of stored contexts, and their identifiers.
#[repr(C)]
struct Container {
    vtable: &'static IHttpConnectionModuleContextContainerVtbl,
    stored: [(HTTP_MODULE_ID, *mut IHttpStoredContext); 4],
    count: usize,
}

#[repr(C)]
struct Info {
    vtable: &'static IHttpCompletionInfoVtbl,
    bytes: u32,
}

/// What IIS is here. It never moves.
pub(super) struct Server {
    context: Face<IHttpContextVtbl>,
    request: Face<IHttpRequestVtbl>,
    response: Face<IHttpResponseVtbl>,
    site: Face<IHttpSiteVtbl>,
    application: Face<IHttpApplicationVtbl>,
    connection: Face<IHttpConnectionVtbl>,
    allocator: Face<IModuleAllocatorVtbl>,
    info: Info,
    of_request: Container,
    of_connection: Container,
    of_application: Container,
    of_site: Container,
    raw_request: HTTP_REQUEST,
    raw_response: HTTP_RESPONSE,
    sent_unknown: [HTTP_UNKNOWN_HEADER; 2],
    unknown: [HTTP_UNKNOWN_HEADER; HEADERS],
    texts: [[[u8; TEXT]; 2]; HEADERS],
    chunks: [HTTP_DATA_CHUNK; CHUNKS],
    remote: SOCKADDR_IN,
    arena: Vec<u64>,
    used: usize,
    variable: Vec<u16>,
    sub_status: u16,
    module: *mut CHttpModule,
    /// An operation was started that is completed once the notification has returned.
    flushing: bool,
    posted: AtomicBool,
    waiter: Option<Thread>,
}

impl Server {
    pub(super) fn new() -> Box<Self> {
        let mut server = Box::new(Self {
            context: face(classes::context()),
            request: face(classes::request()),
            response: face(classes::response()),
            site: face(vtable(|v: &mut IHttpSiteVtbl| {
                v.get_site_id = classes::site_id;
                v.get_site_name = classes::site_name;
                v.get_module_context_container = classes::site_container;
            })),
            application: face(vtable(|v: &mut IHttpApplicationVtbl| {
                v.get_application_physical_path = classes::application_path;
                v.get_app_config_path = classes::application_path;
                v.get_module_context_container = classes::application_container;
            })),
            connection: face(vtable(|v: &mut IHttpConnectionVtbl| {
                v.is_connected = classes::is_connected;
                v.get_module_context_container = classes::connection_container;
            })),
            allocator: face(vtable(|v: &mut IModuleAllocatorVtbl| {
                v.allocate_memory = classes::allocate_memory;
            })),
            info: Info {
                vtable: vtable(|v: &mut IHttpCompletionInfoVtbl| {
                    v.get_completion_bytes = classes::completion_bytes;
                    v.get_completion_status = classes::completion_status;
                }),
                bytes: 0,
            },
            of_request: Container::new(),
            of_connection: Container::new(),
            of_application: Container::new(),
            of_site: Container::new(),
            raw_request: HTTP_REQUEST::zeroed(),
            raw_response: HTTP_RESPONSE::zeroed(),
            sent_unknown: [HTTP_UNKNOWN_HEADER::zeroed(); 2],
            unknown: [HTTP_UNKNOWN_HEADER::zeroed(); HEADERS],
            texts: [[[0; TEXT]; 2]; HEADERS],
            chunks: [HTTP_DATA_CHUNK::zeroed(); CHUNKS],
            remote: SOCKADDR_IN::zeroed(),
            arena: vec![0; ARENA / 8],
            used: 0,
            variable: VARIABLE.encode_utf16().chain([0]).collect(),
            sub_status: 0,
            module: null_mut(),
            flushing: false,
            posted: AtomicBool::new(false),
            waiter: None,
        });
        let this: *mut Self = &raw mut *server;
        server.context.server = this;
        server.request.server = this;
        server.response.server = this;
        server.site.server = this;
        server.application.server = this;
        server.connection.server = this;
        server.allocator.server = this;
        server.fill();
        server.clear();
        server
    }

    /// What the client has sent.
    fn fill(&mut self) {
        let raw = &mut self.raw_request.Base;
        raw.pRawUrl = c"/shop/list?sort=name".as_ptr().cast();
        raw.RawUrlLength = 20;
        for (id, value) in KNOWN {
            let index = usize::try_from(id.0).expect("numbers are not negative");
            raw.Headers.KnownHeaders[index] =
                HTTP_KNOWN_HEADER { RawValueLength: short(value), pRawValue: value.as_ptr() };
        }
        for (header, (name, value)) in self.sent_unknown.iter_mut().zip(UNKNOWN) {
            header.pName = name.as_ptr();
            header.NameLength = short(name);
            header.pRawValue = value.as_ptr();
            header.RawValueLength = short(value);
        }
        raw.Headers.pUnknownHeaders = self.sent_unknown.as_mut_ptr();
        raw.Headers.UnknownHeaderCount = 2;
        self.remote.sin_family = bivalve_iis_sys::records::AF_INET;
        for (index, texts) in self.texts.iter().enumerate() {
            self.unknown[index].pName = texts[0].as_ptr();
            self.unknown[index].pRawValue = texts[1].as_ptr();
        }
    }

    /// The response as it was before anybody wrote to it.
    fn clear(&mut self) {
        let (headers, chunks) = (self.unknown.as_mut_ptr(), self.chunks.as_mut_ptr());
        let raw = &mut self.raw_response.Base;
        raw.StatusCode = 200;
        raw.Headers.pUnknownHeaders = headers;
        raw.Headers.UnknownHeaderCount = 0;
        raw.pEntityChunks = chunks;
        raw.EntityChunkCount = 0;
        self.sub_status = 0;
    }

    fn allocate(&mut self, size: usize) -> *mut c_void {
        let words = size.div_ceil(16) * 2;
        if self.used + words > self.arena.len() {
            return null_mut();
        }
        let memory = &raw mut self.arena[self.used];
        self.used += words;
        memory.cast()
    }

    /// In the place of the one body that there is.
    unsafe fn copy(&mut self, from: *const c_void, len: usize) -> *mut c_void {
        let place = &raw mut self.arena[ARENA / 8 - 64];
        assert!(len <= 64 * 8, "short bodies");
        // SAFETY: there is room, and the arena's users stay away from its end.
        unsafe { place.cast::<u8>().copy_from_nonoverlapping(from.cast(), len) };
        place.cast()
    }
}

/// What a module has registered.
pub(super) struct Registered {
    factory: *mut IHttpModuleFactory,
}

#[repr(C)]
struct Registration {
    vtable: &'static IHttpModuleRegistrationInfoVtbl,
    name: Vec<u16>,
    factory: *mut IHttpModuleFactory,
}

impl Registered {
    /// Calls `RegisterModule` with this name.
    pub(super) fn new(
        name: &str,
        register: impl FnOnce(*mut IHttpModuleRegistrationInfo) -> HRESULT,
    ) -> Self {
        let vtable = vtable(|v: &mut IHttpModuleRegistrationInfoVtbl| {
            v.get_name = classes::registration_name;
            v.get_id = classes::registration_id;
            v.set_request_notifications = classes::set_request_notifications;
        });
        let name_wide = name.encode_utf16().chain([0]).collect();
        let mut info = Registration { vtable, name: name_wide, factory: null_mut() };
        let result = register((&raw mut info).cast());
        assert!(result == S_OK && !info.factory.is_null(), "{name} was not registered: 0x{result:08X}");
        Self { factory: info.factory }
    }
}

/// The caller: one request at a time, for one module.
pub(super) struct Requests {
    server: Box<Server>,
    factory: *mut IHttpModuleFactory,
    provider: [usize; 1],
}

impl Requests {
    pub(super) fn new(registered: &Registered) -> Self {
        let provider =
            vtable(|v: &mut bivalve_iis_sys::IHttpEventProviderVtbl| v.set_error_status = classes::set_error);
        Self {
            server: Server::new(),
            factory: registered.factory,
            provider: [std::ptr::from_ref(provider) as usize],
        }
    }

    /// A request begins: IIS makes the module's object.
    pub(super) fn begin(&mut self) {
        let server: *mut Server = &raw mut *self.server;
        // SAFETY: the server lives as long as this, and so do all that it gives to the module.
        unsafe {
            let mut module = null_mut();
            let made = IHttpModuleFactory::get_http_module(
                self.factory,
                &raw mut module,
                (*server).allocator.object(),
            );
            assert!(made == S_OK && !module.is_null(), "the module made no object");
            (*server).module = module;
        }
    }

    /// BeginRequest, of a request whose response is as it was left.
    pub(super) fn notify(&mut self) -> Status {
        let server: *mut Server = &raw mut *self.server;
        // SAFETY: the module's object lives until `end`; what it is given, as long as this.
        unsafe {
            let (module, context) = ((*server).module, (*server).context.object::<IHttpContext>());
            CHttpModule::on_begin_request(module, context, self.provider.as_mut_ptr().cast())
        }
    }

    /// BeginRequest, of a request to which nobody has answered yet.
    pub(super) fn notify_afresh(&mut self) -> Status {
        self.server.clear();
        self.notify()
    }

    /// BeginRequest that returns `PENDING`; IIS completes the operation after it has returned.
    pub(super) fn notify_and_complete(&mut self) -> Status {
        let status = self.notify();
        assert!(status == Status::PENDING && std::mem::take(&mut self.server.flushing), "it does not wait");
        self.complete()
    }

    /// BeginRequest that returns `PENDING`; another thread posts. Now and then that one is so fast that nobody has to wait.
    pub(super) fn notify_and_wait(&mut self) -> Status {
        self.server.waiter = Some(std::thread::current());
        let status = self.notify();
        if status != Status::PENDING {
            return status;
        }
        while !self.server.posted.swap(false, Ordering::Acquire) {
            std::thread::park();
        }
        self.complete()
    }

    fn complete(&mut self) -> Status {
        let server: *mut Server = &raw mut *self.server;
        // SAFETY: as for `notify`.
        unsafe {
            let (module, context) = ((*server).module, (*server).context.object::<IHttpContext>());
            let info: *mut IHttpCompletionInfo = (&raw mut (*server).info).cast();
            let provider = self.provider.as_mut_ptr().cast();
            CHttpModule::on_async_completion(module, context, 1, 0, provider, info)
        }
    }

    /// The request ends: IIS disposes of the object, and of what was stored with the request.
    pub(super) fn end(&mut self) {
        let server: *mut Server = &raw mut *self.server;
        // SAFETY: nobody uses the object after this; what was stored is cleaned up once.
        unsafe {
            CHttpModule::dispose((*server).module);
            (*server).of_request.clean();
            (*server).used = 0;
            (*server).clear();
        }
    }

    /// How the response looks: for a test that both modules have done the same.
    pub(super) fn outcome(&self) -> (Vec<(String, String)>, String) {
        let raw = &self.server.raw_response.Base;
        let text = |start: *const u8, len: usize| {
            // SAFETY: the records point into the server's own memory.
            String::from_utf8_lossy(unsafe { std::slice::from_raw_parts(start, len) }).into_owned()
        };
        let headers =
            self.server.unknown[..usize::from(raw.Headers.UnknownHeaderCount)].iter().map(|header| {
                (
                    text(header.pName, header.NameLength.into()),
                    text(header.pRawValue, header.RawValueLength.into()),
                )
            });
        let body = self.server.chunks[..usize::from(raw.EntityChunkCount)].iter().map(|chunk| {
            // SAFETY: there are chunks of memory only.
            let memory = unsafe { chunk.data.FromMemory };
            text(memory.pBuffer.cast(), memory.BufferLength as usize)
        });
        (headers.collect(), body.collect())
    }
}

impl Container {
    fn new() -> Self {
        let vtable = vtable(|v: &mut IHttpConnectionModuleContextContainerVtbl| {
            v.base.get_module_context = classes::get_context;
            v.base.set_module_context = classes::set_context;
            v.get_connection_module_context = classes::get_connection_context;
            v.set_connection_module_context = classes::set_connection_context;
        });
        Self { vtable, stored: [(null_mut(), null_mut()); 4], count: 0 }
    }

    fn object<C>(&mut self) -> *mut C {
        std::ptr::from_mut(self).cast()
    }

    /// # Safety
    ///
    /// Nobody uses what is stored here any more.
    unsafe fn clean(&mut self) {
        for (_, stored) in &self.stored[..std::mem::take(&mut self.count)] {
            // SAFETY: says the caller; it is called once.
            unsafe { IHttpStoredContext::cleanup_stored_context(*stored) };
        }
    }
}

fn face<V>(vtable: &'static V) -> Face<V> {
    Face { vtable, server: null_mut() }
}

/// A vtable in which all slots that are not set end the process.
fn vtable<V: Copy>(set: impl FnOnce(&mut V)) -> &'static V {
    let slots = vec![missing as extern "C" fn() -> !; size_of::<V>() / size_of::<usize>()];
    // SAFETY: a vtable is a structure of as many functions; none of these is called with another signature to return.
    let mut vtable = unsafe { slots.as_ptr().cast::<V>().read() };
    set(&mut vtable);
    Box::leak(Box::new(vtable))
}

extern "C" fn missing() -> ! {
    eprintln!("a module has called what the benchmark's IIS has not");
    std::process::abort()
}

fn short(text: &str) -> u16 {
    u16::try_from(text.len()).expect("short texts")
}
