//! Fuzzing for a while, each target of `fuzz/` in turn. It begins with what the repository has and with the corpus of requests.

use std::fs;
use std::path::Path;

use crate::Result;
use crate::command::Command;

/// A bounded run.
pub(crate) fn run(log: &mut String) -> Result<bool> {
    fuzz(80, log)
}

/// A quarter of an hour.
pub(crate) fn run_long(log: &mut String) -> Result<bool> {
    fuzz(900, log)
}

/// `seconds`: of all targets together, without the build.
fn fuzz(seconds: usize, log: &mut String) -> Result<bool> {
    let scratch = crate::scratch()?.join("fuzz");
    let made = scratch.join("seeds");
    let seeds =
        Command::new("cargo run --quiet --package bivalve-http-corpus --example seeds --").arg(path(&made));
    if !passes(&seeds, log)? || !passes(&cargo_fuzz("build", &scratch), log)? {
        return Ok(false);
    }
    let targets = targets()?;
    let share = (seconds / targets.len().max(1)).max(1);
    let mut passed = true;
    for target in &targets {
        let (corpus, made) = (scratch.join("corpus").join(target), made.join(target));
        // What was made in an earlier run is no part of the repository, and a run shall depend on nothing else.
        let _ = fs::remove_dir_all(&corpus);
        for directory in [&corpus, &made] {
            fs::create_dir_all(directory)?;
        }
        let run = cargo_fuzz("run", &scratch).arg(target);
        let run =
            run.args([&corpus, &made].map(|directory| path(directory))).arg(format!("fuzz/seeds/{target}"));
        let run = run.arg("--").arg(format!("-max_total_time={share}"));
        // An input that takes ten seconds, or a gigabyte, is a fault as well.
        let run = run.args(["-timeout=10", "-rss_limit_mb=1024", "-print_final_stats=1"].map(String::from));
        let found = format!("-artifact_prefix={}/{target}-", path(&scratch));
        if !passes(&run.arg(found), log)? {
            log.push_str(&format!(
                "{target}: once it is mended, its input belongs into fuzz/seeds/{target}, under the rule's name\n"
            ));
            passed = false;
        }
    }
    Ok(passed)
}

/// Nothing that is fuzzed has unsafe code: without a sanitizer there are several times as many runs.
fn cargo_fuzz(verb: &str, scratch: &Path) -> Command {
    let command = Command::new("cargo +nightly fuzz").arg(verb);
    command.args(["--sanitizer", "none", "--target-dir"].map(String::from)).arg(path(&scratch.join("target")))
}

/// The names of what stands in `fuzz/targets`.
fn targets() -> Result<Vec<String>> {
    let mut targets = Vec::new();
    for entry in fs::read_dir(crate::root().join("fuzz/targets"))? {
        let file = entry?.path();
        targets.extend(file.file_stem().map(|name| name.to_string_lossy().into_owned()));
    }
    targets.sort();
    Ok(targets)
}

/// Runs it. What it has said stands in the log where it fails, and how many runs there were in any case.
fn passes(command: &Command, log: &mut String) -> Result<bool> {
    let output = command.captured()?;
    let text = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        let runs = text.lines().filter(|line| line.contains("number_of_executed_units"));
        runs.for_each(|line| log.push_str(&format!("{command}: {line}\n")));
    } else {
        log.push_str(&format!("{command}\n{text}\n"));
    }
    Ok(output.status.success())
}

fn path(path: &Path) -> String {
    path.display().to_string()
}
