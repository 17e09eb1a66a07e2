//! The cases: a request, a module, and what the C++ host is expected to tell of the two.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Result;
use crate::windows::prefix::Prefix;

/// For one request. A completion that never comes ends here.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs every `*.case` of a folder; `true` when each told what its `.expected` says. The module that a case names is in
/// `libraries`, or else beside the host.
pub(super) fn run(
    folder: &Path,
    libraries: Option<&Path>,
    prefix: &Prefix,
    directory: &Path,
    log: &mut String,
) -> Result<bool> {
    let mut cases = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "case") {
            cases.push(path);
        }
    }
    cases.sort();
    let of = if libraries.is_some() { "Rust" } else { "C++" };
    let mut failed = 0;
    for case in &cases {
        let name = case.file_stem().and_then(|name| name.to_str()).ok_or("a case without a name")?;
        let [told, errors] = ["told", "stderr"].map(|kind| directory.join(format!("{of}-{name}.{kind}")));
        let library = libraries.map(|libraries| library_of(case, libraries)).transpose()?;
        let command = prefix
            .wine()
            .arg(directory.join("host.exe").display().to_string())
            .arg(case.display().to_string())
            .args(library.map(|library| library.display().to_string()))
            .within(directory);
        // Rust tells of its panics there, with addresses in it.
        let ended = prefix.finish(command.spawned_apart(&told, &errors)?, LIMIT)?;
        let found = String::from_utf8_lossy(&fs::read(&told)?).replace('\r', "");
        let expected = fs::read_to_string(case.with_extension("expected")).unwrap_or_default();
        let wrong = match ended {
            None => Some(format!("still running after {} s, killed", LIMIT.as_secs())),
            Some(status) if !status.success() => Some(status.to_string()),
            Some(_) => difference(&expected, &found),
        };
        if let Some(wrong) = wrong {
            failed += 1;
            let errors = fs::read_to_string(&errors).unwrap_or_default();
            let errors: String = errors.lines().take(12).flat_map(|line| ["    ", line, "\n"]).collect();
            log.push_str(&format!("FAILED: {name}: {wrong}; to repeat it: {command}\n{found}\n{errors}"));
        } else {
            log.push_str(&format!("ok: {name}\n"));
        }
    }
    if cases.is_empty() {
        log.push_str("FAILED: there are no cases\n");
    } else if failed == 0 {
        print!("{} cases of {of}  ", cases.len());
    }
    Ok(failed == 0 && !cases.is_empty())
}

/// The DLL of a case: that of a library, or of an example.
fn library_of(case: &Path, libraries: &Path) -> Result<PathBuf> {
    let text = fs::read_to_string(case)?;
    let module = text.lines().find_map(|line| line.strip_prefix("module "));
    let module = module.ok_or_else(|| format!("{} names no module", case.display()))?;
    let library = libraries.join(module).with_extension("dll");
    Ok(if library.exists() { library } else { libraries.join("examples").join(module).with_extension("dll") })
}

/// The first line that is another.
fn difference(expected: &str, found: &str) -> Option<String> {
    if expected == found {
        return None;
    }
    let (mut expected, mut found) = (expected.lines(), found.lines());
    for number in 1.. {
        match (expected.next(), found.next()) {
            (None, None) => break,
            (ours, theirs) if ours != theirs => {
                let [ours, theirs] = [ours, theirs].map(|line| line.unwrap_or("the end"));
                return Some(format!("line {number}: expected `{ours}`, found `{theirs}`"));
            }
            _ => {}
        }
    }
    Some(String::from("the ends of lines differ"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_differs_is_named() {
        assert_eq!(difference("a\nb\n", "a\nb\n"), None);
        assert_eq!(difference("a\nb\n", "a\nc\n"), Some("line 2: expected `b`, found `c`".into()));
        assert_eq!(difference("a\n", ""), Some("line 1: expected `a`, found `the end`".into()));
    }
}
