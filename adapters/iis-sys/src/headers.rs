//! The names of the headers that http.sys numbers.
//!
//! The index is the [`HTTP_HEADER_ID`](crate::codes::HTTP_HEADER_ID).

/// How many headers of a request have a number: `HttpHeaderRequestMaximum`.
pub const REQUEST_MAXIMUM: usize = 41;

/// How many headers of a response have a number: `HttpHeaderResponseMaximum`.
pub const RESPONSE_MAXIMUM: usize = 30;

/// The names in a request.
pub const REQUEST_HEADERS: [&str; REQUEST_MAXIMUM] = with_common([
    "Accept",
    "Accept-Charset",
    "Accept-Encoding",
    "Accept-Language",
    "Authorization",
    "Cookie",
    "Expect",
    "From",
    "Host",
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "If-Range",
    "If-Unmodified-Since",
    "Max-Forwards",
    "Proxy-Authorization",
    "Referer",
    "Range",
    "TE",
    "Translate",
    "User-Agent",
]);

/// The names in a response.
pub const RESPONSE_HEADERS: [&str; RESPONSE_MAXIMUM] = with_common([
    "Accept-Ranges",
    "Age",
    "ETag",
    "Location",
    "Proxy-Authenticate",
    "Retry-After",
    "Server",
    "Set-Cookie",
    "Vary",
    "WWW-Authenticate",
]);

/// 0 to 19 in both.
const COMMON: [&str; 20] = [
    "Cache-Control",
    "Connection",
    "Date",
    "Keep-Alive",
    "Pragma",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
    "Via",
    "Warning",
    "Allow",
    "Content-Length",
    "Content-Type",
    "Content-Encoding",
    "Content-Language",
    "Content-Location",
    "Content-MD5",
    "Content-Range",
    "Expires",
    "Last-Modified",
];

/// A name too many or too few does not compile.
const fn with_common<const OWN: usize, const ALL: usize>(own: [&'static str; OWN]) -> [&'static str; ALL] {
    assert!(COMMON.len() + OWN == ALL);
    let mut all = [""; ALL];
    let mut index = 0;
    while index < ALL {
        all[index] = if index < COMMON.len() { COMMON[index] } else { own[index - COMMON.len()] };
        index += 1;
    }
    all
}
