//! From IIS into the context: what a module sees is what IIS has at this moment.
//!
//! Headers are read from the raw records, which every `SetHeader` changes. They are compared, byte by byte, with a copy
//! of what was read last time; only where they differ are they parsed again.

use std::net::{IpAddr, SocketAddr};

use bivalve_core::{Connection, Context, EntityChunk, FileRange, User};
use bivalve_iis_sys::codes::HTTP_DATA_CHUNK_TYPE;
use bivalve_iis_sys::headers::{REQUEST_HEADERS, RESPONSE_HEADERS};
use bivalve_iis_sys::records::{
    AF_INET, AF_INET6, HTTP_DATA_CHUNK, HTTP_KNOWN_HEADER, HTTP_REQUEST, HTTP_RESPONSE, HTTP_UNKNOWN_HEADER,
    SOCKADDR, SOCKADDR_IN, SOCKADDR_IN6,
};
use bivalve_iis_sys::{IHttpContext, IHttpRequest, IHttpResponse, IHttpUser};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version};
use percent_encoding::{AsciiSet, CONTROLS, percent_encode};

use crate::host::IisHost;
use crate::{file, text};

/// What a URL must not have as it is.
const URL: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// What IIS had when we looked last, and after what we have written since.
#[derive(Default)]
pub(crate) struct Mirror {
    /// Memory for what is looked at.
    scratch: Vec<u8>,
    request_seen: Vec<u8>,
    pub(crate) request_headers: HeaderMap,
    pub(crate) method: Method,
    pub(crate) url: Uri,
    response_seen: Vec<u8>,
    pub(crate) response_headers: HeaderMap,
    pub(crate) status: (u16, u16),
    chunks_seen: Vec<Seen>,
    pub(crate) chunks: Vec<EntityChunk>,
    pub(crate) user: Option<User>,
    pub(crate) unbuffered: bool,
}

/// A chunk of IIS by its looks.
type Seen = (i32, usize, u64, u64);

/// Brings request, response and user of the context in step with IIS.
///
/// # Safety
///
/// The host of the context has the context of IIS that the notification that runs was given.
pub(crate) unsafe fn bring(cx: &mut Context) {
    let host = IisHost::of(cx);
    let mut mirror = std::mem::take(&mut host.mirror);
    let context = host.context();
    // SAFETY: the context is alive, says the caller, and with it request, response and user.
    unsafe {
        let request = IHttpContext::get_request(context);
        bring_request(cx, request, &mut mirror);
        let response = IHttpContext::get_response(context);
        let sent = IHttpContext::get_response_headers_sent(context) != 0;
        bring_response(cx, response, sent, &mut mirror);
        let user = user_of(IHttpContext::get_user(context));
        if user != mirror.user {
            cx.adopt_user(user.clone());
            mirror.user = user;
        }
    }
    IisHost::of(cx).mirror = mirror;
    let _ = cx.take_touched();
}

/// # Safety
///
/// `request` is alive.
unsafe fn bring_request(cx: &mut Context, request: *mut IHttpRequest, mirror: &mut Mirror) {
    // SAFETY: the request is alive, says the caller, and its record with it; nobody writes to it during this call.
    unsafe {
        let raw = IHttpRequest::get_raw_http_request(request);
        let mut seen = std::mem::take(&mut mirror.scratch);
        seen.clear();
        seen.extend_from_slice(text::terminated(IHttpRequest::get_http_method(request)));
        let changed = IHttpRequest::get_url_changed(request) != 0;
        seen.push(u8::from(changed));
        if changed {
            look_at_wide(&mut seen, raw);
        }
        look_at_request(&mut seen, raw);
        if seen != mirror.request_seen {
            let parts = head(request);
            let original = changed.then(|| url_sent(raw));
            mirror.method = parts.method.clone();
            mirror.url = parts.uri.clone();
            mirror.request_headers.clone_from(&parts.headers);
            std::mem::swap(&mut mirror.request_seen, &mut seen);
            cx.request_mut().adopt(parts.method, parts.uri, original, parts.version, parts.headers);
        }
        mirror.scratch = seen;
        cx.request_mut().reopen_entity();
    }
}

/// # Safety
///
/// `response` is alive.
unsafe fn bring_response(cx: &mut Context, response: *mut IHttpResponse, sent: bool, mirror: &mut Mirror) {
    // SAFETY: the response is alive, says the caller, and its record with it; nobody writes to it during this call.
    unsafe {
        let raw = IHttpResponse::get_raw_http_response(response);
        let (mut status, mut sub) = (0_u16, 0_u16);
        IHttpResponse::get_status(
            response,
            &mut status,
            &mut sub,
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
        );
        let mut seen = std::mem::take(&mut mirror.scratch);
        look_at_response(&mut seen, raw);
        if seen != mirror.response_seen || (status, sub) != mirror.status {
            let headers = if raw.is_null() {
                HeaderMap::new()
            } else {
                let raw = &(*raw).Base.Headers;
                headers(&raw.KnownHeaders, &RESPONSE_HEADERS, raw.pUnknownHeaders, raw.UnknownHeaderCount)
            };
            mirror.response_seen.clone_from(&seen);
            mirror.status = (status, sub);
            mirror.response_headers.clone_from(&headers);
            let status = StatusCode::from_u16(status).unwrap_or_default();
            cx.response_mut().adopt_head(status, sub, headers, sent);
        }
        mirror.scratch = seen;
        cx.response_mut().adopt_sent(sent);
        let seen = look_at_chunks(raw);
        if seen != mirror.chunks_seen || cx.response().chunks().len() != mirror.chunks.len() {
            mirror.chunks = chunks(raw, &seen, mirror);
            mirror.chunks_seen = seen;
            cx.response_mut().adopt_chunks(mirror.chunks.iter().cloned());
        }
    }
}

impl Mirror {
    /// What was written to the request is there now.
    ///
    /// # Safety
    ///
    /// `request` is alive.
    pub(crate) unsafe fn wrote_request(&mut self, request: *mut IHttpRequest, headers: &HeaderMap) {
        self.request_headers.clone_from(headers);
        // Looked at again next time: IIS may have another idea of a header than we.
        let _ = request;
        self.request_seen.clear();
    }

    /// What was written to the response is there now: read it off, so that nothing is parsed again.
    ///
    /// # Safety
    ///
    /// `response` is alive.
    pub(crate) unsafe fn wrote_response(
        &mut self,
        response: *mut IHttpResponse,
        head: Option<((u16, u16), &HeaderMap)>,
        chunks: Vec<EntityChunk>,
    ) {
        // SAFETY: the response is alive, says the caller, and its record with it.
        unsafe {
            let raw = IHttpResponse::get_raw_http_response(response);
            if let Some((status, headers)) = head {
                self.status = status;
                self.response_headers.clone_from(headers);
                look_at_response(&mut self.response_seen, raw);
            }
            let seen = look_at_chunks(raw);
            // As many as were written: IIS keeps them one by one. Else they are looked at next time.
            if seen.len() == chunks.len() {
                self.chunks_seen = seen;
            } else {
                self.chunks_seen = vec![(-1, 0, 0, 0)];
            }
            self.chunks = chunks;
        }
    }
}

/// The head of the request, for a context that begins.
///
/// # Safety
///
/// `request` is alive.
pub(crate) unsafe fn head(request: *mut IHttpRequest) -> http::request::Parts {
    let (mut parts, ()) = http::Request::new(()).into_parts();
    // SAFETY: the request is alive, says the caller, and with it its record and texts.
    unsafe {
        let raw = IHttpRequest::get_raw_http_request(request);
        parts.method =
            Method::from_bytes(text::terminated(IHttpRequest::get_http_method(request))).unwrap_or_default();
        let (mut major, mut minor) = (1_u16, 1_u16);
        IHttpRequest::get_http_version(request, &mut major, &mut minor);
        parts.version = match (major, minor) {
            (1, 0) => Version::HTTP_10,
            (2, _) => Version::HTTP_2,
            (3, _) => Version::HTTP_3,
            (0, _) => Version::HTTP_09,
            _ => Version::HTTP_11,
        };
        if !raw.is_null() {
            let changed = IHttpRequest::get_url_changed(request) != 0;
            parts.uri = if changed { url_now(raw) } else { url_sent(raw) };
            let raw = &(*raw).Base.Headers;
            parts.headers =
                headers(&raw.KnownHeaders, &REQUEST_HEADERS, raw.pUnknownHeaders, raw.UnknownHeaderCount);
        }
    }
    parts
}

/// Both ends of the connection that the request came on.
///
/// # Safety
///
/// `request` is alive.
pub(crate) unsafe fn connection(request: *mut IHttpRequest) -> Connection {
    let mut builder = Connection::builder();
    // SAFETY: the request is alive, says the caller, and with it its addresses and record.
    unsafe {
        if let Some(remote) = address(IHttpRequest::get_remote_address(request)) {
            builder = builder.remote_addr(remote);
        }
        if let Some(local) = address(IHttpRequest::get_local_address(request)) {
            builder = builder.local_addr(local);
        }
        let raw = IHttpRequest::get_raw_http_request(request);
        builder = builder.secure(!raw.is_null() && !(*raw).Base.pSslInfo.is_null());
    }
    builder.build()
}

/// # Safety
///
/// `user` is null or alive.
unsafe fn user_of(user: *mut IHttpUser) -> Option<User> {
    if user.is_null() {
        return None;
    }
    // SAFETY: the user is alive, says the caller, and its texts with it.
    let (name, kind) = unsafe {
        (text::wide(IHttpUser::get_user_name(user)), text::wide(IHttpUser::get_authentication_type(user)))
    };
    // Anonymous authentication sets a user without a name.
    (!name.is_empty()).then(|| User::new(name, kind))
}

/// # Safety
///
/// `raw` is null or alive.
unsafe fn url_sent(raw: *const HTTP_REQUEST) -> Uri {
    // SAFETY: it is alive, says the caller; the length is that of the text.
    let sent = unsafe { text::bytes((*raw).Base.pRawUrl, (*raw).Base.RawUrlLength.into()) };
    uri(sent)
}

/// # Safety
///
/// `raw` is null or alive.
unsafe fn url_now(raw: *const HTTP_REQUEST) -> Uri {
    // SAFETY: it is alive, says the caller; lengths are in bytes, and those of the texts.
    let (path, query) = unsafe {
        let url = &(*raw).Base.CookedUrl;
        (
            text::wide_of(url.pAbsPath, usize::from(url.AbsPathLength) / 2),
            text::wide_of(url.pQueryString, usize::from(url.QueryStringLength) / 2),
        )
    };
    uri(format!("{path}{query}").as_bytes())
}

fn uri(text: &[u8]) -> Uri {
    Uri::try_from(text)
        .or_else(|_| percent_encode(text, URL).to_string().parse())
        .unwrap_or_else(|_| Uri::from_static("/"))
}

/// # Safety
///
/// `raw` is null or alive.
unsafe fn look_at_wide(seen: &mut Vec<u8>, raw: *const HTTP_REQUEST) {
    if !raw.is_null() {
        // SAFETY: it is alive, says the caller.
        seen.extend_from_slice(
            unsafe { url_now(raw) }.path_and_query().map_or("", |p| p.as_str()).as_bytes(),
        );
    }
}

/// # Safety
///
/// `raw` is null or alive.
unsafe fn look_at_request(seen: &mut Vec<u8>, raw: *const HTTP_REQUEST) {
    if !raw.is_null() {
        // SAFETY: it is alive, says the caller.
        let raw = unsafe { &(*raw).Base.Headers };
        // SAFETY: as above, and with it what it points to.
        unsafe { look_at(seen, &raw.KnownHeaders, raw.pUnknownHeaders, raw.UnknownHeaderCount) };
    }
}

/// # Safety
///
/// `raw` is null or alive.
unsafe fn look_at_response(seen: &mut Vec<u8>, raw: *const HTTP_RESPONSE) {
    seen.clear();
    // Never as empty as before the first look.
    seen.push(1);
    if !raw.is_null() {
        // SAFETY: it is alive, says the caller.
        let raw = unsafe { &(*raw).Base.Headers };
        // SAFETY: as above, and with it what it points to.
        unsafe { look_at(seen, &raw.KnownHeaders, raw.pUnknownHeaders, raw.UnknownHeaderCount) };
    }
}

/// # Safety
///
/// What the headers point to is alive.
unsafe fn look_at(
    seen: &mut Vec<u8>,
    known: &[HTTP_KNOWN_HEADER],
    unknown: *const HTTP_UNKNOWN_HEADER,
    count: u16,
) {
    for (index, header) in (0_u8..).zip(known) {
        if !header.pRawValue.is_null() {
            seen.push(index);
            seen.extend_from_slice(&header.RawValueLength.to_ne_bytes());
            // SAFETY: it is alive, says the caller, and has this length.
            seen.extend_from_slice(unsafe { text::bytes(header.pRawValue, header.RawValueLength.into()) });
        }
    }
    for index in 0..if unknown.is_null() { 0 } else { usize::from(count) } {
        // SAFETY: there are as many, and they are alive, says the caller, with what they point to.
        unsafe {
            let header = &*unknown.add(index);
            seen.push(u8::MAX);
            seen.extend_from_slice(&header.NameLength.to_ne_bytes());
            seen.extend_from_slice(&header.RawValueLength.to_ne_bytes());
            seen.extend_from_slice(text::bytes(header.pName, header.NameLength.into()));
            seen.extend_from_slice(text::bytes(header.pRawValue, header.RawValueLength.into()));
        }
    }
}

/// # Safety
///
/// What the headers point to is alive.
unsafe fn headers(
    known: &[HTTP_KNOWN_HEADER],
    names: &[&str],
    unknown: *const HTTP_UNKNOWN_HEADER,
    count: u16,
) -> HeaderMap {
    let mut map = HeaderMap::new();
    let mut add = |name: &[u8], value: &[u8]| {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            // A map that is full has more than any client may send to IIS.
            let _ = map.try_append(name, value);
        }
    };
    for (header, name) in known.iter().zip(names) {
        // An empty known `Server` is one that stands among the unknown.
        if !header.pRawValue.is_null() && (header.RawValueLength > 0 || *name != "Server") {
            // SAFETY: it is alive, says the caller, and has this length.
            add(name.as_bytes(), unsafe { text::bytes(header.pRawValue, header.RawValueLength.into()) });
        }
    }
    for index in 0..if unknown.is_null() { 0 } else { usize::from(count) } {
        // SAFETY: there are as many, and they are alive, says the caller, with what they point to.
        unsafe {
            let header = &*unknown.add(index);
            add(
                text::bytes(header.pName, header.NameLength.into()),
                text::bytes(header.pRawValue, header.RawValueLength.into()),
            );
        }
    }
    map
}

/// # Safety
///
/// `raw` is null or alive.
unsafe fn raw_chunks<'a>(raw: *const HTTP_RESPONSE) -> &'a [HTTP_DATA_CHUNK] {
    // SAFETY: it is alive, says the caller, and has as many chunks as it says.
    unsafe {
        if raw.is_null() || (*raw).Base.pEntityChunks.is_null() {
            return &[];
        }
        std::slice::from_raw_parts((*raw).Base.pEntityChunks, (*raw).Base.EntityChunkCount.into())
    }
}

/// # Safety
///
/// `raw` is null or alive.
unsafe fn look_at_chunks(raw: *const HTTP_RESPONSE) -> Vec<Seen> {
    // SAFETY: it is alive, says the caller; the type says which member is valid.
    unsafe {
        let look = |chunk: &HTTP_DATA_CHUNK| match chunk.DataChunkType {
            HTTP_DATA_CHUNK_TYPE::FROM_MEMORY => {
                let memory = chunk.data.FromMemory;
                (0, memory.pBuffer as usize, 0, u64::from(memory.BufferLength))
            }
            HTTP_DATA_CHUNK_TYPE::FROM_FILE_HANDLE => {
                let file = chunk.data.FromFileHandle;
                (1, file.FileHandle as usize, file.ByteRange.StartingOffset, file.ByteRange.Length)
            }
            HTTP_DATA_CHUNK_TYPE(other) => (other, 0, 0, 0),
        };
        raw_chunks(raw).iter().map(look).collect()
    }
}

/// The chunks of IIS as ours: those that were there last time are the same ones again, others are copied. What IIS
/// keeps in another form than memory or a file is not shown.
///
/// # Safety
///
/// `raw` is null or alive, and `seen` is what it looks like now.
unsafe fn chunks(raw: *const HTTP_RESPONSE, seen: &[Seen], mirror: &Mirror) -> Vec<EntityChunk> {
    // SAFETY: it is alive, says the caller.
    let raw = unsafe { raw_chunks(raw) };
    let known = mirror.chunks.len() == mirror.chunks_seen.len();
    let mut chunks = Vec::with_capacity(raw.len());
    for (index, (chunk, look)) in raw.iter().zip(seen).enumerate() {
        if known && mirror.chunks_seen.get(index) == Some(look) {
            chunks.push(mirror.chunks[index].clone());
            continue;
        }
        // SAFETY: the type says which member is valid, and what it points to is alive as long as the chunk.
        unsafe {
            if chunk.DataChunkType == HTTP_DATA_CHUNK_TYPE::FROM_MEMORY {
                let memory = chunk.data.FromMemory;
                let data = text::bytes(memory.pBuffer.cast(), memory.BufferLength as usize);
                chunks.push(EntityChunk::Bytes(Bytes::copy_from_slice(data)));
            } else if chunk.DataChunkType == HTTP_DATA_CHUNK_TYPE::FROM_FILE_HANDLE {
                let range = chunk.data.FromFileHandle;
                if let Some(file) = file::duplicate(range.FileHandle) {
                    let (offset, length) = (range.ByteRange.StartingOffset, range.ByteRange.Length);
                    chunks.push(EntityChunk::File(FileRange::new(file, offset, length)));
                }
            }
        }
    }
    chunks
}

/// # Safety
///
/// `address` is null or alive, and as long as its family says.
unsafe fn address(address: *const SOCKADDR) -> Option<SocketAddr> {
    if address.is_null() {
        return None;
    }
    // SAFETY: it is alive, says the caller, and as long as its family says; nothing is said of its alignment.
    unsafe {
        match address.read_unaligned().sa_family {
            AF_INET => {
                let v4 = address.cast::<SOCKADDR_IN>().read_unaligned();
                Some(SocketAddr::new(IpAddr::from(v4.sin_addr.0), u16::from_be(v4.sin_port)))
            }
            AF_INET6 => {
                let v6 = address.cast::<SOCKADDR_IN6>().read_unaligned();
                Some(SocketAddr::new(IpAddr::from(v6.sin6_addr), u16::from_be(v6.sin6_port)))
            }
            _ => None,
        }
    }
}
