//! Text of IIS and text of Rust.

use bivalve_iis_sys::types::{PCSTR, PCWSTR};

/// Zero-terminated UTF-16, copied; lone surrogates are replaced. Empty for null.
///
/// # Safety
///
/// `text` is null, or zero-terminated and alive during the call.
pub(crate) unsafe fn wide(text: PCWSTR) -> String {
    if text.is_null() {
        return String::new();
    }
    let mut len = 0;
    // SAFETY: up to and with the terminator it may be read, says the caller.
    while unsafe { *text.add(len) } != 0 {
        len += 1;
    }
    // SAFETY: these characters have just been read.
    String::from_utf16_lossy(unsafe { std::slice::from_raw_parts(text, len) })
}

/// UTF-16 of a length, copied. Empty for null.
///
/// # Safety
///
/// `text` is null, or has `len` characters and is alive during the call.
pub(crate) unsafe fn wide_of(text: PCWSTR, len: usize) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: it has as many, says the caller.
    String::from_utf16_lossy(unsafe { std::slice::from_raw_parts(text, len) })
}

/// Bytes of a length; empty for null.
///
/// # Safety
///
/// `text` is null, or has `len` bytes; they are alive, and nobody writes to them, as long as the result is used.
pub(crate) unsafe fn bytes<'a>(text: PCSTR, len: usize) -> &'a [u8] {
    if text.is_null() || len == 0 {
        return &[];
    }
    // SAFETY: it has as many, says the caller.
    unsafe { std::slice::from_raw_parts(text, len) }
}

/// Zero-terminated bytes; empty for null.
///
/// # Safety
///
/// `text` is null, or zero-terminated; alive, and not written to, as long as the result is used.
pub(crate) unsafe fn terminated<'a>(text: PCSTR) -> &'a [u8] {
    if text.is_null() {
        return &[];
    }
    // SAFETY: it has a terminator, says the caller.
    unsafe { std::ffi::CStr::from_ptr(text.cast()) }.to_bytes()
}

/// Zero-terminated UTF-16 of a text.
pub(crate) fn to_wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

/// Zero-terminated bytes of a text that has no zero in it.
pub(crate) fn to_ansi(text: &[u8]) -> Vec<u8> {
    text.iter().copied().filter(|byte| *byte != 0).chain([0]).collect()
}
