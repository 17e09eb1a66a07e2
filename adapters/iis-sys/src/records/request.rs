//! The request, as http.sys has it.

use core::ffi::c_void;

use super::address::SOCKADDR;
use super::chunk::HTTP_DATA_CHUNK;
use super::headers::HTTP_REQUEST_HEADERS;
use super::security::HTTP_SSL_INFO;
use crate::codes::{HTTP_REQUEST_INFO_TYPE, HTTP_VERB};
use crate::types::{HTTP_OPAQUE_ID, PCSTR, PCWSTR};

record! {
    /// A version of HTTP.
    HTTP_VERSION: 4 4, align 2;
    0 0 MajorVersion: u16 = "USHORT MajorVersion";
    2 2 MinorVersion: u16 = "USHORT MinorVersion";
}

record! {
    /// The URL, decoded and taken apart. Lengths are in bytes, and the last three pointers point into the first text.
    HTTP_COOKED_URL: 40 24, align 8;
    0 0 FullUrlLength: u16 = "USHORT FullUrlLength";
    2 2 HostLength: u16 = "USHORT HostLength";
    4 4 AbsPathLength: u16 = "USHORT AbsPathLength";
    6 6 QueryStringLength: u16 = "USHORT QueryStringLength";
    8 8 pFullUrl: PCWSTR = "PCWSTR pFullUrl";
    16 12 pHost: PCWSTR = "PCWSTR pHost";
    24 16 pAbsPath: PCWSTR = "PCWSTR pAbsPath";
    32 20 pQueryString: PCWSTR = "PCWSTR pQueryString";
}

record! {
    /// Both ends of a connection.
    HTTP_TRANSPORT_ADDRESS: 16 8, align 8;
    0 0 pRemoteAddress: *mut SOCKADDR = "PSOCKADDR pRemoteAddress";
    8 4 pLocalAddress: *mut SOCKADDR = "PSOCKADDR pLocalAddress";
}

record! {
    /// An addition to a request.
    HTTP_REQUEST_INFO: 16 12, align 8;
    0 0 InfoType: HTTP_REQUEST_INFO_TYPE = "HTTP_REQUEST_INFO_TYPE InfoType";
    4 4 InfoLength: u32 = "ULONG InfoLength";
    8 8 pInfo: *mut c_void = "PVOID pInfo";
}

record! {
    /// A request, as http.sys has it.
    HTTP_REQUEST_V1: 848 464, align 8;
    0 0 Flags: u32 = "ULONG Flags";
    8 8 ConnectionId: HTTP_OPAQUE_ID = "HTTP_CONNECTION_ID ConnectionId";
    16 16 RequestId: HTTP_OPAQUE_ID = "HTTP_REQUEST_ID RequestId";
    24 24 UrlContext: u64 = "HTTP_URL_CONTEXT UrlContext";
    32 32 Version: HTTP_VERSION = "HTTP_VERSION Version";
    36 36 Verb: HTTP_VERB = "HTTP_VERB Verb";
    40 40 UnknownVerbLength: u16 = "USHORT UnknownVerbLength";
    42 42 RawUrlLength: u16 = "USHORT RawUrlLength";
    48 44 pUnknownVerb: PCSTR = "PCSTR pUnknownVerb";
    56 48 pRawUrl: PCSTR = "PCSTR pRawUrl";
    64 52 CookedUrl: HTTP_COOKED_URL = "HTTP_COOKED_URL CookedUrl";
    104 76 Address: HTTP_TRANSPORT_ADDRESS = "HTTP_TRANSPORT_ADDRESS Address";
    120 84 Headers: HTTP_REQUEST_HEADERS = "HTTP_REQUEST_HEADERS Headers";
    808 432 BytesReceived: u64 = "ULONGLONG BytesReceived";
    816 440 EntityChunkCount: u16 = "USHORT EntityChunkCount";
    824 444 pEntityChunks: *mut HTTP_DATA_CHUNK = "PHTTP_DATA_CHUNK pEntityChunks";
    832 448 RawConnectionId: HTTP_OPAQUE_ID = "HTTP_RAW_CONNECTION_ID RawConnectionId";
    840 456 pSslInfo: *mut HTTP_SSL_INFO = "PHTTP_SSL_INFO pSslInfo";
}

record! {
    /// A request with additions: what `HTTP_REQUEST` is.
    HTTP_REQUEST_V2: 864 472, align 8;
    0 0 Base: HTTP_REQUEST_V1 = "HTTP_REQUEST_V1 Base";
    848 464 RequestInfoCount: u16 = "USHORT RequestInfoCount";
    856 468 pRequestInfo: *mut HTTP_REQUEST_INFO = "PHTTP_REQUEST_INFO pRequestInfo";
}
