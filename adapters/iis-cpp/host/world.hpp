// What lives longer than a request: contexts, site, application, connection.

#pragma once

#include "machine.hpp"

class Container final : public IHttpConnectionModuleContextContainer {
public:
    explicit Container(PCSTR owner) : name(owner) {}
    IHttpStoredContext *GetModuleContext(HTTP_MODULE_ID id) override {
        for (DWORD i = 0; i < used; ++i) {
            if (ids[i] == id) return stored[i];
        }
        return nullptr;
    }
    HRESULT SetModuleContext(IHttpStoredContext *context, HTTP_MODULE_ID id) override {
        called("SetModuleContext", name);
        if (GetModuleContext(id) != nullptr) return HRESULT_FROM_WIN32(ERROR_ALREADY_ASSIGNED);
        if (used == 8) return E_OUTOFMEMORY;
        ids[used] = id;
        stored[used++] = context;
        return S_OK;
    }
    IHttpConnectionStoredContext *GetConnectionModuleContext(HTTP_MODULE_ID id) override {
        return static_cast<IHttpConnectionStoredContext *>(GetModuleContext(id));
    }
    HRESULT SetConnectionModuleContext(IHttpConnectionStoredContext *context, HTTP_MODULE_ID id) override {
        return SetModuleContext(context, id);
    }
    // The client has gone. On a connection everything that is stored is told.
    void disconnect() {
        for (DWORD i = 0; i < used; ++i) static_cast<IHttpConnectionStoredContext *>(stored[i])->NotifyDisconnect();
    }
    // The owner goes.
    void clean_up() {
        for (DWORD i = 0; i < used; ++i) {
            Text text;
            if (tell_calls) say(text.put("CleanupStoredContext ").put(name));
            stored[i]->CleanupStoredContext();
        }
        used = 0;
    }

private:
    PCSTR name;
    HTTP_MODULE_ID ids[8] = {};
    IHttpStoredContext *stored[8] = {};
    DWORD used = 0;
};

class Counters final : public IHttpPerfCounterInfo {
public:
    VOID IncrementCounter(DWORD, DWORD) override {}
    VOID DecrementCounter(DWORD, DWORD) override {}
};

class Site final : public IHttpSite {
public:
    DWORD GetSiteId() const override { return 1; }
    PCWSTR GetSiteName() const override { return L"Default Web Site"; }
    IHttpModuleContextContainer *GetModuleContextContainer() override { return &container; }
    IHttpPerfCounterInfo *GetPerfCounterInfo() override { return &counters; }
    Container container{"site"};
    Counters counters;
};

class Application final : public IHttpApplication2 {
public:
    PCWSTR GetApplicationPhysicalPath() const override { return L"C:\\site\\"; }
    PCWSTR GetApplicationId() const override { return L"/LM/W3SVC/1/ROOT"; }
    PCWSTR GetAppConfigPath() const override { return L"MACHINE/WEBROOT/APPHOST/Default Web Site"; }
    IHttpModuleContextContainer *GetModuleContextContainer() override { return &container; }
    VOID BeginApplicationWarmup() override {}
    VOID EndApplicationWarmup() override {}
    BOOL QueryIsWarmingUp() override { return FALSE; }
    Container container{"application"};
};

class Connection final : public IHttpConnection {
public:
    BOOL IsConnected() const override { return connected; }
    VOID *AllocateMemory(DWORD bytes) override { return operator new(bytes); }
    IHttpConnectionModuleContextContainer *GetModuleContextContainer() override { return &container; }
    Container container{"connection"};
    volatile BOOL connected = TRUE;
};

class UrlInfo final : public IHttpUrlInfo {
public:
    IHttpModuleContextContainer *GetModuleContextContainer() override { return &container; }
    BOOL IsFrequentlyHit() const override { return FALSE; }
    Container container{"url"};
};

class Metadata final : public IMetadataInfo {
public:
    PCWSTR GetMetaPath() const override { return L"/LM/W3SVC/1/ROOT"; }
    PCWSTR GetVrPath() const override { return L"C:\\site"; }
    IHttpTokenEntry *GetVrToken() override { return nullptr; }
    IHttpModuleContextContainer *GetModuleContextContainer() override { return &container; }
    Container container{"metadata"};
};

// The handler is always the module under test.
class ScriptMap final : public IScriptMapInfo {
public:
    PCWSTR GetPath() const override { return L"*"; }
    PCSTR GetAllowedVerbs() const override { return "*"; }
    PCWSTR GetModules(DWORD *count) const override { return counted(L"Module", count); }
    PCWSTR GetScriptProcessor(DWORD *count) const override { return counted(L"", count); }
    PCWSTR GetManagedType(DWORD *count) const override { return counted(L"", count); }
    BOOL GetAllowPathInfoForScriptMappings() const override { return TRUE; }
    DWORD GetRequiredAccess() const override { return 0; }
    DWORD GetResourceType() const override { return 3; }
    BOOL GetIsStarScriptMap() const override { return TRUE; }
    DWORD GetResponseBufferLimit() const override { return 4 * 1024 * 1024; }
    PCWSTR GetName() const override { return L"ModuleHandler"; }

private:
    static PCWSTR counted(PCWSTR text, DWORD *count) {
        if (count != nullptr) *count = length(text);
        return text;
    }
};

class Trace final : public IHttpTraceContext {
public:
    HRESULT GetTraceConfiguration(HTTP_TRACE_CONFIGURATION *) override { return E_NOTIMPL; }
    HRESULT SetTraceConfiguration(HTTP_MODULE_ID, HTTP_TRACE_CONFIGURATION *, DWORD) override { return E_NOTIMPL; }
    HRESULT RaiseTraceEvent(HTTP_TRACE_EVENT *) override { return S_OK; }
    LPCGUID GetTraceActivityId() override { return &IID_IHttpTraceContext; }
    HRESULT QuickTrace(PCWSTR, PCWSTR, HRESULT, UCHAR) override { return S_OK; }
};

class Named final : public INamedContextContainer {
public:
    IHttpStoredContext *GetNamedContext(LPCWSTR) override { return nullptr; }
    HRESULT SetNamedContext(IHttpStoredContext *, LPCWSTR) override { return missing("SetNamedContext"); }
};

inline Site *site = nullptr;
inline Application *application = nullptr;
inline Connection *connection = nullptr;
inline UrlInfo *url_info = nullptr;
inline Metadata *metadata = nullptr;
inline ScriptMap *script_map = nullptr;
inline Trace *trace = nullptr;
inline Named *named = nullptr;

// When the client goes, of its own accord.
enum class Leaving { Never, Before, WhilePending, WhileDisposing, After };
inline Leaving leaving = Leaving::Never;

// It goes now, if it is to go now: on a thread of its own, once, and what was stuck fails then. Only one that goes while
// the module is disposing is not waited for.
void leaves(Leaving when, Context *context);
// Waits for that thread.
void left();
