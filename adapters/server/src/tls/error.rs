//! What is wrong with which file.

use std::error::Error;
use std::fmt;

use super::Pem;

/// Why certificates cannot be used: which of them, from where, and what is wrong with it.
#[derive(Debug)]
pub struct TlsError {
    what: &'static str,
    from: Option<Pem>,
    source: Box<dyn Error + Send + Sync>,
}

impl TlsError {
    pub(super) fn of(
        what: &'static str,
        from: Option<&Pem>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self { what, from: from.cloned(), source: source.into() }
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.what)?;
        if let Some(from) = &self.from {
            write!(f, "({from}) ")?;
        }
        write!(f, "cannot be used: {}", self.source)
    }
}

impl Error for TlsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}
