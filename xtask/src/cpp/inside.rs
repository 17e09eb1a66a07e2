//! The C++ modules inside `bivalve-iis-host`, by a program of that package, which says in which modes.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::Result;
use crate::windows::prefix::Prefix;

const PROGRAM: &str = "cpp_modules";
/// For all modes together, which take a few seconds. A completion that never comes ends here.
const LIMIT: Duration = Duration::from_secs(120);

/// Runs every case in every mode, by the program among those that were `built`; `true` when all were right.
pub(super) fn run(
    built: &Path,
    cases: &Path,
    prefix: &Prefix,
    directory: &Path,
    log: &mut String,
) -> Result<bool> {
    let program = built.join("examples").join(PROGRAM).with_extension("exe");
    let told = directory.join("inside.told");
    let paths = [&program, cases, directory].map(|path| path.display().to_string());
    let command = prefix.wine().args(paths).within(directory);
    let ended = prefix.finish(command.spawned(&told)?, LIMIT)?;
    let found = String::from_utf8_lossy(&fs::read(&told)?).replace('\r', "");
    let wrong = match ended {
        None => format!("still running after {} s, killed", LIMIT.as_secs()),
        Some(status) if !status.success() => status.to_string(),
        Some(_) => {
            let last = found.lines().last().unwrap_or_default();
            print!("{last} in the Rust host  ");
            log.push_str(&format!("ok: {last} in the Rust host\n"));
            return Ok(true);
        }
    };
    log.push_str(&format!("FAILED: in the Rust host: {wrong}; to repeat it: {command}\n{found}\n"));
    Ok(false)
}
