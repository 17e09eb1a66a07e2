//! What the request notifications are given beside the context.

use core::ffi::c_void;

use super::file::IHttpFileInfo;
use super::site::IScriptMapInfo;
use super::user::IHttpUser;
use crate::records::HTTP_LOG_DATA;
use crate::types::{BOOL, HRESULT, PCWSTR};
use crate::version::IIS_7_0;

interface! {
    /// The base of what notifications are given.
    class IHttpEventProvider(IHttpEventProviderVtbl, IHttpEventProviderImpl);
    iid 0x6f3f657d_2fb8_43c6_a096_5064b41f0580;
    since IIS_7_0;
    slots 1;

    0 mut fn set_error_status(error: HRESULT)
        = "VOID SetErrorStatus(HRESULT hrError)";
}

interface! {
    /// A notification that a module raised.
    class ICustomNotificationProvider(ICustomNotificationProviderVtbl, ICustomNotificationProviderImpl)
        : IHttpEventProvider(IHttpEventProviderVtbl, IHttpEventProviderImpl);
    iid 0x671e6d34_9380_4df4_b453_91129df02b24;
    since IIS_7_0;
    slots 2;

    1 mut fn query_notification_type() -> PCWSTR
        = "PCWSTR QueryNotificationType()";
}

interface! {
    /// Given to `OnAuthenticateRequest`: sets the user.
    class IAuthenticationProvider(IAuthenticationProviderVtbl, IAuthenticationProviderImpl)
        : IHttpEventProvider(IHttpEventProviderVtbl, IHttpEventProviderImpl);
    iid 0x304d51d0_0307_45ed_83fd_dd3fc032fdfc;
    since IIS_7_0;
    slots 2;

    1 mut fn set_user(user: *mut IHttpUser)
        = "VOID SetUser(IHttpUser * pUser)";
}

interface! {
    /// Given to `OnMapRequestHandler`: chooses the handler.
    class IMapHandlerProvider(IMapHandlerProviderVtbl, IMapHandlerProviderImpl)
        : IHttpEventProvider(IHttpEventProviderVtbl, IHttpEventProviderImpl);
    iid 0xfea3ce6b_e346_47e7_b2a6_ad265baeff2c;
    since IIS_7_0;
    slots 4;

    1 mut fn set_script_name(script_name: PCWSTR, script_name_len: u32) -> HRESULT
        = "HRESULT SetScriptName(PCWSTR pszScriptName, DWORD cchScriptName)";
    2 mut fn set_script_map(script_map: *mut IScriptMapInfo)
        = "VOID SetScriptMap(IScriptMapInfo * pScriptMap)";
    3 mut fn set_file_info(file_info: *mut IHttpFileInfo)
        = "VOID SetFileInfo(IHttpFileInfo * pFileInfo)";
}

interface! {
    /// Given to `OnMapPath`: the URL and the path it is mapped to.
    class IMapPathProvider(IMapPathProviderVtbl, IMapPathProviderImpl)
        : IHttpEventProvider(IHttpEventProviderVtbl, IHttpEventProviderImpl);
    iid 0x8efdf557_a8f1_4bc9_b462_6df3b038a59a;
    since IIS_7_0;
    slots 4;

    1 const fn get_url() -> PCWSTR
        = "PCWSTR GetUrl() const";
    2 const fn get_physical_path() -> PCWSTR
        = "PCWSTR GetPhysicalPath() const";
    3 mut fn set_physical_path(physical_path: PCWSTR, physical_path_len: u32) -> HRESULT
        = "HRESULT SetPhysicalPath(PCWSTR pszPhysicalPath, DWORD cchPhysicalPath)";
}

interface! {
    /// Given to `OnSendResponse`: what is about to be sent.
    class ISendResponseProvider(ISendResponseProviderVtbl, ISendResponseProviderImpl)
        : IHttpEventProvider(IHttpEventProviderVtbl, IHttpEventProviderImpl);
    iid 0x57f2e7bc_0bcf_4a9f_94a4_10e55c6e5b51;
    since IIS_7_0;
    slots 7;

    1 const fn get_headers_being_sent() -> BOOL
        = "BOOL GetHeadersBeingSent() const";
    2 const fn get_flags() -> u32
        = "DWORD GetFlags() const";
    3 mut fn set_flags(flags: u32)
        = "VOID SetFlags(DWORD dwFlags)";
    4 const fn get_log_data() -> *mut HTTP_LOG_DATA
        = "HTTP_LOG_DATA * GetLogData() const";
    5 mut fn set_log_data(log_data: *mut HTTP_LOG_DATA) -> HRESULT
        = "HRESULT SetLogData(HTTP_LOG_DATA * pLogData)";
    6 const fn get_ready_to_log_data() -> BOOL
        = "BOOL GetReadyToLogData() const";
}

interface! {
    /// Given to `OnReadEntity`: what has been read of the body.
    class IReadEntityProvider(IReadEntityProviderVtbl, IReadEntityProviderImpl)
        : IHttpEventProvider(IHttpEventProviderVtbl, IHttpEventProviderImpl);
    iid 0xfe6d905a_99b8_49fd_b389_cfc809562b81;
    since IIS_7_0;
    slots 3;

    1 mut fn get_entity(buffer: *mut *mut c_void, data_len: *mut u32, buffer_len: *mut u32)
        = "VOID GetEntity(PVOID * ppBuffer, DWORD * pcbData, DWORD * pcbBuffer)";
    2 mut fn set_entity(buffer: *mut c_void, data_len: u32, buffer_len: u32)
        = "VOID SetEntity(PVOID pBuffer, DWORD cbData, DWORD cbBuffer)";
}
