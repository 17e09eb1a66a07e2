// The memory of a request: pages of its own, which nobody can touch any more when the request has ended.
//
// The context, what it is made of, the strings that it gives out, and what modules are given for the request are in it.
// So a module that calls a request that has ended, or reads what it was given by it, is told of by the handler of
// exceptions, and the process ends.

#pragma once

#include "transcript.hpp"

class Memory {
public:
    Memory();
    VOID *take(size_t bytes);
    // The end.
    void withdraw();

private:
    char *start;
    size_t used = 0;
};

// That of the request that runs now; null, between requests.
inline Memory *memory = nullptr;

// Tells of touches of what was withdrawn.
void watch();
