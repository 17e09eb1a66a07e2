// What the compiler expects of a C runtime, of which there is none here.

#include "windows.hpp"

extern "C" {
int _fltused = 0;

// These must not become calls of themselves.
__attribute__((no_builtin)) void *memset(void *to, int value, size_t count) {
    volatile BYTE *bytes = static_cast<BYTE *>(to);
    for (size_t i = 0; i < count; ++i) bytes[i] = static_cast<BYTE>(value);
    return to;
}

__attribute__((no_builtin)) void *memcpy(void *to, const void *from, size_t count) {
    volatile BYTE *target = static_cast<BYTE *>(to);
    const BYTE *source = static_cast<const BYTE *>(from);
    for (size_t i = 0; i < count; ++i) target[i] = source[i];
    return to;
}

// A slot of an abstract class was called: there is nobody to tell.
int _purecall() {
    ExitProcess(99);
    return 0;
}

BOOL WINAPI DllMain(HANDLE, DWORD, PVOID) {
    return TRUE;
}
}

// Zeroed, because objects here have no member initialisers for what begins as zero.
void *operator new(size_t bytes) {
    return HeapAlloc(GetProcessHeap(), 8, bytes);
}
void operator delete(void *memory) {
    HeapFree(GetProcessHeap(), 0, memory);
}
void operator delete(void *memory, size_t) {
    HeapFree(GetProcessHeap(), 0, memory);
}
