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

/// A letter of a text that a client may have written part of, for where an administrator reads it: what steers a terminal, is
/// none of XML's, or turns round the direction of what follows becomes a space. Ends of lines stay.
pub(crate) fn plain(letter: char) -> char {
    match letter {
        '\n' => letter,
        '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => ' ',
        '\u{2028}' | '\u{2029}' | '\u{FFFE}' | '\u{FFFF}' => ' ',
        _ if letter.is_control() => ' ',
        _ => letter,
    }
}

/// UTF-16, its end cut off where it is longer, but never within a letter. Not terminated.
pub(crate) fn cut(text: impl Iterator<Item = char>, longest: usize) -> Vec<u16> {
    let mut units = Vec::new();
    let mut pair = [0; 2];
    for letter in text {
        let letter = letter.encode_utf16(&mut pair);
        if units.len() + letter.len() > longest {
            break;
        }
        units.extend_from_slice(letter);
    }
    units
}
