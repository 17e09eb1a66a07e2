//! From IIS into the context: what a module sees is what IIS has at this moment.
//!
//! Headers are read from the raw records, which every `SetHeader` changes. They are compared, byte by byte, with a copy
//! of what was read last time; only where they differ are they parsed again.

use bivalve_core::{ClientCertificate, Connection, Context, EntityChunk, Event, Notification, User};
use bivalve_iis_sys::headers::{REQUEST_HEADERS, RESPONSE_HEADERS};
use bivalve_iis_sys::records::HTTP_RESPONSE;
use bivalve_iis_sys::{IHttpContext, IHttpRequest, IHttpResponse, IHttpUser};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri, Version};

use crate::host::IisHost;
use crate::raw::{
    Seen, add_all, address, chunks, headers, hold, look_at_chunks, look_at_request, look_at_response,
    look_at_wide, looks_like, several, url_now, url_sent, veil_method, veil_now, veil_sent,
};
use crate::text;

/// What IIS had when we looked last, and after what we have written since.
#[derive(Default)]
pub(crate) struct Mirror {
    /// Memory for what is looked at.
    scratch: Vec<u8>,
    request_seen: Vec<u8>,
    /// What modules see of the request is not it: method or URL are none.
    veiled: bool,
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

/// Brings request, response and user of the context in step with IIS. `false`: the request is none that a module can be
/// shown at this event.
///
/// # Safety
///
/// The host of the context has the context of IIS that the notification that runs was given.
pub(crate) unsafe fn bring(cx: &mut Context, event: Event) -> bool {
    let host = IisHost::of(cx);
    let mut mirror = std::mem::take(&mut host.mirror);
    let context = host.context();
    // SAFETY: the context is alive, says the caller, and with it request, response and user.
    let shown = unsafe {
        let request = IHttpContext::get_request(context);
        let shown = bring_request(cx, request, &mut mirror, event);
        let response = IHttpContext::get_response(context);
        let sent = IHttpContext::get_response_headers_sent(context) != 0;
        if event.notification() == Notification::SendResponse {
            // Another part is another response, also where the last one was.
            mirror.forget_chunks();
        }
        bring_response(cx, response, sent, &mut mirror);
        let user = user_of(IHttpContext::get_user(context));
        if user != mirror.user {
            cx.adopt_user(user.clone());
            mirror.user = user;
        }
        shown
    };
    IisHost::of(cx).mirror = mirror;
    let _ = cx.take_touched();
    shown.is_some()
}

/// # Safety
///
/// `request` is alive.
unsafe fn bring_request(
    cx: &mut Context,
    request: *mut IHttpRequest,
    mirror: &mut Mirror,
    event: Event,
) -> Option<()> {
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
        if seen != mirror.request_seen || (mirror.veiled && !event.notification().is_guaranteed()) {
            let (parts, veiled) = head(request, event)?;
            let original = if changed { Some(shown(url_sent(raw), event, || veil_sent(raw))?) } else { None };
            mirror.veiled = veiled;
            mirror.method = parts.method.clone();
            mirror.url = parts.uri.clone();
            mirror.request_headers.clone_from(&parts.headers);
            std::mem::swap(&mut mirror.request_seen, &mut seen);
            cx.request_mut().adopt(parts.method, parts.uri, original, parts.version, parts.headers);
        }
        mirror.scratch = seen;
        cx.request_mut().reopen_entity();
        Some(())
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
        if seen != mirror.chunks_seen
            || cx.response().chunks().len() != mirror.chunks.len()
            || !hold(raw, &mirror.chunks)
        {
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
        let base = &(*raw).Base.Headers;
        let mut map =
            headers(&base.KnownHeaders, &RESPONSE_HEADERS, base.pUnknownHeaders, base.UnknownHeaderCount);
        for (name, values) in several(raw) {
            add_all(&mut map, name, values);
        }
        map
    }
}

impl Mirror {
    fn forget_chunks(&mut self) {
        self.chunks.clear();
        self.chunks_seen = vec![(-1, 0, 0, 0)];
    }

    /// IIS's response is an empty one now.
    pub(crate) fn forget_response(&mut self) {
        self.status = (0, 0);
        self.response_headers = HeaderMap::new();
        self.hidden = false;
        self.chunks = Vec::new();
    }

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

/// No module decides on another method or URL than IIS serves: the request is refused. LogRequest and EndRequest decide
/// nothing, and an attack belongs into the log: they are shown what the client sent, encoded so that it is a method or URL.
fn shown<T>(read: Option<T>, event: Event, veiled: impl FnOnce() -> T) -> Option<T> {
    if read.is_none() && !event.notification().is_guaranteed() {
        tracing::error!(%event, "a request whose method or URL is none is refused");
        return None;
    }
    Some(read.unwrap_or_else(veiled))
}

/// The head of the request, for a context that begins, and whether it is only what stands for one; `None` where modules
/// cannot be shown it.
///
/// # Safety
///
/// `request` is alive.
pub(crate) unsafe fn head(request: *mut IHttpRequest, event: Event) -> Option<(http::request::Parts, bool)> {
    let (mut parts, ()) = http::Request::new(()).into_parts();
    let mut is_veiled = false;
    // SAFETY: the request is alive, says the caller, and with it its record and texts.
    unsafe {
        let raw = IHttpRequest::get_raw_http_request(request);
        let sent = text::terminated(IHttpRequest::get_http_method(request));
        let method = Method::from_bytes(sent).ok();
        is_veiled |= method.is_none();
        parts.method = shown(method, event, || veil_method(sent))?;
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
            is_veiled |= url.is_none();
            let veiled = || if changed { veil_now(raw) } else { veil_sent(raw) };
            parts.uri = shown(url, event, veiled)?;
            let raw = &(*raw).Base.Headers;
            parts.headers =
                headers(&raw.KnownHeaders, &REQUEST_HEADERS, raw.pUnknownHeaders, raw.UnknownHeaderCount);
        }
    }
    Some((parts, is_veiled))
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
