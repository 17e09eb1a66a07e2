//! Where systems differ, and why. No other file of the suite asks which system it is, except to leave out what a
//! system does not have at all (pipes and local sockets of Unix).

/// Open descriptors of this process.
///
/// # Panics
///
/// When the system does not list them.
#[cfg(unix)]
#[must_use]
pub fn open_handles() -> usize {
    let list = if cfg!(target_os = "linux") { "/proc/self/fd" } else { "/dev/fd" };
    // One of them reads the list.
    std::fs::read_dir(list).expect("the system lists the descriptors of a process").count() - 1
}
