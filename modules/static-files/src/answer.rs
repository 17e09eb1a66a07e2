//! Answers: what of a file is sent, redirects, and refusals.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use bivalve_core::{Context, EntityChunk, Error, Request, Response, Result, decode_url_path};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use percent_encoding::{CONTROLS, utf8_percent_encode};

use crate::coding;
use crate::conditional::{self, Verdict};
use crate::listing::SEGMENT;
use crate::range::{self, Ranges, Span};
use crate::representation::Representation;
use crate::store::Served;

/// Answers GET or HEAD with a file: RFC 9110 section 13.2.2 says in which order it is asked what.
pub(crate) fn file(cx: &mut Context, served: &Served, cache_control: Option<&HeaderValue>) -> Result<()> {
    let (request, response) = cx.parts_mut();
    let asked = request.headers();
    let chosen = choose(asked, served);
    let validators = chosen.validators();
    let verdict = conditional::evaluate(asked, validators);
    if verdict == Verdict::Failed {
        return refuse(request, response, StatusCode::PRECONDITION_FAILED, 0);
    }
    let headers = response.headers_mut();
    put(headers, header::ETAG, chosen.tag.clone())?;
    if let Some(date) = &chosen.last_modified {
        put(headers, header::LAST_MODIFIED, date.clone())?;
    }
    if !served.coded.is_empty() {
        add_vary(headers)?;
    }
    if let Some(value) = cache_control {
        put(headers, header::CACHE_CONTROL, value.clone())?;
    }
    if verdict == Verdict::NotModified {
        response.set_status(StatusCode::NOT_MODIFIED);
        return Ok(());
    }
    put(headers, header::ACCEPT_RANGES, BYTES)?;
    put(headers, header::X_CONTENT_TYPE_OPTIONS, NOSNIFF)?;
    if let Some(coding) = chosen.coding {
        put(headers, header::CONTENT_ENCODING, HeaderValue::from_static(coding.name()))?;
    }
    // RFC 9110 section 14.2: for GET only.
    let mut fields = asked.get_all(header::RANGE).iter();
    let field = fields.next().filter(|_| fields.next().is_none() && request.method() == Method::GET);
    let ranges = match field {
        Some(field) if conditional::range_applies(asked, validators) => {
            range::ranges(field.as_bytes(), chosen.size())
        }
        _ => Ranges::Whole,
    };
    match ranges {
        Ranges::Whole => {
            put(headers, header::CONTENT_TYPE, served.media_type.clone())?;
            if request.method() == Method::HEAD {
                // Where there is no body, the host cannot count it.
                return put(headers, header::CONTENT_LENGTH, chosen.length.clone());
            }
            response.write(chosen.whole())
        }
        Ranges::One(span) => {
            put(headers, header::CONTENT_TYPE, served.media_type.clone())?;
            put(headers, header::CONTENT_RANGE, text(&content_range(span, chosen.size()))?)?;
            response.set_status(StatusCode::PARTIAL_CONTENT);
            response.write(chosen.part(span))
        }
        Ranges::Many(spans) => many(response, served, chosen, &spans),
        Ranges::Unsatisfiable => {
            // They are of the file, not of this page.
            headers.remove(header::CONTENT_ENCODING);
            headers.remove(header::CACHE_CONTROL);
            put(headers, header::CONTENT_RANGE, text(&format!("bytes */{}", chosen.size()))?)?;
            refuse(request, response, StatusCode::RANGE_NOT_SATISFIABLE, 0)
        }
    }
}

/// Sends what has been answered, and waits until the client has taken it.
///
/// The head leaves first: a body that begins with it, and is not said to end, would be chunked.
pub(crate) async fn send(cx: &mut Context) -> Result<()> {
    let response = cx.response_mut();
    let length = HeaderValue::from(response.entity_len());
    put(response.headers_mut(), header::CONTENT_LENGTH, length)?;
    let chunks = response.take_chunks();
    let mut sent = cx.flush().await;
    if sent.is_ok() {
        cx.response_mut().set_chunks(chunks)?;
        sent = cx.flush().await;
    }
    // A client that leaves is nothing that went wrong here; the connection has been reset, and a module that failed has its error.
    if let Err(error) = sent {
        tracing::debug!(%error, "a file was not sent to its end");
    }
    Ok(())
}

/// A redirect to the same URL with a slash at its end: links on the page would be wrong without. Relative, so that neither a name with
/// two slashes nor a proxy in front makes it lead elsewhere. `false`: the client's own URL does not allow it.
pub(crate) fn add_slash(cx: &mut Context) -> Result<bool> {
    let (request, response) = cx.parts_mut();
    let url = request.original_url();
    let Ok(path) = decode_url_path(url.path()) else { return Ok(false) };
    let name = path.rsplit('/').next().unwrap_or_default();
    if name.is_empty() {
        return Ok(false);
    }
    let mut location = format!("./{}/", utf8_percent_encode(name, SEGMENT));
    if let Some(query) = url.query() {
        location.push('?');
        // What is no ASCII cannot stand in a header, and some clients send it all the same.
        location.extend(utf8_percent_encode(query, CONTROLS));
    }
    let location = text(&location)?;
    refuse(request, response, StatusCode::MOVED_PERMANENTLY, 0)?;
    put(response.headers_mut(), header::LOCATION, location)?;
    Ok(true)
}

/// A page that was made for this request.
pub(crate) fn page(cx: &mut Context, page: String) -> Result<()> {
    let (request, response) = cx.parts_mut();
    let headers = response.headers_mut();
    put(headers, header::X_CONTENT_TYPE_OPTIONS, NOSNIFF)?;
    put(headers, header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"))?;
    body(request, response, page.into())
}

/// A status that is its own explanation.
pub(crate) fn status(cx: &mut Context, status: StatusCode, sub_status: u16) -> Result<()> {
    let (request, response) = cx.parts_mut();
    if status == StatusCode::METHOD_NOT_ALLOWED {
        put(response.headers_mut(), header::ALLOW, HeaderValue::from_static("GET, HEAD"))?;
    }
    refuse(request, response, status, sub_status)
}

fn refuse(request: &Request, response: &mut Response, status: StatusCode, sub_status: u16) -> Result<()> {
    response.set_status_code(status.as_u16(), sub_status)?;
    let headers = response.headers_mut();
    put(headers, header::X_CONTENT_TYPE_OPTIONS, NOSNIFF)?;
    put(headers, header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"))?;
    body(request, response, EntityChunk::from(status.canonical_reason().unwrap_or("Error")))
}

/// The body, or for HEAD its length.
fn body(request: &Request, response: &mut Response, chunk: EntityChunk) -> Result<()> {
    if request.method() == Method::HEAD {
        return put(response.headers_mut(), header::CONTENT_LENGTH, HeaderValue::from(chunk.len()));
    }
    response.write(chunk)
}

/// The coding that the client prefers.
fn choose<'a>(asked: &HeaderMap, served: &'a Served) -> &'a Representation {
    if served.coded.is_empty() {
        return &served.plain;
    }
    let fields = asked.get_all(header::ACCEPT_ENCODING).iter().map(HeaderValue::as_bytes);
    let available = served.coded.iter().filter_map(|one| one.coding);
    match coding::preferred(fields, available) {
        None => &served.plain,
        coding => served.coded.iter().find(|one| one.coding == coding).unwrap_or(&served.plain),
    }
}

/// Several ranges: RFC 9110 section 14.6.
fn many(response: &mut Response, served: &Served, chosen: &Representation, spans: &[Span]) -> Result<()> {
    let boundary = boundary();
    let media_type = text(&format!("multipart/byteranges; boundary={boundary}"))?;
    put(response.headers_mut(), header::CONTENT_TYPE, media_type)?;
    response.set_status(StatusCode::PARTIAL_CONTENT);
    for span in spans {
        let mut part = Vec::with_capacity(160);
        part.extend_from_slice(b"\r\n--");
        part.extend_from_slice(boundary.as_bytes());
        part.extend_from_slice(b"\r\ncontent-type: ");
        part.extend_from_slice(served.media_type.as_bytes());
        part.extend_from_slice(b"\r\ncontent-range: ");
        part.extend_from_slice(content_range(*span, chosen.size()).as_bytes());
        part.extend_from_slice(b"\r\n\r\n");
        response.write(part)?;
        response.write(chosen.part(*span))?;
    }
    response.write(format!("\r\n--{boundary}--\r\n"))
}

fn content_range(span: Span, size: u64) -> String {
    format!("bytes {}-{}/{size}", span.first, span.end() - 1)
}

/// What nobody can have written into a file to look like the end of a part: it is another one each time, and secret before.
fn boundary() -> String {
    static KEYS: LazyLock<[RandomState; 2]> = LazyLock::new(Default::default);
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let [high, low] = KEYS.each_ref().map(|key| key.hash_one(number));
    format!("{high:016x}{low:016x}")
}

/// Modules may have said that the response varies for reasons of their own.
fn add_vary(headers: &mut HeaderMap) -> Result<()> {
    headers
        .try_append(header::VARY, HeaderValue::from_static("accept-encoding"))
        .map(drop)
        .map_err(|_| too_many())
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) -> Result<()> {
    headers.try_insert(name, value).map(drop).map_err(|_| too_many())
}

fn too_many() -> Error {
    Error::new(StatusCode::INTERNAL_SERVER_ERROR, "there are as many headers as a message can hold")
}

fn text(value: &str) -> Result<HeaderValue> {
    Ok(HeaderValue::from_str(value)?)
}

const BYTES: HeaderValue = HeaderValue::from_static("bytes");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
