//! `cargo xtask diagrams`: the pictures of the documents, from the code and from the benchmark's results.

mod architecture;
mod hosts;
mod pipeline;
mod results;
mod svg;
mod workspace;

use std::fs;
use std::io;

use crate::Result;

const RESULTS: &str = "benches/RESULTS.md";

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Write nothing; fail when a picture is not what would be written
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(options: &Options) -> Result<bool> {
    if !options.check {
        return write();
    }
    let mut told = String::new();
    let same = check(&mut told)?;
    print!("{told}");
    Ok(same)
}

/// Compares the files with what would be written.
pub(crate) fn check(log: &mut String) -> Result<bool> {
    let mut same = true;
    for (path, svg) in drawn()? {
        if read(path)?.as_ref() != Some(&svg) {
            log.push_str(&format!("{path} is out of date: run `cargo xtask diagrams` and commit it\n"));
            same = false;
        }
    }
    Ok(same)
}

/// Draws what is not up to date.
pub(crate) fn write() -> Result<bool> {
    for (path, svg) in drawn()? {
        if read(path)?.as_ref() != Some(&svg) {
            fs::write(crate::root().join(path), svg)?;
            println!("{path} written");
        }
    }
    Ok(true)
}

/// Every picture, and where it belongs.
fn drawn() -> Result<Vec<(&'static str, String)>> {
    let workspace = workspace::Workspace::read()?;
    let mut pictures = vec![
        ("docs/one-module-two-hosts.svg", hosts::draw()?),
        ("docs/architecture.svg", architecture::draw(&workspace, &pipeline::events()?)?),
    ];
    // Somebody who has never measured has no results, and no chart.
    if let Some(results) = read(RESULTS)? {
        pictures.push(("benches/results.svg", results::draw(&results)?));
        pictures.extend(results::drivers(&results)?.map(|svg| ("benches/drivers.svg", svg)));
        pictures.extend(results::server(&results)?.map(|svg| ("benches/server.svg", svg)));
    }
    Ok(pictures)
}

/// A file of the checkout; `None` when it is not there.
fn read(path: &str) -> Result<Option<String>> {
    match fs::read_to_string(crate::root().join(path)) {
        Ok(text) => Ok(Some(text.replace("\r\n", "\n"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{path}: {error}").into()),
    }
}
