//! What a module is: its objects, the factory that makes them, and their registration.
//!
//! The bodies that httpserv.h gives to the notifications call `DebugBreak`, which ends a worker process that nobody
//! debugs. The defaults here answer `CONTINUE`.

use core::ffi::c_void;

use super::completion::IHttpCompletionInfo;
use super::context::IHttpContext;
use super::global_provider::{
    ICacheProvider, IGlobalApplicationPreloadProvider, IGlobalConfigurationChangeProvider,
    IGlobalFileChangeProvider, IGlobalRSCAQueryProvider, IGlobalStopListeningProvider,
    IGlobalSuspendProcessCallback, IGlobalThreadCleanupProvider, IGlobalTraceEventProvider,
    IHttpApplicationResolveModulesProvider, IHttpApplicationStartProvider, IHttpApplicationStopProvider,
    IPreBeginRequestProvider,
};
use super::provider::{
    IAuthenticationProvider, ICustomNotificationProvider, IHttpEventProvider, IMapHandlerProvider,
    IMapPathProvider, IReadEntityProvider, ISendResponseProvider,
};
use crate::codes::{GLOBAL_NOTIFICATION_STATUS, REQUEST_NOTIFICATION_STATUS};
use crate::types::{BOOL, HRESULT, HTTP_MODULE_ID, PCWSTR};
use crate::version::{IIS_7_0, IIS_8_0};

interface! {
    /// A module's object for one request. A module implements it; IIS calls what the module registered for.
    class CHttpModule(CHttpModuleVtbl, CHttpModuleImpl);
    since IIS_7_0;
    slots 31;

    0 mut fn on_begin_request(
        http_context: *mut IHttpContext, provider: *mut IHttpEventProvider,
    ) -> REQUEST_NOTIFICATION_STATUS
        = "REQUEST_NOTIFICATION_STATUS OnBeginRequest(IHttpContext * pHttpContext, IHttpEventProvider * \
            pProvider)"
        => REQUEST_NOTIFICATION_STATUS::CONTINUE;
    1 mut fn on_post_begin_request(
        http_context: *mut IHttpContext, provider: *mut IHttpEventProvider,
    ) -> REQUEST_NOTIFICATION_STATUS
        = "REQUEST_NOTIFICATION_STATUS OnPostBeginRequest(IHttpContext * pHttpContext, IHttpEventProvider \
            * pProvider)"
        => REQUEST_NOTIFICATION_STATUS::CONTINUE;
    2 mut fn on_authenticate_request(
        http_context: *mut IHttpContext, provider: *mut IAuthenticationProvider,
    ) -> REQUEST_NOTIFICATION_STATUS
        = "REQUEST_NOTIFICATION_STATUS OnAuthenticateRequest(IHttpContext * pHttpContext, \
            IAuthenticationProvider * pProvider)"
        => REQUEST_NOTIFICATION_STATUS::CONTINUE;
    3 mut fn on_post_authenticate_request(
        http_context: *mut IHttpContext, provider: *mut IHttpEventProvider,
    ) -> REQUEST_NOTIFICATION_STATUS
        = "REQUEST_NOTIFICATION_STATUS OnPostAuthenticateRequest(IHttpContext * pHttpContext, \
            IHttpEventProvider * pProvider)"
        => REQUEST_NOTIFICATION_STATUS::CONTINUE;
    4 mut fn on_authorize_request(
        http_context: *mut IHttpContext, provider: *mut IHttpEventProvider,
    ) -> REQUEST_NOTIFICATION_STATUS
        = "REQUEST_NOTIFICATION_STATUS OnAuthorizeRequest(IHttpContext * pHttpContext, IHttpEventProvider \
            * pProvider)"
        => REQUEST_NOTIFICATION_STATUS::CONTINUE;
    5 mut fn on_post_authorize_request(
        http_context: *mut IHttpContext, provider: *mut IHttpEventProvider,
    ) -> REQUEST_NOTIFICATION_STATUS
        = "REQUEST_NOTIFICATION_STATUS OnPostAuthorizeRequest(IHttpContext * pHttpContext, \
            IHttpEventProvider * pProvider)"
        => REQUEST_NOTIFICATION_STATUS::CONTINUE;
    6 mut fn on_resolve_request_cache(
        http_context: *mut IHttpContext, provider: *mut IHttpEventProvider,
    ) -> REQUEST_NOTIFICATION_STATUS
        = "REQUEST_NOTIFICATION_STATUS OnResolveRequestCache(IHttpContext * pHttpContext, \
            IHttpEventProvider * pProvider)"
        => REQUEST_NOTIFICATION_STATUS::CONTINUE;
    7 mut fn on_post_resolve_request_cache(
        http_context: *mut IHttpContext, provider: *mut IHttpEventProvider,
    ) -> REQUEST_NOTIFICATION_STATUS
        = "REQUEST_NOTIFICATION_STATUS OnPostResolveRequestCache(IHttpContext * pHttpContext, \
            IHttpEventProvider * pProvider)"
        => REQUEST_NOTIFICATION_STATUS::CONTINUE;
    8 mut fn on_map_request_handler(
        http_context: *mut IHttpContext, provider: *mut IMapHandlerProvider,
    ) -> REQUEST_NOTIFICATION_STATUS
        = "REQUEST_NOTIFICATION_STATUS OnMapRequestHandler(IHttpContext * pHttpContext, \
            IMapHandlerProvider * pProvider)"
        => REQUEST_NOTIFICATION_STATUS::CONTINUE;
    9 mut fn on_post_map_request_handler(
        http_context: *mut IHttpContext, provider: *mut IHttpEventProvider,
    ) -> REQUEST_NOTIFICATION_STATUS
        = "REQUEST_NOTIFICATION_STATUS OnPostMapRequestHandler(IHttpContext * pHttpContext, \
            IHttpEventProvider * pProvider)"
        => REQUEST_NOTIFICATION_STATUS::CONTINUE;
    10 mut fn on_acquire_request_state(
        http_context: *mut IHttpContext, provider: *mut IHttpEventProvider,
    ) -> REQUEST_NOTIFICATION_STATUS
        = "REQUEST_NOTIFICATION_STATUS OnAcquireRequestState(IHttpContext * pHttpContext, \
            IHttpEventProvider * pProvider)"
        => REQUEST_NOTIFICATION_STATUS::CONTINUE;
    11 mut fn on_post_acquire_request_state(
        http_context: *mut IHttpContext, provider: *mut IHttpEventProvider,
    ) -> REQUEST_NOTIFICATION_STATUS
        = "REQUEST_NOTIFICATION_STATUS OnPostAcquireRequestState(IHttpContext * pHttpContext, \
            IHttpEventProvider * pProvider)"
        => REQUEST_NOTIFICATION_STATUS::CONTINUE;
    12 mut fn on_pre_execute_request_handler(
        http_context: *mut IHttpContext, provider: *mut IHttpEventProvider,
    ) -> REQUEST_NOTIFICATION_STATUS
        = "REQUEST_NOTIFICATION_STATUS OnPreExecuteRequestHandler(IHttpContext * pHttpContext, \
            IHttpEventProvider * pProvider)"
        => REQUEST_NOTIFICATION_STATUS::CONTINUE;
    13 mut fn on_post_pre_execute_request_handler(
        http_context: *mut IHttpContext, provider: *mut IHttpEventProvider,
    ) -> REQUEST_NOTIFICATION_STATUS
        = "REQUEST_NOTIFICATION_STATUS OnPostPreExecuteRequestHandler(IHttpContext * pHttpContext, \
            IHttpEventProvider * pProvider)"
        => REQUEST_NOTIFICATION_STATUS::CONTINUE;
    14 mut fn on_execute_request_handler(
        http_context: *mut IHttpContext, provider: *mut IHttpEventProvider,
    ) -> REQUEST_NOTIFICATION_STATUS
        = "REQUEST_NOTIFICATION_STATUS OnExecuteRequestHandler(IHttpContext * pHttpContext, \
            IHttpEventProvider * pProvider)"
        => REQUEST_NOTIFICATION_STATUS::CONTINUE;
    15 mut fn on_post_execute_request_handler(
        http_context: *mut IHttpContext, provider: *mut IHttpEventProvider,
    ) -> REQUEST_NOTIFICATION_STATUS
        = "REQUEST_NOTIFICATION_STATUS OnPostExecuteRequestHandler(IHttpContext * pHttpContext, \
            IHttpEventProvider * pProvider)"
        => REQUEST_NOTIFICATION_STATUS::CONTINUE;
    16 mut fn on_release_request_state(
        http_context: *mut IHttpContext, provider: *mut IHttpEventProvider,
    ) -> REQUEST_NOTIFICATION_STATUS
        = "REQUEST_NOTIFICATION_STATUS OnReleaseRequestState(IHttpContext * pHttpContext, \
            IHttpEventProvider * pProvider)"
        => REQUEST_NOTIFICATION_STATUS::CONTINUE;
    17 mut fn on_post_release_request_state(
        http_context: *mut IHttpContext, provider: *mut IHttpEventProvider,
    ) -> REQUEST_NOTIFICATION_STATUS
        = "REQUEST_NOTIFICATION_STATUS OnPostReleaseRequestState(IHttpContext * pHttpContext, \
            IHttpEventProvider * pProvider)"
        => REQUEST_NOTIFICATION_STATUS::CONTINUE;
    18 mut fn on_update_request_cache(
        http_context: *mut IHttpContext, provider: *mut IHttpEventProvider,
    ) -> REQUEST_NOTIFICATION_STATUS
        = "REQUEST_NOTIFICATION_STATUS OnUpdateRequestCache(IHttpContext * pHttpContext, \
            IHttpEventProvider * pProvider)"
        => REQUEST_NOTIFICATION_STATUS::CONTINUE;
    19 mut fn on_post_update_request_cache(
        http_context: *mut IHttpContext, provider: *mut IHttpEventProvider,
    ) -> REQUEST_NOTIFICATION_STATUS
        = "REQUEST_NOTIFICATION_STATUS OnPostUpdateRequestCache(IHttpContext * pHttpContext, \
            IHttpEventProvider * pProvider)"
        => REQUEST_NOTIFICATION_STATUS::CONTINUE;
    20 mut fn on_log_request(
        http_context: *mut IHttpContext, provider: *mut IHttpEventProvider,
    ) -> REQUEST_NOTIFICATION_STATUS
        = "REQUEST_NOTIFICATION_STATUS OnLogRequest(IHttpContext * pHttpContext, IHttpEventProvider * \
            pProvider)"
        => REQUEST_NOTIFICATION_STATUS::CONTINUE;
    21 mut fn on_post_log_request(
        http_context: *mut IHttpContext, provider: *mut IHttpEventProvider,
    ) -> REQUEST_NOTIFICATION_STATUS
        = "REQUEST_NOTIFICATION_STATUS OnPostLogRequest(IHttpContext * pHttpContext, IHttpEventProvider * \
            pProvider)"
        => REQUEST_NOTIFICATION_STATUS::CONTINUE;
    22 mut fn on_end_request(
        http_context: *mut IHttpContext, provider: *mut IHttpEventProvider,
    ) -> REQUEST_NOTIFICATION_STATUS
        = "REQUEST_NOTIFICATION_STATUS OnEndRequest(IHttpContext * pHttpContext, IHttpEventProvider * \
            pProvider)"
        => REQUEST_NOTIFICATION_STATUS::CONTINUE;
    23 mut fn on_post_end_request(
        http_context: *mut IHttpContext, provider: *mut IHttpEventProvider,
    ) -> REQUEST_NOTIFICATION_STATUS
        = "REQUEST_NOTIFICATION_STATUS OnPostEndRequest(IHttpContext * pHttpContext, IHttpEventProvider * \
            pProvider)"
        => REQUEST_NOTIFICATION_STATUS::CONTINUE;
    24 mut fn on_send_response(
        http_context: *mut IHttpContext, provider: *mut ISendResponseProvider,
    ) -> REQUEST_NOTIFICATION_STATUS
        = "REQUEST_NOTIFICATION_STATUS OnSendResponse(IHttpContext * pHttpContext, ISendResponseProvider \
            * pProvider)"
        => REQUEST_NOTIFICATION_STATUS::CONTINUE;
    25 mut fn on_map_path(
        http_context: *mut IHttpContext, provider: *mut IMapPathProvider,
    ) -> REQUEST_NOTIFICATION_STATUS
        = "REQUEST_NOTIFICATION_STATUS OnMapPath(IHttpContext * pHttpContext, IMapPathProvider * \
            pProvider)"
        => REQUEST_NOTIFICATION_STATUS::CONTINUE;
    26 mut fn on_read_entity(
        http_context: *mut IHttpContext, provider: *mut IReadEntityProvider,
    ) -> REQUEST_NOTIFICATION_STATUS
        = "REQUEST_NOTIFICATION_STATUS OnReadEntity(IHttpContext * pHttpContext, IReadEntityProvider * \
            pProvider)"
        => REQUEST_NOTIFICATION_STATUS::CONTINUE;
    27 mut fn on_custom_request_notification(
        http_context: *mut IHttpContext, provider: *mut ICustomNotificationProvider,
    ) -> REQUEST_NOTIFICATION_STATUS
        = "REQUEST_NOTIFICATION_STATUS OnCustomRequestNotification(IHttpContext * pHttpContext, \
            ICustomNotificationProvider * pProvider)"
        => REQUEST_NOTIFICATION_STATUS::CONTINUE;
    28 mut fn on_async_completion(
        http_context: *mut IHttpContext, notification: u32, post_notification: BOOL, provider: *mut
        IHttpEventProvider, completion_info: *mut IHttpCompletionInfo,
    ) -> REQUEST_NOTIFICATION_STATUS
        = "REQUEST_NOTIFICATION_STATUS OnAsyncCompletion(IHttpContext * pHttpContext, DWORD \
            dwNotification, BOOL fPostNotification, IHttpEventProvider * pProvider, IHttpCompletionInfo * \
            pCompletionInfo)"
        => REQUEST_NOTIFICATION_STATUS::CONTINUE;
    /// Ends the module object: the call by which IIS gives it back.
    29 mut fn dispose()
        = "VOID Dispose()";
    /// MSVC's deleting destructor. IIS calls `Dispose` instead.
    30 mut fn destructor(flags: u32) -> *mut c_void
        = "VOID * ~CHttpModule(UINT flags)"
        => core::ptr::null_mut();
}

interface! {
    /// A module's object for the worker process. A module implements it.
    ///
    /// It has no destructor slot. Newer versions of IIS appended slots 14 to 16 after `Terminate`; older ones
    /// never call them.
    class CGlobalModule(CGlobalModuleVtbl, CGlobalModuleImpl);
    since IIS_7_0;
    slots 17;

    0 mut fn on_global_stop_listening(
        provider: *mut IGlobalStopListeningProvider,
    ) -> GLOBAL_NOTIFICATION_STATUS
        = "GLOBAL_NOTIFICATION_STATUS OnGlobalStopListening(IGlobalStopListeningProvider * pProvider)"
        => GLOBAL_NOTIFICATION_STATUS::CONTINUE;
    1 mut fn on_global_cache_cleanup() -> GLOBAL_NOTIFICATION_STATUS
        = "GLOBAL_NOTIFICATION_STATUS OnGlobalCacheCleanup()"
        => GLOBAL_NOTIFICATION_STATUS::CONTINUE;
    2 mut fn on_global_cache_operation(provider: *mut ICacheProvider) -> GLOBAL_NOTIFICATION_STATUS
        = "GLOBAL_NOTIFICATION_STATUS OnGlobalCacheOperation(ICacheProvider * pProvider)"
        => GLOBAL_NOTIFICATION_STATUS::CONTINUE;
    3 mut fn on_global_health_check() -> GLOBAL_NOTIFICATION_STATUS
        = "GLOBAL_NOTIFICATION_STATUS OnGlobalHealthCheck()"
        => GLOBAL_NOTIFICATION_STATUS::CONTINUE;
    4 mut fn on_global_configuration_change(
        provider: *mut IGlobalConfigurationChangeProvider,
    ) -> GLOBAL_NOTIFICATION_STATUS
        = "GLOBAL_NOTIFICATION_STATUS OnGlobalConfigurationChange(IGlobalConfigurationChangeProvider * \
            pProvider)"
        => GLOBAL_NOTIFICATION_STATUS::CONTINUE;
    5 mut fn on_global_file_change(provider: *mut IGlobalFileChangeProvider) -> GLOBAL_NOTIFICATION_STATUS
        = "GLOBAL_NOTIFICATION_STATUS OnGlobalFileChange(IGlobalFileChangeProvider * pProvider)"
        => GLOBAL_NOTIFICATION_STATUS::CONTINUE;
    6 mut fn on_global_pre_begin_request(
        provider: *mut IPreBeginRequestProvider,
    ) -> GLOBAL_NOTIFICATION_STATUS
        = "GLOBAL_NOTIFICATION_STATUS OnGlobalPreBeginRequest(IPreBeginRequestProvider * pProvider)"
        => GLOBAL_NOTIFICATION_STATUS::CONTINUE;
    7 mut fn on_global_application_start(
        provider: *mut IHttpApplicationStartProvider,
    ) -> GLOBAL_NOTIFICATION_STATUS
        = "GLOBAL_NOTIFICATION_STATUS OnGlobalApplicationStart(IHttpApplicationStartProvider * pProvider)"
        => GLOBAL_NOTIFICATION_STATUS::CONTINUE;
    8 mut fn on_global_application_resolve_modules(
        provider: *mut IHttpApplicationResolveModulesProvider,
    ) -> GLOBAL_NOTIFICATION_STATUS
        = "GLOBAL_NOTIFICATION_STATUS \
            OnGlobalApplicationResolveModules(IHttpApplicationResolveModulesProvider * pProvider)"
        => GLOBAL_NOTIFICATION_STATUS::CONTINUE;
    9 mut fn on_global_application_stop(
        provider: *mut IHttpApplicationStopProvider,
    ) -> GLOBAL_NOTIFICATION_STATUS
        = "GLOBAL_NOTIFICATION_STATUS OnGlobalApplicationStop(IHttpApplicationStopProvider * pProvider)"
        => GLOBAL_NOTIFICATION_STATUS::CONTINUE;
    10 mut fn on_global_rsca_query(provider: *mut IGlobalRSCAQueryProvider) -> GLOBAL_NOTIFICATION_STATUS
        = "GLOBAL_NOTIFICATION_STATUS OnGlobalRSCAQuery(IGlobalRSCAQueryProvider * pProvider)"
        => GLOBAL_NOTIFICATION_STATUS::CONTINUE;
    11 mut fn on_global_trace_event(
        provider: *mut IGlobalTraceEventProvider,
    ) -> GLOBAL_NOTIFICATION_STATUS
        = "GLOBAL_NOTIFICATION_STATUS OnGlobalTraceEvent(IGlobalTraceEventProvider * pProvider)"
        => GLOBAL_NOTIFICATION_STATUS::CONTINUE;
    12 mut fn on_global_custom_notification(
        provider: *mut ICustomNotificationProvider,
    ) -> GLOBAL_NOTIFICATION_STATUS
        = "GLOBAL_NOTIFICATION_STATUS OnGlobalCustomNotification(ICustomNotificationProvider * pProvider)"
        => GLOBAL_NOTIFICATION_STATUS::CONTINUE;
    13 mut fn terminate()
        = "VOID Terminate()";
    14 mut fn on_global_thread_cleanup(
        provider: *mut IGlobalThreadCleanupProvider,
    ) -> GLOBAL_NOTIFICATION_STATUS
        = "GLOBAL_NOTIFICATION_STATUS OnGlobalThreadCleanup(IGlobalThreadCleanupProvider * pProvider)"
        => GLOBAL_NOTIFICATION_STATUS::CONTINUE;
    /// Called by IIS 7.5 with Application Initialization, and by later versions.
    15 mut fn on_global_application_preload(
        provider: *mut IGlobalApplicationPreloadProvider,
    ) -> GLOBAL_NOTIFICATION_STATUS
        = "GLOBAL_NOTIFICATION_STATUS OnGlobalApplicationPreload(IGlobalApplicationPreloadProvider * \
            pProvider)"
        => GLOBAL_NOTIFICATION_STATUS::CONTINUE;
    /// Called by IIS 8.5 and later.
    16 mut fn on_suspend_process(
        callback: *mut *mut IGlobalSuspendProcessCallback,
    ) -> GLOBAL_NOTIFICATION_STATUS
        = "GLOBAL_NOTIFICATION_STATUS OnSuspendProcess(IGlobalSuspendProcessCallback ** pCallback)"
        => GLOBAL_NOTIFICATION_STATUS::CONTINUE;
}

interface! {
    /// Memory that lives as long as the request.
    class IModuleAllocator(IModuleAllocatorVtbl, IModuleAllocatorImpl);
    iid 0x85c1679c_0b21_491c_afb5_c7b5c86464c4;
    since IIS_7_0;
    slots 1;

    0 mut fn allocate_memory(allocation_len: u32) -> *mut c_void
        = "VOID * AllocateMemory(DWORD cbAllocation)";
}

interface! {
    /// Makes a module's object for each request. A module implements it; it has no destructor slot.
    class IHttpModuleFactory(IHttpModuleFactoryVtbl, IHttpModuleFactoryImpl);
    iid 0xba32d330_9ea8_4b9e_89f1_8c76a323277f;
    since IIS_7_0;
    slots 2;

    0 mut fn get_http_module(module: *mut *mut CHttpModule, allocator: *mut IModuleAllocator) -> HRESULT
        = "HRESULT GetHttpModule(CHttpModule ** ppModule, IModuleAllocator * pAllocator)";
    1 mut fn terminate()
        = "VOID Terminate()";
}

interface! {
    /// What `RegisterModule` tells IIS which notifications it wants with.
    class IHttpModuleRegistrationInfo(IHttpModuleRegistrationInfoVtbl, IHttpModuleRegistrationInfoImpl);
    iid 0x07e5beb3_b798_459d_a98a_e6c485b2b3bc;
    since IIS_7_0;
    slots 6;

    0 const fn get_name() -> PCWSTR
        = "PCWSTR GetName() const";
    1 const fn get_id() -> HTTP_MODULE_ID
        = "HTTP_MODULE_ID GetId() const";
    2 mut fn set_request_notifications(
        module_factory: *mut IHttpModuleFactory, request_notifications: u32,
        post_request_notifications: u32,
    ) -> HRESULT
        = "HRESULT SetRequestNotifications(IHttpModuleFactory * pModuleFactory, DWORD \
            dwRequestNotifications, DWORD dwPostRequestNotifications)";
    3 mut fn set_global_notifications(
        global_module: *mut CGlobalModule, global_notifications: u32,
    ) -> HRESULT
        = "HRESULT SetGlobalNotifications(CGlobalModule * pGlobalModule, DWORD dwGlobalNotifications)";
    4 mut fn set_priority_for_request_notification(request_notification: u32, priority: PCWSTR) -> HRESULT
        = "HRESULT SetPriorityForRequestNotification(DWORD dwRequestNotification, PCWSTR pszPriority)";
    5 mut fn set_priority_for_global_notification(global_notification: u32, priority: PCWSTR) -> HRESULT
        = "HRESULT SetPriorityForGlobalNotification(DWORD dwGlobalNotification, PCWSTR pszPriority)";
}

interface! {
    /// The registration, with priorities for post-notifications.
    ///
    /// Its version number does not tell whether it is there: see
    /// [`MUST_BE_PROBED`](crate::version::MUST_BE_PROBED).
    class IHttpModuleRegistrationInfo2(IHttpModuleRegistrationInfo2Vtbl, IHttpModuleRegistrationInfo2Impl)
        : IHttpModuleRegistrationInfo(IHttpModuleRegistrationInfoVtbl, IHttpModuleRegistrationInfoImpl);
    iid 0x4fd11cbf_8cc5_418e_8000_c9e765f88533;
    since IIS_8_0;
    slots 7;

    6 mut fn set_priority_for_post_request_notification(
        post_request_notification: u32, priority: PCWSTR,
    ) -> HRESULT
        = "HRESULT SetPriorityForPostRequestNotification(DWORD dwPostRequestNotification, PCWSTR \
            pszPriority)";
}
