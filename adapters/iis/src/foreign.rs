//! Single questions to IIS: paths and server variables.

use std::path::PathBuf;

use bivalve_core::{CompletionStatus, Error, MapPathError, Result};
use bivalve_iis_sys::IHttpContext;
use bivalve_iis_sys::hresult::{ERROR_INSUFFICIENT_BUFFER, from_win32, succeeded};
use bivalve_iis_sys::types::HRESULT;
use http::StatusCode;

use crate::text;

/// What most paths fit into: `MAX_PATH`.
const PATH: usize = 260;

/// `MapPath`. IIS raises the notification, nested.
///
/// # Safety
///
/// The context is that of a notification that has not been answered.
pub(crate) unsafe fn map_path(context: *mut IHttpContext, url: &str) -> Result<PathBuf> {
    let wide = text::to_wide(url);
    let mut buffer = vec![0_u16; PATH];
    for _ in 0..3 {
        let mut bytes = u32::try_from(buffer.len() * 2).unwrap_or(u32::MAX);
        // SAFETY: the context is alive, says the caller; URL and buffer are alive during the call.
        let result =
            unsafe { IHttpContext::map_path(context, wide.as_ptr(), buffer.as_mut_ptr(), &raw mut bytes) };
        if result == from_win32(ERROR_INSUFFICIENT_BUFFER) && bytes as usize > buffer.len() * 2 {
            buffer.resize(bytes as usize / 2 + 1, 0);
            continue;
        }
        if !succeeded(result) {
            return Err(failed("MapPath", result));
        }
        let len = buffer.iter().position(|unit| *unit == 0).unwrap_or(buffer.len());
        return Ok(PathBuf::from(String::from_utf16_lossy(&buffer[..len])));
    }
    Err(MapPathError::TooLong.into())
}

/// `GetServerVariable`; `None` for what IIS does not know.
///
/// # Safety
///
/// As for [`map_path`].
pub(crate) unsafe fn server_variable(context: *mut IHttpContext, name: &str) -> Option<String> {
    let name = text::to_ansi(name.as_bytes());
    let (mut value, mut len) = (std::ptr::null(), 0);
    // SAFETY: the context is alive, says the caller; IIS keeps the value until the request ends.
    unsafe {
        let result =
            IHttpContext::get_server_variable_wide(context, name.as_ptr(), &raw mut value, &raw mut len);
        (succeeded(result) && !value.is_null()).then(|| text::wide_of(value, len as usize))
    }
}

/// `SetServerVariable`.
///
/// # Safety
///
/// As for [`map_path`].
pub(crate) unsafe fn set_server_variable(context: *mut IHttpContext, name: &str, value: &str) -> Result<()> {
    let (name, value) = (text::to_ansi(name.as_bytes()), text::to_wide(value));
    // SAFETY: the context is alive, says the caller; IIS copies both.
    let result = unsafe { IHttpContext::set_server_variable(context, name.as_ptr(), value.as_ptr()) };
    if succeeded(result) { Ok(()) } else { Err(failed("SetServerVariable", result)) }
}

/// What IIS refused.
pub(crate) fn failed(what: &str, result: HRESULT) -> Error {
    let status = CompletionStatus::from_hresult(result);
    Error::new(StatusCode::INTERNAL_SERVER_ERROR, format!("{what}: {status} (0x{result:08X})"))
}
