//! The shim is measured on Linux, where both kinds of modules are shared objects.

use std::io;
use std::path::Path;

/// Nothing.
///
/// # Errors
///
/// Never.
pub fn section(_program: &Path, _counting: &Path, _filter: &[&str]) -> io::Result<Option<String>> {
    Ok(None)
}

/// Nothing.
///
/// # Errors
///
/// Always: nothing is counted here.
pub fn count(_program: &Path, _key: &str, _counted: impl Fn() -> usize) -> io::Result<[f64; 2]> {
    Err(io::Error::from(io::ErrorKind::Unsupported))
}
