//! The Windows step: the tests of the crates that run there, and what can be checked of every other target.
//!
//! On Linux the tests are built for `x86_64-pc-windows-gnu` and run under Wine, which is evidence of behaviour and
//! not of speed; everything it makes is in a directory of its own in the target directory. On Windows the same
//! tests run natively.

pub(crate) mod prefix;
pub(crate) mod programs;
pub(crate) mod toolchain;

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::Result;
use crate::command::{Command, has_package};
use prefix::Prefix;

/// The crates whose tests run on Windows. A crate that comes to Windows gets its line here.
const TESTED: &[&str] = &[
    "bivalve-core",
    "bivalve-iis",
    "bivalve-iis-host",
    "bivalve-iis-sys",
    "bivalve-iocp",
    "bivalve-server",
    "bivalve-tokio",
    "gate",
    "same-on-both",
];

/// DLLs that tests load, and those that only the C++ host of the step `cpp` loads.
const LOADED: &[&str] = &["axum-in-iis", "gate-in-iis", "iis-modules", "same-on-both-module"];

/// Started under Wine, and asked with curl from here: loopback is the same for both.
const ASKED: &str = "gate";

/// What is compiled and not run. No linker is needed for it, and `const _: () = assert!(...)` is evaluated: that is
/// how the layouts of structures are tested on targets that nobody here can run.
const CHECKED: &[Checked] = &[
    // IIS loads x64, x86 and arm64 modules, all of them with the layouts of Microsoft's compiler.
    Checked {
        targets: &["x86_64-pc-windows-msvc", "i686-pc-windows-msvc", "aarch64-pc-windows-msvc"],
        packages: &[
            "bivalve-core",
            "bivalve-iis",
            "bivalve-iis-host",
            "bivalve-iis-sys",
            "bivalve-iocp",
            "bivalve-tokio",
        ],
    },
    // Unix is more than Linux.
    Checked {
        targets: &["x86_64-apple-darwin", "x86_64-unknown-freebsd"],
        packages: &["bivalve-core", "bivalve-tokio"],
    },
];

struct Checked {
    targets: &'static [&'static str],
    packages: &'static [&'static str],
}

/// Runs the tests, then the checks; `true` when all of them passed. The log tells how each part went.
pub(crate) fn run(log: &mut String) -> Result<bool> {
    let listed = TESTED.iter().chain(CHECKED.iter().flat_map(|checked| checked.packages));
    for package in listed.collect::<BTreeSet<_>>() {
        if !has_package(package)? {
            return Err(format!(
                "this workspace has no package `{package}`: correct the lists in xtask/src/windows.rs"
            )
            .into());
        }
    }
    if std::env::consts::OS == "windows" {
        let command = packages(Command::new("cargo test --all-features --no-fail-fast"), TESTED);
        return passed(&command, log);
    }
    let directory = directory()?;
    // Two runs would end each other's Wine.
    let lock = File::create(directory.join("lock"))?;
    lock.lock().map_err(|error| format!("{}: {error}", directory.join("lock").display()))?;

    let Some(programs) = programs::build(&directory, log)? else { return Ok(false) };
    let mut good = programs::run_all(&programs, &directory, log)?;
    let prefix = Prefix::ensure(&Prefix::numbered(&directory, 0))?;
    log.push_str("gate under Wine, asked with curl\n");
    let binary = built(&directory).join(format!("{ASKED}.exe"));
    let program = prefix.wine().arg(binary.display().to_string()).prepared();
    good &= crate::smoke::foreign(program, &directory.join("gate"), "completion ports (Windows)", log)?;
    drop(prefix);
    for checked in CHECKED {
        for (toolchain, targets) in toolchain::by_toolchain(checked.targets)? {
            let cargo = toolchain.cargo("check --all-features", &directory);
            let command = targets.iter().fold(cargo, |command, target| command.arg("--target").arg(*target));
            good &= passed(&packages(command, checked.packages), log)?;
        }
    }
    Ok(good)
}

/// The standard library, the programs, Wine's prefixes: everything that this step makes is here.
pub(crate) fn directory() -> Result<PathBuf> {
    let directory = crate::scratch()?.join("windows");
    std::fs::create_dir_all(&directory)?;
    Ok(directory)
}

/// Where in it cargo puts the DLLs and programs.
pub(crate) fn built(directory: &Path) -> PathBuf {
    directory.join("cargo").join(toolchain::TARGET).join("debug")
}

/// Runs a command; what it printed is only kept where it failed.
fn passed(command: &Command, log: &mut String) -> Result<bool> {
    let start = Instant::now();
    let output = command.captured()?;
    if output.status.success() {
        log.push_str(&format!("ok: {command}: {:.1} s\n", start.elapsed().as_secs_f64()));
    } else {
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        log.push_str(&format!("FAILED: {command}\n{out}{err}\n"));
    }
    Ok(output.status.success())
}

fn packages(command: Command, packages: &[&str]) -> Command {
    packages.iter().fold(command, |command, package| command.arg("--package").arg(*package))
}
