// Reads the body, puts it back, reads it again, and echoes it. With the query "async" the first reading may wait.

#include "../support/module.hpp"

class Entity final : public CHttpModule {
public:
    REQUEST_NOTIFICATION_STATUS OnBeginRequest(IHttpContext *context, IHttpEventProvider *) override {
        const Hold hold(lock);
        const HTTP_REQUEST *raw = context->GetRequest()->GetRawHttpRequest();
        for (USHORT i = 0; i < raw->RawUrlLength; ++i) asynchronous |= raw->pRawUrl[i] == '?';
        return read(context);
    }

    REQUEST_NOTIFICATION_STATUS OnAsyncCompletion(IHttpContext *context, DWORD, BOOL, IHttpEventProvider *,
                                                  IHttpCompletionInfo *info) override {
        const Hold hold(lock);
        ++waited;
        if (FAILED(info->GetCompletionStatus())) return echo(context);
        body.put(buffer, info->GetCompletionBytes());
        return read(context);
    }

private:
    // One operation after the other, until the end or until one will complete later.
    REQUEST_NOTIFICATION_STATUS read(IHttpContext *context) {
        IHttpRequest *request = context->GetRequest();
        while (request->GetRemainingEntityBytes() > 0) {
            DWORD received = 0;
            BOOL pending = FALSE;
            const HRESULT hr = request->ReadEntityBody(buffer, sizeof(buffer), asynchronous, &received, &pending);
            if (FAILED(hr)) break;
            if (pending) return RQ_NOTIFICATION_PENDING;
            ++inline_reads;
            body.put(buffer, received);
        }
        return echo(context);
    }

    REQUEST_NOTIFICATION_STATUS echo(IHttpContext *context) {
        IHttpRequest *request = context->GetRequest();
        // Inserted memory is not copied: it has to live as long as the request.
        void *memory = context->AllocateRequestMemory(body.size());
        copy(memory, body.text(), body.size());
        const HRESULT inserted = request->InsertEntityBody(memory, body.size());
        Text again;
        DWORD received = 0;
        while (request->GetRemainingEntityBytes() > 0 &&
               SUCCEEDED(request->ReadEntityBody(buffer, sizeof(buffer), FALSE, &received))) {
            again.put(buffer, received);
        }
        Text text;
        text.put("read ").number(body.size()).put(" bytes, ").number(inline_reads).put(" inline, ");
        text.number(waited).put(" waited for\ninserted ").hex(static_cast<DWORD>(inserted)).put("\nagain: ");
        return answer(context, text.put(again.text()).put("\n"));
    }

    static void copy(void *to, PCSTR from, DWORD count) {
        for (DWORD i = 0; i < count; ++i) static_cast<char *>(to)[i] = from[i];
    }

    Lock lock;
    char buffer[16];
    Text body;
    bool asynchronous = false;
    DWORD inline_reads = 0;
    DWORD waited = 0;
};

HRESULT WINAPI RegisterModule(DWORD, IHttpModuleRegistrationInfo *info, IHttpServer *global) {
    return registered<Entity>(info, global, RQ_BEGIN_REQUEST);
}
