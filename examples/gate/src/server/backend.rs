//! What carries HTTP.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use bivalve::backend::Selection;

/// What carries HTTP, and which completion driver there is for modules.
///
/// From a string, as a command line has it: `auto`, `uring`, `iocp`, `tokio` or `hyper`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// Bivalve's own server, on this completion driver. `auto`, the default: the best that the system has.
    Bivalve(Selection),
    /// hyper, on Tokio. Modules get the best driver that the system has.
    Hyper,
}

impl Default for Backend {
    fn default() -> Self {
        Self::Bivalve(Selection::automatic())
    }
}

impl FromStr for Backend {
    type Err = UnknownBackend;

    fn from_str(word: &str) -> Result<Self, UnknownBackend> {
        match word {
            "hyper" => Ok(Self::Hyper),
            _ => word.parse().map(Self::Bivalve).map_err(|_| UnknownBackend { word: word.into() }),
        }
    }
}

/// A word that names no backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownBackend {
    word: String,
}

impl fmt::Display for UnknownBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no backend: auto, uring, iocp, tokio or hyper", self.word)
    }
}

impl Error for UnknownBackend {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_backends() {
        assert_eq!("auto".parse(), Ok(Backend::default()));
        assert_eq!("hyper".parse(), Ok(Backend::Hyper));
        let error = "epoll".parse::<Backend>().expect_err("none");
        assert_eq!(error.to_string(), "\"epoll\" is no backend: auto, uring, iocp, tokio or hyper");
    }
}
