//! What differs by system, behind one name: positioned I/O, pipes and local sockets, and names of errors.

#[cfg(unix)]
#[path = "unix.rs"]
mod imp;
#[cfg(windows)]
#[path = "windows.rs"]
mod imp;

pub(crate) use self::imp::{Local, NO_SIGNAL, SHORT_IS_ALL, connect_goes_on, read_at, status, write_at};
