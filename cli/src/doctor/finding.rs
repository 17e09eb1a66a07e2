//! One thing that was found.

use std::fmt;

/// How much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// IIS cannot load the file.
    Stops,
    /// IIS may not be able to load it, on some servers, or something is missing that should be there.
    Warns,
    /// Good to know.
    Notes,
}

/// What was found, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    severity: Severity,
    place: &'static str,
    what: String,
    to_do: Option<String>,
}

impl Finding {
    pub(super) fn stops(place: &'static str, what: impl Into<String>) -> Self {
        Self { severity: Severity::Stops, place, what: what.into(), to_do: None }
    }

    pub(super) fn warns(place: &'static str, what: impl Into<String>) -> Self {
        Self { severity: Severity::Warns, ..Self::stops(place, what) }
    }

    pub(super) fn notes(place: &'static str, what: impl Into<String>) -> Self {
        Self { severity: Severity::Notes, ..Self::stops(place, what) }
    }

    pub(super) fn advise(self, to_do: impl Into<String>) -> Self {
        Self { to_do: Some(to_do.into()), ..self }
    }

    /// How much it matters.
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// The part of the file that it is about.
    pub fn place(&self) -> &'static str {
        self.place
    }

    /// What was found, as a sentence without its full stop.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// What to do about it, where there is something to do.
    pub fn what_to_do(&self) -> Option<&str> {
        self.to_do.as_deref()
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.severity {
            Severity::Stops => "error",
            Severity::Warns => "warning",
            Severity::Notes => "note",
        };
        writeln!(f, "  {word:<8} {}: {}", self.place, self.what)?;
        self.to_do.as_ref().map_or(Ok(()), |to_do| writeln!(f, "           -> {to_do}"))
    }
}
