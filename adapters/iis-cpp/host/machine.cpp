// The queue of completions, the threads of the pool, and the thread of the completion port.

#include "machine.hpp"
#include "context.hpp"

static SRWLOCK queue_lock;
static CONDITION_VARIABLE queue_changed;
static Event *queue = nullptr;
static HANDLE port = nullptr;
// The operation that never ends by itself, once there was one.
static Event stuck;
static bool is_stuck = false;
static bool was_stuck = false;

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

bool has_event(const Context *context, bool posted_only) {
    AcquireSRWLockExclusive(&queue_lock);
    const Event *event = queue;
    while (event != nullptr && (event->context != context || (posted_only && !event->posted))) event = event->next;
    ReleaseSRWLockExclusive(&queue_lock);
    return event != nullptr;
}

Event *next_event(Context *context) {
    give_turn();
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

// An operation that a thread of the pool does.
struct Task {
    Operation operation;
    Work *work;
    bool early;
    // The call that has started it has not returned.
    volatile bool starting;
    volatile bool entered;
    volatile bool wrong;
    // Who has started it.
    DWORD thread;
};

void look_at_work(Task *task) {
    if (!task->starting) return;
    violation("the module works on a completion inside the call that started the operation");
    task->wrong = true;
}

void enter(Task *task) {
    pass_turn(task->thread);
    task->entered = true;
}

static Event completed(const Operation &operation, HRESULT hr, DWORD bytes) {
    Event event = {};
    event.kind = operation.callback == nullptr ? Event::Completed : Event::Called;
    event.context = operation.context;
    event.bytes = bytes;
    event.status = hr;
    event.callback = operation.callback;
    event.argument = operation.argument;
    event.owed = true;
    return event;
}

static DWORD WINAPI serve_task(PVOID argument) {
    Task *const task = static_cast<Task *>(argument);
    here().label = "[pool] ";
    DWORD bytes = 0;
    take_turn();
    say("an operation");
    ++here().depth;
    const HRESULT hr = task->work->run(&bytes);
    --here().depth;
    Event event = completed(task->operation, hr, bytes);
    if (!task->early) {
        post(event);
        give_turn();
        return 0;
    }
    task->operation.context->deliver(&event, task);
    return 0;
}

// The turn goes to the thread of the pool until that is inside the module.
static void run_early(Task *task) {
    task->starting = true;
    task->thread = GetCurrentThreadId();
    const HANDLE thread = CreateThread(nullptr, 0, &serve_task, task, 0, nullptr);
    if (thread == nullptr) die("there is no thread for an operation");
    give_turn();
    for (int i = 0; i < 20000 && !task->entered; ++i) Sleep(1);
    if (!task->entered) die("OnAsyncCompletion was not called within 20 s");
    for (DWORD i = 0; i < patience && !task->wrong; ++i) Sleep(1);
    task->starting = false;
    CloseHandle(thread);
}

HRESULT operate(const Operation &operation, Work *work) {
    const Turn turn;
    Context *const context = operation.context;
    // Without a place to say that it is done already, a completion always comes.
    const bool may_wait = operation.async && (operations != Operations::Inline || operation.pending == nullptr);
    if (operation.async && context->owed > 0) {
        violation("an operation was started while another one was outstanding");
        return HRESULT_FROM_WIN32(ERROR_INVALID_OPERATION);
    }
    const bool elsewhere = operations == Operations::Elsewhere || operations == Operations::Early;
    if (may_wait && (elsewhere || (operations == Operations::Stuck && !was_stuck))) {
        ++context->owed;
        if (operation.done != nullptr) *operation.done = 0;
        if (operation.pending != nullptr) *operation.pending = TRUE;
        if (!elsewhere) {
            stuck = completed(operation, S_OK, 0);
            is_stuck = was_stuck = true;
            return S_OK;
        }
        Task *const task = new Task();
        task->operation = operation;
        task->work = work;
        task->early = operations == Operations::Early;
        if (task->early) run_early(task);
        else CloseHandle(CreateThread(nullptr, 0, &serve_task, task, 0, nullptr));
        return S_OK;
    }
    DWORD bytes = 0;
    const HRESULT hr = work->run(&bytes);
    // A call that failed at once has no completion.
    if (FAILED(hr) || !may_wait) {
        if (operation.done != nullptr) *operation.done = bytes;
        if (operation.pending != nullptr) *operation.pending = FALSE;
        return hr;
    }
    if (operation.pending != nullptr) *operation.pending = TRUE;
    ++context->owed;
    post(completed(operation, hr, bytes));
    return S_OK;
}

bool unstick(Context *context, HRESULT status) {
    if (!is_stuck || stuck.context != context) return false;
    is_stuck = false;
    stuck.status = status;
    post(stuck);
    return true;
}

static DWORD WINAPI serve_port(PVOID) {
    for (;;) {
        DWORD bytes = 0;
        ULONG_PTR key = 0;
        LPOVERLAPPED overlapped = nullptr;
        const BOOL good = GetQueuedCompletionStatus(port, &bytes, &key, &overlapped, INFINITE);
        if (overlapped == nullptr) return 0;
        const DWORD error = good ? 0 : GetLastError();
        const Turn turn;
        say("[port] completion routine");
        ++here().depth;
        reinterpret_cast<LPOVERLAPPED_COMPLETION_ROUTINE>(key)(error, bytes, overlapped);
        --here().depth;
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
