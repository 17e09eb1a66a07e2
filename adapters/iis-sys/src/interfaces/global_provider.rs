//! What the global notifications are given.

use super::cache::{IHttpCacheKey, IHttpCacheSpecificData};
use super::context::IHttpContext;
use super::file::IHttpFileMonitor;
use super::module::IHttpModuleFactory;
use super::provider::{IHttpEventProvider, IHttpEventProviderImpl, IHttpEventProviderVtbl};
use super::site::IHttpApplication;
use super::trace::IHttpTraceContext;
use super::user::IHttpUser;
use crate::codes::CACHE_OPERATION;
use crate::records::HTTP_TRACE_EVENT;
use crate::types::{BOOL, HRESULT, HTTP_MODULE_ID, PCWSTR};
use crate::version::{IIS_7_0, IIS_7_5, IIS_8_0, IIS_8_5};

/// Given to `OnGlobalApplicationStart`.
pub type IHttpApplicationStartProvider = IHttpApplicationProvider;

/// Given to `OnGlobalApplicationStop`.
pub type IHttpApplicationStopProvider = IHttpApplicationProvider;

interface! {
    /// Given to `OnGlobalPreBeginRequest`.
    class IPreBeginRequestProvider(IPreBeginRequestProviderVtbl, IPreBeginRequestProviderImpl)
        : IHttpEventProvider(IHttpEventProviderVtbl, IHttpEventProviderImpl);
    iid 0xfb715d26_aff9_476a_8fc0_6b1acb3d1098;
    since IIS_7_0;
    slots 2;

    1 mut fn get_http_context() -> *mut IHttpContext
        = "IHttpContext * GetHttpContext()";
}

interface! {
    /// Given when an application starts and stops.
    class IHttpApplicationProvider(IHttpApplicationProviderVtbl, IHttpApplicationProviderImpl)
        : IHttpEventProvider(IHttpEventProviderVtbl, IHttpEventProviderImpl);
    iid 0x1de2c71c_c126_4512_aed3_f4f885e14997;
    since IIS_7_0;
    slots 2;

    1 mut fn get_application() -> *mut IHttpApplication
        = "IHttpApplication * GetApplication()";
}

interface! {
    /// Given to `OnGlobalApplicationResolveModules`: adds modules to one application.
    class IHttpApplicationResolveModulesProvider(IHttpApplicationResolveModulesProviderVtbl, IHttpApplicationResolveModulesProviderImpl)
        : IHttpApplicationProvider(IHttpApplicationProviderVtbl, IHttpApplicationProviderImpl), IHttpEventProvider;
    iid 0x0617d9b9_e20f_4a9f_94f9_35403b3be01e;
    since IIS_7_0;
    slots 4;

    2 mut fn register_module(
        parent_module_id: HTTP_MODULE_ID, module_factory: *mut IHttpModuleFactory, module_name:
        PCWSTR, module_type: PCWSTR, module_pre_condition: PCWSTR, request_notifications: u32,
        post_request_notifications: u32,
    ) -> HRESULT
        = "HRESULT RegisterModule(HTTP_MODULE_ID parentModuleId, IHttpModuleFactory * pModuleFactory, \
            PCWSTR pszModuleName, PCWSTR pszModuleType, PCWSTR pszModulePreCondition, DWORD \
            dwRequestNotifications, DWORD dwPostRequestNotifications)";
    3 mut fn set_priority_for_request_notification(
        module_name: PCWSTR, request_notification: u32, priority_alias: PCWSTR,
    ) -> HRESULT
        = "HRESULT SetPriorityForRequestNotification(PCWSTR pszModuleName, DWORD dwRequestNotification, \
            PCWSTR pszPriorityAlias)";
}

interface! {
    /// Given to `OnGlobalRSCAQuery`: a question about the state of the worker process.
    class IGlobalRSCAQueryProvider(IGlobalRSCAQueryProviderVtbl, IGlobalRSCAQueryProviderImpl)
        : IHttpEventProvider(IHttpEventProviderVtbl, IHttpEventProviderImpl);
    iid 0x63fdc43f_934a_4ee5_bcd8_7e7b50b75605;
    since IIS_7_0;
    slots 6;

    1 const fn get_function_name() -> PCWSTR
        = "PCWSTR GetFunctionName() const";
    2 const fn get_function_parameters() -> PCWSTR
        = "PCWSTR GetFunctionParameters() const";
    3 mut fn get_output_buffer(buffer_len: u32, buffer: *mut *mut u8) -> HRESULT
        = "HRESULT GetOutputBuffer(DWORD cbBuffer, BYTE ** ppbBuffer)";
    4 mut fn resize_output_buffer(
        new_buffer_len: u32, bytes_to_copy_len: u32, buffer: *mut *mut u8,
    ) -> HRESULT
        = "HRESULT ResizeOutputBuffer(DWORD cbNewBuffer, DWORD cbBytesToCopy, BYTE ** ppbBuffer)";
    5 mut fn set_result(data_len: u32, hr: HRESULT)
        = "VOID SetResult(DWORD cbData, HRESULT hr)";
}

interface! {
    /// Given to `OnGlobalStopListening`.
    class IGlobalStopListeningProvider(IGlobalStopListeningProviderVtbl, IGlobalStopListeningProviderImpl)
        : IHttpEventProvider(IHttpEventProviderVtbl, IHttpEventProviderImpl);
    iid 0x41f9a601_e25d_4ac8_8a1f_635698a30ab9;
    since IIS_7_0;
    slots 2;

    1 const fn drain_requests_gracefully() -> BOOL
        = "BOOL DrainRequestsGracefully() const";
}

interface! {
    /// Given to `OnGlobalCacheOperation`.
    class ICacheProvider(ICacheProviderVtbl, ICacheProviderImpl)
        : IHttpEventProvider(IHttpEventProviderVtbl, IHttpEventProviderImpl);
    iid 0x58925fb9_7c5e_4684_833b_4a04e1286690;
    since IIS_7_0;
    slots 6;

    1 const fn get_cache_operation() -> CACHE_OPERATION
        = "CACHE_OPERATION GetCacheOperation() const";
    2 const fn get_cache_key() -> *mut IHttpCacheKey
        = "IHttpCacheKey * GetCacheKey() const";
    3 const fn get_cache_record() -> *mut IHttpCacheSpecificData
        = "IHttpCacheSpecificData * GetCacheRecord() const";
    4 mut fn set_cache_record(cache_record: *mut IHttpCacheSpecificData)
        = "VOID SetCacheRecord(IHttpCacheSpecificData * pCacheRecord)";
    5 const fn get_trace_context() -> *mut IHttpTraceContext
        = "IHttpTraceContext * GetTraceContext() const";
}

interface! {
    /// Given to `OnGlobalConfigurationChange`.
    class IGlobalConfigurationChangeProvider(IGlobalConfigurationChangeProviderVtbl, IGlobalConfigurationChangeProviderImpl)
        : IHttpEventProvider(IHttpEventProviderVtbl, IHttpEventProviderImpl);
    iid 0x3405f3b4_b3d6_4b73_b5f5_4d8a3cc642ce;
    since IIS_7_0;
    slots 2;

    1 const fn get_change_path() -> PCWSTR
        = "PCWSTR GetChangePath() const";
}

interface! {
    /// Given to `OnGlobalFileChange`.
    class IGlobalFileChangeProvider(IGlobalFileChangeProviderVtbl, IGlobalFileChangeProviderImpl)
        : IHttpEventProvider(IHttpEventProviderVtbl, IHttpEventProviderImpl);
    iid 0xece31ee5_0486_4fb0_a875_6739a2d7daf5;
    since IIS_7_0;
    slots 3;

    1 const fn get_file_name() -> PCWSTR
        = "PCWSTR GetFileName() const";
    2 mut fn get_file_monitor() -> *mut IHttpFileMonitor
        = "IHttpFileMonitor * GetFileMonitor()";
}

interface! {
    /// Given to `OnGlobalTraceEvent`.
    class IGlobalTraceEventProvider(IGlobalTraceEventProviderVtbl, IGlobalTraceEventProviderImpl)
        : IHttpEventProvider(IHttpEventProviderVtbl, IHttpEventProviderImpl);
    iid 0x7c6bb150_0310_4718_a01f_6faceb62dc1d;
    since IIS_7_0;
    slots 4;

    1 mut fn get_trace_event(trace_event: *mut *mut HTTP_TRACE_EVENT) -> HRESULT
        = "HRESULT GetTraceEvent(HTTP_TRACE_EVENT ** ppTraceEvent)";
    2 mut fn check_subscription(module_id: HTTP_MODULE_ID) -> BOOL
        = "BOOL CheckSubscription(HTTP_MODULE_ID ModuleId)";
    3 mut fn get_current_http_request_context(http_context: *mut *mut IHttpContext) -> HRESULT
        = "HRESULT GetCurrentHttpRequestContext(IHttpContext ** ppHttpContext)";
}

interface! {
    /// Given to `OnGlobalThreadCleanup`.
    class IGlobalThreadCleanupProvider(IGlobalThreadCleanupProviderVtbl, IGlobalThreadCleanupProviderImpl)
        : IHttpEventProvider(IHttpEventProviderVtbl, IHttpEventProviderImpl);
    iid 0x6b36a149_8620_45a0_8197_00814a706e2e;
    since IIS_7_0;
    slots 2;

    1 mut fn get_application() -> *mut IHttpApplication
        = "IHttpApplication * GetApplication()";
}

interface! {
    /// Given to `OnGlobalApplicationPreload`: runs requests that warm the application up.
    class IGlobalApplicationPreloadProvider(IGlobalApplicationPreloadProviderVtbl, IGlobalApplicationPreloadProviderImpl)
        : IHttpEventProvider(IHttpEventProviderVtbl, IHttpEventProviderImpl);
    iid 0x2111f8d6_0c41_4ff7_bd45_5c04c7e91a73;
    since IIS_7_5;
    slots 3;

    1 mut fn create_context(http_context: *mut *mut IHttpContext) -> HRESULT
        = "HRESULT CreateContext(IHttpContext ** ppHttpContext)";
    2 mut fn execute_request(http_context: *mut IHttpContext, http_user: *mut IHttpUser) -> HRESULT
        = "HRESULT ExecuteRequest(IHttpContext * pHttpContext, IHttpUser * pHttpUser)";
}

interface! {
    /// The same, with the reason of the start.
    class IGlobalApplicationPreloadProvider2(IGlobalApplicationPreloadProvider2Vtbl, IGlobalApplicationPreloadProvider2Impl)
        : IGlobalApplicationPreloadProvider(IGlobalApplicationPreloadProviderVtbl, IGlobalApplicationPreloadProviderImpl), IHttpEventProvider;
    iid 0x251db2dd_81e7_44ce_ae02_46529f2d71ea;
    since IIS_8_0;
    slots 4;

    3 const fn is_process_recycled() -> BOOL
        = "BOOL IsProcessRecycled() const";
}

interface! {
    /// What a module gives from `OnSuspendProcess`, to be told of the resumption.
    class IGlobalSuspendProcessCallback(IGlobalSuspendProcessCallbackVtbl, IGlobalSuspendProcessCallbackImpl)
        : IHttpEventProvider(IHttpEventProviderVtbl, IHttpEventProviderImpl);
    iid 0x7fd8f303_1031_4e50_918a_b7b916fd6c54;
    since IIS_8_5;
    slots 2;

    1 mut fn resume() -> HRESULT
        = "HRESULT Resume()";
}
