// What is written goes to `body`, what is sent to `wire`.

#include "response.hpp"
#include "context.hpp"

Response::Response(Context *owner) : headers(&raw.Headers, false), context(owner) {
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
    body.clear();
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

HRESULT Response::add(const HTTP_DATA_CHUNK *chunks, DWORD count) {
    for (DWORD i = 0; i < count; ++i) {
        const HTTP_DATA_CHUNK &chunk = chunks[i];
        if (chunk.DataChunkType == HttpDataChunkFromMemory) {
            body.put(static_cast<PCSTR>(chunk.FromMemory.pBuffer), chunk.FromMemory.BufferLength);
        } else if (chunk.DataChunkType == HttpDataChunkFromFileHandle) {
            SetFilePointer(chunk.FromFileHandle.FileHandle,
                           static_cast<LONG>(chunk.FromFileHandle.ByteRange.StartingOffset.QuadPart), nullptr, 0);
            ULONGLONG left = chunk.FromFileHandle.ByteRange.Length.QuadPart;
            char buffer[512];
            while (left > 0) {
                DWORD read = 0;
                const DWORD want = left < sizeof(buffer) ? static_cast<DWORD>(left) : sizeof(buffer);
                if (!ReadFile(chunk.FromFileHandle.FileHandle, buffer, want, &read, nullptr) || read == 0) break;
                body.put(buffer, read);
                left -= read;
            }
        } else {
            return missing("a kind of chunk");
        }
    }
    return S_OK;
}

HRESULT Response::write(HTTP_DATA_CHUNK *chunks, DWORD count, BOOL async, BOOL more, DWORD *sent, BOOL *pending,
                        PFN_ASYNC_COMPLETION callback, VOID *argument) {
    if (ended) return E_FAIL;
    HRESULT hr = add(chunks, count);
    if (SUCCEEDED(hr) && !buffering) hr = send(more);
    return complete(context, async, hr, 0, sent, pending, callback, argument);
}

HRESULT Response::send(BOOL more) {
    if (ended) return S_OK;
    const BOOL with_headers = !headers_sent && !suppressed;
    context->raise_send_response(with_headers, more);
    if (with_headers) {
        wire.put("HTTP/1.1 ").number(raw.StatusCode).put(" ").put(raw.pReason, raw.ReasonLength).put("\n");
        headers.tell(wire, HttpHeaderResponseMaximum);
        wire.put("\n");
    }
    headers_sent = TRUE;
    wire.put(body.text(), body.size());
    body.clear();
    ended = !more;
    return S_OK;
}
