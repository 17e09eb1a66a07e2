//! Tracing of failed requests.

use crate::records::{HTTP_TRACE_CONFIGURATION, HTTP_TRACE_EVENT};
use crate::types::{GUID, HRESULT, HTTP_MODULE_ID, PCWSTR};
use crate::version::IIS_7_0;

interface! {
    /// Tracing of one request, or of the server.
    class IHttpTraceContext(IHttpTraceContextVtbl, IHttpTraceContextImpl);
    iid 0x9f9098d5_915c_4294_a52e_66532a232bc9;
    since IIS_7_0;
    slots 5;

    0 mut fn get_trace_configuration(http_trace_configuration: *mut HTTP_TRACE_CONFIGURATION) -> HRESULT
        = "HRESULT GetTraceConfiguration(HTTP_TRACE_CONFIGURATION * pHttpTraceConfiguration)";
    1 mut fn set_trace_configuration(
        module_id: HTTP_MODULE_ID, http_trace_configuration: *mut HTTP_TRACE_CONFIGURATION,
        http_trace_configuration_count: u32,
    ) -> HRESULT
        = "HRESULT SetTraceConfiguration(HTTP_MODULE_ID moduleId, HTTP_TRACE_CONFIGURATION * \
            pHttpTraceConfiguration, DWORD cHttpTraceConfiguration = 1)";
    2 mut fn raise_trace_event(trace_event: *mut HTTP_TRACE_EVENT) -> HRESULT
        = "HRESULT RaiseTraceEvent(HTTP_TRACE_EVENT * pTraceEvent)";
    3 mut fn get_trace_activity_id() -> *const GUID
        = "LPCGUID GetTraceActivityId()";
    4 mut fn quick_trace(data1: PCWSTR, data2: PCWSTR, last_error: HRESULT, level: u8) -> HRESULT
        = "HRESULT QuickTrace(PCWSTR pszData1, PCWSTR pszData2 = NULL, HRESULT hrLastError = S_OK, UCHAR \
            Level = 4)";
}
