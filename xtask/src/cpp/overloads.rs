//! Whether both of every pair of overloads are called, by a module in C++ and by one in Rust, in a host that the compiler
//! has put together: it tells which of them was called.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::Result;

/// Fails, and the log says why, when a signature of an overloaded name was called by nobody in a folder of cases.
pub(super) fn check(abi: &Path, folders: [&Path; 2], log: &mut String) -> Result<bool> {
    let abi: BTreeMap<String, Value> = serde_json::from_str(&fs::read_to_string(abi)?)?;
    let wanted = lines_of(&abi);
    let mut good = !wanted.is_empty();
    for folder in folders {
        let told = told_in(folder)?;
        for line in wanted.iter().filter(|line| !told.contains(*line)) {
            log.push_str(&format!("FAILED: no case of {} calls {line}\n", folder.display()));
            good = false;
        }
    }
    if good {
        print!("{} overloads both ways  ", wanted.len());
    }
    Ok(good)
}

/// What the host tells of each signature whose name the class, or one that it derives from, has twice.
fn lines_of(abi: &BTreeMap<String, Value>) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for class in abi.keys() {
        let family = family_of(abi, class);
        for (own, name, arguments) in &family {
            if family.iter().filter(|(_, other, _)| other == name).count() > 1 {
                lines.insert(format!("{own}::{name}{}", told_apart(own, name, arguments)));
            }
        }
    }
    lines
}

/// Class, name and arguments of each method, those of the bases too.
fn family_of<'a>(abi: &'a BTreeMap<String, Value>, class: &'a str) -> Vec<(&'a str, &'a str, &'a str)> {
    let mut family = Vec::new();
    let mut at = Some(class);
    while let Some(class) = at {
        let Some(facts) = abi.get(class) else { break };
        for slot in facts["own_slots"].as_array().into_iter().flatten() {
            let Some((head, arguments)) = slot["sig"].as_str().and_then(|sig| sig.split_once('(')) else {
                continue;
            };
            let name = head.rsplit_once("::").map_or(head, |(_, name)| name);
            family.push((class, name, arguments));
        }
        at = facts["base"].as_str();
    }
    family
}

/// How the host tells apart what one class has under one name.
fn told_apart(class: &str, name: &str, arguments: &str) -> &'static str {
    match (class, name) {
        (_, "GetHeader" | "SetHeader" | "DeleteHeader") if arguments.starts_with("HTTP_HEADER_ID") => {
            " by id"
        }
        (_, "GetHeader" | "SetHeader" | "DeleteHeader") => " by name",
        (_, "SetUrl" | "GetServerVariable") if arguments.contains("PCWSTR") => " in UTF-16",
        (_, "SetUrl" | "GetServerVariable") => " in ANSI",
        (_, "GetRawHttpRequest" | "GetRawHttpResponse") if arguments.ends_with("const") => " to read",
        (_, "GetRawHttpRequest" | "GetRawHttpResponse") => " to change",
        _ => "",
    }
}

/// The calls that the transcripts of a folder have, without what they were given.
fn told_in(folder: &Path) -> Result<BTreeSet<String>> {
    let mut told = BTreeSet::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "expected") {
            continue;
        }
        for line in fs::read_to_string(path)?.lines().map(str::trim) {
            let Some((call, rest)) =
                line.split_once(' ').or(Some((line, ""))).filter(|(call, _)| call.contains("::"))
            else {
                continue;
            };
            let words: Vec<&str> = rest.splitn(3, ' ').collect();
            let apart = match words[..] {
                ["by" | "in" | "to", second, ..] => format!(" {} {second}", words[0]),
                _ => String::new(),
            };
            told.insert(format!("{call}{apart}"));
        }
    }
    Ok(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overload_that_no_case_calls_is_found() {
        let root = crate::root();
        let abi = root.join("adapters/iis-sys/abi.json");
        let cases = root.join("adapters/iis-cpp/cases");
        let mut log = String::new();
        assert!(check(&abi, [&cases, &cases.join("rust")], &mut log).unwrap(), "{log}");
        assert!(!check(&abi, [&cases, &cases.join("broken")], &mut log).unwrap());
        assert!(log.contains("broken calls IHttpRequest::GetHeader by id"), "{log}");
    }

    #[test]
    fn the_reversed_pairs_and_those_that_versions_append_are_all_there() {
        let abi = fs::read_to_string(crate::root().join("adapters/iis-sys/abi.json")).unwrap();
        let lines = lines_of(&serde_json::from_str(&abi).unwrap());
        let reversed = lines.iter().filter(|line| line.contains(' ')).count();
        assert_eq!(reversed, 20, "{lines:?}");
        for appended in
            ["IHttpRequest4::ReadEntityBody", "IHttpResponse2::Flush", "IHttpContext3::PostCompletion"]
        {
            assert!(lines.contains(appended), "{lines:?}");
        }
    }
}
