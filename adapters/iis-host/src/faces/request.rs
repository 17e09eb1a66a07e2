//! `IHttpRequest` to `IHttpRequest4`.

use std::ffi::c_void;
use std::net::SocketAddr;
use std::ptr::{null, null_mut};

use bivalve_iis_sys::callbacks::PFN_ASYNC_COMPLETION;
use bivalve_iis_sys::codes::HTTP_HEADER_ID;
use bivalve_iis_sys::headers::REQUEST_HEADERS;
use bivalve_iis_sys::hresult::{E_INVALIDARG, ERROR_INVALID_STATE, ERROR_NOT_FOUND, S_OK, from_win32};
use bivalve_iis_sys::records::{HTTP_REQUEST, HTTP_SSL_CLIENT_CERT_INFO, SOCKADDR};
use bivalve_iis_sys::types::{BOOL, HRESULT, PCSTR, PCWSTR};
use bivalve_iis_sys::*;
use bytes::Bytes;
use http::{Method, Version};

use super::context::{outcome, text};
use super::headers::{self, Name};
use super::operate::{Wish, operate};
use super::records;
use super::{NOT_SUPPORTED, request_of};
use crate::frame::Callback;
use crate::operation::{Buffer, Operation};
use crate::request::Request;
use crate::text::{bytes, narrow, store, wide_len};

/// An `IHttpRequest4` over a [`Request`].
struct Methods;

pub(crate) static REQUEST: IHttpRequest4Vtbl = IHttpRequest4Vtbl::of::<Methods>();

/// `GetRemainingEntityBytes` where nobody knows how many there are.
const UNKNOWN: u32 = u32::MAX;

// SAFETY, for every block of this file that says "as IIS": the object belongs to a request, which the host keeps alive
// until it ends and for some time after; pointers are null or what the header asks for, by the module's word.

impl IHttpRequestImpl for Methods {
    unsafe fn get_raw_http_request(this: *const IHttpRequest) -> *const HTTP_REQUEST {
        // SAFETY: as IIS.
        records::request(unsafe { request_of(this) })
    }

    unsafe fn get_raw_http_request_mut(this: *mut IHttpRequest) -> *mut HTTP_REQUEST {
        // SAFETY: as IIS.
        records::request(unsafe { request_of(this) })
    }

    unsafe fn get_header_by_id(
        this: *const IHttpRequest,
        header_index: HTTP_HEADER_ID,
        header_value_len: *mut u16,
    ) -> PCSTR {
        // SAFETY: as IIS.
        unsafe { get(request_of(this), Name::id(header_index, &REQUEST_HEADERS).as_ref(), header_value_len) }
    }

    unsafe fn get_header_by_name(
        this: *const IHttpRequest,
        header_name: PCSTR,
        header_value_len: *mut u16,
    ) -> PCSTR {
        // SAFETY: as IIS.
        unsafe { get(request_of(this), Name::text(narrow(header_name)).as_ref(), header_value_len) }
    }

    unsafe fn set_header_by_id(
        this: *mut IHttpRequest,
        header_index: HTTP_HEADER_ID,
        header_value: PCSTR,
        header_value_len: u16,
        replace: BOOL,
    ) -> HRESULT {
        // SAFETY: as IIS.
        let (request, value) = unsafe { (request_of(this), bytes(header_value, header_value_len.into())) };
        set(request, Name::id(header_index, &REQUEST_HEADERS), value, replace)
    }

    unsafe fn set_header_by_name(
        this: *mut IHttpRequest,
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

    unsafe fn delete_header_by_id(this: *mut IHttpRequest, header_index: HTTP_HEADER_ID) -> HRESULT {
        // SAFETY: as IIS.
        delete(unsafe { request_of(this) }, Name::id(header_index, &REQUEST_HEADERS).as_ref())
    }

    unsafe fn delete_header_by_name(this: *mut IHttpRequest, header_name: PCSTR) -> HRESULT {
        // SAFETY: as IIS.
        unsafe { delete(request_of(this), Name::text(narrow(header_name)).as_ref()) }
    }

    unsafe fn get_http_method(this: *const IHttpRequest) -> PCSTR {
        // SAFETY: as IIS.
        let request = unsafe { request_of(this) };
        let method = request.with("IHttpRequest::GetHttpMethod", |cx| cx.request().method().clone());
        request.arena.narrow(method.unwrap_or_default().as_str().as_bytes())
    }

    unsafe fn set_http_method(this: *mut IHttpRequest, http_method: PCSTR) -> HRESULT {
        // SAFETY: as IIS.
        let (request, method) = unsafe { (request_of(this), narrow(http_method)) };
        let Ok(method) = Method::from_bytes(method) else { return E_INVALIDARG };
        request.with("IHttpRequest::SetHttpMethod", |cx| cx.request_mut().set_method(method));
        records::refresh(request);
        S_OK
    }

    unsafe fn set_url_ansi(
        this: *mut IHttpRequest,
        url: PCSTR,
        url_len: u32,
        reset_query_string: BOOL,
    ) -> HRESULT {
        // SAFETY: as IIS.
        let (request, url) = unsafe { (request_of(this), bytes(url, url_len as usize)) };
        set_url(request, &String::from_utf8_lossy(url), reset_query_string != 0)
    }

    unsafe fn set_url_wide(
        this: *mut IHttpRequest,
        url: PCWSTR,
        url_len: u32,
        reset_query_string: BOOL,
    ) -> HRESULT {
        // SAFETY: as IIS.
        let (request, url) = unsafe { (request_of(this), wide_len(url, url_len as usize)) };
        set_url(request, &url, reset_query_string != 0)
    }

    unsafe fn get_url_changed(this: *const IHttpRequest) -> BOOL {
        // SAFETY: as IIS.
        let request = unsafe { request_of(this) };
        let changed = request
            .with("IHttpRequest::GetUrlChanged", |cx| cx.request().url() != cx.request().original_url());
        BOOL::from(changed.unwrap_or(false))
    }

    unsafe fn get_forwarded_url(this: *const IHttpRequest) -> PCWSTR {
        // SAFETY: as IIS.
        let request = unsafe { request_of(this) };
        let url = request.with("IHttpRequest::GetForwardedUrl", |cx| {
            cx.request().url().path_and_query().map_or_else(String::new, ToString::to_string)
        });
        // SAFETY: null is allowed.
        unsafe { text(request, &url.unwrap_or_default(), null_mut()) }
    }

    unsafe fn get_local_address(this: *const IHttpRequest) -> *mut SOCKADDR {
        // SAFETY: as IIS.
        address(unsafe { request_of(this) }, bivalve_core::Connection::local_addr)
    }

    unsafe fn get_remote_address(this: *const IHttpRequest) -> *mut SOCKADDR {
        // SAFETY: as IIS.
        address(unsafe { request_of(this) }, bivalve_core::Connection::remote_addr)
    }

    unsafe fn read_entity_body(
        this: *mut IHttpRequest,
        buffer: *mut c_void,
        buffer_len: u32,
        is_async: BOOL,
        bytes_received: *mut u32,
        completion_pending: *mut BOOL,
    ) -> HRESULT {
        let wish = Wish {
            is_async: is_async != 0,
            callback: Callback::Module,
            bytes: bytes_received,
            expected: completion_pending,
        };
        // SAFETY: as IIS.
        unsafe { read(request_of(this), buffer, buffer_len, &wish) }
    }

    unsafe fn insert_entity_body(this: *mut IHttpRequest, buffer: *mut c_void, buffer_len: u32) -> HRESULT {
        // SAFETY: as IIS.
        let (request, data) = unsafe { (request_of(this), bytes(buffer.cast(), buffer_len as usize)) };
        // A copy: what is read from it may reach a service that lives longer than the request.
        let data = Bytes::copy_from_slice(data);
        if !data.is_empty() {
            request.details().inserted = true;
        }
        request.with("IHttpRequest::InsertEntityBody", |cx| cx.request_mut().insert_entity(data));
        S_OK
    }

    unsafe fn get_remaining_entity_bytes(this: *mut IHttpRequest) -> u32 {
        // SAFETY: as IIS.
        remaining(unsafe { request_of(this) })
    }

    unsafe fn get_http_version(this: *const IHttpRequest, major_version: *mut u16, minor_version: *mut u16) {
        // SAFETY: as IIS.
        let request = unsafe { request_of(this) };
        let version = request.with("IHttpRequest::GetHttpVersion", |cx| cx.request().version());
        let (major, minor) = version_of(version.unwrap_or_default());
        // SAFETY: as IIS.
        unsafe {
            store(major_version, major);
            store(minor_version, minor);
        }
    }

    unsafe fn get_client_certificate(
        this: *mut IHttpRequest,
        client_cert_info: *mut *mut HTTP_SSL_CLIENT_CERT_INFO,
        client_cert_negotiated: *mut BOOL,
    ) -> HRESULT {
        // SAFETY: as IIS.
        let info = records::certificate(unsafe { request_of(this) });
        // SAFETY: as IIS.
        unsafe {
            store(client_cert_info, info);
            store(client_cert_negotiated, BOOL::from(!info.is_null()));
        }
        if info.is_null() { from_win32(ERROR_NOT_FOUND) } else { S_OK }
    }

    unsafe fn negotiate_client_certificate(
        _: *mut IHttpRequest,
        _: BOOL,
        completion_pending: *mut BOOL,
    ) -> HRESULT {
        // SAFETY: as IIS.
        unsafe { store(completion_pending, 0) };
        NOT_SUPPORTED
    }

    unsafe fn get_site_id(this: *const IHttpRequest) -> u32 {
        // SAFETY: as IIS.
        unsafe { request_of(this) }.with("IHttpRequest::GetSiteId", |cx| cx.site().id()).unwrap_or(0)
    }

    unsafe fn get_header_changes(
        _: *mut IHttpRequest,
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
}

impl IHttpRequest2Impl for Methods {
    unsafe fn get_channel_binding_token(_: *mut IHttpRequest2, _: *mut *mut u8, _: *mut u32) -> HRESULT {
        NOT_SUPPORTED
    }
}

impl IHttpRequest3Impl for Methods {
    unsafe fn read_entity_body_with_callback(
        this: *mut IHttpRequest3,
        buffer: *mut c_void,
        buffer_len: u32,
        is_async: BOOL,
        callback: PFN_ASYNC_COMPLETION,
        context: *mut c_void,
        bytes_received: *mut u32,
        completion_pending: *mut BOOL,
    ) -> HRESULT {
        let wish = Wish {
            is_async: is_async != 0,
            callback: Callback::Routine(callback, context),
            bytes: bytes_received,
            expected: completion_pending,
        };
        // SAFETY: as IIS.
        unsafe { read(request_of(this), buffer, buffer_len, &wish) }
    }
}

impl IHttpRequest4Impl for Methods {
    unsafe fn read_entity_body_with_flags(
        this: *mut IHttpRequest4,
        buffer: *mut c_void,
        buffer_len: u32,
        is_async: BOOL,
        _: u32,
        bytes_received: *mut u32,
        completion_pending: *mut BOOL,
    ) -> HRESULT {
        let this = upcast(this);
        // SAFETY: as IIS.
        unsafe {
            Self::read_entity_body(this, buffer, buffer_len, is_async, bytes_received, completion_pending)
        }
    }
}

/// # Safety
///
/// `len` is null or writable.
unsafe fn get(request: &Request, name: Option<&Name>, len: *mut u16) -> PCSTR {
    let found = request.with("IHttpRequest::GetHeader", |cx| {
        // SAFETY: says the caller.
        unsafe { headers::get(cx.request().headers(), name, &request.arena, len) }
    });
    found.unwrap_or(null())
}

fn set(request: &Request, name: Option<Name>, value: &[u8], replace: BOOL) -> HRESULT {
    records::adopt(request);
    let result = request.with("IHttpRequest::SetHeader", |cx| {
        headers::set(cx.request_mut().headers_mut(), name, value, replace != 0)
    });
    records::refresh(request);
    result.unwrap_or(from_win32(ERROR_INVALID_STATE))
}

fn delete(request: &Request, name: Option<&Name>) -> HRESULT {
    records::adopt(request);
    let result = request
        .with("IHttpRequest::DeleteHeader", |cx| headers::delete(cx.request_mut().headers_mut(), name));
    records::refresh(request);
    result.unwrap_or(from_win32(ERROR_INVALID_STATE))
}

fn set_url(request: &Request, url: &str, reset_query: bool) -> HRESULT {
    let result = outcome(request.with("IHttpRequest::SetUrl", |cx| {
        let query = cx.request().url().query().filter(|_| !reset_query && !url.contains('?'));
        let url = query.map_or_else(|| url.to_owned(), |query| format!("{url}?{query}"));
        cx.request_mut().set_url(url)
    }));
    records::refresh(request);
    result
}

/// # Safety
///
/// The buffer is that long, and the module's until the read has completed; the wish's pointers are null or writable.
unsafe fn read(request: &Request, buffer: *mut c_void, len: u32, wish: &Wish) -> HRESULT {
    if buffer.is_null() || len == 0 {
        return E_INVALIDARG;
    }
    let buffer = Buffer { data: buffer.cast(), len: len as usize };
    // SAFETY: says the caller.
    unsafe { operate(request, Operation::Read(buffer), wish) }
}

/// What is left of the body: for one without a length, more than nothing until its end has been read.
fn remaining(request: &Request) -> u32 {
    let (ended, inserted, read) = {
        let details = request.details();
        (details.body_ended, details.inserted, details.body_read)
    };
    if ended {
        return if inserted { UNKNOWN } else { 0 };
    }
    let left = request.with("IHttpRequest::GetRemainingEntityBytes", |cx| {
        if inserted {
            return UNKNOWN;
        }
        let length =
            cx.request().header(http::header::CONTENT_LENGTH).and_then(|text| text.parse::<u64>().ok());
        match length {
            Some(length) => u32::try_from(length.saturating_sub(read)).unwrap_or(UNKNOWN),
            None if [Method::GET, Method::HEAD].contains(cx.request().method()) => 0,
            None => UNKNOWN,
        }
    });
    left.unwrap_or(0)
}

pub(super) fn version_of(version: Version) -> (u16, u16) {
    match version {
        Version::HTTP_09 => (0, 9),
        Version::HTTP_10 => (1, 0),
        Version::HTTP_2 => (2, 0),
        Version::HTTP_3 => (3, 0),
        _ => (1, 1),
    }
}

fn address(request: &Request, of: fn(&bivalve_core::Connection) -> Option<SocketAddr>) -> *mut SOCKADDR {
    let addr = request.with("IHttpRequest", |cx| of(cx.connection())).flatten();
    addr.map_or(null_mut(), |addr| records::socket_address(&request.arena, addr))
}
