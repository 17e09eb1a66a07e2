//! The classes of the fake: what the tests do not need is not there.

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::Weak;

use bivalve_iis_sys::codes::REQUEST_NOTIFICATION_STATUS as Status;
use bivalve_iis_sys::codes::*;
use bivalve_iis_sys::flags::*;
use bivalve_iis_sys::hresult::*;
use bivalve_iis_sys::opaque::*;
use bivalve_iis_sys::records::*;
use bivalve_iis_sys::types::*;
use bivalve_iis_sys::*;

use super::{Mode, World};

unsafe fn terminated(text: PCSTR) -> String {
    // SAFETY: what the shim passes lives during the call, and what the fake has allocated until the end of the test.
    unsafe { std::ffi::CStr::from_ptr(text.cast()) }.to_str().unwrap().to_string()
}

unsafe fn wide(text: PCWSTR) -> String {
    let mut len = 0;
    // SAFETY: what the shim passes lives during the call, and what the fake has allocated until the end of the test.
    while unsafe { *text.add(len) } != 0 {
        len += 1;
    }
    // SAFETY: what the shim passes lives during the call, and what the fake has allocated until the end of the test.
    String::from_utf16_lossy(unsafe { std::slice::from_raw_parts(text, len) })
}

macro_rules! of_the_world {
    ($($name:ident: $class:ident $vtbl:ident;)+) => {$(
        #[repr(C)]
        pub struct $name {
            class: $class,
            world: Weak<World>,
        }

        impl $name {
            pub fn new(world: &Weak<World>) -> Self {
                static VTABLE: $vtbl = $vtbl::of::<$name>();
                Self { class: $class::new(&VTABLE), world: Weak::clone(world) }
            }

            /// The request, which lives as long as its test.
            #[allow(single_use_lifetimes)]
            unsafe fn world<'a, C>(this: *const C) -> &'a World {
                // SAFETY: the shim calls the object that it was given, while it lives.
                unsafe { &*(*this.cast::<Self>()).world.as_ptr() }
            }
        }
    )+};
}

of_the_world! {
    Context: IHttpContext IHttpContextVtbl;
    Request: IHttpRequest IHttpRequestVtbl;
    Response: IHttpResponse IHttpResponseVtbl;
    Container: IHttpModuleContextContainer IHttpModuleContextContainerVtbl;
    Connection: IHttpConnection IHttpConnectionVtbl;
}

impl IHttpContextImpl for Context {
    unsafe fn get_site(this: *mut IHttpContext) -> *mut IHttpSite {
        null_mut()
    }
    unsafe fn get_application(this: *mut IHttpContext) -> *mut IHttpApplication {
        null_mut()
    }
    unsafe fn get_connection(this: *mut IHttpContext) -> *mut IHttpConnection {
        // SAFETY: the objects of a test live until it has ended.
        let world = unsafe { Self::world(this) };
        (&raw const world.connection).cast_mut().cast()
    }
    unsafe fn get_request(this: *mut IHttpContext) -> *mut IHttpRequest {
        // SAFETY: the objects of a test live until it has ended.
        let world = unsafe { Self::world(this) };
        (&raw const world.request).cast_mut().cast()
    }
    unsafe fn get_response(this: *mut IHttpContext) -> *mut IHttpResponse {
        // SAFETY: the objects of a test live until it has ended.
        let world = unsafe { Self::world(this) };
        (&raw const world.response).cast_mut().cast()
    }
    unsafe fn get_response_headers_sent(this: *const IHttpContext) -> BOOL {
        // SAFETY: the objects of a test live until it has ended.
        let world = unsafe { Self::world(this) };
        world.state.lock().unwrap().sent.into()
    }
    unsafe fn get_user(this: *const IHttpContext) -> *mut IHttpUser {
        // SAFETY: the objects of a test live until it has ended.
        let world = unsafe { Self::world(this) };
        world.state.lock().unwrap().user
    }
    unsafe fn get_module_context_container(this: *mut IHttpContext) -> *mut IHttpModuleContextContainer {
        // SAFETY: the objects of a test live until it has ended.
        let world = unsafe { Self::world(this) };
        (&raw const world.container).cast_mut().cast()
    }
    unsafe fn indicate_completion(this: *mut IHttpContext, notification_status: REQUEST_NOTIFICATION_STATUS) {
        // SAFETY: the objects of a test live until it has ended.
        let world = unsafe { Self::world(this) };
        world.with(|state| state.answer = Some(notification_status));
        world.changed.notify_all();
    }
    unsafe fn post_completion(this: *mut IHttpContext, bytes: u32) -> HRESULT {
        // SAFETY: the objects of a test live until it has ended.
        let world = unsafe { Self::world(this) };
        world.with(|state| state.log.push("PostCompletion".into()));
        world.complete(Mode::Early, bytes, S_OK);
        S_OK
    }
    unsafe fn disable_notifications(this: *mut IHttpContext, notifications: u32, post_notifications: u32) {
        // SAFETY: the objects of a test live until it has ended.
        let world = unsafe { Self::world(this) };
        world.with(|state| {
            state.log.push(format!("DisableNotifications {notifications:#x} {post_notifications:#x}"))
        });
    }
    unsafe fn get_next_notification(
        _: *mut IHttpContext,
        _: REQUEST_NOTIFICATION_STATUS,
        _: *mut u32,
        _: *mut BOOL,
        _: *mut *mut CHttpModule,
        _: *mut *mut IHttpEventProvider,
    ) -> BOOL {
        panic!("the fake has no get_next_notification")
    }
    unsafe fn get_is_last_notification(_: *mut IHttpContext, _: REQUEST_NOTIFICATION_STATUS) -> BOOL {
        panic!("the fake has no get_is_last_notification")
    }
    unsafe fn execute_request(
        this: *mut IHttpContext,
        _: BOOL,
        _: *mut IHttpContext,
        _: u32,
        _: *mut IHttpUser,
        completion_expected: *mut BOOL,
    ) -> HRESULT {
        // SAFETY: the objects of a test live until it has ended.
        let world = unsafe { Self::world(this) };
        world.started();
        // SAFETY: what the shim passes lives during the call.
        unsafe { *completion_expected = 1 };
        let (mode, child) = {
            let state = world.state.lock().unwrap();
            (state.mode, state.child.clone())
        };
        child.unwrap().with(|child| {
            if std::mem::replace(&mut child.executing, true) {
                child.log.push("executed twice at once".into());
            }
        });
        world.complete(if mode == Mode::Early { mode } else { Mode::Late }, 0, S_OK);
        S_OK
    }
    unsafe fn get_execute_flags(_: *const IHttpContext) -> u32 {
        panic!("the fake has no get_execute_flags")
    }
    unsafe fn get_server_variable_ansi(
        _: *mut IHttpContext,
        _: PCSTR,
        _: *mut PCSTR,
        _: *mut u32,
    ) -> HRESULT {
        panic!("the fake has no get_server_variable_ansi")
    }
    unsafe fn get_server_variable_wide(
        this: *mut IHttpContext,
        variable_name: PCSTR,
        value: *mut PCWSTR,
        value_length: *mut u32,
    ) -> HRESULT {
        from_win32(ERROR_INVALID_INDEX)
    }
    unsafe fn set_server_variable(
        this: *mut IHttpContext,
        variable_name: PCSTR,
        variable_value: PCWSTR,
    ) -> HRESULT {
        S_OK
    }
    unsafe fn allocate_request_memory(this: *mut IHttpContext, allocation_len: u32) -> *mut c_void {
        // SAFETY: the objects of a test live until it has ended.
        let world = unsafe { Self::world(this) };
        world.with(|state| state.requested += allocation_len as usize);
        world.allocate(allocation_len as usize)
    }
    unsafe fn get_url_info(_: *mut IHttpContext) -> *mut IHttpUrlInfo {
        panic!("the fake has no get_url_info")
    }
    unsafe fn get_metadata(_: *mut IHttpContext) -> *mut IMetadataInfo {
        panic!("the fake has no get_metadata")
    }
    unsafe fn get_physical_path(_: *mut IHttpContext, _: *mut u32) -> PCWSTR {
        panic!("the fake has no get_physical_path")
    }
    unsafe fn get_script_name(_: *const IHttpContext, _: *mut u32) -> PCWSTR {
        panic!("the fake has no get_script_name")
    }
    unsafe fn get_script_translated(_: *mut IHttpContext, _: *mut u32) -> PCWSTR {
        panic!("the fake has no get_script_translated")
    }
    unsafe fn get_script_map(_: *const IHttpContext) -> *mut IScriptMapInfo {
        panic!("the fake has no get_script_map")
    }
    unsafe fn set_request_handled(_: *mut IHttpContext) {
        panic!("the fake has no set_request_handled")
    }
    unsafe fn get_file_info(_: *const IHttpContext) -> *mut IHttpFileInfo {
        panic!("the fake has no get_file_info")
    }
    unsafe fn map_path(
        this: *mut IHttpContext,
        url: PCWSTR,
        physical_path: PWSTR,
        physical_path_len: *mut u32,
    ) -> HRESULT {
        // SAFETY: what the shim passes lives during the call, and what the fake has allocated until the end of the test.
        let path: Vec<u16> = format!("/site{}", unsafe { wide(url) }).encode_utf16().chain([0]).collect();
        // SAFETY: what the shim passes lives during the call, and what the fake has allocated until the end of the test.
        unsafe {
            if (*physical_path_len as usize) < path.len() * 2 {
                *physical_path_len = (path.len() * 2) as u32;
                return from_win32(ERROR_INSUFFICIENT_BUFFER);
            }
            physical_path.copy_from_nonoverlapping(path.as_ptr(), path.len());
        }
        S_OK
    }
    unsafe fn notify_custom_notification(
        this: *mut IHttpContext,
        custom_output: *mut ICustomNotificationProvider,
        completion_expected: *mut BOOL,
    ) -> HRESULT {
        // SAFETY: the objects of a test live until it has ended.
        let world = unsafe { Self::world(this) };
        let (modules, mode, later) = {
            let state = world.state.lock().unwrap();
            (state.modules.clone(), state.mode, state.custom_later)
        };
        if later {
            world.started();
            // SAFETY: what the shim passes lives during the call.
            unsafe { *completion_expected = 1 };
            world.notify_later(mode, custom_output);
            return S_OK;
        }
        for module in modules {
            if module.mask & RQ_CUSTOM_NOTIFICATION != 0 {
                // SAFETY: what the shim passes lives during the call, and what the fake has allocated until the end of the test.
                let status = unsafe {
                    CHttpModule::on_custom_request_notification(module.object, world.context(), custom_output)
                };
                assert_ne!(status, Status::PENDING);
            }
        }
        S_OK
    }
    unsafe fn get_parent_context(_: *const IHttpContext) -> *mut IHttpContext {
        // Nobody's child.
        null_mut()
    }
    unsafe fn get_root_context(_: *const IHttpContext) -> *mut IHttpContext {
        panic!("the fake has no get_root_context")
    }
    unsafe fn clone_context(
        this: *mut IHttpContext,
        _: u32,
        http_context: *mut *mut IHttpContext,
    ) -> HRESULT {
        // SAFETY: the objects of a test live until it has ended.
        let world = unsafe { Self::world(this) };
        let child = world.state.lock().unwrap().child.clone().unwrap();
        // SAFETY: what the shim passes lives during the call.
        unsafe { *http_context = child.context() };
        S_OK
    }
    unsafe fn release_cloned_context(this: *mut IHttpContext) -> HRESULT {
        // SAFETY: the objects of a test live until it has ended.
        let world = unsafe { Self::world(this) };
        world.with(|state| {
            state.log.push(if state.executing { "released too early" } else { "released" }.into());
        });
        S_OK
    }
    unsafe fn get_current_execution_stats(
        _: *const IHttpContext,
        _: *mut u32,
        _: *mut u32,
        _: *mut PCWSTR,
        _: *mut u32,
        _: *mut u32,
        _: *mut u32,
    ) -> HRESULT {
        panic!("the fake has no get_current_execution_stats")
    }
    unsafe fn get_trace_context(_: *const IHttpContext) -> *mut IHttpTraceContext {
        null_mut()
    }
    unsafe fn get_server_var_changes(
        _: *mut IHttpContext,
        _: u32,
        _: *mut u32,
        _: *mut u32,
        _: *mut *mut PCSTR,
        _: *mut *mut PCWSTR,
        _: *mut u32,
        _: *mut *mut u32,
    ) -> HRESULT {
        panic!("the fake has no get_server_var_changes")
    }
    unsafe fn cancel_io(this: *mut IHttpContext) -> HRESULT {
        // SAFETY: the objects of a test live until it has ended.
        let world = unsafe { Self::world(this) };
        world.with(|state| state.cancelled += 1);
        if world.state.lock().unwrap().hang_read {
            world.with(|state| state.hang_read = false);
            world.complete(Mode::Late, 0, from_win32(ERROR_OPERATION_ABORTED));
        }
        S_OK
    }
    unsafe fn map_handler(
        _: *mut IHttpContext,
        _: u32,
        _: PCWSTR,
        _: PCWSTR,
        _: PCSTR,
        _: *mut *mut IScriptMapInfo,
        _: BOOL,
    ) -> HRESULT {
        panic!("the fake has no map_handler")
    }
    unsafe fn get_extended_interface(
        _: *mut IHttpContext,
        _: HTTP_CONTEXT_INTERFACE_VERSION,
        _: *mut *mut c_void,
    ) -> HRESULT {
        panic!("the fake has no get_extended_interface")
    }
}

unsafe fn set(headers: &mut Vec<(String, String)>, name: PCSTR, value: PCSTR, len: u16, replace: BOOL) {
    // SAFETY: what the shim passes lives during the call, and what the fake has allocated until the end of the test.
    let name = unsafe { terminated(name) };
    // SAFETY: what the shim passes lives during the call, and what the fake has allocated until the end of the test.
    let value = unsafe { std::slice::from_raw_parts(value, len.into()) };
    if replace != 0 {
        headers.retain(|h| !h.0.eq_ignore_ascii_case(&name));
    }
    headers.push((name, String::from_utf8(value.to_vec()).unwrap()));
}

impl IHttpRequestImpl for Request {
    unsafe fn get_raw_http_request(this: *const IHttpRequest) -> *const HTTP_REQUEST {
        // SAFETY: the objects of a test live until it has ended.
        let world = unsafe { Self::world(this) };
        // SAFETY: the raw records are the fake's, and its calls follow each other.
        let raw = unsafe { &mut *world.raw.get() };
        let state = world.state.lock().unwrap();
        let (array, count) = world.unknown(&state.request_headers);
        raw.request.Base.Headers.pUnknownHeaders = array;
        raw.request.Base.Headers.UnknownHeaderCount = count;
        (raw.request.Base.pRawUrl, raw.request.Base.RawUrlLength) = world.keep(&state.url);
        &raw const raw.request
    }
    unsafe fn get_raw_http_request_mut(_: *mut IHttpRequest) -> *mut HTTP_REQUEST {
        panic!("the fake has no get_raw_http_request_mut")
    }
    unsafe fn get_header_by_id(_: *const IHttpRequest, _: HTTP_HEADER_ID, _: *mut u16) -> PCSTR {
        panic!("the fake has no get_header_by_id")
    }
    unsafe fn get_header_by_name(_: *const IHttpRequest, _: PCSTR, _: *mut u16) -> PCSTR {
        panic!("the fake has no get_header_by_name")
    }
    unsafe fn set_header_by_id(
        _: *mut IHttpRequest,
        _: HTTP_HEADER_ID,
        _: PCSTR,
        _: u16,
        _: BOOL,
    ) -> HRESULT {
        panic!("the fake has no set_header_by_id")
    }
    unsafe fn set_header_by_name(
        this: *mut IHttpRequest,
        header_name: PCSTR,
        header_value: PCSTR,
        header_value_len: u16,
        replace: BOOL,
    ) -> HRESULT {
        // SAFETY: the objects of a test live until it has ended.
        let world = unsafe { Self::world(this) };
        // SAFETY: what the shim passes lives during the call, and what the fake has allocated until the end of the test.
        unsafe {
            set(
                &mut world.state.lock().unwrap().request_headers,
                header_name,
                header_value,
                header_value_len,
                replace,
            )
        };
        S_OK
    }
    unsafe fn delete_header_by_id(_: *mut IHttpRequest, _: HTTP_HEADER_ID) -> HRESULT {
        panic!("the fake has no delete_header_by_id")
    }
    unsafe fn delete_header_by_name(this: *mut IHttpRequest, header_name: PCSTR) -> HRESULT {
        // SAFETY: the objects of a test live until it has ended.
        let world = unsafe { Self::world(this) };
        // SAFETY: what the shim passes lives during the call, and what the fake has allocated until the end of the test.
        let name = unsafe { terminated(header_name) };
        world.with(|state| state.request_headers.retain(|h| !h.0.eq_ignore_ascii_case(&name)));
        S_OK
    }
    unsafe fn get_http_method(this: *const IHttpRequest) -> PCSTR {
        // SAFETY: the objects of a test live until it has ended.
        let world = unsafe { Self::world(this) };
        let method = world.state.lock().unwrap().method.clone();
        world.keep(&method).0
    }
    unsafe fn set_http_method(this: *mut IHttpRequest, http_method: PCSTR) -> HRESULT {
        // SAFETY: the objects of a test live until it has ended.
        let world = unsafe { Self::world(this) };
        // SAFETY: what the shim passes lives during the call, and what the fake has allocated until the end of the test.
        world.with(|state| state.method = unsafe { terminated(http_method) });
        S_OK
    }
    unsafe fn set_url_ansi(
        this: *mut IHttpRequest,
        url: PCSTR,
        url_len: u32,
        reset_query_string: BOOL,
    ) -> HRESULT {
        // SAFETY: the objects of a test live until it has ended.
        let world = unsafe { Self::world(this) };
        // SAFETY: what the shim passes lives during the call, and what the fake has allocated until the end of the test.
        world.with(|state| state.url = unsafe { terminated(url) });
        S_OK
    }
    unsafe fn set_url_wide(_: *mut IHttpRequest, _: PCWSTR, _: u32, _: BOOL) -> HRESULT {
        panic!("the fake has no set_url_wide")
    }
    unsafe fn get_url_changed(this: *const IHttpRequest) -> BOOL {
        0
    }
    unsafe fn get_forwarded_url(_: *const IHttpRequest) -> PCWSTR {
        panic!("the fake has no get_forwarded_url")
    }
    unsafe fn get_local_address(this: *const IHttpRequest) -> *mut SOCKADDR {
        null_mut()
    }
    unsafe fn get_remote_address(this: *const IHttpRequest) -> *mut SOCKADDR {
        null_mut()
    }
    unsafe fn read_entity_body(
        this: *mut IHttpRequest,
        buffer: *mut c_void,
        buffer_len: u32,
        is_async: BOOL,
        bytes_received: *mut u32,
        completion_pending: *mut BOOL,
    ) -> HRESULT {
        // SAFETY: the objects of a test live until it has ended.
        let world = unsafe { Self::world(this) };
        if world.state.lock().unwrap().hang_read {
            world.started();
            // SAFETY: what the shim passes lives during the call, and what the fake has allocated until the end of the test.
            unsafe { *completion_pending = 1 };
            return S_OK;
        }
        let mode = world.state.lock().unwrap().mode;
        let mut part = Vec::new();
        world.with(|state| part = if state.body.is_empty() { Vec::new() } else { state.body.remove(0) });
        if part.is_empty() {
            return from_win32(ERROR_HANDLE_EOF);
        }
        let rest = part.split_off(part.len().min(buffer_len as usize));
        if !rest.is_empty() {
            world.with(|state| state.body.insert(0, rest));
        }
        // SAFETY: what the shim passes lives during the call, and what the fake has allocated until the end of the test.
        unsafe { buffer.cast::<u8>().copy_from_nonoverlapping(part.as_ptr(), part.len()) };
        if mode == Mode::Inline {
            // SAFETY: what the shim passes lives during the call, and what the fake has allocated until the end of the test.
            unsafe { (*bytes_received, *completion_pending) = (part.len() as u32, 0) };
        } else {
            world.started();
            // SAFETY: what the shim passes lives during the call, and what the fake has allocated until the end of the test.
            unsafe { *completion_pending = 1 };
            world.complete(mode, part.len() as u32, S_OK);
        }
        S_OK
    }
    unsafe fn insert_entity_body(this: *mut IHttpRequest, buffer: *mut c_void, buffer_len: u32) -> HRESULT {
        // SAFETY: the objects of a test live until it has ended.
        let world = unsafe { Self::world(this) };
        // SAFETY: what the shim passes lives during the call, and what the fake has allocated until the end of the test.
        let bytes = unsafe { std::slice::from_raw_parts(buffer.cast::<u8>(), buffer_len as usize) }.to_vec();
        world.with(|state| state.body.insert(0, bytes));
        S_OK
    }
    unsafe fn get_remaining_entity_bytes(this: *mut IHttpRequest) -> u32 {
        // SAFETY: the objects of a test live until it has ended.
        let world = unsafe { Self::world(this) };
        let state = world.state.lock().unwrap();
        if state.body.is_empty() && !state.hang_read { 0 } else { u32::MAX }
    }
    unsafe fn get_http_version(this: *const IHttpRequest, major_version: *mut u16, minor_version: *mut u16) {
        // SAFETY: what the shim passes lives during the call, and what the fake has allocated until the end of the test.
        unsafe { (*major_version, *minor_version) = (1, 1) };
    }
    unsafe fn get_client_certificate(
        _: *mut IHttpRequest,
        _: *mut *mut HTTP_SSL_CLIENT_CERT_INFO,
        _: *mut BOOL,
    ) -> HRESULT {
        panic!("the fake has no get_client_certificate")
    }
    unsafe fn negotiate_client_certificate(_: *mut IHttpRequest, _: BOOL, _: *mut BOOL) -> HRESULT {
        panic!("the fake has no negotiate_client_certificate")
    }
    unsafe fn get_site_id(_: *const IHttpRequest) -> u32 {
        panic!("the fake has no get_site_id")
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
        panic!("the fake has no get_header_changes")
    }
}

impl IHttpResponseImpl for Response {
    unsafe fn get_raw_http_response(this: *const IHttpResponse) -> *const HTTP_RESPONSE {
        // SAFETY: the objects of a test live until it has ended.
        let world = unsafe { Self::world(this) };
        // SAFETY: the raw records are the fake's, and its calls follow each other.
        let raw = unsafe { &mut *world.raw.get() };
        let state = world.state.lock().unwrap();
        let (array, count) = world.unknown(&state.headers);
        raw.response.Base.Headers.pUnknownHeaders = array;
        raw.response.Base.Headers.UnknownHeaderCount = count;
        &raw const raw.response
    }
    unsafe fn get_raw_http_response_mut(this: *mut IHttpResponse) -> *mut HTTP_RESPONSE {
        // SAFETY: the objects of a test live until it has ended.
        let world = unsafe { Self::world(this) };
        // SAFETY: the raw records are the fake's, and its calls follow each other.
        let raw = unsafe { &mut *world.raw.get() };
        let state = world.state.lock().unwrap();
        let (array, count) = world.unknown(&state.headers);
        raw.response.Base.Headers.pUnknownHeaders = array;
        raw.response.Base.Headers.UnknownHeaderCount = count;
        &raw mut raw.response
    }
    unsafe fn get_cache_policy(_: *mut IHttpResponse) -> *mut IHttpCachePolicy {
        panic!("the fake has no get_cache_policy")
    }
    unsafe fn set_status(
        this: *mut IHttpResponse,
        status_code: u16,
        reason: PCSTR,
        sub_status: u16,
        error_to_report: HRESULT,
        exception: *mut IAppHostConfigException,
        try_skip_custom_errors: BOOL,
    ) -> HRESULT {
        // SAFETY: the objects of a test live until it has ended.
        let world = unsafe { Self::world(this) };
        world.with(|state| state.status = (status_code, sub_status));
        S_OK
    }
    unsafe fn set_header_by_id(
        _: *mut IHttpResponse,
        _: HTTP_HEADER_ID,
        _: PCSTR,
        _: u16,
        _: BOOL,
    ) -> HRESULT {
        panic!("the fake has no set_header_by_id")
    }
    unsafe fn set_header_by_name(
        this: *mut IHttpResponse,
        header_name: PCSTR,
        header_value: PCSTR,
        header_value_len: u16,
        replace: BOOL,
    ) -> HRESULT {
        // SAFETY: the objects of a test live until it has ended.
        let world = unsafe { Self::world(this) };
        // SAFETY: what the shim passes lives during the call, and what the fake has allocated until the end of the test.
        unsafe {
            set(
                &mut world.state.lock().unwrap().headers,
                header_name,
                header_value,
                header_value_len,
                replace,
            )
        };
        S_OK
    }
    unsafe fn delete_header_by_id(_: *mut IHttpResponse, _: HTTP_HEADER_ID) -> HRESULT {
        panic!("the fake has no delete_header_by_id")
    }
    unsafe fn delete_header_by_name(this: *mut IHttpResponse, header_name: PCSTR) -> HRESULT {
        // SAFETY: the objects of a test live until it has ended.
        let world = unsafe { Self::world(this) };
        // SAFETY: what the shim passes lives during the call, and what the fake has allocated until the end of the test.
        let name = unsafe { terminated(header_name) };
        world.with(|state| state.headers.retain(|h| !h.0.eq_ignore_ascii_case(&name)));
        S_OK
    }
    unsafe fn get_header_by_id(_: *const IHttpResponse, _: HTTP_HEADER_ID, _: *mut u16) -> PCSTR {
        panic!("the fake has no get_header_by_id")
    }
    unsafe fn get_header_by_name(_: *const IHttpResponse, _: PCSTR, _: *mut u16) -> PCSTR {
        panic!("the fake has no get_header_by_name")
    }
    unsafe fn clear(this: *mut IHttpResponse) {
        // SAFETY: the objects of a test live until it has ended.
        let world = unsafe { Self::world(this) };
        world.with(|state| {
            state.status = (200, 0);
            state.headers.clear();
        });
        // SAFETY: the raw records are the fake's, and its calls follow each other.
        unsafe { (*world.raw.get()).response.Base.EntityChunkCount = 0 };
    }
    unsafe fn clear_headers(_: *mut IHttpResponse) {
        panic!("the fake has no clear_headers")
    }
    unsafe fn set_need_disconnect(this: *mut IHttpResponse) {
        // SAFETY: the objects of a test live until it has ended.
        let world = unsafe { Self::world(this) };
        world.with(|state| state.log.push("SetNeedDisconnect".into()));
    }
    unsafe fn reset_connection(this: *mut IHttpResponse) {
        // SAFETY: the objects of a test live until it has ended.
        let world = unsafe { Self::world(this) };
        world.with(|state| state.reset = true);
    }
    unsafe fn disable_kernel_cache(_: *mut IHttpResponse, _: u32) {
        panic!("the fake has no disable_kernel_cache")
    }
    unsafe fn get_kernel_cache_enabled(_: *const IHttpResponse) -> BOOL {
        panic!("the fake has no get_kernel_cache_enabled")
    }
    unsafe fn suppress_headers(_: *mut IHttpResponse) {
        panic!("the fake has no suppress_headers")
    }
    unsafe fn get_headers_suppressed(_: *const IHttpResponse) -> BOOL {
        panic!("the fake has no get_headers_suppressed")
    }
    unsafe fn flush(
        this: *mut IHttpResponse,
        is_async: BOOL,
        more_data: BOOL,
        sent: *mut u32,
        completion_expected: *mut BOOL,
    ) -> HRESULT {
        // SAFETY: the objects of a test live until it has ended.
        let world = unsafe { Self::world(this) };
        world.send(more_data != 0);
        let mode = world.state.lock().unwrap().mode;
        if mode == Mode::Inline {
            // SAFETY: what the shim passes lives during the call, and what the fake has allocated until the end of the test.
            unsafe { *completion_expected = 0 };
        } else {
            world.started();
            // SAFETY: what the shim passes lives during the call, and what the fake has allocated until the end of the test.
            unsafe { *completion_expected = 1 };
            world.complete(mode, 0, S_OK);
        }
        S_OK
    }
    unsafe fn redirect(_: *mut IHttpResponse, _: PCSTR, _: BOOL, _: BOOL) -> HRESULT {
        panic!("the fake has no redirect")
    }
    unsafe fn write_entity_chunk_by_reference(
        _: *mut IHttpResponse,
        _: *mut HTTP_DATA_CHUNK,
        _: i32,
    ) -> HRESULT {
        panic!("the fake has no write_entity_chunk_by_reference")
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
        // SAFETY: the objects of a test live until it has ended.
        let world = unsafe { Self::world(this) };
        // SAFETY: the raw records are the fake's, and its calls follow each other.
        let raw = unsafe { &mut *world.raw.get() };
        let base = &mut raw.response.Base;
        let (had, count) = (usize::from(base.EntityChunkCount), chunk_count as usize);
        let array = world.allocate((had + count) * size_of::<HTTP_DATA_CHUNK>()).cast::<HTTP_DATA_CHUNK>();
        for index in 0..had + count {
            // SAFETY: what the shim passes lives during the call, and what the fake has allocated until the end of the test.
            unsafe {
                if index < had {
                    array.add(index).write(*base.pEntityChunks.add(index));
                    continue;
                }
                let mut chunk = *data_chunks.add(index - had);
                let memory = chunk.data.FromMemory;
                let copy = world.allocate(memory.BufferLength as usize);
                copy.cast::<u8>()
                    .copy_from_nonoverlapping(memory.pBuffer.cast(), memory.BufferLength as usize);
                chunk.data.FromMemory.pBuffer = copy;
                array.add(index).write(chunk);
            }
        }
        base.pEntityChunks = array;
        base.EntityChunkCount = (had + count) as u16;
        if !world.state.lock().unwrap().unbuffered {
            // SAFETY: what the shim passes lives during the call, and what the fake has allocated until the end of the test.
            unsafe { *completion_expected = 0 };
            return S_OK;
        }
        // SAFETY: what the shim passes lives during the call, and what the fake has allocated until the end of the test.
        unsafe { IHttpResponse::flush(this, is_async, more_data, sent, completion_expected) }
    }
    unsafe fn disable_buffering(this: *mut IHttpResponse) {
        // SAFETY: the objects of a test live until it has ended.
        let world = unsafe { Self::world(this) };
        world.with(|state| state.unbuffered = true);
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
        // SAFETY: the objects of a test live until it has ended.
        let world = unsafe { Self::world(this) };
        // SAFETY: what the shim passes lives during the call, and what the fake has allocated until the end of the test.
        unsafe { (*status_code, *sub_status) = world.state.lock().unwrap().status };
    }
    unsafe fn set_error_description(_: *mut IHttpResponse, _: PCWSTR, _: u32, _: BOOL) -> HRESULT {
        panic!("the fake has no set_error_description")
    }
    unsafe fn get_error_description(_: *mut IHttpResponse, _: *mut u32) -> PCWSTR {
        panic!("the fake has no get_error_description")
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
        panic!("the fake has no get_header_changes")
    }
    unsafe fn close_connection(_: *mut IHttpResponse) {
        panic!("the fake has no close_connection")
    }
}

impl IHttpModuleContextContainerImpl for Container {
    unsafe fn get_module_context(
        this: *mut IHttpModuleContextContainer,
        module_id: HTTP_MODULE_ID,
    ) -> *mut IHttpStoredContext {
        // SAFETY: the objects of a test live until it has ended.
        let world = unsafe { Self::world(this) };
        let state = world.state.lock().unwrap();
        state.stored.iter().find(|s| s.0 == module_id as usize).map_or(null_mut(), |s| s.1)
    }
    unsafe fn set_module_context(
        this: *mut IHttpModuleContextContainer,
        stored_context: *mut IHttpStoredContext,
        module_id: HTTP_MODULE_ID,
    ) -> HRESULT {
        // SAFETY: the objects of a test live until it has ended.
        let world = unsafe { Self::world(this) };
        world.with(|state| state.stored.push((module_id as usize, stored_context)));
        S_OK
    }
}

static CONNECTIONS: IHttpConnectionModuleContextContainerVtbl =
    IHttpConnectionModuleContextContainerVtbl::of::<Connections>();

/// The container of the connection; leaked, as a test has few of them.
#[repr(C)]
pub struct Connections {
    class: IHttpConnectionModuleContextContainer,
    world: *const World,
}

impl Connections {
    #[allow(single_use_lifetimes)]
    unsafe fn world<'a, C>(this: *const C) -> &'a World {
        // SAFETY: the shim calls the object that it was given, while it lives.
        unsafe { &*(*this.cast::<Self>()).world }
    }
}

impl IHttpModuleContextContainerImpl for Connections {
    unsafe fn get_module_context(
        _: *mut IHttpModuleContextContainer,
        _: HTTP_MODULE_ID,
    ) -> *mut IHttpStoredContext {
        panic!("the fake has no get_module_context")
    }
    unsafe fn set_module_context(
        _: *mut IHttpModuleContextContainer,
        _: *mut IHttpStoredContext,
        _: HTTP_MODULE_ID,
    ) -> HRESULT {
        panic!("the fake has no set_module_context")
    }
}

impl IHttpConnectionModuleContextContainerImpl for Connections {
    unsafe fn get_connection_module_context(
        this: *mut IHttpConnectionModuleContextContainer,
        module_id: HTTP_MODULE_ID,
    ) -> *mut IHttpConnectionStoredContext {
        // SAFETY: the objects of a test live until it has ended.
        let world = unsafe { Self::world(this) };
        let state = world.state.lock().unwrap();
        state.connection_stored.iter().find(|s| s.0 == module_id as usize).map_or(null_mut(), |s| s.1)
    }
    unsafe fn set_connection_module_context(
        this: *mut IHttpConnectionModuleContextContainer,
        stored_context: *mut IHttpConnectionStoredContext,
        module_id: HTTP_MODULE_ID,
    ) -> HRESULT {
        // SAFETY: the objects of a test live until it has ended.
        let world = unsafe { Self::world(this) };
        world.with(|state| state.connection_stored.push((module_id as usize, stored_context)));
        S_OK
    }
}

impl IHttpConnectionImpl for Connection {
    unsafe fn is_connected(this: *const IHttpConnection) -> BOOL {
        1
    }
    unsafe fn allocate_memory(_: *mut IHttpConnection, _: u32) -> *mut c_void {
        panic!("the fake has no allocate_memory")
    }
    unsafe fn get_module_context_container(
        this: *mut IHttpConnection,
    ) -> *mut IHttpConnectionModuleContextContainer {
        // SAFETY: the objects of a test live until it has ended.
        let world = unsafe { Self::world(this) };
        let container = Connections {
            class: IHttpConnectionModuleContextContainer::new(&CONNECTIONS),
            world: std::ptr::from_ref(world),
        };
        let place = world.allocate(size_of::<Connections>()).cast::<Connections>();
        // SAFETY: the memory is large enough, and the request's.
        unsafe { place.write(container) };
        place.cast()
    }
}

macro_rules! on_their_own {
    ($($name:ident: $class:ident $vtbl:ident { $($field:ident: $type:ty),* })+) => {$(
        #[repr(C)]
        pub struct $name {
            class: $class,
            $(pub $field: $type,)*
        }

        impl $name {
            fn of($($field: $type),*) -> Self {
                static VTABLE: $vtbl = $vtbl::of::<$name>();
                Self { class: $class::new(&VTABLE), $($field),* }
            }
        }
    )+};
}

on_their_own! {
    Info: IHttpModuleRegistrationInfo IHttpModuleRegistrationInfoVtbl {
        name: Vec<u16>, set: (*mut IHttpModuleFactory, u32, u32), priorities: Vec<(u32, String)>
    }
    Allocator: IModuleAllocator IModuleAllocatorVtbl { world: *const World }
    Provider: IAuthenticationProvider IAuthenticationProviderVtbl { world: *const World }
    Mapper: IMapHandlerProvider IMapHandlerProviderVtbl { world: *const World }
    Sending: ISendResponseProvider ISendResponseProviderVtbl { headers: bool, more: bool }
    Custom: ICustomNotificationProvider ICustomNotificationProviderVtbl { name: Vec<u16> }
    Info2: IHttpCompletionInfo IHttpCompletionInfoVtbl { bytes: u32, status: HRESULT }
}

impl Info {
    pub fn new(name: &str) -> Self {
        Self::of(name.encode_utf16().chain([0]).collect(), (null_mut(), 0, 0), Vec::new())
    }
}

impl Allocator {
    pub fn new(world: &World) -> Self {
        Self::of(world)
    }
}

impl Custom {
    pub fn new(name: &str) -> Self {
        Self::of(name.encode_utf16().chain([0]).collect())
    }
}

impl IHttpEventProviderImpl for Custom {
    unsafe fn set_error_status(this: *mut IHttpEventProvider, error: HRESULT) {}
}

impl ICustomNotificationProviderImpl for Custom {
    unsafe fn query_notification_type(this: *mut ICustomNotificationProvider) -> PCWSTR {
        // SAFETY: the shim calls the object that it was given, while it lives.
        unsafe { (*this.cast::<Self>()).name.as_ptr() }
    }
}

impl Provider {
    pub fn new(world: &World) -> Self {
        Self::of(world)
    }
}

impl Mapper {
    pub fn new(world: &World) -> Self {
        Self::of(world)
    }
}

impl Sending {
    pub fn new(headers: bool, more: bool) -> Self {
        Self::of(headers, more)
    }
}

impl Info2 {
    pub fn new(bytes: u32, status: HRESULT) -> Self {
        Self::of(bytes, status)
    }
}

impl IHttpModuleRegistrationInfoImpl for Info {
    unsafe fn get_name(this: *const IHttpModuleRegistrationInfo) -> PCWSTR {
        // SAFETY: the shim calls the object that it was given, while it lives.
        unsafe { (*this.cast::<Self>()).name.as_ptr() }
    }
    unsafe fn get_id(this: *const IHttpModuleRegistrationInfo) -> HTTP_MODULE_ID {
        {
            static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(1);
            NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed) as HTTP_MODULE_ID
        }
    }
    unsafe fn set_request_notifications(
        this: *mut IHttpModuleRegistrationInfo,
        module_factory: *mut IHttpModuleFactory,
        request_notifications: u32,
        post_request_notifications: u32,
    ) -> HRESULT {
        // SAFETY: what the shim passes lives during the call, and what the fake has allocated until the end of the test.
        unsafe {
            (*this.cast::<Self>()).set = (module_factory, request_notifications, post_request_notifications)
        };
        S_OK
    }
    unsafe fn set_global_notifications(
        _: *mut IHttpModuleRegistrationInfo,
        _: *mut CGlobalModule,
        _: u32,
    ) -> HRESULT {
        panic!("the fake has no set_global_notifications")
    }
    unsafe fn set_priority_for_request_notification(
        this: *mut IHttpModuleRegistrationInfo,
        request_notification: u32,
        priority: PCWSTR,
    ) -> HRESULT {
        // SAFETY: the shim calls the object that it was given, while it lives.
        unsafe { (*this.cast::<Self>()).priorities.push((request_notification, wide(priority))) };
        S_OK
    }
    unsafe fn set_priority_for_global_notification(
        _: *mut IHttpModuleRegistrationInfo,
        _: u32,
        _: PCWSTR,
    ) -> HRESULT {
        panic!("the fake has no set_priority_for_global_notification")
    }
}

impl IModuleAllocatorImpl for Allocator {
    unsafe fn allocate_memory(this: *mut IModuleAllocator, allocation_len: u32) -> *mut c_void {
        // SAFETY: the shim calls the object that it was given, while it lives.
        unsafe { (*(*this.cast::<Self>()).world).allocate(allocation_len as usize) }
    }
}

impl IHttpEventProviderImpl for Provider {
    unsafe fn set_error_status(this: *mut IHttpEventProvider, error: HRESULT) {}
}

impl IAuthenticationProviderImpl for Provider {
    unsafe fn set_user(this: *mut IAuthenticationProvider, user: *mut IHttpUser) {
        // SAFETY: the shim calls the object that it was given, while it lives.
        unsafe { (*(*this.cast::<Self>()).world).with(|state| state.user = user) };
    }
}

impl IHttpEventProviderImpl for Mapper {
    unsafe fn set_error_status(this: *mut IHttpEventProvider, error: HRESULT) {}
}

impl IMapHandlerProviderImpl for Mapper {
    unsafe fn set_script_name(_: *mut IMapHandlerProvider, _: PCWSTR, _: u32) -> HRESULT {
        panic!("the fake has no set_script_name")
    }
    unsafe fn set_script_map(this: *mut IMapHandlerProvider, script_map: *mut IScriptMapInfo) {
        // SAFETY: what the shim passes lives during the call, and what the fake has allocated until the end of the test.
        let modules = unsafe { wide(IScriptMapInfo::get_modules(script_map, null_mut())) };
        // SAFETY: the shim calls the object that it was given, while it lives.
        unsafe { (*(*this.cast::<Self>()).world).with(|state| state.log.push(format!("handler {modules}"))) };
    }
    unsafe fn set_file_info(_: *mut IMapHandlerProvider, _: *mut IHttpFileInfo) {
        panic!("the fake has no set_file_info")
    }
}

impl IHttpEventProviderImpl for Sending {
    unsafe fn set_error_status(this: *mut IHttpEventProvider, error: HRESULT) {}
}

impl ISendResponseProviderImpl for Sending {
    unsafe fn get_headers_being_sent(this: *const ISendResponseProvider) -> BOOL {
        // SAFETY: the shim calls the object that it was given, while it lives.
        unsafe { (*this.cast::<Self>()).headers }.into()
    }
    unsafe fn get_flags(this: *const ISendResponseProvider) -> u32 {
        // SAFETY: the shim calls the object that it was given, while it lives.
        u32::from(unsafe { (*this.cast::<Self>()).more }) * HTTP_SEND_RESPONSE_FLAG_MORE_DATA
    }
    unsafe fn set_flags(_: *mut ISendResponseProvider, _: u32) {
        panic!("the fake has no set_flags")
    }
    unsafe fn get_log_data(_: *const ISendResponseProvider) -> *mut HTTP_LOG_DATA {
        panic!("the fake has no get_log_data")
    }
    unsafe fn set_log_data(_: *mut ISendResponseProvider, _: *mut HTTP_LOG_DATA) -> HRESULT {
        panic!("the fake has no set_log_data")
    }
    unsafe fn get_ready_to_log_data(_: *const ISendResponseProvider) -> BOOL {
        panic!("the fake has no get_ready_to_log_data")
    }
}

impl IHttpCompletionInfoImpl for Info2 {
    unsafe fn get_completion_bytes(this: *const IHttpCompletionInfo) -> u32 {
        // SAFETY: the shim calls the object that it was given, while it lives.
        unsafe { (*this.cast::<Self>()).bytes }
    }
    unsafe fn get_completion_status(this: *const IHttpCompletionInfo) -> HRESULT {
        // SAFETY: the shim calls the object that it was given, while it lives.
        unsafe { (*this.cast::<Self>()).status }
    }
}

/// Calls a deterministic notification.
pub unsafe fn call(
    object: *mut CHttpModule,
    context: *mut IHttpContext,
    bit: u32,
    post: bool,
    provider: *mut IHttpEventProvider,
) -> Status {
    // SAFETY: the objects of a test live until it has ended.
    let world = unsafe { Context::world(context) };
    let mut mapper = Mapper::new(world);
    // SAFETY: what the shim passes lives during the call, and what the fake has allocated until the end of the test.
    unsafe {
        match (bit, post) {
            (RQ_AUTHENTICATE_REQUEST, false) => {
                CHttpModule::on_authenticate_request(object, context, provider.cast())
            }
            (RQ_MAP_REQUEST_HANDLER, false) => {
                CHttpModule::on_map_request_handler(object, context, (&raw mut mapper).cast())
            }
            (RQ_BEGIN_REQUEST, false) => CHttpModule::on_begin_request(object, context, provider),
            (RQ_BEGIN_REQUEST, true) => CHttpModule::on_post_begin_request(object, context, provider),
            (RQ_AUTHENTICATE_REQUEST, true) => {
                CHttpModule::on_post_authenticate_request(object, context, provider)
            }
            (RQ_AUTHORIZE_REQUEST, false) => CHttpModule::on_authorize_request(object, context, provider),
            (RQ_AUTHORIZE_REQUEST, true) => CHttpModule::on_post_authorize_request(object, context, provider),
            (RQ_RESOLVE_REQUEST_CACHE, false) => {
                CHttpModule::on_resolve_request_cache(object, context, provider)
            }
            (RQ_RESOLVE_REQUEST_CACHE, true) => {
                CHttpModule::on_post_resolve_request_cache(object, context, provider)
            }
            (RQ_MAP_REQUEST_HANDLER, true) => {
                CHttpModule::on_post_map_request_handler(object, context, provider)
            }
            (RQ_ACQUIRE_REQUEST_STATE, false) => {
                CHttpModule::on_acquire_request_state(object, context, provider)
            }
            (RQ_ACQUIRE_REQUEST_STATE, true) => {
                CHttpModule::on_post_acquire_request_state(object, context, provider)
            }
            (RQ_PRE_EXECUTE_REQUEST_HANDLER, false) => {
                CHttpModule::on_pre_execute_request_handler(object, context, provider)
            }
            (RQ_PRE_EXECUTE_REQUEST_HANDLER, true) => {
                CHttpModule::on_post_pre_execute_request_handler(object, context, provider)
            }
            (RQ_EXECUTE_REQUEST_HANDLER, false) => {
                CHttpModule::on_execute_request_handler(object, context, provider)
            }
            (RQ_EXECUTE_REQUEST_HANDLER, true) => {
                CHttpModule::on_post_execute_request_handler(object, context, provider)
            }
            (RQ_RELEASE_REQUEST_STATE, false) => {
                CHttpModule::on_release_request_state(object, context, provider)
            }
            (RQ_RELEASE_REQUEST_STATE, true) => {
                CHttpModule::on_post_release_request_state(object, context, provider)
            }
            (RQ_UPDATE_REQUEST_CACHE, false) => {
                CHttpModule::on_update_request_cache(object, context, provider)
            }
            (RQ_UPDATE_REQUEST_CACHE, true) => {
                CHttpModule::on_post_update_request_cache(object, context, provider)
            }
            (RQ_LOG_REQUEST, false) => CHttpModule::on_log_request(object, context, provider),
            (RQ_LOG_REQUEST, true) => CHttpModule::on_post_log_request(object, context, provider),
            (RQ_END_REQUEST, false) => CHttpModule::on_end_request(object, context, provider),
            (RQ_END_REQUEST, true) => CHttpModule::on_post_end_request(object, context, provider),
            (RQ_CUSTOM_NOTIFICATION, false) => {
                CHttpModule::on_custom_request_notification(object, context, provider.cast())
            }
            _ => panic!("no such notification"),
        }
    }
}
