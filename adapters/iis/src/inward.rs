//! From IIS into the context: what a module sees is what IIS has at this moment.
//!
//! Headers are read from the raw records, which every `SetHeader` changes. They are compared, byte by byte, with a copy
//! of what was read last time; only where they differ are they parsed again.

use bivalve_core::{ClientCertificate, Connection, Context, EntityChunk, User};
use bivalve_iis_sys::headers::{REQUEST_HEADERS, RESPONSE_HEADERS};
use bivalve_iis_sys::records::HTTP_RESPONSE;
use bivalve_iis_sys::{IHttpContext, IHttpRequest, IHttpResponse, IHttpUser};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri, Version};

use crate::host::IisHost;
use crate::raw::{
    Seen, address, chunks, headers, look_at_chunks, look_at_request, look_at_response, look_at_wide,
    looks_like, url_now, url_sent,
};
use crate::text;

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
    /// IIS has chunks that are not among these.
    pub(crate) hidden: bool,
    pub(crate) user: Option<User>,
    pub(crate) unbuffered: bool,
    pub(crate) trailers: HeaderMap,
}

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
            let original = changed.then(|| url_sent(raw).unwrap_or_else(|| unreadable("URL")));
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
            let headers = response_headers(raw);
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
            mirror.chunks = chunks(raw, &seen, &mirror.chunks_seen, &mirror.chunks);
            mirror.hidden = mirror.chunks.len() != seen.len();
            mirror.chunks_seen = seen;
            cx.response_mut().adopt_chunks(mirror.chunks.iter().cloned());
        }
    }
}

/// A response as it is: of a child request.
///
/// # Safety
///
/// `response` is alive.
pub(crate) unsafe fn response_of(response: *mut IHttpResponse) -> (StatusCode, HeaderMap, Vec<EntityChunk>) {
    let (mut status, mut sub) = (0_u16, 0_u16);
    // SAFETY: the response is alive, says the caller, and its record with it.
    unsafe {
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
        let raw = IHttpResponse::get_raw_http_response(response);
        let headers = response_headers(raw);
        let chunks = chunks(raw, &look_at_chunks(raw), &[], &[]);
        (StatusCode::from_u16(status).unwrap_or_default(), headers, chunks)
    }
}

/// # Safety
///
/// `raw` is null or alive.
unsafe fn response_headers(raw: *const HTTP_RESPONSE) -> HeaderMap {
    if raw.is_null() {
        return HeaderMap::new();
    }
    // SAFETY: it is alive, says the caller, and with it what it points to.
    unsafe {
        let raw = &(*raw).Base.Headers;
        headers(&raw.KnownHeaders, &RESPONSE_HEADERS, raw.pUnknownHeaders, raw.UnknownHeaderCount)
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
            if seen.len() == chunks.len()
                && seen.iter().zip(&chunks).all(|(seen, chunk)| looks_like(*seen, chunk))
            {
                self.chunks_seen = seen;
                self.hidden = false;
            } else {
                self.chunks_seen = vec![(-1, 0, 0, 0)];
            }
            self.chunks = chunks;
        }
    }
}

/// No module is shown another method or URL than IIS serves. The notification ends here; what it answers then is that of
/// `fail_closed`.
fn unreadable<T>(what: &'static str) -> T {
    tracing::error!(what, "a request that cannot be shown to modules is refused");
    std::panic::resume_unwind(Box::new(what))
}

/// The head of the request, for a context that begins. Unwinds when modules cannot be shown it.
///
/// # Safety
///
/// `request` is alive.
pub(crate) unsafe fn head(request: *mut IHttpRequest) -> http::request::Parts {
    let (mut parts, ()) = http::Request::new(()).into_parts();
    // SAFETY: the request is alive, says the caller, and with it its record and texts.
    unsafe {
        let raw = IHttpRequest::get_raw_http_request(request);
        parts.method = Method::from_bytes(text::terminated(IHttpRequest::get_http_method(request)))
            .unwrap_or_else(|_| unreadable("method"));
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
            let url = if changed { url_now(raw) } else { url_sent(raw) };
            parts.uri = url.unwrap_or_else(|| unreadable("URL"));
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
        let ssl = if raw.is_null() { std::ptr::null_mut() } else { (*raw).Base.pSslInfo };
        builder = builder.secure(!ssl.is_null());
        if !ssl.is_null() && !(*ssl).pClientCertInfo.is_null() {
            let info = &*(*ssl).pClientCertInfo;
            let encoded = text::bytes(info.pCertEncoded, info.CertEncodedSize as usize);
            builder = builder.client_certificate(ClientCertificate::new(Bytes::copy_from_slice(encoded)));
        }
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
    // SAFETY: the user is alive, says the caller.
    if let Some(ours) = unsafe { crate::user::ours(user) } {
        return Some(ours);
    }
    // SAFETY: the user is alive, says the caller, and its texts with it.
    let (name, kind) = unsafe {
        (text::wide(IHttpUser::get_user_name(user)), text::wide(IHttpUser::get_authentication_type(user)))
    };
    // Anonymous authentication sets a user without a name.
    (!name.is_empty()).then(|| User::new(name, kind))
}
