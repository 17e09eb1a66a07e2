//! The interfaces that a module calls, one file a subject.

mod answer;
pub(crate) mod completion;
pub(crate) mod context;
pub(crate) mod headers;
mod misc;
mod operate;
pub(crate) mod provider;
pub(crate) mod records;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod server;
pub(crate) mod site;
mod user;
pub(crate) mod written;

pub(crate) use self::misc::{ALLOCATOR, CACHE_POLICY, METADATA, SCRIPT_MAP, SERVER_TRACE, TRACE, URL_INFO};
pub(crate) use self::user::USER;

use bivalve_iis_sys::hresult::{ERROR_NOT_SUPPORTED, from_win32};
use bivalve_iis_sys::types::HRESULT;

use crate::face::owner;
use crate::request::Request;

/// What a method answers that this host does not have.
pub(crate) const NOT_SUPPORTED: HRESULT = from_win32(ERROR_NOT_SUPPORTED);

/// The request whose object it is.
///
/// # Safety
///
/// `this` is a face of a request, which the host keeps alive for `'a`: until its end, and some time after.
unsafe fn request_of<'a, C>(this: *const C) -> &'a Request {
    // SAFETY: says the caller.
    unsafe { owner::<Request, C>(this) }
}
