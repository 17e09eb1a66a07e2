// What a module implements, and how it registers.

#pragma once

#include "provider.hpp"

// What a module derives from for its requests: an event that it does not override goes on. Dispose is the end, not the
// destructor.
class CHttpModule {
public:
    virtual REQUEST_NOTIFICATION_STATUS OnBeginRequest(IHttpContext *, IHttpEventProvider *) {
        return RQ_NOTIFICATION_CONTINUE;
    }
    virtual REQUEST_NOTIFICATION_STATUS OnPostBeginRequest(IHttpContext *, IHttpEventProvider *) {
        return RQ_NOTIFICATION_CONTINUE;
    }
    virtual REQUEST_NOTIFICATION_STATUS OnAuthenticateRequest(IHttpContext *, IAuthenticationProvider *) {
        return RQ_NOTIFICATION_CONTINUE;
    }
    virtual REQUEST_NOTIFICATION_STATUS OnPostAuthenticateRequest(IHttpContext *, IHttpEventProvider *) {
        return RQ_NOTIFICATION_CONTINUE;
    }
    virtual REQUEST_NOTIFICATION_STATUS OnAuthorizeRequest(IHttpContext *, IHttpEventProvider *) {
        return RQ_NOTIFICATION_CONTINUE;
    }
    virtual REQUEST_NOTIFICATION_STATUS OnPostAuthorizeRequest(IHttpContext *, IHttpEventProvider *) {
        return RQ_NOTIFICATION_CONTINUE;
    }
    virtual REQUEST_NOTIFICATION_STATUS OnResolveRequestCache(IHttpContext *, IHttpEventProvider *) {
        return RQ_NOTIFICATION_CONTINUE;
    }
    virtual REQUEST_NOTIFICATION_STATUS OnPostResolveRequestCache(IHttpContext *, IHttpEventProvider *) {
        return RQ_NOTIFICATION_CONTINUE;
    }
    virtual REQUEST_NOTIFICATION_STATUS OnMapRequestHandler(IHttpContext *, IMapHandlerProvider *) {
        return RQ_NOTIFICATION_CONTINUE;
    }
    virtual REQUEST_NOTIFICATION_STATUS OnPostMapRequestHandler(IHttpContext *, IHttpEventProvider *) {
        return RQ_NOTIFICATION_CONTINUE;
    }
    virtual REQUEST_NOTIFICATION_STATUS OnAcquireRequestState(IHttpContext *, IHttpEventProvider *) {
        return RQ_NOTIFICATION_CONTINUE;
    }
    virtual REQUEST_NOTIFICATION_STATUS OnPostAcquireRequestState(IHttpContext *, IHttpEventProvider *) {
        return RQ_NOTIFICATION_CONTINUE;
    }
    virtual REQUEST_NOTIFICATION_STATUS OnPreExecuteRequestHandler(IHttpContext *, IHttpEventProvider *) {
        return RQ_NOTIFICATION_CONTINUE;
    }
    virtual REQUEST_NOTIFICATION_STATUS OnPostPreExecuteRequestHandler(IHttpContext *, IHttpEventProvider *) {
        return RQ_NOTIFICATION_CONTINUE;
    }
    virtual REQUEST_NOTIFICATION_STATUS OnExecuteRequestHandler(IHttpContext *, IHttpEventProvider *) {
        return RQ_NOTIFICATION_CONTINUE;
    }
    virtual REQUEST_NOTIFICATION_STATUS OnPostExecuteRequestHandler(IHttpContext *, IHttpEventProvider *) {
        return RQ_NOTIFICATION_CONTINUE;
    }
    virtual REQUEST_NOTIFICATION_STATUS OnReleaseRequestState(IHttpContext *, IHttpEventProvider *) {
        return RQ_NOTIFICATION_CONTINUE;
    }
    virtual REQUEST_NOTIFICATION_STATUS OnPostReleaseRequestState(IHttpContext *, IHttpEventProvider *) {
        return RQ_NOTIFICATION_CONTINUE;
    }
    virtual REQUEST_NOTIFICATION_STATUS OnUpdateRequestCache(IHttpContext *, IHttpEventProvider *) {
        return RQ_NOTIFICATION_CONTINUE;
    }
    virtual REQUEST_NOTIFICATION_STATUS OnPostUpdateRequestCache(IHttpContext *, IHttpEventProvider *) {
        return RQ_NOTIFICATION_CONTINUE;
    }
    virtual REQUEST_NOTIFICATION_STATUS OnLogRequest(IHttpContext *, IHttpEventProvider *) {
        return RQ_NOTIFICATION_CONTINUE;
    }
    virtual REQUEST_NOTIFICATION_STATUS OnPostLogRequest(IHttpContext *, IHttpEventProvider *) {
        return RQ_NOTIFICATION_CONTINUE;
    }
    virtual REQUEST_NOTIFICATION_STATUS OnEndRequest(IHttpContext *, IHttpEventProvider *) {
        return RQ_NOTIFICATION_CONTINUE;
    }
    virtual REQUEST_NOTIFICATION_STATUS OnPostEndRequest(IHttpContext *, IHttpEventProvider *) {
        return RQ_NOTIFICATION_CONTINUE;
    }
    virtual REQUEST_NOTIFICATION_STATUS OnSendResponse(IHttpContext *, ISendResponseProvider *) {
        return RQ_NOTIFICATION_CONTINUE;
    }
    virtual REQUEST_NOTIFICATION_STATUS OnMapPath(IHttpContext *, IMapPathProvider *) {
        return RQ_NOTIFICATION_CONTINUE;
    }
    virtual REQUEST_NOTIFICATION_STATUS OnReadEntity(IHttpContext *, IReadEntityProvider *) {
        return RQ_NOTIFICATION_CONTINUE;
    }
    virtual REQUEST_NOTIFICATION_STATUS OnCustomRequestNotification(IHttpContext *, ICustomNotificationProvider *) {
        return RQ_NOTIFICATION_CONTINUE;
    }
    virtual REQUEST_NOTIFICATION_STATUS OnAsyncCompletion(
        IHttpContext *, DWORD, BOOL, IHttpEventProvider *, IHttpCompletionInfo *) {
        return RQ_NOTIFICATION_CONTINUE;
    }
    virtual VOID Dispose() { delete this; }

protected:
    CHttpModule() {}
    // One slot in this layout, the last one.
    virtual ~CHttpModule() {}
};

// The same for the worker process. It has no virtual destructor; Terminate is in the middle because later versions
// appended.
class CGlobalModule {
public:
    virtual GLOBAL_NOTIFICATION_STATUS OnGlobalStopListening(IGlobalStopListeningProvider *) {
        return GL_NOTIFICATION_CONTINUE;
    }
    virtual GLOBAL_NOTIFICATION_STATUS OnGlobalCacheCleanup() { return GL_NOTIFICATION_CONTINUE; }
    virtual GLOBAL_NOTIFICATION_STATUS OnGlobalCacheOperation(ICacheProvider *) { return GL_NOTIFICATION_CONTINUE; }
    virtual GLOBAL_NOTIFICATION_STATUS OnGlobalHealthCheck() { return GL_NOTIFICATION_CONTINUE; }
    virtual GLOBAL_NOTIFICATION_STATUS OnGlobalConfigurationChange(IGlobalConfigurationChangeProvider *) {
        return GL_NOTIFICATION_CONTINUE;
    }
    virtual GLOBAL_NOTIFICATION_STATUS OnGlobalFileChange(IGlobalFileChangeProvider *) {
        return GL_NOTIFICATION_CONTINUE;
    }
    virtual GLOBAL_NOTIFICATION_STATUS OnGlobalPreBeginRequest(IPreBeginRequestProvider *) {
        return GL_NOTIFICATION_CONTINUE;
    }
    virtual GLOBAL_NOTIFICATION_STATUS OnGlobalApplicationStart(IHttpApplicationStartProvider *) {
        return GL_NOTIFICATION_CONTINUE;
    }
    virtual GLOBAL_NOTIFICATION_STATUS OnGlobalApplicationResolveModules(IHttpApplicationResolveModulesProvider *) {
        return GL_NOTIFICATION_CONTINUE;
    }
    virtual GLOBAL_NOTIFICATION_STATUS OnGlobalApplicationStop(IHttpApplicationStopProvider *) {
        return GL_NOTIFICATION_CONTINUE;
    }
    virtual GLOBAL_NOTIFICATION_STATUS OnGlobalRSCAQuery(IGlobalRSCAQueryProvider *) {
        return GL_NOTIFICATION_CONTINUE;
    }
    virtual GLOBAL_NOTIFICATION_STATUS OnGlobalTraceEvent(IGlobalTraceEventProvider *) {
        return GL_NOTIFICATION_CONTINUE;
    }
    virtual GLOBAL_NOTIFICATION_STATUS OnGlobalCustomNotification(ICustomNotificationProvider *) {
        return GL_NOTIFICATION_CONTINUE;
    }
    virtual VOID Terminate() { }
    virtual GLOBAL_NOTIFICATION_STATUS OnGlobalThreadCleanup(IGlobalThreadCleanupProvider *) {
        return GL_NOTIFICATION_CONTINUE;
    }
    virtual GLOBAL_NOTIFICATION_STATUS OnGlobalApplicationPreload(IGlobalApplicationPreloadProvider *) {
        return GL_NOTIFICATION_CONTINUE;
    }
    virtual GLOBAL_NOTIFICATION_STATUS OnSuspendProcess(IGlobalSuspendProcessCallback **) {
        return GL_NOTIFICATION_CONTINUE;
    }
};

// Memory of the request.
class IModuleAllocator {
public:
    virtual VOID *AllocateMemory(DWORD cbAllocation) = 0;
};

// Makes the object of a request.
class IHttpModuleFactory {
public:
    virtual HRESULT GetHttpModule(CHttpModule **ppModule, IModuleAllocator *pAllocator) = 0;
    virtual VOID Terminate() = 0;
};

// What RegisterModule is given.
class IHttpModuleRegistrationInfo {
public:
    virtual PCWSTR GetName() const = 0;
    virtual HTTP_MODULE_ID GetId() const = 0;
    virtual HRESULT SetRequestNotifications(
        IHttpModuleFactory *pModuleFactory, DWORD dwRequestNotifications, DWORD dwPostRequestNotifications) = 0;
    virtual HRESULT SetGlobalNotifications(CGlobalModule *pGlobalModule, DWORD dwGlobalNotifications) = 0;
    virtual HRESULT SetPriorityForRequestNotification(DWORD dwRequestNotification, PCWSTR pszPriority) = 0;
    virtual HRESULT SetPriorityForGlobalNotification(DWORD dwGlobalNotification, PCWSTR pszPriority) = 0;
};

class IHttpModuleRegistrationInfo2 : public IHttpModuleRegistrationInfo {
public:
    virtual HRESULT SetPriorityForPostRequestNotification(DWORD dwPostRequestNotification, PCWSTR pszPriority) = 0;
};

// What a module exports, under this name.
typedef HRESULT(WINAPI *PFN_REGISTERMODULE)(DWORD dwServerVersion, IHttpModuleRegistrationInfo *pModuleInfo,
                                            IHttpServer *pGlobalInfo);
