//! SECURITY.md lists every limit of the core with its true value.

use super::Finding;
use super::tree::Tree;

const CONSTANTS: &str = "core/src/limits.rs";
const DOCUMENT: &str = "SECURITY.md";

pub(super) fn documented(tree: &Tree, findings: &mut Vec<Finding>) {
    let (Some(constants), Some(document)) = (tree.text(CONSTANTS), tree.text(DOCUMENT)) else { return };
    let mut add = |line: usize, text: String| {
        findings.push(Finding { path: DOCUMENT.to_owned(), line, text });
    };
    let limits: Vec<(&str, Option<u64>)> = constants.lines().filter_map(constant).collect();
    for (name, value) in &limits {
        let row = document.lines().position(|line| row_of(line).is_some_and(|(first, _)| first == *name));
        match (row, value) {
            (None, _) => add(0, format!("the table of limits lacks {name}")),
            (Some(_), None) => add(0, format!("{name} is computed in a way that this check cannot follow")),
            (Some(row), Some(value)) => {
                let said = document.lines().nth(row).and_then(row_of).map(|(_, second)| second);
                if said != Some(grouped(*value).as_str()) {
                    add(row + 1, format!("{name} is {} in {CONSTANTS}", grouped(*value)));
                }
            }
        }
    }
    for (row, line) in document.lines().enumerate() {
        if let Some((name, _)) = row_of(line)
            && !limits.iter().any(|(limit, _)| *limit == name)
        {
            add(row + 1, format!("{name} is not in {CONSTANTS}"));
        }
    }
}

/// Name and value of `pub const NAME: TYPE = A * B;`.
fn constant(line: &str) -> Option<(&str, Option<u64>)> {
    let (name, rest) = line.strip_prefix("pub const ")?.split_once(':')?;
    let value = rest.split_once('=').and_then(|(_, value)| {
        value
            .trim()
            .strip_suffix(';')?
            .split('*')
            .map(|factor| factor.trim().replace('_', "").parse::<u64>().ok())
            .product()
    });
    Some((name, value))
}

/// Name and value of a row "| `NAME` | value | …".
fn row_of(line: &str) -> Option<(&str, &str)> {
    let (name, rest) = line.strip_prefix("| `")?.split_once("` |")?;
    let constant = name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    constant.then(|| (name, rest.split('|').next().unwrap_or(rest).trim()))
}

/// With a comma after every third digit from the right.
fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(constants: &str, document: &str) -> Vec<String> {
        let mut findings = Vec::new();
        documented(&Tree::of([(CONSTANTS, constants), (DOCUMENT, document)]), &mut findings);
        findings.into_iter().map(|finding| finding.text).collect()
    }

    #[test]
    fn limits_that_agree_are_silent() {
        let constants =
            "/// Bytes.\npub const MAX_BYTES: usize = 4 * 1024 * 1_024;\npub const DEPTH: u8 = 16;\n";
        assert_eq!(
            found(constants, "| `MAX_BYTES` | 4,194,304 | bytes |\n| `DEPTH` | 16 | deep |\n"),
            [""; 0]
        );
    }

    #[test]
    fn limits_with_another_value_are_found() {
        assert_eq!(
            found("pub const DEPTH: u8 = 16;\n", "| `DEPTH` | 10 | deep |\n"),
            ["DEPTH is 16 in core/src/limits.rs"]
        );
    }

    #[test]
    fn limits_without_a_row_are_found() {
        assert_eq!(found("pub const DEPTH: u8 = 16;\n", "# Limits\n"), ["the table of limits lacks DEPTH"]);
    }

    #[test]
    fn limits_that_are_gone_are_found() {
        assert_eq!(found("", "| `DEPTH` | 10 | deep |\n"), ["DEPTH is not in core/src/limits.rs"]);
    }
}
