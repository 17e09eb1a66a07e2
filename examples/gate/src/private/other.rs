//! Where files have no mode: the folder's own rules hold.

use std::io;
use std::path::Path;

pub(crate) fn create_folder(path: &Path) -> io::Result<()> {
    std::fs::create_dir_all(path)
}

pub(crate) fn restrict_file(_path: &Path) -> io::Result<()> {
    Ok(())
}

pub(crate) fn is_open_to_all(_path: &Path) -> bool {
    false
}
