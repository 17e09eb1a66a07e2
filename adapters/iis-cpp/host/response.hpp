// The response: what the module has written, and what of it was sent.

#pragma once

#include "request.hpp"

class CachePolicy final : public IHttpCachePolicy2 {
public:
    HTTP_CACHE_POLICY *GetKernelCachePolicy() override { return &kernel; }
    VOID SetKernelCacheInvalidatorSet() override {}
    HTTP_CACHE_POLICY *GetUserCachePolicy() override { return &user; }
    HRESULT AppendVaryByHeader(PCSTR) override { return S_OK; }
    PCSTR GetVaryByHeaders() const override { return nullptr; }
    HRESULT AppendVaryByQueryString(PCSTR) override { return S_OK; }
    PCSTR GetVaryByQueryStrings() const override { return nullptr; }
    HRESULT SetVaryByValue(PCSTR) override { return S_OK; }
    PCSTR GetVaryByValue() const override { return nullptr; }
    BOOL IsUserCacheEnabled() const override { return FALSE; }
    VOID DisableUserCache() override {}
    BOOL IsCached() const override { return FALSE; }
    VOID SetIsCached() override {}
    BOOL GetKernelCacheInvalidatorSet() const override { return FALSE; }
    BOOL IsForceUpdateSet() const override { return FALSE; }
    VOID SetForceUpdate() override {}
    HTTP_CACHE_POLICY kernel = {};
    HTTP_CACHE_POLICY user = {};
};

class Response final : public IHttpResponse4 {
public:
    explicit Response(Context *owner);

    HTTP_RESPONSE *GetRawHttpResponse() override {
        if (tell_raw) called("IHttpResponse::GetRawHttpResponse to change");
        return &raw;
    }
    const HTTP_RESPONSE *GetRawHttpResponse() const override {
        if (tell_raw) called("IHttpResponse::GetRawHttpResponse to read");
        return &raw;
    }
    IHttpCachePolicy *GetCachePolicy() override { return &policy; }
    HRESULT SetStatus(USHORT status, PCSTR reason, USHORT sub, HRESULT error, IAppHostConfigException *,
                      BOOL skip_custom) override;
    HRESULT SetHeader(PCSTR name, PCSTR value, USHORT count, BOOL replace) override {
        called("IHttpResponse::SetHeader by name", name);
        return headers.set(name, value, count, replace);
    }
    HRESULT SetHeader(HTTP_HEADER_ID id, PCSTR value, USHORT count, BOOL replace) override {
        called("IHttpResponse::SetHeader by id", id);
        return headers.set(static_cast<DWORD>(id), value, count, replace);
    }
    HRESULT DeleteHeader(PCSTR name) override {
        called("IHttpResponse::DeleteHeader by name", name);
        return headers.remove(name);
    }
    HRESULT DeleteHeader(HTTP_HEADER_ID id) override {
        called("IHttpResponse::DeleteHeader by id", id);
        return headers.remove(static_cast<DWORD>(id));
    }
    PCSTR GetHeader(PCSTR name, USHORT *count) const override {
        called("IHttpResponse::GetHeader by name", name);
        return headers.get(name, count);
    }
    PCSTR GetHeader(HTTP_HEADER_ID id, USHORT *count) const override {
        called("IHttpResponse::GetHeader by id", id);
        return headers.get(static_cast<DWORD>(id), count);
    }
    VOID Clear() override;
    VOID ClearHeaders() override { headers.clear(HttpHeaderResponseMaximum); }
    VOID SetNeedDisconnect() override { called("IHttpResponse::SetNeedDisconnect"); }
    VOID ResetConnection() override {
        called("IHttpResponse::ResetConnection");
        reset = TRUE;
    }
    VOID DisableKernelCache(ULONG) override {}
    BOOL GetKernelCacheEnabled() const override { return FALSE; }
    VOID SuppressHeaders() override { suppressed = TRUE; }
    BOOL GetHeadersSuppressed() const override { return suppressed; }
    HRESULT Flush(BOOL async, BOOL more, DWORD *sent, BOOL *pending) override {
        called("IHttpResponse::Flush", more ? "more follows" : "the end");
        return flush(async, more, sent, pending, nullptr, nullptr);
    }
    HRESULT Redirect(PCSTR url, BOOL, BOOL) override;
    HRESULT WriteEntityChunkByReference(HTTP_DATA_CHUNK *chunk, LONG) override {
        called("IHttpResponse::WriteEntityChunkByReference");
        return add(chunk, 1, true);
    }
    HRESULT WriteEntityChunks(HTTP_DATA_CHUNK *chunks, DWORD count, BOOL async, BOOL more, DWORD *sent,
                              BOOL *pending) override {
        called("IHttpResponse::WriteEntityChunks", count);
        return write(chunks, count, async, more, sent, pending, nullptr, nullptr);
    }
    VOID DisableBuffering() override {
        called("IHttpResponse::DisableBuffering");
        buffering = FALSE;
    }
    VOID GetStatus(USHORT *status, USHORT *sub, PCSTR *reason, USHORT *reason_count, HRESULT *error, PCWSTR *module,
                   DWORD *event, IAppHostConfigException **exception, BOOL *skip_custom) override;
    HRESULT SetErrorDescription(PCWSTR text, DWORD, BOOL) override {
        description = text;
        return S_OK;
    }
    PCWSTR GetErrorDescription(DWORD *count) override {
        if (count != nullptr) *count = length(description);
        return description;
    }
    HRESULT GetHeaderChanges(DWORD, DWORD *, PCSTR *, DWORD *, PCSTR **, PCSTR **, DWORD *, DWORD *,
                             DWORD **) override {
        return missing("IHttpResponse::GetHeaderChanges");
    }
    VOID CloseConnection() override { called("IHttpResponse::CloseConnection"); }
    HRESULT WriteEntityChunks(HTTP_DATA_CHUNK *chunks, DWORD count, BOOL async, BOOL more,
                              PFN_ASYNC_COMPLETION callback, VOID *argument, DWORD *sent, BOOL *pending) override {
        called("IHttpResponse2::WriteEntityChunks", count);
        return write(chunks, count, async, more, sent, pending, callback, argument);
    }
    HRESULT Flush(BOOL async, BOOL more, PFN_ASYNC_COMPLETION callback, VOID *argument, DWORD *sent,
                  BOOL *pending) override {
        called("IHttpResponse2::Flush", more ? "more follows" : "the end");
        return flush(async, more, sent, pending, callback, argument);
    }
    HRESULT PushPromise(PCSTR, PCWSTR, PCWSTR, DWORD, PCSTR *, PCSTR *) override {
        return HRESULT_FROM_WIN32(ERROR_NOT_SUPPORTED);
    }
    HRESULT DeleteTrailer(PCSTR name) override {
        called("IHttpResponse4::DeleteTrailer", name);
        return trailers.remove(name);
    }
    PCSTR GetTrailer(PCSTR name, USHORT *count) const override {
        called("IHttpResponse4::GetTrailer", name);
        return trailers.get(name, count);
    }
    VOID ResetStream(ULONG) override { called("IHttpResponse4::ResetStream"); }
    VOID SetNeedGoAway() override {}
    HRESULT SetTrailer(PCSTR name, PCSTR value, USHORT count, BOOL replace) override {
        called("IHttpResponse4::SetTrailer", name);
        return trailers.set(name, value, count, replace);
    }

    // Sends what there is; raises SendResponse before.
    HRESULT send(BOOL more);
    // Shows them in the raw response, with copies of the memory that they are of.
    HRESULT add(const HTTP_DATA_CHUNK *chunks, DWORD count, bool by_reference);

    HTTP_RESPONSE raw = {};
    Headers<HTTP_RESPONSE_HEADERS> headers;
    // Sent: the status line and the headers, then the body.
    Text wire;
    BOOL headers_sent = FALSE;
    BOOL ended = FALSE;
    BOOL reset = FALSE;

private:
    HRESULT flush(BOOL async, BOOL more, DWORD *sent, BOOL *pending, PFN_ASYNC_COMPLETION callback, VOID *argument);
    HRESULT write(HTTP_DATA_CHUNK *chunks, DWORD count, BOOL async, BOOL more, DWORD *sent, BOOL *pending,
                  PFN_ASYNC_COMPLETION callback, VOID *argument);

    // What the chunks say that were written and not yet sent.
    void gather(Text &text) const;

    // How many chunks there is room for.
    USHORT room = 0;
    Context *context;
    HTTP_RESPONSE_HEADERS raw_trailers = {};
    Headers<HTTP_RESPONSE_HEADERS> trailers;
    CachePolicy policy;
    USHORT sub_status = 0;
    HRESULT hr_error = S_OK;
    BOOL skip = FALSE;
    BOOL suppressed = FALSE;
    BOOL buffering = TRUE;
    PCWSTR description = nullptr;
};
