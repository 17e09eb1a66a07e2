// Posts a completion and tells what came with it: the bytes that were posted, success, and the event it belongs to.

#include "../support/module.hpp"

class Completion final : public CHttpModule {
public:
    REQUEST_NOTIFICATION_STATUS OnBeginRequest(IHttpContext *context, IHttpEventProvider *) override {
        const Hold hold(lock);
        return SUCCEEDED(context->PostCompletion(4711)) ? RQ_NOTIFICATION_PENDING : RQ_NOTIFICATION_FINISH_REQUEST;
    }

    REQUEST_NOTIFICATION_STATUS OnPostBeginRequest(IHttpContext *context, IHttpEventProvider *) override {
        const Hold hold(lock);
        return SUCCEEDED(context->PostCompletion(2)) ? RQ_NOTIFICATION_PENDING : RQ_NOTIFICATION_FINISH_REQUEST;
    }

    REQUEST_NOTIFICATION_STATUS OnAsyncCompletion(IHttpContext *context, DWORD event, BOOL post, IHttpEventProvider *,
                                                  IHttpCompletionInfo *info) override {
        {
            const Hold hold(lock);
            text.put("event ").hex(event).put(post ? ", post" : "").put(": ").number(info->GetCompletionBytes());
            text.put(" bytes, status ").hex(static_cast<DWORD>(info->GetCompletionStatus())).put("\n");
            if (!post) return RQ_NOTIFICATION_CONTINUE;
            begin_text(context);
            write(context, text);
        }
        // The other way to end a wait: what is returned then says nothing any more. Not under the lock, which is gone
        // with this object when the server ends the request before this call returns.
        context->IndicateCompletion(RQ_NOTIFICATION_FINISH_REQUEST);
        return RQ_NOTIFICATION_PENDING;
    }

private:
    Lock lock;
    Text text;
};

HRESULT WINAPI RegisterModule(DWORD, IHttpModuleRegistrationInfo *info, IHttpServer *global) {
    return registered<Completion>(info, global, RQ_BEGIN_REQUEST, RQ_BEGIN_REQUEST);
}
