//! The records of http.h, and the socket addresses that they point to.
//!
//! They are declared here and not taken from `windows-sys`, although that compiles on Linux as well: there a `BOOLEAN`
//! that IIS has written is a `bool`, which must not be anything but 0 and 1, and its types would be part of this
//! interface. The tests compare them, field by field.
//!
//! http.h has names for the newest of each: [`HTTP_REQUEST`] and [`HTTP_RESPONSE`].

mod address;
mod chunk;
mod headers;
mod log;
mod request;
mod response;
mod security;
mod trace;

pub use address::*;
pub use chunk::*;
pub use headers::*;
pub use log::*;
pub use request::*;
pub use response::*;
pub use security::*;
pub use trace::*;

/// What `IHttpRequest::GetRawHttpRequest` returns.
pub type HTTP_REQUEST = HTTP_REQUEST_V2;

/// What `IHttpResponse::GetRawHttpResponse` returns.
pub type HTTP_RESPONSE = HTTP_RESPONSE_V2;
