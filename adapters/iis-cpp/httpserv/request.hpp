// The request.

#pragma once

#include "http.hpp"

// The request. Five of its names are overloaded.
class IHttpRequest {
public:
    virtual HTTP_REQUEST *GetRawHttpRequest() = 0;
    virtual const HTTP_REQUEST *GetRawHttpRequest() const = 0;
    virtual PCSTR GetHeader(PCSTR pszHeaderName, USHORT *pcchHeaderValue = nullptr) const = 0;
    virtual PCSTR GetHeader(HTTP_HEADER_ID ulHeaderIndex, USHORT *pcchHeaderValue = nullptr) const = 0;
    virtual HRESULT SetHeader(PCSTR pszHeaderName, PCSTR pszHeaderValue, USHORT cchHeaderValue, BOOL fReplace) = 0;
    virtual HRESULT SetHeader(
        HTTP_HEADER_ID ulHeaderIndex, PCSTR pszHeaderValue, USHORT cchHeaderValue, BOOL fReplace) = 0;
    virtual HRESULT DeleteHeader(PCSTR pszHeaderName) = 0;
    virtual HRESULT DeleteHeader(HTTP_HEADER_ID ulHeaderIndex) = 0;
    virtual PCSTR GetHttpMethod() const = 0;
    virtual HRESULT SetHttpMethod(PCSTR pszHttpMethod) = 0;
    virtual HRESULT SetUrl(PCWSTR pszUrl, DWORD cchUrl, BOOL fResetQueryString) = 0;
    virtual HRESULT SetUrl(PCSTR pszUrl, DWORD cchUrl, BOOL fResetQueryString) = 0;
    virtual BOOL GetUrlChanged() const = 0;
    virtual PCWSTR GetForwardedUrl() const = 0;
    virtual PSOCKADDR GetLocalAddress() const = 0;
    virtual PSOCKADDR GetRemoteAddress() const = 0;
    virtual HRESULT ReadEntityBody(
        VOID *pvBuffer, DWORD cbBuffer, BOOL fAsync, DWORD *pcbBytesReceived,
        BOOL *pfCompletionPending = nullptr) = 0;
    virtual HRESULT InsertEntityBody(VOID *pvBuffer, DWORD cbBuffer) = 0;
    virtual DWORD GetRemainingEntityBytes() = 0;
    virtual VOID GetHttpVersion(USHORT *pMajorVersion, USHORT *pMinorVersion) const = 0;
    virtual HRESULT GetClientCertificate(
        HTTP_SSL_CLIENT_CERT_INFO **ppClientCertInfo, BOOL *pfClientCertNegotiated) = 0;
    virtual HRESULT NegotiateClientCertificate(BOOL fAsync, BOOL *pfCompletionPending = nullptr) = 0;
    virtual DWORD GetSiteId() const = 0;
    virtual HRESULT GetHeaderChanges(
        DWORD dwOldChangeNumber, DWORD *pdwNewChangeNumber, PCSTR knownHeaderSnapshot[HttpHeaderRequestMaximum],
        DWORD *pdwUnknownHeaderSnapshot, PCSTR **ppUnknownHeaderNameSnapshot, PCSTR **ppUnknownHeaderValueSnapshot,
        DWORD diffedKnownHeaderIndices[HttpHeaderRequestMaximum+1], DWORD *pdwDiffedUnknownHeaders,
        DWORD **ppDiffedUnknownHeaderIndices) = 0;
};

// IIS 7.5.
class IHttpRequest2 : public IHttpRequest {
public:
    virtual HRESULT GetChannelBindingToken(PBYTE *ppToken, DWORD *pTokenSize) = 0;
};

// IIS 8.0: a read that calls back. Overloads of a derived class are slots at its end.
class IHttpRequest3 : public IHttpRequest2 {
public:
    virtual HRESULT ReadEntityBody(
        VOID *pvBuffer, DWORD cbBuffer, BOOL fAsync, PFN_ASYNC_COMPLETION pfnCompletionCallback,
        VOID *pvCompletionContext, DWORD *pcbBytesReceived, BOOL *pfCompletionPending = nullptr) = 0;
};

// Windows 10 1903.
class IHttpRequest4 : public IHttpRequest3 {
public:
    virtual HRESULT ReadEntityBody(
        VOID *pvBuffer, DWORD cbBuffer, BOOL fAsync, ULONG ulFlags, DWORD *pcbBytesReceived,
        BOOL *pfCompletionPending = nullptr) = 0;
};
