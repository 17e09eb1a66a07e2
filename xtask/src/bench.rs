//! `cargo xtask bench`: hands over to the benchmark crate, in the release profile, and draws its results.

use crate::command::{Command, has_package};
use crate::{Result, diagrams};

const PACKAGE: &str = "bivalve-benches";

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Passed on to the benchmark program
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

pub(crate) fn run(options: &Options) -> Result<bool> {
    if !has_package(PACKAGE)? {
        return Err(
            format!("this workspace has no package `{PACKAGE}`, so there is nothing to measure").into()
        );
    }
    let command = Command::new("cargo run --profile measured --quiet --package")
        .arg(PACKAGE)
        .arg("--")
        .args(options.args.iter().cloned());
    Ok(command.streamed()?.success() && diagrams::write()?)
}
