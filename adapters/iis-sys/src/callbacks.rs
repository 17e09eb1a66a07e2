//! The functions that IIS and a module give each other: the entry point and the completion routines.
//!
//! They are `WINAPI`: `stdcall` on x86, where the entry point has to be exported as `RegisterModule` all the same,
//! without the decoration.
//!
//! The completion routines may be null, hence the `Option`.

use core::ffi::{CStr, c_void};

use crate::codes::REQUEST_NOTIFICATION_STATUS;
use crate::types::{BOOL, HRESULT, OVERLAPPED};
use crate::{IHttpCompletionInfo2, IHttpContext3, IHttpModuleRegistrationInfo, IHttpServer};

/// The name that a module's DLL exports its entry point by: `MODULE_REGISTERMODULE`.
pub const REGISTER_MODULE: &CStr = c"RegisterModule";

/// The entry point of a module: `RegisterModule`.
///
/// The first argument is the version of IIS, as in [`crate::version`].
pub type PFN_REGISTERMODULE = unsafe extern "system" fn(
    server_version: u32,
    module_info: *mut IHttpModuleRegistrationInfo,
    global_info: *mut IHttpServer,
) -> HRESULT;

/// Called when one read or write has ended, in place of `OnAsyncCompletion`.
pub type PFN_ASYNC_COMPLETION = Option<
    unsafe extern "system" fn(
        context: *mut IHttpContext3,
        completion_info: *mut IHttpCompletionInfo2,
        completion_context: *mut c_void,
    ) -> REQUEST_NOTIFICATION_STATUS,
>;

/// Called when an operation of a WebSocket has ended.
pub type PFN_WEBSOCKET_COMPLETION = Option<
    unsafe extern "system" fn(
        error: HRESULT,
        completion_context: *mut c_void,
        bytes: u32,
        utf8: BOOL,
        final_fragment: BOOL,
        close: BOOL,
    ),
>;

/// Called when an operation of Windows has ended on a handle that `AssociateWithThreadPool` was given.
pub type LPOVERLAPPED_COMPLETION_ROUTINE =
    Option<unsafe extern "system" fn(error: u32, bytes: u32, overlapped: *mut OVERLAPPED)>;
