//! Texts that a module passes: zero-terminated, or with a length.

use std::ffi::CStr;

/// Zero-terminated bytes; empty for null.
///
/// # Safety
///
/// Null, or zero-terminated and unchanged for `'a`.
pub(crate) unsafe fn narrow<'a>(text: *const u8) -> &'a [u8] {
    if text.is_null() {
        return &[];
    }
    // SAFETY: it is zero-terminated, says the caller.
    unsafe { CStr::from_ptr(text.cast()) }.to_bytes()
}

/// Bytes with a length; empty for null.
///
/// # Safety
///
/// Null, or that many bytes, unchanged for `'a`.
pub(crate) unsafe fn bytes<'a>(data: *const u8, len: usize) -> &'a [u8] {
    if data.is_null() || len == 0 {
        return &[];
    }
    // SAFETY: there are that many, says the caller.
    unsafe { std::slice::from_raw_parts(data, len) }
}

/// Zero-terminated UTF-16; empty for null.
///
/// # Safety
///
/// Null, or zero-terminated.
pub(crate) unsafe fn wide(text: *const u16) -> String {
    if text.is_null() {
        return String::new();
    }
    let mut len = 0;
    // SAFETY: it goes on up to its zero, says the caller.
    while unsafe { *text.add(len) } != 0 {
        len += 1;
    }
    // SAFETY: it was just measured.
    unsafe { wide_len(text, len) }
}

/// UTF-16 with a length in units; empty for null.
///
/// # Safety
///
/// Null, or that many units.
pub(crate) unsafe fn wide_len(text: *const u16, len: usize) -> String {
    if text.is_null() || len == 0 {
        return String::new();
    }
    // SAFETY: there are that many, says the caller.
    String::from_utf16_lossy(unsafe { std::slice::from_raw_parts(text, len) })
}

/// Stores a value, unless the module does not want it.
///
/// # Safety
///
/// Null, or writable.
pub(crate) unsafe fn store<T>(to: *mut T, value: T) {
    if !to.is_null() {
        // SAFETY: it is writable, says the caller.
        unsafe { to.write(value) };
    }
}

/// A length in 32 bits, cut where it is more.
pub(crate) fn len32(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// A length in 16 bits, cut where it is more.
pub(crate) fn len16(len: usize) -> u16 {
    u16::try_from(len).unwrap_or(u16::MAX)
}
