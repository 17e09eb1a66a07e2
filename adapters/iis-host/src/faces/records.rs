//! The records of http.h: filled in when a module first asks, and kept in step from then on. What a module writes into
//! them is read back: before the next of its calls that changes or sends something, and when its notification returns.

use std::net::SocketAddr;
use std::ptr::{null, null_mut};

use bivalve_core::{Context, EntityChunk};
use bivalve_iis_sys::codes::{HTTP_DATA_CHUNK_TYPE, HTTP_HEADER_ID, HTTP_RESPONSE_INFO_TYPE, HTTP_VERB};
use bivalve_iis_sys::headers::{REQUEST_HEADERS, RESPONSE_HEADERS};
use bivalve_iis_sys::records::{
    AF_INET, AF_INET6, FROM_FILE_HANDLE, FROM_MEMORY, HTTP_BYTE_RANGE, HTTP_COOKED_URL, HTTP_DATA_CHUNK,
    HTTP_DATA_CHUNK_DATA, HTTP_KNOWN_HEADER, HTTP_MULTIPLE_KNOWN_HEADERS, HTTP_REQUEST, HTTP_RESPONSE,
    HTTP_RESPONSE_INFO, HTTP_SSL_CLIENT_CERT_INFO, HTTP_UNKNOWN_HEADER, HTTP_VERSION, IN_ADDR, SOCKADDR,
    SOCKADDR_IN, SOCKADDR_IN6,
};
use http::{HeaderMap, Method, StatusCode};

use super::headers::{is_unknown, value};
use super::request::version_of;
use super::written;
use crate::arena::Arena;
use crate::chunk::handle;
use crate::fault::Fault;
use crate::request::{Details, Request};
use crate::text::{len16, len32};

/// `GetRawHttpRequest`: one record for the whole request.
pub(super) fn request(request: &Request) -> *mut HTTP_REQUEST {
    let known = request.details().raw_request;
    let record = known.unwrap_or_else(|| request.arena.place(HTTP_REQUEST::zeroed()));
    request.details().raw_request = Some(record);
    refresh(request);
    record
}

/// `GetRawHttpResponse`, likewise.
pub(super) fn response(request: &Request) -> *mut HTTP_RESPONSE {
    let known = request.details().raw_response;
    let record = known.unwrap_or_else(|| request.arena.place(HTTP_RESPONSE::zeroed()));
    request.details().raw_response = Some(record);
    refresh(request);
    record
}

/// After a change: the records that modules hold say what the context says.
pub(super) fn refresh(request: &Request) {
    let (raw_request, raw_response) = {
        let details = request.details();
        (details.raw_request, details.raw_response)
    };
    if raw_request.is_none() && raw_response.is_none() {
        return;
    }
    adopt(request);
    let apart = request.host.faults.has(Fault::HeadersApart);
    let filled = request.with("HTTP_REQUEST", |cx| {
        let details = request.details();
        let filled = (fill_request(cx, &request.arena), fill_response(cx, &request.arena, &details, apart));
        drop(details);
        filled
    });
    let Some((new_request, new_response)) = filled else { return };
    if let Some(record) = raw_request.filter(|record| !record.is_null()) {
        // SAFETY: it is the arena's, and lives as long as the request; a module reads it when no method is running.
        unsafe { record.write(new_request) };
    }
    if let Some(record) = raw_response.filter(|record| !record.is_null()) {
        // SAFETY: as above.
        unsafe { record.write(new_response) };
    }
    let mut details = request.details();
    // SAFETY: they have just been filled in.
    details.filled = unsafe { (written::request(raw_request), written::response(raw_response)) };
}

/// Reads back what a module has written into the records since they were filled in.
pub(crate) fn adopt(request: &Request) {
    let (raw_request, raw_response, filled) = {
        let mut details = request.details();
        (details.raw_request, details.raw_response, std::mem::take(&mut details.filled))
    };
    // SAFETY: they are the arena's; what a module has put into them is there as long as they are, by its word.
    let now = unsafe { (written::request(raw_request), written::response(raw_response)) };
    if now != filled && filled != Default::default() {
        request.loan.with(|cx| {
            // SAFETY: as above.
            unsafe {
                if let (Some(record), Some(filled), Some(now)) = (raw_request, &filled.0, &now.0) {
                    written::adopt_request(cx, record, filled, now);
                }
                if let (Some(record), Some(filled), Some(now)) = (raw_response, &filled.1, &now.1) {
                    written::adopt_response(cx, record, filled, now);
                }
            }
        });
    }
    request.details().filled = now;
}

fn fill_request(cx: &Context, arena: &Arena) -> HTTP_REQUEST {
    let request = cx.request();
    let mut record = HTTP_REQUEST::zeroed();
    let base = &mut record.Base;
    base.Version = version(request.version());
    base.Verb = verb(request.method());
    if base.Verb == HTTP_VERB::UNKNOWN {
        base.UnknownVerbLength = len16(request.method().as_str().len());
        base.pUnknownVerb = arena.narrow(request.method().as_str().as_bytes());
    }
    let raw = request.original_url().path_and_query().map_or("/", |url| url.as_str());
    base.RawUrlLength = len16(raw.len());
    base.pRawUrl = arena.narrow(raw.as_bytes());
    base.CookedUrl = cooked(cx, arena);
    let sockaddr = |addr: Option<SocketAddr>| addr.map_or(null_mut(), |addr| socket_address(arena, addr));
    base.Address.pRemoteAddress = sockaddr(cx.connection().remote_addr());
    base.Address.pLocalAddress = sockaddr(cx.connection().local_addr());
    let (unknown, _) =
        known_headers(request.headers(), &REQUEST_HEADERS, &mut base.Headers.KnownHeaders, arena, false);
    base.Headers.UnknownHeaderCount = len16(unknown.len());
    base.Headers.pUnknownHeaders = arena.place_all(&unknown);
    record
}

fn fill_response(cx: &Context, arena: &Arena, details: &Details, apart: bool) -> HTTP_RESPONSE {
    let response = cx.response();
    let mut record = HTTP_RESPONSE::zeroed();
    let base = &mut record.Base;
    base.Version = version(cx.request().version());
    base.StatusCode = response.status().as_u16();
    let text = reason(details, response.status());
    base.ReasonLength = len16(text.len());
    base.pReason = arena.narrow(&text);
    let (unknown, infos) =
        known_headers(response.headers(), &RESPONSE_HEADERS, &mut base.Headers.KnownHeaders, arena, apart);
    base.Headers.UnknownHeaderCount = len16(unknown.len());
    base.Headers.pUnknownHeaders = arena.place_all(&unknown);
    let chunks: Vec<HTTP_DATA_CHUNK> = response.chunks().iter().filter_map(chunk).collect();
    base.EntityChunkCount = len16(chunks.len());
    base.pEntityChunks = arena.place_all(&chunks);
    record.ResponseInfoCount = len16(infos.len());
    record.pResponseInfo = arena.place_all(&infos);
    record
}

/// Bytes where they are, and files by their handle: what is buffered stays there until it leaves.
fn chunk(chunk: &EntityChunk) -> Option<HTTP_DATA_CHUNK> {
    match chunk {
        EntityChunk::Bytes(bytes) => {
            let (buffer, len) = (bytes.as_ptr().cast_mut().cast(), len32(bytes.len()));
            Some(HTTP_DATA_CHUNK {
                DataChunkType: HTTP_DATA_CHUNK_TYPE::FROM_MEMORY,
                data: HTTP_DATA_CHUNK_DATA { FromMemory: FROM_MEMORY { pBuffer: buffer, BufferLength: len } },
            })
        }
        EntityChunk::File(range) => {
            let bytes = HTTP_BYTE_RANGE { StartingOffset: range.offset(), Length: range.len() };
            let file = FROM_FILE_HANDLE { ByteRange: bytes, FileHandle: handle(range.file()) };
            Some(HTTP_DATA_CHUNK {
                DataChunkType: HTTP_DATA_CHUNK_TYPE::FROM_FILE_HANDLE,
                data: HTTP_DATA_CHUNK_DATA { FromFileHandle: file },
            })
        }
        _ => None,
    }
}

/// Fills the table of the numbered ones, and gives the others, and what IIS keeps apart.
fn known_headers(
    headers: &HeaderMap,
    names: &[&str],
    table: &mut [HTTP_KNOWN_HEADER],
    arena: &Arena,
    apart: bool,
) -> (Vec<HTTP_UNKNOWN_HEADER>, Vec<HTTP_RESPONSE_INFO>) {
    let (mut unknown, mut infos) = (Vec::new(), Vec::new());
    for name in headers.keys() {
        let mut add = |value: &[u8]| {
            unknown.push(HTTP_UNKNOWN_HEADER {
                NameLength: len16(name.as_str().len()),
                RawValueLength: len16(value.len()),
                pName: arena.narrow(name.as_str().as_bytes()),
                pRawValue: arena.narrow(value),
            });
        };
        if is_unknown(name) {
            headers.get_all(name).iter().for_each(|value| add(value.as_bytes()));
            continue;
        }
        let Some(all) = value(headers, name) else { continue };
        let place = names.iter().position(|known| known.eq_ignore_ascii_case(name.as_str()));
        let Some(header) = place.and_then(|place| table.get_mut(place)) else {
            add(&all);
            continue;
        };
        if apart && headers.get_all(name).iter().nth(1).is_some() {
            infos.push(several(headers, name, place.unwrap_or_default(), arena));
            continue;
        }
        header.RawValueLength = len16(all.len());
        header.pRawValue = arena.narrow(&all);
    }
    (unknown, infos)
}

/// Several values of one numbered header.
fn several(headers: &HeaderMap, name: &http::HeaderName, place: usize, arena: &Arena) -> HTTP_RESPONSE_INFO {
    let value = |value: &http::HeaderValue| HTTP_KNOWN_HEADER {
        RawValueLength: len16(value.len()),
        pRawValue: arena.narrow(value.as_bytes()),
    };
    let values: Vec<HTTP_KNOWN_HEADER> = headers.get_all(name).iter().map(value).collect();
    let several = HTTP_MULTIPLE_KNOWN_HEADERS {
        HeaderId: HTTP_HEADER_ID(i32::try_from(place).unwrap_or_default()),
        Flags: 0,
        KnownHeaderCount: len16(values.len()),
        KnownHeaders: arena.place_all(&values),
    };
    HTTP_RESPONSE_INFO {
        Type: HTTP_RESPONSE_INFO_TYPE::MULTIPLE_KNOWN_HEADERS,
        Length: len32(size_of::<HTTP_MULTIPLE_KNOWN_HEADERS>()),
        pInfo: arena.place(several).cast(),
    }
}

/// The URL, whole and in parts that point into the whole. Lengths are bytes.
fn cooked(cx: &Context, arena: &Arena) -> HTTP_COOKED_URL {
    let scheme = if cx.connection().is_secure() { "https://" } else { "http://" };
    let host = cx.server_variable("HTTP_HOST").unwrap_or_default();
    let path = cx.server_variable("URL").unwrap_or_default();
    let query = cx.request().url().query().map_or_else(String::new, |query| format!("?{query}"));
    let (full, len) = arena.wide(&format!("{scheme}{host}{path}{query}"));
    let units = |text: &str| text.encode_utf16().count();
    let at = |units: usize| if full.is_null() { null() } else { full.wrapping_add(units) };
    let (host_at, host, path, query) = (units(scheme), units(&host), units(&path), units(&query));
    let bytes = |units: usize| len16(units * size_of::<u16>());
    HTTP_COOKED_URL {
        FullUrlLength: bytes(len),
        HostLength: bytes(host),
        AbsPathLength: bytes(path),
        QueryStringLength: bytes(query),
        pFullUrl: full,
        pHost: at(host_at),
        pAbsPath: at(host_at + host),
        pQueryString: if query == 0 { null() } else { at(host_at + host + path) },
    }
}

/// What a module said, else what everybody says.
pub(super) fn reason(details: &Details, status: StatusCode) -> Vec<u8> {
    let usual = || status.canonical_reason().unwrap_or("").as_bytes().to_vec();
    details.reason.clone().unwrap_or_else(usual)
}

/// The client's certificate; null without one.
pub(super) fn certificate(request: &Request) -> *mut HTTP_SSL_CLIENT_CERT_INFO {
    let encoded = request.with("IHttpRequest::GetClientCertificate", |cx| {
        cx.connection().client_certificate().map(|certificate| certificate.encoded().clone())
    });
    let Some(encoded) = encoded.flatten() else { return null_mut() };
    let mut info = HTTP_SSL_CLIENT_CERT_INFO::zeroed();
    info.CertEncodedSize = len32(encoded.len());
    info.pCertEncoded = request.arena.place_all(&encoded);
    request.arena.place(info)
}

/// An address as Windows has it.
pub(super) fn socket_address(arena: &Arena, addr: SocketAddr) -> *mut SOCKADDR {
    let port = addr.port().to_be();
    match addr {
        SocketAddr::V4(addr) => arena
            .place(SOCKADDR_IN {
                sin_family: AF_INET,
                sin_port: port,
                sin_addr: IN_ADDR(addr.ip().octets()),
                sin_zero: [0; 8],
            })
            .cast(),
        SocketAddr::V6(addr) => arena
            .place(SOCKADDR_IN6 {
                sin6_family: AF_INET6,
                sin6_port: port,
                sin6_flowinfo: addr.flowinfo(),
                sin6_addr: addr.ip().octets(),
                sin6_scope_id: addr.scope_id(),
            })
            .cast(),
    }
}

fn version(version: http::Version) -> HTTP_VERSION {
    let (major, minor) = version_of(version);
    HTTP_VERSION { MajorVersion: major, MinorVersion: minor }
}

fn verb(method: &Method) -> HTTP_VERB {
    match method.as_str() {
        "OPTIONS" => HTTP_VERB::OPTIONS,
        "GET" => HTTP_VERB::GET,
        "HEAD" => HTTP_VERB::HEAD,
        "POST" => HTTP_VERB::POST,
        "PUT" => HTTP_VERB::PUT,
        "DELETE" => HTTP_VERB::DELETE,
        "TRACE" => HTTP_VERB::TRACE,
        "CONNECT" => HTTP_VERB::CONNECT,
        "TRACK" => HTTP_VERB::TRACK,
        "MOVE" => HTTP_VERB::MOVE,
        "COPY" => HTTP_VERB::COPY,
        "PROPFIND" => HTTP_VERB::PROPFIND,
        "PROPPATCH" => HTTP_VERB::PROPPATCH,
        "MKCOL" => HTTP_VERB::MKCOL,
        "LOCK" => HTTP_VERB::LOCK,
        "UNLOCK" => HTTP_VERB::UNLOCK,
        "SEARCH" => HTTP_VERB::SEARCH,
        _ => HTTP_VERB::UNKNOWN,
    }
}
