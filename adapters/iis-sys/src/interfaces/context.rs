//! The request's context: what every notification is given. Mind the order of the two
//! `GetServerVariable`: `crate::overloads` pins it.

use core::ffi::c_void;

use super::file::IHttpFileInfo;
use super::module::CHttpModule;
use super::provider::{ICustomNotificationProvider, IHttpEventProvider};
use super::request::IHttpRequest;
use super::response::IHttpResponse;
use super::site::{IHttpApplication, IHttpSite, IHttpUrlInfo, IMetadataInfo, IScriptMapInfo};
use super::stored::{IHttpModuleContextContainer, INamedContextContainer};
use super::trace::IHttpTraceContext;
use super::user::{IHttpConnection, IHttpUser};
use crate::callbacks::LPOVERLAPPED_COMPLETION_ROUTINE;
use crate::codes::{HTTP_CONTEXT_INTERFACE_VERSION, REQUEST_NOTIFICATION_STATUS};
use crate::types::{BOOL, HRESULT, PCSTR, PCWSTR, PWSTR};
use crate::version::{IIS_7_0, IIS_7_5, IIS_8_0, IIS_10_0};

interface! {
    /// The context of a request.
    class IHttpContext(IHttpContextVtbl, IHttpContextImpl);
    iid 0x424c1b8c_a1ba_44d7_ac98_9f8f457701a5;
    since IIS_7_0;
    slots 39;

    0 mut fn get_site() -> *mut IHttpSite
        = "IHttpSite * GetSite()";
    1 mut fn get_application() -> *mut IHttpApplication
        = "IHttpApplication * GetApplication()";
    /// Null for a request that has no connection, such as a warm-up.
    2 mut fn get_connection() -> *mut IHttpConnection
        = "IHttpConnection * GetConnection()";
    3 mut fn get_request() -> *mut IHttpRequest
        = "IHttpRequest * GetRequest()";
    4 mut fn get_response() -> *mut IHttpResponse
        = "IHttpResponse * GetResponse()";
    5 const fn get_response_headers_sent() -> BOOL
        = "BOOL GetResponseHeadersSent() const";
    6 const fn get_user() -> *mut IHttpUser
        = "IHttpUser * GetUser() const";
    7 mut fn get_module_context_container() -> *mut IHttpModuleContextContainer
        = "IHttpModuleContextContainer * GetModuleContextContainer()";
    8 mut fn indicate_completion(notification_status: REQUEST_NOTIFICATION_STATUS)
        = "VOID IndicateCompletion(REQUEST_NOTIFICATION_STATUS notificationStatus)";
    9 mut fn post_completion(bytes: u32) -> HRESULT
        = "HRESULT PostCompletion(DWORD cbBytes)";
    10 mut fn disable_notifications(notifications: u32, post_notifications: u32)
        = "VOID DisableNotifications(DWORD dwNotifications, DWORD dwPostNotifications)";
    11 mut fn get_next_notification(
        status: REQUEST_NOTIFICATION_STATUS, notification: *mut u32, is_post_notification: *mut
        BOOL, module_info: *mut *mut CHttpModule, request_output: *mut *mut IHttpEventProvider,
    ) -> BOOL
        = "BOOL GetNextNotification(REQUEST_NOTIFICATION_STATUS status, DWORD * pdwNotification, BOOL * \
            pfIsPostNotification, CHttpModule ** ppModuleInfo, IHttpEventProvider ** ppRequestOutput)";
    12 mut fn get_is_last_notification(status: REQUEST_NOTIFICATION_STATUS) -> BOOL
        = "BOOL GetIsLastNotification(REQUEST_NOTIFICATION_STATUS status)";
    13 mut fn execute_request(
        is_async: BOOL, http_context: *mut IHttpContext, execute_flags: u32, http_user: *mut
        IHttpUser, completion_expected: *mut BOOL,
    ) -> HRESULT
        = "HRESULT ExecuteRequest(BOOL fAsync, IHttpContext * pHttpContext, DWORD dwExecuteFlags, \
            IHttpUser * pHttpUser, BOOL * pfCompletionExpected = NULL)";
    14 const fn get_execute_flags() -> u32
        = "DWORD GetExecuteFlags() const";
    15 mut fn get_server_variable_ansi(
        variable_name: PCSTR, value: *mut PCSTR, value_length: *mut u32,
    ) -> HRESULT
        = "HRESULT GetServerVariable(PCSTR pszVariableName, PCSTR * ppszValue, DWORD * pcchValueLength)";
    16 mut fn get_server_variable_wide(
        variable_name: PCSTR, value: *mut PCWSTR, value_length: *mut u32,
    ) -> HRESULT
        = "HRESULT GetServerVariable(PCSTR pszVariableName, PCWSTR * ppszValue, DWORD * pcchValueLength)";
    17 mut fn set_server_variable(variable_name: PCSTR, variable_value: PCWSTR) -> HRESULT
        = "HRESULT SetServerVariable(PCSTR pszVariableName, PCWSTR pszVariableValue)";
    18 mut fn allocate_request_memory(allocation_len: u32) -> *mut c_void
        = "VOID * AllocateRequestMemory(DWORD cbAllocation)";
    19 mut fn get_url_info() -> *mut IHttpUrlInfo
        = "IHttpUrlInfo * GetUrlInfo()";
    20 mut fn get_metadata() -> *mut IMetadataInfo
        = "IMetadataInfo * GetMetadata()";
    21 mut fn get_physical_path(physical_path_len: *mut u32) -> PCWSTR
        = "PCWSTR GetPhysicalPath(DWORD * pcchPhysicalPath = NULL)";
    22 const fn get_script_name(script_name_len: *mut u32) -> PCWSTR
        = "PCWSTR GetScriptName(DWORD * pcchScriptName = NULL) const";
    23 mut fn get_script_translated(script_translated_len: *mut u32) -> PCWSTR
        = "PCWSTR GetScriptTranslated(DWORD * pcchScriptTranslated = NULL)";
    24 const fn get_script_map() -> *mut IScriptMapInfo
        = "IScriptMapInfo * GetScriptMap() const";
    25 mut fn set_request_handled()
        = "VOID SetRequestHandled()";
    26 const fn get_file_info() -> *mut IHttpFileInfo
        = "IHttpFileInfo * GetFileInfo() const";
    27 mut fn map_path(url: PCWSTR, physical_path: PWSTR, physical_path_len: *mut u32) -> HRESULT
        = "HRESULT MapPath(PCWSTR pszUrl, PWSTR pszPhysicalPath, DWORD * pcbPhysicalPath)";
    28 mut fn notify_custom_notification(
        custom_output: *mut ICustomNotificationProvider, completion_expected: *mut BOOL,
    ) -> HRESULT
        = "HRESULT NotifyCustomNotification(ICustomNotificationProvider * pCustomOutput, BOOL * \
            pfCompletionExpected)";
    29 const fn get_parent_context() -> *mut IHttpContext
        = "IHttpContext * GetParentContext() const";
    30 const fn get_root_context() -> *mut IHttpContext
        = "IHttpContext * GetRootContext() const";
    31 mut fn clone_context(clone_flags: u32, http_context: *mut *mut IHttpContext) -> HRESULT
        = "HRESULT CloneContext(DWORD dwCloneFlags, IHttpContext ** ppHttpContext)";
    32 mut fn release_cloned_context() -> HRESULT
        = "HRESULT ReleaseClonedContext()";
    33 const fn get_current_execution_stats(
        notification: *mut u32, notification_start_tick_count: *mut u32, module: *mut PCWSTR,
        module_start_tick_count: *mut u32, async_notification: *mut u32,
        async_notification_start_tick_count: *mut u32,
    ) -> HRESULT
        = "HRESULT GetCurrentExecutionStats(DWORD * pdwNotification, DWORD * \
            pdwNotificationStartTickCount = NULL, PCWSTR * ppszModule = NULL, DWORD * \
            pdwModuleStartTickCount = NULL, DWORD * pdwAsyncNotification = NULL, DWORD * \
            pdwAsyncNotificationStartTickCount = NULL) const";
    34 const fn get_trace_context() -> *mut IHttpTraceContext
        = "IHttpTraceContext * GetTraceContext() const";
    35 mut fn get_server_var_changes(
        old_change_number: u32, new_change_number: *mut u32, variable_snapshot: *mut u32,
        variable_name_snapshot: *mut *mut PCSTR, variable_value_snapshot: *mut *mut PCWSTR,
        diffed_variables: *mut u32, diffed_variable_indices: *mut *mut u32,
    ) -> HRESULT
        = "HRESULT GetServerVarChanges(DWORD dwOldChangeNumber, DWORD * pdwNewChangeNumber, DWORD * \
            pdwVariableSnapshot, PCSTR ** ppVariableNameSnapshot, PCWSTR ** ppVariableValueSnapshot, DWORD \
            * pdwDiffedVariables, DWORD ** ppDiffedVariableIndices)";
    36 mut fn cancel_io() -> HRESULT
        = "HRESULT CancelIo()";
    37 mut fn map_handler(
        site_id: u32, site_name: PCWSTR, url: PCWSTR, verb: PCSTR, script_map: *mut *mut
        IScriptMapInfo, ignore_wildcard_mappings: BOOL,
    ) -> HRESULT
        = "HRESULT MapHandler(DWORD dwSiteId, PCWSTR pszSiteName, PCWSTR pszUrl, PCSTR pszVerb, \
            IScriptMapInfo ** ppScriptMap, BOOL fIgnoreWildcardMappings = FALSE)";
    38 mut fn get_extended_interface(
        version: HTTP_CONTEXT_INTERFACE_VERSION, interface: *mut *mut c_void,
    ) -> HRESULT
        = "HRESULT GetExtendedInterface(HTTP_CONTEXT_INTERFACE_VERSION version, PVOID * ppInterface)";
}

interface! {
    /// The context, with the user before impersonation changed it.
    class IHttpContext2(IHttpContext2Vtbl, IHttpContext2Impl)
        : IHttpContext(IHttpContextVtbl, IHttpContextImpl);
    iid 0xc986182c_cf4a_4482_8205_0dbbc1fd6cee;
    since IIS_7_5;
    slots 40;

    39 const fn get_original_user() -> *mut IHttpUser
        = "IHttpUser * GetOriginalUser() const";
}

interface! {
    /// The context, with full duplex and a callback for one completion.
    class IHttpContext3(IHttpContext3Vtbl, IHttpContext3Impl)
        : IHttpContext2(IHttpContext2Vtbl, IHttpContext2Impl), IHttpContext;
    iid 0xbf53c022_ca4b_4349_a38e_a4b78ad897fb;
    since IIS_8_0;
    slots 44;

    40 mut fn get_named_context_container() -> *mut INamedContextContainer
        = "INamedContextContainer * GetNamedContextContainer()";
    41 mut fn enable_full_duplex()
        = "VOID EnableFullDuplex()";
    42 mut fn inherit_server_variable(name: PCSTR, fail_if_not_exist: BOOL) -> HRESULT
        = "HRESULT InheritServerVariable(PCSTR szName, BOOL fFailIfNotExist = FALSE)";
    43 mut fn post_completion_with_callback(
        bytes: u32, routine: LPOVERLAPPED_COMPLETION_ROUTINE, context: *mut c_void,
    ) -> HRESULT
        = "HRESULT PostCompletion(DWORD cbBytes, LPOVERLAPPED_COMPLETION_ROUTINE pfnCompletionRoutine, \
            VOID * pvCompletionContext)";
}

interface! {
    /// The context, with the times of the request.
    class IHttpContext4(IHttpContext4Vtbl, IHttpContext4Impl)
        : IHttpContext3(IHttpContext3Vtbl, IHttpContext3Impl), IHttpContext2, IHttpContext;
    iid 0x2c9463d8_4ec4_4622_8917_d486321a9443;
    since IIS_10_0;
    slots 46;

    44 mut fn get_request_start_time() -> u64
        = "ULONGLONG GetRequestStartTime()";
    45 mut fn get_request_elapsed_time() -> u64
        = "ULONGLONG GetRequestElapsedTime()";
}
