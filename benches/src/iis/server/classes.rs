//! The methods of the classes.

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::atomic::Ordering;

use bivalve_iis_sys::codes::{HTTP_DATA_CHUNK_TYPE, HTTP_HEADER_ID};
use bivalve_iis_sys::hresult::{ERROR_INVALID_INDEX, S_OK, from_win32};
use bivalve_iis_sys::records::{HTTP_DATA_CHUNK, HTTP_REQUEST, HTTP_RESPONSE, HTTP_UNKNOWN_HEADER, SOCKADDR};
use bivalve_iis_sys::types::{BOOL, HRESULT, HTTP_MODULE_ID, PCSTR, PCWSTR};
use bivalve_iis_sys::{
    IHttpApplication, IHttpCompletionInfo, IHttpConnection, IHttpConnectionModuleContextContainer,
    IHttpConnectionStoredContext, IHttpContext, IHttpContextVtbl, IHttpEventProvider,
    IHttpModuleContextContainer, IHttpModuleFactory, IHttpModuleRegistrationInfo, IHttpRequest,
    IHttpRequestVtbl, IHttpResponse, IHttpResponseVtbl, IHttpSite, IHttpStoredContext, IHttpUser,
    IModuleAllocator,
};

use super::{Container, Face, Info, Registration, Server, VARIABLE, vtable};

/// The server that an object belongs to.
///
/// # Safety
///
/// The object is a [`Face`] of a server that is alive.
unsafe fn of<C>(this: *const C) -> *mut Server {
    // SAFETY: all faces are alike.
    unsafe { (*this.cast::<Face<()>>()).server }
}

pub(super) fn context() -> &'static IHttpContextVtbl {
    vtable(|v: &mut IHttpContextVtbl| {
        v.get_site = context_site;
        v.get_application = context_application;
        v.get_connection = context_connection;
        v.get_request = context_request;
        v.get_response = context_response;
        v.get_response_headers_sent = headers_sent;
        v.get_user = context_user;
        v.get_module_context_container = context_container;
        v.post_completion = post_completion;
        v.get_server_variable_wide = server_variable;
        v.allocate_request_memory = request_memory;
        v.get_parent_context = parent_context;
    })
}

pub(super) fn request() -> &'static IHttpRequestVtbl {
    vtable(|v: &mut IHttpRequestVtbl| {
        v.get_raw_http_request = raw_request;
        v.get_header_by_id = request_header;
        v.get_http_method = method;
        v.get_url_changed = url_changed;
        v.get_local_address = address;
        v.get_remote_address = address;
        v.get_http_version = version;
    })
}

pub(super) fn response() -> &'static IHttpResponseVtbl {
    vtable(|v: &mut IHttpResponseVtbl| {
        v.get_raw_http_response = raw_response;
        v.get_raw_http_response_mut = raw_response_mut;
        v.set_header_by_name = set_header;
        v.flush = flush;
        v.write_entity_chunks = write_chunks;
        v.get_status = status;
    })
}

macro_rules! methods {
    ($(fn $name:ident($this:ident: $class:ty $(, $arg:ident: $type:ty)*) $(-> $result:ty)? $body:block)+) => {
        $(pub(super) unsafe extern "C" fn $name($this: $class $(, $arg: $type)*) $(-> $result)? {
            // SAFETY: modules call the objects that they were given, one call at a time, with arguments that live during it.
            #[allow(unused_unsafe, reason = "some do nothing that is unsafe")]
            unsafe { $body }
        })+
    };
}

methods! {
    fn context_site(this: *mut IHttpContext) -> *mut IHttpSite { (*of(this)).site.object() }
    fn context_application(this: *mut IHttpContext) -> *mut IHttpApplication { (*of(this)).application.object() }
    fn context_connection(this: *mut IHttpContext) -> *mut IHttpConnection { (*of(this)).connection.object() }
    fn context_request(this: *mut IHttpContext) -> *mut IHttpRequest { (*of(this)).request.object() }
    fn context_response(this: *mut IHttpContext) -> *mut IHttpResponse { (*of(this)).response.object() }
    fn context_container(this: *mut IHttpContext) -> *mut IHttpModuleContextContainer {
        (*of(this)).of_request.object()
    }
    fn headers_sent(_this: *const IHttpContext) -> BOOL { 0 }
    fn context_user(_this: *const IHttpContext) -> *mut IHttpUser { null_mut() }
    fn parent_context(_this: *const IHttpContext) -> *mut IHttpContext { null_mut() }
    fn request_memory(this: *mut IHttpContext, size: u32) -> *mut c_void { (*of(this)).allocate(size as usize) }
    fn post_completion(this: *mut IHttpContext, _bytes: u32) -> HRESULT {
        let server = of(this);
        let waiter = (*server).waiter.clone();
        (*server).posted.store(true, Ordering::Release);
        if let Some(waiter) = waiter {
            waiter.unpark();
        }
        S_OK
    }
    fn server_variable(this: *mut IHttpContext, name: PCSTR, value: *mut PCWSTR, len: *mut u32) -> HRESULT {
        if std::ffi::CStr::from_ptr(name.cast()) != c"APP_POOL_ID" {
            return from_win32(ERROR_INVALID_INDEX);
        }
        *value = (*of(this)).variable.as_ptr();
        *len = u32::try_from(VARIABLE.len()).unwrap_or(0);
        S_OK
    }

    fn site_id(_this: *const IHttpSite) -> u32 { 1 }
    fn site_name(_this: *const IHttpSite) -> PCWSTR { [0_u16].as_ptr() }
    fn site_container(this: *mut IHttpSite) -> *mut IHttpModuleContextContainer { (*of(this)).of_site.object() }
    fn application_path(_this: *const IHttpApplication) -> PCWSTR { [0_u16].as_ptr() }
    fn application_container(this: *mut IHttpApplication) -> *mut IHttpModuleContextContainer {
        (*of(this)).of_application.object()
    }
    fn is_connected(_this: *const IHttpConnection) -> BOOL { 1 }
    fn connection_container(
        this: *mut IHttpConnection
    ) -> *mut IHttpConnectionModuleContextContainer {
        (*of(this)).of_connection.object()
    }
    fn allocate_memory(this: *mut IModuleAllocator, size: u32) -> *mut c_void {
        (*of(this)).allocate(size as usize)
    }

    fn get_context(this: *mut IHttpModuleContextContainer, id: HTTP_MODULE_ID) -> *mut IHttpStoredContext {
        let container = &*this.cast::<Container>();
        let found = container.stored[..container.count].iter().find(|stored| stored.0 == id);
        found.map_or(null_mut(), |stored| stored.1)
    }
    fn set_context(
        this: *mut IHttpModuleContextContainer, stored: *mut IHttpStoredContext, id: HTTP_MODULE_ID
    ) -> HRESULT {
        let container = &mut *this.cast::<Container>();
        container.stored[container.count] = (id, stored);
        container.count += 1;
        S_OK
    }
    fn get_connection_context(
        this: *mut IHttpConnectionModuleContextContainer, id: HTTP_MODULE_ID
    ) -> *mut IHttpConnectionStoredContext {
        get_context(this.cast(), id).cast()
    }
    fn set_connection_context(
        this: *mut IHttpConnectionModuleContextContainer,
        stored: *mut IHttpConnectionStoredContext, id: HTTP_MODULE_ID
    ) -> HRESULT {
        set_context(this.cast(), stored.cast(), id)
    }
    fn completion_bytes(this: *const IHttpCompletionInfo) -> u32 { (*this.cast::<Info>()).bytes }
    fn completion_status(_this: *const IHttpCompletionInfo) -> HRESULT { S_OK }
    fn set_error(_this: *mut IHttpEventProvider, _status: HRESULT) {}

    fn raw_request(this: *const IHttpRequest) -> *const HTTP_REQUEST { &raw const (*of(this)).raw_request }
    fn request_header(this: *const IHttpRequest, id: HTTP_HEADER_ID, len: *mut u16) -> PCSTR {
        let raw = &(*of(this)).raw_request.Base.Headers;
        let header = raw.KnownHeaders[id.0 as usize];
        if !len.is_null() {
            *len = header.RawValueLength;
        }
        header.pRawValue
    }
    fn method(_this: *const IHttpRequest) -> PCSTR { c"GET".as_ptr().cast() }
    fn url_changed(_this: *const IHttpRequest) -> BOOL { 0 }
    fn address(this: *const IHttpRequest) -> *mut SOCKADDR { (&raw mut (*of(this)).remote).cast() }
    fn version(_this: *const IHttpRequest, major: *mut u16, minor: *mut u16) {
        *major = 1;
        *minor = 1;
    }

    fn raw_response(this: *const IHttpResponse) -> *const HTTP_RESPONSE { &raw const (*of(this)).raw_response }
    fn raw_response_mut(this: *mut IHttpResponse) -> *mut HTTP_RESPONSE { &raw mut (*of(this)).raw_response }
    fn set_header(this: *mut IHttpResponse, name: PCSTR, value: PCSTR, len: u16, _replace: BOOL) -> HRESULT {
        let server = &mut *of(this);
        let name = std::ffi::CStr::from_ptr(name.cast()).to_bytes();
        let count = usize::from(server.raw_response.Base.Headers.UnknownHeaderCount);
        let is_it = |header: &HTTP_UNKNOWN_HEADER| {
            std::slice::from_raw_parts(header.pName, header.NameLength.into()).eq_ignore_ascii_case(name)
        };
        let index = server.unknown[..count].iter().position(is_it).unwrap_or(count);
        server.texts[index][0][..name.len()].copy_from_slice(name);
        let value = std::slice::from_raw_parts(value, len.into());
        server.texts[index][1][..value.len()].copy_from_slice(value);
        server.unknown[index].NameLength = u16::try_from(name.len()).unwrap_or(0);
        server.unknown[index].RawValueLength = len;
        server.raw_response.Base.Headers.UnknownHeaderCount = u16::try_from(count.max(index + 1)).unwrap_or(0);
        S_OK
    }
    fn flush(this: *mut IHttpResponse, is_async: BOOL, _more: BOOL, sent: *mut u32, expected: *mut BOOL) -> HRESULT {
        *sent = 0;
        *expected = is_async;
        (*of(this)).flushing = is_async != 0;
        S_OK
    }
    fn write_chunks(
        this: *mut IHttpResponse, chunks: *mut HTTP_DATA_CHUNK, count: u32, _async: BOOL, _more: BOOL,
        sent: *mut u32, expected: *mut BOOL
    ) -> HRESULT {
        let server = &mut *of(this);
        let mut bytes = 0;
        for index in 0..count as usize {
            let mut chunk = *chunks.add(index);
            // Buffered: IIS keeps a copy.
            let memory = chunk.data.FromMemory;
            let kept = server.copy(memory.pBuffer, memory.BufferLength as usize);
            chunk.data.FromMemory.pBuffer = kept;
            debug_assert_eq!(chunk.DataChunkType, HTTP_DATA_CHUNK_TYPE::FROM_MEMORY);
            let at = usize::from(server.raw_response.Base.EntityChunkCount);
            server.chunks[at] = chunk;
            server.raw_response.Base.EntityChunkCount += 1;
            bytes += memory.BufferLength;
        }
        *sent = bytes;
        if !expected.is_null() {
            *expected = 0;
        }
        S_OK
    }
    fn status(
        this: *mut IHttpResponse, status: *mut u16, sub_status: *mut u16, _reason: *mut PCSTR, _len: *mut u16,
        _error: *mut HRESULT, _module: *mut PCWSTR, _notification: *mut u32,
        _exception: *mut *mut bivalve_iis_sys::opaque::IAppHostConfigException, _skip: *mut BOOL
    ) {
        *status = (*of(this)).raw_response.Base.StatusCode;
        *sub_status = (*of(this)).sub_status;
    }

    fn registration_name(this: *const IHttpModuleRegistrationInfo) -> PCWSTR {
        (*this.cast::<Registration>()).name.as_ptr()
    }
    fn registration_id(this: *const IHttpModuleRegistrationInfo) -> HTTP_MODULE_ID { this.cast_mut().cast() }
    fn set_request_notifications(
        this: *mut IHttpModuleRegistrationInfo, factory: *mut IHttpModuleFactory, mask: u32, post: u32
    ) -> HRESULT {
        assert_eq!((mask, post), (1, 0), "the modules are told of BeginRequest only");
        (*this.cast::<Registration>()).factory = factory;
        S_OK
    }
}
