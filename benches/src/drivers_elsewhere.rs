//! Where the drivers cannot be compared.

use std::io;
use std::path::Path;

/// There is nothing to start.
///
/// # Errors
///
/// Always.
pub fn serve(_arguments: &[&str], _counted: fn() -> usize) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "the drivers are compared on Linux"))
}

/// There is nothing to tell.
///
/// # Errors
///
/// None.
pub fn section(_program: &Path, _counting: &Path, _arguments: &[&str]) -> io::Result<Option<String>> {
    Ok(None)
}
