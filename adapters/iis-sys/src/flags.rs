//! The flags, and what else httpserv.h and http.h define by name.

use core::ffi::CStr;

macro_rules! flags {
    ($($name:ident = $value:literal, $about:literal;)+) => {
        $(
            #[doc = $about]
            pub const $name: u32 = $value;
        )+
    };
}

// Request notifications, in the order in which they come.
flags! {
    RQ_BEGIN_REQUEST = 0x1, "`OnBeginRequest`.";
    RQ_AUTHENTICATE_REQUEST = 0x2, "`OnAuthenticateRequest`.";
    RQ_AUTHORIZE_REQUEST = 0x4, "`OnAuthorizeRequest`.";
    RQ_RESOLVE_REQUEST_CACHE = 0x8, "`OnResolveRequestCache`.";
    RQ_MAP_REQUEST_HANDLER = 0x10, "`OnMapRequestHandler`.";
    RQ_ACQUIRE_REQUEST_STATE = 0x20, "`OnAcquireRequestState`.";
    RQ_PRE_EXECUTE_REQUEST_HANDLER = 0x40, "`OnPreExecuteRequestHandler`.";
    RQ_EXECUTE_REQUEST_HANDLER = 0x80, "`OnExecuteRequestHandler`.";
    RQ_RELEASE_REQUEST_STATE = 0x100, "`OnReleaseRequestState`.";
    RQ_UPDATE_REQUEST_CACHE = 0x200, "`OnUpdateRequestCache`.";
    RQ_LOG_REQUEST = 0x400, "`OnLogRequest`.";
    RQ_END_REQUEST = 0x800, "`OnEndRequest`.";
    RQ_SEND_RESPONSE_STATUS_AND_HEADERS = 0x0800_0000, "In the headers since IIS 8.5, and nowhere documented.";
    RQ_CUSTOM_NOTIFICATION = 0x1000_0000, "`OnCustomRequestNotification`; comes when a module raises it.";
    RQ_SEND_RESPONSE = 0x2000_0000, "`OnSendResponse`; comes at any time.";
    RQ_READ_ENTITY = 0x4000_0000, "`OnReadEntity`; comes at any time.";
    RQ_MAP_PATH = 0x8000_0000, "`OnMapPath`; comes at any time.";
}

// Global notifications. 0x1 and 0x8 are not used.
flags! {
    GL_STOP_LISTENING = 0x2, "`OnGlobalStopListening`.";
    GL_CACHE_CLEANUP = 0x4, "`OnGlobalCacheCleanup`.";
    GL_CACHE_OPERATION = 0x10, "`OnGlobalCacheOperation`.";
    GL_HEALTH_CHECK = 0x20, "`OnGlobalHealthCheck`.";
    GL_CONFIGURATION_CHANGE = 0x40, "`OnGlobalConfigurationChange`.";
    GL_FILE_CHANGE = 0x80, "`OnGlobalFileChange`.";
    GL_PRE_BEGIN_REQUEST = 0x100, "`OnGlobalPreBeginRequest`.";
    GL_APPLICATION_START = 0x200, "`OnGlobalApplicationStart`.";
    GL_APPLICATION_RESOLVE_MODULES = 0x400, "`OnGlobalApplicationResolveModules`.";
    GL_APPLICATION_STOP = 0x800, "`OnGlobalApplicationStop`.";
    GL_RSCA_QUERY = 0x1000, "`OnGlobalRSCAQuery`.";
    GL_TRACE_EVENT = 0x2000, "`OnGlobalTraceEvent`.";
    GL_CUSTOM_NOTIFICATION = 0x4000, "`OnGlobalCustomNotification`.";
    GL_THREAD_CLEANUP = 0x8000, "`OnGlobalThreadCleanup`.";
    GL_APPLICATION_PRELOAD = 0x1_0000, "`OnGlobalApplicationPreload`; since IIS 7.5.";
    GL_SUSPEND_PROCESS = 0x2_0000, "`OnSuspendProcess`; since IIS 8.5.";
}

// What `IHttpContext::CloneContext` copies.
flags! {
    CLONE_FLAG_BASICS = 0x1, "The essentials of the request.";
    CLONE_FLAG_HEADERS = 0x2, "The headers.";
    CLONE_FLAG_ENTITY = 0x4, "The body.";
    CLONE_FLAG_NO_PRECONDITION = 0x8, "Not the headers that make the request conditional.";
    CLONE_FLAG_NO_DAV = 0x10, "Not the headers of WebDAV.";
    CLONE_FLAG_USER_CACHE_VARY_BY = 0x20, "What the user cache varies by.";
    CLONE_FLAG_SERVER_VARIABLE = 0x40, "The server variables.";
}

// How `IHttpContext::ExecuteRequest` runs a child request.
flags! {
    EXECUTE_FLAG_NO_HEADERS = 0x1, "Without the headers of its response.";
    EXECUTE_FLAG_IGNORE_CURRENT_INTERCEPTOR = 0x2, "Not through the handler that runs it.";
    EXECUTE_FLAG_IGNORE_APPPOOL = 0x4, "Also where the URL is of another application pool.";
    EXECUTE_FLAG_DISABLE_CUSTOM_ERROR = 0x8, "Without custom errors.";
    EXECUTE_FLAG_SAME_URL = 0x10, "With the URL of its parent.";
    EXECUTE_FLAG_BUFFER_RESPONSE = 0x20, "Its response goes to the parent and not to the client.";
    EXECUTE_FLAG_HTTP_CACHE_ELIGIBLE = 0x40, "http.sys may cache it.";
}

// How http.sys sends a response: `ISendResponseProvider::GetFlags`.
flags! {
    HTTP_SEND_RESPONSE_FLAG_DISCONNECT = 0x1, "The connection ends after it.";
    HTTP_SEND_RESPONSE_FLAG_MORE_DATA = 0x2, "There is more to come.";
    HTTP_SEND_RESPONSE_FLAG_BUFFER_DATA = 0x4, "http.sys buffers it.";
    HTTP_SEND_RESPONSE_FLAG_ENABLE_NAGLING = 0x8, "With Nagle's algorithm.";
    HTTP_SEND_RESPONSE_FLAG_PROCESS_RANGES = 0x20, "http.sys answers range requests.";
    HTTP_SEND_RESPONSE_FLAG_OPAQUE = 0x40, "Not HTTP any more: after an upgrade.";
    HTTP_SEND_RESPONSE_FLAG_GOAWAY = 0x100, "Tells an HTTP/2 client to open another connection.";
    HTTP_SEND_RESPONSE_FLAG_AUTOMATIC_CHUNKING = 0x200, "http.sys writes the chunked encoding.";
}

// What http.sys says of a request: `HTTP_REQUEST_V1::Flags`.
flags! {
    HTTP_REQUEST_FLAG_MORE_ENTITY_BODY_EXISTS = 0x1, "There is more of the body to read.";
    HTTP_REQUEST_FLAG_IP_ROUTED = 0x2, "It was routed by its IP address.";
    HTTP_REQUEST_FLAG_HTTP2 = 0x4, "It came over HTTP/2.";
    HTTP_REQUEST_FLAG_HTTP3 = 0x8, "It came over HTTP/3.";
}

// How `HTTP_MULTIPLE_KNOWN_HEADERS` are sent.
flags! {
    HTTP_RESPONSE_INFO_FLAGS_PRESERVE_ORDER = 0x1, "In the order of the list.";
}

/// The default argument of `IHttpResponse::DisableKernelCache`.
pub const DISABLE_KERNEL_CACHE_REASON: u32 = 9;
/// The default level of `IHttpTraceContext::QuickTrace`.
pub const QUICK_TRACE_LEVEL: u8 = 4;

/// Before all other modules. As a `PCWSTR`: `PRIORITY_ALIAS_FIRST.as_ptr()`.
pub const PRIORITY_ALIAS_FIRST: &[u16; 6] = &utf16(b"FIRST");
/// Early.
pub const PRIORITY_ALIAS_HIGH: &[u16; 5] = &utf16(b"HIGH");
/// Where modules are that say nothing.
pub const PRIORITY_ALIAS_MEDIUM: &[u16; 7] = &utf16(b"MEDIUM");
/// Late.
pub const PRIORITY_ALIAS_LOW: &[u16; 4] = &utf16(b"LOW");
/// After all other modules.
pub const PRIORITY_ALIAS_LAST: &[u16; 5] = &utf16(b"LAST");

/// The name of the WebSocket in `INamedContextContainer::GetNamedContext`.
pub const WEBSOCKETS: &[u16; 11] = &utf16(b"websockets");

/// The user's SID, in `IHttpUser::GetUserVariable`.
pub const HTTP_USER_VARIABLE_SID: &CStr = c"SID";
/// The context handle of the authentication.
pub const HTTP_USER_VARIABLE_CTXT_HANDLE: &CStr = c"CtxtHandle";
/// The credential handle of the authentication.
pub const HTTP_USER_VARIABLE_CRED_HANDLE: &CStr = c"CredHandle";

/// ASCII as zero-terminated UTF-16.
const fn utf16<const N: usize, const TERMINATED: usize>(text: &[u8; N]) -> [u16; TERMINATED] {
    assert!(TERMINATED == N + 1);
    let mut wide = [0; TERMINATED];
    let mut index = 0;
    while index < N {
        assert!(text[index].is_ascii());
        wide[index] = text[index] as u16;
        index += 1;
    }
    wide
}
