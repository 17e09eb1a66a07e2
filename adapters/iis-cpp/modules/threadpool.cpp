// Reads a file through the server's completion port: its routine runs on one of the server's threads and posts the
// completion of the request.

#include "../support/module.hpp"

class ThreadPool final : public CHttpModule {
public:
    REQUEST_NOTIFICATION_STATUS OnBeginRequest(IHttpContext *context, IHttpEventProvider *) override {
        const Hold hold(lock);
        make_file();
        operation.context = context;
        operation.file = CreateFileA(path.text(), GENERIC_READ, FILE_SHARE_READ, nullptr, OPEN_EXISTING,
                                     FILE_FLAG_OVERLAPPED, nullptr);
        const HRESULT hr = server->AssociateWithThreadPool(operation.file, &done);
        if (FAILED(hr)) return failed(context, "AssociateWithThreadPool", hr);
        operation.overlapped.Offset = 5;
        if (!ReadFile(operation.file, operation.buffer, 8, nullptr, &operation.overlapped)) {
            const DWORD error = GetLastError();
            if (error != ERROR_IO_PENDING) return failed(context, "ReadFile", HRESULT_FROM_WIN32(error));
        }
        // The port is told even where the reading is done already.
        return RQ_NOTIFICATION_PENDING;
    }

    REQUEST_NOTIFICATION_STATUS OnAsyncCompletion(IHttpContext *context, DWORD, BOOL, IHttpEventProvider *,
                                                  IHttpCompletionInfo *info) override {
        const Hold hold(lock);
        CloseHandle(operation.file);
        DeleteFileA(path.text());
        Text text;
        text.put("error ").number(operation.error).put(", ").number(info->GetCompletionBytes()).put(" bytes: ");
        return answer(context, text.put(operation.buffer, info->GetCompletionBytes()).put("\n"));
    }

private:
    struct Operation {
        // First, so that the routine finds the rest.
        OVERLAPPED overlapped;
        IHttpContext *context;
        HANDLE file;
        DWORD error;
        char buffer[16];
    };

    static VOID WINAPI done(DWORD error, DWORD bytes, LPOVERLAPPED overlapped) {
        Operation *operation = reinterpret_cast<Operation *>(overlapped);
        operation->error = error;
        operation->context->PostCompletion(bytes);
    }

    void make_file() {
        char folder[260] = {};
        GetTempPathA(sizeof(folder), folder);
        path.put(folder).put("bivalve-threadpool-").number(GetCurrentThreadId()).put(".txt");
        HANDLE file = CreateFileA(path.text(), GENERIC_WRITE, 0, nullptr, CREATE_ALWAYS, 0, nullptr);
        DWORD written = 0;
        WriteFile(file, "skip from disk!", 15, &written, nullptr);
        CloseHandle(file);
    }

    static REQUEST_NOTIFICATION_STATUS failed(IHttpContext *context, PCSTR what, HRESULT hr) {
        Text text;
        return answer(context, text.put(what).put(" failed: ").hex(static_cast<DWORD>(hr)).put("\n"));
    }

    Lock lock;
    Operation operation;
    Text path;
};

HRESULT WINAPI RegisterModule(DWORD, IHttpModuleRegistrationInfo *info, IHttpServer *global) {
    return registered<ThreadPool>(info, global, RQ_BEGIN_REQUEST);
}
