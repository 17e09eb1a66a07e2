// A handler that streams: memory and a part of a file in one write, then three flushed parts, each awaited.

#include "../support/module.hpp"

class Streaming final : public CHttpModule {
public:
    REQUEST_NOTIFICATION_STATUS OnExecuteRequestHandler(IHttpContext *context, IHttpEventProvider *) override {
        const Hold hold(lock);
        begin_text(context);
        context->GetResponse()->DisableBuffering();
        return run(context);
    }

    REQUEST_NOTIFICATION_STATUS OnAsyncCompletion(IHttpContext *context, DWORD, BOOL, IHttpEventProvider *,
                                                  IHttpCompletionInfo *info) override {
        const Hold hold(lock);
        if (FAILED(info->GetCompletionStatus())) return RQ_NOTIFICATION_FINISH_REQUEST;
        return run(context);
    }

    VOID Dispose() override {
        if (file != nullptr) {
            CloseHandle(file);
            DeleteFileA(path.text());
        }
        delete this;
    }

private:
    // Each step is one operation; what it returns says whether the next one follows at once.
    REQUEST_NOTIFICATION_STATUS run(IHttpContext *context) {
        IHttpResponse *response = context->GetResponse();
        while (step < 7) {
            DWORD sent = 0;
            BOOL expected = FALSE;
            HRESULT hr;
            if (step == 0) {
                hr = write_both(response, &sent, &expected);
            } else if (step % 2 == 1) {
                hr = response->Flush(TRUE, TRUE, &sent, &expected);
            } else {
                text.clear();
                text.put("part ").number(step / 2).put("\n");
                chunks[0] = of(text);
                hr = response->WriteEntityChunks(chunks, 1, TRUE, TRUE, &sent, &expected);
            }
            if (FAILED(hr)) return RQ_NOTIFICATION_FINISH_REQUEST;
            ++step;
            if (expected) return RQ_NOTIFICATION_PENDING;
        }
        return RQ_NOTIFICATION_CONTINUE;
    }

    HRESULT write_both(IHttpResponse *response, DWORD *sent, BOOL *expected) {
        char folder[260] = {};
        GetTempPathA(sizeof(folder), folder);
        path.put(folder).put("bivalve-streaming-").number(GetCurrentThreadId()).put(".txt");
        file = CreateFileA(path.text(), GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ, nullptr, CREATE_ALWAYS, 0,
                           nullptr);
        DWORD written = 0;
        WriteFile(file, "before|of the file|after\n", 25, &written, nullptr);
        text.put("memory and ");
        chunks[0] = of(text);
        chunks[1] = {};
        chunks[1].DataChunkType = HttpDataChunkFromFileHandle;
        chunks[1].FromFileHandle.ByteRange.StartingOffset.QuadPart = 7;
        chunks[1].FromFileHandle.ByteRange.Length.QuadPart = 11;
        chunks[1].FromFileHandle.FileHandle = file;
        end.put("\n");
        chunks[2] = of(end);
        return response->WriteEntityChunks(chunks, 3, TRUE, TRUE, sent, expected);
    }

    static HTTP_DATA_CHUNK of(const Text &text) {
        HTTP_DATA_CHUNK chunk = {};
        chunk.DataChunkType = HttpDataChunkFromMemory;
        chunk.FromMemory.pBuffer = const_cast<char *>(text.text());
        chunk.FromMemory.BufferLength = text.size();
        return chunk;
    }

    Lock lock;
    // With fAsync, chunks and what they point to stay until the completion.
    HTTP_DATA_CHUNK chunks[3];
    Text text;
    Text end;
    Text path;
    HANDLE file = nullptr;
    DWORD step = 0;
};

HRESULT WINAPI RegisterModule(DWORD, IHttpModuleRegistrationInfo *info, IHttpServer *global) {
    return registered<Streaming>(info, global, RQ_EXECUTE_REQUEST_HANDLER);
}
