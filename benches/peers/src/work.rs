//! What the servers are asked to do.

use std::path::PathBuf;

/// What every server answers to `GET /`.
pub const HELLO: &str = "Hello, World!";

/// What a server does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// Answers [`HELLO`].
    Hello,
    /// Sends the body of a `POST` back, part by part.
    Echo,
    /// Sends files of this directory.
    Files(PathBuf),
}

impl Work {
    /// From the command line; without anything it is `hello`.
    #[must_use]
    pub fn from_arguments(arguments: &[&str]) -> Option<Self> {
        match arguments {
            [] | ["hello"] => Some(Self::Hello),
            ["echo"] => Some(Self::Echo),
            ["files", root] => Some(Self::Files(PathBuf::from(root))),
            _ => None,
        }
    }

    /// For the command line.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        match self {
            Self::Hello => vec!["hello".into()],
            Self::Echo => vec!["echo".into()],
            Self::Files(root) => vec!["files".into(), root.to_string_lossy().into_owned()],
        }
    }
}
