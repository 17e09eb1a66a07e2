//! Files that are not for everybody on the machine.

#[cfg(unix)]
#[path = "private/unix.rs"]
mod platform;

#[cfg(not(unix))]
#[path = "private/other.rs"]
mod platform;

pub(crate) use self::platform::{create_folder, is_open_to_all, restrict_file};
