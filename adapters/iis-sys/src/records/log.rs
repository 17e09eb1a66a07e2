//! What http.sys writes to its log.

use crate::codes::{HTTP_LOG_DATA_TYPE, HTTP_VERB};
use crate::types::{PSTR, PWSTR};

record! {
    /// What all log data begin with.
    HTTP_LOG_DATA: 4 4, align 4;
    0 0 Type: HTTP_LOG_DATA_TYPE = "HTTP_LOG_DATA_TYPE Type";
}

record! {
    /// A line of the log. Lengths are in bytes.
    HTTP_LOG_FIELDS_DATA: 144 92, align 8;
    0 0 Base: HTTP_LOG_DATA = "HTTP_LOG_DATA Base";
    4 4 UserNameLength: u16 = "USHORT UserNameLength";
    6 6 UriStemLength: u16 = "USHORT UriStemLength";
    8 8 ClientIpLength: u16 = "USHORT ClientIpLength";
    10 10 ServerNameLength: u16 = "USHORT ServerNameLength";
    12 12 ServiceNameLength: u16 = "USHORT ServiceNameLength";
    14 14 ServerIpLength: u16 = "USHORT ServerIpLength";
    16 16 MethodLength: u16 = "USHORT MethodLength";
    18 18 UriQueryLength: u16 = "USHORT UriQueryLength";
    20 20 HostLength: u16 = "USHORT HostLength";
    22 22 UserAgentLength: u16 = "USHORT UserAgentLength";
    24 24 CookieLength: u16 = "USHORT CookieLength";
    26 26 ReferrerLength: u16 = "USHORT ReferrerLength";
    32 28 UserName: PWSTR = "PWCHAR UserName";
    40 32 UriStem: PWSTR = "PWCHAR UriStem";
    48 36 ClientIp: PSTR = "PCHAR ClientIp";
    56 40 ServerName: PSTR = "PCHAR ServerName";
    64 44 ServiceName: PSTR = "PCHAR ServiceName";
    72 48 ServerIp: PSTR = "PCHAR ServerIp";
    80 52 Method: PSTR = "PCHAR Method";
    88 56 UriQuery: PSTR = "PCHAR UriQuery";
    96 60 Host: PSTR = "PCHAR Host";
    104 64 UserAgent: PSTR = "PCHAR UserAgent";
    112 68 Cookie: PSTR = "PCHAR Cookie";
    120 72 Referrer: PSTR = "PCHAR Referrer";
    128 76 ServerPort: u16 = "USHORT ServerPort";
    130 78 ProtocolStatus: u16 = "USHORT ProtocolStatus";
    132 80 Win32Status: u32 = "ULONG Win32Status";
    136 84 MethodNum: HTTP_VERB = "HTTP_VERB MethodNum";
    140 88 SubStatus: u16 = "USHORT SubStatus";
}
