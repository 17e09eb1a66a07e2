//! What a module says about itself.

use crate::text::printable;

/// What the text begins with: its name, and the version of its form.
pub const MARK: &str = "bivalve-modules/1;";

/// More is not read: a module has a handful of names.
const MAX_BYTES: usize = 16 * 1024;

/// What a DLL made with Bivalve says it registers: the content of its export
/// [`BIVALVE_MODULES`](super::MANIFEST).
///
/// The export is data, UTF-8 without control characters, ended by a zero byte. It begins with [`MARK`]; then each module
/// has its name, and a semicolon. A name may stand in quotation marks, where a backslash comes before another one and
/// before a backslash; [`ANY_NAME`](Declared::ANY_NAME) without them is a DLL that registers under whatever name it is
/// given. Between the two, a colon and the notifications that the module asks for, with commas between them, may say
/// more. Spaces around any of these mean nothing. Another number in the mark is another form, which this version does
/// not read.
///
/// `export_modules!` writes the names, `export_service!` any name.
///
/// ```
/// use bivalve_cli::image::Manifest;
///
/// let text = b"bivalve-modules/1; \"Gate\"; Audit: begin_request, log_request;\0";
/// let Manifest::Modules(modules) = Manifest::parse(text) else { panic!("not understood") };
/// assert_eq!(modules[0].name, "Gate");
/// assert_eq!(modules[1].events, ["begin_request", "log_request"]);
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
    /// The name under which IIS has to register it; [`ANY_NAME`](Self::ANY_NAME) when it takes any.
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
        let text = std::str::from_utf8(bytes).ok().filter(|text| !text.contains(char::is_control));
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

impl Declared {
    /// Instead of a name: any name will do.
    pub const ANY_NAME: &str = "*";

    /// Whether it is registered under whatever name it is given.
    pub fn is_any(&self) -> bool {
        self.name == Self::ANY_NAME
    }
}

fn modules(mut text: &str) -> Option<Vec<Declared>> {
    let mut modules = Vec::new();
    loop {
        text = text.trim_start_matches([' ', ';']);
        if text.is_empty() {
            return Some(modules);
        }
        let (name, rest) = name(text)?;
        let (events, rest) = match rest.strip_prefix(':') {
            Some(rest) => rest.split_once(';').unwrap_or((rest, "")),
            None if rest.is_empty() => ("", ""),
            None => ("", rest.strip_prefix(';')?),
        };
        let events = events.split(',').map(str::trim).filter(|event| !event.is_empty()).map(String::from);
        modules.push(Declared { name, events: events.collect() });
        text = rest;
    }
}

/// A name, and what follows it.
fn name(text: &str) -> Option<(String, &str)> {
    let (name, rest) = match text.strip_prefix('"') {
        Some(quoted) => quoted_name(quoted)?,
        None => {
            let (name, rest) = text.split_at(text.find([':', ';']).unwrap_or(text.len()));
            (name.trim().to_owned(), rest)
        }
    };
    (!name.is_empty()).then(|| (name, rest.trim_start()))
}

fn quoted_name(text: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut characters = text.chars();
    loop {
        match characters.next()? {
            '"' => return Some((name, characters.as_str())),
            '\\' => name.push(characters.next()?),
            other => name.push(other),
        }
    }
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
    fn a_name_in_quotation_marks_may_have_every_sign() {
        let manifest = Manifest::parse(
            "bivalve-modules/1; \"a;b:c\" ; \"say \\\"hi\\\"\\\\\": e; \"\u{e9}\"\0".as_bytes(),
        );
        let modules: Vec<_> = manifest.modules().iter().map(|m| (m.name.as_str(), m.events.len())).collect();
        assert_eq!(modules, [("a;b:c", 0), ("say \"hi\"\\", 1), ("\u{e9}", 0)]);
    }

    #[test]
    fn a_damaged_name_in_quotation_marks_is_not_guessed_at() {
        for text in [
            &b"bivalve-modules/1; \"Gate;\0"[..],
            b"bivalve-modules/1; \"\";\0",
            b"bivalve-modules/1; \"a\" b;\0",
            b"bivalve-modules/1; \"a\\\0",
            b"bivalve-modules/1; \"a\x07\";\0",
            b"bivalve-modules/1; \"\xff\";\0",
        ] {
            assert!(matches!(Manifest::parse(text), Manifest::Unknown(_)), "{text:?}");
        }
    }

    #[test]
    fn a_module_may_leave_its_events_out() {
        let manifest = Manifest::parse(b"bivalve-modules/1;Gate;Audit: ;\0");
        let names: Vec<_> = manifest.modules().iter().map(|m| (m.name.as_str(), m.events.len())).collect();
        assert_eq!(names, [("Gate", 0), ("Audit", 0)]);
    }
}
