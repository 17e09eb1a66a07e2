//! The records of http.sys, read: URLs, headers, chunks, addresses.

use std::net::{IpAddr, SocketAddr};

use bivalve_core::{EntityChunk, FileRange};
use bivalve_iis_sys::codes::{HTTP_DATA_CHUNK_TYPE, HTTP_RESPONSE_INFO_TYPE};
use bivalve_iis_sys::headers::RESPONSE_HEADERS;
use bivalve_iis_sys::records::{
    AF_INET, AF_INET6, HTTP_BYTE_RANGE_TO_EOF, HTTP_DATA_CHUNK, HTTP_KNOWN_HEADER,
    HTTP_MULTIPLE_KNOWN_HEADERS, HTTP_REQUEST, HTTP_RESPONSE, HTTP_RESPONSE_INFO, HTTP_UNKNOWN_HEADER,
    SOCKADDR, SOCKADDR_IN, SOCKADDR_IN6,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_encode};

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

/// A chunk of IIS by its looks.
pub(crate) type Seen = (i32, usize, u64, u64);

/// # Safety
///
/// `raw` is null or alive.
pub(crate) unsafe fn url_sent(raw: *const HTTP_REQUEST) -> Option<Uri> {
    // SAFETY: it is alive, says the caller; the length is that of the text.
    let sent = unsafe { text::bytes((*raw).Base.pRawUrl, (*raw).Base.RawUrlLength.into()) };
    uri(sent)
}

/// # Safety
///
/// `raw` is alive.
pub(crate) unsafe fn url_now(raw: *const HTTP_REQUEST) -> Option<Uri> {
    // SAFETY: as the caller says.
    uri(unsafe { text_now(raw) }.as_bytes())
}

/// # Safety
///
/// `raw` is alive.
unsafe fn text_now(raw: *const HTTP_REQUEST) -> String {
    // SAFETY: it is alive, says the caller; lengths are in bytes, and those of the texts.
    let (path, query) = unsafe {
        let url = &(*raw).Base.CookedUrl;
        (
            text::wide_of(url.pAbsPath, usize::from(url.AbsPathLength) / 2),
            text::wide_of(url.pQueryString, usize::from(url.QueryStringLength) / 2),
        )
    };
    path + &query
}

/// `None` for a text that is no URL, nor becomes one: what a module decides on is what IIS serves, or nothing.
fn uri(text: &[u8]) -> Option<Uri> {
    if text.is_empty() {
        return Some(Uri::from_static("/"));
    }
    Uri::try_from(text).or_else(|_| percent_encode(text, URL).to_string().parse()).ok()
}

/// What stands for a URL that is none, longer ones cut.
///
/// # Safety
///
/// `raw` is alive.
pub(crate) unsafe fn veil_sent(raw: *const HTTP_REQUEST) -> Uri {
    // SAFETY: it is alive, says the caller; the length is that of the text.
    veil(unsafe { text::bytes((*raw).Base.pRawUrl, (*raw).Base.RawUrlLength.into()) })
}

/// # Safety
///
/// As for [`veil_sent`].
pub(crate) unsafe fn veil_now(raw: *const HTTP_REQUEST) -> Uri {
    // SAFETY: as the caller says.
    veil(unsafe { text_now(raw) }.as_bytes())
}

fn veil(text: &[u8]) -> Uri {
    let text = &text[..text.len().min(VEILED)];
    let slash = if text.first() == Some(&b'/') { "" } else { "/" };
    format!("{slash}{}", percent_encode(text, ALL_OF_A_URL)).parse().unwrap_or_default()
}

/// What stands for a method that is none.
pub(crate) fn veil_method(text: &[u8]) -> Method {
    let text = &text[..text.len().min(VEILED)];
    let encoded = percent_encode(text, NON_ALPHANUMERIC).to_string();
    Method::from_bytes(if encoded.is_empty() { b"-" } else { encoded.as_bytes() }).unwrap_or_default()
}

/// Bytes of a method or URL that is none, for a log. Bounds the log: an attacker writes it.
const VEILED: usize = 4096;

/// All but what a path or query is made of.
const ALL_OF_A_URL: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'.')
    .remove(b'-')
    .remove(b'_')
    .remove(b'~')
    .remove(b'?')
    .remove(b'=')
    .remove(b'&')
    .remove(b'%');

/// # Safety
///
/// `raw` is null or alive.
pub(crate) unsafe fn look_at_wide(seen: &mut Vec<u8>, raw: *const HTTP_REQUEST) {
    if !raw.is_null() {
        // SAFETY: it is alive, says the caller.
        seen.extend_from_slice(unsafe { text_now(raw) }.as_bytes());
    }
}

/// # Safety
///
/// `raw` is null or alive.
pub(crate) unsafe fn look_at_request(seen: &mut Vec<u8>, raw: *const HTTP_REQUEST) {
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
pub(crate) unsafe fn look_at_response(seen: &mut Vec<u8>, raw: *const HTTP_RESPONSE) {
    seen.clear();
    // Never as empty as before the first look.
    seen.push(1);
    if !raw.is_null() {
        // SAFETY: it is alive, says the caller.
        let base = unsafe { &(*raw).Base.Headers };
        // SAFETY: as above, and with it what it points to.
        unsafe {
            look_at(seen, &base.KnownHeaders, base.pUnknownHeaders, base.UnknownHeaderCount);
            for (name, values) in several(raw) {
                seen.extend_from_slice(name.as_bytes());
                look_at(seen, values, std::ptr::null(), 0);
            }
        }
    }
}

/// The numbered headers of which IIS keeps several values apart.
///
/// # Safety
///
/// `raw` is alive, as long as the result is used.
pub(crate) unsafe fn several<'a>(
    raw: *const HTTP_RESPONSE,
) -> impl Iterator<Item = (&'static str, &'a [HTTP_KNOWN_HEADER])> {
    // SAFETY: it is alive, says the caller, and with it what it points to; the type says what that is.
    unsafe {
        let infos = match (*raw).pResponseInfo {
            infos if infos.is_null() => &[][..],
            infos => std::slice::from_raw_parts(infos, (*raw).ResponseInfoCount.into()),
        };
        infos.iter().filter_map(|info| several_of(info))
    }
}

/// # Safety
///
/// As for [`several`].
unsafe fn several_of<'a>(info: &HTTP_RESPONSE_INFO) -> Option<(&'static str, &'a [HTTP_KNOWN_HEADER])> {
    if info.Type != HTTP_RESPONSE_INFO_TYPE::MULTIPLE_KNOWN_HEADERS || info.pInfo.is_null() {
        return None;
    }
    // SAFETY: as the caller says.
    unsafe {
        let several = &*info.pInfo.cast::<HTTP_MULTIPLE_KNOWN_HEADERS>();
        let name = RESPONSE_HEADERS.get(usize::try_from(several.HeaderId.0).ok()?)?;
        if several.KnownHeaders.is_null() {
            return None;
        }
        Some((*name, std::slice::from_raw_parts(several.KnownHeaders, several.KnownHeaderCount.into())))
    }
}

/// Takes a header out of those that IIS keeps apart: it was deleted, or is another one now. That `SetHeader` and
/// `DeleteHeader` do so is documented nowhere.
///
/// # Safety
///
/// `raw` is null or alive, and nobody else uses it.
pub(crate) unsafe fn drop_several(raw: *mut HTTP_RESPONSE, name: &str) {
    // SAFETY: as the caller says; the array has as many as the record says.
    unsafe {
        if raw.is_null() || (*raw).pResponseInfo.is_null() {
            return;
        }
        let infos = std::slice::from_raw_parts_mut((*raw).pResponseInfo, (*raw).ResponseInfoCount.into());
        let mut kept = 0;
        for at in 0..infos.len() {
            let is_it = several_of(&infos[at]).is_some_and(|(other, _)| other.eq_ignore_ascii_case(name));
            if !is_it {
                infos.swap(kept, at);
                kept += 1;
            }
        }
        (*raw).ResponseInfoCount = u16::try_from(kept).unwrap_or(0);
    }
}

/// # Safety
///
/// The values are alive.
pub(crate) unsafe fn add_all(map: &mut HeaderMap, name: &str, values: &[HTTP_KNOWN_HEADER]) {
    for value in values {
        // SAFETY: it is alive, says the caller, and has this length.
        let value = unsafe { text::bytes(value.pRawValue, value.RawValueLength.into()) };
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value))
        {
            let _ = map.try_append(name, value);
        }
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
pub(crate) unsafe fn headers(
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
pub(crate) unsafe fn raw_chunks<'a>(raw: *const HTTP_RESPONSE) -> &'a [HTTP_DATA_CHUNK] {
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
pub(crate) unsafe fn look_at_chunks(raw: *const HTTP_RESPONSE) -> Vec<Seen> {
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

/// Whether this may be that chunk as IIS has it.
pub(crate) fn looks_like(seen: Seen, chunk: &EntityChunk) -> bool {
    match chunk {
        EntityChunk::Bytes(bytes) => seen.0 == 0 && usize::try_from(seen.3) == Ok(bytes.len()),
        EntityChunk::File(range) => seen.0 == 1 && (seen.2, seen.3) == (range.offset(), range.len()),
        _ => false,
    }
}

/// Whether IIS's memory still has these bytes: another chunk of the same length may have taken the place of one that is gone.
///
/// # Safety
///
/// `raw` is null or alive.
pub(crate) unsafe fn hold(raw: *const HTTP_RESPONSE, had: &[EntityChunk]) -> bool {
    // SAFETY: it is alive, says the caller.
    unsafe { raw_chunks(raw).iter().zip(had).all(|(raw, had)| holds(raw, had)) }
}

/// # Safety
///
/// The chunk is alive.
unsafe fn holds(raw: &HTTP_DATA_CHUNK, had: &EntityChunk) -> bool {
    match had {
        EntityChunk::Bytes(bytes) if raw.DataChunkType == HTTP_DATA_CHUNK_TYPE::FROM_MEMORY => {
            // SAFETY: the type says which member is valid, and what it points to is alive, says the caller.
            let memory = unsafe { raw.data.FromMemory };
            // SAFETY: as above.
            *bytes == unsafe { text::bytes(memory.pBuffer.cast(), memory.BufferLength as usize) }
        }
        _ => true,
    }
}

/// The chunks of IIS as ours: those that were there last time are the same ones again, others are copied. What IIS
/// keeps in another form than memory or a file is not shown.
///
/// # Safety
///
/// `raw` is null or alive, and `seen` is what it looks like now.
pub(crate) unsafe fn chunks(
    raw: *const HTTP_RESPONSE,
    seen: &[Seen],
    known: &[Seen],
    had: &[EntityChunk],
) -> Vec<EntityChunk> {
    // SAFETY: it is alive, says the caller.
    let raw = unsafe { raw_chunks(raw) };
    let known = if had.len() == known.len() { known } else { &[] };
    let mut chunks = Vec::with_capacity(raw.len());
    for (index, (chunk, look)) in raw.iter().zip(seen).enumerate() {
        // SAFETY: it is alive, says the caller.
        if known.get(index) == Some(look) && unsafe { holds(chunk, &had[index]) } {
            chunks.push(had[index].clone());
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
                    let (offset, mut length) = (range.ByteRange.StartingOffset, range.ByteRange.Length);
                    if length == HTTP_BYTE_RANGE_TO_EOF {
                        // By the file's length now. One that has none is not shown.
                        let Ok(file) = file.metadata() else { continue };
                        length = file.len().saturating_sub(offset);
                    }
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
pub(crate) unsafe fn address(address: *const SOCKADDR) -> Option<SocketAddr> {
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
