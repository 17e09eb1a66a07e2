//! The command `bivalve`.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    bivalve_cli::cli::Cli::parse().run()
}
