//! `benches/RESULTS.md`: two sections are written by themselves, that of the drivers and that of IIS, and so is the rest.

use std::io;
use std::path::{Path, PathBuf};

/// How the sections begin that are written by themselves, in their order.
const SECTIONS: [&str; 2] = ["## Inside IIS\n", "## Drivers\n"];

/// Writes everything but the sections of IIS and of the drivers, which stay.
///
/// # Errors
///
/// When the file cannot be written.
pub fn write_pipeline(text: &str) -> io::Result<()> {
    let [_, iis, drivers] = parts(&read()?);
    write(text, &iis, &drivers)
}

/// Writes the section of IIS; the rest stays.
///
/// # Errors
///
/// When the file cannot be written.
pub fn write_iis(section: &str) -> io::Result<()> {
    let [rest, _, drivers] = parts(&read()?);
    write(&rest, section, &drivers)
}

/// Writes the section of the drivers; the rest stays.
///
/// # Errors
///
/// When the file cannot be written.
pub fn write_drivers(section: &str) -> io::Result<()> {
    let [rest, iis, _] = parts(&read()?);
    write(&rest, &iis, section)
}

/// What comes first, and both sections.
fn parts(text: &str) -> [String; 3] {
    let [iis, drivers] = SECTIONS.map(|heading| text.find(heading));
    let drivers = drivers.unwrap_or(text.len());
    let iis = iis.unwrap_or(drivers);
    [&text[..iis], &text[iis..drivers], &text[drivers..]].map(str::to_owned)
}

fn write(rest: &str, iis: &str, drivers: &str) -> io::Result<()> {
    let rest = if rest.trim().is_empty() { "# Results" } else { rest };
    let parts = [rest, iis, drivers].map(str::trim_end);
    let there: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    std::fs::write(path(), format!("{}\n", there.join("\n\n")))
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
        let text = "# Results\n\n## Inside IIS\n\na\n\n## Drivers\n\nb\n";
        assert_eq!(parts(text), ["# Results\n\n", "## Inside IIS\n\na\n\n", "## Drivers\n\nb\n"]);
        assert_eq!(parts("# Results\n\n## Drivers\n"), ["# Results\n\n", "", "## Drivers\n"]);
    }
}
