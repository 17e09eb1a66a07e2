// Changes where a URL is on disk, and asks for it: first for the size, then for the path.

#include "../support/module.hpp"

class MapPath final : public CHttpModule {
public:
    REQUEST_NOTIFICATION_STATUS OnBeginRequest(IHttpContext *context, IHttpEventProvider *) override {
        Text text;
        asked(context, L"/mapped/page", text);
        asked(context, L"/plain/page", text);
        return answer(context, text);
    }

    REQUEST_NOTIFICATION_STATUS OnMapPath(IHttpContext *, IMapPathProvider *provider) override {
        if (same(provider->GetUrl(), L"/mapped/page")) provider->SetPhysicalPath(L"C:\\elsewhere\\page", 17);
        return RQ_NOTIFICATION_CONTINUE;
    }

private:
    static void asked(IHttpContext *context, PCWSTR url, Text &text) {
        wchar_t path[64] = {};
        DWORD bytes = 2;
        const HRESULT small = context->MapPath(url, path, &bytes);
        text.put(url).put(": ").hex(static_cast<DWORD>(small)).put(", needs ").number(bytes).put(" bytes; ");
        bytes = sizeof(path);
        const HRESULT hr = context->MapPath(url, path, &bytes);
        text.hex(static_cast<DWORD>(hr)).put(" ").put(path).put("\n");
    }
};

HRESULT WINAPI RegisterModule(DWORD, IHttpModuleRegistrationInfo *info, IHttpServer *global) {
    return registered<MapPath>(info, global, RQ_BEGIN_REQUEST | RQ_MAP_PATH);
}
