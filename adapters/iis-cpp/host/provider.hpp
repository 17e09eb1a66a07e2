// What comes with the notifications.

#pragma once

#include "context.hpp"

// The part that all of them have.
template <class Interface> class Provider : public Interface {
public:
    explicit Provider(Context *owner) : context(owner) {}
    VOID SetErrorStatus(HRESULT hr) override {
        Text text;
        called("IHttpEventProvider::SetErrorStatus", text.hex(static_cast<DWORD>(hr)).text());
        if (context != nullptr) context->error = hr;
    }

protected:
    Context *context;
};

class PlainProvider final : public Provider<IHttpEventProvider> {
public:
    using Provider::Provider;
};

class Authentication final : public Provider<IAuthenticationProvider> {
public:
    using Provider::Provider;
    VOID SetUser(IHttpUser *user) override { context->set_user(user); }
};

class MapHandlerEvent final : public Provider<IMapHandlerProvider> {
public:
    using Provider::Provider;
    HRESULT SetScriptName(PCWSTR, DWORD) override { return S_OK; }
    VOID SetScriptMap(IScriptMapInfo *) override { called("IMapHandlerProvider::SetScriptMap"); }
    VOID SetFileInfo(IHttpFileInfo *) override {}
};

class MappedPath final : public Provider<IMapPathProvider> {
public:
    MappedPath(Context *owner, PCWSTR of, PCWSTR to) : Provider(owner), url(of), path(to) {}
    PCWSTR GetUrl() const override { return url; }
    PCWSTR GetPhysicalPath() const override { return path; }
    HRESULT SetPhysicalPath(PCWSTR to, DWORD count) override {
        Text text;
        called("IMapPathProvider::SetPhysicalPath", text.put(to).text());
        wchar_t *copy = static_cast<wchar_t *>(keep((count + 1) * sizeof(wchar_t)));
        for (DWORD i = 0; i < count; ++i) copy[i] = to[i];
        path = copy;
        return S_OK;
    }

private:
    PCWSTR url;
    PCWSTR path;
};

class Sending final : public Provider<ISendResponseProvider> {
public:
    Sending(Context *owner, BOOL with_headers, BOOL more)
        : Provider(owner), headers(with_headers), flags(more ? HTTP_SEND_RESPONSE_FLAG_MORE_DATA : 0) {
        log.ServerPort = 80;
    }
    BOOL GetHeadersBeingSent() const override { return headers; }
    DWORD GetFlags() const override { return flags; }
    VOID SetFlags(DWORD to) override { flags = to; }
    HTTP_LOG_DATA *GetLogData() const override {
        return GetReadyToLogData() && registered.first_to_send ? const_cast<HTTP_LOG_DATA *>(&log.Base) : nullptr;
    }
    HRESULT SetLogData(HTTP_LOG_DATA *data) override {
        called("ISendResponseProvider::SetLogData", reinterpret_cast<HTTP_LOG_FIELDS_DATA *>(data)->ServerPort);
        return S_OK;
    }
    BOOL GetReadyToLogData() const override { return (flags & HTTP_SEND_RESPONSE_FLAG_MORE_DATA) == 0; }

private:
    BOOL headers;
    DWORD flags;
    HTTP_LOG_FIELDS_DATA log = {};
};

class Entity final : public Provider<IReadEntityProvider> {
public:
    Entity(Context *owner, VOID *bytes, DWORD of_data, DWORD of_buffer)
        : Provider(owner), buffer(bytes), data(of_data), size(of_buffer) {}
    VOID GetEntity(PVOID *to, DWORD *to_data, DWORD *to_size) override {
        *to = buffer;
        *to_data = data;
        *to_size = size;
    }
    VOID SetEntity(PVOID to, DWORD to_data, DWORD to_size) override {
        called("IReadEntityProvider::SetEntity", to_data);
        buffer = to;
        data = to_data;
        size = to_size;
    }

    VOID *buffer;
    DWORD data;
    DWORD size;
};

class Completion final : public IHttpCompletionInfo2 {
public:
    explicit Completion(const Event *of) : event(of) {}
    DWORD GetCompletionBytes() const override { return event->bytes; }
    HRESULT GetCompletionStatus() const override { return event->status; }
    DWORD GetCompletedOperation() const override { return event->operation; }

private:
    const Event *event;
};

class ApplicationEvent final : public Provider<IHttpApplicationProvider> {
public:
    using Provider::Provider;
    IHttpApplication *GetApplication() override { return application; }
};

class StopListening final : public Provider<IGlobalStopListeningProvider> {
public:
    using Provider::Provider;
    BOOL DrainRequestsGracefully() const override { return TRUE; }
};
