//! What methods answer: texts of the request's memory, server variables, results.

use bivalve_iis_sys::hresult::{ERROR_INVALID_STATE, S_OK, from_win32};
use bivalve_iis_sys::types::{HRESULT, PCWSTR};

use crate::operation::hresult;
use crate::request::Request;
use crate::text::{len32, store};

pub(super) fn variable(request: &Request, name: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(name).ok()?;
    let found = request.with("IHttpContext::GetServerVariable", |cx| {
        cx.server_variable(name).map(std::borrow::Cow::into_owned)
    });
    found.flatten()
}

/// A text of the request's memory.
///
/// # Safety
///
/// `len` is null or writable.
pub(super) unsafe fn text(request: &Request, text: &str, len: *mut u32) -> PCWSTR {
    let (text, units) = request.arena.wide(text);
    // SAFETY: says the caller.
    unsafe { store(len, len32(units)) };
    text
}

/// What a change of the context came to.
pub(super) fn outcome(result: Option<bivalve_core::Result<()>>) -> HRESULT {
    match result {
        Some(Ok(())) => S_OK,
        Some(Err(error)) => hresult(&error),
        None => from_win32(ERROR_INVALID_STATE),
    }
}
