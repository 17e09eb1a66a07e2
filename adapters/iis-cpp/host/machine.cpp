// The queue of completions, the turn, and the thread of the completion port.

#include "machine.hpp"

static SRWLOCK turn;
static SRWLOCK queue_lock;
static CONDITION_VARIABLE queue_changed;
static Event *queue = nullptr;
static HANDLE port = nullptr;

void take_turn() {
    AcquireSRWLockExclusive(&turn);
}

void post(const Event &event) {
    Event *copy = new Event(event);
    copy->next = nullptr;
    AcquireSRWLockExclusive(&queue_lock);
    Event **last = &queue;
    while (*last != nullptr) last = &(*last)->next;
    *last = copy;
    ReleaseSRWLockExclusive(&queue_lock);
    WakeAllConditionVariable(&queue_changed);
}

Event *next_event(Context *context) {
    ReleaseSRWLockExclusive(&turn);
    AcquireSRWLockExclusive(&queue_lock);
    Event *found = nullptr;
    while (found == nullptr) {
        Event **place = &queue;
        while (*place != nullptr && (*place)->context != context) place = &(*place)->next;
        if (*place != nullptr) {
            found = *place;
            *place = found->next;
        } else if (!SleepConditionVariableSRW(&queue_changed, &queue_lock, 20000, 0)) {
            die("the request was pending and nothing completed it within 20 s");
        }
    }
    ReleaseSRWLockExclusive(&queue_lock);
    take_turn();
    return found;
}

static DWORD WINAPI serve_port(PVOID) {
    for (;;) {
        DWORD bytes = 0;
        ULONG_PTR key = 0;
        LPOVERLAPPED overlapped = nullptr;
        const BOOL good = GetQueuedCompletionStatus(port, &bytes, &key, &overlapped, INFINITE);
        if (overlapped == nullptr) return 0;
        const DWORD error = good ? 0 : GetLastError();
        take_turn();
        say("[port] completion routine");
        ++depth;
        reinterpret_cast<LPOVERLAPPED_COMPLETION_ROUTINE>(key)(error, bytes, overlapped);
        --depth;
        ReleaseSRWLockExclusive(&turn);
    }
}

HRESULT associate(HANDLE handle, LPOVERLAPPED_COMPLETION_ROUTINE routine) {
    if (port == nullptr) {
        port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, nullptr, 0, 1);
        CreateThread(nullptr, 0, &serve_port, nullptr, 0, nullptr);
    }
    const HANDLE bound = CreateIoCompletionPort(handle, port, reinterpret_cast<ULONG_PTR>(routine), 0);
    return bound != nullptr ? S_OK : HRESULT_FROM_WIN32(GetLastError());
}
