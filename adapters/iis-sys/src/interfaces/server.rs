//! The worker process, as `RegisterModule` is given it.

use core::ffi::c_void;

use super::cache::{IHttpCacheKey, IHttpCacheSpecificData, IHttpTokenEntry};
use super::file::{IHttpFileInfo, IHttpFileMonitor};
use super::provider::ICustomNotificationProvider;
use super::site::{IHttpPerfCounterInfo, IReferencedMetadataInfo};
use super::stored::IDispensedHttpModuleContextContainer;
use super::trace::IHttpTraceContext;
use crate::callbacks::LPOVERLAPPED_COMPLETION_ROUTINE;
use crate::codes::{
    CACHE_OPERATION, GLOBAL_NOTIFICATION_STATUS, HTTP_REQUEST_PROPERTY, HTTP_SERVER_INTERFACE_VERSION,
};
use crate::opaque::{IAppHostAdminManager, IWorkerProcessFramework, IWpfSettings};
use crate::records::{HTTP_DATA_CHUNK, SOCKADDR};
use crate::types::{BOOL, GUID, HANDLE, HRESULT, HTTP_OPAQUE_ID, OVERLAPPED, PCWSTR, PSID};
use crate::version::{IIS_7_0, IIS_7_5, IIS_10_0};

interface! {
    /// The worker process.
    class IHttpServer(IHttpServerVtbl, IHttpServerImpl);
    iid 0xeda2a40f_fb92_4d6d_b52b_c8c207380b4e;
    since IIS_7_0;
    slots 26;

    0 const fn is_command_line_launch() -> BOOL
        = "BOOL IsCommandLineLaunch() const";
    1 const fn get_app_pool_name() -> PCWSTR
        = "PCWSTR GetAppPoolName() const";
    2 mut fn associate_with_thread_pool(
        handle: HANDLE, completion_routine: LPOVERLAPPED_COMPLETION_ROUTINE,
    ) -> HRESULT
        = "HRESULT AssociateWithThreadPool(HANDLE hHandle, LPOVERLAPPED_COMPLETION_ROUTINE \
            completionRoutine)";
    3 mut fn increment_thread_count()
        = "VOID IncrementThreadCount()";
    4 mut fn decrement_thread_count()
        = "VOID DecrementThreadCount()";
    5 mut fn report_unhealthy(reason_string: PCWSTR, reason: HRESULT)
        = "VOID ReportUnhealthy(PCWSTR pszReasonString, HRESULT hrReason)";
    6 mut fn recycle_process(reason: PCWSTR)
        = "VOID RecycleProcess(PCWSTR pszReason)";
    7 const fn get_admin_manager() -> *mut IAppHostAdminManager
        = "IAppHostAdminManager * GetAdminManager() const";
    8 mut fn get_file_info(
        physical_path: PCWSTR, user_token: HANDLE, sid: PSID, change_notification_path: PCWSTR,
        change_notification_token: HANDLE, cache: BOOL, file_info: *mut *mut IHttpFileInfo,
        http_trace_context: *mut IHttpTraceContext,
    ) -> HRESULT
        = "HRESULT GetFileInfo(PCWSTR pszPhysicalPath, HANDLE hUserToken, PSID pSid, PCWSTR \
            pszChangeNotificationPath, HANDLE hChangeNotificationToken, BOOL fCache, IHttpFileInfo ** \
            ppFileInfo, IHttpTraceContext * pHttpTraceContext = NULL)";
    9 mut fn flush_kernel_cache(url: PCWSTR) -> HRESULT
        = "HRESULT FlushKernelCache(PCWSTR pszUrl)";
    10 mut fn do_cache_operation(
        cache_operation: CACHE_OPERATION, cache_key: *mut IHttpCacheKey, cache_specific_data: *mut
        *mut IHttpCacheSpecificData, http_trace_context: *mut IHttpTraceContext,
    ) -> HRESULT
        = "HRESULT DoCacheOperation(CACHE_OPERATION cacheOperation, IHttpCacheKey * pCacheKey, \
            IHttpCacheSpecificData ** ppCacheSpecificData, IHttpTraceContext * pHttpTraceContext = NULL)";
    11 mut fn notify_custom_notification(
        custom_output: *mut ICustomNotificationProvider,
    ) -> GLOBAL_NOTIFICATION_STATUS
        = "GLOBAL_NOTIFICATION_STATUS NotifyCustomNotification(ICustomNotificationProvider * \
            pCustomOutput)";
    12 mut fn get_perf_counter_info() -> *mut IHttpPerfCounterInfo
        = "IHttpPerfCounterInfo * GetPerfCounterInfo()";
    13 mut fn recycle_application(app_config_path: PCWSTR)
        = "VOID RecycleApplication(PCWSTR pszAppConfigPath)";
    14 mut fn notify_configuration_change(path: PCWSTR)
        = "VOID NotifyConfigurationChange(PCWSTR pszPath)";
    15 mut fn notify_file_change(file_name: PCWSTR)
        = "VOID NotifyFileChange(PCWSTR pszFileName)";
    16 mut fn dispense_container() -> *mut IDispensedHttpModuleContextContainer
        = "IDispensedHttpModuleContextContainer * DispenseContainer()";
    17 mut fn add_fragment_to_cache(data_chunk: *mut HTTP_DATA_CHUNK, fragment_name: PCWSTR) -> HRESULT
        = "HRESULT AddFragmentToCache(HTTP_DATA_CHUNK * pDataChunk, PCWSTR pszFragmentName)";
    18 mut fn read_fragment_from_cache(
        fragment_name: PCWSTR, buffer: *mut u8, size: u32, copied: *mut u32,
    ) -> HRESULT
        = "HRESULT ReadFragmentFromCache(PCWSTR pszFragmentName, BYTE * pvBuffer, DWORD cbSize, DWORD * \
            pcbCopied)";
    19 mut fn remove_fragment_from_cache(fragment_name: PCWSTR) -> HRESULT
        = "HRESULT RemoveFragmentFromCache(PCWSTR pszFragmentName)";
    20 mut fn get_worker_process_settings(worker_process_settings: *mut *mut IWpfSettings) -> HRESULT
        = "HRESULT GetWorkerProcessSettings(IWpfSettings ** ppWorkerProcessSettings)";
    21 mut fn get_protocol_manager_custom_interface(
        protocol_manager_dll: PCWSTR, protocol_manager_dll_init_function: PCWSTR,
        custom_interface_id: u32, custom_interface: *mut *mut c_void,
    ) -> HRESULT
        = "HRESULT GetProtocolManagerCustomInterface(PCWSTR pProtocolManagerDll, PCWSTR \
            pProtocolManagerDllInitFunction, DWORD dwCustomInterfaceId, PVOID* ppCustomInterface)";
    22 const fn satisfies_precondition(precondition: PCWSTR, unknown_precondition: *mut BOOL) -> BOOL
        = "BOOL SatisfiesPrecondition(PCWSTR pszPrecondition, BOOL * pfUnknownPrecondition = NULL) const";
    23 const fn get_trace_context() -> *mut IHttpTraceContext
        = "IHttpTraceContext * GetTraceContext() const";
    24 mut fn register_file_change_monitor(
        path: PCWSTR, token: HANDLE, file_monitor: *mut *mut IHttpFileMonitor,
    ) -> HRESULT
        = "HRESULT RegisterFileChangeMonitor(PCWSTR pszPath, HANDLE hToken, IHttpFileMonitor ** \
            ppFileMonitor)";
    25 mut fn get_extended_interface(
        version: HTTP_SERVER_INTERFACE_VERSION, interface: *mut *mut c_void,
    ) -> HRESULT
        = "HRESULT GetExtendedInterface(HTTP_SERVER_INTERFACE_VERSION version, PVOID * ppInterface)";
}

interface! {
    /// The worker process, with logons, metadata and the look-up of newer interfaces.
    class IHttpServer2(IHttpServer2Vtbl, IHttpServer2Impl) : IHttpServer(IHttpServerVtbl, IHttpServerImpl);
    iid 0x34af637e_afe8_4556_bcc1_767f8e0b4a4e;
    since IIS_7_5;
    slots 31;

    26 mut fn get_token(
        user_name: PCWSTR, password: PCWSTR, logon_method: u32, token_entry: *mut *mut
        IHttpTokenEntry, default_domain: PCWSTR, sock_addr: *mut SOCKADDR, http_trace_context: *mut
        IHttpTraceContext,
    ) -> HRESULT
        = "HRESULT GetToken(PCWSTR pszUserName, PCWSTR pszPassword, DWORD dwLogonMethod, IHttpTokenEntry \
            ** ppTokenEntry, PCWSTR pszDefaultDomain = NULL, PSOCKADDR pSockAddr = NULL, IHttpTraceContext \
            * pHttpTraceContext = NULL)";
    27 const fn get_app_pool_config_file(config_file_path_len: *mut u32) -> PCWSTR
        = "PCWSTR GetAppPoolConfigFile(DWORD * pcchConfigFilePath = NULL) const";
    28 mut fn get_extended_interface_by_iid(
        input_iid: *const GUID, input: *mut c_void, output_iid: *const GUID, output: *mut *mut
        c_void,
    ) -> HRESULT
        = "HRESULT GetExtendedInterface(const GUID & Version1, PVOID pInput, const GUID & Version2, PVOID \
            * ppOutput)";
    /// Since IIS 8.0.
    29 mut fn get_metadata(
        site_name: PCWSTR, url: PCWSTR, metadata_info: *mut *mut IReferencedMetadataInfo,
    ) -> HRESULT
        = "HRESULT GetMetadata(PCWSTR pszSiteName, PCWSTR pszUrl, IReferencedMetadataInfo ** \
            ppMetadataInfo)";
    /// Since IIS 8.0.
    30 mut fn get_worker_process_framework(
        worker_process_framework: *mut *mut IWorkerProcessFramework,
    ) -> HRESULT
        = "HRESULT GetWorkerProcessFramework(IWorkerProcessFramework ** ppWorkerProcessFramework)";
}

interface! {
    /// The worker process, with properties of http.sys requests.
    ///
    /// Its version number does not tell whether it is there: see
    /// [`MUST_BE_PROBED`](crate::version::MUST_BE_PROBED).
    class IHttpServer3(IHttpServer3Vtbl, IHttpServer3Impl)
        : IHttpServer2(IHttpServer2Vtbl, IHttpServer2Impl), IHttpServer;
    iid 0xf7a66d59_c0a2_48b5_a88f_be5975c960fb;
    since IIS_10_0;
    slots 32;

    31 mut fn query_request_property(
        id: HTTP_OPAQUE_ID, property_id: HTTP_REQUEST_PROPERTY, qualifier: *mut c_void,
        qualifier_size: u32, output: *mut c_void, output_buffer_size: u32, bytes_returned: *mut u32,
        overlapped: *mut OVERLAPPED,
    ) -> HRESULT
        = "HRESULT QueryRequestProperty(HTTP_OPAQUE_ID id, HTTP_REQUEST_PROPERTY propertyId, PVOID \
            pQualifier, ULONG qualifierSize, PVOID pOutput, ULONG outputBufferSize, PULONG \
            pcbBytesReturned, LPOVERLAPPED pOverlapped)";
}
