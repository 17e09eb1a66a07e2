// Calls both of every pair of overloads, and tells what each did. A host whose pairs are exchanged takes a number for
// a pointer, or a pointer for a number: it crashes or tells something else.

#include "../support/module.hpp"

class Overloads final : public CHttpModule {
public:
    REQUEST_NOTIFICATION_STATUS OnBeginRequest(IHttpContext *context, IHttpEventProvider *) override {
        begin_text(context);
        Text text;
        request_pairs(context->GetRequest(), text);
        response_pairs(context->GetResponse(), text);
        variable_pair(context, text);
        write(context, text);
        return RQ_NOTIFICATION_FINISH_REQUEST;
    }

private:
    static void line(Text &text, PCSTR what, PCSTR value) { text.put(what).put(": ").put(value).put("\n"); }
    static void line(Text &text, PCSTR what, HRESULT result) {
        text.put(what).put(": ").hex(static_cast<DWORD>(result)).put("\n");
    }

    // The cooked one: what SetUrl does to the raw one is nowhere written down.
    static void url(IHttpRequest *request, Text &text) {
        const HTTP_COOKED_URL &cooked = request->GetRawHttpRequest()->CookedUrl;
        text.put("url: ").put(cooked.pAbsPath).put("\n");
    }

    static void request_pairs(IHttpRequest *request, Text &text) {
        const IHttpRequest *constant = request;
        const HTTP_REQUEST *raw = constant->GetRawHttpRequest();
        line(text, "raw request", raw == request->GetRawHttpRequest() ? "same" : "different");
        text.put("raw verb: ").number(static_cast<DWORD>(raw->Verb)).put("\n");

        line(text, "set by id", request->SetHeader(HttpHeaderUserAgent, "by-id", 5, TRUE));
        line(text, "get by name", request->GetHeader("User-Agent"));
        line(text, "set by name", request->SetHeader("User-Agent", "by-name", 7, TRUE));
        USHORT count = 0;
        line(text, "get by id", request->GetHeader(HttpHeaderUserAgent, &count));
        text.put("its length: ").number(count).put("\n");
        line(text, "delete by id", request->DeleteHeader(HttpHeaderUserAgent));
        line(text, "then", request->GetHeader("User-Agent"));
        line(text, "set unknown", request->SetHeader("X-One", "1", 1, TRUE));
        line(text, "delete by name", request->DeleteHeader("X-One"));
        line(text, "then", request->GetHeader("X-One"));

        line(text, "url in ANSI", request->SetUrl("/ansi?x=1", 9, TRUE));
        url(request, text);
        line(text, "url in UTF-16", request->SetUrl(L"/wide?y=2", 9, TRUE));
        url(request, text);
    }

    static void response_pairs(IHttpResponse *response, Text &text) {
        const IHttpResponse *constant = response;
        const HTTP_RESPONSE *raw = constant->GetRawHttpResponse();
        line(text, "raw response", raw == response->GetRawHttpResponse() ? "same" : "different");
        text.put("raw status: ").number(raw->StatusCode).put("\n");

        line(text, "set by id", response->SetHeader(HttpHeaderEtag, "\"by-id\"", 7, TRUE));
        line(text, "get by name", response->GetHeader("ETag"));
        line(text, "set by name", response->SetHeader("ETag", "\"by-name\"", 9, TRUE));
        USHORT count = 0;
        line(text, "get by id", response->GetHeader(HttpHeaderEtag, &count));
        text.put("its length: ").number(count).put("\n");
        line(text, "delete by id", response->DeleteHeader(HttpHeaderEtag));
        line(text, "set unknown", response->SetHeader("X-Two", "2", 1, TRUE));
        line(text, "delete by name", response->DeleteHeader("X-Two"));
        line(text, "set and keep", response->SetHeader("X-Three", "3", 1, TRUE));
    }

    static void variable_pair(IHttpContext *context, Text &text) {
        PCSTR ansi = nullptr;
        PCWSTR wide_text = nullptr;
        DWORD count = 0;
        line(text, "variable in ANSI", context->GetServerVariable("REQUEST_METHOD", &ansi, &count));
        text.put("its value: ").put(ansi).put(" ").number(count).put("\n");
        line(text, "variable in UTF-16", context->GetServerVariable("REQUEST_METHOD", &wide_text, &count));
        text.put("its value: ").put(wide_text).put(" ").number(count).put("\n");
    }
};

HRESULT WINAPI RegisterModule(DWORD, IHttpModuleRegistrationInfo *info, IHttpServer *global) {
    return registered<Overloads>(info, global, RQ_BEGIN_REQUEST);
}
