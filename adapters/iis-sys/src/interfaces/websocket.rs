//! WebSockets, from iiswebsocket.h.

use core::ffi::c_void;

use super::stored::{IHttpStoredContext, IHttpStoredContextImpl, IHttpStoredContextVtbl};
use crate::callbacks::PFN_WEBSOCKET_COMPLETION;
use crate::types::{BOOL, HRESULT, PCWSTR};
use crate::version::IIS_8_0;

interface! {
    /// A request that became a WebSocket: the context named `websockets` of the
    /// [`INamedContextContainer`](crate::INamedContextContainer).
    ///
    /// The header gives no interface id, and no fact sheet has pinned its slots: they follow the declaration.
    class IWebSocketContext(IWebSocketContextVtbl, IWebSocketContextImpl)
        : IHttpStoredContext(IHttpStoredContextVtbl, IHttpStoredContextImpl);
    since IIS_8_0;
    slots 7;

    1 mut fn write_fragment(
        buffer: *mut c_void, buffer_len: *mut u32, is_async: BOOL, utf8: BOOL, final_fragment: BOOL,
        completion: PFN_WEBSOCKET_COMPLETION, context: *mut c_void, completion_expected: *mut BOOL,
    ) -> HRESULT
        = "HRESULT WriteFragment(VOID * pvBuffer, DWORD * pcbBuffer, BOOL fAsync, BOOL fUTF8, BOOL \
            fFinalFragment, PFN_WEBSOCKET_COMPLETION pfnCompletion, VOID * pvCompletionContext, BOOL * \
            pfCompletionExpected)";
    2 mut fn read_fragment(
        buffer: *mut c_void, buffer_len: *mut u32, is_async: BOOL, utf8: *mut BOOL, final_fragment:
        *mut BOOL, connection_close: *mut BOOL, completion: PFN_WEBSOCKET_COMPLETION, context: *mut
        c_void, completion_expected: *mut BOOL,
    ) -> HRESULT
        = "HRESULT ReadFragment(VOID * pvBuffer, DWORD * pcbBuffer, BOOL fAsync, BOOL * pfUTF8, BOOL * \
            pfFinalFragment, BOOL * pfConnectionClose, PFN_WEBSOCKET_COMPLETION pfnCompletion, VOID * \
            pvCompletionContext, BOOL * pfCompletionExpected)";
    3 mut fn send_connection_close(
        is_async: BOOL, status_code: u16, reason: PCWSTR, completion: PFN_WEBSOCKET_COMPLETION,
        context: *mut c_void, completion_expected: *mut BOOL,
    ) -> HRESULT
        = "HRESULT SendConnectionClose(BOOL fAsync, USHORT uStatusCode, LPCWSTR pszReason, \
            PFN_WEBSOCKET_COMPLETION pfnCompletion, VOID * pvCompletionContext, BOOL * \
            pfCompletionExpected)";
    4 mut fn get_close_status(status_code: *mut u16, reason: *mut PCWSTR, reason_len: *mut u16) -> HRESULT
        = "HRESULT GetCloseStatus(USHORT * pStatusCode, LPCWSTR * ppszReason, USHORT * pcchReason)";
    5 mut fn close_tcp_connection()
        = "VOID CloseTcpConnection()";
    6 mut fn cancel_outstanding_io()
        = "VOID CancelOutstandingIO()";
}
