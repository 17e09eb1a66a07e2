// What each of the C++ modules would otherwise repeat: registration, and a text as the response's body.

#pragma once

#include "text.hpp"

// What RegisterModule was given. A DLL here has one module.
inline IHttpServer *server = nullptr;
inline HTTP_MODULE_ID module_id = nullptr;

// Exported under this name by the linker's command line: on x86 the compiler would decorate it.
extern "C" HRESULT WINAPI RegisterModule(DWORD dwServerVersion, IHttpModuleRegistrationInfo *pModuleInfo,
                                         IHttpServer *pGlobalInfo);

template <class Module> class Factory final : public IHttpModuleFactory {
public:
    HRESULT GetHttpModule(CHttpModule **ppModule, IModuleAllocator *) override {
        *ppModule = new Module();
        return *ppModule == nullptr ? E_OUTOFMEMORY : S_OK;
    }
    VOID Terminate() override { delete this; }
};

// To be returned by RegisterModule.
template <class Module>
HRESULT registered(IHttpModuleRegistrationInfo *info, IHttpServer *global, DWORD events, DWORD post = 0) {
    server = global;
    module_id = info->GetId();
    return info->SetRequestNotifications(new Factory<Module>(), events, post);
}

// Of a module that waits, held by its handler and by OnAsyncCompletion: a completion may come before the handler has
// returned, and must neither use the object at the same time nor end the notification under it.
struct Lock {
    SRWLOCK lock = {};
};

class Hold {
public:
    explicit Hold(Lock &held) : lock(&held.lock) { AcquireSRWLockExclusive(lock); }
    Hold(const Hold &) = delete;
    Hold &operator=(const Hold &) = delete;
    ~Hold() { ReleaseSRWLockExclusive(lock); }

private:
    SRWLOCK *lock;
};

// Adds to the body; the server copies it.
inline HRESULT write(IHttpContext *context, PCSTR bytes, DWORD count) {
    HTTP_DATA_CHUNK chunk = {};
    chunk.DataChunkType = HttpDataChunkFromMemory;
    chunk.FromMemory.pBuffer = const_cast<char *>(bytes);
    chunk.FromMemory.BufferLength = count;
    DWORD sent = 0;
    return context->GetResponse()->WriteEntityChunks(&chunk, 1, FALSE, TRUE, &sent);
}

inline HRESULT write(IHttpContext *context, const Text &text) {
    return write(context, text.text(), text.size());
}

// A response of text with this status; the body follows with `write`.
inline void begin_text(IHttpContext *context, USHORT status = 200, PCSTR reason = "OK") {
    IHttpResponse *response = context->GetResponse();
    response->Clear();
    response->SetStatus(status, reason);
    response->SetHeader(HttpHeaderContentType, "text/plain", 10, TRUE);
}

// All of it; the request is finished with it.
inline REQUEST_NOTIFICATION_STATUS answer(IHttpContext *context, const Text &text) {
    begin_text(context);
    write(context, text);
    return RQ_NOTIFICATION_FINISH_REQUEST;
}
