//! The records of http.sys, read: URLs, headers, chunks, addresses.

use std::net::{IpAddr, SocketAddr};

use bivalve_core::{EntityChunk, FileRange};
use bivalve_iis_sys::codes::HTTP_DATA_CHUNK_TYPE;
use bivalve_iis_sys::records::{
    AF_INET, AF_INET6, HTTP_BYTE_RANGE_TO_EOF, HTTP_DATA_CHUNK, HTTP_KNOWN_HEADER, HTTP_REQUEST,
    HTTP_RESPONSE, HTTP_UNKNOWN_HEADER, SOCKADDR, SOCKADDR_IN, SOCKADDR_IN6,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use percent_encoding::{AsciiSet, CONTROLS, percent_encode};

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
        if known.get(index) == Some(look) {
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
