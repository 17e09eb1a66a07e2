//! Headers, as http.sys keeps them.

use crate::codes::HTTP_HEADER_ID;
use crate::headers::{REQUEST_MAXIMUM, RESPONSE_MAXIMUM};
use crate::types::PCSTR;

record! {
    /// A header at the place of its number. A null value is a header that is not there.
    HTTP_KNOWN_HEADER: 16 8, align 8;
    0 0 RawValueLength: u16 = "USHORT RawValueLength";
    8 4 pRawValue: PCSTR = "PCSTR pRawValue";
}

record! {
    /// A header that has no number.
    HTTP_UNKNOWN_HEADER: 24 12, align 8;
    0 0 NameLength: u16 = "USHORT NameLength";
    2 2 RawValueLength: u16 = "USHORT RawValueLength";
    8 4 pName: PCSTR = "PCSTR pName";
    16 8 pRawValue: PCSTR = "PCSTR pRawValue";
}

record! {
    /// The headers of a request.
    HTTP_REQUEST_HEADERS: 688 344, align 8;
    0 0 UnknownHeaderCount: u16 = "USHORT UnknownHeaderCount";
    8 4 pUnknownHeaders: *mut HTTP_UNKNOWN_HEADER = "PHTTP_UNKNOWN_HEADER pUnknownHeaders";
    16 8 TrailerCount: u16 = "USHORT TrailerCount";
    24 12 pTrailers: *mut HTTP_UNKNOWN_HEADER = "PHTTP_UNKNOWN_HEADER pTrailers";
    32 16 KnownHeaders: [HTTP_KNOWN_HEADER; REQUEST_MAXIMUM] = "HTTP_KNOWN_HEADER[41] KnownHeaders";
}

record! {
    /// The headers of a response.
    HTTP_RESPONSE_HEADERS: 512 256, align 8;
    0 0 UnknownHeaderCount: u16 = "USHORT UnknownHeaderCount";
    8 4 pUnknownHeaders: *mut HTTP_UNKNOWN_HEADER = "PHTTP_UNKNOWN_HEADER pUnknownHeaders";
    16 8 TrailerCount: u16 = "USHORT TrailerCount";
    24 12 pTrailers: *mut HTTP_UNKNOWN_HEADER = "PHTTP_UNKNOWN_HEADER pTrailers";
    32 16 KnownHeaders: [HTTP_KNOWN_HEADER; RESPONSE_MAXIMUM] = "HTTP_KNOWN_HEADER[30] KnownHeaders";
}

record! {
    /// Several values of one numbered header, as an addition to a response.
    HTTP_MULTIPLE_KNOWN_HEADERS: 24 16, align 8;
    0 0 HeaderId: HTTP_HEADER_ID = "HTTP_HEADER_ID HeaderId";
    4 4 Flags: u32 = "ULONG Flags";
    8 8 KnownHeaderCount: u16 = "USHORT KnownHeaderCount";
    16 12 KnownHeaders: *mut HTTP_KNOWN_HEADER = "PHTTP_KNOWN_HEADER KnownHeaders";
}
