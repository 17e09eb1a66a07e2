//! A native module written over the bare interface, for the host to load: it says hello, and reads what it is sent.
//!
//! The name that it is registered under chooses what `RegisterModule` does: `Twice`, `Nothing` and `Fails` are the ways
//! to do it wrong, any other name is the module.
#![allow(missing_docs, reason = "its interface is that of httpserv.h")]

use std::ffi::c_void;
use std::ptr::null_mut;

use bivalve_iis_sys::codes::{HTTP_HEADER_ID, REQUEST_NOTIFICATION_STATUS as Status};
use bivalve_iis_sys::flags::{RQ_EXECUTE_REQUEST_HANDLER, RQ_SEND_RESPONSE};
use bivalve_iis_sys::hresult::{E_FAIL, ERROR_HANDLE_EOF, S_OK, from_win32};
use bivalve_iis_sys::records::{FROM_MEMORY, HTTP_DATA_CHUNK, HTTP_DATA_CHUNK_DATA};
use bivalve_iis_sys::types::HRESULT;
use bivalve_iis_sys::*;

#[repr(C)]
struct Factory {
    class: IHttpModuleFactory,
}

// SAFETY: it is a vtable that does not change.
unsafe impl Sync for Factory {}

static FACTORY: Factory = Factory { class: IHttpModuleFactory::new(&FACTORY_VTABLE) };
static FACTORY_VTABLE: IHttpModuleFactoryVtbl = IHttpModuleFactoryVtbl::of::<Factory>();

impl IHttpModuleFactoryImpl for Factory {
    unsafe fn get_http_module(
        _: *mut IHttpModuleFactory,
        module: *mut *mut CHttpModule,
        allocator: *mut IModuleAllocator,
    ) -> HRESULT {
        // SAFETY: IIS's allocator lives during the call, its memory as long as the request.
        unsafe {
            let len = u32::try_from(size_of::<Hello>()).unwrap_or(u32::MAX);
            let object = IModuleAllocator::allocate_memory(allocator, len).cast::<Hello>();
            if object.is_null() {
                return E_FAIL;
            }
            object.write(Hello { class: CHttpModule::new(&HELLO) });
            module.write(object.cast());
        }
        S_OK
    }

    unsafe fn terminate(_: *mut IHttpModuleFactory) {}
}

/// Lives in the request's memory, so there is nothing to free.
#[repr(C)]
struct Hello {
    class: CHttpModule,
}

static HELLO: CHttpModuleVtbl = CHttpModuleVtbl::of::<Hello>();

impl CHttpModuleImpl for Hello {
    unsafe fn on_execute_request_handler(
        _: *mut CHttpModule,
        cx: *mut IHttpContext,
        _: *mut IHttpEventProvider,
    ) -> Status {
        // SAFETY: IIS keeps context, request and response alive until the notification returns.
        unsafe {
            let (request, response) = (IHttpContext::get_request(cx), IHttpContext::get_response(cx));
            let text = c"text/plain".as_ptr().cast();
            IHttpResponse::set_header_by_id(response, HTTP_HEADER_ID::CONTENT_TYPE, text, 10, 1);
            write(response, b"Hello World!\n");
            let mut buffer = [0_u8; 4096];
            loop {
                let mut read = 0;
                let memory = buffer.as_mut_ptr().cast::<c_void>();
                let result =
                    IHttpRequest::read_entity_body(request, memory, 4096, 0, &raw mut read, null_mut());
                if result == from_win32(ERROR_HANDLE_EOF) {
                    return Status::CONTINUE;
                }
                if result < 0 {
                    return Status::FINISH_REQUEST;
                }
                write(response, &buffer[..read as usize]);
                let mut sent = 0;
                if IHttpResponse::flush(response, 0, 1, &raw mut sent, null_mut()) < 0 {
                    return Status::FINISH_REQUEST;
                }
            }
        }
    }

    unsafe fn on_send_response(
        _: *mut CHttpModule,
        cx: *mut IHttpContext,
        provider: *mut ISendResponseProvider,
    ) -> Status {
        // SAFETY: as above.
        unsafe {
            if ISendResponseProvider::get_headers_being_sent(provider) != 0 {
                let (name, value) = (c"X-Shell".as_ptr().cast(), c"native".as_ptr().cast());
                IHttpResponse::set_header_by_name(IHttpContext::get_response(cx), name, value, 6, 1);
            }
        }
        Status::CONTINUE
    }

    unsafe fn dispose(_: *mut CHttpModule) {}
}

unsafe fn write(response: *mut IHttpResponse, text: &[u8]) {
    let len = u32::try_from(text.len()).unwrap_or(u32::MAX);
    let memory = FROM_MEMORY { pBuffer: text.as_ptr().cast_mut().cast(), BufferLength: len };
    let mut chunk = HTTP_DATA_CHUNK::zeroed();
    chunk.data = HTTP_DATA_CHUNK_DATA { FromMemory: memory };
    let mut sent = 0;
    // SAFETY: the response lives, says the caller; the chunk does during the call, which copies with buffering on.
    unsafe {
        IHttpResponse::write_entity_chunks(response, &raw mut chunk, 1, 0, 1, &raw mut sent, null_mut());
    }
}

#[unsafe(no_mangle)]
unsafe extern "system" fn RegisterModule(
    _: u32,
    info: *mut IHttpModuleRegistrationInfo,
    _: *mut IHttpServer,
) -> HRESULT {
    let factory = (&raw const FACTORY).cast_mut().cast();
    let mask = RQ_EXECUTE_REQUEST_HANDLER | RQ_SEND_RESPONSE;
    // SAFETY: the info lives during the call, and its name is zero-terminated.
    unsafe {
        let name = IHttpModuleRegistrationInfo::get_name(info);
        let is =
            |text: &str| text.encode_utf16().chain([0]).enumerate().all(|(at, unit)| *name.add(at) == unit);
        if is("Fails") {
            return E_FAIL;
        }
        if is("Nothing") {
            return S_OK;
        }
        if is("Twice") {
            IHttpModuleRegistrationInfo::set_request_notifications(info, factory, mask, 0);
        }
        IHttpModuleRegistrationInfo::set_request_notifications(info, factory, mask, 0)
    }
}
