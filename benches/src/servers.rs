//! What `bivalve-server` costs, next to other servers: `cargo xtask bench server`. Linux only.

mod measure;
mod plan;
mod report;

use std::io;
use std::path::Path;

use self::plan::Plan;

/// Measures, and tells the results as Markdown. `--quick` makes it a look of a minute; [`Plan`] knows the other arguments.
///
/// # Errors
///
/// When a process cannot be started or breaks off, or an argument is not known.
pub fn section(peers: &Path, arguments: &[&str]) -> io::Result<Option<String>> {
    // Asked before this process is pinned to one core.
    let machine = crate::report::processor();
    let plan = Plan::from_arguments(peers, arguments)?;
    let results = measure::compare(&plan)?;
    Ok(Some(report::markdown(&machine, &results)))
}
