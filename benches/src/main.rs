//! `cargo xtask bench`: measures, and writes `benches/RESULTS.md`.

#![forbid(unsafe_code)]

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use bivalve_benches::peers::Peer;
use bivalve_benches::results::Section;
use bivalve_benches::{dispatch, drivers, iis, load, measure, report, results, servers};

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["serve", peer] => Peer::from_key(peer).ok_or_else(|| unknown(peer))?.serve(|| 0),
        ["dispatch", filter @ ..] => {
            let mut contenders = dispatch::contenders();
            contenders.retain(|c| filter.iter().all(|part| c.name.contains(part)));
            for (name, ns) in measure::interleave(&mut contenders) {
                println!("{name:<45} {ns:>8.1} ns");
            }
            Ok(())
        }
        ["drivers", "serve", arguments @ ..] => drivers::serve(arguments, || 0),
        ["drivers", arguments @ ..] => measure_drivers(arguments),
        ["iis", filter @ ..] => measure_iis(filter),
        ["server", arguments @ ..] => measure_servers(arguments),
        [] => measure_all(),
        [other, ..] => Err(unknown(other)),
    }
}

fn unknown(argument: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("{argument:?} is not known: run without arguments, or with dispatch, drivers, iis or server"),
    )
}

fn measure_all() -> io::Result<()> {
    let program = std::env::current_exe()?;
    eprintln!("building the allocation counter …");
    let counting = build_counting(&program)?;
    eprintln!("dispatch …");
    let times = dispatch::time();
    let allocations = counted_dispatch(&counting, &times)?;
    eprintln!("servers …");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    let costs = local.block_on(&runtime, load::compare(&program, &counting))?;
    let text = report::markdown(&machine(), &times, &allocations, &costs);
    results::write(Section::Pipeline, &text)?;
    println!("{text}\nwritten to benches/RESULTS.md");
    measure_iis(&[])?;
    measure_drivers(&[])?;
    measure_servers(&[])
}

fn measure_iis(filter: &[&str]) -> io::Result<()> {
    let program = std::env::current_exe()?;
    let counting = build_counting(&program)?;
    let Some(section) = iis::section(&program, &counting, filter)? else { return Ok(()) };
    println!("{section}");
    // A part of it is not a result.
    if filter.is_empty() {
        results::write(Section::Iis, &section)?;
        println!("written to benches/RESULTS.md");
    }
    Ok(())
}

fn measure_drivers(arguments: &[&str]) -> io::Result<()> {
    let program = std::env::current_exe()?;
    let counting = build_counting(&program)?;
    let Some(section) = drivers::section(&program, &counting, arguments)? else { return Ok(()) };
    println!("{section}");
    // A part of it, or a short look, is not a result.
    if arguments.is_empty() {
        results::write(Section::Drivers, &section)?;
        println!("written to benches/RESULTS.md");
    }
    Ok(())
}

fn measure_servers(arguments: &[&str]) -> io::Result<()> {
    // Built before, by hand, it need not be asked for again.
    let (peers, rest) = match arguments {
        [first, rest @ ..] if let Some(peers) = first.strip_prefix("peers=") => (PathBuf::from(peers), rest),
        all => {
            eprintln!("building the servers …");
            let program = std::env::current_exe()?;
            if all.is_empty() {
                build(&program, "bivalve-peers", "peers-counting")?;
            }
            (build(&program, "bivalve-peers", "peers")?, all)
        }
    };
    let counting = peers.with_file_name("peers-counting");
    let counting = Some(counting).filter(|counting| !rest.contains(&"--quick") && counting.exists());
    let Some(section) = servers::section(&peers, counting.as_deref(), rest)? else { return Ok(()) };
    println!("{section}");
    // A part of it, or a short look, is not a result.
    if arguments.is_empty() {
        results::write(Section::Server, &section)?;
        println!("written to benches/RESULTS.md");
    }
    Ok(())
}

/// The program that counts allocations is another one, so that counting slows nobody down here.
fn build_counting(program: &Path) -> io::Result<PathBuf> {
    build(program, "bivalve-benches", "counting")
}

/// Builds a program beside this one, in the profile that this one is built in.
fn build(program: &Path, package: &str, name: &str) -> io::Result<PathBuf> {
    let directory = program.parent().and_then(Path::file_name).and_then(OsStr::to_str);
    let profile = match directory {
        Some("debug") | None => "dev",
        Some(profile) => profile,
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--quiet", "--profile", profile, "--package", package, "--bin", name])
        .status()?;
    if !built.success() {
        return Err(io::Error::other(format!("{name} could not be built")));
    }
    Ok(program.with_file_name(name))
}

fn counted_dispatch(counting: &Path, times: &report::Figures) -> io::Result<Vec<(&'static str, f64)>> {
    let output = Command::new(counting).arg("dispatch").output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut figures = Vec::new();
    for (name, _) in times {
        let figure = text
            .lines()
            .filter_map(|line| line.split_once('='))
            .find(|(key, _)| key == name)
            .and_then(|(_, value)| value.parse().ok())
            .ok_or_else(|| io::Error::other(format!("no allocation count of {name}")))?;
        figures.push((*name, figure));
    }
    Ok(figures)
}

fn machine() -> String {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    format!("{cores} cores, Linux {}", kernel.trim())
}
