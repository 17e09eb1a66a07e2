// Raises a notification of its own, and gets it while it still is inside the event that raised it.

#include "../support/module.hpp"

class Raised final : public ICustomNotificationProvider {
public:
    VOID SetErrorStatus(HRESULT hr) override { error = hr; }
    PCWSTR QueryNotificationType() override { return L"Bivalve.SecondOpinion"; }
    HRESULT error = S_OK;
};

class Custom final : public CHttpModule {
public:
    REQUEST_NOTIFICATION_STATUS OnBeginRequest(IHttpContext *context, IHttpEventProvider *) override {
        BOOL expected = TRUE;
        text.put("before\n");
        const HRESULT hr = context->NotifyCustomNotification(&raised, &expected);
        text.put("after: ").hex(static_cast<DWORD>(hr)).put(expected ? ", to come" : ", done").put(", error ");
        text.hex(static_cast<DWORD>(raised.error)).put("\n");
        return answer(context, text);
    }

    REQUEST_NOTIFICATION_STATUS OnCustomRequestNotification(IHttpContext *,
                                                            ICustomNotificationProvider *provider) override {
        text.put("raised: ").put(provider->QueryNotificationType());
        text.put(provider == &raised ? ", ours\n" : ", another\n");
        provider->SetErrorStatus(E_INVALIDARG);
        return RQ_NOTIFICATION_CONTINUE;
    }

private:
    Raised raised;
    Text text;
};

HRESULT WINAPI RegisterModule(DWORD, IHttpModuleRegistrationInfo *info, IHttpServer *global) {
    return registered<Custom>(info, global, RQ_BEGIN_REQUEST | RQ_CUSTOM_NOTIFICATION);
}
