// What is written goes to the chunks of the raw response, what is sent to `wire`.

#include "response.hpp"
#include "context.hpp"

Response::Response(Context *owner)
    : headers(&raw.Headers, false), context(owner), trailers(&raw_trailers, false) {
    raw.Version = {1, 1};
    raw.StatusCode = 200;
    raw.pReason = "OK";
    raw.ReasonLength = 2;
}

HRESULT Response::SetStatus(USHORT status, PCSTR reason, USHORT sub, HRESULT error, IAppHostConfigException *,
                            BOOL skip_custom) {
    Text text;
    text.number(status).put(" ").put(reason);
    called("IHttpResponse::SetStatus", text.text());
    raw.StatusCode = status;
    raw.pReason = kept(reason, length(reason));
    raw.ReasonLength = static_cast<USHORT>(length(reason));
    sub_status = sub;
    hr_error = error;
    skip = skip_custom;
    return S_OK;
}

VOID Response::Clear() {
    called("IHttpResponse::Clear");
    headers.clear(HttpHeaderResponseMaximum);
    raw.EntityChunkCount = 0;
    raw.StatusCode = 200;
    raw.pReason = "OK";
    raw.ReasonLength = 2;
}

HRESULT Response::Redirect(PCSTR url, BOOL reset_status, BOOL) {
    called("IHttpResponse::Redirect", url);
    if (reset_status) SetStatus(302, "Redirect", 0, S_OK, nullptr, FALSE);
    return headers.set("Location", url, static_cast<USHORT>(length(url)), TRUE);
}

VOID Response::GetStatus(USHORT *status, USHORT *sub, PCSTR *reason, USHORT *reason_count, HRESULT *error,
                         PCWSTR *module, DWORD *event, IAppHostConfigException **exception, BOOL *skip_custom) {
    called("IHttpResponse::GetStatus");
    *status = raw.StatusCode;
    if (sub != nullptr) *sub = sub_status;
    if (reason != nullptr) *reason = raw.pReason;
    if (reason_count != nullptr) *reason_count = raw.ReasonLength;
    if (error != nullptr) *error = hr_error;
    if (module != nullptr) *module = nullptr;
    if (event != nullptr) *event = 0;
    if (exception != nullptr) *exception = nullptr;
    if (skip_custom != nullptr) *skip_custom = skip;
}

HRESULT Response::add(const HTTP_DATA_CHUNK *chunks, DWORD count, bool by_reference) {
    for (DWORD i = 0; i < count; ++i) {
        if (raw.EntityChunkCount == room) {
            const USHORT more = room == 0 ? 16 : static_cast<USHORT>(room * 2);
            HTTP_DATA_CHUNK *const grown = static_cast<HTTP_DATA_CHUNK *>(keep(more * sizeof(HTTP_DATA_CHUNK)));
            for (USHORT at = 0; at < room; ++at) grown[at] = raw.pEntityChunks[at];
            raw.pEntityChunks = grown;
            room = more;
        }
        HTTP_DATA_CHUNK chunk = chunks[i];
        if (chunk.DataChunkType == HttpDataChunkFromMemory) {
            const PCSTR bytes = static_cast<PCSTR>(chunk.FromMemory.pBuffer);
            if (!by_reference) chunk.FromMemory.pBuffer = kept(bytes, chunk.FromMemory.BufferLength);
        } else if (chunk.DataChunkType != HttpDataChunkFromFileHandle) {
            return missing("a kind of chunk");
        }
        raw.pEntityChunks[raw.EntityChunkCount++] = chunk;
    }
    return S_OK;
}

void Response::gather(Text &text) const {
    for (USHORT i = 0; i < raw.EntityChunkCount; ++i) {
        const HTTP_DATA_CHUNK &chunk = raw.pEntityChunks[i];
        if (chunk.DataChunkType == HttpDataChunkFromMemory) {
            text.put(static_cast<PCSTR>(chunk.FromMemory.pBuffer), chunk.FromMemory.BufferLength);
            continue;
        }
        SetFilePointer(chunk.FromFileHandle.FileHandle,
                       static_cast<LONG>(chunk.FromFileHandle.ByteRange.StartingOffset.QuadPart), nullptr, 0);
        ULONGLONG left = chunk.FromFileHandle.ByteRange.Length.QuadPart;
        char buffer[512];
        while (left > 0) {
            DWORD read = 0;
            const DWORD want = left < sizeof(buffer) ? static_cast<DWORD>(left) : sizeof(buffer);
            if (!ReadFile(chunk.FromFileHandle.FileHandle, buffer, want, &read, nullptr) || read == 0) break;
            text.put(buffer, read);
            left -= read;
        }
    }
}

HRESULT Response::write(HTTP_DATA_CHUNK *chunks, DWORD count, BOOL async, BOOL more, DWORD *sent, BOOL *pending,
                        PFN_ASYNC_COMPLETION callback, VOID *argument) {
    const Turn turn;
    if (ended) return E_FAIL;
    return operate({context, async, sent, pending, callback, argument}, [this, chunks, count, more](DWORD *) {
        const HRESULT hr = add(chunks, count, false);
        return SUCCEEDED(hr) && !buffering ? send(more) : hr;
    });
}

HRESULT Response::flush(BOOL async, BOOL more, DWORD *sent, BOOL *pending, PFN_ASYNC_COMPLETION callback,
                        VOID *argument) {
    const Turn turn;
    return operate({context, async, sent, pending, callback, argument}, [this, more](DWORD *) { return send(more); });
}

HRESULT Response::send(BOOL more) {
    if (ended || reset) return S_OK;
    const BOOL with_headers = !headers_sent && !suppressed;
    context->raise_send_response(with_headers, more);
    if (connection != nullptr && !connection->connected) return HRESULT_FROM_WIN32(ERROR_CONNECTION_INVALID);
    if (reset) return S_OK;
    if (with_headers) {
        wire.put("HTTP/1.1 ").number(raw.StatusCode).put(" ").put(raw.pReason, raw.ReasonLength).put("\n");
        headers.tell(wire, HttpHeaderResponseMaximum);
        wire.put("\n");
    }
    Text body;
    gather(body);
    Text text;
    text.put(with_headers ? "sent: headers, " : "sent: ").number(body.size());
    if (tell_sends) say(text.put(more ? " bytes, more follows" : " bytes, the end"));
    headers_sent = TRUE;
    wire.put(body.text(), body.size());
    raw.EntityChunkCount = 0;
    ended = !more;
    if (ended && (raw_trailers.UnknownHeaderCount > 0)) {
        wire.put("\nthe trailers:\n");
        trailers.tell(wire, 0);
    }
    return S_OK;
}
