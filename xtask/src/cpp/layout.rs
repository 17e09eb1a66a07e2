//! Clang's layouts of the C++ declarations against `abi.json` and the numbers of the Rust tables.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::dump::Dump;
use super::rust::{self, Tables};
use super::{SOURCES, TARGETS, compiler};
use crate::Result;

/// Compares every class and record on every target; what differs goes to the log, one line each.
pub(super) fn check(log: &mut String) -> Result<bool> {
    let sys = crate::root().join("adapters/iis-sys");
    let abi: BTreeMap<String, Value> = serde_json::from_str(&std::fs::read_to_string(sys.join("abi.json"))?)?;
    let tables = Tables::of(&sys.join("src"))?;
    let mut good = true;
    for target in TARGETS {
        let command = compiler(target)
            .args(["-Xclang", "-fdump-vtable-layouts", "-Xclang", "-fdump-record-layouts"].map(String::from))
            .args(["-c", "-o", "/dev/null"].map(String::from))
            .arg(Path::new(SOURCES).join("layout/probe.cpp").display().to_string());
        let output = command.captured()?;
        if !output.status.success() {
            let printed = String::from_utf8_lossy(&output.stderr);
            log.push_str(&format!("FAILED: {command}\n{printed}\n"));
            return Ok(false);
        }
        let dump = Dump::read(&String::from_utf8(output.stdout)?);
        let mut findings = classes(&dump, &abi, &tables);
        findings.extend(records(&dump, &tables, target.starts_with("i686")));
        let slots: usize = dump.tables.values().map(Vec::len).sum();
        log.push_str(&format!(
            "{target}: {} classes with {slots} slots, {} records; {} differ\n",
            abi.len(),
            tables.records.len(),
            findings.len()
        ));
        for finding in &findings {
            log.push_str(&format!("FAILED: {target}: {finding}\n"));
        }
        good &= findings.is_empty();
    }
    Ok(good)
}

fn classes(dump: &Dump, abi: &BTreeMap<String, Value>, rust: &Tables) -> Vec<String> {
    let mut findings = Vec::new();
    for class in abi.keys() {
        let Some(found) = dump.tables.get(class) else {
            findings.push(format!("{class}: the C++ declarations lack it, or layout/probe.cpp does"));
            continue;
        };
        let expected = signatures(abi, class);
        if found.len() != expected.len() {
            findings.push(format!("{class}: expected {} slots, found {}", expected.len(), found.len()));
        }
        for (slot, (expected, found)) in expected.iter().zip(found).enumerate() {
            if expected != found {
                findings.push(format!("{class}, slot {slot}: expected `{expected}`, found `{found}`"));
            }
        }
        // The Rust tables hold a class's own slots, by the names that C++ has for them.
        let Some(own) = rust.classes.get(class) else {
            findings.push(format!("{class}: the Rust tables lack it"));
            continue;
        };
        for (slot, name) in own {
            let found = found.get(*slot).map_or("nothing", |signature| method(signature));
            if found != name {
                findings.push(format!("{class}, slot {slot}: Rust has `{name}` there, clang `{found}`"));
            }
        }
        let base = abi[class]["base"].as_str().map_or(0, |base| signatures(abi, base).len());
        if own.len() + base != found.len() {
            findings.push(format!("{class}: Rust has {} slots, clang {}", own.len() + base, found.len()));
        }
    }
    let unknown = dump.tables.keys().filter(|class| !abi.contains_key(*class));
    findings.extend(unknown.map(|class| format!("{class}: abi.json lacks it")));
    findings
}

fn records(dump: &Dump, rust: &Tables, x86: bool) -> Vec<String> {
    let mut findings = Vec::new();
    for (name, expected) in &rust.records {
        // The members of the chunk's union have no name in C++: they are looked for inside the chunk.
        let (outer, inner) = rust::inside(name).unwrap_or((name, String::new()));
        let Some(found) = dump.records.get(outer) else {
            findings.push(format!("{name}: the C++ declarations lack it, or layout/probe.cpp does"));
            continue;
        };
        let base = if inner.is_empty() {
            let size = expected.size[usize::from(x86)];
            if size != found.size {
                findings.push(format!("{name}: expected size {size}, found {}", found.size));
            }
            0
        } else {
            8
        };
        for (offsets, declaration) in &expected.fields {
            let expected = base + offsets[usize::from(x86)];
            let declared = rust::qualified(declaration, &inner);
            match found.fields.iter().find(|(_, found)| *found == declared) {
                None => findings.push(format!("{name}: there is no `{declared}`")),
                Some((found, _)) if *found != expected => {
                    findings.push(format!("{name}, {declared}: expected offset {expected}, found {found}"));
                }
                Some(_) => {}
            }
        }
    }
    findings
}

/// The whole table of a class, its bases' slots first.
fn signatures(abi: &BTreeMap<String, Value>, class: &str) -> Vec<String> {
    let Some(facts) = abi.get(class) else { return Vec::new() };
    let mut all = facts["base"].as_str().map_or_else(Vec::new, |base| signatures(abi, base));
    let own = facts["own_slots"].as_array().into_iter().flatten();
    all.extend(own.filter_map(|slot| Some(slot["sig"].as_str()?.to_owned())));
    all
}

/// `Name` of `RESULT Class::Name(ARGUMENTS)`.
fn method(signature: &str) -> &str {
    let before = signature.split_once('(').map_or(signature, |(before, _)| before);
    before.rsplit_once("::").map_or(before, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The declarations of two methods, exchanged: what this check is for.
    #[test]
    fn exchanged_methods_are_found_with_class_and_slot() {
        let abi = serde_json::json!({"A": {"base": null, "own_slots": [
            {"slot": 0, "sig": "void A::F(int)"}, {"slot": 1, "sig": "void A::F(char)"}]}});
        let abi = abi.as_object().expect("it is one").clone().into_iter().collect();
        let dump =
            Dump::read("VFTable for 'A' (2 entries).\n   0 | void A::F(char)\n   1 | void A::F(int)\n");
        let own = vec![(0, String::from("F")), (1, String::from("F"))];
        let tables = Tables { classes: [(String::from("A"), own)].into(), ..Tables::default() };
        assert_eq!(
            classes(&dump, &abi, &tables),
            [
                "A, slot 0: expected `void A::F(int)`, found `void A::F(char)`",
                "A, slot 1: expected `void A::F(char)`, found `void A::F(int)`"
            ]
        );
    }
}
