//! `benches/RESULTS.md`: the section of the drivers is written by itself, and so is the rest.

use std::io;
use std::path::{Path, PathBuf};

/// How the last section begins.
const DRIVERS: &str = "## Drivers\n";

/// Writes everything but the section of the drivers, which stays.
///
/// # Errors
///
/// When the file cannot be written.
pub fn write_pipeline(text: &str) -> io::Result<()> {
    let old = read()?;
    let drivers = old.find(DRIVERS).map_or("", |at| &old[at..]);
    let between = if drivers.is_empty() { "" } else { "\n" };
    std::fs::write(path(), format!("{}\n{between}{drivers}", text.trim_end()))
}

/// Writes the section of the drivers; the rest stays.
///
/// # Errors
///
/// When the file cannot be written.
pub fn write_drivers(section: &str) -> io::Result<()> {
    let old = read()?;
    let rest = old.find(DRIVERS).map_or(old.as_str(), |at| &old[..at]);
    let rest = if rest.is_empty() { "# Results\n" } else { rest };
    std::fs::write(path(), format!("{}\n\n{}\n", rest.trim_end(), section.trim_end()))
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("RESULTS.md")
}

fn read() -> io::Result<String> {
    match std::fs::read_to_string(path()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        read => read,
    }
}
