// Text that is put together, without a C runtime.

#pragma once

#include "windows.hpp"

inline DWORD length(PCSTR text) {
    DWORD count = 0;
    while (text != nullptr && text[count] != 0) ++count;
    return count;
}

inline DWORD length(PCWSTR text) {
    DWORD count = 0;
    while (text != nullptr && text[count] != 0) ++count;
    return count;
}

inline char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

// Of header names and the like: ASCII, whatever the case.
inline bool same(PCSTR one, PCSTR other) {
    if (one == nullptr || other == nullptr) return one == other;
    while (*one != 0 && lower(*one) == lower(*other)) ++one, ++other;
    return lower(*one) == lower(*other);
}

inline bool same(PCWSTR one, PCWSTR other) {
    if (one == nullptr || other == nullptr) return one == other;
    while (*one != 0 && *one == *other) ++one, ++other;
    return *one == *other;
}

class Text {
public:
    Text() = default;
    Text(const Text &) = delete;
    Text &operator=(const Text &) = delete;
    ~Text() {
        if (bytes != nullptr) operator delete(bytes);
    }

    Text &put(PCSTR text, DWORD count) {
        for (DWORD i = 0; i < count; ++i) add(text[i]);
        return *this;
    }
    Text &put(PCSTR text) { return text == nullptr ? put("(null)") : put(text, length(text)); }
    Text &put(PCWSTR text) {
        if (text == nullptr) return put("(null)");
        for (; *text != 0; ++text) add(*text < 128 ? static_cast<char>(*text) : '?');
        return *this;
    }
    Text &number(ULONGLONG value) {
        if (value >= 10) number(value / 10);
        return add(static_cast<char>('0' + value % 10));
    }
    Text &fill(char c, DWORD count) {
        for (DWORD i = 0; i < count; ++i) add(c);
        return *this;
    }
    Text &hex(DWORD value) {
        put("0x");
        for (int shift = 28; shift >= 0; shift -= 4) add("0123456789abcdef"[(value >> shift) & 15]);
        return *this;
    }
    PCSTR text() const { return bytes == nullptr ? "" : bytes; }
    DWORD size() const { return used; }
    void clear() {
        used = 0;
        if (bytes != nullptr) bytes[0] = 0;
    }

private:
    Text &add(char c) {
        if (used + 1 >= room) {
            room = room == 0 ? 256 : room * 2;
            char *more = static_cast<char *>(operator new(room));
            for (DWORD i = 0; i < used; ++i) more[i] = bytes[i];
            if (bytes != nullptr) operator delete(bytes);
            bytes = more;
        }
        bytes[used++] = c;
        bytes[used] = 0;
        return *this;
    }

    char *bytes = nullptr;
    DWORD used = 0;
    DWORD room = 0;
};

// Where copies go that nobody frees; null, the heap. The host has those of a request in the memory of the request.
inline void *(*keeper)(size_t bytes) = nullptr;

inline void *keep(size_t bytes) {
    return keeper == nullptr ? operator new(bytes) : keeper(bytes);
}

// A copy that nobody frees: modules here live for one request.
inline PSTR kept(PCSTR text, DWORD count) {
    char *copy = static_cast<char *>(keep(count + 1));
    for (DWORD i = 0; i < count; ++i) copy[i] = text[i];
    return copy;
}

inline PWSTR wide(PCSTR text) {
    const DWORD count = length(text);
    wchar_t *copy = static_cast<wchar_t *>(keep((count + 1) * sizeof(wchar_t)));
    for (DWORD i = 0; i < count; ++i) copy[i] = static_cast<unsigned char>(text[i]);
    return copy;
}
