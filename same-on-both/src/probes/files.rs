//! Static files: from memory and from an open file.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};
use std::{fs, io};

use bivalve_static_files::StaticFiles;
use http::Method;

use crate::{Ask, Case};

/// The module, with a folder that this process has for itself.
///
/// # Panics
///
/// When the folder cannot be made.
#[must_use]
pub fn static_files() -> StaticFiles {
    let folder = std::env::temp_dir().join(format!("bivalve-same-on-both-files-{}", std::process::id()));
    write(&folder.join("small.txt"), b"0123456789").expect("a file can be made");
    write(&folder.join("large.bin"), &large()).expect("a file can be made");
    write(&folder.join("docs").join("index.html"), b"<p>").expect("a file can be made");
    // Else the same file has a weak tag at first, and a strong one later.
    StaticFiles::builder(folder).at("/files").shared_tags(true).build().expect("the folder is there")
}

pub(super) fn cases() -> Vec<Case> {
    let module = Arc::new(static_files());
    [
        Ask::get("/files/small.txt"),
        Ask::get("/files/large.bin"),
        Ask::get("/files/small.txt").method(Method::HEAD),
        Ask::get("/files/large.bin").method(Method::HEAD),
        Ask::get("/files/small.txt").header("range", "bytes=2-3"),
        Ask::get("/files/large.bin").header("range", "bytes=70000-150000"),
        Ask::get("/files/small.txt").header("range", "bytes=10-"),
        Ask::get("/files/small.txt").header("if-none-match", "*"),
        Ask::get("/files/small.txt").header("if-match", "\"x\""),
        Ask::post("/files/small.txt", "body"),
        Ask::get("/files/docs?a=b"),
        Ask::get("/files/docs/"),
        Ask::get("/files/nothing.txt"),
        Ask::get("/files/web.config"),
        Ask::get("/elsewhere"),
    ]
    .map(|ask| Case::new("StaticFiles", Arc::clone(&module) as _, ask))
    .to_vec()
}

/// More than is kept in memory, and than a host sends at once.
fn large() -> Vec<u8> {
    (0..100_000_u32).flat_map(u32::to_le_bytes).collect()
}

/// The program and the library that it loads have one file, and so have its threads; whoever comes first writes it.
fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    let folder: PathBuf = path.parent().map(Path::to_owned).unwrap_or_default();
    fs::create_dir_all(&folder)?;
    let mut file = tempfile::NamedTempFile::new_in(&folder)?;
    io::Write::write_all(&mut file, content)?;
    file.as_file().set_modified(UNIX_EPOCH + Duration::from_secs(784_111_777))?;
    match file.persist_noclobber(path) {
        Err(error) if !path.exists() => Err(error.error),
        _ => Ok(()),
    }
}
