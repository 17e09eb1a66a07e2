//! The request as modules see it.

use std::collections::VecDeque;
use std::fmt;

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::request::Parts;
use http::{Extensions, HeaderMap, Method, Uri, Version};

use super::headers::{Headers, UnreadHead};
use crate::contain::contained;
use crate::{Error, ErrorKind, Result};

/// Method, URL, headers and inserted entity of the request.
///
/// IIS counterpart: `IHttpRequest`.
#[derive(Default)]
pub struct Request {
    method: Method,
    url: Uri,
    original_url: Option<Uri>,
    version: Version,
    headers: Headers,
    extensions: Extensions,
    /// Entity body that was put back, and what a dropped read left behind; read before the host's.
    pub(crate) entity: VecDeque<Bytes>,
    pub(crate) entity_ended: bool,
    /// What has arrived and has not passed ReadEntity: its read was dropped meanwhile.
    pub(crate) arrived: VecDeque<Bytes>,
}

impl Request {
    /// The method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Another method for the modules and the handler that follow.
    ///
    /// IIS counterpart: `SetHttpMethod`.
    pub fn set_method(&mut self, method: Method) {
        self.method = method;
    }

    /// The URL: after rewriting, if a module rewrote it.
    #[must_use]
    pub fn url(&self) -> &Uri {
        &self.url
    }

    /// The URL as the client sent it.
    #[must_use]
    pub fn original_url(&self) -> &Uri {
        self.original_url.as_ref().unwrap_or(&self.url)
    }

    /// Rewrites the URL for the modules and the handler that follow. [`original_url`](Self::original_url) and the
    /// server variables `HTTP_URL` and `UNENCODED_URL` keep the client's.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidUrl`] when it is no URL, or neither absolute nor starts with a slash.
    ///
    /// IIS counterpart: `SetUrl`; there it must come at BeginRequest at the latest.
    pub fn set_url<U>(&mut self, url: U) -> Result<()>
    where
        U: TryInto<Uri>,
        U::Error: Into<http::Error>,
    {
        let url = url.try_into().map_err(|error| {
            Error::framework(ErrorKind::InvalidUrl, format!("cannot rewrite the URL: {}", error.into()))
        })?;
        if !url.path().starts_with('/') {
            return Err(Error::framework(
                ErrorKind::InvalidUrl,
                format!("cannot rewrite the URL to {url}: it must start with a slash"),
            ));
        }
        let old = std::mem::replace(&mut self.url, url);
        self.original_url.get_or_insert(old);
        Ok(())
    }

    /// The protocol version.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.headers.get()
    }

    /// The headers, to be changed for the modules and the handler that follow.
    #[must_use]
    pub fn headers_mut(&mut self) -> &mut HeaderMap {
        self.headers.get_mut()
    }

    /// The first value of a header, if it is visible ASCII.
    ///
    /// IIS counterpart: `GetHeader`.
    #[must_use]
    pub fn header(&self, name: impl http::header::AsHeaderName) -> Option<&str> {
        self.headers().get(name)?.to_str().ok()
    }

    /// Sets a header from text, replacing what was there.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidHeader`] when name or value cannot be sent (CR, LF, NUL).
    ///
    /// IIS counterpart: `SetHeader` with `fReplace`.
    pub fn set_header(&mut self, name: &str, value: &str) -> Result<()> {
        let (name, value) = parse_header(name, value)?;
        self.headers_mut().try_insert(name, value).map(drop).map_err(|_| too_many_headers())
    }

    /// What the host attached to the request. Handed to a tower service with the request, so empty after the handler.
    #[must_use]
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// The same, to be changed: what a tower service finds in its request.
    #[must_use]
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        &mut self.extensions
    }

    /// Puts bytes in front of what is left of the entity body: the next reader gets them first. So a module
    /// that read the body can give it back. `Content-Length` is not changed.
    ///
    /// IIS counterpart: `InsertEntityBody`.
    pub fn insert_entity(&mut self, bytes: impl Into<Bytes>) {
        let bytes = bytes.into();
        if !bytes.is_empty() {
            self.entity.push_front(bytes);
        }
    }

    /// Takes out what was put back and not yet read, in order. For adapters that hand the body on.
    #[must_use]
    pub fn take_inserted(&mut self) -> Vec<Bytes> {
        self.entity.drain(..).collect()
    }

    /// Another request in the place of this one, [finished](Self::finish) or not.
    pub(crate) fn start(&mut self, parts: Parts) {
        self.clear_rest();
        self.method = parts.method;
        self.url = parts.uri;
        self.version = parts.version;
        self.headers.set(parts.headers);
        self.extensions = parts.extensions;
    }

    /// As [`start`](Self::start), with headers that are read when somebody looks.
    pub(crate) fn start_unread(&mut self, head: UnreadHead) {
        self.clear_rest();
        self.method = head.method;
        self.url = head.url;
        self.version = head.version;
        self.headers.set_unread(head.headers);
    }

    /// The same head once more.
    pub(crate) fn start_again(&mut self) {
        self.clear_rest();
    }

    pub(super) fn adopt_head(
        &mut self,
        method: Method,
        url: Uri,
        original_url: Option<Uri>,
        version: Version,
        headers: HeaderMap,
    ) {
        self.method = method;
        self.url = url;
        self.original_url = original_url;
        self.version = version;
        self.headers.set(headers);
    }

    /// Lets go of what the client sent, keeping capacity.
    pub(crate) fn finish(&mut self) {
        self.headers.clear();
        self.url = Uri::default();
        self.clear_rest();
    }

    /// All but what every head replaces.
    fn clear_rest(&mut self) {
        if !self.extensions.is_empty() {
            let _ = contained(|| self.extensions.clear());
        }
        if !(self.entity.is_empty() && self.arrived.is_empty()) {
            self.entity.clear();
            self.arrived.clear();
        }
        self.entity_ended = false;
        self.original_url = None;
    }

    /// For a tower service: the request it gets. With `keep`, method, URL and headers stay here as well, for the
    /// modules that run after the handler.
    pub(crate) fn for_handler(&mut self, keep: bool) -> http::Request<()> {
        let mut request = http::Request::new(());
        *request.version_mut() = self.version;
        *request.extensions_mut() = std::mem::take(&mut self.extensions);
        if keep {
            *request.method_mut() = self.method.clone();
            *request.uri_mut() = self.url.clone();
            *request.headers_mut() = self.headers.take_and_keep();
        } else {
            *request.method_mut() = std::mem::take(&mut self.method);
            *request.uri_mut() = std::mem::take(&mut self.url);
            *request.headers_mut() = self.headers.take();
        }
        request
    }
}

/// The map is full: the `http` crate panics where it is not asked first.
pub(crate) fn too_many_headers() -> Error {
    Error::framework(ErrorKind::InvalidHeader, "there are as many headers as a message can hold")
}

/// Name and value from text, or the error that every `set_header` reports.
pub(crate) fn parse_header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue)> {
    let parsed = HeaderName::try_from(name).map_err(|error| {
        Error::framework(ErrorKind::InvalidHeader, format!("header name {name:?}: {error}"))
    })?;
    let value = HeaderValue::from_str(value).map_err(|error| {
        Error::framework(ErrorKind::InvalidHeader, format!("value {value:?} of header {name}: {error}"))
    })?;
    Ok((parsed, value))
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No headers: they hold credentials, and this ends up in logs.
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("path", &self.url.path())
            .finish_non_exhaustive()
    }
}
