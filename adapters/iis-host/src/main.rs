//! The command `bivalve-iis-host`: what `bivalve iis-host` is, as a program of its own.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use bivalve_iis_host::HostArgs;
use clap::Parser;

#[derive(Debug, Parser)]
#[command(name = "bivalve-iis-host", version)]
struct Cli {
    #[command(flatten)]
    host: HostArgs,
}

fn main() -> ExitCode {
    Cli::parse().host.run()
}
