//! The response, as http.sys gets it.

use core::ffi::c_void;

use super::chunk::HTTP_DATA_CHUNK;
use super::headers::HTTP_RESPONSE_HEADERS;
use super::request::HTTP_VERSION;
use crate::codes::{HTTP_CACHE_POLICY_TYPE, HTTP_RESPONSE_INFO_TYPE};
use crate::types::PCSTR;

record! {
    /// How long http.sys keeps a response.
    HTTP_CACHE_POLICY: 8 8, align 4;
    0 0 Policy: HTTP_CACHE_POLICY_TYPE = "HTTP_CACHE_POLICY_TYPE Policy";
    4 4 SecondsToLive: u32 = "ULONG SecondsToLive";
}

record! {
    /// An addition to a response.
    HTTP_RESPONSE_INFO: 16 12, align 8;
    0 0 Type: HTTP_RESPONSE_INFO_TYPE = "HTTP_RESPONSE_INFO_TYPE Type";
    4 4 Length: u32 = "ULONG Length";
    8 8 pInfo: *mut c_void = "PVOID pInfo";
}

record! {
    /// A response, as http.sys gets it.
    HTTP_RESPONSE_V1: 552 280, align 8;
    0 0 Flags: u32 = "ULONG Flags";
    4 4 Version: HTTP_VERSION = "HTTP_VERSION Version";
    8 8 StatusCode: u16 = "USHORT StatusCode";
    10 10 ReasonLength: u16 = "USHORT ReasonLength";
    16 12 pReason: PCSTR = "PCSTR pReason";
    24 16 Headers: HTTP_RESPONSE_HEADERS = "HTTP_RESPONSE_HEADERS Headers";
    536 272 EntityChunkCount: u16 = "USHORT EntityChunkCount";
    544 276 pEntityChunks: *mut HTTP_DATA_CHUNK = "PHTTP_DATA_CHUNK pEntityChunks";
}

record! {
    /// A response with additions: what `HTTP_RESPONSE` is.
    HTTP_RESPONSE_V2: 568 288, align 8;
    0 0 Base: HTTP_RESPONSE_V1 = "HTTP_RESPONSE_V1 Base";
    552 280 ResponseInfoCount: u16 = "USHORT ResponseInfoCount";
    560 284 pResponseInfo: *mut HTTP_RESPONSE_INFO = "PHTTP_RESPONSE_INFO pResponseInfo";
}
