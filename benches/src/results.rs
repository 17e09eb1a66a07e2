//! `benches/RESULTS.md`: some sections are written by themselves, and so is the rest.

use std::io;
use std::path::{Path, PathBuf};

/// What is written by itself, in the order of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// All that is in no section of its own.
    Pipeline,
    /// The shim of IIS.
    Iis,
    /// The drivers.
    Drivers,
    /// The server.
    Server,
}

/// How the sections begin, but for the first.
const HEADINGS: [&str; 3] = ["## Inside IIS\n", "## Drivers\n", "## Server\n"];

/// Writes a section; the others stay.
///
/// # Errors
///
/// When the file cannot be written.
pub fn write(section: Section, text: &str) -> io::Result<()> {
    let old = read()?;
    let mut parts = parts(&old);
    parts[section as usize] = text;
    if parts[0].trim().is_empty() {
        parts[0] = "# Results";
    }
    let there: Vec<_> = parts.into_iter().map(str::trim_end).filter(|part| !part.is_empty()).collect();
    std::fs::write(path(), format!("{}\n", there.join("\n\n")))
}

/// The sections, empty where there is none.
fn parts(text: &str) -> [&str; 4] {
    let mut parts = [""; 4];
    let mut rest = text;
    for (index, heading) in HEADINGS.iter().enumerate().rev() {
        let (before, section) = rest.split_at(rest.find(heading).unwrap_or(rest.len()));
        (rest, parts[index + 1]) = (before, section);
    }
    parts[0] = rest;
    parts
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_section_is_found() {
        let text = "# Results\n\n## Inside IIS\n\na\n\n## Drivers\n\nb\n\n## Server\n\nc\n";
        let found = ["# Results\n\n", "## Inside IIS\n\na\n\n", "## Drivers\n\nb\n\n", "## Server\n\nc\n"];
        assert_eq!(parts(text), found);
        assert_eq!(parts("# Results\n\n## Drivers\n"), ["# Results\n\n", "", "## Drivers\n", ""]);
        assert_eq!(parts(""), [""; 4]);
    }
}
