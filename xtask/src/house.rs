//! The project's own rules: what CONTRIBUTING.md asks for and a program can check.

mod limits;
mod links;
mod rules;
mod source;
mod tree;

use std::fmt;

use crate::Result;
use tree::Tree;

/// One place where a rule is broken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    path: String,
    /// Counted from 1; 0 where the finding is about the whole file.
    line: usize,
    text: String,
}

/// Checks every file that is or will be part of the repository; `true` when no rule is broken.
pub(crate) fn run(log: &mut String) -> Result<bool> {
    let tree = Tree::of_checkout(&crate::root())?;
    let mut findings = Vec::new();
    rules::file_length(&tree, &mut findings);
    rules::forbid_unsafe(&tree, &mut findings);
    rules::safety_notes(&tree, &mut findings);
    rules::unfinished_marks(&tree, &mut findings);
    rules::machine_paths(&tree, &rules::paths_of_this_machine(), &mut findings);
    limits::documented(&tree, &mut findings);
    links::resolve(&tree, &mut findings);
    findings.sort();
    for finding in &findings {
        log.push_str(&format!("{finding}\n"));
    }
    Ok(findings.is_empty())
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.text),
            line => write!(f, "{}:{line}: {}", self.path, self.text),
        }
    }
}
