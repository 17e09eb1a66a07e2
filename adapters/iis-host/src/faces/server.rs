//! `IHttpServer` to `IHttpServer3`, and the look-up of newer interfaces.

use std::ffi::c_void;
use std::ptr::null_mut;

use bivalve_iis_sys::callbacks::LPOVERLAPPED_COMPLETION_ROUTINE;
use bivalve_iis_sys::codes::{
    CACHE_OPERATION, GLOBAL_NOTIFICATION_STATUS, HTTP_REQUEST_PROPERTY, HTTP_SERVER_INTERFACE_VERSION,
};
use bivalve_iis_sys::hresult::{E_INVALIDARG, E_NOINTERFACE, S_OK};
use bivalve_iis_sys::opaque::{IAppHostAdminManager, IWorkerProcessFramework, IWpfSettings};
use bivalve_iis_sys::records::{HTTP_DATA_CHUNK, SOCKADDR};
use bivalve_iis_sys::types::{BOOL, GUID, HANDLE, HRESULT, HTTP_OPAQUE_ID, OVERLAPPED, PCWSTR, PSID};
use bivalve_iis_sys::version::IIS_8_0;
use bivalve_iis_sys::*;

use super::NOT_SUPPORTED;
use crate::face::owner;
use crate::host::{Shared, dispense};
use crate::text::{len32, store, wide};

/// An `IHttpServer3` over a host.
struct Methods;

pub(crate) static SERVER: IHttpServer3Vtbl = IHttpServer3Vtbl::of::<Methods>();

/// # Safety
///
/// `this` is the server of a host that lives for `'a`.
unsafe fn host<'a, C>(this: *const C) -> &'a Shared {
    // SAFETY: says the caller.
    unsafe { owner::<Shared, C>(this) }
}

// SAFETY, for every block below that says "as IIS": modules hold their host, so it lives as long as they may call;
// pointers are null or what the header asks for, by the module's word.

impl IHttpServerImpl for Methods {
    unsafe fn is_command_line_launch(_: *const IHttpServer) -> BOOL {
        1
    }

    unsafe fn get_app_pool_name(this: *const IHttpServer) -> PCWSTR {
        // SAFETY: as IIS.
        let host = unsafe { host(this) };
        host.arena.wide(&host.app_pool).0
    }

    unsafe fn associate_with_thread_pool(
        _: *mut IHttpServer,
        handle: HANDLE,
        completion_routine: LPOVERLAPPED_COMPLETION_ROUTINE,
    ) -> HRESULT {
        if completion_routine.is_none() {
            return E_INVALIDARG;
        }
        crate::pool::associate(handle, completion_routine)
    }

    unsafe fn increment_thread_count(_: *mut IHttpServer) {}

    unsafe fn decrement_thread_count(_: *mut IHttpServer) {}

    unsafe fn report_unhealthy(_: *mut IHttpServer, reason_string: PCWSTR, reason: HRESULT) {
        // SAFETY: as IIS.
        let text = unsafe { wide(reason_string) };
        tracing::error!(%text, reason, "a module reports the process as unhealthy");
    }

    unsafe fn recycle_process(_: *mut IHttpServer, reason: PCWSTR) {
        // SAFETY: as IIS.
        let text = unsafe { wide(reason) };
        tracing::warn!(%text, "a module asks for the process to be recycled: this host never is");
    }

    unsafe fn get_admin_manager(_: *const IHttpServer) -> *mut IAppHostAdminManager {
        null_mut()
    }

    unsafe fn get_file_info(
        _: *mut IHttpServer,
        _: PCWSTR,
        _: HANDLE,
        _: PSID,
        _: PCWSTR,
        _: HANDLE,
        _: BOOL,
        file_info: *mut *mut IHttpFileInfo,
        _: *mut IHttpTraceContext,
    ) -> HRESULT {
        // SAFETY: as IIS.
        unsafe { store(file_info, null_mut()) };
        NOT_SUPPORTED
    }

    unsafe fn flush_kernel_cache(_: *mut IHttpServer, _: PCWSTR) -> HRESULT {
        S_OK
    }

    unsafe fn do_cache_operation(
        _: *mut IHttpServer,
        _: CACHE_OPERATION,
        _: *mut IHttpCacheKey,
        _: *mut *mut IHttpCacheSpecificData,
        _: *mut IHttpTraceContext,
    ) -> HRESULT {
        NOT_SUPPORTED
    }

    unsafe fn notify_custom_notification(
        _: *mut IHttpServer,
        _: *mut ICustomNotificationProvider,
    ) -> GLOBAL_NOTIFICATION_STATUS {
        GLOBAL_NOTIFICATION_STATUS::CONTINUE
    }

    unsafe fn get_perf_counter_info(_: *mut IHttpServer) -> *mut IHttpPerfCounterInfo {
        null_mut()
    }

    unsafe fn recycle_application(_: *mut IHttpServer, _: PCWSTR) {}

    unsafe fn notify_configuration_change(this: *mut IHttpServer, path: PCWSTR) {
        // SAFETY: as IIS; the path is null or zero-terminated, by the module's word.
        let (host, path) = unsafe { (host(this), wide(path)) };
        host.globals.configuration_changed(&path);
    }

    unsafe fn notify_file_change(_: *mut IHttpServer, _: PCWSTR) {}

    unsafe fn dispense_container(this: *mut IHttpServer) -> *mut IDispensedHttpModuleContextContainer {
        // SAFETY: as IIS.
        dispense(unsafe { host(this) })
    }

    unsafe fn add_fragment_to_cache(_: *mut IHttpServer, _: *mut HTTP_DATA_CHUNK, _: PCWSTR) -> HRESULT {
        NOT_SUPPORTED
    }

    unsafe fn read_fragment_from_cache(
        _: *mut IHttpServer,
        _: PCWSTR,
        _: *mut u8,
        _: u32,
        _: *mut u32,
    ) -> HRESULT {
        NOT_SUPPORTED
    }

    unsafe fn remove_fragment_from_cache(_: *mut IHttpServer, _: PCWSTR) -> HRESULT {
        NOT_SUPPORTED
    }

    unsafe fn get_worker_process_settings(_: *mut IHttpServer, _: *mut *mut IWpfSettings) -> HRESULT {
        NOT_SUPPORTED
    }

    unsafe fn get_protocol_manager_custom_interface(
        _: *mut IHttpServer,
        _: PCWSTR,
        _: PCWSTR,
        _: u32,
        _: *mut *mut c_void,
    ) -> HRESULT {
        NOT_SUPPORTED
    }

    unsafe fn satisfies_precondition(
        _: *const IHttpServer,
        _: PCWSTR,
        unknown_precondition: *mut BOOL,
    ) -> BOOL {
        // SAFETY: as IIS.
        unsafe { store(unknown_precondition, 0) };
        1
    }

    unsafe fn get_trace_context(this: *const IHttpServer) -> *mut IHttpTraceContext {
        // SAFETY: as IIS.
        unsafe { host(this) }.trace.object()
    }

    unsafe fn register_file_change_monitor(
        _: *mut IHttpServer,
        _: PCWSTR,
        _: HANDLE,
        _: *mut *mut IHttpFileMonitor,
    ) -> HRESULT {
        NOT_SUPPORTED
    }

    unsafe fn get_extended_interface(
        this: *mut IHttpServer,
        version: HTTP_SERVER_INTERFACE_VERSION,
        interface: *mut *mut c_void,
    ) -> HRESULT {
        // SAFETY: as IIS.
        let host = unsafe { host(this) };
        let since = match version {
            HTTP_SERVER_INTERFACE_VERSION::V2 => IHttpServer2::SINCE,
            HTTP_SERVER_INTERFACE_VERSION::V3 => IHttpServer3::SINCE,
            _ => u32::MAX,
        };
        let has = since <= host.version;
        // SAFETY: as IIS.
        unsafe { store(interface, if has { this.cast() } else { null_mut() }) };
        if has { S_OK } else { E_NOINTERFACE }
    }
}

impl IHttpServer2Impl for Methods {
    unsafe fn get_token(
        _: *mut IHttpServer2,
        _: PCWSTR,
        _: PCWSTR,
        _: u32,
        _: *mut *mut IHttpTokenEntry,
        _: PCWSTR,
        _: *mut SOCKADDR,
        _: *mut IHttpTraceContext,
    ) -> HRESULT {
        NOT_SUPPORTED
    }

    unsafe fn get_app_pool_config_file(this: *const IHttpServer2, config_file_path_len: *mut u32) -> PCWSTR {
        // SAFETY: as IIS.
        let (text, len) = unsafe { host(this) }.arena.wide("");
        // SAFETY: as IIS.
        unsafe { store(config_file_path_len, len32(len)) };
        text
    }

    unsafe fn get_extended_interface_by_iid(
        this: *mut IHttpServer2,
        input_iid: *const GUID,
        input: *mut c_void,
        output_iid: *const GUID,
        output: *mut *mut c_void,
    ) -> HRESULT {
        if input_iid.is_null() || output_iid.is_null() || input.is_null() {
            return E_INVALIDARG;
        }
        // SAFETY: as IIS.
        let (version, from, to) = unsafe { (host(this).version, *input_iid, *output_iid) };
        let has = FAMILIES.iter().any(|family| {
            let is_input = family.iter().any(|(iid, _)| *iid == from);
            is_input && family.iter().any(|(iid, since)| *iid == to && *since <= version)
        });
        // SAFETY: as IIS. An object is one of all classes of its family that the version has.
        unsafe { store(output, if has { input } else { null_mut() }) };
        if has { S_OK } else { E_NOINTERFACE }
    }

    unsafe fn get_metadata(
        _: *mut IHttpServer2,
        _: PCWSTR,
        _: PCWSTR,
        _: *mut *mut IReferencedMetadataInfo,
    ) -> HRESULT {
        NOT_SUPPORTED
    }

    unsafe fn get_worker_process_framework(
        _: *mut IHttpServer2,
        _: *mut *mut IWorkerProcessFramework,
    ) -> HRESULT {
        NOT_SUPPORTED
    }
}

impl IHttpServer3Impl for Methods {
    unsafe fn query_request_property(
        _: *mut IHttpServer3,
        _: HTTP_OPAQUE_ID,
        _: HTTP_REQUEST_PROPERTY,
        _: *mut c_void,
        _: u32,
        _: *mut c_void,
        _: u32,
        _: *mut u32,
        _: *mut OVERLAPPED,
    ) -> HRESULT {
        NOT_SUPPORTED
    }
}

/// The classes that one object has, and since when.
const FAMILIES: [&[(GUID, u32)]; 8] = [
    &[
        (IHttpServer::IID, IHttpServer::SINCE),
        (IHttpServer2::IID, IHttpServer2::SINCE),
        (IHttpServer3::IID, IHttpServer3::SINCE),
    ],
    &[
        (IHttpContext::IID, IHttpContext::SINCE),
        (IHttpContext2::IID, IHttpContext2::SINCE),
        (IHttpContext3::IID, IHttpContext3::SINCE),
        (IHttpContext4::IID, IHttpContext4::SINCE),
    ],
    &[
        (IHttpRequest::IID, IHttpRequest::SINCE),
        (IHttpRequest2::IID, IHttpRequest2::SINCE),
        (IHttpRequest3::IID, IHttpRequest3::SINCE),
        (IHttpRequest4::IID, IHttpRequest4::SINCE),
    ],
    &[
        (IHttpResponse::IID, IHttpResponse::SINCE),
        (IHttpResponse2::IID, IHttpResponse2::SINCE),
        (IHttpResponse3::IID, IHttpResponse3::SINCE),
        (IHttpResponse4::IID, IHttpResponse4::SINCE),
    ],
    &[(IHttpApplication::IID, IHttpApplication::SINCE), (IHttpApplication2::IID, IHttpApplication2::SINCE)],
    &[
        (IHttpCompletionInfo::IID, IHttpCompletionInfo::SINCE),
        (IHttpCompletionInfo2::IID, IHttpCompletionInfo2::SINCE),
    ],
    &[
        (IHttpModuleRegistrationInfo::IID, IHttpModuleRegistrationInfo::SINCE),
        (IHttpModuleRegistrationInfo2::IID, IIS_8_0),
    ],
    &[(IHttpCachePolicy::IID, IHttpCachePolicy::SINCE), (IHttpCachePolicy2::IID, IHttpCachePolicy2::SINCE)],
];
