//! `IHttpResponse` to `IHttpResponse4`.

use std::ffi::c_void;
use std::ptr::{null, null_mut};

use bivalve_core::Context;
use bivalve_iis_sys::callbacks::PFN_ASYNC_COMPLETION;
use bivalve_iis_sys::codes::HTTP_HEADER_ID;
use bivalve_iis_sys::headers::RESPONSE_HEADERS;
use bivalve_iis_sys::hresult::{E_INVALIDARG, ERROR_INVALID_STATE, S_OK, from_win32};
use bivalve_iis_sys::opaque::IAppHostConfigException;
use bivalve_iis_sys::records::{HTTP_DATA_CHUNK, HTTP_RESPONSE};
use bivalve_iis_sys::types::{BOOL, HRESULT, PCSTR, PCWSTR};
use bivalve_iis_sys::*;

use super::context::{outcome, text};
use super::headers::{self, Name};
use super::operate::{Wish, operate};
use super::records;
use super::{NOT_SUPPORTED, request_of};
use crate::chunk;
use crate::frame::Callback;
use crate::operation::Operation;
use crate::request::Request;
use crate::text::{bytes, len16, narrow, store, wide_len};

/// An `IHttpResponse4` over a [`Request`].
struct Methods;

pub(crate) static RESPONSE: IHttpResponse4Vtbl = IHttpResponse4Vtbl::of::<Methods>();

/// "65535 documented, 65534 observed" (semantics.md section 4, rule 9).
const MAX_CHUNKS: u32 = 65_534;

// SAFETY, for every block of this file that says "as IIS": the object belongs to a request, which the host keeps alive
// until it ends and for some time after; pointers are null or what the header asks for, by the module's word.

impl IHttpResponseImpl for Methods {
    unsafe fn get_raw_http_response(this: *const IHttpResponse) -> *const HTTP_RESPONSE {
        // SAFETY: as IIS.
        records::response(unsafe { request_of(this) })
    }

    unsafe fn get_raw_http_response_mut(this: *mut IHttpResponse) -> *mut HTTP_RESPONSE {
        // SAFETY: as IIS.
        records::response(unsafe { request_of(this) })
    }

    unsafe fn get_cache_policy(this: *mut IHttpResponse) -> *mut IHttpCachePolicy {
        // SAFETY: as IIS.
        unsafe { request_of(this) }.cache_policy.object()
    }

    unsafe fn set_status(
        this: *mut IHttpResponse,
        status_code: u16,
        reason: PCSTR,
        sub_status: u16,
        error_to_report: HRESULT,
        _: *mut IAppHostConfigException,
        try_skip_custom_errors: BOOL,
    ) -> HRESULT {
        // SAFETY: as IIS.
        let (request, reason) = unsafe { (request_of(this), narrow(reason)) };
        records::adopt(request);
        let result = outcome(request.with("IHttpResponse::SetStatus", |cx| {
            cx.response_mut().set_status_code(status_code, sub_status)
        }));
        if result == S_OK {
            let mut details = request.details();
            details.reason = (!reason.is_empty()).then(|| reason.to_vec());
            details.error = error_to_report;
            details.skip_custom_errors = try_skip_custom_errors != 0;
        }
        records::refresh(request);
        result
    }

    unsafe fn set_header_by_id(
        this: *mut IHttpResponse,
        header_index: HTTP_HEADER_ID,
        header_value: PCSTR,
        header_value_len: u16,
        replace: BOOL,
    ) -> HRESULT {
        // SAFETY: as IIS.
        let (request, value) = unsafe { (request_of(this), bytes(header_value, header_value_len.into())) };
        set(request, Name::id(header_index, &RESPONSE_HEADERS), value, replace)
    }

    unsafe fn set_header_by_name(
        this: *mut IHttpResponse,
        header_name: PCSTR,
        header_value: PCSTR,
        header_value_len: u16,
        replace: BOOL,
    ) -> HRESULT {
        // SAFETY: as IIS.
        let (request, value) = unsafe { (request_of(this), bytes(header_value, header_value_len.into())) };
        // SAFETY: as IIS.
        set(request, Name::text(unsafe { narrow(header_name) }), value, replace)
    }

    unsafe fn delete_header_by_id(this: *mut IHttpResponse, header_index: HTTP_HEADER_ID) -> HRESULT {
        // SAFETY: as IIS.
        delete(unsafe { request_of(this) }, Name::id(header_index, &RESPONSE_HEADERS).as_ref())
    }

    unsafe fn delete_header_by_name(this: *mut IHttpResponse, header_name: PCSTR) -> HRESULT {
        // SAFETY: as IIS.
        unsafe { delete(request_of(this), Name::text(narrow(header_name)).as_ref()) }
    }

    unsafe fn get_header_by_id(
        this: *const IHttpResponse,
        header_index: HTTP_HEADER_ID,
        header_value_len: *mut u16,
    ) -> PCSTR {
        // SAFETY: as IIS.
        unsafe { get(request_of(this), Name::id(header_index, &RESPONSE_HEADERS).as_ref(), header_value_len) }
    }

    unsafe fn get_header_by_name(
        this: *const IHttpResponse,
        header_name: PCSTR,
        header_value_len: *mut u16,
    ) -> PCSTR {
        // SAFETY: as IIS.
        unsafe { get(request_of(this), Name::text(narrow(header_name)).as_ref(), header_value_len) }
    }

    unsafe fn clear(this: *mut IHttpResponse) {
        // SAFETY: as IIS.
        change(unsafe { request_of(this) }, "IHttpResponse::Clear", |cx| cx.response_mut().clear());
    }

    unsafe fn clear_headers(this: *mut IHttpResponse) {
        // SAFETY: as IIS.
        let request = unsafe { request_of(this) };
        change(request, "IHttpResponse::ClearHeaders", |cx| cx.response_mut().headers_mut().clear());
    }

    unsafe fn set_need_disconnect(this: *mut IHttpResponse) {
        // SAFETY: as IIS.
        let request = unsafe { request_of(this) };
        change(request, "IHttpResponse::SetNeedDisconnect", |cx| cx.response_mut().close_connection());
    }

    unsafe fn reset_connection(this: *mut IHttpResponse) {
        // SAFETY: as IIS.
        let request = unsafe { request_of(this) };
        change(request, "IHttpResponse::ResetConnection", Context::reset_connection);
    }

    unsafe fn disable_kernel_cache(this: *mut IHttpResponse, _: u32) {
        // SAFETY: as IIS.
        unsafe { request_of(this) }.details().no_kernel_cache = true;
    }

    unsafe fn get_kernel_cache_enabled(this: *const IHttpResponse) -> BOOL {
        // SAFETY: as IIS.
        BOOL::from(!unsafe { request_of(this) }.details().no_kernel_cache)
    }

    unsafe fn suppress_headers(this: *mut IHttpResponse) {
        // SAFETY: as IIS.
        unsafe { request_of(this) }.details().headers_suppressed = true;
    }

    unsafe fn get_headers_suppressed(this: *const IHttpResponse) -> BOOL {
        // SAFETY: as IIS.
        BOOL::from(unsafe { request_of(this) }.details().headers_suppressed)
    }

    unsafe fn flush(
        this: *mut IHttpResponse,
        is_async: BOOL,
        more_data: BOOL,
        sent: *mut u32,
        completion_expected: *mut BOOL,
    ) -> HRESULT {
        let wish = Wish {
            is_async: is_async != 0,
            callback: Callback::Module,
            bytes: sent,
            expected: completion_expected,
        };
        // SAFETY: as IIS.
        unsafe { operate(request_of(this), Operation::Flush { more: more_data != 0 }, &wish) }
    }

    unsafe fn redirect(
        this: *mut IHttpResponse,
        url: PCSTR,
        reset_status_code: BOOL,
        include_parameters: BOOL,
    ) -> HRESULT {
        // SAFETY: as IIS.
        let (request, url) = unsafe { (request_of(this), narrow(url)) };
        records::adopt(request);
        let Ok(url) = std::str::from_utf8(url) else { return E_INVALIDARG };
        let result = outcome(request.with("IHttpResponse::Redirect", |cx| {
            let query = cx.request().original_url().query().filter(|_| include_parameters != 0);
            let url = query.map_or_else(|| url.to_owned(), |query| format!("{url}?{query}"));
            let status = cx.response().status();
            cx.response_mut().redirect(&url)?;
            if reset_status_code == 0 {
                cx.response_mut().set_status(status);
            }
            Ok(())
        }));
        records::refresh(request);
        result
    }

    unsafe fn write_entity_chunk_by_reference(
        this: *mut IHttpResponse,
        data_chunk: *mut HTTP_DATA_CHUNK,
        insert_position: i32,
    ) -> HRESULT {
        // SAFETY: as IIS; the chunk is a valid one, by the module's word.
        let (request, chunk) = unsafe { (request_of(this), chunk::copy(data_chunk, 1)) };
        let chunk = match chunk {
            Ok(chunk) => chunk,
            Err(result) => return result,
        };
        records::adopt(request);
        let result = outcome(request.with("IHttpResponse::WriteEntityChunkByReference", |cx| {
            let mut chunks = cx.response_mut().take_chunks();
            let at = usize::try_from(insert_position).unwrap_or(usize::MAX).min(chunks.len());
            chunks.splice(at..at, chunk);
            cx.response_mut().set_chunks(chunks)
        }));
        records::refresh(request);
        result
    }

    unsafe fn write_entity_chunks(
        this: *mut IHttpResponse,
        data_chunks: *mut HTTP_DATA_CHUNK,
        chunk_count: u32,
        is_async: BOOL,
        more_data: BOOL,
        sent: *mut u32,
        completion_expected: *mut BOOL,
    ) -> HRESULT {
        let wish = Wish {
            is_async: is_async != 0,
            callback: Callback::Module,
            bytes: sent,
            expected: completion_expected,
        };
        // SAFETY: as IIS.
        unsafe { write(request_of(this), data_chunks, chunk_count, more_data, &wish) }
    }

    unsafe fn disable_buffering(this: *mut IHttpResponse) {
        // SAFETY: as IIS.
        let request = unsafe { request_of(this) };
        change(request, "IHttpResponse::DisableBuffering", |cx| cx.response_mut().disable_buffering());
    }

    unsafe fn get_status(
        this: *mut IHttpResponse,
        status_code: *mut u16,
        sub_status: *mut u16,
        reason: *mut PCSTR,
        reason_len: *mut u16,
        error_to_report: *mut HRESULT,
        module: *mut PCWSTR,
        notification: *mut u32,
        exception: *mut *mut IAppHostConfigException,
        try_skip_custom_errors: *mut BOOL,
    ) {
        // SAFETY: as IIS.
        let request = unsafe { request_of(this) };
        let status = request
            .with("IHttpResponse::GetStatus", |cx| (cx.response().status(), cx.response().sub_status()));
        let (status, sub) = status.unwrap_or_default();
        let details = request.details();
        let text = records::reason(&details, status);
        // SAFETY: as IIS.
        unsafe {
            store(status_code, status.as_u16());
            store(sub_status, sub);
            store(reason, request.arena.narrow(&text));
            store(reason_len, len16(text.len()));
            store(error_to_report, details.error);
            store(module, null());
            store(notification, 0);
            store(exception, null_mut());
            store(try_skip_custom_errors, BOOL::from(details.skip_custom_errors));
        }
    }

    unsafe fn set_error_description(
        this: *mut IHttpResponse,
        description: PCWSTR,
        description_len: u32,
        _: BOOL,
    ) -> HRESULT {
        // SAFETY: as IIS.
        let (request, text) = unsafe { (request_of(this), wide_len(description, description_len as usize)) };
        request.details().error_description = Some(text);
        S_OK
    }

    unsafe fn get_error_description(this: *mut IHttpResponse, description_len: *mut u32) -> PCWSTR {
        // SAFETY: as IIS.
        let request = unsafe { request_of(this) };
        let description = request.details().error_description.clone();
        // SAFETY: as IIS.
        description.map_or(null(), |description| unsafe { text(request, &description, description_len) })
    }

    unsafe fn get_header_changes(
        _: *mut IHttpResponse,
        _: u32,
        _: *mut u32,
        _: *mut PCSTR,
        _: *mut u32,
        _: *mut *mut PCSTR,
        _: *mut *mut PCSTR,
        _: *mut u32,
        _: *mut u32,
        _: *mut *mut u32,
    ) -> HRESULT {
        NOT_SUPPORTED
    }

    unsafe fn close_connection(this: *mut IHttpResponse) {
        // SAFETY: as IIS.
        let request = unsafe { request_of(this) };
        change(request, "IHttpResponse::CloseConnection", Context::reset_connection);
    }
}

impl IHttpResponse2Impl for Methods {
    unsafe fn write_entity_chunks_with_callback(
        this: *mut IHttpResponse2,
        data_chunks: *mut HTTP_DATA_CHUNK,
        chunk_count: u32,
        is_async: BOOL,
        more_data: BOOL,
        callback: PFN_ASYNC_COMPLETION,
        context: *mut c_void,
        sent: *mut u32,
        completion_expected: *mut BOOL,
    ) -> HRESULT {
        let callback = Callback::Routine(callback, context);
        let wish = Wish { is_async: is_async != 0, callback, bytes: sent, expected: completion_expected };
        // SAFETY: as IIS.
        unsafe { write(request_of(this), data_chunks, chunk_count, more_data, &wish) }
    }

    unsafe fn flush_with_callback(
        this: *mut IHttpResponse2,
        is_async: BOOL,
        more_data: BOOL,
        callback: PFN_ASYNC_COMPLETION,
        context: *mut c_void,
        sent: *mut u32,
        completion_expected: *mut BOOL,
    ) -> HRESULT {
        let callback = Callback::Routine(callback, context);
        let wish = Wish { is_async: is_async != 0, callback, bytes: sent, expected: completion_expected };
        // SAFETY: as IIS.
        unsafe { operate(request_of(this), Operation::Flush { more: more_data != 0 }, &wish) }
    }
}

impl IHttpResponse3Impl for Methods {
    unsafe fn push_promise(
        _: *mut IHttpResponse3,
        _: PCSTR,
        _: PCWSTR,
        _: PCWSTR,
        _: u32,
        _: *mut PCSTR,
        _: *mut PCSTR,
    ) -> HRESULT {
        NOT_SUPPORTED
    }
}

impl IHttpResponse4Impl for Methods {
    unsafe fn delete_trailer(this: *mut IHttpResponse4, header_name: PCSTR) -> HRESULT {
        // SAFETY: as IIS.
        let (request, name) = unsafe { (request_of(this), Name::text(narrow(header_name))) };
        let result = request.with("IHttpResponse4::DeleteTrailer", |cx| {
            headers::delete(cx.response_mut().trailers_mut(), name.as_ref())
        });
        result.unwrap_or(from_win32(ERROR_INVALID_STATE))
    }

    unsafe fn get_trailer(
        this: *const IHttpResponse4,
        header_name: PCSTR,
        header_value_len: *mut u16,
    ) -> PCSTR {
        // SAFETY: as IIS.
        let (request, name) = unsafe { (request_of(this), Name::text(narrow(header_name))) };
        let found = request.with("IHttpResponse4::GetTrailer", |cx| {
            // SAFETY: as IIS.
            cx.response().trailers().map(|trailers| unsafe {
                headers::get(trailers, name.as_ref(), &request.arena, header_value_len)
            })
        });
        found.flatten().unwrap_or(null())
    }

    unsafe fn reset_stream(this: *mut IHttpResponse4, _: u32) {
        // SAFETY: as IIS.
        let request = unsafe { request_of(this) };
        change(request, "IHttpResponse4::ResetStream", Context::reset_connection);
    }

    unsafe fn set_need_go_away(this: *mut IHttpResponse4) {
        // SAFETY: as IIS.
        unsafe { Self::set_need_disconnect(upcast(this)) };
    }

    unsafe fn set_trailer(
        this: *mut IHttpResponse4,
        header_name: PCSTR,
        header_value: PCSTR,
        header_value_len: u16,
        replace: BOOL,
    ) -> HRESULT {
        // SAFETY: as IIS.
        let (request, value) = unsafe { (request_of(this), bytes(header_value, header_value_len.into())) };
        // SAFETY: as IIS.
        let name = Name::text(unsafe { narrow(header_name) });
        let result = request.with("IHttpResponse4::SetTrailer", |cx| {
            headers::set(cx.response_mut().trailers_mut(), name, value, replace != 0)
        });
        result.unwrap_or(from_win32(ERROR_INVALID_STATE))
    }
}

/// # Safety
///
/// `len` is null or writable.
unsafe fn get(request: &Request, name: Option<&Name>, len: *mut u16) -> PCSTR {
    let found = request.with("IHttpResponse::GetHeader", |cx| {
        // SAFETY: says the caller.
        unsafe { headers::get(cx.response().headers(), name, &request.arena, len) }
    });
    found.unwrap_or(null())
}

fn set(request: &Request, name: Option<Name>, value: &[u8], replace: BOOL) -> HRESULT {
    records::adopt(request);
    let result = request.with("IHttpResponse::SetHeader", |cx| {
        if cx.response().headers_sent() {
            return from_win32(ERROR_INVALID_STATE);
        }
        headers::set(cx.response_mut().headers_mut(), name, value, replace != 0)
    });
    records::refresh(request);
    result.unwrap_or(from_win32(ERROR_INVALID_STATE))
}

fn delete(request: &Request, name: Option<&Name>) -> HRESULT {
    records::adopt(request);
    let result = request
        .with("IHttpResponse::DeleteHeader", |cx| headers::delete(cx.response_mut().headers_mut(), name));
    records::refresh(request);
    result.unwrap_or(from_win32(ERROR_INVALID_STATE))
}

fn change(request: &Request, method: &'static str, f: impl FnOnce(&mut Context)) {
    records::adopt(request);
    request.with(method, f);
    records::refresh(request);
}

/// # Safety
///
/// The chunks are that many valid ones; the wish's pointers are null or writable.
unsafe fn write(
    request: &Request,
    chunks: *mut HTTP_DATA_CHUNK,
    count: u32,
    more: BOOL,
    wish: &Wish,
) -> HRESULT {
    if count > MAX_CHUNKS {
        return E_INVALIDARG;
    }
    // SAFETY: says the caller.
    let chunks = match unsafe { chunk::copy(chunks, count as usize) } {
        Ok(chunks) => chunks,
        Err(result) => return result,
    };
    // SAFETY: says the caller.
    let result = unsafe { operate(request, Operation::Write { chunks, more: more != 0 }, wish) };
    records::refresh(request);
    result
}
