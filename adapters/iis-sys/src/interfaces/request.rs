//! The request. Mind the order of the overloads: `crate::overloads` pins it.

use core::ffi::c_void;

use crate::callbacks::PFN_ASYNC_COMPLETION;
use crate::codes::HTTP_HEADER_ID;
use crate::records::{HTTP_REQUEST, HTTP_SSL_CLIENT_CERT_INFO, SOCKADDR};
use crate::types::{BOOL, HRESULT, PCSTR, PCWSTR};
use crate::version::{IIS_7_0, IIS_7_5, IIS_8_0, IIS_10_0};

interface! {
    /// The request.
    class IHttpRequest(IHttpRequestVtbl, IHttpRequestImpl);
    iid 0xe8698f7e_576e_4cac_a309_67435355faef;
    since IIS_7_0;
    slots 24;

    0 const fn get_raw_http_request() -> *const HTTP_REQUEST
        = "const HTTP_REQUEST * GetRawHttpRequest() const";
    1 mut fn get_raw_http_request_mut() -> *mut HTTP_REQUEST
        = "HTTP_REQUEST * GetRawHttpRequest()";
    2 const fn get_header_by_id(header_index: HTTP_HEADER_ID, header_value_len: *mut u16) -> PCSTR
        = "PCSTR GetHeader(HTTP_HEADER_ID ulHeaderIndex, USHORT * pcchHeaderValue = NULL) const";
    3 const fn get_header_by_name(header_name: PCSTR, header_value_len: *mut u16) -> PCSTR
        = "PCSTR GetHeader(PCSTR pszHeaderName, USHORT * pcchHeaderValue = NULL) const";
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
    8 const fn get_http_method() -> PCSTR
        = "PCSTR GetHttpMethod() const";
    9 mut fn set_http_method(http_method: PCSTR) -> HRESULT
        = "HRESULT SetHttpMethod(PCSTR pszHttpMethod)";
    10 mut fn set_url_ansi(url: PCSTR, url_len: u32, reset_query_string: BOOL) -> HRESULT
        = "HRESULT SetUrl(PCSTR pszUrl, DWORD cchUrl, BOOL fResetQueryString)";
    11 mut fn set_url_wide(url: PCWSTR, url_len: u32, reset_query_string: BOOL) -> HRESULT
        = "HRESULT SetUrl(PCWSTR pszUrl, DWORD cchUrl, BOOL fResetQueryString)";
    12 const fn get_url_changed() -> BOOL
        = "BOOL GetUrlChanged() const";
    13 const fn get_forwarded_url() -> PCWSTR
        = "PCWSTR GetForwardedUrl() const";
    14 const fn get_local_address() -> *mut SOCKADDR
        = "PSOCKADDR GetLocalAddress() const";
    15 const fn get_remote_address() -> *mut SOCKADDR
        = "PSOCKADDR GetRemoteAddress() const";
    16 mut fn read_entity_body(
        buffer: *mut c_void, buffer_len: u32, is_async: BOOL, bytes_received: *mut u32,
        completion_pending: *mut BOOL,
    ) -> HRESULT
        = "HRESULT ReadEntityBody(VOID * pvBuffer, DWORD cbBuffer, BOOL fAsync, DWORD * pcbBytesReceived, \
            BOOL * pfCompletionPending = NULL)";
    17 mut fn insert_entity_body(buffer: *mut c_void, buffer_len: u32) -> HRESULT
        = "HRESULT InsertEntityBody(VOID * pvBuffer, DWORD cbBuffer)";
    18 mut fn get_remaining_entity_bytes() -> u32
        = "DWORD GetRemainingEntityBytes()";
    19 const fn get_http_version(major_version: *mut u16, minor_version: *mut u16)
        = "VOID GetHttpVersion(USHORT * pMajorVersion, USHORT * pMinorVersion) const";
    20 mut fn get_client_certificate(
        client_cert_info: *mut *mut HTTP_SSL_CLIENT_CERT_INFO, client_cert_negotiated: *mut BOOL,
    ) -> HRESULT
        = "HRESULT GetClientCertificate(HTTP_SSL_CLIENT_CERT_INFO ** ppClientCertInfo, BOOL * \
            pfClientCertNegotiated)";
    21 mut fn negotiate_client_certificate(is_async: BOOL, completion_pending: *mut BOOL) -> HRESULT
        = "HRESULT NegotiateClientCertificate(BOOL fAsync, BOOL * pfCompletionPending = NULL)";
    22 const fn get_site_id() -> u32
        = "DWORD GetSiteId() const";
    23 mut fn get_header_changes(
        old_change_number: u32, new_change_number: *mut u32, known_header_snapshot: *mut PCSTR,
        unknown_header_snapshot: *mut u32, unknown_header_name_snapshot: *mut *mut PCSTR,
        unknown_header_value_snapshot: *mut *mut PCSTR, diffed_known_header_indices: *mut u32,
        diffed_unknown_headers: *mut u32, diffed_unknown_header_indices: *mut *mut u32,
    ) -> HRESULT
        = "HRESULT GetHeaderChanges(DWORD dwOldChangeNumber, DWORD * pdwNewChangeNumber, PCSTR \
            knownHeaderSnapshot[HttpHeaderRequestMaximum], DWORD * pdwUnknownHeaderSnapshot, PCSTR ** \
            ppUnknownHeaderNameSnapshot, PCSTR ** ppUnknownHeaderValueSnapshot, DWORD \
            diffedKnownHeaderIndices[HttpHeaderRequestMaximum+1], DWORD * pdwDiffedUnknownHeaders, DWORD \
            ** ppDiffedUnknownHeaderIndices)";
}

interface! {
    /// The request, with the channel binding token.
    class IHttpRequest2(IHttpRequest2Vtbl, IHttpRequest2Impl)
        : IHttpRequest(IHttpRequestVtbl, IHttpRequestImpl);
    iid 0xd9244ae1_51f8_4aa1_a66d_19277c33e610;
    since IIS_7_5;
    slots 25;

    24 mut fn get_channel_binding_token(token: *mut *mut u8, token_size: *mut u32) -> HRESULT
        = "HRESULT GetChannelBindingToken(PBYTE * ppToken, DWORD * pTokenSize)";
}

interface! {
    /// The request, with a callback for one read.
    class IHttpRequest3(IHttpRequest3Vtbl, IHttpRequest3Impl)
        : IHttpRequest2(IHttpRequest2Vtbl, IHttpRequest2Impl), IHttpRequest;
    iid 0xb32e4e0f_4057_4feb_aeab_7b69c03c6314;
    since IIS_8_0;
    slots 26;

    25 mut fn read_entity_body_with_callback(
        buffer: *mut c_void, buffer_len: u32, is_async: BOOL, callback: PFN_ASYNC_COMPLETION,
        context: *mut c_void, bytes_received: *mut u32, completion_pending: *mut BOOL,
    ) -> HRESULT
        = "HRESULT ReadEntityBody(VOID * pvBuffer, DWORD cbBuffer, BOOL fAsync, PFN_ASYNC_COMPLETION \
            pfnCompletionCallback, VOID * pvCompletionContext, DWORD * pcbBytesReceived, BOOL * \
            pfCompletionPending = NULL)";
}

interface! {
    /// The request, with flags for one read.
    ///
    /// Its version number does not tell whether it is there: see
    /// [`MUST_BE_PROBED`](crate::version::MUST_BE_PROBED).
    class IHttpRequest4(IHttpRequest4Vtbl, IHttpRequest4Impl)
        : IHttpRequest3(IHttpRequest3Vtbl, IHttpRequest3Impl), IHttpRequest2, IHttpRequest;
    iid 0x3816f517_f631_49f0_8b51_16d6f0c6ffb2;
    since IIS_10_0;
    slots 27;

    26 mut fn read_entity_body_with_flags(
        buffer: *mut c_void, buffer_len: u32, is_async: BOOL, flags: u32, bytes_received: *mut u32,
        completion_pending: *mut BOOL,
    ) -> HRESULT
        = "HRESULT ReadEntityBody(VOID* pvBuffer, DWORD cbBuffer, BOOL fAsync, ULONG ulFlags, DWORD * \
            pcbBytesReceived, BOOL * pfCompletionPending = NULL)";
}
