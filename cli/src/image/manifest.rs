//! What a module says about itself.

use crate::text::printable;

/// What the text begins with: its name, and the version of its form.
pub const MARK: &str = "bivalve-modules/1;";

/// More is not read: a module has a handful of names.
const MAX_BYTES: usize = 16 * 1024;

/// What a DLL made with Bivalve says it registers: the content of its export
/// [`BIVALVE_MODULES`](super::MANIFEST).
///
/// The export is data, ASCII, ended by a zero byte. It begins with [`MARK`]; then each module has its name, a colon,
/// the notifications it asks for, with commas between them, and a semicolon. Spaces around any of these mean nothing.
/// Another number in the mark is another form, which this version does not read.
///
/// ```
/// use bivalve_cli::image::Manifest;
///
/// let text = b"bivalve-modules/1; Gate: begin_request, send_response; Audit: log_request;\0";
/// let Manifest::Modules(modules) = Manifest::parse(text) else { panic!("not understood") };
/// assert_eq!(modules[0].name, "Gate");
/// assert_eq!(modules[1].events, ["log_request"]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Manifest {
    /// The modules, in the order in which the DLL lists them.
    Modules(Vec<Declared>),
    /// Text that this version does not understand; its beginning, made printable.
    Unknown(String),
}

/// One module that a DLL says it registers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// The name under which IIS has to register it.
    pub name: String,
    /// The notifications it asks for; empty when the DLL does not say.
    pub events: Vec<String>,
}

impl Manifest {
    /// Reads the export's bytes, to the first zero or to their end.
    pub fn parse(bytes: &[u8]) -> Self {
        let bytes = &bytes[..bytes.len().min(MAX_BYTES)];
        let Some(end) = bytes.iter().position(|&byte| byte == 0) else { return Self::unknown(bytes) };
        let bytes = &bytes[..end];
        let text =
            std::str::from_utf8(bytes).ok().filter(|text| text.chars().all(|c| (' '..='~').contains(&c)));
        text.and_then(|text| text.trim().strip_prefix(MARK))
            .and_then(modules)
            .map_or_else(|| Self::unknown(bytes), Self::Modules)
    }

    /// The modules, as far as the text was understood.
    pub fn modules(&self) -> &[Declared] {
        match self {
            Self::Modules(modules) => modules,
            Self::Unknown(_) => &[],
        }
    }

    fn unknown(bytes: &[u8]) -> Self {
        Self::Unknown(printable(&bytes[..bytes.len().min(40)]))
    }
}

fn modules(text: &str) -> Option<Vec<Declared>> {
    let entries = text.split(';').map(str::trim).filter(|entry| !entry.is_empty());
    entries.map(declared).collect()
}

fn declared(entry: &str) -> Option<Declared> {
    let (name, events) = entry.split_once(':').unwrap_or((entry, ""));
    let name = name.trim();
    let events =
        events.split(',').map(str::trim).filter(|event| !event.is_empty()).map(String::from).collect();
    (!name.is_empty()).then(|| Declared { name: name.into(), events })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_is_not_guessed_at() {
        for text in
            [&b"bivalve-modules/2; Gate: a;\0"[..], b"Gate: a\0", b"\0", b"", b"bivalve-modules/1; : a;\0"]
        {
            assert!(matches!(Manifest::parse(text), Manifest::Unknown(_)), "{text:?}");
        }
    }

    #[test]
    fn a_text_without_an_end_is_not_read() {
        assert!(matches!(Manifest::parse(b"bivalve-modules/1; Gate: a;"), Manifest::Unknown(_)));
    }

    #[test]
    fn a_module_may_leave_its_events_out() {
        let manifest = Manifest::parse(b"bivalve-modules/1;Gate;Audit: ;\0");
        let names: Vec<_> = manifest.modules().iter().map(|m| (m.name.as_str(), m.events.len())).collect();
        assert_eq!(names, [("Gate", 0), ("Audit", 0)]);
    }
}
