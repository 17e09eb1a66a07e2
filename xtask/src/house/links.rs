//! Every relative link in the documents leads to a file, and to a heading in it.

use std::collections::BTreeSet;

use super::Finding;
use super::tree::Tree;

pub(super) fn resolve(tree: &Tree, findings: &mut Vec<Finding>) {
    for (path, text) in tree.with_extension("md") {
        for (line, target) in targets(text) {
            if let Err(reason) = check(tree, path, &target) {
                findings.push(Finding {
                    path: path.to_owned(),
                    line,
                    text: format!("link to {target}: {reason}"),
                });
            }
        }
    }
}

fn check(tree: &Tree, from: &str, target: &str) -> Result<(), &'static str> {
    // Another site, or a Rust item: documents that rustdoc includes link to those, and rustdoc checks them.
    if target.contains("://") || target.starts_with("mailto:") || target.contains("::") {
        return Ok(());
    }
    let (file, heading) =
        target.split_once('#').map_or((target, None), |(file, heading)| (file, Some(heading)));
    let file = if file.is_empty() { from.to_owned() } else { joined(from, file)? };
    if !tree.has(&file) {
        return Err("no such file");
    }
    match (heading, tree.text(&file)) {
        (Some(heading), Some(text)) if file.ends_with(".md") && !anchors(text).contains(heading) => {
            Err("no such heading")
        }
        _ => Ok(()),
    }
}

/// `target` seen from the directory of `from`.
fn joined(from: &str, target: &str) -> Result<String, &'static str> {
    let directory = from.rsplit_once('/').map_or("", |(directory, _)| directory);
    let mut parts: Vec<&str> = directory.split('/').filter(|part| !part.is_empty()).collect();
    if target.starts_with('/') {
        return Err("an absolute link works only on one host");
    }
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop().ok_or("leads out of the repository")?;
            }
            name => parts.push(name),
        }
    }
    Ok(parts.join("/").replace("%20", " "))
}

/// The link targets of a document with their line numbers: inline links, images, reference definitions
/// and HTML attributes. Code is left out.
fn targets(text: &str) -> Vec<(usize, String)> {
    let mut targets = Vec::new();
    for (number, line) in prose(text) {
        let line = without_code(line);
        let mut rest = line.as_str();
        while let Some((_, after)) = rest.split_once("](") {
            let (target, next) = until_closed(after);
            targets.push((number, without_title(target)));
            rest = next;
        }
        for attribute in ["href=\"", "src=\"", "srcset=\""] {
            targets.extend(
                line.split(attribute)
                    .skip(1)
                    .filter_map(|after| after.split_once('"').map(|(target, _)| (number, target.to_owned()))),
            );
        }
        if let Some((label, target)) = line.trim_start().split_once("]: ")
            && label.starts_with('[')
        {
            targets.push((number, without_title(target)));
        }
    }
    targets
}

/// The lines outside fenced code, numbered from 1.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fence: Option<&str> = None;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let mark = ["```", "~~~"].into_iter().find(|mark| line.trim_start().starts_with(mark));
        match (fence, mark) {
            (None, Some(mark)) => fence = Some(mark),
            (Some(open), Some(mark)) if open == mark => fence = None,
            (None, None) => return Some((index + 1, line)),
            _ => {}
        }
        None
    })
}

/// The line without its code spans.
fn without_code(line: &str) -> String {
    let parts: Vec<&str> = line.split('`').collect();
    // An odd number of marks leaves the last one as a character of the text.
    let paired = parts.len() - 1 + parts.len() % 2;
    let outside = parts.iter().enumerate().filter(|(index, _)| index % 2 == 0 || *index >= paired);
    outside.map(|(_, part)| *part).collect()
}

/// What is before the parenthesis that closes the link, and what is after it.
fn until_closed(after: &str) -> (&str, &str) {
    let mut depth = 0;
    for (at, c) in after.char_indices() {
        match c {
            '(' => depth += 1,
            ')' if depth == 0 => return (&after[..at], &after[at + 1..]),
            ')' => depth -= 1,
            _ => {}
        }
    }
    (after, "")
}

fn without_title(target: &str) -> String {
    let target = target.trim();
    let target = match target.strip_prefix('<') {
        Some(bracketed) => bracketed.split('>').next().unwrap_or(bracketed),
        None => target.split_whitespace().next().unwrap_or(""),
    };
    target.to_owned()
}

/// The names under which the headings of a document can be linked to, as the usual hosts make them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    for (_, line) in prose(text) {
        let title = line.trim_start_matches('#');
        if title.len() < line.len() && title.starts_with(' ') {
            let plain = slug(title);
            let again = (1..).map(|count| format!("{plain}-{count}"));
            let name = std::iter::once(plain.clone()).chain(again).find(|name| !anchors.contains(name));
            anchors.extend(name);
        }
        for attribute in ["id=\"", "name=\""] {
            anchors.extend(
                line.split(attribute)
                    .skip(1)
                    .filter_map(|after| after.split_once('"').map(|(name, _)| name.to_owned())),
            );
        }
    }
    anchors
}

fn slug(title: &str) -> String {
    title
        .trim()
        .chars()
        .filter(|&c| c.is_alphanumeric() || c == ' ' || c == '-' || c == '_')
        .flat_map(char::to_lowercase)
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dead(text: &str) -> Vec<String> {
        let tree = Tree::of([
            ("docs/guide.md", text),
            (
                "docs/pipeline.md",
                "# The `Pipeline`\n\n## Finish rules\n\n## Finish rules\n\n```text\n# not a heading\n```\n",
            ),
            ("docs/pictures/two hosts.svg", "<svg/>"),
            ("README.md", "# Bivalve\n"),
        ]);
        let mut findings = Vec::new();
        resolve(&tree, &mut findings);
        findings.into_iter().map(|finding| format!("{}: {}", finding.line, finding.text)).collect()
    }

    #[test]
    fn links_that_resolve_are_silent() {
        let text = "[a](pipeline.md), [b](./pipeline.md#finish-rules) [b](pipeline.md#the-pipeline), [c](../README.md \"title\"), [`d`](pipeline.md#finish-rules-1)\n\
            ![e](pictures/two%20hosts.svg) [f](<pictures/two hosts.svg>) [g](pictures) [h](https://example.com/x) [i](#here)\n\
            <img src=\"pictures/two%20hosts.svg\"> [j](mailto:a@example.com) [k](crate::Context)\n\n# Here\n";
        assert_eq!(dead(text), [""; 0]);
    }

    #[test]
    fn links_to_missing_files_are_found() {
        assert_eq!(dead("fine\n[a](pipelines.md)\n"), ["2: link to pipelines.md: no such file"]);
        assert_eq!(dead("[a]: gone.md\n"), ["1: link to gone.md: no such file"]);
        assert_eq!(dead("<a href=\"gone.md\">x</a>\n"), ["1: link to gone.md: no such file"]);
    }

    #[test]
    fn links_to_missing_headings_are_found() {
        assert_eq!(dead("[a](pipeline.md#start)\n"), ["1: link to pipeline.md#start: no such heading"]);
        assert_eq!(dead("[a](pipeline.md#not-a-heading)\n").len(), 1);
        assert_eq!(dead("[a](#gone)\n"), ["1: link to #gone: no such heading"]);
    }

    #[test]
    fn links_out_of_the_repository_are_found() {
        assert_eq!(
            dead("[a](../../shared/x.md)\n"),
            ["1: link to ../../shared/x.md: leads out of the repository"]
        );
        assert_eq!(dead("[a](/etc/hosts)\n").len(), 1);
    }

    #[test]
    fn links_in_code_are_not_links() {
        assert_eq!(dead("`[a](gone.md)` and a stray ` mark\n```rust\n[b](gone.md)\n```\n"), [""; 0]);
    }

    #[test]
    fn links_after_a_code_block_are_seen_again() {
        assert_eq!(dead("```\nx\n```\n[a](gone.md)\n").len(), 1);
    }
}
