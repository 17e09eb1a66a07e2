// The turn, and what each thread has for itself.

#include "turn.hpp"
#include "machine.hpp"

static SRWLOCK lock;
static CONDITION_VARIABLE free_again;
static volatile DWORD owner = 0;
static DWORD slot = 0;

void begin() {
    slot = TlsAlloc();
    take_turn();
}

Here &here() {
    Here *found = static_cast<Here *>(TlsGetValue(slot));
    if (found == nullptr) {
        found = new Here();
        TlsSetValue(slot, found);
    }
    return *found;
}

void take_turn() {
    AcquireSRWLockExclusive(&lock);
    while (owner != 0) {
        if (!SleepConditionVariableSRW(&free_again, &lock, 20000, 0)) {
            die("a call into the host waited for 20 s: the thread of the pipeline does not come back from the module");
        }
    }
    owner = GetCurrentThreadId();
    ReleaseSRWLockExclusive(&lock);
}

void give_turn() {
    AcquireSRWLockExclusive(&lock);
    owner = 0;
    ReleaseSRWLockExclusive(&lock);
    WakeAllConditionVariable(&free_again);
}

void pass_turn(DWORD thread) {
    AcquireSRWLockExclusive(&lock);
    owner = thread;
    ReleaseSRWLockExclusive(&lock);
}

Turn::Turn() : taken(owner != GetCurrentThreadId()) {
    if (taken && here().task != nullptr) look_at_work(here().task);
    if (taken) take_turn();
}
