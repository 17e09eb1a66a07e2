//! What a user may call things: the same text has to survive XML, PowerShell and appcmd.

use std::fmt;
use std::str::FromStr;

/// Longer ones are mistakes.
const LONGEST: usize = 200;

/// The name under which IIS knows a module.
///
/// Refused are characters that one of the places cannot carry: appcmd has no way to write an apostrophe or a bracket
/// within a value, Windows PowerShell loses quotation marks on the way to a program, PowerShell takes typographic
/// quotes for its own, a comma separates the modules of a handler mapping, and XML has no control characters. Letters
/// outside of ASCII are lost where appcmd answers in the console's code page. `<`, `>` and `&` are fine: they are
/// escaped where that is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(String);

/// The name of a site. An apostrophe is fine here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site(String);

/// A module that is a handler, and the path of the requests that it answers.
///
/// ```
/// use bivalve_cli::package::Handler;
///
/// let handler: Handler = "App=/api/*".parse()?;
/// assert_eq!((handler.name().as_str(), handler.path()), ("App", "/api/*"));
/// assert_eq!("App".parse::<Handler>()?.path(), "*");
/// # Ok::<(), bivalve_cli::package::BadName>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handler {
    name: Name,
    path: String,
}

/// A name that cannot be used, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadName(String);

impl Name {
    /// The text as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Site {
    /// The text as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Handler {
    /// The module.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The path, with `*` for anything.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl FromStr for Name {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        check("a module's name", text, true)?;
        if !text.is_ascii() {
            return Err(BadName(format!(
                "a module's name has no letters outside of ASCII, appcmd loses them: {text:?}"
            )));
        }
        if text.contains([',', '*', '/', '\\']) {
            return Err(BadName(format!("a module's name has no comma, star or slash: {text:?}")));
        }
        Ok(Self(text.into()))
    }
}

impl FromStr for Site {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        check("a site's name", text, false)?;
        // IIS refuses these itself.
        if text.contains(['\\', '/', '?', ';', ':', '@', '&', '=', '+', '$', ',', '|', '<', '>']) {
            return Err(BadName(format!(
                "IIS allows none of \\ / ? ; : @ & = + $ , | < > in a site's name: {text:?}"
            )));
        }
        Ok(Self(text.into()))
    }
}

impl FromStr for Handler {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let (name, path) = text.split_once('=').unwrap_or((text, "*"));
        check("a handler's path", path, true)?;
        Ok(Self { name: name.parse()?, path: path.into() })
    }
}

/// What no place can carry.
pub(super) fn check(what: &str, text: &str, in_appcmd_value: bool) -> Result<(), BadName> {
    let refuse = |why: &str| Err(BadName(format!("{what} {why}: {text:?}")));
    if text.is_empty() || text.trim() != text {
        return refuse("is empty, or begins or ends with a space");
    }
    if text.len() > LONGEST {
        return refuse("is too long");
    }
    if text.chars().any(|c| c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}' | '\u{2028}' | '\u{2029}'))
    {
        return refuse("has a control character");
    }
    // Letters that change the direction of what follows, so that a name reads as another one.
    if text
        .chars()
        .any(|c| matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}'))
    {
        return refuse("has a character that changes the direction of writing");
    }
    if text.contains(['\u{2018}', '\u{2019}', '\u{201A}', '\u{201B}', '\u{201C}', '\u{201D}', '\u{201E}']) {
        return refuse("has a typographic quote, which PowerShell takes for its own");
    }
    if text.contains(['"', '[', ']', '`']) {
        return refuse("has a quotation mark, a bracket or a backtick");
    }
    if in_appcmd_value && text.contains('\'') {
        return refuse("has an apostrophe, which appcmd cannot carry");
    }
    // A program takes what begins so for an option.
    if text.starts_with(['/', '-']) && what != "a handler's path" {
        return refuse("begins with a slash or a dash");
    }
    Ok(())
}

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadName {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_cannot_be_carried_are_refused() {
        let bad = [
            "",
            " Gate",
            "Gate ",
            "Ga\nte",
            "Ga\0te",
            "Ga\u{7f}te",
            "Ga'te",
            "Ga\u{2019}te",
            "Ga\"te",
            "Ga`te",
            "Ga[0]",
            "A,B",
            "*",
            "-Gate",
            "/Gate",
            "a/b",
            "Ga\u{202E}te",
            "Ga\u{FFFF}te",
            "Gäte",
        ];
        for name in bad {
            assert!(name.parse::<Name>().is_err(), "{name:?}");
        }
        assert!("x".repeat(LONGEST + 1).parse::<Name>().is_err());
    }

    #[test]
    fn ordinary_and_escapable_names_are_taken() {
        for name in ["Gate", "My Gate 2", "R&D <gate>", "$env:x", "a;b", "Gate.Audit_1-2", "@NAMES@", "100%"]
        {
            assert_eq!(name.parse::<Name>().expect(name).as_str(), name);
        }
    }

    #[test]
    fn a_site_may_have_an_apostrophe_and_nothing_that_iis_refuses() {
        assert!("Ann's site".parse::<Site>().is_ok());
        assert!("Zürich".parse::<Site>().is_ok());
        for site in ["a/b", "a&b", "a:b", "a\"b", "a\u{2018}b"] {
            assert!(site.parse::<Site>().is_err(), "{site:?}");
        }
    }
}
