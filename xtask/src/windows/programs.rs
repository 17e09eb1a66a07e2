//! The test programs: built by cargo, each run under Wine with a limit of its own.

use std::cmp::Reverse;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::prefix::Prefix;
use super::toolchain::{TARGET, Toolchain};
use super::{LOADED, TESTED, packages};
use crate::{Result, parallel};

/// How many programs run at the same time. One alone keeps about one core busy.
const AT_ONCE: usize = 2;

/// For all tests of one program. The longest has taken six minutes on a machine that was busy seven times over; a completion
/// that never comes is the typical failure here, and this is where it ends.
const LIMIT: Duration = Duration::from_secs(600);

/// One test program, as cargo has built it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Program {
    /// `PACKAGE::TARGET`
    name: String,
    path: PathBuf,
    /// The directory of its package: tests expect to be started there.
    package: PathBuf,
}

/// One test program that has run.
#[derive(Debug)]
struct Ran {
    name: String,
    seconds: f64,
    /// How many tests passed, or what was wrong.
    outcome: Result<u32, String>,
}

/// Builds everything that runs under Wine, here and in the step `cpp`; `None` when that failed, and the log says why.
///
/// It is one command, because a crate that is asked for together with others may get other features, and is built again.
pub(crate) fn build(directory: &Path, log: &mut String) -> Result<Option<Vec<Program>>> {
    let line =
        "build --lib --bins --tests --examples --all-features --message-format=json-render-diagnostics";
    let command = Toolchain::of(TARGET)?.cargo(line, directory).arg("--target").arg(TARGET);
    let command = packages(packages(command, TESTED), LOADED);
    let start = Instant::now();
    let built = command.captured()?;
    if !built.status.success() {
        log.push_str(&format!("FAILED: {command}\n{}\n", String::from_utf8_lossy(&built.stderr)));
        return Ok(None);
    }
    let mut programs: Vec<Program> =
        String::from_utf8(built.stdout)?.lines().filter_map(Program::read).collect();
    // The largest take longest, as a rule: none of them is still running alone at the end.
    programs.sort_by_cached_key(|program| Reverse(fs::metadata(&program.path).map_or(0, |file| file.len())));
    log.push_str(&format!("ok: {command}: {:.1} s\n", start.elapsed().as_secs_f64()));
    Ok(Some(programs))
}

/// Runs [`AT_ONCE`] at a time; `true` when all tests passed. A failure does not stop the others.
pub(super) fn run_all(programs: &[Program], directory: &Path, log: &mut String) -> Result<bool> {
    let logs = directory.join("logs");
    fs::create_dir_all(&logs)?;
    // Each worker has a Wine of its own: its own temporary files, handles and names of pipes, and ending the Wine of a program
    // that hangs ends no other program.
    let directories: Vec<PathBuf> = (0..AT_ONCE).map(|worker| Prefix::numbered(directory, worker)).collect();
    let prefixes = parallel::each(AT_ONCE, &directories, |_, directory| Prefix::ensure(directory))?;
    let ran = parallel::each(AT_ONCE, programs, |worker, program| program.run(&prefixes[worker], &logs))?;
    let (mut passed, mut failed) = (0, 0);
    for Ran { name, seconds, outcome } in ran {
        match outcome {
            Ok(count) => {
                log.push_str(&format!("ok: {name}: {count} tests passed in {seconds:.1} s\n"));
                passed += count;
            }
            Err(told) => {
                log.push_str(&format!("FAILED: {name} after {seconds:.1} s: {told}\n"));
                failed += 1;
            }
        }
    }
    let summary = format!("{passed} tests in {} programs under Wine", programs.len());
    log.push_str(&format!("{summary}; {failed} programs failed\n"));
    if passed == 0 {
        log.push_str(
            "FAILED: no test has run; are the packages in xtask/src/windows.rs still the right ones?\n",
        );
    }
    if failed == 0 {
        print!("{summary}  ");
    }
    Ok(failed == 0 && passed > 0)
}

impl Program {
    /// One line of what cargo tells; `None` when it is not about a test program.
    fn read(line: &str) -> Option<Self> {
        let message: Value = serde_json::from_str(line).ok()?;
        if message["reason"] != "compiler-artifact" || message["profile"]["test"] != true {
            return None;
        }
        let path = PathBuf::from(message["executable"].as_str()?);
        let package = Path::new(message["manifest_path"].as_str()?).parent()?.to_path_buf();
        let name = format!("{}::{}", package.file_name()?.to_str()?, message["target"]["name"].as_str()?);
        Some(Self { name, path, package })
    }

    fn run(&self, prefix: &Prefix, logs: &Path) -> Result<Ran> {
        // One test at a time: some count the handles of the process.
        let command =
            prefix.wine().arg(self.path.display().to_string()).arg("--test-threads=1").within(&self.package);
        // The library and the program of a package have the same name; the files have not.
        let file = self.path.file_stem().ok_or("a program without a name")?;
        let log = logs.join(file).with_extension("log");
        let start = Instant::now();
        let ended = prefix.finish(command.spawned(&log)?, LIMIT)?;
        let seconds = start.elapsed().as_secs_f64();
        let printed = String::from_utf8_lossy(&fs::read(&log)?).replace('\r', "");
        let outcome = match ended {
            Some(status) if status.success() => Ok(count(&printed)),
            Some(status) => Err(format!("{status}; to repeat it: {command}\n{printed}")),
            None => Err(format!(
                "it was still running and was killed; the last line it printed is `{}`; to repeat it: {command}\n{printed}",
                printed.lines().last().unwrap_or_default().trim()
            )),
        };
        Ok(Ran { name: self.name.clone(), seconds, outcome })
    }
}

/// The tests that passed, by the line that the test harness ends with.
fn count(printed: &str) -> u32 {
    let results = printed.lines().filter_map(|line| line.strip_prefix("test result: ok. "));
    results.filter_map(|result| result.split(' ').next()?.parse::<u32>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_program_is_read_from_what_cargo_tells() {
        let line = r#"{"reason":"compiler-artifact","manifest_path":"/a/core/Cargo.toml","target":{"name":"order"},
            "profile":{"test":true},"executable":"/t/order-1.exe"}"#;
        let expected =
            Program { name: "core::order".into(), path: "/t/order-1.exe".into(), package: "/a/core".into() };
        assert_eq!(Program::read(&line.replace('\n', "")), Some(expected));
    }

    #[test]
    fn a_library_and_an_ordinary_program_are_no_test_programs() {
        for line in [
            r#"{"reason":"compiler-artifact","manifest_path":"/a/core/Cargo.toml","target":{"name":"core"},"profile":{"test":false},"executable":null}"#,
            r#"{"reason":"compiler-artifact","manifest_path":"/a/gate/Cargo.toml","target":{"name":"gate"},"profile":{"test":false},"executable":"/t/gate.exe"}"#,
            r#"{"reason":"build-finished","success":true}"#,
            "not json",
        ] {
            assert_eq!(Program::read(line), None, "{line}");
        }
    }

    #[test]
    fn passed_tests_are_counted() {
        let printed = "running 2 tests\n..\ntest result: ok. 16 passed; 0 failed; 1 ignored\n";
        assert_eq!(count(printed), 16);
        assert_eq!(count("a harness of its own\n"), 0);
    }
}
