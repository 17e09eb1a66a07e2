// The types of the interfaces' signatures, under the names that the documentation uses for them.
//
// They are typedefs, not macros, because the layout check compares the signatures that clang prints with those that
// abi.json has.

#pragma once

typedef __SIZE_TYPE__ size_t, ULONG_PTR;

#define WINAPI __stdcall
#define VOID void

typedef int BOOL;
typedef char CHAR;
typedef wchar_t WCHAR;
typedef unsigned char BYTE, UCHAR, BOOLEAN;
typedef unsigned short USHORT, WORD;
typedef long LONG, HRESULT, SECURITY_STATUS;
typedef unsigned long DWORD, ULONG;
typedef unsigned __int64 ULONGLONG;
typedef void *PVOID, *HANDLE, *PSID;
typedef BYTE *PBYTE, *PUCHAR;
typedef ULONG *PULONG;
typedef char *PSTR, *PCHAR;
typedef const char *PCSTR;
typedef wchar_t *PWSTR, *PWCHAR;
typedef const wchar_t *PCWSTR, *LPCWSTR;

union ULARGE_INTEGER {
    struct {
        DWORD LowPart;
        DWORD HighPart;
    } u;
    ULONGLONG QuadPart;
};

struct FILETIME {
    DWORD dwLowDateTime;
    DWORD dwHighDateTime;
};

struct GUID {
    ULONG Data1;
    USHORT Data2;
    USHORT Data3;
    UCHAR Data4[8];
};
typedef const GUID *LPCGUID;

struct OVERLAPPED {
    ULONG_PTR Internal;
    ULONG_PTR InternalHigh;
    union {
        struct {
            DWORD Offset;
            DWORD OffsetHigh;
        };
        PVOID Pointer;
    };
    HANDLE hEvent;
};
typedef OVERLAPPED *LPOVERLAPPED;
typedef VOID(WINAPI *LPOVERLAPPED_COMPLETION_ROUTINE)(DWORD dwErrorCode, DWORD dwBytes, LPOVERLAPPED pOverlapped);

typedef VOID *HTTP_MODULE_ID;
typedef ULONGLONG HTTP_OPAQUE_ID;
typedef HTTP_OPAQUE_ID HTTP_REQUEST_ID, HTTP_CONNECTION_ID, HTTP_RAW_CONNECTION_ID;
typedef ULONGLONG HTTP_URL_CONTEXT;

// Only pointers to them are passed: the configuration system.
class IAppHostAdminManager;
class IAppHostConfigException;
class IWpfSettings;
class IWorkerProcessFramework;

// Failed-request tracing.
enum HTTP_TRACE_TYPE : DWORD { HTTP_TRACE_TYPE_LPCWSTR = 31 };

struct HTTP_TRACE_CONFIGURATION {
    LPCGUID pProviderGuid;
    DWORD dwAreas;
    DWORD dwVerbosity;
    BOOL fProviderEnabled;
};

struct HTTP_TRACE_EVENT_ITEM {
    LPCWSTR pszName;
    HTTP_TRACE_TYPE dwDataType;
    PBYTE pbData;
    DWORD cbData;
    LPCWSTR pszDataDescription;
};

struct HTTP_TRACE_EVENT {
    LPCGUID pProviderGuid;
    DWORD dwArea;
    LPCGUID pAreaGuid;
    DWORD dwEvent;
    LPCWSTR pszEventName;
    DWORD dwEventVersion;
    DWORD dwVerbosity;
    LPCGUID pActivityGuid;
    LPCGUID pRelatedActivityGuid;
    DWORD dwTimeStamp;
    DWORD dwFlags;
    DWORD cEventItems;
    HTTP_TRACE_EVENT_ITEM *pEventItems;
};

// The classes that others name before they are declared.
class CHttpModule;
class ICustomNotificationProvider;
class IHttpCompletionInfo2;
class IHttpCacheSpecificData;
class IHttpContext;
class IHttpContext3;
class IHttpEventProvider;
class IHttpFileInfo;
class IHttpModuleFactory;
class IHttpSite;
class IHttpTokenEntry;
class IHttpTraceContext;
