// The request: its URL in both forms, and its body, what was inserted first.

#include "request.hpp"
#include "context.hpp"

static const PCSTR verbs[] = {"", "", "", "OPTIONS", "GET", "HEAD", "POST", "PUT", "DELETE", "TRACE"};

HRESULT complete(Context *context, BOOL async, HRESULT hr, DWORD bytes, DWORD *done, BOOL *pending,
                 PFN_ASYNC_COMPLETION callback, VOID *argument) {
    // A call that failed at once has no completion, and neither has the end of a body.
    if (FAILED(hr) || !async || (!always_later && pending != nullptr)) {
        if (done != nullptr) *done = bytes;
        if (pending != nullptr) *pending = FALSE;
        return hr;
    }
    // Without a place to say that it is done already, a completion always comes.
    if (pending != nullptr) *pending = TRUE;
    Event event = {};
    event.kind = callback == nullptr ? Event::Completed : Event::Called;
    event.context = context;
    event.bytes = bytes;
    event.status = hr;
    event.callback = callback;
    event.argument = argument;
    post(event);
    return S_OK;
}

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
    DWORD count = GetRemainingEntityBytes();
    if (count == 0) {
        if (received != nullptr) *received = 0;
        if (pending != nullptr) *pending = FALSE;
        return HRESULT_FROM_WIN32(ERROR_HANDLE_EOF);
    }
    const char *from = inserted_left > 0 ? inserted : body.text() + at;
    const DWORD left = inserted_left > 0 ? inserted_left : count;
    count = left < size ? left : size;
    for (DWORD i = 0; i < count; ++i) static_cast<char *>(buffer)[i] = from[i];
    if (inserted_left > 0) {
        inserted += count;
        inserted_left -= count;
    } else {
        at += count;
    }
    context->raise_read_entity(buffer, count, size);
    return complete(context, async, S_OK, count, received, pending, callback, argument);
}
