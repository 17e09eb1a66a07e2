//! The response. Mind the order of the overloads: `crate::overloads` pins it.

use core::ffi::c_void;

use super::cache::IHttpCachePolicy;
use crate::callbacks::PFN_ASYNC_COMPLETION;
use crate::codes::HTTP_HEADER_ID;
use crate::opaque::IAppHostConfigException;
use crate::records::{HTTP_DATA_CHUNK, HTTP_RESPONSE};
use crate::types::{BOOL, HRESULT, PCSTR, PCWSTR};
use crate::version::{IIS_7_0, IIS_8_0, IIS_10_0};

interface! {
    /// The response.
    class IHttpResponse(IHttpResponseVtbl, IHttpResponseImpl);
    iid 0x7e1c6b38_628f_4e6c_95dc_41237eb7f95e;
    since IIS_7_0;
    slots 28;

    0 const fn get_raw_http_response() -> *const HTTP_RESPONSE
        = "const HTTP_RESPONSE * GetRawHttpResponse() const";
    1 mut fn get_raw_http_response_mut() -> *mut HTTP_RESPONSE
        = "HTTP_RESPONSE * GetRawHttpResponse()";
    2 mut fn get_cache_policy() -> *mut IHttpCachePolicy
        = "IHttpCachePolicy * GetCachePolicy()";
    3 mut fn set_status(
        status_code: u16, reason: PCSTR, sub_status: u16, error_to_report: HRESULT, exception: *mut
        IAppHostConfigException, try_skip_custom_errors: BOOL,
    ) -> HRESULT
        = "HRESULT SetStatus(USHORT statusCode, PCSTR pszReason, USHORT uSubStatus = 0, HRESULT \
            hrErrorToReport = S_OK, IAppHostConfigException * pException = NULL, BOOL fTrySkipCustomErrors \
            = FALSE)";
    4 mut fn set_header_by_id(
        header_index: HTTP_HEADER_ID, header_value: PCSTR, header_value_len: u16, replace: BOOL,
    ) -> HRESULT
        = "HRESULT SetHeader(HTTP_HEADER_ID ulHeaderIndex, PCSTR pszHeaderValue, USHORT cchHeaderValue, \
            BOOL fReplace)";
    5 mut fn set_header_by_name(
        header_name: PCSTR, header_value: PCSTR, header_value_len: u16, replace: BOOL,
    ) -> HRESULT
        = "HRESULT SetHeader(PCSTR pszHeaderName, PCSTR pszHeaderValue, USHORT cchHeaderValue, BOOL \
            fReplace)";
    6 mut fn delete_header_by_id(header_index: HTTP_HEADER_ID) -> HRESULT
        = "HRESULT DeleteHeader(HTTP_HEADER_ID ulHeaderIndex)";
    7 mut fn delete_header_by_name(header_name: PCSTR) -> HRESULT
        = "HRESULT DeleteHeader(PCSTR pszHeaderName)";
    8 const fn get_header_by_id(header_index: HTTP_HEADER_ID, header_value_len: *mut u16) -> PCSTR
        = "PCSTR GetHeader(HTTP_HEADER_ID ulHeaderIndex, USHORT * pcchHeaderValue = NULL) const";
    9 const fn get_header_by_name(header_name: PCSTR, header_value_len: *mut u16) -> PCSTR
        = "PCSTR GetHeader(PCSTR pszHeaderName, USHORT * pcchHeaderValue = NULL) const";
    10 mut fn clear()
        = "VOID Clear()";
    11 mut fn clear_headers()
        = "VOID ClearHeaders()";
    12 mut fn set_need_disconnect()
        = "VOID SetNeedDisconnect()";
    13 mut fn reset_connection()
        = "VOID ResetConnection()";
    14 mut fn disable_kernel_cache(reason: u32)
        = "VOID DisableKernelCache(ULONG reason = 9)";
    15 const fn get_kernel_cache_enabled() -> BOOL
        = "BOOL GetKernelCacheEnabled() const";
    16 mut fn suppress_headers()
        = "VOID SuppressHeaders()";
    17 const fn get_headers_suppressed() -> BOOL
        = "BOOL GetHeadersSuppressed() const";
    18 mut fn flush(
        is_async: BOOL, more_data: BOOL, sent: *mut u32, completion_expected: *mut BOOL,
    ) -> HRESULT
        = "HRESULT Flush(BOOL fAsync, BOOL fMoreData, DWORD * pcbSent, BOOL * pfCompletionExpected = \
            NULL)";
    19 mut fn redirect(url: PCSTR, reset_status_code: BOOL, include_parameters: BOOL) -> HRESULT
        = "HRESULT Redirect(PCSTR pszUrl, BOOL fResetStatusCode = TRUE, BOOL fIncludeParameters = FALSE)";
    20 mut fn write_entity_chunk_by_reference(
        data_chunk: *mut HTTP_DATA_CHUNK, insert_position: i32,
    ) -> HRESULT
        = "HRESULT WriteEntityChunkByReference(HTTP_DATA_CHUNK * pDataChunk, LONG lInsertPosition = -1)";
    21 mut fn write_entity_chunks(
        data_chunks: *mut HTTP_DATA_CHUNK, chunk_count: u32, is_async: BOOL, more_data: BOOL, sent:
        *mut u32, completion_expected: *mut BOOL,
    ) -> HRESULT
        = "HRESULT WriteEntityChunks(HTTP_DATA_CHUNK * pDataChunks, DWORD nChunks, BOOL fAsync, BOOL \
            fMoreData, DWORD * pcbSent, BOOL * pfCompletionExpected = NULL)";
    22 mut fn disable_buffering()
        = "VOID DisableBuffering()";
    23 mut fn get_status(
        status_code: *mut u16, sub_status: *mut u16, reason: *mut PCSTR, reason_len: *mut u16,
        error_to_report: *mut HRESULT, module: *mut PCWSTR, notification: *mut u32, exception: *mut
        *mut IAppHostConfigException, try_skip_custom_errors: *mut BOOL,
    )
        = "VOID GetStatus(USHORT * pStatusCode, USHORT * pSubStatus = NULL, PCSTR * ppszReason = NULL, \
            USHORT * pcchReason = NULL, HRESULT * phrErrorToReport = NULL, PCWSTR * ppszModule = NULL, \
            DWORD * pdwNotification = NULL, IAppHostConfigException ** ppException = NULL, BOOL * \
            pfTrySkipCustomErrors = NULL)";
    24 mut fn set_error_description(
        description: PCWSTR, description_len: u32, html_encode: BOOL,
    ) -> HRESULT
        = "HRESULT SetErrorDescription(PCWSTR pszDescription, DWORD cchDescription, BOOL fHtmlEncode = \
            TRUE)";
    25 mut fn get_error_description(description_len: *mut u32) -> PCWSTR
        = "PCWSTR GetErrorDescription(DWORD * pcchDescription = NULL)";
    26 mut fn get_header_changes(
        old_change_number: u32, new_change_number: *mut u32, known_header_snapshot: *mut PCSTR,
        unknown_header_snapshot: *mut u32, unknown_header_name_snapshot: *mut *mut PCSTR,
        unknown_header_value_snapshot: *mut *mut PCSTR, diffed_known_header_indices: *mut u32,
        diffed_unknown_headers: *mut u32, diffed_unknown_header_indices: *mut *mut u32,
    ) -> HRESULT
        = "HRESULT GetHeaderChanges(DWORD dwOldChangeNumber, DWORD * pdwNewChangeNumber, PCSTR \
            knownHeaderSnapshot[HttpHeaderResponseMaximum], DWORD * pdwUnknownHeaderSnapshot, PCSTR ** \
            ppUnknownHeaderNameSnapshot, PCSTR ** ppUnknownHeaderValueSnapshot, DWORD \
            diffedKnownHeaderIndices[HttpHeaderResponseMaximum+1], DWORD * pdwDiffedUnknownHeaders, DWORD \
            ** ppDiffedUnknownHeaderIndices)";
    27 mut fn close_connection()
        = "VOID CloseConnection()";
}

interface! {
    /// The response, with a callback for one write.
    class IHttpResponse2(IHttpResponse2Vtbl, IHttpResponse2Impl)
        : IHttpResponse(IHttpResponseVtbl, IHttpResponseImpl);
    iid 0x0822c871_f14e_4974_a1e6_5b3c1f09b76a;
    since IIS_8_0;
    slots 30;

    28 mut fn write_entity_chunks_with_callback(
        data_chunks: *mut HTTP_DATA_CHUNK, chunk_count: u32, is_async: BOOL, more_data: BOOL,
        callback: PFN_ASYNC_COMPLETION, context: *mut c_void, sent: *mut u32, completion_expected:
        *mut BOOL,
    ) -> HRESULT
        = "HRESULT WriteEntityChunks(HTTP_DATA_CHUNK * pDataChunks, DWORD nChunks, BOOL fAsync, BOOL \
            fMoreData, PFN_ASYNC_COMPLETION pfnCompletionCallback, VOID * pvCompletionContext, DWORD * \
            pcbSent, BOOL * pfCompletionExpected = NULL)";
    29 mut fn flush_with_callback(
        is_async: BOOL, more_data: BOOL, callback: PFN_ASYNC_COMPLETION, context: *mut c_void, sent:
        *mut u32, completion_expected: *mut BOOL,
    ) -> HRESULT
        = "HRESULT Flush(BOOL fAsync, BOOL fMoreData, PFN_ASYNC_COMPLETION pfnCompletionCallback, VOID * \
            pvCompletionContext, DWORD * pcbSent, BOOL * pfCompletionExpected = NULL)";
}

interface! {
    /// The response, with server push.
    class IHttpResponse3(IHttpResponse3Vtbl, IHttpResponse3Impl)
        : IHttpResponse2(IHttpResponse2Vtbl, IHttpResponse2Impl), IHttpResponse;
    iid 0x19578e49_d080_45da_b673_96cb475d3c5d;
    since IIS_10_0;
    slots 31;

    30 mut fn push_promise(
        verb: PCSTR, path: PCWSTR, query: PCWSTR, header_count: u32, header_names: *mut PCSTR,
        header_values: *mut PCSTR,
    ) -> HRESULT
        = "HRESULT PushPromise(PCSTR pszVerb, PCWSTR pwszPath, PCWSTR pwszQuery, DWORD cHeaders, PCSTR * \
            rgHeaderNames, PCSTR * rgHeaderValues)";
}

interface! {
    /// The response, with trailers and the reset of a stream.
    ///
    /// Its version number does not tell whether it is there: see
    /// [`MUST_BE_PROBED`](crate::version::MUST_BE_PROBED).
    class IHttpResponse4(IHttpResponse4Vtbl, IHttpResponse4Impl)
        : IHttpResponse3(IHttpResponse3Vtbl, IHttpResponse3Impl), IHttpResponse2, IHttpResponse;
    iid 0x1a2acc57_cae2_4f28_b4ab_00c8f96b12ec;
    since IIS_10_0;
    slots 36;

    31 mut fn delete_trailer(header_name: PCSTR) -> HRESULT
        = "HRESULT DeleteTrailer(PCSTR pszHeaderName)";
    32 const fn get_trailer(header_name: PCSTR, header_value_len: *mut u16) -> PCSTR
        = "PCSTR GetTrailer(PCSTR pszHeaderName, USHORT * pcchHeaderValue = NULL) const";
    33 mut fn reset_stream(error_code: u32)
        = "VOID ResetStream(ULONG errorCode)";
    34 mut fn set_need_go_away()
        = "VOID SetNeedGoAway()";
    35 mut fn set_trailer(
        header_name: PCSTR, header_value: PCSTR, header_value_len: u16, replace: BOOL,
    ) -> HRESULT
        = "HRESULT SetTrailer(PCSTR pszHeaderName, PCSTR pszHeaderValue, USHORT cchHeaderValue, BOOL \
            fReplace)";
}
