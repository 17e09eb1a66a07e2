//! How many system calls a process does for each operation.

use std::io;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::measure::median;

/// How long the kernel is asked to count: `perf` needs a while to begin.
const COUNTED: Duration = Duration::from_millis(1200);

/// System calls of a process per operation: the median of so many counts, because whenever something else has the core, a server
/// sleeps once more or once less. `operate` works for about the time it is told, and tells how many operations that were. Not a
/// number where the kernel does not tell.
pub(crate) fn system_calls(
    id: u32,
    counts: usize,
    mut operate: impl FnMut(Duration) -> io::Result<u64>,
) -> io::Result<f64> {
    let count = || count(id, &mut operate);
    Ok(median(std::iter::repeat_with(count).take(counts).collect::<io::Result<_>>()?))
}

fn count(id: u32, operate: &mut impl FnMut(Duration) -> io::Result<u64>) -> io::Result<f64> {
    let seconds = COUNTED.as_secs_f64().to_string();
    let perf = Command::new("perf")
        .args(["stat", "-x", ",", "-e", "raw_syscalls:sys_enter", "-p", &id.to_string()])
        .args(["--", "sleep", &seconds])
        .stderr(Stdio::piped())
        .spawn();
    // A machine without it, or where it is not for us: the figure is left out.
    let Ok(perf) = perf else { return Ok(f64::NAN) };
    let begun = Instant::now();
    std::thread::sleep(COUNTED / 4);
    let operations = operate(COUNTED / 3)?;
    if begun.elapsed() > COUNTED {
        return Ok(f64::NAN);
    }
    let text = String::from_utf8_lossy(&perf.wait_with_output()?.stderr).into_owned();
    let line = text.lines().find(|line| line.contains("raw_syscalls"));
    let calls = line.and_then(|line| line.split(',').next()).and_then(|count| count.parse::<u64>().ok());
    Ok(calls.map_or(f64::NAN, |calls| per(calls, operations)))
}

/// So much for each.
#[allow(clippy::cast_precision_loss, reason = "counts and nanoseconds of a second")]
pub(crate) fn per(sum: u64, operations: u64) -> f64 {
    sum as f64 / operations as f64
}
