// Completions, children, the user and server variables.

#include "context.hpp"

static VOID *of_request(size_t bytes) {
    return memory->take(bytes);
}

Context *Context::make(Context *from, PCSTR method, PCSTR url, DWORD url_count) {
    memory = new Memory();
    keeper = &of_request;
    return new (memory->take(sizeof(Context))) Context(from, method, url, url_count);
}

VOID Context::IndicateCompletion(REQUEST_NOTIFICATION_STATUS status) {
    const Turn turn;
    called("IHttpContext::IndicateCompletion", static_cast<ULONGLONG>(status));
    Event event = {};
    event.kind = Event::Indicated;
    event.context = this;
    event.result = status;
    post(event);
}

HRESULT Context::PostCompletion(DWORD bytes) {
    const Turn turn;
    called("IHttpContext::PostCompletion", bytes);
    if (has_event(this, true)) violation("a completion was posted twice");
    Event event = {};
    event.kind = Event::Completed;
    event.context = this;
    event.bytes = bytes;
    event.posted = true;
    post(event);
    return S_OK;
}

HRESULT Context::PostCompletion(DWORD bytes, LPOVERLAPPED_COMPLETION_ROUTINE routine, VOID *argument) {
    const Turn turn;
    called("IHttpContext3::PostCompletion", bytes);
    Event event = {};
    event.kind = Event::Called;
    event.context = this;
    event.bytes = bytes;
    event.routine = routine;
    event.argument = argument;
    post(event);
    return S_OK;
}

void Context::set_user(IHttpUser *to) {
    if (to != nullptr) {
        Text text;
        text.put(to->GetUserName()).put(", ").put(to->GetAuthenticationType());
        called("IAuthenticationProvider::SetUser", text.text());
    }
    if (user != nullptr) {
        called("DereferenceUser");
        user->DereferenceUser();
    }
    user = to;
}

HRESULT Context::CloneContext(DWORD flags, IHttpContext **clone) {
    called("IHttpContext::CloneContext", flags);
    const HTTP_REQUEST &raw = request.raw;
    Context *made = make(this, request.GetHttpMethod(), raw.pRawUrl, raw.RawUrlLength);
    if ((flags & CLONE_FLAG_HEADERS) != 0) made->request.raw.Headers = raw.Headers;
    memory = own;
    *clone = made;
    return S_OK;
}

HRESULT Context::ExecuteRequest(BOOL async, IHttpContext *child, DWORD flags, IHttpUser *as, BOOL *pending) {
    called("IHttpContext::ExecuteRequest", flags);
    Context *const made = static_cast<Context *>(child);
    if (!async || made->parent != this || made->executed) return HRESULT_FROM_WIN32(ERROR_NOT_SUPPORTED);
    made->executed = true;
    made->execute_flags = flags;
    made->user = as;
    return operate({this, TRUE, nullptr, pending, nullptr, nullptr}, [this, made, flags](DWORD *) {
        ++here().depth;
        made->run();
        --here().depth;
        // Without this the child writes to the same client, after what its parent has written.
        if ((flags & EXECUTE_FLAG_BUFFER_RESPONSE) != 0) return S_OK;
        return response.add(made->response.raw.pEntityChunks, made->response.raw.EntityChunkCount, false);
    });
}

HRESULT Context::ReleaseClonedContext() {
    called("IHttpContext::ReleaseClonedContext");
    if (parent == nullptr) return E_FAIL;
    end();
    return S_OK;
}

PCWSTR Context::variable(PCSTR name) {
    for (Variable *set = variables; set != nullptr; set = set->next) {
        if (same(set->name, name)) return set->value;
    }
    const HTTP_REQUEST &raw = request.raw;
    if (same(name, "REQUEST_METHOD")) return wide(request.GetHttpMethod());
    if (same(name, "QUERY_STRING")) {
        return raw.CookedUrl.pQueryString == nullptr ? L"" : raw.CookedUrl.pQueryString + 1;
    }
    if (same(name, "URL") || same(name, "PATH_INFO")) {
        return wide(kept(raw.pRawUrl, raw.CookedUrl.AbsPathLength / sizeof(wchar_t)));
    }
    if (same(name, "REMOTE_ADDR") || same(name, "LOCAL_ADDR")) return L"127.0.0.1";
    if (same(name, "REMOTE_PORT")) return L"12345";
    if (same(name, "SERVER_PORT")) return L"8080";
    if (same(name, "SERVER_NAME")) return L"localhost";
    if (same(name, "SERVER_PROTOCOL")) return L"HTTP/1.1";
    if (same(name, "HTTPS")) return L"off";
    // HTTP_X_COLOUR is the header X-Colour.
    const PCSTR prefix = "HTTP_";
    for (int i = 0; i < 5; ++i) {
        if (name[i] != prefix[i]) return nullptr;
    }
    PSTR header = kept(name + 5, length(name + 5));
    for (PSTR c = header; *c != 0; ++c) {
        if (*c == '_') *c = '-';
    }
    USHORT count = 0;
    const PCSTR value = request.headers.get(header, &count);
    return value == nullptr ? nullptr : wide(value);
}

HRESULT Context::GetServerVariable(PCSTR name, PCWSTR *value, DWORD *count) {
    called("IHttpContext::GetServerVariable in UTF-16", name);
    *value = variable(name);
    *count = length(*value);
    return *value == nullptr ? HRESULT_FROM_WIN32(ERROR_INVALID_INDEX) : S_OK;
}

HRESULT Context::GetServerVariable(PCSTR name, PCSTR *value, DWORD *count) {
    called("IHttpContext::GetServerVariable in ANSI", name);
    const PCWSTR found = variable(name);
    Text text;
    if (found != nullptr) text.put(found);
    *value = found == nullptr ? nullptr : kept(text.text(), text.size());
    *count = text.size();
    return found == nullptr ? HRESULT_FROM_WIN32(ERROR_INVALID_INDEX) : S_OK;
}

HRESULT Context::SetServerVariable(PCSTR name, PCWSTR value) {
    called("IHttpContext::SetServerVariable", name);
    Text text;
    text.put(value);
    variables = new (keep(sizeof(Variable))) Variable{kept(name, length(name)), wide(text.text()), variables};
    return S_OK;
}
