// What the host tells: one line for each call, indented by how deep it is nested. It is compared with a file.

#pragma once

#include "turn.hpp"

// Whether the calls that a module makes are told, or only what came of them: of a module in Rust, the former is its own
// business.
inline bool tell_calls = true;
// Whether it is told that a notification waits, and what ends it: whether a module that waits for a thread of its own
// has to wait at all is a matter of time. Without, nothing is indented: who calls is another such matter.
inline bool tell_waits = true;
// The calls for the raw request and response, of which there are many.
inline bool tell_raw = false;
// What leaves, and when.
inline bool tell_sends = false;

inline void print(const Text &text) {
    DWORD written = 0;
    WriteFile(GetStdHandle(STD_OUTPUT_HANDLE), text.text(), text.size(), &written, nullptr);
}

inline void say(const Text &line) {
    const Turn turn;
    Text text;
    if (tell_waits && here().label != nullptr) text.put(here().label);
    for (DWORD i = 0; tell_waits && i < here().depth; ++i) text.put("  ");
    print(text.put(line.text()).put("\n"));
}

inline void say(PCSTR what) {
    Text text;
    say(text.put(what));
}

// A call into the host.
inline void called(PCSTR method) {
    if (tell_calls) say(method);
}
inline void called(PCSTR method, PCSTR detail) {
    Text text;
    if (tell_calls) say(text.put(method).put(" ").put(detail));
}
inline void called(PCSTR method, ULONGLONG number) {
    Text text;
    if (tell_calls) say(text.put(method).put(" ").number(number));
}

// A rule of the interfaces was broken. That is told in any case, at once and without the turn.
inline void violation(PCSTR what) {
    Text text;
    print(text.put("VIOLATION: ").put(what).put("\n"));
}

// A method that this host does not have. That is told in any case: the answer may be wrong.
template <class Result = HRESULT> Result missing(PCSTR method) {
    Text text;
    say(text.put("NOT IN THIS HOST: ").put(method));
    return static_cast<Result>(0);
}
template <> inline HRESULT missing<HRESULT>(PCSTR method) {
    Text text;
    say(text.put("NOT IN THIS HOST: ").put(method));
    return E_NOTIMPL;
}
template <> inline void missing<void>(PCSTR method) {
    missing<DWORD>(method);
}

[[noreturn]] inline void die(PCSTR what) {
    Text text;
    print(text.put("host: ").put(what).put(", error ").number(GetLastError()).put("\n"));
    ExitProcess(2);
    for (;;) {
    }
}
