//! The files that the rules look at.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::Result;
use crate::command::Command;

/// Paths from the root, with `/`, and the text of those files that are text.
#[derive(Debug, Default)]
pub(super) struct Tree {
    paths: BTreeSet<String>,
    texts: BTreeMap<String, String>,
}

impl Tree {
    /// What git tracks, and what it would track: a new file is checked before it is committed.
    pub(super) fn of_checkout(root: &Path) -> Result<Self> {
        let listed = Command::new("git ls-files -z --cached --others --exclude-standard").captured()?;
        if !listed.status.success() {
            return Err(format!(
                "the files could not be listed: {}",
                String::from_utf8_lossy(&listed.stderr).trim()
            )
            .into());
        }
        let mut tree = Self::default();
        for path in String::from_utf8(listed.stdout)?.split_terminator('\0') {
            // Deleted, and the deletion not yet committed.
            let Ok(bytes) = fs::read(root.join(path)) else { continue };
            tree.paths.insert(path.to_owned());
            if let Ok(text) = String::from_utf8(bytes) {
                tree.texts.insert(path.to_owned(), text);
            }
        }
        Ok(tree)
    }

    #[cfg(test)]
    pub(super) fn of<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut tree = Self::default();
        for (path, text) in files {
            tree.paths.insert(path.to_owned());
            tree.texts.insert(path.to_owned(), text.to_owned());
        }
        tree
    }

    /// Whether there is such a file, or a directory with files in it.
    pub(super) fn has(&self, path: &str) -> bool {
        path.is_empty()
            || self.paths.contains(path)
            || self
                .paths
                .range(format!("{path}/")..)
                .next()
                .is_some_and(|next| next.strip_prefix(path).is_some_and(|rest| rest.starts_with('/')))
    }

    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.texts.get(path).map(String::as_str)
    }

    pub(super) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// The texts whose path ends with `.extension`.
    pub(super) fn with_extension(&self, extension: &str) -> impl Iterator<Item = (&str, &str)> {
        self.texts().filter(move |(path, _)| path.rsplit_once('.').is_some_and(|(_, end)| end == extension))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_there_when_a_file_is_in_it() {
        let tree = Tree::of([("core/src/lib.rs", ""), ("core-notes.md", "")]);
        assert!(tree.has("core/src"));
        assert!(tree.has("core"));
        assert!(tree.has("core-notes.md"));
        assert!(!tree.has("core-notes"));
        assert!(!tree.has("cor"));
    }
}
