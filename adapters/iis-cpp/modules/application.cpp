// A global module beside a module of requests: told when the application starts, and the requests see that it was.

#include "../support/module.hpp"

extern "C" __declspec(dllexport) DWORD Stopped = 0;

static DWORD started = 0;
// Not an object: nobody would run its destructor.
static Text *where = nullptr;

class Application final : public CGlobalModule {
public:
    GLOBAL_NOTIFICATION_STATUS OnGlobalApplicationStart(IHttpApplicationStartProvider *provider) override {
        ++started;
        where = new Text();
        where->put(provider->GetApplication()->GetAppConfigPath());
        return GL_NOTIFICATION_CONTINUE;
    }
    GLOBAL_NOTIFICATION_STATUS OnGlobalApplicationStop(IHttpApplicationStopProvider *) override {
        ++Stopped;
        return GL_NOTIFICATION_HANDLED;
    }
    GLOBAL_NOTIFICATION_STATUS OnGlobalStopListening(IGlobalStopListeningProvider *provider) override {
        return provider->DrainRequestsGracefully() ? GL_NOTIFICATION_HANDLED : GL_NOTIFICATION_CONTINUE;
    }
    VOID Terminate() override {
        delete where;
        delete this;
    }
};

class Requests final : public CHttpModule {
public:
    REQUEST_NOTIFICATION_STATUS OnBeginRequest(IHttpContext *context, IHttpEventProvider *) override {
        Text text;
        text.put("started ").number(started).put(" time, at ").put(where == nullptr ? "nowhere" : where->text()).put("\n");
        return answer(context, text);
    }
};

HRESULT WINAPI RegisterModule(DWORD, IHttpModuleRegistrationInfo *info, IHttpServer *global) {
    const HRESULT hr = registered<Requests>(info, global, RQ_BEGIN_REQUEST);
    if (FAILED(hr)) return hr;
    // A process may register it again, with another server.
    started = 0;
    return info->SetGlobalNotifications(new Application(),
                                        GL_APPLICATION_START | GL_APPLICATION_STOP | GL_STOP_LISTENING);
}
