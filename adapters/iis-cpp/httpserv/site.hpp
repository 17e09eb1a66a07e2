// What the server keeps for longer than a request: contexts, sites, applications, metadata.

#pragma once

#include "types.hpp"

// What a module keeps with an object of the server.
class IHttpStoredContext {
public:
    virtual VOID CleanupStoredContext() = 0;
};

// The kept contexts of an object, one for each module.
class IHttpModuleContextContainer {
public:
    virtual IHttpStoredContext *GetModuleContext(HTTP_MODULE_ID moduleId) = 0;
    virtual HRESULT SetModuleContext(IHttpStoredContext *ppStoredContext, HTTP_MODULE_ID moduleId) = 0;
};

// The same by name; the web socket module leaves its interface here.
class INamedContextContainer {
public:
    virtual IHttpStoredContext *GetNamedContext(LPCWSTR szName) = 0;
    virtual HRESULT SetNamedContext(IHttpStoredContext *ppStoredContext, LPCWSTR szName) = 0;
};

// A container that the module asked for, and gives back.
class IDispensedHttpModuleContextContainer : public IHttpModuleContextContainer {
public:
    virtual VOID ReleaseContainer() = 0;
};

// Performance counters.
class IHttpPerfCounterInfo {
public:
    virtual VOID IncrementCounter(DWORD dwCounterIndex, DWORD dwValue = 1) = 0;
    virtual VOID DecrementCounter(DWORD dwCounterIndex, DWORD dwValue = 1) = 0;
};

// The application that the URL belongs to.
class IHttpApplication {
public:
    virtual PCWSTR GetApplicationPhysicalPath() const = 0;
    virtual PCWSTR GetApplicationId() const = 0;
    virtual PCWSTR GetAppConfigPath() const = 0;
    virtual IHttpModuleContextContainer *GetModuleContextContainer() = 0;
};

// IIS 8.0.
class IHttpApplication2 : public IHttpApplication {
public:
    virtual VOID BeginApplicationWarmup() = 0;
    virtual VOID EndApplicationWarmup() = 0;
    virtual BOOL QueryIsWarmingUp() = 0;
};

// What the server knows of the URL.
class IHttpUrlInfo {
public:
    virtual IHttpModuleContextContainer *GetModuleContextContainer() = 0;
    virtual BOOL IsFrequentlyHit() const = 0;
};

// The handler mapping of the request.
class IScriptMapInfo {
public:
    virtual PCWSTR GetPath() const = 0;
    virtual PCSTR GetAllowedVerbs() const = 0;
    virtual PCWSTR GetModules(DWORD *pcchModules = nullptr) const = 0;
    virtual PCWSTR GetScriptProcessor(DWORD *pcchScriptProcessor = nullptr) const = 0;
    virtual PCWSTR GetManagedType(DWORD *pcchManagedType = nullptr) const = 0;
    virtual BOOL GetAllowPathInfoForScriptMappings() const = 0;
    virtual DWORD GetRequiredAccess() const = 0;
    virtual DWORD GetResourceType() const = 0;
    virtual BOOL GetIsStarScriptMap() const = 0;
    virtual DWORD GetResponseBufferLimit() const = 0;
    virtual PCWSTR GetName() const = 0;
};

// The configuration below which the URL is.
class IMetadataInfo {
public:
    virtual PCWSTR GetMetaPath() const = 0;
    virtual PCWSTR GetVrPath() const = 0;
    virtual IHttpTokenEntry *GetVrToken() = 0;
    virtual IHttpModuleContextContainer *GetModuleContextContainer() = 0;
};

// The same, counted.
class IReferencedMetadataInfo : public IMetadataInfo {
public:
    virtual VOID ReferenceMetadata() = 0;
    virtual VOID DereferenceMetadata() = 0;
};
