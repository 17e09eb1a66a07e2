//! Socket addresses in the layout of Windows, on every target: a host on Linux speaks it as well.
//!
//! Port and addresses are in network order.

use core::ffi::c_char;

/// `AF_INET`, of IPv4.
pub const AF_INET: u16 = 2;
/// `AF_INET6`, of IPv6. It is another number than Linux has.
pub const AF_INET6: u16 = 23;

record! {
    /// Any address. The family says which of the others it is.
    SOCKADDR: 16 16, align 2;
    0 0 sa_family: u16 = "ADDRESS_FAMILY sa_family";
    2 2 sa_data: [c_char; 14] = "CHAR sa_data[14]";
}

record! {
    /// An address of IPv4.
    SOCKADDR_IN: 16 16, align 4;
    0 0 sin_family: u16 = "ADDRESS_FAMILY sin_family";
    2 2 sin_port: u16 = "USHORT sin_port";
    4 4 sin_addr: IN_ADDR = "IN_ADDR sin_addr";
    8 8 sin_zero: [c_char; 8] = "CHAR sin_zero[8]";
}

record! {
    /// An address of IPv6.
    SOCKADDR_IN6: 28 28, align 4;
    0 0 sin6_family: u16 = "ADDRESS_FAMILY sin6_family";
    2 2 sin6_port: u16 = "USHORT sin6_port";
    4 4 sin6_flowinfo: u32 = "ULONG sin6_flowinfo";
    8 8 sin6_addr: [u8; 16] = "IN6_ADDR sin6_addr";
    24 24 sin6_scope_id: u32 = "ULONG sin6_scope_id";
}

/// The four bytes of an IPv4 address, aligned as the number that Windows also takes them for.
#[repr(C, align(4))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IN_ADDR(pub [u8; 4]);
