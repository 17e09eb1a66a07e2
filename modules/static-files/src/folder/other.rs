//! What the standard library knows of a file on any system.

use std::fs::{File, Metadata};
use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use cap_std::fs::OpenOptions;

use super::Stamp;

/// Who sets the time of modification back hides a change.
pub(super) const SEES_EVERY_CHANGE: bool = false;

pub(super) fn stamp(metadata: &Metadata) -> io::Result<Stamp> {
    let created = metadata.created().unwrap_or(UNIX_EPOCH).duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(Stamp {
        size: metadata.len(),
        modified: metadata.modified()?,
        changed: (i64::try_from(created.as_secs()).unwrap_or_default(), i64::from(created.subsec_nanos())),
        number: (0, 0),
    })
}

/// When the file was last written.
pub(super) fn changed(stamp: &Stamp) -> SystemTime {
    stamp.modified
}

pub(super) fn without_waiting(_options: &mut OpenOptions) {}

pub(super) fn wait_again(_file: &File) -> io::Result<()> {
    Ok(())
}

/// Whether the process, or the system, has run out of something, or the file is another's for the moment: `ERROR_TOO_MANY_OPEN_FILES`,
/// `ERROR_NOT_ENOUGH_MEMORY`, `ERROR_SHARING_VIOLATION`, `ERROR_LOCK_VIOLATION`, `ERROR_IO_DEVICE`, `ERROR_NO_SYSTEM_RESOURCES`.
pub(crate) fn is_exhausted(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(4 | 8 | 32 | 33 | 1117 | 1450))
}
