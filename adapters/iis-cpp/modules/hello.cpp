// The smallest module: every request is answered in BeginRequest.

#include "../support/module.hpp"

class Hello final : public CHttpModule {
public:
    REQUEST_NOTIFICATION_STATUS OnBeginRequest(IHttpContext *context, IHttpEventProvider *) override {
        Text text;
        return answer(context, text.put("Hello World!"));
    }
};

HRESULT WINAPI RegisterModule(DWORD, IHttpModuleRegistrationInfo *info, IHttpServer *global) {
    return registered<Hello>(info, global, RQ_BEGIN_REQUEST);
}
