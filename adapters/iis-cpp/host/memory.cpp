// Withdrawn memory, and the trap on it.

#include "memory.hpp"

// Only what is touched takes room.
constexpr size_t SIZE = 64 * 1024 * 1024;
constexpr size_t ALIGNMENT = 16;
constexpr DWORD MOST = 64;

static char *withdrawn[MOST];
static volatile DWORD withdrawn_count = 0;

Memory::Memory() {
    start = static_cast<char *>(VirtualAlloc(nullptr, SIZE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE));
    if (start == nullptr) die("there is no memory for a request");
}

VOID *Memory::take(size_t bytes) {
    const size_t rounded = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    // Threads of modules come here too.
    const size_t at = __atomic_fetch_add(&used, rounded, __ATOMIC_SEQ_CST);
    return at + rounded > SIZE ? nullptr : start + at;
}

void Memory::withdraw() {
    if (withdrawn_count == MOST) die("the case has too many requests");
    withdrawn[withdrawn_count] = start;
    withdrawn_count = withdrawn_count + 1;
    DWORD before = 0;
    if (!VirtualProtect(start, SIZE, PAGE_NOACCESS, &before)) die("the memory of a request cannot be withdrawn");
}

static LONG WINAPI look(EXCEPTION_POINTERS *pointers) {
    const EXCEPTION_RECORD *const record = pointers->ExceptionRecord;
    if (record->ExceptionCode != EXCEPTION_ACCESS_VIOLATION) return EXCEPTION_CONTINUE_SEARCH;
    const ULONG_PTR touched = record->ExceptionInformation[1];
    for (DWORD i = 0; i < withdrawn_count; ++i) {
        const ULONG_PTR first = reinterpret_cast<ULONG_PTR>(withdrawn[i]);
        if (touched >= first && touched < first + SIZE) {
            violation("a request that has ended was touched: in IIS this is an access violation");
            ExitProcess(0);
        }
    }
    violation("an access violation");
    ExitProcess(1);
    return EXCEPTION_CONTINUE_SEARCH;
}

void watch() {
    AddVectoredExceptionHandler(1, &look);
}
