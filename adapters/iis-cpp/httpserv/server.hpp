// The worker process, its caches and its files.

#pragma once

#include "context.hpp"

class IHttpCacheKey {
public:
    virtual DWORD GetHash() const = 0;
    virtual PCWSTR GetCacheName() const = 0;
    virtual bool GetIsEqual(IHttpCacheKey *pCacheCompareKey) const = 0;
    virtual bool GetIsPrefix(IHttpCacheKey *pCacheCompareKey) const = 0;
    virtual VOID Enum(IHttpCacheSpecificData *pCacheData) = 0;
};

class IHttpCacheSpecificData {
public:
    virtual IHttpCacheKey *GetCacheKey() const = 0;
    virtual VOID ReferenceCacheData() = 0;
    virtual VOID DereferenceCacheData() = 0;
    virtual VOID ResetTTL() = 0;
    virtual VOID DecrementTTL(BOOL *pfTTLExpired) = 0;
    virtual VOID SetFlushed() = 0;
    virtual BOOL GetFlushed() const = 0;
};

class IHttpSite {
public:
    virtual DWORD GetSiteId() const = 0;
    virtual PCWSTR GetSiteName() const = 0;
    virtual IHttpModuleContextContainer *GetModuleContextContainer() = 0;
    virtual IHttpPerfCounterInfo *GetPerfCounterInfo() = 0;
};

class IHttpFileMonitor {
public:
    virtual IHttpModuleContextContainer *GetModuleContextContainer() = 0;
    virtual VOID DereferenceFileMonitor() = 0;
};

class IHttpFileInfo : public IHttpCacheSpecificData {
public:
    virtual DWORD GetAttributes() const = 0;
    virtual VOID GetSize(ULARGE_INTEGER *pliSize) const = 0;
    virtual const BYTE *GetFileBuffer() const = 0;
    virtual HANDLE GetFileHandle() const = 0;
    virtual PCWSTR GetFilePath() const = 0;
    virtual PCSTR GetETag(USHORT *pcchETag = nullptr) const = 0;
    virtual VOID GetLastModifiedTime(FILETIME *pFileTime) const = 0;
    virtual PCSTR GetLastModifiedString() const = 0;
    virtual BOOL GetHttpCacheAllowed(DWORD *pSecondsToLive) const = 0;
    virtual HRESULT AccessCheck(HANDLE hUserToken, PSID pUserSid) = 0;
    virtual HANDLE GetVrToken() const = 0;
    virtual PCWSTR GetVrPath() const = 0;
    virtual IHttpModuleContextContainer *GetModuleContextContainer() = 0;
    virtual BOOL CheckIfFileHasChanged(HANDLE hUserToken) = 0;
};

class IHttpTokenEntry : public IHttpCacheSpecificData {
public:
    virtual HANDLE GetImpersonationToken() = 0;
    virtual HANDLE GetPrimaryToken() = 0;
    virtual PSID GetSid() = 0;
};

// The worker process.
class IHttpServer {
public:
    virtual BOOL IsCommandLineLaunch() const = 0;
    virtual PCWSTR GetAppPoolName() const = 0;
    virtual HRESULT AssociateWithThreadPool(HANDLE hHandle, LPOVERLAPPED_COMPLETION_ROUTINE completionRoutine) = 0;
    virtual VOID IncrementThreadCount() = 0;
    virtual VOID DecrementThreadCount() = 0;
    virtual VOID ReportUnhealthy(PCWSTR pszReasonString, HRESULT hrReason) = 0;
    virtual VOID RecycleProcess(PCWSTR pszReason) = 0;
    virtual IAppHostAdminManager *GetAdminManager() const = 0;
    virtual HRESULT GetFileInfo(
        PCWSTR pszPhysicalPath, HANDLE hUserToken, PSID pSid, PCWSTR pszChangeNotificationPath,
        HANDLE hChangeNotificationToken, BOOL fCache, IHttpFileInfo **ppFileInfo,
        IHttpTraceContext *pHttpTraceContext = nullptr) = 0;
    virtual HRESULT FlushKernelCache(PCWSTR pszUrl) = 0;
    virtual HRESULT DoCacheOperation(
        CACHE_OPERATION cacheOperation, IHttpCacheKey *pCacheKey, IHttpCacheSpecificData **ppCacheSpecificData,
        IHttpTraceContext *pHttpTraceContext = nullptr) = 0;
    virtual GLOBAL_NOTIFICATION_STATUS NotifyCustomNotification(ICustomNotificationProvider *pCustomOutput) = 0;
    virtual IHttpPerfCounterInfo *GetPerfCounterInfo() = 0;
    virtual VOID RecycleApplication(PCWSTR pszAppConfigPath) = 0;
    virtual VOID NotifyConfigurationChange(PCWSTR pszPath) = 0;
    virtual VOID NotifyFileChange(PCWSTR pszFileName) = 0;
    virtual IDispensedHttpModuleContextContainer *DispenseContainer() = 0;
    virtual HRESULT AddFragmentToCache(HTTP_DATA_CHUNK *pDataChunk, PCWSTR pszFragmentName) = 0;
    virtual HRESULT ReadFragmentFromCache(PCWSTR pszFragmentName, BYTE *pvBuffer, DWORD cbSize, DWORD *pcbCopied) = 0;
    virtual HRESULT RemoveFragmentFromCache(PCWSTR pszFragmentName) = 0;
    virtual HRESULT GetWorkerProcessSettings(IWpfSettings **ppWorkerProcessSettings) = 0;
    virtual HRESULT GetProtocolManagerCustomInterface(
        PCWSTR pProtocolManagerDll, PCWSTR pProtocolManagerDllInitFunction, DWORD dwCustomInterfaceId,
        PVOID *ppCustomInterface) = 0;
    virtual BOOL SatisfiesPrecondition(PCWSTR pszPrecondition, BOOL *pfUnknownPrecondition = nullptr) const = 0;
    virtual IHttpTraceContext *GetTraceContext() const = 0;
    virtual HRESULT RegisterFileChangeMonitor(PCWSTR pszPath, HANDLE hToken, IHttpFileMonitor **ppFileMonitor) = 0;
    virtual HRESULT GetExtendedInterface(HTTP_SERVER_INTERFACE_VERSION version, PVOID *ppInterface) = 0;
};

// IIS 7.5; the last two 8.0.
class IHttpServer2 : public IHttpServer {
public:
    virtual HRESULT GetToken(
        PCWSTR pszUserName, PCWSTR pszPassword, DWORD dwLogonMethod, IHttpTokenEntry **ppTokenEntry,
        PCWSTR pszDefaultDomain = nullptr, PSOCKADDR pSockAddr = nullptr,
        IHttpTraceContext *pHttpTraceContext = nullptr) = 0;
    virtual PCWSTR GetAppPoolConfigFile(DWORD *pcchConfigFilePath = nullptr) const = 0;
    virtual HRESULT GetExtendedInterface(
        const GUID &Version1, PVOID pInput, const GUID &Version2, PVOID *ppOutput) = 0;
    virtual HRESULT GetMetadata(PCWSTR pszSiteName, PCWSTR pszUrl, IReferencedMetadataInfo **ppMetadataInfo) = 0;
    virtual HRESULT GetWorkerProcessFramework(IWorkerProcessFramework **ppWorkerProcessFramework) = 0;
};

// Windows 10 1903.
class IHttpServer3 : public IHttpServer2 {
public:
    virtual HRESULT QueryRequestProperty(
        HTTP_OPAQUE_ID id, HTTP_REQUEST_PROPERTY propertyId, PVOID pQualifier, ULONG qualifierSize, PVOID pOutput,
        ULONG outputBufferSize, PULONG pcbBytesReturned, LPOVERLAPPED pOverlapped) = 0;
};
