// Completions: who may run when, and what a waiting request waits for.
//
// One thread at a time is inside the module or inside what a module called on it: it has the turn. The thread of the
// pipeline gives it away only while a request waits, and the thread of the completion port takes it for each routine.
// So a transcript is the same every time. Threads of the module's own (Rust has some) never need the turn: they post
// a completion, which is under a lock of its own.

#pragma once

#include "transcript.hpp"

class Context;

// What ends a wait.
struct Event {
    enum Kind { Completed, Called, Indicated } kind;
    Context *context;
    DWORD bytes;
    HRESULT status;
    DWORD operation;
    PFN_ASYNC_COMPLETION callback;
    VOID *argument;
    LPOVERLAPPED_COMPLETION_ROUTINE routine;
    REQUEST_NOTIFICATION_STATUS result;
    Event *next;
};

// Any thread may do this.
void post(const Event &event);
// Waits for the next event of this request; without the turn meanwhile.
Event *next_event(Context *context);
void take_turn();
// Binds a handle to the port; the routine then runs on the port's thread.
HRESULT associate(HANDLE handle, LPOVERLAPPED_COMPLETION_ROUTINE routine);
