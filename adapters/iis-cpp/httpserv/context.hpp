// The user, the connection, and the context of a request.

#pragma once

#include "request.hpp"
#include "response.hpp"
#include "site.hpp"

// Who asks. Modules implement it too, and the server counts its references.
class IHttpUser {
public:
    virtual PCWSTR GetRemoteUserName() = 0;
    virtual PCWSTR GetUserName() = 0;
    virtual PCWSTR GetAuthenticationType() = 0;
    virtual PCWSTR GetPassword() = 0;
    virtual HANDLE GetImpersonationToken() = 0;
    virtual HANDLE GetPrimaryToken() = 0;
    virtual VOID ReferenceUser() = 0;
    virtual VOID DereferenceUser() = 0;
    virtual BOOL SupportsIsInRole() = 0;
    virtual HRESULT IsInRole(PCWSTR pszRoleName, BOOL *pfInRole) = 0;
    virtual PVOID GetUserVariable(PCSTR pszVariableName) = 0;
};

// Told when the client goes away, on any thread, at any time.
class IHttpConnectionStoredContext : public IHttpStoredContext {
public:
    virtual VOID NotifyDisconnect() = 0;
};

// IIS 7.5; 7.0 has the base only.
class IHttpConnectionModuleContextContainer : public IHttpModuleContextContainer {
public:
    virtual IHttpConnectionStoredContext *GetConnectionModuleContext(HTTP_MODULE_ID moduleId) = 0;
    virtual HRESULT SetConnectionModuleContext(
        IHttpConnectionStoredContext *ppStoredContext, HTTP_MODULE_ID moduleId) = 0;
};

class IHttpConnection {
public:
    virtual BOOL IsConnected() const = 0;
    virtual VOID *AllocateMemory(DWORD cbAllocation) = 0;
    virtual IHttpConnectionModuleContextContainer *GetModuleContextContainer() = 0;
};

// The request with all that belongs to it.
class IHttpContext {
public:
    virtual IHttpSite *GetSite() = 0;
    virtual IHttpApplication *GetApplication() = 0;
    virtual IHttpConnection *GetConnection() = 0;
    virtual IHttpRequest *GetRequest() = 0;
    virtual IHttpResponse *GetResponse() = 0;
    virtual BOOL GetResponseHeadersSent() const = 0;
    virtual IHttpUser *GetUser() const = 0;
    virtual IHttpModuleContextContainer *GetModuleContextContainer() = 0;
    virtual VOID IndicateCompletion(REQUEST_NOTIFICATION_STATUS notificationStatus) = 0;
    virtual HRESULT PostCompletion(DWORD cbBytes) = 0;
    virtual VOID DisableNotifications(DWORD dwNotifications, DWORD dwPostNotifications) = 0;
    virtual BOOL GetNextNotification(
        REQUEST_NOTIFICATION_STATUS status, DWORD *pdwNotification, BOOL *pfIsPostNotification,
        CHttpModule **ppModuleInfo, IHttpEventProvider **ppRequestOutput) = 0;
    virtual BOOL GetIsLastNotification(REQUEST_NOTIFICATION_STATUS status) = 0;
    virtual HRESULT ExecuteRequest(
        BOOL fAsync, IHttpContext *pHttpContext, DWORD dwExecuteFlags, IHttpUser *pHttpUser,
        BOOL *pfCompletionExpected = nullptr) = 0;
    virtual DWORD GetExecuteFlags() const = 0;
    virtual HRESULT GetServerVariable(PCSTR pszVariableName, PCWSTR *ppszValue, DWORD *pcchValueLength) = 0;
    virtual HRESULT GetServerVariable(PCSTR pszVariableName, PCSTR *ppszValue, DWORD *pcchValueLength) = 0;
    virtual HRESULT SetServerVariable(PCSTR pszVariableName, PCWSTR pszVariableValue) = 0;
    virtual VOID *AllocateRequestMemory(DWORD cbAllocation) = 0;
    virtual IHttpUrlInfo *GetUrlInfo() = 0;
    virtual IMetadataInfo *GetMetadata() = 0;
    virtual PCWSTR GetPhysicalPath(DWORD *pcchPhysicalPath = nullptr) = 0;
    virtual PCWSTR GetScriptName(DWORD *pcchScriptName = nullptr) const = 0;
    virtual PCWSTR GetScriptTranslated(DWORD *pcchScriptTranslated = nullptr) = 0;
    virtual IScriptMapInfo *GetScriptMap() const = 0;
    virtual VOID SetRequestHandled() = 0;
    virtual IHttpFileInfo *GetFileInfo() const = 0;
    virtual HRESULT MapPath(PCWSTR pszUrl, PWSTR pszPhysicalPath, DWORD *pcbPhysicalPath) = 0;
    virtual HRESULT NotifyCustomNotification(
        ICustomNotificationProvider *pCustomOutput, BOOL *pfCompletionExpected) = 0;
    virtual IHttpContext *GetParentContext() const = 0;
    virtual IHttpContext *GetRootContext() const = 0;
    virtual HRESULT CloneContext(DWORD dwCloneFlags, IHttpContext **ppHttpContext) = 0;
    virtual HRESULT ReleaseClonedContext() = 0;
    virtual HRESULT GetCurrentExecutionStats(
        DWORD *pdwNotification, DWORD *pdwNotificationStartTickCount = nullptr, PCWSTR *ppszModule = nullptr,
        DWORD *pdwModuleStartTickCount = nullptr, DWORD *pdwAsyncNotification = nullptr,
        DWORD *pdwAsyncNotificationStartTickCount = nullptr) const = 0;
    virtual IHttpTraceContext *GetTraceContext() const = 0;
    virtual HRESULT GetServerVarChanges(
        DWORD dwOldChangeNumber, DWORD *pdwNewChangeNumber, DWORD *pdwVariableSnapshot,
        PCSTR **ppVariableNameSnapshot, PCWSTR **ppVariableValueSnapshot, DWORD *pdwDiffedVariables,
        DWORD **ppDiffedVariableIndices) = 0;
    virtual HRESULT CancelIo() = 0;
    virtual HRESULT MapHandler(
        DWORD dwSiteId, PCWSTR pszSiteName, PCWSTR pszUrl, PCSTR pszVerb, IScriptMapInfo **ppScriptMap,
        BOOL fIgnoreWildcardMappings = FALSE) = 0;
    virtual HRESULT GetExtendedInterface(HTTP_CONTEXT_INTERFACE_VERSION version, PVOID *ppInterface) = 0;
};

// IIS 7.5.
class IHttpContext2 : public IHttpContext {
public:
    virtual IHttpUser *GetOriginalUser() const = 0;
};

// IIS 8.0.
class IHttpContext3 : public IHttpContext2 {
public:
    virtual INamedContextContainer *GetNamedContextContainer() = 0;
    virtual VOID EnableFullDuplex() = 0;
    virtual HRESULT InheritServerVariable(PCSTR szName, BOOL fFailIfNotExist = FALSE) = 0;
    virtual HRESULT PostCompletion(
        DWORD cbBytes, LPOVERLAPPED_COMPLETION_ROUTINE pfnCompletionRoutine, VOID *pvCompletionContext) = 0;
};

// IIS 10.
class IHttpContext4 : public IHttpContext3 {
public:
    virtual ULONGLONG GetRequestStartTime() = 0;
    virtual ULONGLONG GetRequestElapsedTime() = 0;
};

// Failed-request tracing.
class IHttpTraceContext {
public:
    virtual HRESULT GetTraceConfiguration(HTTP_TRACE_CONFIGURATION *pHttpTraceConfiguration) = 0;
    virtual HRESULT SetTraceConfiguration(
        HTTP_MODULE_ID moduleId, HTTP_TRACE_CONFIGURATION *pHttpTraceConfiguration,
        DWORD cHttpTraceConfiguration = 1) = 0;
    virtual HRESULT RaiseTraceEvent(HTTP_TRACE_EVENT *pTraceEvent) = 0;
    virtual LPCGUID GetTraceActivityId() = 0;
    virtual HRESULT QuickTrace(
        PCWSTR pszData1, PCWSTR pszData2 = nullptr, HRESULT hrLastError = S_OK, UCHAR Level = 4) = 0;
};
