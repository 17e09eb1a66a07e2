// The request of a case, and its body.

#pragma once

#include "headers.hpp"
#include "machine.hpp"

// Whether the length of the body is announced; a chunked one has none.
inline bool has_length = true;

class Request final : public IHttpRequest4 {
public:
    Request(Context *owner, PCSTR method, PCSTR url, DWORD url_count);

    HTTP_REQUEST *GetRawHttpRequest() override {
        if (tell_raw) called("IHttpRequest::GetRawHttpRequest to change");
        return &raw;
    }
    const HTTP_REQUEST *GetRawHttpRequest() const override {
        if (tell_raw) called("IHttpRequest::GetRawHttpRequest to read");
        return &raw;
    }
    PCSTR GetHeader(PCSTR name, USHORT *count) const override {
        called("IHttpRequest::GetHeader by name", name);
        return headers.get(name, count);
    }
    PCSTR GetHeader(HTTP_HEADER_ID id, USHORT *count) const override {
        called("IHttpRequest::GetHeader by id", id);
        return headers.get(static_cast<DWORD>(id), count);
    }
    HRESULT SetHeader(PCSTR name, PCSTR value, USHORT count, BOOL replace) override {
        called("IHttpRequest::SetHeader by name", name);
        return headers.set(name, value, count, replace);
    }
    HRESULT SetHeader(HTTP_HEADER_ID id, PCSTR value, USHORT count, BOOL replace) override {
        called("IHttpRequest::SetHeader by id", id);
        return headers.set(static_cast<DWORD>(id), value, count, replace);
    }
    HRESULT DeleteHeader(PCSTR name) override {
        called("IHttpRequest::DeleteHeader by name", name);
        return headers.remove(name);
    }
    HRESULT DeleteHeader(HTTP_HEADER_ID id) override {
        called("IHttpRequest::DeleteHeader by id", id);
        return headers.remove(static_cast<DWORD>(id));
    }
    PCSTR GetHttpMethod() const override { return method; }
    HRESULT SetHttpMethod(PCSTR name) override;
    HRESULT SetUrl(PCWSTR url, DWORD count, BOOL) override;
    HRESULT SetUrl(PCSTR url, DWORD count, BOOL) override;
    BOOL GetUrlChanged() const override { return changed; }
    PCWSTR GetForwardedUrl() const override { return raw.CookedUrl.pAbsPath; }
    PSOCKADDR GetLocalAddress() const override { return raw.Address.pLocalAddress; }
    PSOCKADDR GetRemoteAddress() const override { return raw.Address.pRemoteAddress; }
    HRESULT ReadEntityBody(VOID *buffer, DWORD size, BOOL async, DWORD *received, BOOL *pending) override {
        called("IHttpRequest::ReadEntityBody", size);
        return read(buffer, size, async, received, pending, nullptr, nullptr);
    }
    HRESULT InsertEntityBody(VOID *buffer, DWORD size) override;
    DWORD GetRemainingEntityBytes() override {
        if (!has_length && !at_end) return INFINITE;
        return left();
    }
    VOID GetHttpVersion(USHORT *major, USHORT *minor) const override {
        *major = raw.Version.MajorVersion;
        *minor = raw.Version.MinorVersion;
    }
    HRESULT GetClientCertificate(HTTP_SSL_CLIENT_CERT_INFO **, BOOL *) override {
        return HRESULT_FROM_WIN32(ERROR_NOT_SUPPORTED);
    }
    HRESULT NegotiateClientCertificate(BOOL, BOOL *) override { return HRESULT_FROM_WIN32(ERROR_NOT_SUPPORTED); }
    DWORD GetSiteId() const override { return 1; }
    HRESULT GetHeaderChanges(DWORD, DWORD *, PCSTR *, DWORD *, PCSTR **, PCSTR **, DWORD *, DWORD *,
                             DWORD **) override {
        return missing("IHttpRequest::GetHeaderChanges");
    }
    HRESULT GetChannelBindingToken(PBYTE *, DWORD *) override { return HRESULT_FROM_WIN32(ERROR_NOT_SUPPORTED); }
    HRESULT ReadEntityBody(VOID *buffer, DWORD size, BOOL async, PFN_ASYNC_COMPLETION callback, VOID *argument,
                           DWORD *received, BOOL *pending) override {
        called("IHttpRequest3::ReadEntityBody", size);
        return read(buffer, size, async, received, pending, callback, argument);
    }
    HRESULT ReadEntityBody(VOID *buffer, DWORD size, BOOL async, ULONG, DWORD *received, BOOL *pending) override {
        called("IHttpRequest4::ReadEntityBody", size);
        return read(buffer, size, async, received, pending, nullptr, nullptr);
    }

    HTTP_REQUEST raw = {};
    Headers<HTTP_REQUEST_HEADERS> headers;
    Text body;

private:
    HRESULT read(VOID *buffer, DWORD size, BOOL async, DWORD *received, BOOL *pending, PFN_ASYNC_COMPLETION callback,
                 VOID *argument);
    HRESULT take(VOID *buffer, DWORD size, DWORD *received);
    DWORD left() const { return inserted_left + body.size() - at; }
    void set_url(PCSTR url, DWORD count);

    Context *context;
    PCSTR method = nullptr;
    BOOL changed = FALSE;
    DWORD at = 0;
    // A read has told that nothing follows.
    bool at_end = false;
    const char *inserted = nullptr;
    DWORD inserted_left = 0;
    SOCKADDR_IN local = {};
    SOCKADDR_IN remote = {};
};
