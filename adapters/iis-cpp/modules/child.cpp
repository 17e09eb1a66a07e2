// Runs a child request and waits for it. The child meets this module too, with an object of its own.

#include "../support/module.hpp"

class Child final : public CHttpModule {
public:
    REQUEST_NOTIFICATION_STATUS OnBeginRequest(IHttpContext *context, IHttpEventProvider *) override {
        const Hold hold(lock);
        if (context->GetParentContext() != nullptr) {
            Text text;
            context->GetResponse()->SetStatus(203, "From the child");
            context->GetResponse()->SetHeader("X-Child", "yes", 3, TRUE);
            write(context, text.put("the child's body\n"));
            return RQ_NOTIFICATION_FINISH_REQUEST;
        }
        HRESULT hr = context->CloneContext(CLONE_FLAG_BASICS | CLONE_FLAG_HEADERS, &clone);
        if (FAILED(hr)) return ended(context, "CloneContext", hr);
        clone->GetRequest()->SetUrl("/child", 6, TRUE);
        BOOL expected = FALSE;
        hr = context->ExecuteRequest(TRUE, clone, EXECUTE_FLAG_NO_HEADERS, nullptr, &expected);
        if (FAILED(hr)) return ended(context, "ExecuteRequest", hr);
        return expected ? RQ_NOTIFICATION_PENDING : ended(context, "ExecuteRequest", hr);
    }

    REQUEST_NOTIFICATION_STATUS OnAsyncCompletion(IHttpContext *context, DWORD, BOOL, IHttpEventProvider *,
                                                  IHttpCompletionInfo *info) override {
        const Hold hold(lock);
        return ended(context, "the child", info->GetCompletionStatus());
    }

private:
    // The clone has to go before its parent.
    REQUEST_NOTIFICATION_STATUS ended(IHttpContext *context, PCSTR what, HRESULT hr) {
        Text text;
        text.put(what).put(": ").hex(static_cast<DWORD>(hr)).put("\n");
        if (clone != nullptr) {
            USHORT status = 0;
            clone->GetResponse()->GetStatus(&status);
            text.put("its status: ").number(status).put(", X-Child: ").put(clone->GetResponse()->GetHeader("X-Child"));
            text.put(clone->GetParentContext() == context ? ", of this request\n" : ", of another request\n");
            const HRESULT released = clone->ReleaseClonedContext();
            text.put("released: ").hex(static_cast<DWORD>(released)).put("\n");
            clone = nullptr;
        }
        context->GetResponse()->SetStatus(200, "OK");
        context->GetResponse()->SetHeader(HttpHeaderContentType, "text/plain", 10, TRUE);
        write(context, text);
        return RQ_NOTIFICATION_FINISH_REQUEST;
    }

    Lock lock;
    IHttpContext *clone = nullptr;
};

HRESULT WINAPI RegisterModule(DWORD, IHttpModuleRegistrationInfo *info, IHttpServer *global) {
    return registered<Child>(info, global, RQ_BEGIN_REQUEST);
}
