// What comes with a notification.

#pragma once

#include "server.hpp"

class IHttpEventProvider {
public:
    virtual VOID SetErrorStatus(HRESULT hrError) = 0;
};

class IHttpCompletionInfo {
public:
    virtual DWORD GetCompletionBytes() const = 0;
    virtual HRESULT GetCompletionStatus() const = 0;
};

class IHttpCompletionInfo2 : public IHttpCompletionInfo {
public:
    virtual DWORD GetCompletedOperation() const = 0;
};

class ICustomNotificationProvider : public IHttpEventProvider {
public:
    virtual PCWSTR QueryNotificationType() = 0;
};

class IAuthenticationProvider : public IHttpEventProvider {
public:
    virtual VOID SetUser(IHttpUser *pUser) = 0;
};

class IMapHandlerProvider : public IHttpEventProvider {
public:
    virtual HRESULT SetScriptName(PCWSTR pszScriptName, DWORD cchScriptName) = 0;
    virtual VOID SetScriptMap(IScriptMapInfo *pScriptMap) = 0;
    virtual VOID SetFileInfo(IHttpFileInfo *pFileInfo) = 0;
};

class IMapPathProvider : public IHttpEventProvider {
public:
    virtual PCWSTR GetUrl() const = 0;
    virtual PCWSTR GetPhysicalPath() const = 0;
    virtual HRESULT SetPhysicalPath(PCWSTR pszPhysicalPath, DWORD cchPhysicalPath) = 0;
};

class ISendResponseProvider : public IHttpEventProvider {
public:
    virtual BOOL GetHeadersBeingSent() const = 0;
    virtual DWORD GetFlags() const = 0;
    virtual VOID SetFlags(DWORD dwFlags) = 0;
    virtual HTTP_LOG_DATA *GetLogData() const = 0;
    virtual HRESULT SetLogData(HTTP_LOG_DATA *pLogData) = 0;
    virtual BOOL GetReadyToLogData() const = 0;
};

class IReadEntityProvider : public IHttpEventProvider {
public:
    virtual VOID GetEntity(PVOID *ppBuffer, DWORD *pcbData, DWORD *pcbBuffer) = 0;
    virtual VOID SetEntity(PVOID pBuffer, DWORD cbData, DWORD cbBuffer) = 0;
};

class IPreBeginRequestProvider : public IHttpEventProvider {
public:
    virtual IHttpContext *GetHttpContext() = 0;
};

class IHttpApplicationProvider : public IHttpEventProvider {
public:
    virtual IHttpApplication *GetApplication() = 0;
};

class IHttpApplicationResolveModulesProvider : public IHttpApplicationProvider {
public:
    virtual HRESULT RegisterModule(
        HTTP_MODULE_ID parentModuleId, IHttpModuleFactory *pModuleFactory, PCWSTR pszModuleName,
        PCWSTR pszModuleType, PCWSTR pszModulePreCondition, DWORD dwRequestNotifications,
        DWORD dwPostRequestNotifications) = 0;
    virtual HRESULT SetPriorityForRequestNotification(
        PCWSTR pszModuleName, DWORD dwRequestNotification, PCWSTR pszPriorityAlias) = 0;
};

class IGlobalRSCAQueryProvider : public IHttpEventProvider {
public:
    virtual PCWSTR GetFunctionName() const = 0;
    virtual PCWSTR GetFunctionParameters() const = 0;
    virtual HRESULT GetOutputBuffer(DWORD cbBuffer, BYTE **ppbBuffer) = 0;
    virtual HRESULT ResizeOutputBuffer(DWORD cbNewBuffer, DWORD cbBytesToCopy, BYTE **ppbBuffer) = 0;
    virtual VOID SetResult(DWORD cbData, HRESULT hr) = 0;
};

class IGlobalStopListeningProvider : public IHttpEventProvider {
public:
    virtual BOOL DrainRequestsGracefully() const = 0;
};

class ICacheProvider : public IHttpEventProvider {
public:
    virtual CACHE_OPERATION GetCacheOperation() const = 0;
    virtual IHttpCacheKey *GetCacheKey() const = 0;
    virtual IHttpCacheSpecificData *GetCacheRecord() const = 0;
    virtual VOID SetCacheRecord(IHttpCacheSpecificData *pCacheRecord) = 0;
    virtual IHttpTraceContext *GetTraceContext() const = 0;
};

class IGlobalConfigurationChangeProvider : public IHttpEventProvider {
public:
    virtual PCWSTR GetChangePath() const = 0;
};

class IGlobalFileChangeProvider : public IHttpEventProvider {
public:
    virtual PCWSTR GetFileName() const = 0;
    virtual IHttpFileMonitor *GetFileMonitor() = 0;
};

class IGlobalTraceEventProvider : public IHttpEventProvider {
public:
    virtual HRESULT GetTraceEvent(HTTP_TRACE_EVENT **ppTraceEvent) = 0;
    virtual BOOL CheckSubscription(HTTP_MODULE_ID ModuleId) = 0;
    virtual HRESULT GetCurrentHttpRequestContext(IHttpContext **ppHttpContext) = 0;
};

class IGlobalThreadCleanupProvider : public IHttpEventProvider {
public:
    virtual IHttpApplication *GetApplication() = 0;
};

class IGlobalApplicationPreloadProvider : public IHttpEventProvider {
public:
    virtual HRESULT CreateContext(IHttpContext **ppHttpContext) = 0;
    virtual HRESULT ExecuteRequest(IHttpContext *pHttpContext, IHttpUser *pHttpUser) = 0;
};

class IGlobalApplicationPreloadProvider2 : public IGlobalApplicationPreloadProvider {
public:
    virtual BOOL IsProcessRecycled() const = 0;
};

class IGlobalSuspendProcessCallback : public IHttpEventProvider {
public:
    virtual HRESULT Resume() = 0;
};

typedef IHttpApplicationProvider IHttpApplicationStartProvider;
typedef IHttpApplicationProvider IHttpApplicationStopProvider;
