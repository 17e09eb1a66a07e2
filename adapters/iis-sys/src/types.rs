//! The scalar types of the Windows headers, and the small records that are not of http.h.
//!
//! The aliases are those of `windows-sys`, so that a pointer from one crate is a pointer of the other.

use core::ffi::c_void;

/// Zero is no; anything else is yes.
pub type BOOL = i32;
/// Negative is failure: see [`crate::hresult`].
pub type HRESULT = i32;
/// A kernel object.
pub type HANDLE = *mut c_void;
/// A security identifier.
pub type PSID = *mut c_void;
/// Zero-terminated text of 8-bit characters.
pub type PCSTR = *const u8;
/// The same, to be written to.
pub type PSTR = *mut u8;
/// Zero-terminated UTF-16.
pub type PCWSTR = *const u16;
/// The same, to be written to.
pub type PWSTR = *mut u16;
/// What IIS knows a module by.
pub type HTTP_MODULE_ID = *mut c_void;
/// What http.sys knows something by.
pub type HTTP_OPAQUE_ID = u64;

/// The identifier of an interface, or of an activity.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GUID {
    /// The first group of its text.
    pub data1: u32,
    /// The second group.
    pub data2: u16,
    /// The third group.
    pub data3: u16,
    /// The last two groups.
    pub data4: [u8; 8],
}

/// A time, in units of 100 ns since the year 1601.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FILETIME {
    /// The low half.
    pub dwLowDateTime: u32,
    /// The high half.
    pub dwHighDateTime: u32,
}

record! {
    /// What an asynchronous operation of Windows is known by. The offset is one number here; the header has two
    /// halves of it, and a pointer in the same place.
    OVERLAPPED: 32 20, align 8;
    0 0 Internal: usize = "ULONG_PTR Internal";
    8 4 InternalHigh: usize = "ULONG_PTR InternalHigh";
    16 8 Offset: [u32; 2] = "DWORD Offset, OffsetHigh";
    24 16 hEvent: HANDLE = "HANDLE hEvent";
}

impl GUID {
    /// The identifier whose text has these digits.
    pub const fn from_u128(digits: u128) -> Self {
        let [a, b, c, d, e, f, g, h, data4 @ ..] = digits.to_be_bytes();
        Self {
            data1: u32::from_be_bytes([a, b, c, d]),
            data2: u16::from_be_bytes([e, f]),
            data3: u16::from_be_bytes([g, h]),
            data4,
        }
    }
}

const _: () = assert!(size_of::<GUID>() == 16 && align_of::<GUID>() == 4);
const _: () = assert!(size_of::<FILETIME>() == 8 && align_of::<FILETIME>() == 4);
