//! One function a rule: each adds what it finds.

use super::Finding;
use super::source::Source;
use super::tree::Tree;

/// More than this is two subjects in one file.
const MAX_LINES: usize = 500;

/// The crates in which unsafe code may not appear, whatever it says about itself.
const FORBID_UNSAFE: [&str; 4] =
    ["adapters/tower/src/lib.rs", "core/macros/src/lib.rs", "core/src/lib.rs", "src/lib.rs"];

/// No Rust file is longer than 500 lines. Tests and benchmarks are exempt, and so is a file's own last
/// item `mod tests`: a table of cases is better long than cut.
pub(super) fn file_length(tree: &Tree, findings: &mut Vec<Finding>) {
    for (path, text) in tree.with_extension("rs").filter(|(path, _)| !is_test(path)) {
        let lines = Source::parse(text).lines_without_tests();
        if lines > MAX_LINES {
            let text =
                format!("{lines} lines without its tests; {MAX_LINES} is the limit, divide it by subject");
            findings.push(Finding { path: path.to_owned(), line: 0, text });
        }
    }
}

/// The crates that must stay without unsafe code say so to the compiler.
pub(super) fn forbid_unsafe(tree: &Tree, findings: &mut Vec<Finding>) {
    for path in FORBID_UNSAFE {
        let said = tree.text(path).is_some_and(|text| {
            Source::parse(text).code.iter().any(|line| line == "#![forbid(unsafe_code)]")
        });
        if !said {
            findings.push(Finding {
                path: path.to_owned(),
                line: 0,
                text: "#![forbid(unsafe_code)] is missing".into(),
            });
        }
    }
}

/// Every unsafe block or impl has a `// SAFETY:` comment directly above it. Clippy asks for the same,
/// but sees only what this platform compiles. The inputs of compile-fail tests never run.
pub(super) fn safety_notes(tree: &Tree, findings: &mut Vec<Finding>) {
    for (path, text) in tree.with_extension("rs").filter(|(path, _)| !path.contains("tests/ui/")) {
        let source = Source::parse(text);
        for line in 0..source.code.len() {
            if opens_unsafe(&source.code[line]) && !has_safety_note(&source, line) {
                let text = "unsafe without a `// SAFETY:` comment above it: who keeps the memory alive, and until when?";
                findings.push(Finding { path: path.to_owned(), line: line + 1, text: text.into() });
            }
        }
    }
}

/// Unfinished work is an issue, not a mark in a file.
pub(super) fn unfinished_marks(tree: &Tree, findings: &mut Vec<Finding>) {
    // Put together here, so that this file passes its own rule.
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME")];
    for (path, text) in tree.texts() {
        for (index, line) in text.lines().enumerate() {
            if let Some(mark) = marks.iter().find(|mark| has_word(line, mark)) {
                let text = format!("{mark}: finish it, or file an issue and remove the mark");
                findings.push(Finding { path: path.to_owned(), line: index + 1, text });
            }
        }
    }
}

/// Nothing in the repository knows where somebody's checkout or home directory is.
pub(super) fn machine_paths(tree: &Tree, here: &[String], findings: &mut Vec<Finding>) {
    for (path, text) in tree.texts() {
        for (index, line) in text.lines().enumerate() {
            let found =
                here.iter().find(|prefix| has_path(line, prefix)).cloned().or_else(|| home_path(line));
            if let Some(found) = found {
                let text = format!("{found} is a path of one machine");
                findings.push(Finding { path: path.to_owned(), line: index + 1, text });
            }
        }
    }
}

/// The checkout and the home directory of whoever runs this, where they are distinctive enough to look for.
pub(super) fn paths_of_this_machine() -> Vec<String> {
    let checkout = std::fs::canonicalize(crate::root()).ok();
    let home = std::env::home_dir();
    [checkout, home]
        .into_iter()
        .flatten()
        .filter_map(|path| path.to_str().map(String::from))
        .filter(|path| path.matches(['/', '\\']).count() >= 2)
        .collect()
}

fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.split('/').any(|part| part == "tests" || part == "benches")
}

fn opens_unsafe(code: &str) -> bool {
    code.match_indices("unsafe").any(|(at, word)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].trim_start();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
            && (after.starts_with('{') || after.starts_with("impl"))
    })
}

/// Looks on the line itself, then upwards through the statement and the comments directly above it.
fn has_safety_note(source: &Source, line: usize) -> bool {
    let noted = |at: usize| source.comments[at].contains("SAFETY:");
    if noted(line) {
        return true;
    }
    for above in (0..line).rev() {
        let code = source.code[above].trim();
        if code.is_empty() && source.comments[above].is_empty() || code.ends_with([';', '{', '}', ',']) {
            return false;
        }
        if noted(above) {
            return true;
        }
    }
    false
}

fn has_word(line: &str, word: &str) -> bool {
    let edge = |c: Option<char>| !c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(word)
        .any(|(at, _)| edge(line[..at].chars().next_back()) && edge(line[at + word.len()..].chars().next()))
}

/// Whether `line` names `prefix` or something below it, as a path of its own rather than the end of a longer one.
fn has_path(line: &str, prefix: &str) -> bool {
    line.match_indices(prefix).any(|(at, _)| {
        begins_path(line, at) && {
            let next = line[at + prefix.len()..].chars().next();
            !next.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '-' || c == '.')
        }
    })
}

/// A home directory of any machine: its usual parents, a name, and something below it.
fn home_path(line: &str) -> Option<String> {
    let parents = [concat!("/ho", "me/"), concat!("/Us", "ers/"), concat!(r"C:\Us", r"ers\")];
    for parent in parents {
        for (at, _) in line.match_indices(parent) {
            let rest = &line[at + parent.len()..];
            let name =
                rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '-').unwrap_or(rest.len());
            if begins_path(line, at) && name > 0 && rest[name..].starts_with(['/', '\\']) {
                return Some(line[at..at + parent.len() + name].to_owned());
            }
        }
    }
    let root = concat!("/ro", "ot/.");
    line.match_indices(root).any(|(at, _)| begins_path(line, at)).then(|| root.to_owned())
}

fn begins_path(line: &str, at: usize) -> bool {
    !line[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || "_-./\\".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Rule = fn(&Tree, &mut Vec<Finding>);

    fn found(rule: Rule, path: &str, text: &str) -> Vec<usize> {
        let mut findings = Vec::new();
        rule(&Tree::of([(path, text)]), &mut findings);
        findings.into_iter().filter(|finding| finding.path == path).map(|finding| finding.line).collect()
    }

    fn machine_path_lines(text: &str) -> Vec<usize> {
        found(
            |tree, findings| machine_paths(tree, &[String::from("/srv/checkouts/shell")], findings),
            "notes.md",
            text,
        )
    }

    #[test]
    fn file_length_ends_at_500() {
        assert_eq!(found(file_length, "core/src/a.rs", &"a();\n".repeat(500)), [0; 0]);
        assert_eq!(found(file_length, "core/src/a.rs", &"a();\n".repeat(501)), [0]);
    }

    #[test]
    fn file_length_leaves_tests_and_benchmarks_alone() {
        let long = "a();\n".repeat(501);
        for path in [
            "core/tests/order.rs",
            "examples/gate/tests/log.rs",
            "core/src/context/tests.rs",
            "benches/src/main.rs",
        ] {
            assert_eq!(found(file_length, path, &long), [0; 0], "{path}");
        }
        for path in ["examples/gate/src/main.rs", "core/src/testing/host.rs", "core/src/latests.rs"] {
            assert_eq!(found(file_length, path, &long), [0], "{path}");
        }
    }

    #[test]
    fn file_length_leaves_the_last_test_module_out() {
        let file =
            format!("{}\n#[cfg(test)]\nmod tests {{\n{}}}\n", "a();\n".repeat(400), "    b();\n".repeat(400));
        assert_eq!(found(file_length, "core/src/a.rs", &file), [0; 0]);
    }

    #[test]
    fn forbid_unsafe_is_demanded_of_all_four_crates() {
        let mut findings = Vec::new();
        forbid_unsafe(&Tree::of([("src/lib.rs", "#![forbid(unsafe_code)]\n")]), &mut findings);
        let paths: Vec<_> = findings.iter().map(|finding| finding.path.as_str()).collect();
        assert_eq!(paths, ["adapters/tower/src/lib.rs", "core/macros/src/lib.rs", "core/src/lib.rs"]);
    }

    #[test]
    fn forbid_unsafe_in_a_comment_does_not_count() {
        assert_eq!(found(forbid_unsafe, "core/src/lib.rs", "// #![forbid(unsafe_code)]\n"), [0]);
    }

    #[test]
    fn safety_note_directly_above_is_accepted() {
        let good = "// SAFETY: the caller holds the lock.\nlet a =\n    unsafe { b() };\n";
        assert_eq!(found(safety_notes, "adapters/iis/src/a.rs", good), [0; 0]);
        let attribute = "// SAFETY: it has no fields.\n#[cfg(windows)]\nunsafe impl Send for A {}\n";
        assert_eq!(found(safety_notes, "adapters/iis/src/a.rs", attribute), [0; 0]);
    }

    #[test]
    fn safety_note_missing_is_found() {
        assert_eq!(found(safety_notes, "adapters/iis/src/a.rs", "fn f() {\n    unsafe { b() };\n}\n"), [2]);
        assert_eq!(
            found(safety_notes, "adapters/iis/src/a.rs", "// Fine.\nunsafe impl Send for A {}\n"),
            [2]
        );
    }

    #[test]
    fn safety_note_of_an_earlier_statement_does_not_count() {
        let text = "// SAFETY: for a only.\nunsafe { a() };\nunsafe { b() };\n";
        assert_eq!(found(safety_notes, "adapters/iis/src/a.rs", text), [3]);
        let apart = "// SAFETY: too far away.\n\nunsafe { b() };\n";
        assert_eq!(found(safety_notes, "adapters/iis/src/a.rs", apart), [3]);
    }

    #[test]
    fn safety_note_is_not_asked_of_text_or_of_signatures() {
        let text = "/// unsafe { never }\nlet a = \"unsafe { }\";\nunsafe fn f();\nlet not_unsafe = X {};\n";
        assert_eq!(found(safety_notes, "adapters/iis/src/a.rs", text), [0; 0]);
    }

    #[test]
    fn safety_note_is_not_asked_of_what_must_not_compile() {
        assert_eq!(
            found(safety_notes, "tests/ui/fail/unsafe_impl.rs", "unsafe impl Module for A {}\n"),
            [0; 0]
        );
        assert_eq!(found(safety_notes, "tests/uis.rs", "unsafe impl Module for A {}\n"), [1]);
    }

    #[test]
    fn unfinished_marks_are_found_as_words() {
        let text = format!(
            "one\n// {}: later\n{}S\n{}(me)\n",
            "TO".to_owned() + "DO",
            "TO".to_owned() + "DO",
            "FIX".to_owned() + "ME"
        );
        assert_eq!(found(unfinished_marks, "docs/a.md", &text), [2, 4]);
    }

    #[test]
    fn machine_path_of_this_checkout_is_found() {
        assert_eq!(machine_path_lines("ok\nsee /srv/checkouts/shell/core\n"), [2]);
        assert_eq!(machine_path_lines("root = \"/srv/checkouts/shell\"\n"), [1]);
        assert_eq!(machine_path_lines("/srv/checkouts/shells and ../srv/checkouts/shell\n"), [0; 0]);
    }

    #[test]
    fn machine_path_of_any_home_is_found() {
        let unix = format!("cd {}ann/bivalve\n", "/ho".to_owned() + "me/");
        assert_eq!(machine_path_lines(&unix), [1]);
        let windows = format!(r"cd {}ann\bivalve", r"C:\Us".to_owned() + r"ers\");
        assert_eq!(machine_path_lines(&windows), [1]);
    }

    #[test]
    fn machine_path_leaves_urls_alone() {
        let url = format!(
            "http://localhost{}page/x and /api{}page/x\n",
            "/ho".to_owned() + "me/",
            "/ho".to_owned() + "me/"
        );
        assert_eq!(machine_path_lines(&url), [0; 0]);
    }
}
