//! The suite's own tests: every case is in the list, and the list compiles.

use std::fs;
use std::path::Path;

use bivalve_conformance::{Backend, Body};

/// The macro is expanded and type-checked here, so that a case that no driver could run fails in this crate. Tests
/// within a function are never run.
#[allow(dead_code, unnameable_test_items, reason = "there is no driver here to run them")]
fn compiles() {
    bivalve_conformance::suite!(BACKEND);
}

#[allow(dead_code, reason = "nothing is run here")]
const BACKEND: Backend = Backend { run, open_handles: || 0 };

fn run(_queue: u32, _body: Body) {}

#[test]
fn every_case_is_listed_once() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let list = fs::read_to_string(source.join("suite.rs")).expect("the list is there");
    let mut cases = 0;
    for file in fs::read_dir(source.join("cases")).expect("the cases are there") {
        let text = fs::read_to_string(file.expect("it can be listed").path()).expect("it can be read");
        for line in text.lines().filter_map(|line| line.strip_prefix("pub async fn ")) {
            let name = line.split('(').next().expect("a name comes before its parameters");
            let listed = list.lines().map(str::trim).map(|line| line.trim_start_matches("large "));
            let count = listed.filter(|line| line.strip_suffix(',') == Some(name)).count();
            assert_eq!(count, 1, "{name} is in src/suite.rs once");
            cases += 1;
        }
    }
    assert!(cases > 100, "{cases} cases were found");
}
