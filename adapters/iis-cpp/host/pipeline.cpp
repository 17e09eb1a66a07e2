// The events of a request, in their order, for the one module that there is.

#include "provider.hpp"

struct Stage {
    DWORD event;
    PCSTR name;
};

static const Stage stages[] = {
    {RQ_BEGIN_REQUEST, "BeginRequest"},
    {RQ_AUTHENTICATE_REQUEST, "AuthenticateRequest"},
    {RQ_AUTHORIZE_REQUEST, "AuthorizeRequest"},
    {RQ_RESOLVE_REQUEST_CACHE, "ResolveRequestCache"},
    {RQ_MAP_REQUEST_HANDLER, "MapRequestHandler"},
    {RQ_ACQUIRE_REQUEST_STATE, "AcquireRequestState"},
    {RQ_PRE_EXECUTE_REQUEST_HANDLER, "PreExecuteRequestHandler"},
    {RQ_EXECUTE_REQUEST_HANDLER, "ExecuteRequestHandler"},
    {RQ_RELEASE_REQUEST_STATE, "ReleaseRequestState"},
    {RQ_UPDATE_REQUEST_CACHE, "UpdateRequestCache"},
    {RQ_LOG_REQUEST, "LogRequest"},
    {RQ_END_REQUEST, "EndRequest"},
};

static PCSTR told(REQUEST_NOTIFICATION_STATUS status) {
    switch (status) {
    case RQ_NOTIFICATION_CONTINUE: return "-> CONTINUE";
    case RQ_NOTIFICATION_PENDING: return "-> PENDING";
    case RQ_NOTIFICATION_FINISH_REQUEST: return "-> FINISH_REQUEST";
    }
    return "-> another number than there is";
}

CHttpModule *Context::module() {
    if (instance != nullptr) return instance;
    const HRESULT hr = registered.factory->GetHttpModule(&instance, &allocator);
    Text text;
    say(text.put("GetHttpModule ").hex(static_cast<DWORD>(hr)));
    if (FAILED(hr) || instance == nullptr) die("there is no module object");
    return instance;
}

// The slots are named one by one: which of them is called is what the compiler says, not a number of ours.
static REQUEST_NOTIFICATION_STATUS call(CHttpModule *module, Context *context, DWORD event, bool post,
                                        IHttpEventProvider *plain) {
    switch (event) {
    case RQ_BEGIN_REQUEST:
        return post ? module->OnPostBeginRequest(context, plain) : module->OnBeginRequest(context, plain);
    case RQ_AUTHENTICATE_REQUEST:
        return post ? module->OnPostAuthenticateRequest(context, plain)
                    : module->OnAuthenticateRequest(context, static_cast<IAuthenticationProvider *>(plain));
    case RQ_AUTHORIZE_REQUEST:
        return post ? module->OnPostAuthorizeRequest(context, plain) : module->OnAuthorizeRequest(context, plain);
    case RQ_RESOLVE_REQUEST_CACHE:
        return post ? module->OnPostResolveRequestCache(context, plain)
                    : module->OnResolveRequestCache(context, plain);
    case RQ_MAP_REQUEST_HANDLER:
        return post ? module->OnPostMapRequestHandler(context, plain)
                    : module->OnMapRequestHandler(context, static_cast<IMapHandlerProvider *>(plain));
    case RQ_ACQUIRE_REQUEST_STATE:
        return post ? module->OnPostAcquireRequestState(context, plain)
                    : module->OnAcquireRequestState(context, plain);
    case RQ_PRE_EXECUTE_REQUEST_HANDLER:
        return post ? module->OnPostPreExecuteRequestHandler(context, plain)
                    : module->OnPreExecuteRequestHandler(context, plain);
    case RQ_EXECUTE_REQUEST_HANDLER:
        return post ? module->OnPostExecuteRequestHandler(context, plain)
                    : module->OnExecuteRequestHandler(context, plain);
    case RQ_RELEASE_REQUEST_STATE:
        return post ? module->OnPostReleaseRequestState(context, plain)
                    : module->OnReleaseRequestState(context, plain);
    case RQ_UPDATE_REQUEST_CACHE:
        return post ? module->OnPostUpdateRequestCache(context, plain)
                    : module->OnUpdateRequestCache(context, plain);
    case RQ_LOG_REQUEST:
        return post ? module->OnPostLogRequest(context, plain) : module->OnLogRequest(context, plain);
    default:
        return post ? module->OnPostEndRequest(context, plain) : module->OnEndRequest(context, plain);
    }
}

REQUEST_NOTIFICATION_STATUS Context::raise(DWORD event, bool post) {
    PlainProvider plain(this);
    Authentication authentication(this);
    MapHandlerEvent map_handler(this);
    IHttpEventProvider *provider = &plain;
    if (!post && event == RQ_AUTHENTICATE_REQUEST) provider = &authentication;
    if (!post && event == RQ_MAP_REQUEST_HANDLER) provider = &map_handler;
    CHttpModule *const to = module();
    PCSTR name = "";
    for (const Stage &stage : stages) {
        if (stage.event == event) name = stage.name;
    }
    Text text;
    say(text.put(post ? "OnPost" : "On").put(name));
    ++depth;
    REQUEST_NOTIFICATION_STATUS status = call(to, this, event, post, provider);
    --depth;
    say(told(status));
    while (status == RQ_NOTIFICATION_PENDING) status = wait(event, post, provider);
    return status;
}

REQUEST_NOTIFICATION_STATUS Context::wait(DWORD event, bool post, IHttpEventProvider *provider) {
    Event *const came = next_event(this);
    REQUEST_NOTIFICATION_STATUS status = RQ_NOTIFICATION_PENDING;
    Completion info(came);
    Text text;
    switch (came->kind) {
    case Event::Indicated:
        // Real IIS runs the rest on the thread that indicates it. Which thread it is does not matter to these cases.
        say("indicated");
        status = came->result;
        break;
    case Event::Called:
        say("completion callback");
        ++depth;
        if (came->routine != nullptr) {
            came->routine(0, came->bytes, static_cast<LPOVERLAPPED>(came->argument));
        } else {
            status = came->callback(this, &info, came->argument);
        }
        --depth;
        break;
    case Event::Completed:
        say(text.put("OnAsyncCompletion ").number(came->bytes).put(" ").hex(static_cast<DWORD>(came->status)));
        ++depth;
        status = module()->OnAsyncCompletion(this, event, post, provider, &info);
        --depth;
        break;
    }
    delete came;
    say(told(status));
    return status;
}

void Context::nested(PCSTR name, REQUEST_NOTIFICATION_STATUS status) {
    --depth;
    Text text;
    if (status != RQ_NOTIFICATION_CONTINUE) say(text.put(name).put(" ").put(told(status)));
}

void Context::run() {
    bool finished = false;
    for (const Stage &stage : stages) {
        // These two come in any case, and cannot finish anything.
        const bool always = stage.event == RQ_LOG_REQUEST || stage.event == RQ_END_REQUEST;
        for (int post = 0; post < 2; ++post) {
            const DWORD mask = post ? registered.post_events & ~disabled_post : registered.events & ~disabled;
            if ((finished && !always) || (mask & stage.event) == 0) continue;
            current = stage.event;
            const REQUEST_NOTIFICATION_STATUS status = raise(stage.event, post != 0);
            if (status == RQ_NOTIFICATION_FINISH_REQUEST && !always) finished = true;
        }
    }
    if (FAILED(error) && !response.headers_sent && response.raw.StatusCode == 200) {
        response.SetStatus(500, "Internal Server Error", 0, error, nullptr, FALSE);
    }
    // A child's response is the parent's to send.
    if (parent == nullptr) response.send(FALSE);
    if (instance != nullptr) {
        say("Dispose");
        instance->Dispose();
        instance = nullptr;
    }
    container.clean_up();
    set_user(nullptr);
}

void Context::raise_send_response(BOOL with_headers, BOOL more) {
    if ((registered.events & RQ_SEND_RESPONSE) == 0) return;
    Sending provider(this, with_headers, more);
    say("OnSendResponse");
    ++depth;
    nested("OnSendResponse", module()->OnSendResponse(this, &provider));
}

void Context::raise_read_entity(VOID *buffer, DWORD data, DWORD size) {
    if ((registered.events & RQ_READ_ENTITY) == 0) return;
    Entity provider(this, buffer, data, size);
    say("OnReadEntity");
    ++depth;
    nested("OnReadEntity", module()->OnReadEntity(this, &provider));
}

HRESULT Context::MapPath(PCWSTR url, PWSTR path, DWORD *bytes) {
    Text text;
    called("IHttpContext::MapPath", text.put(url).text());
    Text own;
    own.put("C:\\site").put(url);
    PWSTR ours = wide(own.text());
    for (PWSTR c = ours; *c != 0; ++c) {
        if (*c == L'/') *c = L'\\';
    }
    MappedPath provider(this, url, ours);
    if ((registered.events & RQ_MAP_PATH) != 0) {
        say("OnMapPath");
        ++depth;
        nested("OnMapPath", module()->OnMapPath(this, &provider));
    }
    const PCWSTR found = provider.GetPhysicalPath();
    const DWORD needed = (length(found) + 1) * sizeof(wchar_t);
    const bool fits = *bytes >= needed;
    *bytes = needed;
    if (!fits) return HRESULT_FROM_WIN32(ERROR_INSUFFICIENT_BUFFER);
    for (DWORD i = 0; i <= length(found); ++i) path[i] = found[i];
    return S_OK;
}

HRESULT Context::NotifyCustomNotification(ICustomNotificationProvider *custom, BOOL *pending) {
    Text text;
    called("IHttpContext::NotifyCustomNotification", text.put(custom->QueryNotificationType()).text());
    if ((registered.events & RQ_CUSTOM_NOTIFICATION) != 0) {
        say("OnCustomRequestNotification");
        ++depth;
        nested("OnCustomRequestNotification", module()->OnCustomRequestNotification(this, custom));
    }
    if (pending != nullptr) *pending = FALSE;
    return S_OK;
}
