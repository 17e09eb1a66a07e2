// The response, and how it may be cached.

#pragma once

#include "http.hpp"

// How the response may be cached.
class IHttpCachePolicy {
public:
    virtual HTTP_CACHE_POLICY *GetKernelCachePolicy() = 0;
    virtual VOID SetKernelCacheInvalidatorSet() = 0;
    virtual HTTP_CACHE_POLICY *GetUserCachePolicy() = 0;
    virtual HRESULT AppendVaryByHeader(PCSTR pszHeader) = 0;
    virtual PCSTR GetVaryByHeaders() const = 0;
    virtual HRESULT AppendVaryByQueryString(PCSTR pszParam) = 0;
    virtual PCSTR GetVaryByQueryStrings() const = 0;
    virtual HRESULT SetVaryByValue(PCSTR pszValue) = 0;
    virtual PCSTR GetVaryByValue() const = 0;
    virtual BOOL IsUserCacheEnabled() const = 0;
    virtual VOID DisableUserCache() = 0;
    virtual BOOL IsCached() const = 0;
    virtual VOID SetIsCached() = 0;
    virtual BOOL GetKernelCacheInvalidatorSet() const = 0;
};

class IHttpCachePolicy2 : public IHttpCachePolicy {
public:
    virtual BOOL IsForceUpdateSet() const = 0;
    virtual VOID SetForceUpdate() = 0;
};

// The response. Four of its names are overloaded.
class IHttpResponse {
public:
    virtual HTTP_RESPONSE *GetRawHttpResponse() = 0;
    virtual const HTTP_RESPONSE *GetRawHttpResponse() const = 0;
    virtual IHttpCachePolicy *GetCachePolicy() = 0;
    virtual HRESULT SetStatus(
        USHORT statusCode, PCSTR pszReason, USHORT uSubStatus = 0, HRESULT hrErrorToReport = S_OK,
        IAppHostConfigException *pException = nullptr, BOOL fTrySkipCustomErrors = FALSE) = 0;
    virtual HRESULT SetHeader(PCSTR pszHeaderName, PCSTR pszHeaderValue, USHORT cchHeaderValue, BOOL fReplace) = 0;
    virtual HRESULT SetHeader(
        HTTP_HEADER_ID ulHeaderIndex, PCSTR pszHeaderValue, USHORT cchHeaderValue, BOOL fReplace) = 0;
    virtual HRESULT DeleteHeader(PCSTR pszHeaderName) = 0;
    virtual HRESULT DeleteHeader(HTTP_HEADER_ID ulHeaderIndex) = 0;
    virtual PCSTR GetHeader(PCSTR pszHeaderName, USHORT *pcchHeaderValue = nullptr) const = 0;
    virtual PCSTR GetHeader(HTTP_HEADER_ID ulHeaderIndex, USHORT *pcchHeaderValue = nullptr) const = 0;
    virtual VOID Clear() = 0;
    virtual VOID ClearHeaders() = 0;
    virtual VOID SetNeedDisconnect() = 0;
    virtual VOID ResetConnection() = 0;
    virtual VOID DisableKernelCache(ULONG reason = 9) = 0;
    virtual BOOL GetKernelCacheEnabled() const = 0;
    virtual VOID SuppressHeaders() = 0;
    virtual BOOL GetHeadersSuppressed() const = 0;
    virtual HRESULT Flush(BOOL fAsync, BOOL fMoreData, DWORD *pcbSent, BOOL *pfCompletionExpected = nullptr) = 0;
    virtual HRESULT Redirect(PCSTR pszUrl, BOOL fResetStatusCode = TRUE, BOOL fIncludeParameters = FALSE) = 0;
    virtual HRESULT WriteEntityChunkByReference(HTTP_DATA_CHUNK *pDataChunk, LONG lInsertPosition = -1) = 0;
    virtual HRESULT WriteEntityChunks(
        HTTP_DATA_CHUNK *pDataChunks, DWORD nChunks, BOOL fAsync, BOOL fMoreData, DWORD *pcbSent,
        BOOL *pfCompletionExpected = nullptr) = 0;
    virtual VOID DisableBuffering() = 0;
    virtual VOID GetStatus(
        USHORT *pStatusCode, USHORT *pSubStatus = nullptr, PCSTR *ppszReason = nullptr, USHORT *pcchReason = nullptr,
        HRESULT *phrErrorToReport = nullptr, PCWSTR *ppszModule = nullptr, DWORD *pdwNotification = nullptr,
        IAppHostConfigException **ppException = nullptr, BOOL *pfTrySkipCustomErrors = nullptr) = 0;
    virtual HRESULT SetErrorDescription(PCWSTR pszDescription, DWORD cchDescription, BOOL fHtmlEncode = TRUE) = 0;
    virtual PCWSTR GetErrorDescription(DWORD *pcchDescription = nullptr) = 0;
    virtual HRESULT GetHeaderChanges(
        DWORD dwOldChangeNumber, DWORD *pdwNewChangeNumber, PCSTR knownHeaderSnapshot[HttpHeaderResponseMaximum],
        DWORD *pdwUnknownHeaderSnapshot, PCSTR **ppUnknownHeaderNameSnapshot, PCSTR **ppUnknownHeaderValueSnapshot,
        DWORD diffedKnownHeaderIndices[HttpHeaderResponseMaximum+1], DWORD *pdwDiffedUnknownHeaders,
        DWORD **ppDiffedUnknownHeaderIndices) = 0;
    virtual VOID CloseConnection() = 0;
};

// IIS 8.0: writes that call back.
class IHttpResponse2 : public IHttpResponse {
public:
    virtual HRESULT WriteEntityChunks(
        HTTP_DATA_CHUNK *pDataChunks, DWORD nChunks, BOOL fAsync, BOOL fMoreData,
        PFN_ASYNC_COMPLETION pfnCompletionCallback, VOID *pvCompletionContext, DWORD *pcbSent,
        BOOL *pfCompletionExpected = nullptr) = 0;
    virtual HRESULT Flush(
        BOOL fAsync, BOOL fMoreData, PFN_ASYNC_COMPLETION pfnCompletionCallback, VOID *pvCompletionContext,
        DWORD *pcbSent, BOOL *pfCompletionExpected = nullptr) = 0;
};

// IIS 10.
class IHttpResponse3 : public IHttpResponse2 {
public:
    virtual HRESULT PushPromise(
        PCSTR pszVerb, PCWSTR pwszPath, PCWSTR pwszQuery, DWORD cHeaders, PCSTR *rgHeaderNames,
        PCSTR *rgHeaderValues) = 0;
};

// Windows Server 2022.
class IHttpResponse4 : public IHttpResponse3 {
public:
    virtual HRESULT DeleteTrailer(PCSTR pszHeaderName) = 0;
    virtual PCSTR GetTrailer(PCSTR pszHeaderName, USHORT *pcchHeaderValue = nullptr) const = 0;
    virtual VOID ResetStream(ULONG errorCode) = 0;
    virtual VOID SetNeedGoAway() = 0;
    virtual HRESULT SetTrailer(PCSTR pszHeaderName, PCSTR pszHeaderValue, USHORT cchHeaderValue, BOOL fReplace) = 0;
};
