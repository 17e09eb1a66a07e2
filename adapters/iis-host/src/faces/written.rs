//! What a module has written into the records of http.h by itself, without a method.

use bivalve_core::{Context, EntityChunk};
use bivalve_iis_sys::codes::{HTTP_DATA_CHUNK_TYPE, HTTP_RESPONSE_INFO_TYPE};
use bivalve_iis_sys::headers::{REQUEST_HEADERS, RESPONSE_HEADERS};
use bivalve_iis_sys::records::{
    HTTP_DATA_CHUNK, HTTP_KNOWN_HEADER, HTTP_MULTIPLE_KNOWN_HEADERS, HTTP_REQUEST, HTTP_RESPONSE,
    HTTP_UNKNOWN_HEADER,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::chunk;
use crate::text::bytes;

/// A record by where it points to, so that a change is seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Looks {
    status: u16,
    /// Name, value, and its length.
    headers: Vec<(usize, usize, u16)>,
    /// Kind, place, offset and length.
    chunks: Vec<(i32, usize, u64, u64)>,
}

/// How the request's record looks.
///
/// # Safety
///
/// The record, and what it points to, is there.
pub(crate) unsafe fn request(record: Option<*mut HTTP_REQUEST>) -> Option<Looks> {
    let record = record.filter(|record| !record.is_null())?;
    // SAFETY: says the caller.
    unsafe {
        let headers = &(*record).Base.Headers;
        let headers =
            header_looks(&headers.KnownHeaders, headers.pUnknownHeaders, headers.UnknownHeaderCount);
        Some(Looks { headers, ..Looks::default() })
    }
}

/// How the response's record looks.
///
/// # Safety
///
/// As for [`request`].
pub(crate) unsafe fn response(record: Option<*mut HTTP_RESPONSE>) -> Option<Looks> {
    let record = record.filter(|record| !record.is_null())?;
    // SAFETY: says the caller.
    unsafe {
        let base = &(*record).Base;
        let headers = &base.Headers;
        let mut headers =
            header_looks(&headers.KnownHeaders, headers.pUnknownHeaders, headers.UnknownHeaderCount);
        for several in several(record) {
            headers.extend(header_looks(values(several), std::ptr::null(), 0));
        }
        let chunks = chunks(record).iter().map(look).collect();
        Some(Looks { status: base.StatusCode, headers, chunks })
    }
}

/// Takes over the headers of the request.
///
/// # Safety
///
/// As for [`request`], and `now` is how the record looks.
pub(super) unsafe fn adopt_request(cx: &mut Context, record: *mut HTTP_REQUEST, filled: &Looks, now: &Looks) {
    if now.headers != filled.headers {
        // SAFETY: says the caller.
        let headers = unsafe {
            let headers = &(*record).Base.Headers;
            headers_of(
                &headers.KnownHeaders,
                &REQUEST_HEADERS,
                headers.pUnknownHeaders,
                headers.UnknownHeaderCount,
            )
        };
        *cx.request_mut().headers_mut() = headers;
    }
}

/// Takes over status, headers and chunks of the response.
///
/// # Safety
///
/// As for [`adopt_request`].
pub(super) unsafe fn adopt_response(
    cx: &mut Context,
    record: *mut HTTP_RESPONSE,
    filled: &Looks,
    now: &Looks,
) {
    let unsent = !cx.response().headers_sent();
    if unsent && now.status != filled.status {
        let sub = cx.response().sub_status();
        if let Err(error) = cx.response_mut().set_status_code(now.status, sub) {
            tracing::warn!(%error, "a module has written a status into HTTP_RESPONSE that is none");
        }
    }
    if unsent && now.headers != filled.headers {
        // SAFETY: says the caller.
        let headers = unsafe {
            let base = &(*record).Base.Headers;
            let mut headers = headers_of(
                &base.KnownHeaders,
                &RESPONSE_HEADERS,
                base.pUnknownHeaders,
                base.UnknownHeaderCount,
            );
            for several in several(record) {
                let name = usize::try_from(several.HeaderId.0).ok().and_then(|id| RESPONSE_HEADERS.get(id));
                let Some(name) = name else { continue };
                values(several).iter().for_each(|value| add(&mut headers, name.as_bytes(), value));
            }
            headers
        };
        *cx.response_mut().headers_mut() = headers;
    }
    if now.chunks != filled.chunks {
        let had = cx.response().chunks();
        let had = if had.len() == filled.chunks.len() { had.to_vec() } else { Vec::new() };
        // SAFETY: says the caller.
        let raw = unsafe { chunks(record) };
        let mut new = Vec::new();
        for (chunk, look) in raw.iter().zip(&now.chunks) {
            let known = filled.chunks.iter().position(|filled| filled == look);
            if let Some(known) = known.and_then(|at| had.get(at)) {
                new.push(EntityChunk::clone(known));
                continue;
            }
            // SAFETY: says the caller.
            match unsafe { chunk::copy(chunk, 1) } {
                Ok(copy) => new.extend(copy),
                Err(result) => {
                    tracing::warn!(
                        result = format_args!("0x{result:08X}"),
                        "a chunk in HTTP_RESPONSE cannot be sent"
                    );
                }
            }
        }
        cx.response_mut().adopt_chunks(new);
    }
}

/// # Safety
///
/// The record is there, with what it points to.
unsafe fn chunks<'a>(record: *mut HTTP_RESPONSE) -> &'a [HTTP_DATA_CHUNK] {
    // SAFETY: says the caller.
    unsafe {
        let base = &(*record).Base;
        if base.pEntityChunks.is_null() {
            return &[];
        }
        std::slice::from_raw_parts(base.pEntityChunks, base.EntityChunkCount.into())
    }
}

/// # Safety
///
/// As for [`chunks`].
unsafe fn several<'a>(record: *mut HTTP_RESPONSE) -> Vec<&'a HTTP_MULTIPLE_KNOWN_HEADERS> {
    // SAFETY: says the caller; the type says what it points to.
    unsafe {
        if (*record).pResponseInfo.is_null() {
            return Vec::new();
        }
        std::slice::from_raw_parts((*record).pResponseInfo, (*record).ResponseInfoCount.into())
            .iter()
            .filter(|info| {
                info.Type == HTTP_RESPONSE_INFO_TYPE::MULTIPLE_KNOWN_HEADERS && !info.pInfo.is_null()
            })
            .map(|info| &*info.pInfo.cast::<HTTP_MULTIPLE_KNOWN_HEADERS>())
            .collect()
    }
}

/// # Safety
///
/// The values are there.
unsafe fn values<'a>(several: &HTTP_MULTIPLE_KNOWN_HEADERS) -> &'a [HTTP_KNOWN_HEADER] {
    if several.KnownHeaders.is_null() {
        return &[];
    }
    // SAFETY: there are that many, says the caller.
    unsafe { std::slice::from_raw_parts(several.KnownHeaders, several.KnownHeaderCount.into()) }
}

fn look(chunk: &HTTP_DATA_CHUNK) -> (i32, usize, u64, u64) {
    // SAFETY: the type says which member is valid.
    unsafe {
        match chunk.DataChunkType {
            HTTP_DATA_CHUNK_TYPE::FROM_MEMORY => {
                let memory = chunk.data.FromMemory;
                (0, memory.pBuffer as usize, 0, u64::from(memory.BufferLength))
            }
            HTTP_DATA_CHUNK_TYPE::FROM_FILE_HANDLE => {
                let file = chunk.data.FromFileHandle;
                (1, file.FileHandle as usize, file.ByteRange.StartingOffset, file.ByteRange.Length)
            }
            HTTP_DATA_CHUNK_TYPE(other) => (other, 0, 0, 0),
        }
    }
}

/// # Safety
///
/// There are as many unknown ones.
unsafe fn header_looks(
    known: &[HTTP_KNOWN_HEADER],
    unknown: *const HTTP_UNKNOWN_HEADER,
    count: u16,
) -> Vec<(usize, usize, u16)> {
    let known = known.iter().enumerate().filter(|(_, header)| !header.pRawValue.is_null());
    let mut looks: Vec<_> =
        known.map(|(at, header)| (at, header.pRawValue as usize, header.RawValueLength)).collect();
    if !unknown.is_null() {
        // SAFETY: there are as many, says the caller.
        let unknown = unsafe { std::slice::from_raw_parts(unknown, count.into()) };
        looks.extend(
            unknown
                .iter()
                .map(|header| (header.pName as usize, header.pRawValue as usize, header.RawValueLength)),
        );
    }
    looks
}

/// # Safety
///
/// There are as many unknown ones, and the texts are there.
unsafe fn headers_of(
    known: &[HTTP_KNOWN_HEADER],
    names: &[&str],
    unknown: *const HTTP_UNKNOWN_HEADER,
    count: u16,
) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (header, name) in known.iter().zip(names) {
        if !header.pRawValue.is_null() {
            add(&mut map, name.as_bytes(), header);
        }
    }
    if !unknown.is_null() {
        // SAFETY: there are as many, says the caller, and their texts are there.
        unsafe {
            for header in std::slice::from_raw_parts(unknown, count.into()) {
                let value =
                    HTTP_KNOWN_HEADER { RawValueLength: header.RawValueLength, pRawValue: header.pRawValue };
                add(&mut map, bytes(header.pName, header.NameLength.into()), &value);
            }
        }
    }
    map
}

fn add(map: &mut HeaderMap, name: &[u8], value: &HTTP_KNOWN_HEADER) {
    // SAFETY: a module that writes a header says with it that the text is there.
    let value = unsafe { bytes(value.pRawValue, value.RawValueLength.into()) };
    if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
        let _ = map.try_append(name, value);
    }
}
