//! By mode.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

/// Makes a folder for owner and group, and those above it; one that is there stays as it is.
pub(crate) fn create_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o750).create(path)
}

/// A file for owner (who writes) and group (who reads). What is no regular file stays as it is.
pub(crate) fn restrict_file(path: &Path) -> io::Result<()> {
    let found = fs::symlink_metadata(path)?;
    if found.is_file() && found.permissions().mode() & 0o777 != 0o640 {
        fs::set_permissions(path, Permissions::from_mode(0o640))?;
    }
    Ok(())
}

/// Whether everybody may read or write the file.
pub(crate) fn is_open_to_all(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o006 != 0)
}
