// Server variables: read as ANSI and as UTF-16, set, read again, and one that is not there.

#include "../support/module.hpp"

class Variables final : public CHttpModule {
public:
    REQUEST_NOTIFICATION_STATUS OnBeginRequest(IHttpContext *context, IHttpEventProvider *) override {
        begin_text(context);
        Text text;
        const PCSTR names[] = {"REQUEST_METHOD", "QUERY_STRING", "HTTP_X_COLOUR", "NO_SUCH_VARIABLE"};
        for (PCSTR name : names) {
            told(context, name, text);
        }
        const HRESULT hr = context->SetServerVariable("BIVALVE_SET", L"set by us");
        text.put("set: ").hex(static_cast<DWORD>(hr)).put("\n");
        told(context, "BIVALVE_SET", text);
        write(context, text);
        return RQ_NOTIFICATION_FINISH_REQUEST;
    }

private:
    static void told(IHttpContext *context, PCSTR name, Text &text) {
        PCSTR ansi = nullptr;
        PCWSTR wide_text = nullptr;
        DWORD bytes = 0;
        DWORD units = 0;
        const HRESULT first = context->GetServerVariable(name, &ansi, &bytes);
        const HRESULT second = context->GetServerVariable(name, &wide_text, &units);
        text.put(name).put(": ");
        if (FAILED(first) || FAILED(second)) {
            text.hex(static_cast<DWORD>(first)).put(" ").hex(static_cast<DWORD>(second)).put("\n");
        } else {
            text.put(ansi, bytes).put(" (").number(bytes).put(") ").put(wide_text).put(" (").number(units).put(")\n");
        }
    }
};

HRESULT WINAPI RegisterModule(DWORD, IHttpModuleRegistrationInfo *info, IHttpServer *global) {
    return registered<Variables>(info, global, RQ_BEGIN_REQUEST);
}
