//! A native module over the bare interface that calls both of every pair of overloads, for a host that was compiled
//! from the header's order: `cargo xtask test cpp` runs it in one in C++, which tells what was called.
#![allow(missing_docs, reason = "its interface is that of httpserv.h")]

use std::ffi::CStr;
use std::fmt::Write as _;
use std::ptr::{null, null_mut};

use bivalve_iis_sys::codes::{
    HTTP_HEADER_ID, HTTP_SERVER_INTERFACE_VERSION, REQUEST_NOTIFICATION_STATUS as Status,
};
use bivalve_iis_sys::flags::RQ_BEGIN_REQUEST;
use bivalve_iis_sys::hresult::{E_FAIL, S_OK};
use bivalve_iis_sys::records::{FROM_MEMORY, HTTP_DATA_CHUNK, HTTP_DATA_CHUNK_DATA};
use bivalve_iis_sys::types::{BOOL, HRESULT, OVERLAPPED, PCSTR};
use bivalve_iis_sys::version::IIS_10_0;
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
            let len = u32::try_from(size_of::<Pairs>()).unwrap_or(u32::MAX);
            let object = IModuleAllocator::allocate_memory(allocator, len).cast::<Pairs>();
            if object.is_null() {
                return E_FAIL;
            }
            object.write(Pairs { class: CHttpModule::new(&PAIRS) });
            module.write(object.cast());
        }
        S_OK
    }

    unsafe fn terminate(_: *mut IHttpModuleFactory) {}
}

/// Lives in the request's memory, so there is nothing to free.
#[repr(C)]
struct Pairs {
    class: CHttpModule,
}

static PAIRS: CHttpModuleVtbl = CHttpModuleVtbl::of::<Pairs>();

impl CHttpModuleImpl for Pairs {
    unsafe fn on_begin_request(
        _: *mut CHttpModule,
        cx: *mut IHttpContext,
        _: *mut IHttpEventProvider,
    ) -> Status {
        let mut told = String::new();
        // SAFETY: IIS keeps context, request and response alive until the notification returns. It is IIS 10, as
        // `RegisterModule` has seen, so the interfaces are those of the newest version.
        unsafe {
            let (request, response) = (IHttpContext::get_request(cx), IHttpContext::get_response(cx));
            of_request(request, &mut told);
            of_response(response, &mut told);
            of_context(cx, &mut told);
            appended(request.cast(), response.cast(), told);
        }
        // SAFETY: as above; the context is alive until this notification has been answered, which `posted` waits for.
        let result = unsafe {
            IHttpContext3::post_completion_with_callback(
                cx.cast::<IHttpContext3>(),
                7,
                Some(posted),
                cx.cast(),
            )
        };
        if result < 0 { Status::FINISH_REQUEST } else { Status::PENDING }
    }

    unsafe fn on_async_completion(
        _: *mut CHttpModule,
        _: *mut IHttpContext,
        _: u32,
        _: BOOL,
        _: *mut IHttpEventProvider,
        _: *mut IHttpCompletionInfo,
    ) -> Status {
        Status::FINISH_REQUEST
    }

    unsafe fn dispose(_: *mut CHttpModule) {}
}

/// What one of the two posts calls; it posts the other one.
unsafe extern "system" fn posted(_: u32, bytes: u32, cx: *mut OVERLAPPED) {
    // SAFETY: this was given the context, whose notification waits.
    unsafe { IHttpContext::post_completion(cx.cast::<IHttpContext>(), bytes + 1) };
}

/// What a call returned.
fn tell(told: &mut String, what: &str, result: HRESULT) {
    let _ = writeln!(told, "{what}: {result:#010x}");
}

/// What a call gave: text, and the length that it said.
unsafe fn tell_text(told: &mut String, what: &str, text: PCSTR, len: u16) {
    let text = if text.is_null() {
        "(null)".into()
    } else {
        // SAFETY: it is alive and ends with a zero, says the caller.
        unsafe { CStr::from_ptr(text.cast()) }.to_string_lossy()
    };
    let _ = writeln!(told, "{what}: {text} {len}");
}

unsafe fn of_request(request: *mut IHttpRequest, told: &mut String) {
    let (agent, id) = (c"User-Agent".as_ptr().cast(), HTTP_HEADER_ID::USER_AGENT);
    let mut len = 0;
    // SAFETY: the request is alive, says the caller, and so is what it gives.
    unsafe {
        let raw = IHttpRequest::get_raw_http_request(request);
        let same = raw == IHttpRequest::get_raw_http_request_mut(request).cast_const();
        let _ = writeln!(told, "raw request: {same}, verb {:?}", (*raw).Base.Verb);
        tell(told, "by id", IHttpRequest::set_header_by_id(request, id, c"by-id".as_ptr().cast(), 5, 1));
        let found = IHttpRequest::get_header_by_name(request, agent, &raw mut len);
        tell_text(told, "then by name", found, len);
        let name = c"by-name".as_ptr().cast();
        tell(told, "by name", IHttpRequest::set_header_by_name(request, agent, name, 7, 1));
        let found = IHttpRequest::get_header_by_id(request, id, &raw mut len);
        tell_text(told, "then by id", found, len);
        tell(told, "deleted by id", IHttpRequest::delete_header_by_id(request, id));
        let found = IHttpRequest::get_header_by_id(request, id, &raw mut len);
        tell_text(told, "then by id", found, len);
        tell(told, "deleted by name", IHttpRequest::delete_header_by_name(request, c"Host".as_ptr().cast()));
        tell(told, "in ANSI", IHttpRequest::set_url_ansi(request, c"/ansi?x=1".as_ptr().cast(), 9, 1));
        url(request, told);
        let wide: Vec<u16> = "/wide?y=2".encode_utf16().chain([0]).collect();
        tell(told, "in UTF-16", IHttpRequest::set_url_wide(request, wide.as_ptr(), 9, 1));
        url(request, told);
    }
}

unsafe fn url(request: *mut IHttpRequest, told: &mut String) {
    // SAFETY: the request is alive, says the caller, and with it its URL, of so many bytes.
    let path = unsafe {
        let cooked = (*IHttpRequest::get_raw_http_request(request)).Base.CookedUrl;
        std::slice::from_raw_parts(cooked.pAbsPath, usize::from(cooked.AbsPathLength) / 2)
    };
    let _ = writeln!(told, "url: {}", String::from_utf16_lossy(path));
}

unsafe fn of_response(response: *mut IHttpResponse, told: &mut String) {
    let (tag, id) = (c"ETag".as_ptr().cast(), HTTP_HEADER_ID::ETAG);
    let mut len = 0;
    // SAFETY: the response is alive, says the caller, and so is what it gives.
    unsafe {
        let raw = IHttpResponse::get_raw_http_response(response);
        let same = raw == IHttpResponse::get_raw_http_response_mut(response).cast_const();
        let _ = writeln!(told, "raw response: {same}, status {}", (*raw).Base.StatusCode);
        tell(told, "by id", IHttpResponse::set_header_by_id(response, id, c"by-id".as_ptr().cast(), 5, 1));
        let found = IHttpResponse::get_header_by_name(response, tag, &raw mut len);
        tell_text(told, "then by name", found, len);
        let name = c"by-name".as_ptr().cast();
        tell(told, "by name", IHttpResponse::set_header_by_name(response, tag, name, 7, 1));
        let found = IHttpResponse::get_header_by_id(response, id, &raw mut len);
        tell_text(told, "then by id", found, len);
        tell(told, "deleted by id", IHttpResponse::delete_header_by_id(response, id));
        let found = IHttpResponse::get_header_by_id(response, id, &raw mut len);
        tell_text(told, "then by id", found, len);
        tell(told, "deleted by name", IHttpResponse::delete_header_by_name(response, tag));
    }
}

unsafe fn of_context(cx: *mut IHttpContext, told: &mut String) {
    let name = c"REQUEST_METHOD".as_ptr().cast();
    let (mut ansi, mut wide, mut len) = (null(), null(), 0);
    // SAFETY: the context is alive, says the caller, and so is what it gives.
    unsafe {
        tell(told, "in ANSI", IHttpContext::get_server_variable_ansi(cx, name, &raw mut ansi, &raw mut len));
        tell_text(told, "then", ansi, u16::try_from(len).unwrap_or(u16::MAX));
        tell(
            told,
            "in UTF-16",
            IHttpContext::get_server_variable_wide(cx, name, &raw mut wide, &raw mut len),
        );
        let wide = std::slice::from_raw_parts(wide, len as usize);
        let _ = writeln!(told, "then: {} {len}", String::from_utf16_lossy(wide));
    }
}

/// The overloads that later versions have appended, each without waiting; the last of them writes what was told.
unsafe fn appended(request: *mut IHttpRequest4, response: *mut IHttpResponse2, mut told: String) {
    let mut buffer = [0_u8; 4];
    let memory = buffer.as_mut_ptr().cast();
    let (mut read, mut sent) = (0, 0);
    // SAFETY: request and response are alive, says the caller; the memory is, during each call.
    unsafe {
        let base = request.cast::<IHttpRequest>();
        tell(
            &mut told,
            "read",
            IHttpRequest::read_entity_body(base, memory, 4, 0, &raw mut read, null_mut()),
        );
        let _ = writeln!(told, "then: {read} bytes");
        let later = request.cast::<IHttpRequest3>();
        let result = IHttpRequest3::read_entity_body_with_callback(
            later,
            memory,
            3,
            0,
            None,
            null_mut(),
            &raw mut read,
            null_mut(),
        );
        tell(&mut told, "read with a callback", result);
        let _ = writeln!(told, "then: {read} bytes");
        let result =
            IHttpRequest4::read_entity_body_with_flags(request, memory, 2, 0, 0, &raw mut read, null_mut());
        tell(&mut told, "read with flags", result);
        let _ = writeln!(told, "then: {read} bytes");

        let mut first = chunk(b"first, ");
        let base = response.cast::<IHttpResponse>();
        IHttpResponse::write_entity_chunks(base, &raw mut first, 1, 0, 1, &raw mut sent, null_mut());
        tell(&mut told, "flushed", IHttpResponse::flush(base, 0, 1, &raw mut sent, null_mut()));
        let result =
            IHttpResponse2::flush_with_callback(response, 0, 1, None, null_mut(), &raw mut sent, null_mut());
        tell(&mut told, "flushed with a callback", result);
        let mut rest = chunk(told.as_bytes());
        IHttpResponse2::write_entity_chunks_with_callback(
            response,
            &raw mut rest,
            1,
            0,
            1,
            None,
            null_mut(),
            &raw mut sent,
            null_mut(),
        );
    }
}

fn chunk(text: &[u8]) -> HTTP_DATA_CHUNK {
    let len = u32::try_from(text.len()).unwrap_or(u32::MAX);
    let memory = FROM_MEMORY { pBuffer: text.as_ptr().cast_mut().cast(), BufferLength: len };
    let mut chunk = HTTP_DATA_CHUNK::zeroed();
    chunk.data = HTTP_DATA_CHUNK_DATA { FromMemory: memory };
    chunk
}

#[unsafe(no_mangle)]
unsafe extern "system" fn RegisterModule(
    version: u32,
    info: *mut IHttpModuleRegistrationInfo,
    server: *mut IHttpServer,
) -> HRESULT {
    if version < IIS_10_0 {
        return E_FAIL;
    }
    // SAFETY: the server lives as long as the process, and of version 10 has both.
    let result = unsafe {
        let (mut second, mut third) = (null_mut(), null_mut());
        let version = HTTP_SERVER_INTERFACE_VERSION::V2;
        let by_version = IHttpServer::get_extended_interface(server, version, &raw mut second);
        let by_iid = IHttpServer2::get_extended_interface_by_iid(
            second.cast::<IHttpServer2>(),
            &IHttpServer2::IID,
            second,
            &IHttpServer3::IID,
            &raw mut third,
        );
        by_version.min(by_iid)
    };
    if result < 0 {
        return result;
    }
    let factory = (&raw const FACTORY).cast_mut().cast();
    // SAFETY: the info lives during the call, and the factory for ever.
    unsafe { IHttpModuleRegistrationInfo::set_request_notifications(info, factory, RQ_BEGIN_REQUEST, 0) }
}
