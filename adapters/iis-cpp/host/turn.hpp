// Who may run: one thread at a time has the turn, and only that one tells something.
//
// The thread of the pipeline has it while it is in the module, and gives it away only while a request waits. A thread
// of the completion port or of the pool takes it for what it does. A thread of the module's own (Rust has some) gets it
// for each call into the host, so what it tells comes after what the pipeline tells before it waits. So a transcript is
// the same every time.

#pragma once

#include "../support/text.hpp"

struct Task;

// Of each thread.
struct Here {
    // How deep the calls that it tells of are nested.
    DWORD depth;
    // Before each line; null, none.
    PCSTR label;
    // What it completes, where it is a thread of the pool.
    Task *task;
    // A turn that it has got is kept until the module has answered.
    bool keeps;
};
Here &here();

// By the thread of the pipeline, before anything else: nothing runs by itself here, where there is no C runtime.
void begin();
void take_turn();
void give_turn();
// Only this thread gets it, which waits for that in a way of its own.
void pass_turn(DWORD thread);

// The turn until the end of the block, where this thread has not got it already.
class Turn {
public:
    Turn();
    Turn(const Turn &) = delete;
    Turn &operator=(const Turn &) = delete;
    ~Turn() {
        if (taken && !here().keeps) give_turn();
    }

private:
    bool taken;
};
