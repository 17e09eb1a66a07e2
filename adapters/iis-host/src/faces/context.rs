//! `IHttpContext` to `IHttpContext4`.

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::Weak;

use bivalve_iis_sys::callbacks::LPOVERLAPPED_COMPLETION_ROUTINE;
use bivalve_iis_sys::codes::{HTTP_CONTEXT_INTERFACE_VERSION, REQUEST_NOTIFICATION_STATUS};
use bivalve_iis_sys::hresult::{
    E_INVALIDARG, ERROR_INSUFFICIENT_BUFFER, ERROR_INVALID_INDEX, ERROR_INVALID_STATE, S_OK, from_win32,
};
use bivalve_iis_sys::types::{BOOL, HRESULT, PCSTR, PCWSTR, PWSTR};
use bivalve_iis_sys::*;

pub(super) use super::answer::{outcome, text, variable};
use super::operate::{Wish, operate};
use super::{NOT_SUPPORTED, request_of};
use crate::child::Executing;
use crate::frame::{Callback, Completion};
use crate::operation::{Custom, Operation, hresult};
use crate::request::{NOBODY, Request};
use crate::text::{len32, narrow, store, wide};

/// An `IHttpContext4` over a [`Request`].
struct Methods;

pub(crate) static CONTEXT: IHttpContext4Vtbl = IHttpContext4Vtbl::of::<Methods>();

// SAFETY, for every block of this file that says "as IIS": the object belongs to a request, which the host keeps alive
// until it ends and for some time after; pointers are null or what the header asks for, by the module's word.

impl IHttpContextImpl for Methods {
    unsafe fn get_site(this: *mut IHttpContext) -> *mut IHttpSite {
        // SAFETY: as IIS.
        let request = unsafe { request_of(this) };
        request.with("IHttpContext::GetSite", |cx| request.host.site.site(cx)).unwrap_or(null_mut())
    }

    unsafe fn get_application(this: *mut IHttpContext) -> *mut IHttpApplication {
        // SAFETY: as IIS.
        let request = unsafe { request_of(this) };
        request
            .with("IHttpContext::GetApplication", |cx| request.host.site.application(cx))
            .unwrap_or(null_mut())
    }

    unsafe fn get_connection(this: *mut IHttpContext) -> *mut IHttpConnection {
        // SAFETY: as IIS.
        unsafe { request_of(this) }.connection.as_ref().map_or(null_mut(), |connection| connection.object())
    }

    unsafe fn get_request(this: *mut IHttpContext) -> *mut IHttpRequest {
        // SAFETY: as IIS.
        unsafe { request_of(this) }.request.object()
    }

    unsafe fn get_response(this: *mut IHttpContext) -> *mut IHttpResponse {
        // SAFETY: as IIS.
        unsafe { request_of(this) }.response.object()
    }

    unsafe fn get_response_headers_sent(this: *const IHttpContext) -> BOOL {
        // SAFETY: as IIS.
        let request = unsafe { request_of(this) };
        request
            .with("IHttpContext::GetResponseHeadersSent", |cx| BOOL::from(cx.response().headers_sent()))
            .unwrap_or(0)
    }

    unsafe fn get_user(this: *const IHttpContext) -> *mut IHttpUser {
        // SAFETY: as IIS.
        let request = unsafe { request_of(this) };
        let known = request.with("IHttpContext::GetUser", |cx| cx.user().cloned()).flatten();
        let Some(known) = known else { return NOBODY };
        match &request.details().user {
            // The module's own object, unless somebody has set another user since.
            Some((object, user)) if *user == known => *object,
            _ => request.user.object(),
        }
    }

    unsafe fn get_module_context_container(this: *mut IHttpContext) -> *mut IHttpModuleContextContainer {
        // SAFETY: as IIS.
        unsafe { request_of(this) }.contexts.object()
    }

    unsafe fn indicate_completion(this: *mut IHttpContext, notification_status: REQUEST_NOTIFICATION_STATUS) {
        // SAFETY: as IIS.
        let request = unsafe { request_of(this) };
        if let Some(frame) = request.frame("IHttpContext::IndicateCompletion") {
            frame.indicate(notification_status);
        }
    }

    unsafe fn post_completion(this: *mut IHttpContext, bytes: u32) -> HRESULT {
        // SAFETY: as IIS.
        post(unsafe { request_of(this) }, bytes, Callback::Module)
    }

    unsafe fn disable_notifications(this: *mut IHttpContext, notifications: u32, post_notifications: u32) {
        use bivalve_core::Notifications;
        // SAFETY: as IIS.
        let request = unsafe { request_of(this) };
        request.with("IHttpContext::DisableNotifications", |cx| {
            cx.disable_notifications(
                Notifications::from_bits_truncate(notifications),
                Notifications::from_bits_truncate(post_notifications),
            );
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
        // No notification is merged with the one that is under way: always allowed.
        0
    }

    unsafe fn get_is_last_notification(_: *mut IHttpContext, _: REQUEST_NOTIFICATION_STATUS) -> BOOL {
        0
    }

    unsafe fn execute_request(
        this: *mut IHttpContext,
        is_async: BOOL,
        http_context: *mut IHttpContext,
        execute_flags: u32,
        http_user: *mut IHttpUser,
        completion_expected: *mut BOOL,
    ) -> HRESULT {
        // SAFETY: as IIS.
        let request = unsafe { request_of(this) };
        if is_async == 0 || http_context.is_null() {
            return NOT_SUPPORTED;
        }
        // SAFETY: as IIS; a clone is a request, and so is anything else that is not one of this request's clones.
        let clone = unsafe { request_of(http_context) };
        let taken = request.take_clone(clone);
        let Some((child, clone)) = taken else { return NOT_SUPPORTED };
        let mut child = match child {
            Ok(child) => child,
            Err(error) => return hresult(&error),
        };
        if !http_user.is_null() {
            // SAFETY: the module keeps the user alive during this call, and its texts.
            child = child.user(unsafe { crate::faces::provider::user_of(http_user) });
        }
        let child = Executing { request: Some(child), clone, flags: execute_flags };
        let wish = Wish {
            is_async: true,
            callback: Callback::Module,
            bytes: null_mut(),
            expected: completion_expected,
        };
        // SAFETY: as IIS.
        unsafe { operate(request, Operation::Child(Box::new(child)), &wish) }
    }

    unsafe fn get_execute_flags(_: *const IHttpContext) -> u32 {
        0
    }

    unsafe fn get_server_variable_ansi(
        this: *mut IHttpContext,
        variable_name: PCSTR,
        value: *mut PCSTR,
        value_length: *mut u32,
    ) -> HRESULT {
        // SAFETY: as IIS.
        let request = unsafe { request_of(this) };
        // SAFETY: as IIS.
        let Some(found) = variable(request, unsafe { narrow(variable_name) }) else {
            return from_win32(ERROR_INVALID_INDEX);
        };
        // SAFETY: as IIS.
        unsafe {
            store(value, request.arena.narrow(found.as_bytes()));
            store(value_length, len32(found.len()));
        }
        S_OK
    }

    unsafe fn get_server_variable_wide(
        this: *mut IHttpContext,
        variable_name: PCSTR,
        value: *mut PCWSTR,
        value_length: *mut u32,
    ) -> HRESULT {
        // SAFETY: as IIS.
        let request = unsafe { request_of(this) };
        // SAFETY: as IIS.
        let Some(found) = variable(request, unsafe { narrow(variable_name) }) else {
            return from_win32(ERROR_INVALID_INDEX);
        };
        let (text, len) = request.arena.wide(&found);
        // SAFETY: as IIS.
        unsafe {
            store(value, text);
            store(value_length, len32(len));
        }
        S_OK
    }

    unsafe fn set_server_variable(
        this: *mut IHttpContext,
        variable_name: PCSTR,
        variable_value: PCWSTR,
    ) -> HRESULT {
        // SAFETY: as IIS.
        let (request, name, value) =
            unsafe { (request_of(this), narrow(variable_name), wide(variable_value)) };
        let Ok(name) = std::str::from_utf8(name) else { return E_INVALIDARG };
        outcome(request.with("IHttpContext::SetServerVariable", |cx| cx.set_server_variable(name, value)))
    }

    unsafe fn allocate_request_memory(this: *mut IHttpContext, allocation_len: u32) -> *mut c_void {
        // SAFETY: as IIS.
        unsafe { request_of(this) }.arena.allocate(allocation_len as usize)
    }

    unsafe fn get_url_info(this: *mut IHttpContext) -> *mut IHttpUrlInfo {
        // SAFETY: as IIS.
        unsafe { request_of(this) }.url_info.object()
    }

    unsafe fn get_metadata(this: *mut IHttpContext) -> *mut IMetadataInfo {
        // SAFETY: as IIS.
        unsafe { request_of(this) }.metadata.object()
    }

    unsafe fn get_physical_path(this: *mut IHttpContext, physical_path_len: *mut u32) -> PCWSTR {
        // SAFETY: as IIS.
        let request = unsafe { request_of(this) };
        let path = request.with("IHttpContext::GetPhysicalPath", |cx| {
            let url = cx.request().url().path().to_owned();
            cx.map_path(&url)
        });
        let path = path.and_then(Result::ok).unwrap_or_default();
        // SAFETY: as IIS.
        unsafe { text(request, &path.to_string_lossy(), physical_path_len) }
    }

    unsafe fn get_script_name(this: *const IHttpContext, script_name_len: *mut u32) -> PCWSTR {
        // SAFETY: as IIS.
        let request = unsafe { request_of(this) };
        let set = request.details().script_name.clone();
        let name = set.or_else(|| variable(request, b"SCRIPT_NAME")).unwrap_or_default();
        // SAFETY: as IIS.
        unsafe { text(request, &name, script_name_len) }
    }

    unsafe fn get_script_translated(this: *mut IHttpContext, script_translated_len: *mut u32) -> PCWSTR {
        // SAFETY: as IIS.
        unsafe { Self::get_physical_path(this, script_translated_len) }
    }

    unsafe fn get_script_map(this: *const IHttpContext) -> *mut IScriptMapInfo {
        // SAFETY: as IIS.
        unsafe { request_of(this) }.script_map.object()
    }

    unsafe fn set_request_handled(_: *mut IHttpContext) {}

    unsafe fn get_file_info(_: *const IHttpContext) -> *mut IHttpFileInfo {
        null_mut()
    }

    unsafe fn map_path(
        this: *mut IHttpContext,
        url: PCWSTR,
        physical_path: PWSTR,
        physical_path_len: *mut u32,
    ) -> HRESULT {
        // SAFETY: as IIS.
        let (request, url) = unsafe { (request_of(this), wide(url)) };
        if physical_path_len.is_null() {
            return E_INVALIDARG;
        }
        let path = match request.with("IHttpContext::MapPath", |cx| cx.map_path(&url)) {
            Some(Ok(path)) => path,
            Some(Err(error)) => return hresult(&error),
            None => return from_win32(ERROR_INVALID_STATE),
        };
        let mut path: Vec<u16> = path.to_string_lossy().encode_utf16().collect();
        path.push(0);
        let bytes = len32(path.len() * size_of::<u16>());
        // SAFETY: as IIS.
        let room = unsafe { physical_path_len.replace(bytes) };
        if physical_path.is_null() || room < bytes {
            return from_win32(ERROR_INSUFFICIENT_BUFFER);
        }
        // SAFETY: the module says that there is room for that many.
        unsafe { physical_path.copy_from_nonoverlapping(path.as_ptr(), path.len()) };
        S_OK
    }

    unsafe fn notify_custom_notification(
        this: *mut IHttpContext,
        custom_output: *mut ICustomNotificationProvider,
        completion_expected: *mut BOOL,
    ) -> HRESULT {
        if custom_output.is_null() {
            return E_INVALIDARG;
        }
        let wish = Wish {
            is_async: false,
            callback: Callback::Module,
            bytes: null_mut(),
            expected: completion_expected,
        };
        // SAFETY: as IIS.
        unsafe { operate(request_of(this), Operation::Custom(Custom(custom_output)), &wish) }
    }

    unsafe fn get_parent_context(this: *const IHttpContext) -> *mut IHttpContext {
        // SAFETY: as IIS.
        let parent = unsafe { request_of(this) }.parent.get().and_then(Weak::upgrade);
        parent.map_or(null_mut(), |parent| parent.context.object())
    }

    unsafe fn get_root_context(this: *const IHttpContext) -> *mut IHttpContext {
        let mut root = this.cast_mut();
        loop {
            // SAFETY: as IIS; a parent lives as long as its clones.
            let parent = unsafe { Self::get_parent_context(root) };
            if parent.is_null() {
                return root;
            }
            root = parent;
        }
    }

    unsafe fn clone_context(
        this: *mut IHttpContext,
        clone_flags: u32,
        http_context: *mut *mut IHttpContext,
    ) -> HRESULT {
        // SAFETY: as IIS.
        let clone = unsafe { request_of(this) }.clone_context(clone_flags);
        let found = clone.is_some();
        // SAFETY: as IIS.
        unsafe { store(http_context, clone.map_or(null_mut(), |clone| clone.context.object())) };
        if found { S_OK } else { from_win32(ERROR_INVALID_STATE) }
    }

    unsafe fn release_cloned_context(this: *mut IHttpContext) -> HRESULT {
        // SAFETY: as IIS.
        let clone = unsafe { request_of(this) };
        let parent = clone.parent.get().and_then(Weak::upgrade);
        if parent.is_some_and(|parent| parent.release_clone(clone)) { S_OK } else { NOT_SUPPORTED }
    }

    unsafe fn get_current_execution_stats(
        this: *const IHttpContext,
        notification: *mut u32,
        notification_start_tick_count: *mut u32,
        module: *mut PCWSTR,
        module_start_tick_count: *mut u32,
        async_notification: *mut u32,
        async_notification_start_tick_count: *mut u32,
    ) -> HRESULT {
        // SAFETY: as IIS.
        let request = unsafe { request_of(this) };
        let Some(frame) = request.frame("IHttpContext::GetCurrentExecutionStats") else {
            return from_win32(ERROR_INVALID_STATE);
        };
        // SAFETY: as IIS.
        unsafe {
            store(notification, frame.event.notification().bits());
            store(notification_start_tick_count, 0);
            store(module, request.arena.wide(&frame.module).0);
            store(module_start_tick_count, 0);
            store(async_notification, 0);
            store(async_notification_start_tick_count, 0);
        }
        S_OK
    }

    unsafe fn get_trace_context(this: *const IHttpContext) -> *mut IHttpTraceContext {
        // SAFETY: as IIS.
        unsafe { request_of(this) }.trace.object()
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
        NOT_SUPPORTED
    }

    unsafe fn cancel_io(this: *mut IHttpContext) -> HRESULT {
        const ERROR_INVALID_HANDLE: u32 = 6;
        // SAFETY: as IIS.
        let request = unsafe { request_of(this) };
        match request.frame("IHttpContext::CancelIo") {
            Some(frame) if frame.cancel() => S_OK,
            _ => from_win32(ERROR_INVALID_HANDLE),
        }
    }

    unsafe fn map_handler(
        this: *mut IHttpContext,
        _: u32,
        _: PCWSTR,
        _: PCWSTR,
        _: PCSTR,
        script_map: *mut *mut IScriptMapInfo,
        _: BOOL,
    ) -> HRESULT {
        // SAFETY: as IIS.
        unsafe { store(script_map, request_of(this).script_map.object()) };
        S_OK
    }

    unsafe fn get_extended_interface(
        _: *mut IHttpContext,
        _: HTTP_CONTEXT_INTERFACE_VERSION,
        interface: *mut *mut c_void,
    ) -> HRESULT {
        // SAFETY: as IIS.
        unsafe { store(interface, null_mut()) };
        NOT_SUPPORTED
    }
}

impl IHttpContext2Impl for Methods {
    unsafe fn get_original_user(this: *const IHttpContext2) -> *mut IHttpUser {
        // SAFETY: as IIS.
        unsafe { Self::get_user(this.cast()) }
    }
}

impl IHttpContext3Impl for Methods {
    unsafe fn get_named_context_container(this: *mut IHttpContext3) -> *mut INamedContextContainer {
        // SAFETY: as IIS.
        unsafe { request_of(this) }.contexts.named()
    }

    unsafe fn enable_full_duplex(_: *mut IHttpContext3) {}

    unsafe fn inherit_server_variable(
        this: *mut IHttpContext3,
        name: PCSTR,
        fail_if_not_exist: BOOL,
    ) -> HRESULT {
        // SAFETY: as IIS.
        let found = unsafe { variable(request_of(this), narrow(name)) };
        if found.is_none() && fail_if_not_exist != 0 { from_win32(ERROR_INVALID_INDEX) } else { S_OK }
    }

    unsafe fn post_completion_with_callback(
        this: *mut IHttpContext3,
        bytes: u32,
        routine: LPOVERLAPPED_COMPLETION_ROUTINE,
        context: *mut c_void,
    ) -> HRESULT {
        // SAFETY: as IIS.
        post(unsafe { request_of(this) }, bytes, Callback::Overlapped(routine, context))
    }
}

impl IHttpContext4Impl for Methods {
    unsafe fn get_request_start_time(_: *mut IHttpContext4) -> u64 {
        // Of a clock that nobody else reads: only differences mean something.
        0
    }

    unsafe fn get_request_elapsed_time(this: *mut IHttpContext4) -> u64 {
        // SAFETY: as IIS.
        let elapsed = unsafe { request_of(this) }.began.elapsed();
        u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
    }
}

fn post(request: &Request, bytes: u32, callback: Callback) -> HRESULT {
    const NAME: &str = "IHttpContext::PostCompletion";
    match request.frame(NAME) {
        Some(frame) => frame.post(Completion { bytes, status: S_OK, callback }, NAME),
        None => from_win32(ERROR_INVALID_STATE),
    }
}
