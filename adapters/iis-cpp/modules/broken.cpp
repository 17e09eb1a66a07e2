// Breaks one rule, which its name says, for the host to tell: what cannot be told here would pass unseen in other modules.

#include "../support/module.hpp"

static PCWSTR rule = L"";
// Of the first request.
static IHttpContext *kept_context = nullptr;
static PCSTR kept_header = nullptr;

class Broken final : public CHttpModule {
public:
    REQUEST_NOTIFICATION_STATUS OnBeginRequest(IHttpContext *context, IHttpEventProvider *) override {
        const Hold hold(lock);
        if (same(rule, L"CallsTheEnded")) {
            if (kept_context != nullptr) kept_context->GetResponse();
            kept_context = context;
        }
        if (same(rule, L"ReadsTheEnded")) {
            Text text;
            if (kept_header != nullptr) text.put(kept_header);
            kept_header = context->GetRequest()->GetHeader("Host");
        }
        if (same(rule, L"PostsTwice")) {
            context->PostCompletion(1);
            context->PostCompletion(2);
            return RQ_NOTIFICATION_PENDING;
        }
        DWORD sent = 0;
        BOOL expected = FALSE;
        if (same(rule, L"StartsTwo")) {
            context->GetResponse()->Flush(TRUE, TRUE, &sent, &expected);
            context->GetResponse()->Flush(TRUE, TRUE, &sent, &expected);
            return RQ_NOTIFICATION_PENDING;
        }
        if (same(rule, L"DoesNotWait")) context->GetResponse()->Flush(TRUE, TRUE, &sent, &expected);
        if (same(rule, L"WorksInside")) {
            context->GetResponse()->Flush(TRUE, TRUE, &sent, &expected);
            return RQ_NOTIFICATION_PENDING;
        }
        return RQ_NOTIFICATION_CONTINUE;
    }

    // Without the lock, as one would write it who expects no completion before PENDING was returned.
    REQUEST_NOTIFICATION_STATUS OnAsyncCompletion(IHttpContext *, DWORD, BOOL, IHttpEventProvider *,
                                                  IHttpCompletionInfo *) override {
        return RQ_NOTIFICATION_CONTINUE;
    }

private:
    Lock lock;
};

HRESULT WINAPI RegisterModule(DWORD, IHttpModuleRegistrationInfo *info, IHttpServer *global) {
    rule = info->GetName();
    return registered<Broken>(info, global, RQ_BEGIN_REQUEST);
}
