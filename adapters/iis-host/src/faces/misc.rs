//! The small interfaces: memory, tracing, the handler mapping, metadata, URL, cache policy.

use std::ffi::c_void;
use std::ptr::{null, null_mut};

use bivalve_iis_sys::hresult::S_OK;
use bivalve_iis_sys::records::HTTP_CACHE_POLICY;
use bivalve_iis_sys::records::{HTTP_TRACE_CONFIGURATION, HTTP_TRACE_EVENT};
use bivalve_iis_sys::types::{BOOL, GUID, HRESULT, HTTP_MODULE_ID, PCSTR, PCWSTR};
use bivalve_iis_sys::*;

use super::context::text;
use super::{NOT_SUPPORTED, request_of};
use crate::face::owner;
use crate::host::Shared;
use crate::text::wide;

/// All of them over a [`Request`](crate::request::Request), which keeps them alive until it ends, and some time after.
struct Methods;

/// The same for the server's own trace, which says where it comes from otherwise.
struct OfServer;

pub(crate) static ALLOCATOR: IModuleAllocatorVtbl = IModuleAllocatorVtbl::of::<Methods>();
pub(crate) static CACHE_POLICY: IHttpCachePolicy2Vtbl = IHttpCachePolicy2Vtbl::of::<Methods>();
pub(crate) static METADATA: IMetadataInfoVtbl = IMetadataInfoVtbl::of::<Methods>();
pub(crate) static SCRIPT_MAP: IScriptMapInfoVtbl = IScriptMapInfoVtbl::of::<Methods>();
pub(crate) static SERVER_TRACE: IHttpTraceContextVtbl = IHttpTraceContextVtbl::of::<OfServer>();
pub(crate) static TRACE: IHttpTraceContextVtbl = IHttpTraceContextVtbl::of::<Methods>();
pub(crate) static URL_INFO: IHttpUrlInfoVtbl = IHttpUrlInfoVtbl::of::<Methods>();

impl IModuleAllocatorImpl for Methods {
    unsafe fn allocate_memory(this: *mut IModuleAllocator, allocation_len: u32) -> *mut c_void {
        // SAFETY: the request is alive.
        unsafe { request_of(this) }.arena.allocate(allocation_len as usize)
    }
}

macro_rules! trace_context {
    ($type:ident, $traces:expr) => {
        impl IHttpTraceContextImpl for $type {
            unsafe fn get_trace_configuration(
                this: *mut IHttpTraceContext,
                http_trace_configuration: *mut HTTP_TRACE_CONFIGURATION,
            ) -> HRESULT {
                // SAFETY: whose trace it is, is alive; the record is null or readable, by the module's word.
                unsafe { $traces(this).configuration(http_trace_configuration) }
            }

            unsafe fn set_trace_configuration(
                _: *mut IHttpTraceContext,
                _: HTTP_MODULE_ID,
                _: *mut HTTP_TRACE_CONFIGURATION,
                _: u32,
            ) -> HRESULT {
                NOT_SUPPORTED
            }

            unsafe fn raise_trace_event(this: *mut IHttpTraceContext, trace_event: *mut HTTP_TRACE_EVENT) -> HRESULT {
                // SAFETY: as above.
                unsafe { $traces(this).raise(trace_event) }
            }

            unsafe fn get_trace_activity_id(_: *mut IHttpTraceContext) -> *const GUID {
                static NONE: GUID = GUID::from_u128(0);
                &raw const NONE
            }

            unsafe fn quick_trace(
                _: *mut IHttpTraceContext,
                data1: PCWSTR,
                data2: PCWSTR,
                last_error: HRESULT,
                level: u8,
            ) -> HRESULT {
                // SAFETY: both are null or zero-terminated, by the module's word.
                let (first, second) = unsafe { (wide(data1), wide(data2)) };
                tracing::info!(%first, %second, last_error, level, "QuickTrace");
                S_OK
            }
        }
    };
}

trace_context!(Methods, |this| &request_of(this).host.traces);
trace_context!(OfServer, |this| &owner::<Shared, IHttpTraceContext>(this).traces);

impl IScriptMapInfoImpl for Methods {
    unsafe fn get_path(this: *const IScriptMapInfo) -> PCWSTR {
        // SAFETY: the request is alive, and null is allowed. So below.
        unsafe { text(request_of(this), "*", null_mut()) }
    }

    unsafe fn get_allowed_verbs(this: *const IScriptMapInfo) -> PCSTR {
        // SAFETY: as above.
        unsafe { request_of(this) }.arena.narrow(b"*")
    }

    /// Every module that registered for the handler answers, so each finds itself named.
    unsafe fn get_modules(this: *const IScriptMapInfo, modules_len: *mut u32) -> PCWSTR {
        // SAFETY: as above.
        let request = unsafe { request_of(this) };
        let all = request
            .with("IScriptMapInfo::GetModules", |cx| cx.pipeline().modules().collect::<Vec<_>>().join(","));
        // SAFETY: null or writable, by the module's word.
        unsafe { text(request, &all.unwrap_or_default(), modules_len) }
    }

    unsafe fn get_script_processor(this: *const IScriptMapInfo, script_processor_len: *mut u32) -> PCWSTR {
        // SAFETY: as above.
        unsafe { text(request_of(this), "", script_processor_len) }
    }

    unsafe fn get_managed_type(this: *const IScriptMapInfo, managed_type_len: *mut u32) -> PCWSTR {
        // SAFETY: as above.
        unsafe { text(request_of(this), "", managed_type_len) }
    }

    unsafe fn get_allow_path_info_for_script_mappings(_: *const IScriptMapInfo) -> BOOL {
        1
    }

    unsafe fn get_required_access(_: *const IScriptMapInfo) -> u32 {
        0
    }

    unsafe fn get_resource_type(_: *const IScriptMapInfo) -> u32 {
        // Unspecified: the file need not be there.
        0
    }

    unsafe fn get_is_star_script_map(_: *const IScriptMapInfo) -> BOOL {
        1
    }

    unsafe fn get_response_buffer_limit(this: *const IScriptMapInfo) -> u32 {
        // SAFETY: as above.
        let limit = unsafe { request_of(this) }
            .with("IScriptMapInfo::GetResponseBufferLimit", |cx| cx.application().response_buffer_limit());
        crate::text::len32(limit.unwrap_or(0))
    }

    unsafe fn get_name(this: *const IScriptMapInfo) -> PCWSTR {
        // SAFETY: as above.
        unsafe { text(request_of(this), "bivalve", null_mut()) }
    }
}

impl IMetadataInfoImpl for Methods {
    unsafe fn get_meta_path(this: *const IMetadataInfo) -> PCWSTR {
        // SAFETY: as above.
        let request = unsafe { request_of(this) };
        let path = request.with("IMetadataInfo::GetMetaPath", |cx| {
            format!("MACHINE/WEBROOT/APPHOST/{}{}", cx.site().name(), cx.request().url().path())
        });
        // SAFETY: null is allowed.
        unsafe { text(request, path.unwrap_or_default().trim_end_matches('/'), null_mut()) }
    }

    unsafe fn get_vr_path(this: *const IMetadataInfo) -> PCWSTR {
        // SAFETY: as above.
        let request = unsafe { request_of(this) };
        let path = request
            .with("IMetadataInfo::GetVrPath", |cx| cx.application().root().to_string_lossy().into_owned());
        // SAFETY: null is allowed.
        unsafe { text(request, &path.unwrap_or_default(), null_mut()) }
    }

    unsafe fn get_vr_token(_: *mut IMetadataInfo) -> *mut IHttpTokenEntry {
        null_mut()
    }

    unsafe fn get_module_context_container(this: *mut IMetadataInfo) -> *mut IHttpModuleContextContainer {
        // SAFETY: as above. IIS keeps these as long as its metadata cache; here they end with the request.
        unsafe { request_of(this) }.contexts.object()
    }
}

impl IHttpUrlInfoImpl for Methods {
    unsafe fn get_module_context_container(this: *mut IHttpUrlInfo) -> *mut IHttpModuleContextContainer {
        // SAFETY: as above. Likewise.
        unsafe { request_of(this) }.contexts.object()
    }

    unsafe fn is_frequently_hit(_: *const IHttpUrlInfo) -> BOOL {
        0
    }
}

/// Nothing is cached, and a module may say what it likes.
impl IHttpCachePolicyImpl for Methods {
    unsafe fn get_kernel_cache_policy(this: *mut IHttpCachePolicy) -> *mut HTTP_CACHE_POLICY {
        // SAFETY: as above.
        unsafe { request_of(this) }.arena.place(HTTP_CACHE_POLICY::zeroed())
    }

    unsafe fn set_kernel_cache_invalidator_set(_: *mut IHttpCachePolicy) {}

    unsafe fn get_user_cache_policy(this: *mut IHttpCachePolicy) -> *mut HTTP_CACHE_POLICY {
        // SAFETY: as above.
        unsafe { request_of(this) }.arena.place(HTTP_CACHE_POLICY::zeroed())
    }

    unsafe fn append_vary_by_header(_: *mut IHttpCachePolicy, _: PCSTR) -> HRESULT {
        S_OK
    }

    unsafe fn get_vary_by_headers(_: *const IHttpCachePolicy) -> PCSTR {
        null()
    }

    unsafe fn append_vary_by_query_string(_: *mut IHttpCachePolicy, _: PCSTR) -> HRESULT {
        S_OK
    }

    unsafe fn get_vary_by_query_strings(_: *const IHttpCachePolicy) -> PCSTR {
        null()
    }

    unsafe fn set_vary_by_value(_: *mut IHttpCachePolicy, _: PCSTR) -> HRESULT {
        S_OK
    }

    unsafe fn get_vary_by_value(_: *const IHttpCachePolicy) -> PCSTR {
        null()
    }

    unsafe fn is_user_cache_enabled(_: *const IHttpCachePolicy) -> BOOL {
        0
    }

    unsafe fn disable_user_cache(_: *mut IHttpCachePolicy) {}

    unsafe fn is_cached(_: *const IHttpCachePolicy) -> BOOL {
        0
    }

    unsafe fn set_is_cached(_: *mut IHttpCachePolicy) {}

    unsafe fn get_kernel_cache_invalidator_set(_: *const IHttpCachePolicy) -> BOOL {
        0
    }
}

impl IHttpCachePolicy2Impl for Methods {
    unsafe fn is_force_update_set(_: *const IHttpCachePolicy2) -> BOOL {
        0
    }

    unsafe fn set_force_update(_: *mut IHttpCachePolicy2) {}
}
