// Operations and their completions.

#pragma once

#include "memory.hpp"

class Context;

// How an operation goes that may wait, where its caller lets it.
enum class Operations {
    // It is done when the call returns, which says so.
    Inline,
    // It is done as well, but the completion comes later, on the thread of the pipeline.
    Later,
    // A thread of the pool does it when the notification waits, and raises on it what is nested.
    Elsewhere,
    // A thread of the pool does it at once, and is inside OnAsyncCompletion before the call returns.
    Early,
    // The first one is never done: it ends when it is cancelled, or when the client goes. The others are Later.
    Stuck,
};
inline Operations operations = Operations::Inline;

// What ends a wait.
struct Event {
    enum Kind { Completed, Called, Indicated, Answered } kind;
    Context *context;
    DWORD bytes;
    HRESULT status;
    DWORD operation;
    PFN_ASYNC_COMPLETION callback;
    VOID *argument;
    LPOVERLAPPED_COMPLETION_ROUTINE routine;
    // Of Indicated, and of Answered: the thread of the pool has called the module already.
    REQUEST_NOTIFICATION_STATUS result;
    // By PostCompletion, of which only one may be on its way.
    bool posted;
    // Of an operation.
    bool owed;
    Event *next;
};

// Any thread may do this.
void post(const Event &event);
// Waits for the next event of this request; without the turn meanwhile.
Event *next_event(Context *context);
// Whether one was posted that nobody has waited for.
bool has_event(const Context *context, bool posted_only);
// Binds a handle to the port; the routine then runs on the port's thread.
HRESULT associate(HANDLE handle, LPOVERLAPPED_COMPLETION_ROUTINE routine);

// What the caller of an operation says of it.
struct Operation {
    Context *context;
    BOOL async;
    DWORD *done;
    BOOL *pending;
    PFN_ASYNC_COMPLETION callback;
    VOID *argument;
};

// What there is to do. What it returns is the status, what it sets the number of bytes.
struct Work {
    virtual HRESULT run(DWORD *bytes) = 0;
};
template <class Closure> struct WorkOf final : Work {
    explicit WorkOf(Closure from) : closure(from) {}
    HRESULT run(DWORD *bytes) override { return closure(bytes); }
    Closure closure;
};

HRESULT operate(const Operation &operation, Work *work);
template <class Closure> HRESULT operate(const Operation &operation, Closure closure) {
    return operate(operation, static_cast<Work *>(new WorkOf<Closure>(closure)));
}

// Ends the operation that is stuck; false when there is none.
bool unstick(Context *context, HRESULT status);
// The module works on the completion of this operation: not before the call that has started it has returned.
void look_at_work(Task *task);
// The turn goes back to the thread that has started it, which is about to return from that call.
void enter(Task *task);
// For how many milliseconds it stays in the call, so that a module has time to be wrong in; what is right needs none.
inline DWORD patience = 20;
