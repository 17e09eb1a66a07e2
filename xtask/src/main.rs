//! The project's own commands.
//!
//! `cargo xtask test` runs every gate that a change must pass; `cargo xtask bench` measures;
//! `cargo xtask diagrams` draws the pictures of the documents. The alias is in `.cargo/config.toml`.

mod bench;
mod command;
mod conformance;
mod cpp;
mod deep;
mod diagrams;
mod fuzz;
mod gates;
mod house;
mod parallel;
mod smoke;
mod tools;
mod windows;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A failure, told in one sentence to the person at the terminal.
type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

#[derive(Debug, Parser)]
#[command(
    name = "xtask",
    bin_name = "cargo xtask",
    about = "Builds, tests and measures Bivalve",
    arg_required_else_help = true
)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Run the gates, all of them or the named ones, in their fixed order
    Test(gates::Options),
    /// Measure, and write benches/RESULTS.md
    Bench(bench::Options),
    /// Put the corpus to other servers and their tools to ours, and write docs/http-conformance.md
    Conformance(conformance::Options),
    /// Draw the pictures of the documents
    Diagrams(diagrams::Options),
}

fn main() -> ExitCode {
    let done = match Cli::parse().task {
        Task::Test(options) => gates::run(&options),
        Task::Bench(options) => bench::run(&options),
        Task::Conformance(options) => conformance::run(&options),
        Task::Diagrams(options) => diagrams::run(&options),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The root of the checkout. Every command runs there, wherever the caller stands.
fn root() -> PathBuf {
    // `cargo run` tells where the package is now; the path at compile time is for a binary that was
    // started by hand.
    let package = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    package.parent().map_or(package.clone(), Path::to_path_buf)
}

/// The directory of this binary: `target/debug`, and what else the dev profile builds is beside it.
fn binaries() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    Ok(own.parent().ok_or("this binary has no directory")?.to_path_buf())
}

/// A directory for logs and scratch files that `cargo clean` removes.
fn scratch() -> Result<PathBuf> {
    let scratch = binaries()?.parent().ok_or("this binary is not in a target directory")?.join("xtask");
    std::fs::create_dir_all(&scratch)?;
    Ok(scratch)
}
