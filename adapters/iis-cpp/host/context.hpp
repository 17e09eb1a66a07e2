// The context of a request: the pipeline that runs it, and what modules ask of it.

#pragma once

#include "response.hpp"
#include "world.hpp"

// What the module has registered for.
struct Registered {
    IHttpModuleFactory *factory = nullptr;
    DWORD events = 0;
    DWORD post_events = 0;
    DWORD global_events = 0;
    CGlobalModule *global = nullptr;
    // Only FIRST and HIGH get log data in SendResponse.
    bool first_to_send = false;
};
inline Registered registered;

class Allocator final : public IModuleAllocator {
public:
    VOID *AllocateMemory(DWORD bytes) override { return keep(bytes); }
};

class Context final : public IHttpContext4 {
public:
    Context(Context *from, PCSTR method, PCSTR url, DWORD url_count)
        : request(this, method, url, url_count), response(this), parent(from) {}

    // In memory of its own, which goes with it.
    static Context *make(Context *from, PCSTR method, PCSTR url, DWORD url_count);
    // All events, to the end of the module's object.
    void run();
    // Nobody may use it any more.
    void end() { own->withdraw(); }
    // Calls the module with a completion, and tells its answer. A thread of the pool is in the module without the turn.
    REQUEST_NOTIFICATION_STATUS deliver(const Event *came, Task *task = nullptr);
    void raise_send_response(BOOL with_headers, BOOL more);
    void raise_read_entity(class Entity &provider);
    void set_user(IHttpUser *user);

    IHttpSite *GetSite() override { return site; }
    IHttpApplication *GetApplication() override { return application; }
    IHttpConnection *GetConnection() override { return connection; }
    IHttpRequest *GetRequest() override { return &request; }
    IHttpResponse *GetResponse() override { return &response; }
    BOOL GetResponseHeadersSent() const override { return response.headers_sent; }
    IHttpUser *GetUser() const override { return user; }
    IHttpModuleContextContainer *GetModuleContextContainer() override { return &container; }
    VOID IndicateCompletion(REQUEST_NOTIFICATION_STATUS status) override;
    HRESULT PostCompletion(DWORD bytes) override;
    VOID DisableNotifications(DWORD events, DWORD post_events) override {
        disabled |= events;
        disabled_post |= post_events;
    }
    BOOL GetNextNotification(REQUEST_NOTIFICATION_STATUS, DWORD *, BOOL *, CHttpModule **,
                             IHttpEventProvider **) override {
        return missing<BOOL>("IHttpContext::GetNextNotification");
    }
    BOOL GetIsLastNotification(REQUEST_NOTIFICATION_STATUS) override { return TRUE; }
    HRESULT ExecuteRequest(BOOL async, IHttpContext *child, DWORD flags, IHttpUser *as, BOOL *pending) override;
    DWORD GetExecuteFlags() const override { return execute_flags; }
    HRESULT GetServerVariable(PCSTR name, PCWSTR *value, DWORD *count) override;
    HRESULT GetServerVariable(PCSTR name, PCSTR *value, DWORD *count) override;
    HRESULT SetServerVariable(PCSTR name, PCWSTR value) override;
    VOID *AllocateRequestMemory(DWORD bytes) override { return own->take(bytes); }
    IHttpUrlInfo *GetUrlInfo() override { return url_info; }
    IMetadataInfo *GetMetadata() override { return metadata; }
    PCWSTR GetPhysicalPath(DWORD *count) override {
        if (count != nullptr) *count = 17;
        return L"C:\\site\\page.html";
    }
    PCWSTR GetScriptName(DWORD *count) const override {
        if (count != nullptr) *count = request.raw.CookedUrl.AbsPathLength / sizeof(wchar_t);
        return request.raw.CookedUrl.pAbsPath;
    }
    PCWSTR GetScriptTranslated(DWORD *count) override { return GetPhysicalPath(count); }
    IScriptMapInfo *GetScriptMap() const override { return script_map; }
    VOID SetRequestHandled() override { called("IHttpContext::SetRequestHandled"); }
    IHttpFileInfo *GetFileInfo() const override { return nullptr; }
    HRESULT MapPath(PCWSTR url, PWSTR path, DWORD *bytes) override;
    HRESULT NotifyCustomNotification(ICustomNotificationProvider *custom, BOOL *pending) override;
    IHttpContext *GetParentContext() const override { return parent; }
    IHttpContext *GetRootContext() const override {
        return parent == nullptr ? const_cast<Context *>(this) : parent->GetRootContext();
    }
    HRESULT CloneContext(DWORD flags, IHttpContext **clone) override;
    HRESULT ReleaseClonedContext() override;
    HRESULT GetCurrentExecutionStats(DWORD *event, DWORD *, PCWSTR *, DWORD *, DWORD *, DWORD *) const override {
        *event = current;
        return S_OK;
    }
    IHttpTraceContext *GetTraceContext() const override { return trace; }
    HRESULT GetServerVarChanges(DWORD, DWORD *, DWORD *, PCSTR **, PCWSTR **, DWORD *, DWORD **) override {
        return missing("IHttpContext::GetServerVarChanges");
    }
    HRESULT CancelIo() override {
        // Most operations here are done when they are called, and only tell it later.
        const Turn turn;
        called("IHttpContext::CancelIo");
        if (unstick(this, HRESULT_FROM_WIN32(ERROR_OPERATION_ABORTED))) return S_OK;
        return HRESULT_FROM_WIN32(ERROR_INVALID_HANDLE);
    }
    HRESULT MapHandler(DWORD, PCWSTR, PCWSTR, PCSTR, IScriptMapInfo **map, BOOL) override {
        *map = script_map;
        return S_OK;
    }
    HRESULT GetExtendedInterface(HTTP_CONTEXT_INTERFACE_VERSION, PVOID *) override { return E_NOTIMPL; }
    IHttpUser *GetOriginalUser() const override { return user; }
    INamedContextContainer *GetNamedContextContainer() override { return named; }
    VOID EnableFullDuplex() override { called("IHttpContext3::EnableFullDuplex"); }
    HRESULT InheritServerVariable(PCSTR, BOOL) override { return missing("IHttpContext3::InheritServerVariable"); }
    HRESULT PostCompletion(DWORD bytes, LPOVERLAPPED_COMPLETION_ROUTINE routine, VOID *argument) override;
    ULONGLONG GetRequestStartTime() override { return 0; }
    ULONGLONG GetRequestElapsedTime() override { return 0; }

    Request request;
    Response response;
    Container container{"request"};
    HRESULT error = S_OK;
    // Operations whose completion has not been delivered.
    DWORD owed = 0;
    // Those of them that a thread of the pool delivers, until the pipeline has heard the answer.
    DWORD early = 0;

private:
    REQUEST_NOTIFICATION_STATUS raise(DWORD event, bool post);
    REQUEST_NOTIFICATION_STATUS wait();
    // What an answer leaves behind.
    void answered(REQUEST_NOTIFICATION_STATUS status);
    // Where a waiting one is not to be expected.
    void nested(PCSTR name, REQUEST_NOTIFICATION_STATUS status);
    CHttpModule *module();
    PCWSTR variable(PCSTR name);

    struct Variable {
        PCSTR name;
        PCWSTR value;
        Variable *next;
    };

    Context *parent;
    Memory *own = memory;
    CHttpModule *instance = nullptr;
    Allocator allocator;
    IHttpUser *user = nullptr;
    Variable *variables = nullptr;
    DWORD current = 0;
    // What the notification was called with that runs now.
    bool current_post = false;
    IHttpEventProvider *current_provider = nullptr;
    DWORD disabled = 0;
    DWORD disabled_post = 0;
    DWORD execute_flags = 0;
    bool executed = false;
};
