//! The command line.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use bivalve_iis_host::HostArgs;
use clap::{Args, Parser, Subcommand};

use crate::doctor::{Bitness, Report, Wanted};
use crate::package::{Handler, Name, Package, Site};

/// What was found is bad; clap itself ends with 2 when the command line is not understood.
const FOUND: u8 = 1;

/// Bivalve: HTTP modules for IIS and for Tower
#[derive(Debug, Parser)]
#[command(name = "bivalve", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

// A command is a variant here and a function below.
#[derive(Debug, Subcommand)]
enum Command {
    /// Modules as IIS loads them
    Iis {
        #[command(subcommand)]
        command: Iis,
    },
    /// Serve HTTP with native modules inside, as IIS would
    ///
    /// What no module answers is 404: there is no file server. RUST_LOG=debug tells more.
    IisHost(HostArgs),
}

#[derive(Debug, Subcommand)]
enum Iis {
    /// Read a module's DLL, and say what would keep IIS from loading it
    ///
    /// A Linux shared object of the same module can be read too. Nothing is run. Ends with 1 when IIS would not load
    /// the file.
    Doctor(Doctor),
    /// Pack a module's DLL with scripts that install and remove it
    ///
    /// Runs `doctor` first, and packs nothing that IIS would not load.
    Package(Pack),
}

#[derive(Debug, Args)]
struct Doctor {
    /// The module: a DLL, or a Linux shared object
    #[arg(value_name = "DLL")]
    dll: PathBuf,

    /// What the application pool's worker process is; anything else cannot be loaded by it
    #[arg(long, value_name = "32|64")]
    bitness: Option<Bitness>,
}

#[derive(Debug, Args)]
struct Pack {
    /// The module's DLL
    #[arg(long, value_name = "PATH")]
    dll: PathBuf,

    /// A name that the DLL registers a module under; once for each module [default: all that the DLL says]
    #[arg(long = "name", value_name = "NAME")]
    names: Vec<Name>,

    /// The folder to make [default: the DLL's name and `-iis`]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// A site that the scripts enable the modules for, unless they are told others; may be repeated
    #[arg(long = "site", value_name = "SITE")]
    sites: Vec<Site>,

    /// A module that is a handler, and the path it answers for [default path: *]; may be repeated
    #[arg(long = "handler", value_name = "NAME[=PATH]")]
    handlers: Vec<Handler>,

    /// What the application pool's worker process is; anything else is refused
    #[arg(long, value_name = "32|64")]
    bitness: Option<Bitness>,

    /// Overwrite files of an earlier package
    #[arg(long)]
    force: bool,
}

impl Cli {
    /// Does what was asked. Results go to standard output; why nothing was done goes to standard error.
    pub fn run(self) -> ExitCode {
        match self.command {
            Command::Iis { command: Iis::Doctor(doctor) } => doctor.run(),
            Command::Iis { command: Iis::Package(pack) } => pack.run(),
            Command::IisHost(host) => host.run(),
        }
    }
}

impl Doctor {
    fn run(self) -> ExitCode {
        let report = Report::of_file(&self.dll, Wanted { bitness: self.bitness });
        print(&report.to_string());
        if report.keeps_iis_from_loading() { ExitCode::from(FOUND) } else { ExitCode::SUCCESS }
    }
}

impl Pack {
    fn run(self) -> ExitCode {
        let report = Report::of_file(&self.dll, Wanted { bitness: self.bitness });
        print(&report.to_string());
        let package = Package { names: self.names, sites: self.sites, handlers: self.handlers };
        let written = package.files(&self.dll, &report).and_then(|files| {
            files.write(&self.out.unwrap_or_else(|| Package::folder(&self.dll)), self.force)
        });
        match written {
            Ok(written) => {
                print(&format!("\n{written}"));
                ExitCode::SUCCESS
            }
            Err(error) => {
                let _ = writeln!(io::stderr(), "bivalve: {error}");
                ExitCode::from(FOUND)
            }
        }
    }
}

/// Nobody may be reading; then the exit code says it.
fn print(text: &str) {
    let _ = io::stdout().lock().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_host_takes_modules_and_their_names() {
        let good = ["bivalve", "iis-host", "--module", "gate.dll", "--name", "Gate", "--root", "site"];
        assert!(Cli::try_parse_from(good).is_ok());
        assert!(Cli::try_parse_from(["bivalve", "iis-host", "--module", "gate.dll"]).is_err());
    }

    #[test]
    fn a_package_takes_names_or_those_of_the_dll() {
        assert!(Cli::try_parse_from(["bivalve", "iis", "package", "--dll", "a.dll"]).is_ok());
        let good = ["bivalve", "iis", "package", "--dll", "a.dll", "--name", "A", "--name", "B"];
        assert!(Cli::try_parse_from(good).is_ok());
    }

    #[test]
    fn a_name_that_scripts_cannot_carry_is_refused_at_once() {
        let bad = ["bivalve", "iis", "package", "--dll", "a.dll", "--name", "a'b"];
        let error = Cli::try_parse_from(bad).expect_err("refused").to_string();
        assert!(error.contains("apostrophe"), "{error}");
    }
}
