//! What Unix knows of a file.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cap_std::fs::{OpenOptions, OpenOptionsExt};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;

use super::Stamp;

/// The time of the last change is nobody's to set.
pub(super) const SEES_EVERY_CHANGE: bool = true;

pub(super) fn stamp(metadata: &Metadata) -> io::Result<Stamp> {
    Ok(Stamp {
        size: metadata.len(),
        modified: metadata.modified()?,
        changed: (metadata.ctime(), metadata.ctime_nsec()),
        number: (metadata.dev(), metadata.ino()),
    })
}

/// When the file was last changed, its links and rights included.
pub(super) fn changed(stamp: &Stamp) -> SystemTime {
    let (seconds, nanoseconds) = stamp.changed;
    let time = Duration::new(seconds.unsigned_abs(), u32::try_from(nanoseconds).unwrap_or_default());
    if seconds < 0 { UNIX_EPOCH } else { UNIX_EPOCH.checked_add(time).unwrap_or(UNIX_EPOCH) }
}

/// A pipe without a writer would be waited for, a terminal would become ours.
pub(super) fn without_waiting(options: &mut OpenOptions) {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    options.custom_flags(flags.bits().cast_signed());
}

/// A regular file is waited for: io_uring would report that a page is not in memory yet.
pub(super) fn wait_again(file: &File) -> io::Result<()> {
    let flags = fcntl_getfl(file)?;
    Ok(fcntl_setfl(file, flags - OFlags::NONBLOCK)?)
}

/// Whether the process, or the system, has run out of something, or the file is another's for the moment (`EAGAIN`: a lease, as Samba
/// takes them), or the file system is one of a server that does not answer.
pub(crate) fn is_exhausted(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    errno.is_some_and(|errno| SAYS_NOTHING.contains(&errno))
}

const SAYS_NOTHING: [Errno; 8] = [
    Errno::AGAIN,
    Errno::INTR,
    Errno::IO,
    Errno::MFILE,
    Errno::NFILE,
    Errno::NOMEM,
    Errno::STALE,
    Errno::TIMEDOUT,
];
