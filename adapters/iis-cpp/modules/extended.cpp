// The overloads that later versions added in derived classes: slots of their own at the end, not beside the old ones.
// Each is called here beside the one whose name it has. The interfaces come from GetExtendedInterface, which is an
// overload itself.

#include "../support/module.hpp"

class Extended final : public CHttpModule {
public:
    REQUEST_NOTIFICATION_STATUS OnBeginRequest(IHttpContext *context, IHttpEventProvider *) override {
        const Hold hold(lock);
        PVOID found = nullptr;
        line("server", server->GetExtendedInterface(HTTP_SERVER_INTERFACE_V2, &found));
        // As before 8.0: what is not there is told, and not called.
        if (found == nullptr) return answer(context, text);
        IHttpServer2 *server2 = static_cast<IHttpServer2 *>(found);
        line("context", server2->GetExtendedInterface(IID_IHttpContext, context, IID_IHttpContext3, &found));
        context3 = static_cast<IHttpContext3 *>(found);
        IHttpRequest *request = context->GetRequest();
        line("request", server2->GetExtendedInterface(IID_IHttpRequest, request, IID_IHttpRequest3, &found));
        request3 = static_cast<IHttpRequest3 *>(found);
        // Of the newest version only: the old read does the same where it is not there, and nothing is told of it.
        if (SUCCEEDED(server2->GetExtendedInterface(IID_IHttpRequest, request, IID_IHttpRequest4, &found))) {
            request4 = static_cast<IHttpRequest4 *>(found);
        }
        IHttpResponse *response = context->GetResponse();
        line("response", server2->GetExtendedInterface(IID_IHttpResponse, response, IID_IHttpResponse2, &found));
        response2 = static_cast<IHttpResponse2 *>(found);
        if (context3 == nullptr || request3 == nullptr || response2 == nullptr) return answer(context, text);
        return SUCCEEDED(context3->PostCompletion(7, &posted, this)) ? RQ_NOTIFICATION_PENDING
                                                                     : RQ_NOTIFICATION_FINISH_REQUEST;
    }

    // After each callback, which posts a completion of the old kind.
    REQUEST_NOTIFICATION_STATUS OnAsyncCompletion(IHttpContext *context, DWORD, BOOL, IHttpEventProvider *,
                                                  IHttpCompletionInfo *info) override {
        const Hold hold(lock);
        text.put("completion: ").number(info->GetCompletionBytes()).put(" bytes\n");
        for (;;) {
            DWORD bytes = 0;
            BOOL pending = FALSE;
            switch (++step) {
            case 1:
                line("read, called back", request3->ReadEntityBody(buffer, 4, TRUE, &called, this, &bytes, &pending));
                break;
            case 2:
                // The old one, by the base class: the derived one hides its name.
                line("read", static_cast<IHttpRequest *>(request3)->ReadEntityBody(buffer + 4, 2, FALSE, &bytes));
                line("read, with flags", read_rest(&bytes));
                text.put("read: ").put(buffer, 6 + bytes).put("\n");
                break;
            case 3:
                begin_text(context);
                // Else it would only be copied.
                context->GetResponse()->DisableBuffering();
                chunk.DataChunkType = HttpDataChunkFromMemory;
                chunk.FromMemory.pBuffer = const_cast<char *>("called back\n");
                chunk.FromMemory.BufferLength = 12;
                line("write, called back",
                     response2->WriteEntityChunks(&chunk, 1, TRUE, TRUE, &called, this, &bytes, &pending));
                break;
            case 4:
                line("flush, called back", response2->Flush(TRUE, TRUE, &called, this, &bytes, &pending));
                break;
            case 5:
                line("flush", static_cast<IHttpResponse *>(response2)->Flush(FALSE, TRUE, &bytes));
                break;
            default:
                write(context, text);
                return RQ_NOTIFICATION_FINISH_REQUEST;
            }
            if (pending) return RQ_NOTIFICATION_PENDING;
        }
    }

private:
    static VOID WINAPI posted(DWORD error, DWORD bytes, LPOVERLAPPED argument) {
        // What was given is what comes: it need not be an OVERLAPPED.
        Extended *self = reinterpret_cast<Extended *>(argument);
        const Hold hold(self->lock);
        self->text.put("posted: error ").number(error).put(", ").number(bytes).put(" bytes\n");
        static_cast<IHttpContext *>(self->context3)->PostCompletion(bytes + 1);
    }

    static REQUEST_NOTIFICATION_STATUS WINAPI called(IHttpContext3 *context, IHttpCompletionInfo2 *info,
                                                     VOID *argument) {
        Extended *self = static_cast<Extended *>(argument);
        const Hold hold(self->lock);
        self->text.put(context == self->context3 ? "called back: " : "called back with another context: ");
        // What has been written is not told reliably.
        if (self->step == 1) self->text.number(info->GetCompletionBytes()).put(" bytes, ");
        self->text.hex(static_cast<DWORD>(info->GetCompletionStatus())).put("\n");
        static_cast<IHttpContext *>(context)->PostCompletion(0);
        return RQ_NOTIFICATION_PENDING;
    }

    HRESULT read_rest(DWORD *bytes) {
        if (request4 != nullptr) return request4->ReadEntityBody(buffer + 6, 8, FALSE, 0UL, bytes);
        return static_cast<IHttpRequest *>(request3)->ReadEntityBody(buffer + 6, 8, FALSE, bytes);
    }

    void line(PCSTR what, HRESULT hr) { text.put(what).put(": ").hex(static_cast<DWORD>(hr)).put("\n"); }

    Lock lock;
    IHttpContext3 *context3 = nullptr;
    IHttpRequest3 *request3 = nullptr;
    IHttpRequest4 *request4 = nullptr;
    IHttpResponse2 *response2 = nullptr;
    HTTP_DATA_CHUNK chunk = {};
    DWORD step = 0;
    char buffer[16];
    Text text;
};

HRESULT WINAPI RegisterModule(DWORD, IHttpModuleRegistrationInfo *info, IHttpServer *global) {
    return registered<Extended>(info, global, RQ_BEGIN_REQUEST);
}
