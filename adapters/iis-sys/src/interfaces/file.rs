//! Files as IIS opens, caches and watches them.

use super::cache::{IHttpCacheSpecificData, IHttpCacheSpecificDataImpl, IHttpCacheSpecificDataVtbl};
use super::stored::IHttpModuleContextContainer;
use crate::types::{BOOL, FILETIME, HANDLE, HRESULT, PCSTR, PCWSTR, PSID};
use crate::version::IIS_7_0;

interface! {
    /// A file that IIS has opened, perhaps with its content in memory.
    class IHttpFileInfo(IHttpFileInfoVtbl, IHttpFileInfoImpl)
        : IHttpCacheSpecificData(IHttpCacheSpecificDataVtbl, IHttpCacheSpecificDataImpl);
    iid 0x71e95595_8c74_44d9_88a9_f5112d5f5900;
    since IIS_7_0;
    slots 21;

    7 const fn get_attributes() -> u32
        = "DWORD GetAttributes() const";
    8 const fn get_size(size: *mut u64)
        = "VOID GetSize(ULARGE_INTEGER * pliSize) const";
    9 const fn get_file_buffer() -> *const u8
        = "const BYTE * GetFileBuffer() const";
    10 const fn get_file_handle() -> HANDLE
        = "HANDLE GetFileHandle() const";
    11 const fn get_file_path() -> PCWSTR
        = "PCWSTR GetFilePath() const";
    12 const fn get_etag(etag_len: *mut u16) -> PCSTR
        = "PCSTR GetETag(USHORT * pcchETag = NULL) const";
    13 const fn get_last_modified_time(file_time: *mut FILETIME)
        = "VOID GetLastModifiedTime(FILETIME * pFileTime) const";
    14 const fn get_last_modified_string() -> PCSTR
        = "PCSTR GetLastModifiedString() const";
    15 const fn get_http_cache_allowed(seconds_to_live: *mut u32) -> BOOL
        = "BOOL GetHttpCacheAllowed(DWORD * pSecondsToLive) const";
    16 mut fn access_check(user_token: HANDLE, user_sid: PSID) -> HRESULT
        = "HRESULT AccessCheck(HANDLE hUserToken, PSID pUserSid)";
    17 const fn get_vr_token() -> HANDLE
        = "HANDLE GetVrToken() const";
    18 const fn get_vr_path() -> PCWSTR
        = "PCWSTR GetVrPath() const";
    19 mut fn get_module_context_container() -> *mut IHttpModuleContextContainer
        = "IHttpModuleContextContainer * GetModuleContextContainer()";
    20 mut fn check_if_file_has_changed(user_token: HANDLE) -> BOOL
        = "BOOL CheckIfFileHasChanged(HANDLE hUserToken)";
}

interface! {
    /// A watch on a file or folder.
    class IHttpFileMonitor(IHttpFileMonitorVtbl, IHttpFileMonitorImpl);
    iid 0x985422da_b0cf_473b_ba9e_8148ceb3e240;
    since IIS_7_0;
    slots 2;

    0 mut fn get_module_context_container() -> *mut IHttpModuleContextContainer
        = "IHttpModuleContextContainer * GetModuleContextContainer()";
    1 mut fn dereference_file_monitor()
        = "VOID DereferenceFileMonitor()";
}
