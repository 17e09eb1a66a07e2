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

static void tell(REQUEST_NOTIFICATION_STATUS status) {
    if (tell_waits || status != RQ_NOTIFICATION_PENDING) say(told(status));
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
    // In the memory of the request, because a thread of the pool may use them until the answer is there.
    IHttpEventProvider *provider = nullptr;
    if (!post && event == RQ_AUTHENTICATE_REQUEST) {
        provider = new (keep(sizeof(Authentication))) Authentication(this);
    } else if (!post && event == RQ_MAP_REQUEST_HANDLER) {
        provider = new (keep(sizeof(MapHandlerEvent))) MapHandlerEvent(this);
    } else {
        provider = new (keep(sizeof(PlainProvider))) PlainProvider(this);
    }
    current = event;
    current_post = post;
    current_provider = provider;
    CHttpModule *const to = module();
    PCSTR name = "";
    for (const Stage &stage : stages) {
        if (stage.event == event) name = stage.name;
    }
    Text text;
    say(text.put(post ? "OnPost" : "On").put(name));
    ++here().depth;
    REQUEST_NOTIFICATION_STATUS status = call(to, this, event, post, provider);
    --here().depth;
    tell(status);
    answered(status);
    while (status == RQ_NOTIFICATION_PENDING) status = wait();
    return status;
}

void Context::answered(REQUEST_NOTIFICATION_STATUS status) {
    if (status != RQ_NOTIFICATION_PENDING && (owed > 0 || early > 0)) {
        violation("the notification was answered while one of its operations was outstanding");
    }
    if (status != RQ_NOTIFICATION_PENDING && has_event(this, false)) {
        violation("the notification was answered, and a completion is still to come");
    }
}

REQUEST_NOTIFICATION_STATUS Context::wait() {
    if (parent == nullptr) leaves(Leaving::WhilePending, this);
    Event *const came = next_event(this);
    REQUEST_NOTIFICATION_STATUS status = came->result;
    if (came->kind == Event::Answered) {
        --early;
    } else if (came->kind == Event::Indicated) {
        // Real IIS runs the rest on the thread that indicates it. Which thread it is does not matter to these cases.
        if (tell_waits) say("indicated");
        tell(status);
    } else {
        status = deliver(came);
    }
    delete came;
    answered(status);
    return status;
}

REQUEST_NOTIFICATION_STATUS Context::deliver(const Event *came, Task *task) {
    Completion info(came);
    Text text;
    if (came->owed) --owed;
    text.put("OnAsyncCompletion ").number(came->bytes).put(" ").hex(static_cast<DWORD>(came->status));
    if (tell_waits) say(came->kind == Event::Called ? "completion callback" : text.text());
    CHttpModule *const to = module();
    ++here().depth;
    if (task != nullptr) {
        ++early;
        here().task = task;
        here().keeps = true;
        enter(task);
    }
    REQUEST_NOTIFICATION_STATUS status = RQ_NOTIFICATION_PENDING;
    if (came->kind == Event::Completed) {
        status = to->OnAsyncCompletion(this, current, current_post, current_provider, &info);
    } else if (came->routine != nullptr) {
        came->routine(0, came->bytes, static_cast<LPOVERLAPPED>(came->argument));
    } else {
        status = came->callback(this, &info, came->argument);
    }
    --here().depth;
    if (task == nullptr) {
        tell(status);
        return status;
    }
    {
        // The last one in here: this thread keeps the turn.
        const Turn turn;
        tell(status);
        Event answer = *came;
        answer.kind = Event::Answered;
        answer.result = status;
        post(answer);
    }
    here().keeps = false;
    give_turn();
    return status;
}

void Context::nested(PCSTR name, REQUEST_NOTIFICATION_STATUS status) {
    --here().depth;
    Text text;
    if (status != RQ_NOTIFICATION_CONTINUE) say(text.put(name).put(" ").put(told(status)));
}

void Context::run() {
    bool finished = false;
    Memory *const before = memory;
    memory = own;
    for (const Stage &stage : stages) {
        // These two come in any case, and cannot finish anything.
        const bool always = stage.event == RQ_LOG_REQUEST || stage.event == RQ_END_REQUEST;
        for (int post = 0; post < 2; ++post) {
            const DWORD mask = post ? registered.post_events & ~disabled_post : registered.events & ~disabled;
            if ((finished && !always) || (mask & stage.event) == 0) continue;
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
        if (parent == nullptr) leaves(Leaving::WhileDisposing, this);
        say("Dispose");
        instance->Dispose();
        instance = nullptr;
        left();
    }
    container.clean_up();
    set_user(nullptr);
    memory = before;
}

void Context::raise_send_response(BOOL with_headers, BOOL more) {
    if ((registered.events & RQ_SEND_RESPONSE) == 0) return;
    Sending provider(this, with_headers, more);
    say("OnSendResponse");
    ++here().depth;
    nested("OnSendResponse", module()->OnSendResponse(this, &provider));
}

void Context::raise_read_entity(Entity &provider) {
    if ((registered.events & RQ_READ_ENTITY) == 0) return;
    say("OnReadEntity");
    ++here().depth;
    nested("OnReadEntity", module()->OnReadEntity(this, &provider));
}

HRESULT Context::MapPath(PCWSTR url, PWSTR path, DWORD *bytes) {
    const Turn turn;
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
        ++here().depth;
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
    const Turn turn;
    Text text;
    called("IHttpContext::NotifyCustomNotification", text.put(custom->QueryNotificationType()).text());
    // It was never asynchronous here: whoever asks waits in the call.
    if ((registered.events & RQ_CUSTOM_NOTIFICATION) != 0) {
        say("OnCustomRequestNotification");
        ++here().depth;
        nested("OnCustomRequestNotification", module()->OnCustomRequestNotification(this, custom));
    }
    if (pending != nullptr) *pending = FALSE;
    return S_OK;
}
