//! What looks at the drivers more closely than their tests do: loom, a sanitizer, and a minute of traffic.

use std::path::Path;

use crate::command::Command;

/// The drivers are modelled, everything it stands on is compiled as always: so the switch is no general `loom`.
///
/// With this many preemptions each defect that was tried was found, and it takes a minute on two cores. Of the driver for
/// Windows only its kernel is another, so that its models need no Windows.
pub(crate) fn loom(scratch: &Path) -> Command {
    nextest("cargo nextest run --release --lib", Some(&scratch.join("loom")))
        .arg("--config=profile.release.lto=false")
        .arg("--package=bivalve-tokio")
        .arg("--package=bivalve-iocp")
        .arg("--package=bivalve-iis")
        .arg("--package=bivalve-core")
        .arg("-E=test(/(^|::)models::/)")
        .env("RUSTFLAGS", "--cfg bivalve_loom")
        .env("LOOM_MAX_PREEMPTIONS", "3")
}

/// With leaks looked for, and without the soak: the sanitizer keeps freed memory for a while, which looks like growth.
///
/// The stress of the adapter for IIS has 5,000 requests, or 200,000: the module is a shared object with the sanitizer as well.
pub(crate) fn asan(scratch: &Path, long: bool) -> Command {
    nextest(
        "cargo +nightly nextest run --target x86_64-unknown-linux-gnu --tests",
        Some(&scratch.join("asan")),
    )
    .args(["bivalve-iis", "bivalve-iis-host", "same-on-both"].map(|package| format!("--package={package}")))
    .arg("--features=bivalve-iis/faults")
    // Cargo builds no examples with `--tests`, and those are what `loading` loads.
    .arg("-E=not binary(soak) and not binary(loading)")
    .env("BIVALVE_STRESS_REQUESTS", if long { "200000" } else { "5000" })
    // A shared object finds the sanitizer's functions in the program that loads it.
    .env("RUSTFLAGS", "-Zsanitizer=address -Clink-arg=-rdynamic")
    .env("ASAN_OPTIONS", "detect_leaks=1")
}

/// A minute, or ten.
pub(crate) fn soak(long: bool) -> Command {
    let run =
        nextest("cargo nextest run --release --test soak", None).arg("--config=profile.release.lto=false");
    if long {
        run.arg("--profile").arg("long").env("BIVALVE_SOAK_SECONDS", "600")
    } else {
        run.env("BIVALVE_SOAK_SECONDS", "60")
    }
}

/// Nextest, because a run of no tests is a failure there.
fn nextest(line: &str, target: Option<&Path>) -> Command {
    let command = Command::new(line).args(["--cargo-quiet", "--package", "bivalve-uring"].map(String::from));
    match target {
        Some(target) => command.arg("--target-dir").arg(target.display().to_string()),
        None => command,
    }
}
