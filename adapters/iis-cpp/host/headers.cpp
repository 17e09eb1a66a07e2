// The names of the headers that have numbers.

#include "headers.hpp"

static const PCSTR common[] = {"Cache-Control", "Connection", "Date", "Keep-Alive", "Pragma", "Trailer",
                               "Transfer-Encoding", "Upgrade", "Via", "Warning", "Allow", "Content-Length",
                               "Content-Type", "Content-Encoding", "Content-Language", "Content-Location",
                               "Content-MD5", "Content-Range", "Expires", "Last-Modified"};
static const PCSTR of_request[] = {"Accept", "Accept-Charset", "Accept-Encoding", "Accept-Language", "Authorization",
                                   "Cookie", "Expect", "From", "Host", "If-Match", "If-Modified-Since",
                                   "If-None-Match", "If-Range", "If-Unmodified-Since", "Max-Forwards",
                                   "Proxy-Authorization", "Referer", "Range", "TE", "Translate", "User-Agent"};
static const PCSTR of_response[] = {"Accept-Ranges", "Age", "ETag", "Location", "Proxy-Authenticate", "Retry-After",
                                    "Server", "Set-Cookie", "Vary", "WWW-Authenticate"};

PCSTR known_name(DWORD id, bool request) {
    if (id < 20) return common[id];
    return request ? of_request[id - 20] : of_response[id - 20];
}

int known_id(PCSTR name, bool request) {
    const DWORD count = request ? HttpHeaderRequestMaximum : HttpHeaderResponseMaximum;
    // IIS has no number for these where they are set by name.
    if (!request && (same(name, "Server") || same(name, "Set-Cookie") || same(name, "WWW-Authenticate"))) return -1;
    for (DWORD id = 0; id < count; ++id) {
        if (same(known_name(id, request), name)) return static_cast<int>(id);
    }
    return -1;
}
