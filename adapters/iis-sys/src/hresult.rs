//! The results that a module returns and meets. Negative is failure.

use crate::types::HRESULT;

/// Success.
pub const S_OK: HRESULT = 0;
/// Success, with nothing done.
pub const S_FALSE: HRESULT = 1;
/// Not implemented.
pub const E_NOTIMPL: HRESULT = failure(0x8000_4001);
/// No such interface.
pub const E_NOINTERFACE: HRESULT = failure(0x8000_4002);
/// A pointer is null that may not be.
pub const E_POINTER: HRESULT = failure(0x8000_4003);
/// Aborted.
pub const E_ABORT: HRESULT = failure(0x8000_4004);
/// Failure without a reason.
pub const E_FAIL: HRESULT = failure(0x8000_4005);
/// A thing that cannot be.
pub const E_UNEXPECTED: HRESULT = failure(0x8000_FFFF);
/// Access denied.
pub const E_ACCESSDENIED: HRESULT = from_win32(ERROR_ACCESS_DENIED);
/// No memory.
pub const E_OUTOFMEMORY: HRESULT = from_win32(14);
/// A bad argument.
pub const E_INVALIDARG: HRESULT = from_win32(ERROR_INVALID_PARAMETER);

macro_rules! win32 {
    ($($name:ident = $value:literal, $about:literal;)+) => {
        $(
            #[doc = concat!($about, " Windows error ", $value, ".")]
            pub const $name: u32 = $value;
        )+
    };
}

win32! {
    ERROR_SUCCESS = 0, "No error.";
    ERROR_FILE_NOT_FOUND = 2, "No such file.";
    ERROR_PATH_NOT_FOUND = 3, "No such folder.";
    ERROR_ACCESS_DENIED = 5, "Access denied.";
    ERROR_NOT_ENOUGH_MEMORY = 8, "No memory.";
    ERROR_INVALID_DATA = 13, "The data are bad.";
    ERROR_HANDLE_EOF = 38, "The body has been read to its end: what `ReadEntityBody` returns then.";
    ERROR_NOT_SUPPORTED = 50, "Not supported.";
    ERROR_ALREADY_ASSIGNED = 85, "Set already: what `SetModuleContext` returns for a second context.";
    ERROR_INVALID_PARAMETER = 87, "A bad argument.";
    ERROR_INSUFFICIENT_BUFFER = 122, "The buffer is too small; the length that is needed has been stored.";
    ERROR_ALREADY_EXISTS = 183, "Exists already.";
    ERROR_OPERATION_ABORTED = 995, "Cancelled.";
    ERROR_IO_PENDING = 997, "Not ended yet.";
    ERROR_NOT_FOUND = 1168, "Not found.";
    ERROR_CONNECTION_INVALID = 1229, "The connection is gone: what a write returns after the client left.";
    ERROR_CONNECTION_ABORTED = 1236, "The connection was ended from here.";
    ERROR_INVALID_INDEX = 1413, "No such variable: what `GetServerVariable` returns for an unknown name.";
    ERROR_TIMEOUT = 1460, "Too late.";
    ERROR_INVALID_STATE = 5023, "Not in this state.";
}

/// `HRESULT_FROM_WIN32`: what a Windows error is as a result. Zero stays success, and what is a result already stays
/// as it is.
pub const fn from_win32(error: u32) -> HRESULT {
    let code = error.cast_signed();
    if code <= 0 { code } else { failure((error & 0xFFFF) | 0x8007_0000) }
}

/// `SUCCEEDED`.
pub const fn succeeded(result: HRESULT) -> bool {
    result >= 0
}

const fn failure(code: u32) -> HRESULT {
    code.cast_signed()
}

const _: () = assert!(from_win32(ERROR_HANDLE_EOF) == failure(0x8007_0026));
const _: () = assert!(E_OUTOFMEMORY == failure(0x8007_000E) && E_INVALIDARG == failure(0x8007_0057));
const _: () = assert!(from_win32(0) == S_OK && from_win32(0x8000_4005) == E_FAIL);
