//! The user, and the connection that the user came by.

use core::ffi::c_void;

use super::stored::IHttpConnectionModuleContextContainer;
use crate::types::{BOOL, HANDLE, HRESULT, PCSTR, PCWSTR};
use crate::version::IIS_7_0;

interface! {
    /// A user. An authentication module implements it.
    class IHttpUser(IHttpUserVtbl, IHttpUserImpl);
    iid 0x8059e6f8_10ce_4d61_b47e_5a1d8d9a8b67;
    since IIS_7_0;
    slots 11;

    0 mut fn get_remote_user_name() -> PCWSTR
        = "PCWSTR GetRemoteUserName()";
    1 mut fn get_user_name() -> PCWSTR
        = "PCWSTR GetUserName()";
    2 mut fn get_authentication_type() -> PCWSTR
        = "PCWSTR GetAuthenticationType()";
    3 mut fn get_password() -> PCWSTR
        = "PCWSTR GetPassword()";
    4 mut fn get_impersonation_token() -> HANDLE
        = "HANDLE GetImpersonationToken()";
    5 mut fn get_primary_token() -> HANDLE
        = "HANDLE GetPrimaryToken()";
    6 mut fn reference_user()
        = "VOID ReferenceUser()";
    7 mut fn dereference_user()
        = "VOID DereferenceUser()";
    8 mut fn supports_is_in_role() -> BOOL
        = "BOOL SupportsIsInRole()";
    9 mut fn is_in_role(role_name: PCWSTR, in_role: *mut BOOL) -> HRESULT
        = "HRESULT IsInRole(PCWSTR pszRoleName, BOOL * pfInRole)";
    10 mut fn get_user_variable(variable_name: PCSTR) -> *mut c_void
        = "PVOID GetUserVariable(PCSTR pszVariableName)";
}

interface! {
    /// A client's connection.
    class IHttpConnection(IHttpConnectionVtbl, IHttpConnectionImpl);
    iid 0xd9a5de00_3346_4599_9826_fe88565e1226;
    since IIS_7_0;
    slots 3;

    0 const fn is_connected() -> BOOL
        = "BOOL IsConnected() const";
    1 mut fn allocate_memory(allocation_len: u32) -> *mut c_void
        = "VOID * AllocateMemory(DWORD cbAllocation)";
    2 mut fn get_module_context_container() -> *mut IHttpConnectionModuleContextContainer
        = "IHttpConnectionModuleContextContainer * GetModuleContextContainer()";
}
