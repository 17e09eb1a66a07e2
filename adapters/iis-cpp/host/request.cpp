// The request: its URL in both forms, and its body, what was inserted first.

#include "request.hpp"
#include "provider.hpp"

static const PCSTR verbs[] = {"", "", "", "OPTIONS", "GET", "HEAD", "POST", "PUT", "DELETE", "TRACE"};

Request::Request(Context *owner, PCSTR verb, PCSTR url, DWORD url_count)
    : headers(&raw.Headers, true), context(owner) {
    raw.Version = {1, 1};
    raw.ConnectionId = 1;
    raw.RequestId = 1;
    SetHttpMethod(verb);
    set_url(url, url_count);
    local.sin_family = remote.sin_family = AF_INET;
    local.sin_addr.S_addr = remote.sin_addr.S_addr = 0x0100007F;
    local.sin_port = 0x901F;
    remote.sin_port = 0x3930;
    raw.Address.pLocalAddress = reinterpret_cast<PSOCKADDR>(&local);
    raw.Address.pRemoteAddress = reinterpret_cast<PSOCKADDR>(&remote);
}

HRESULT Request::SetHttpMethod(PCSTR name) {
    method = kept(name, length(name));
    raw.Verb = HttpVerbUnknown;
    raw.pUnknownVerb = method;
    raw.UnknownVerbLength = static_cast<USHORT>(length(method));
    for (int verb = HttpVerbOPTIONS; verb <= HttpVerbTRACE; ++verb) {
        if (!same(verbs[verb], method)) continue;
        raw.Verb = static_cast<HTTP_VERB>(verb);
        raw.pUnknownVerb = nullptr;
        raw.UnknownVerbLength = 0;
    }
    return S_OK;
}

void Request::set_url(PCSTR url, DWORD count) {
    raw.pRawUrl = kept(url, count);
    raw.RawUrlLength = static_cast<USHORT>(count);
    DWORD path = 0;
    while (path < count && url[path] != '?') ++path;
    Text full;
    full.put("http://localhost:8080").put(raw.pRawUrl, count);
    const DWORD prefix = 21;
    const PWSTR cooked = wide(full.text());
    HTTP_COOKED_URL &into = raw.CookedUrl;
    into.pFullUrl = cooked;
    into.FullUrlLength = static_cast<USHORT>(full.size() * sizeof(wchar_t));
    into.pHost = cooked + 7;
    into.HostLength = 14 * sizeof(wchar_t);
    into.pAbsPath = cooked + prefix;
    into.AbsPathLength = static_cast<USHORT>(path * sizeof(wchar_t));
    into.pQueryString = path == count ? nullptr : cooked + prefix + path;
    into.QueryStringLength = static_cast<USHORT>((count - path) * sizeof(wchar_t));
}

HRESULT Request::SetUrl(PCWSTR url, DWORD count, BOOL) {
    called("IHttpRequest::SetUrl in UTF-16");
    Text text;
    for (DWORD i = 0; i < count; ++i) {
        const char unit = static_cast<char>(url[i]);
        text.put(&unit, 1);
    }
    set_url(text.text(), text.size());
    changed = TRUE;
    return S_OK;
}

HRESULT Request::SetUrl(PCSTR url, DWORD count, BOOL) {
    called("IHttpRequest::SetUrl in ANSI");
    set_url(url, count);
    changed = TRUE;
    return S_OK;
}

HRESULT Request::InsertEntityBody(VOID *buffer, DWORD size) {
    called("IHttpRequest::InsertEntityBody", size);
    inserted = static_cast<const char *>(buffer);
    inserted_left = size;
    return S_OK;
}

HRESULT Request::read(VOID *buffer, DWORD size, BOOL async, DWORD *received, BOOL *pending,
                      PFN_ASYNC_COMPLETION callback, VOID *argument) {
    const Turn turn;
    // The end of a body has no completion.
    if (left() == 0) {
        at_end = true;
        if (received != nullptr) *received = 0;
        if (pending != nullptr) *pending = FALSE;
        return HRESULT_FROM_WIN32(ERROR_HANDLE_EOF);
    }
    return operate({context, async, received, pending, callback, argument},
                   [this, buffer, size](DWORD *bytes) { return take(buffer, size, bytes); });
}

HRESULT Request::take(VOID *buffer, DWORD size, DWORD *received) {
    if (connection != nullptr && !connection->connected) return HRESULT_FROM_WIN32(ERROR_CONNECTION_INVALID);
    const char *from = inserted_left > 0 ? inserted : body.text() + at;
    DWORD count = inserted_left > 0 ? inserted_left : body.size() - at;
    if (count > size) count = size;
    for (DWORD i = 0; i < count; ++i) static_cast<char *>(buffer)[i] = from[i];
    if (inserted_left > 0) {
        inserted += count;
        inserted_left -= count;
    } else {
        at += count;
    }
    Entity provider(context, buffer, count, size);
    context->raise_read_entity(provider);
    // A module may have put another buffer there; what does not fit is left out, and told.
    if (provider.data > size) violation("a module made more of a body than the reader has room for");
    count = provider.data < size ? provider.data : size;
    const char *const changed = static_cast<const char *>(provider.buffer);
    if (changed != buffer) {
        for (DWORD i = 0; i < count; ++i) static_cast<char *>(buffer)[i] = changed[i];
    }
    *received = count;
    return S_OK;
}
