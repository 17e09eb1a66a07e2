// The worker process, and the registration of the one module.

#pragma once

#include "context.hpp"

class Server final : public IHttpServer3 {
public:
    BOOL IsCommandLineLaunch() const override { return TRUE; }
    PCWSTR GetAppPoolName() const override { return L"DefaultAppPool"; }
    HRESULT AssociateWithThreadPool(HANDLE handle, LPOVERLAPPED_COMPLETION_ROUTINE routine) override {
        called("IHttpServer::AssociateWithThreadPool");
        return associate(handle, routine);
    }
    VOID IncrementThreadCount() override {}
    VOID DecrementThreadCount() override {}
    VOID ReportUnhealthy(PCWSTR, HRESULT) override { called("IHttpServer::ReportUnhealthy"); }
    VOID RecycleProcess(PCWSTR) override { called("IHttpServer::RecycleProcess"); }
    IAppHostAdminManager *GetAdminManager() const override { return nullptr; }
    HRESULT GetFileInfo(PCWSTR, HANDLE, PSID, PCWSTR, HANDLE, BOOL, IHttpFileInfo **, IHttpTraceContext *) override {
        return missing("IHttpServer::GetFileInfo");
    }
    HRESULT FlushKernelCache(PCWSTR) override { return missing("IHttpServer::FlushKernelCache"); }
    HRESULT DoCacheOperation(CACHE_OPERATION, IHttpCacheKey *, IHttpCacheSpecificData **,
                             IHttpTraceContext *) override {
        return missing("IHttpServer::DoCacheOperation");
    }
    GLOBAL_NOTIFICATION_STATUS NotifyCustomNotification(ICustomNotificationProvider *) override {
        return missing<GLOBAL_NOTIFICATION_STATUS>("IHttpServer::NotifyCustomNotification");
    }
    IHttpPerfCounterInfo *GetPerfCounterInfo() override { return &site->counters; }
    VOID RecycleApplication(PCWSTR) override { called("IHttpServer::RecycleApplication"); }
    VOID NotifyConfigurationChange(PCWSTR) override { called("IHttpServer::NotifyConfigurationChange"); }
    VOID NotifyFileChange(PCWSTR) override { called("IHttpServer::NotifyFileChange"); }
    IDispensedHttpModuleContextContainer *DispenseContainer() override { return nullptr; }
    HRESULT AddFragmentToCache(HTTP_DATA_CHUNK *, PCWSTR) override {
        return missing("IHttpServer::AddFragmentToCache");
    }
    HRESULT ReadFragmentFromCache(PCWSTR, BYTE *, DWORD, DWORD *) override {
        return missing("IHttpServer::ReadFragmentFromCache");
    }
    HRESULT RemoveFragmentFromCache(PCWSTR) override { return missing("IHttpServer::RemoveFragmentFromCache"); }
    HRESULT GetWorkerProcessSettings(IWpfSettings **) override {
        return missing("IHttpServer::GetWorkerProcessSettings");
    }
    HRESULT GetProtocolManagerCustomInterface(PCWSTR, PCWSTR, DWORD, PVOID *) override {
        return missing("IHttpServer::GetProtocolManagerCustomInterface");
    }
    BOOL SatisfiesPrecondition(PCWSTR, BOOL *) const override { return TRUE; }
    IHttpTraceContext *GetTraceContext() const override { return trace; }
    HRESULT RegisterFileChangeMonitor(PCWSTR, HANDLE, IHttpFileMonitor **) override {
        return missing("IHttpServer::RegisterFileChangeMonitor");
    }
    HRESULT GetExtendedInterface(HTTP_SERVER_INTERFACE_VERSION version, PVOID *extended) override {
        called("IHttpServer::GetExtendedInterface", static_cast<ULONGLONG>(version));
        *extended = this;
        return S_OK;
    }
    HRESULT GetToken(PCWSTR, PCWSTR, DWORD, IHttpTokenEntry **, PCWSTR, PSOCKADDR, IHttpTraceContext *) override {
        return missing("IHttpServer2::GetToken");
    }
    PCWSTR GetAppPoolConfigFile(DWORD *count) const override {
        if (count != nullptr) *count = 0;
        return L"";
    }
    HRESULT GetExtendedInterface(const GUID &, PVOID input, const GUID &, PVOID *output) override {
        // Every object of this host is of the newest version.
        called("IHttpServer2::GetExtendedInterface");
        *output = input;
        return S_OK;
    }
    HRESULT GetMetadata(PCWSTR, PCWSTR, IReferencedMetadataInfo **) override {
        return missing("IHttpServer2::GetMetadata");
    }
    HRESULT GetWorkerProcessFramework(IWorkerProcessFramework **) override {
        return missing("IHttpServer2::GetWorkerProcessFramework");
    }
    HRESULT QueryRequestProperty(HTTP_OPAQUE_ID, HTTP_REQUEST_PROPERTY, PVOID, ULONG, PVOID, ULONG, PULONG,
                                 LPOVERLAPPED) override {
        return missing("IHttpServer3::QueryRequestProperty");
    }
};

class Registration final : public IHttpModuleRegistrationInfo2 {
public:
    PCWSTR GetName() const override { return name; }
    HTTP_MODULE_ID GetId() const override { return const_cast<Registration *>(this); }
    HRESULT SetRequestNotifications(IHttpModuleFactory *factory, DWORD events, DWORD post_events) override {
        Text text;
        called("SetRequestNotifications", text.hex(events).put(" ").hex(post_events).text());
        if (registered.factory != nullptr) return HRESULT_FROM_WIN32(ERROR_ALREADY_EXISTS);
        registered.factory = factory;
        registered.events = events;
        registered.post_events = post_events;
        return S_OK;
    }
    HRESULT SetGlobalNotifications(CGlobalModule *global, DWORD events) override {
        Text text;
        called("SetGlobalNotifications", text.hex(events).text());
        if (registered.global != nullptr) return HRESULT_FROM_WIN32(ERROR_ALREADY_EXISTS);
        registered.global = global;
        registered.global_events = events;
        return S_OK;
    }
    HRESULT SetPriorityForRequestNotification(DWORD event, PCWSTR priority) override {
        Text text;
        called("SetPriorityForRequestNotification", text.hex(event).put(" ").put(priority).text());
        const bool early = same(priority, PRIORITY_ALIAS_FIRST) || same(priority, PRIORITY_ALIAS_HIGH);
        if (event == RQ_SEND_RESPONSE) registered.first_to_send = early;
        return S_OK;
    }
    HRESULT SetPriorityForGlobalNotification(DWORD event, PCWSTR priority) override {
        Text text;
        called("SetPriorityForGlobalNotification", text.hex(event).put(" ").put(priority).text());
        return S_OK;
    }
    HRESULT SetPriorityForPostRequestNotification(DWORD event, PCWSTR priority) override {
        Text text;
        called("SetPriorityForPostRequestNotification", text.hex(event).put(" ").put(priority).text());
        return S_OK;
    }

    PCWSTR name = L"Module";
};
