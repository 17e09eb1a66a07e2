//! From the context into IIS: the differences between what IIS had and what the module has made of it.

use bivalve_core::{Context, EntityChunk, Outgoing, User};
use bivalve_iis_sys::hresult::{S_OK, succeeded};
use bivalve_iis_sys::types::HRESULT;
use bivalve_iis_sys::{IHttpContext, IHttpRequest, IHttpResponse, IHttpResponse4};
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::host::IisHost;
use crate::raw::{self, raw_chunks};
use crate::text;

/// The head and chunks of a part that is to be flushed: writes the head; the chunks that IIS does not have yet.
///
/// # Safety
///
/// The call that has this host has not been answered.
pub(crate) unsafe fn part(host: &mut IisHost, part: &mut Outgoing<'_>) -> Vec<EntityChunk> {
    let chunks = std::mem::take(part.chunks());
    let head = part.head().map(|head| ((head.status.as_u16(), head.sub_status), &head.headers));
    // SAFETY: as the caller says.
    unsafe { differences(host, head, &chunks) }
}

/// Writes what a call has changed: the request, status and headers at once; `true` when there are chunks to be written.
///
/// # Safety
///
/// The call that has this context has not been answered.
pub(crate) unsafe fn push(cx: &mut Context, in_send: bool) -> bool {
    let (request, response) = cx.take_touched();
    if request {
        // SAFETY: as the caller says.
        unsafe { push_request(cx) };
    }
    // SAFETY: as the caller says.
    unsafe { push_user(cx) };
    if !response {
        return false;
    }
    let sent = cx.response().headers_sent();
    let status = (cx.response().status().as_u16(), cx.response().sub_status());
    let headers = cx.response().headers().clone();
    let chunks = cx.response().chunks().to_vec();
    if let Some(trailers) = cx.response().trailers().cloned() {
        // SAFETY: as the caller says.
        unsafe { push_trailers(IisHost::of(cx), &trailers) };
    }
    let buffering = cx.response().is_buffering();
    let host = IisHost::of(cx);
    if !buffering && !host.mirror.unbuffered {
        host.mirror.unbuffered = true;
        // SAFETY: the response is alive while the call has not been answered.
        unsafe { IHttpResponse::disable_buffering(host.response()) };
    }
    let head = (!sent).then_some((status, &headers));
    if in_send {
        // SAFETY: as the caller says.
        unsafe { in_place(host, head, &chunks) };
        return false;
    }
    // SAFETY: as the caller says.
    let more = unsafe { differences(host, head, &chunks) };
    host.start_write(&more);
    // What other modules have buffered, and what is about to be: IIS has it when this call is over.
    !host.is_idle()
}

/// Writes the head, makes IIS forget its chunks where ours are others, and hands back those to be written.
///
/// # Safety
///
/// As for [`part`].
unsafe fn differences(
    host: &mut IisHost,
    head: Option<((u16, u16), &HeaderMap)>,
    chunks: &[EntityChunk],
) -> Vec<EntityChunk> {
    let response = host.response();
    // SAFETY: the response is alive, says the caller.
    unsafe {
        let Compared { had, lead, replaced, .. } = compared(host, response, head, chunks);
        let same = lead == had && !replaced;
        if !same && let Some((status, headers)) = head {
            IHttpResponse::clear(response);
            host.mirror.status = (0, 0);
            host.mirror.response_headers = HeaderMap::new();
            host.mirror.hidden = false;
            if !push_head(host, response, status, headers) {
                return Vec::new();
            }
        } else {
            if let Some((status, headers)) = head
                && !push_head(host, response, status, headers)
            {
                return Vec::new();
            }
            if !same {
                // Headers have left: the record is all there is.
                in_place(host, None, chunks);
                return Vec::new();
            }
        }
        let more = if same { chunks[had..].to_vec() } else { chunks.to_vec() };
        host.mirror.wrote_response(response, head, chunks.to_vec());
        more
    }
}

/// The chunks of a module beside those that it was shown.
struct Compared {
    /// How many it was shown. IIS's empty ones are not shown.
    had: usize,
    /// How many of them are still the first ones.
    lead: usize,
    /// IIS has a chunk that was not shown.
    hidden: bool,
    /// It has, and what the module wants sent is another response: nothing hidden may go with it.
    replaced: bool,
}

/// A module cannot take away what it was not shown. Its chunks are taken for an addition to the hidden ones only where they
/// begin with all that it was shown, and something was; an error and a cleared head are another response in any case.
///
/// # Safety
///
/// The response is alive.
unsafe fn compared(
    host: &IisHost,
    response: *mut IHttpResponse,
    head: Option<((u16, u16), &HeaderMap)>,
    chunks: &[EntityChunk],
) -> Compared {
    let mirror = &host.mirror;
    let shown = || mirror.chunks.iter().filter(|chunk| !chunk.is_empty());
    let had = shown().count();
    let lead = shown().zip(chunks).take_while(|(a, b)| is_same(a, b)).count();
    // SAFETY: the response is alive, says the caller, and its record with it.
    let left = unsafe { raw_chunks(IHttpResponse::get_raw_http_response(response)) };
    let hidden = mirror.hidden && !left.is_empty();
    let other = head.is_some_and(|(status, headers)| {
        (status.0 != mirror.status.0 && status.0 >= 400)
            || (headers.is_empty() && !mirror.response_headers.is_empty())
    });
    let replaced = hidden && (lead < had || (had == 0 && !chunks.is_empty()) || other);
    if replaced {
        tracing::warn!(
            "a module has replaced a response of which IIS had hidden a part: that part is dropped"
        );
    }
    Compared { had, lead, hidden, replaced }
}

/// Changes IIS's record of what is being sent, inside SendResponse.
///
/// # Safety
///
/// As for [`part`].
unsafe fn in_place(host: &mut IisHost, head: Option<((u16, u16), &HeaderMap)>, chunks: &[EntityChunk]) {
    let response = host.response();
    // SAFETY: response and context are alive, says the caller; what is allocated lives as long as the request.
    unsafe {
        let Compared { had, lead, hidden, replaced } = compared(host, response, head, chunks);
        let told = head.is_none_or(|(status, headers)| push_head(host, response, status, headers));
        let raw = IHttpResponse::get_raw_http_response_mut(response);
        if !told {
            if !raw.is_null() {
                (*raw).Base.EntityChunkCount = 0;
            }
            return;
        }
        if replaced || lead < had || chunks.len() > had {
            // What IIS has in front already stays as it is: its memory lives until this part has left.
            let before = raw_chunks(raw);
            let (before, new) = match () {
                () if hidden && !replaced => (before, &chunks[lead..]),
                () if !hidden && before.len() == had => (&before[..lead], &chunks[lead..]),
                () => (&[][..], chunks),
            };
            let shared = std::sync::Arc::clone(&host.shared);
            let Some((array, count)) = shared.parts.place(host.context(), raw, before, new) else {
                // Nothing may pass that a module has taken away.
                if !raw.is_null() {
                    (*raw).Base.EntityChunkCount = 0;
                }
                tracing::error!("IIS has no memory for what a module sends: the body is left out");
                return;
            };
            if !raw.is_null() {
                (*raw).Base.pEntityChunks = array;
                (*raw).Base.EntityChunkCount = count;
            }
            host.mirror.hidden &= !replaced;
        }
        host.mirror.wrote_response(response, head, chunks.to_vec());
    }
}

/// # Safety
///
/// The context is alive.
pub(crate) unsafe fn copied(context: *mut IHttpContext, bytes: &[u8]) -> Option<*mut u8> {
    let len = u32::try_from(bytes.len()).ok()?;
    // SAFETY: the context is alive, says the caller; the memory has room, and is nobody else's.
    unsafe {
        let memory = IHttpContext::allocate_request_memory(context, len.max(1)).cast::<u8>();
        if memory.is_null() {
            return None;
        }
        memory.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        Some(memory)
    }
}

/// `false` when IIS has refused the status: nothing may leave under the old one, so the connection is reset.
///
/// # Safety
///
/// The response is alive.
unsafe fn push_head(
    host: &mut IisHost,
    response: *mut IHttpResponse,
    status: (u16, u16),
    headers: &HeaderMap,
) -> bool {
    // SAFETY: the response is alive, says the caller; IIS copies texts and values.
    unsafe {
        if status != host.mirror.status {
            let reason = http::StatusCode::from_u16(status.0).ok().and_then(|s| s.canonical_reason());
            let reason = text::to_ansi(reason.unwrap_or("").as_bytes());
            let null = std::ptr::null_mut();
            let set = IHttpResponse::set_status(response, status.0, reason.as_ptr(), status.1, S_OK, null, 1);
            if !succeeded(set) {
                let result = format_args!("0x{set:08X}");
                tracing::error!(status = status.0, result, "IIS refused a status: the connection is reset");
                IHttpResponse::reset_connection(response);
                return false;
            }
            host.mirror.status = status;
        }
        if *headers == host.mirror.response_headers {
            return true;
        }
        let mut several = Vec::new();
        let raw = IHttpResponse::get_raw_http_response(response);
        if !raw.is_null() {
            several.extend(raw::several(raw).map(|(name, _)| name));
        }
        changed(&host.mirror.response_headers, headers, |name, values| {
            let first = values.as_ref().is_none_or(|(_, replace)| *replace);
            let known = several.iter().find(|known| {
                first && known.as_bytes().eq_ignore_ascii_case(&name[..name.len().saturating_sub(1)])
            });
            if let Some(known) = known {
                raw::drop_several(IHttpResponse::get_raw_http_response_mut(response), known);
            }
            match values {
                None => IHttpResponse::delete_header_by_name(response, name.as_ptr()),
                Some((value, replace)) => IHttpResponse::set_header_by_name(
                    response,
                    name.as_ptr(),
                    value.as_ptr(),
                    length(&value),
                    i32::from(replace),
                ),
            }
        });
        let closes = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"close");
        if headers.get_all(header::CONNECTION).iter().any(closes) {
            IHttpResponse::set_need_disconnect(response);
        }
    }
    true
}

/// # Safety
///
/// The call that has this host has not been answered.
unsafe fn push_trailers(host: &mut IisHost, trailers: &HeaderMap) {
    if *trailers == host.mirror.trailers {
        return;
    }
    let response = host.shared.dll.response4(host.response());
    if response.is_null() {
        tracing::warn!("this IIS sends no trailers");
        return;
    }
    changed(&host.mirror.trailers, trailers, |name, values| {
        // SAFETY: the response is alive, says the caller, and of this class, said the server; IIS copies the texts.
        unsafe {
            match values {
                None => IHttpResponse4::delete_trailer(response, name.as_ptr()),
                Some((value, replace)) => IHttpResponse4::set_trailer(
                    response,
                    name.as_ptr(),
                    value.as_ptr(),
                    length(&value),
                    i32::from(replace),
                ),
            }
        }
    });
    host.mirror.trailers.clone_from(trailers);
}

/// # Safety
///
/// The call that has this context has not been answered.
unsafe fn push_request(cx: &mut Context) {
    let inserted: Vec<Bytes> = cx.request_mut().take_inserted();
    let (method, url) = (cx.request().method().clone(), cx.request().url().clone());
    let headers = cx.request().headers().clone();
    let host = IisHost::of(cx);
    let request = host.request();
    // SAFETY: the request is alive while the call has not been answered; IIS copies texts and values.
    unsafe {
        if method != host.mirror.method {
            let name = text::to_ansi(method.as_str().as_bytes());
            note("SetHttpMethod", IHttpRequest::set_http_method(request, name.as_ptr()));
            host.mirror.method = method;
        }
        if url != host.mirror.url {
            set_url(request, &url);
            host.mirror.url = url;
        }
        if headers != host.mirror.request_headers {
            set_headers(request, &host.mirror.request_headers, &headers);
            host.mirror.wrote_request(request, &headers);
        }
        for bytes in inserted.iter().rev() {
            insert_entity(host.context(), request, bytes);
        }
    }
    let _ = cx.take_touched().0;
}

/// Makes another request of a clone.
///
/// # Safety
///
/// The request is alive.
pub(crate) unsafe fn fill_request(
    request: *mut IHttpRequest,
    method: &http::Method,
    url: &http::Uri,
    headers: &HeaderMap,
) {
    // SAFETY: the request is alive, says the caller; IIS copies texts and values.
    unsafe {
        let name = text::to_ansi(method.as_str().as_bytes());
        note("SetHttpMethod", IHttpRequest::set_http_method(request, name.as_ptr()));
        set_url(request, url);
        set_headers(request, &HeaderMap::new(), headers);
    }
}

/// # Safety
///
/// The request is alive.
unsafe fn set_url(request: *mut IHttpRequest, url: &http::Uri) {
    let target = url.path_and_query().map_or("/", |target| target.as_str());
    let (text, len) = (text::to_ansi(target.as_bytes()), u32::try_from(target.len()).unwrap_or(0));
    // SAFETY: the request is alive, says the caller; IIS copies the text.
    note("SetUrl", unsafe { IHttpRequest::set_url_ansi(request, text.as_ptr(), len, 1) });
}

/// # Safety
///
/// The request is alive.
unsafe fn set_headers(request: *mut IHttpRequest, had: &HeaderMap, has: &HeaderMap) {
    changed(had, has, |name, values| {
        // SAFETY: the request is alive, says the caller; IIS copies name and value.
        unsafe {
            match values {
                None => IHttpRequest::delete_header_by_name(request, name.as_ptr()),
                Some((value, replace)) => IHttpRequest::set_header_by_name(
                    request,
                    name.as_ptr(),
                    value.as_ptr(),
                    length(&value),
                    i32::from(replace),
                ),
            }
        }
    });
}

/// `InsertEntityBody`, which does not copy.
///
/// # Safety
///
/// Context and request are alive.
pub(crate) unsafe fn insert_entity(context: *mut IHttpContext, request: *mut IHttpRequest, bytes: &[u8]) {
    // SAFETY: both are alive, says the caller; the copy lives as long as the request.
    unsafe {
        let Some(memory) = copied(context, bytes) else { return };
        let len = u32::try_from(bytes.len()).unwrap_or(0);
        note("InsertEntityBody", IHttpRequest::insert_entity_body(request, memory.cast(), len));
    }
}

/// # Safety
///
/// As for [`push`].
unsafe fn push_user(cx: &mut Context) {
    let user: Option<User> = cx.user().cloned();
    let host = IisHost::of(cx);
    if user == host.mirror.user {
        return;
    }
    host.mirror.user.clone_from(&user);
    if let Some(user) = user {
        // SAFETY: as the caller says.
        unsafe { crate::user::set(host, user) };
    }
}

/// Calls `set` for every header that is not what it was: once without a value to delete it, or for each value, the first
/// of which replaces. By name, which is right for all of them: IIS takes `Server`, `Set-Cookie` and `WWW-Authenticate`
/// for unknown ones.
fn changed(
    had: &HeaderMap,
    has: &HeaderMap,
    mut set: impl FnMut(Vec<u8>, Option<(Vec<u8>, bool)>) -> HRESULT,
) {
    let ours = |name: &&HeaderName| !FRAMING.contains(name);
    for name in had.keys().filter(ours).filter(|name| !has.contains_key(*name)) {
        note("DeleteHeader", set(text::to_ansi(name.as_str().as_bytes()), None));
    }
    for name in has.keys().filter(ours) {
        if had.get_all(name).iter().eq(has.get_all(name)) {
            continue;
        }
        let fits = |value: &&HeaderValue| value.len() <= usize::from(u16::MAX);
        if !has.get_all(name).iter().all(|value| fits(&value)) {
            tracing::error!(%name, "a header value of more than 65,535 bytes cannot be given to IIS");
            // Left out, and not the old one instead.
            if had.contains_key(name) {
                note("DeleteHeader", set(text::to_ansi(name.as_str().as_bytes()), None));
            }
        }
        let mut first = true;
        for value in has.get_all(name).iter().filter(fits) {
            let value = Some((text::to_ansi(value.as_bytes()), std::mem::take(&mut first)));
            note("SetHeader", set(text::to_ansi(name.as_str().as_bytes()), value));
        }
    }
}

/// Framing is IIS's; `Connection: close` becomes `SetNeedDisconnect`.
const FRAMING: [HeaderName; 2] = [header::CONNECTION, header::TRANSFER_ENCODING];

fn length(value: &[u8]) -> u16 {
    u16::try_from(value.len() - 1).unwrap_or(u16::MAX)
}

fn note(what: &str, result: HRESULT) {
    if !succeeded(result) {
        tracing::warn!(what, result = format_args!("0x{result:08X}"), "IIS refused a change of a module");
    }
}

fn is_same(a: &EntityChunk, b: &EntityChunk) -> bool {
    match (a, b) {
        (EntityChunk::Bytes(a), EntityChunk::Bytes(b)) => a.as_ptr() == b.as_ptr() && a.len() == b.len(),
        (EntityChunk::File(a), EntityChunk::File(b)) => {
            std::sync::Arc::ptr_eq(a.file(), b.file()) && a.offset() == b.offset() && a.len() == b.len()
        }
        _ => false,
    }
}
