// What modules and host call of kernel32, declared here because no Windows header is used.

#pragma once

#include "../httpserv.hpp"

#define IMPORTED extern "C" __declspec(dllimport)

struct SRWLOCK {
    PVOID Ptr;
};
struct CONDITION_VARIABLE {
    PVOID Ptr;
};

#define INVALID_HANDLE_VALUE (reinterpret_cast<HANDLE>(~static_cast<ULONG_PTR>(0)))
struct EXCEPTION_RECORD {
    DWORD ExceptionCode;
    DWORD ExceptionFlags;
    EXCEPTION_RECORD *ExceptionRecord;
    PVOID ExceptionAddress;
    DWORD NumberParameters;
    ULONG_PTR ExceptionInformation[15];
};
struct EXCEPTION_POINTERS {
    EXCEPTION_RECORD *ExceptionRecord;
    PVOID ContextRecord;
};

constexpr DWORD INFINITE = 0xFFFFFFFF;
constexpr DWORD GENERIC_READ = 0x80000000;
constexpr DWORD GENERIC_WRITE = 0x40000000;
constexpr DWORD FILE_SHARE_READ = 1;
constexpr DWORD CREATE_ALWAYS = 2;
constexpr DWORD OPEN_EXISTING = 3;
constexpr DWORD FILE_FLAG_OVERLAPPED = 0x40000000;
constexpr DWORD MEM_COMMIT = 0x1000;
constexpr DWORD MEM_RESERVE = 0x2000;
constexpr DWORD PAGE_NOACCESS = 1;
constexpr DWORD PAGE_READWRITE = 4;
constexpr DWORD EXCEPTION_ACCESS_VIOLATION = 0xC0000005;
constexpr LONG EXCEPTION_CONTINUE_SEARCH = 0;
constexpr DWORD STD_OUTPUT_HANDLE = static_cast<DWORD>(-11);

IMPORTED HANDLE WINAPI GetProcessHeap();
IMPORTED PVOID WINAPI HeapAlloc(HANDLE heap, DWORD flags, size_t bytes);
IMPORTED BOOL WINAPI HeapFree(HANDLE heap, DWORD flags, PVOID memory);
IMPORTED DWORD WINAPI GetLastError();
IMPORTED DWORD WINAPI GetCurrentThreadId();
IMPORTED VOID WINAPI ExitProcess(DWORD code);
IMPORTED HANDLE WINAPI GetStdHandle(DWORD which);
IMPORTED PSTR WINAPI GetCommandLineA();
IMPORTED HANDLE WINAPI LoadLibraryA(PCSTR path);
IMPORTED PVOID WINAPI GetProcAddress(HANDLE library, PCSTR name);
IMPORTED BOOL WINAPI CloseHandle(HANDLE handle);
IMPORTED BOOL WINAPI DeleteFileA(PCSTR path);
IMPORTED DWORD WINAPI GetTempPathA(DWORD size, PSTR path);
IMPORTED HANDLE WINAPI CreateFileA(PCSTR path, DWORD access, DWORD share, PVOID security, DWORD how, DWORD flags,
                                   HANDLE like);
IMPORTED BOOL WINAPI ReadFile(HANDLE file, PVOID buffer, DWORD size, DWORD *read, LPOVERLAPPED overlapped);
IMPORTED BOOL WINAPI WriteFile(HANDLE file, const void *bytes, DWORD size, DWORD *written, LPOVERLAPPED overlapped);
IMPORTED DWORD WINAPI SetFilePointer(HANDLE file, LONG distance, LONG *high, DWORD method);
IMPORTED HANDLE WINAPI CreateThread(PVOID security, size_t stack, DWORD(WINAPI *start)(PVOID), PVOID argument,
                                    DWORD flags, DWORD *id);
IMPORTED HANDLE WINAPI CreateIoCompletionPort(HANDLE file, HANDLE port, ULONG_PTR key, DWORD threads);
IMPORTED BOOL WINAPI GetQueuedCompletionStatus(HANDLE port, DWORD *bytes, ULONG_PTR *key, LPOVERLAPPED *overlapped,
                                               DWORD milliseconds);
IMPORTED VOID WINAPI AcquireSRWLockExclusive(SRWLOCK *lock);
IMPORTED VOID WINAPI ReleaseSRWLockExclusive(SRWLOCK *lock);
IMPORTED BOOL WINAPI SleepConditionVariableSRW(CONDITION_VARIABLE *condition, SRWLOCK *lock, DWORD milliseconds,
                                               ULONG flags);
IMPORTED VOID WINAPI WakeAllConditionVariable(CONDITION_VARIABLE *condition);
IMPORTED DWORD WINAPI WaitForSingleObject(HANDLE handle, DWORD milliseconds);
IMPORTED VOID WINAPI Sleep(DWORD milliseconds);
IMPORTED DWORD WINAPI TlsAlloc();
IMPORTED PVOID WINAPI TlsGetValue(DWORD index);
IMPORTED BOOL WINAPI TlsSetValue(DWORD index, PVOID value);
IMPORTED PVOID WINAPI VirtualAlloc(PVOID address, size_t bytes, DWORD how, DWORD protection);
IMPORTED BOOL WINAPI VirtualProtect(PVOID address, size_t bytes, DWORD protection, DWORD *before);
IMPORTED PVOID WINAPI AddVectoredExceptionHandler(ULONG first, LONG(WINAPI *handler)(EXCEPTION_POINTERS *));

void *operator new(size_t bytes);
void operator delete(void *memory);
void operator delete(void *memory, size_t);
// In memory that is there already.
inline void *operator new(size_t, void *place) { return place; }
