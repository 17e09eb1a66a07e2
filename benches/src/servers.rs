//! What `bivalve-server` costs, next to other servers: `cargo xtask bench server`. Linux only.

mod goals;
mod measure;
mod memory;
mod plan;
mod process;
mod report;

use std::io;
use std::path::Path;

use self::plan::Plan;

/// Measures, and tells the results as Markdown. `--quick` makes it a look of a minute; what it is given wrongly, it answers with the other arguments.
///
/// # Errors
///
/// When a process cannot be started or breaks off, or an argument is not known.
pub fn section(peers: &Path, counting: Option<&Path>, arguments: &[&str]) -> io::Result<Option<String>> {
    // Asked before this process is pinned to one core.
    let machine = crate::server::processor();
    let plan = Plan::from_arguments(peers, counting, arguments)?;
    let results = measure::compare(&plan)?;
    Ok(Some(report::markdown(&machine, &plan, &results)))
}
