//! The test programs: built by cargo, each run under Wine with a limit of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::prefix::Prefix;
use super::toolchain::{TARGET, Toolchain};
use super::{ASKED, LOADED, TESTED, packages};
use crate::Result;

/// For all tests of one program. The longest, the server's corpus, has taken three minutes on a busy machine; a completion
/// that never comes is the typical failure here, and this is where it ends.
const LIMIT: Duration = Duration::from_secs(600);

/// One test program, as cargo has built it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Program {
    /// `PACKAGE::TARGET`
    name: String,
    path: PathBuf,
    /// The directory of its package: tests expect to be started there.
    package: PathBuf,
}

/// Builds all test programs; `None` when that failed, and the log says why.
pub(super) fn build(directory: &Path, log: &mut String) -> Result<Option<Vec<Program>>> {
    let line = "test --no-run --all-features --message-format=json-render-diagnostics";
    let toolchain = Toolchain::of(TARGET)?;
    let loaded = toolchain.cargo("build", directory).arg("--target").arg(TARGET);
    if !super::passed(&packages(loaded, LOADED).arg("--package").arg(ASKED), log)? {
        return Ok(None);
    }
    let cargo = toolchain.cargo(line, directory).arg("--target").arg(TARGET);
    let command = packages(cargo, TESTED);
    let built = command.captured()?;
    if !built.status.success() {
        log.push_str(&format!("FAILED: {command}\n{}\n", String::from_utf8_lossy(&built.stderr)));
        return Ok(None);
    }
    let programs: Vec<Program> = String::from_utf8(built.stdout)?.lines().filter_map(Program::read).collect();
    log.push_str(&format!("ok: {command}\n"));
    Ok(Some(programs))
}

/// Runs one after the other; `true` when all tests passed. A failure does not stop the others.
pub(super) fn run_all(
    programs: &[Program],
    prefix: &Prefix,
    directory: &Path,
    log: &mut String,
) -> Result<bool> {
    let logs = directory.join("logs");
    fs::create_dir_all(&logs)?;
    let (mut passed, mut failed) = (0, 0);
    for program in programs {
        match program.run(prefix, &logs)? {
            Ok(count) => {
                log.push_str(&format!("ok: {}: {count} tests passed\n", program.name));
                passed += count;
            }
            Err(told) => {
                log.push_str(&format!("FAILED: {told}\n"));
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

    /// How many tests passed, or what was wrong.
    fn run(&self, prefix: &Prefix, logs: &Path) -> Result<Result<u32, String>> {
        // One test at a time: some count the handles of the process.
        let command =
            prefix.wine().arg(self.path.display().to_string()).arg("--test-threads=1").within(&self.package);
        let log = logs.join(format!("{}.log", self.name.replace("::", "-")));
        let start = Instant::now();
        let ended = prefix.finish(command.spawned(&log)?, LIMIT)?;
        let printed = String::from_utf8_lossy(&fs::read(&log)?).replace('\r', "");
        Ok(match ended {
            Some(status) if status.success() => Ok(count(&printed)),
            Some(status) => Err(format!(
                "{} after {:.1} s: {status}; to repeat it: {command}\n{printed}",
                self.name,
                start.elapsed().as_secs_f64()
            )),
            None => Err(format!(
                "{} was still running after {} s and was killed; the last line it printed is `{}`; to repeat it: {command}\n{printed}",
                self.name,
                LIMIT.as_secs(),
                printed.lines().last().unwrap_or_default().trim()
            )),
        })
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
