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

/// Lets a file have holes. Unix file systems do so by themselves; NTFS would fill them with zeros.
///
/// Wine has no such program and needs none.
pub(crate) fn make_sparse(path: &std::path::Path) {
    if cfg!(windows) {
        let _ = std::process::Command::new("fsutil").args(["sparse", "setflag"]).arg(path).output();
    }
}

/// Whether a send that was cancelled or reset while the system had it reports exactly the bytes that left.
///
/// On Windows an overlapped send that fails says nothing about what the transport had already taken.
pub(crate) const FAILED_SENDS_REPORT_BYTES: bool = !cfg!(windows);

/// Lets a driver post its next receive before the peer resets.
///
/// Wine 8 loses a reset that comes while no receive is pending: a probe in C, without any driver, lost 400 of 400, and
/// none of 400 with one pending. There is nothing to ask, so this gives the driver time.
pub(crate) async fn until_a_receive_is_pending() {
    if cfg!(windows) {
        for _ in 0..50 {
            crate::support::pause().await;
        }
    }
}

/// Whether a receive may report a reset as the end of the stream.
///
/// Wine 8 loses a reset that comes while no receive is pending, and a driver on readiness never has one pending: plain
/// Tokio reads 0 bytes there as well. Windows itself reports the reset.
pub(crate) fn a_reset_may_be_an_end(driver: &dyn bivalve_core::Driver) -> bool {
    let is_wine = || std::env::vars_os().any(|(name, _)| name.to_string_lossy().starts_with("WINE"));
    cfg!(windows) && driver.name() == "tokio" && is_wine()
}
