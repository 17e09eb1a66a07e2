// Keeps something at every scope and counts what is cleaned up: each exactly once, when its container goes. A second
// SetModuleContext is refused. The counts of the containers that outlive the request are on the debugger's side:
// whoever runs this sees them in the exported `CleanedUp`.

#include "../support/module.hpp"

extern "C" __declspec(dllexport) DWORD CleanedUp = 0;

class Stored final : public IHttpStoredContext {
public:
    explicit Stored(PCSTR what) : scope(what) {}
    VOID CleanupStoredContext() override {
        ++CleanedUp;
        delete this;
    }
    PCSTR scope;
};

class StoredConnection final : public IHttpConnectionStoredContext {
public:
    VOID CleanupStoredContext() override {
        ++CleanedUp;
        delete this;
    }
    VOID NotifyDisconnect() override {}
};

class Contexts final : public CHttpModule {
public:
    REQUEST_NOTIFICATION_STATUS OnBeginRequest(IHttpContext *context, IHttpEventProvider *) override {
        keep(context->GetModuleContextContainer(), "request");
        keep(context->GetApplication()->GetModuleContextContainer(), "application");
        keep(context->GetSite()->GetModuleContextContainer(), "site");
        IHttpConnection *connection = context->GetConnection();
        if (connection != nullptr) {
            // The slots that 7.5 added: the container's own, and a context that is told of a disconnect.
            IHttpConnectionModuleContextContainer *container = connection->GetModuleContextContainer();
            const HRESULT hr = container->SetConnectionModuleContext(new StoredConnection(), module_id);
            const bool found = container->GetConnectionModuleContext(module_id) != nullptr;
            text.put("connection: ").hex(static_cast<DWORD>(hr)).put(found ? ", found" : ", lost").put("\n");
        }
        return answer(context, text);
    }

private:
    void keep(IHttpModuleContextContainer *container, PCSTR scope) {
        Stored *stored = new Stored(scope);
        const bool before = container->GetModuleContext(module_id) != nullptr;
        const HRESULT first = container->SetModuleContext(stored, module_id);
        const bool found = container->GetModuleContext(module_id) == stored;
        Stored *other = new Stored(scope);
        const HRESULT second = container->SetModuleContext(other, module_id);
        if (FAILED(second)) delete other;
        text.put(scope).put(before ? ": there before, " : ": ").hex(static_cast<DWORD>(first));
        text.put(found ? ", found, again " : ", lost, again ").hex(static_cast<DWORD>(second)).put("\n");
    }

    Text text;
};

HRESULT WINAPI RegisterModule(DWORD, IHttpModuleRegistrationInfo *info, IHttpServer *global) {
    return registered<Contexts>(info, global, RQ_BEGIN_REQUEST);
}
