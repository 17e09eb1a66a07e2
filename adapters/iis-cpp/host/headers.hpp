// The headers of a request or response, kept as http.sys keeps them: known ones at the place of their number.

#pragma once

#include "transcript.hpp"

PCSTR known_name(DWORD id, bool request);
// -1 when the name has no number.
int known_id(PCSTR name, bool request);

template <class Raw> class Headers {
public:
    Headers(Raw *headers, bool of_request) : raw(headers), request(of_request) {}

    PCSTR get(DWORD id, USHORT *count) const {
        const HTTP_KNOWN_HEADER &known = raw->KnownHeaders[id];
        if (count != nullptr) *count = known.RawValueLength;
        return known.pRawValue;
    }

    PCSTR get(PCSTR name, USHORT *count) const {
        const int id = known_id(name, request);
        if (id >= 0) return get(static_cast<DWORD>(id), count);
        const HTTP_UNKNOWN_HEADER *found = find(name);
        if (count != nullptr) *count = found == nullptr ? 0 : found->RawValueLength;
        return found == nullptr ? nullptr : found->pRawValue;
    }

    HRESULT set(DWORD id, PCSTR value, USHORT count, BOOL replace) {
        HTTP_KNOWN_HEADER &known = raw->KnownHeaders[id];
        put(known.pRawValue, known.RawValueLength, value, count, replace);
        return S_OK;
    }

    HRESULT set(PCSTR name, PCSTR value, USHORT count, BOOL replace) {
        const int id = known_id(name, request);
        if (id >= 0) return set(static_cast<DWORD>(id), value, count, replace);
        HTTP_UNKNOWN_HEADER *found = replace ? find(name) : nullptr;
        if (found == nullptr) {
            if (raw->UnknownHeaderCount == room) return E_OUTOFMEMORY;
            if (raw->pUnknownHeaders == nullptr) raw->pUnknownHeaders = static_cast<HTTP_UNKNOWN_HEADER *>(
                    keep(room * sizeof(HTTP_UNKNOWN_HEADER)));
            found = &raw->pUnknownHeaders[raw->UnknownHeaderCount++];
            *found = {};
            found->pName = kept(name, length(name));
            found->NameLength = static_cast<USHORT>(length(name));
        }
        put(found->pRawValue, found->RawValueLength, value, count, TRUE);
        return S_OK;
    }

    HRESULT remove(DWORD id) {
        raw->KnownHeaders[id] = {};
        return S_OK;
    }

    HRESULT remove(PCSTR name) {
        const int id = known_id(name, request);
        if (id >= 0) return remove(static_cast<DWORD>(id));
        while (HTTP_UNKNOWN_HEADER *found = find(name)) {
            const HTTP_UNKNOWN_HEADER *end = raw->pUnknownHeaders + --raw->UnknownHeaderCount;
            for (; found < end; ++found) *found = found[1];
        }
        return S_OK;
    }

    // Name and value, known ones first.
    void tell(Text &text, DWORD known) const {
        for (DWORD id = 0; id < known; ++id) {
            const HTTP_KNOWN_HEADER &header = raw->KnownHeaders[id];
            if (header.pRawValue == nullptr) continue;
            text.put(known_name(id, request)).put(": ").put(header.pRawValue, header.RawValueLength).put("\n");
        }
        for (USHORT i = 0; i < raw->UnknownHeaderCount; ++i) {
            const HTTP_UNKNOWN_HEADER &header = raw->pUnknownHeaders[i];
            text.put(header.pName, header.NameLength).put(": ").put(header.pRawValue, header.RawValueLength).put("\n");
        }
    }

    void clear(DWORD known) {
        for (DWORD id = 0; id < known; ++id) raw->KnownHeaders[id] = {};
        raw->UnknownHeaderCount = 0;
    }

private:
    static constexpr USHORT room = 64;

    HTTP_UNKNOWN_HEADER *find(PCSTR name) const {
        for (USHORT i = 0; i < raw->UnknownHeaderCount; ++i) {
            if (same(raw->pUnknownHeaders[i].pName, name)) return &raw->pUnknownHeaders[i];
        }
        return nullptr;
    }

    // Without fReplace, a known header grows by ", value".
    static void put(PCSTR &place, USHORT &place_count, PCSTR value, USHORT count, BOOL replace) {
        Text text;
        if (!replace && place != nullptr) text.put(place, place_count).put(", ");
        text.put(value, count);
        place = kept(text.text(), text.size());
        place_count = static_cast<USHORT>(text.size());
    }

    Raw *raw;
    bool request;
};
