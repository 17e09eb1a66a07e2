//! HTTP/2, held to `httpwg`, a suite that others have written: what fails is in `httpwg.txt`, and that list may only become
//! shorter.
#![cfg(target_os = "linux")]

mod support;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::process::Command;

use support::says::pipeline;
use support::{DRIVERS, start};

/// What it has.
const TESTS: &str = "/107";

/// It waits half a second for each frame: on a busy machine a test may fail for that alone, but not each time.
const RUNS: usize = 3;

#[test]
#[ignore = "needs httpwg-cli: cargo xtask test conformance"]
fn httpwg_fails_where_it_is_known_to_and_nowhere_else() {
    let lines = include_str!("httpwg.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let (sometimes, always): (Vec<_>, Vec<_>) = lines.partition(|line| line.starts_with("sometimes "));
    let always: BTreeSet<_> = always.into_iter().map(String::from).collect();
    let sometimes: BTreeSet<_> =
        sometimes.into_iter().filter_map(|line| line.strip_prefix("sometimes ")).map(String::from).collect();
    for driver in DRIVERS {
        let server = start(driver, &pipeline());
        let mut passed = BTreeSet::new();
        let mut failed = BTreeSet::new();
        for _ in 0..RUNS {
            let said = run(server.addresses()[0]);
            passed.extend(names(&said, "✅ Test passed: "));
            failed.extend(names(&said, "❌ Test failed: "));
        }
        let fail: Vec<_> = failed.difference(&passed).collect();
        let new: Vec<_> =
            fail.iter().filter(|test| !always.contains(**test) && !sometimes.contains(**test)).collect();
        assert!(new.is_empty(), "{driver}: they fail, and are not in httpwg.txt: {new:#?}");
        let gone: Vec<_> = always.difference(&failed).collect();
        assert!(gone.is_empty(), "{driver}: remove them from httpwg.txt, they pass: {gone:#?}");
        let known = |test: &&String| passed.contains(*test) || failed.contains(*test);
        let unknown: Vec<_> = sometimes.iter().filter(|test| !known(test)).collect();
        assert!(unknown.is_empty(), "{driver}: httpwg has no such tests: {unknown:#?}");
    }
}

/// One test after the other: all at once they would wait for each other.
fn run(address: SocketAddr) -> String {
    let output = Command::new("httpwg")
        .args(["--frame-timeout", "500", "--connect-timeout", "5000", "--address", &address.to_string()])
        .envs([
            ("SEQUENTIAL", "1"),
            ("RUST_BACKTRACE", "0"),
            ("RUST_LIB_BACKTRACE", "0"),
            ("RUST_LOG", "off"),
        ])
        .output()
        .expect("it is installed: cargo xtask test conformance");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    // "Passed 91/107 tests", with colours around the numbers.
    assert!(said.lines().any(|line| line.contains("Passed ") && line.contains(TESTS)), "{said}");
    said
}

fn names<'a>(said: &'a str, before: &'a str) -> impl Iterator<Item = String> + 'a {
    said.lines().filter_map(move |line| line.strip_prefix(before)).map(|name| name.trim().to_owned())
}
