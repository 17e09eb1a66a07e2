//! What the gates need beyond cargo itself, and how it gets onto a machine.

use std::fmt;

use crate::command::Command;
use crate::windows::toolchain;
use crate::{Result, conformance, cpp};

/// A program that some gate starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tool {
    Clippy,
    /// All that builds C++ with the MSVC layout and runs it.
    Cpp,
    Curl,
    Fuzz,
    Hack,
    /// A suite for HTTP/2.
    Httpwg,
    Nextest,
    /// The toolchain that has sanitizers.
    Nightly,
    Rustfmt,
    /// Other servers, and tools that are put to ours.
    Servers,
    /// All that builds and runs for Windows.
    Windows,
}

/// A tool that is not here and could not be installed: the one line that brings it.
#[derive(Debug)]
pub(crate) struct Missing {
    tool: Tool,
    line: String,
}

impl Tool {
    /// Finds the tool, or installs it where that needs nobody's decision.
    ///
    /// A cargo subcommand goes into the user's own cargo directory; `curl`, other servers and what builds for Windows
    /// come from Debian's packages when we are root there. A toolchain's components are the user's to change, so
    /// those are only named.
    pub(crate) fn ensure(self) -> Result<(), Missing> {
        if self.present() {
            return Ok(());
        }
        for command in self.installation() {
            println!("{self} is missing: running `{command}`");
            let done = command.captured();
            if !done.as_ref().is_ok_and(|output| output.status.success()) {
                eprintln!("{}", told(done));
                return Err(self.missing());
            }
        }
        if self.present() { Ok(()) } else { Err(self.missing()) }
    }

    fn present(self) -> bool {
        let version = match self {
            Tool::Clippy => "cargo clippy --version",
            Tool::Cpp => return cpp::missing().is_empty(),
            Tool::Curl => "curl --version",
            Tool::Fuzz => "cargo fuzz --version",
            Tool::Hack => "cargo hack --version",
            // It knows no `--version`, and says so with success.
            Tool::Httpwg => "httpwg --version",
            Tool::Nextest => "cargo nextest --version",
            Tool::Nightly => "cargo +nightly --version",
            Tool::Rustfmt => "cargo fmt --version",
            Tool::Servers => return conformance::missing().is_empty(),
            Tool::Windows => return toolchain::missing().is_empty(),
        };
        Command::new(version).captured().is_ok_and(|output| output.status.success())
    }

    /// The commands that install it without asking; none where we must not, or cannot.
    fn installation(self) -> Vec<Command> {
        match self {
            Tool::Fuzz => vec![Command::new("cargo install cargo-fuzz --locked")],
            Tool::Hack => vec![Command::new("cargo install cargo-hack --locked")],
            // It waits for the server more than it works.
            Tool::Httpwg => {
                vec![Command::new(&format!("cargo install {} --locked --debug", conformance::HTTPWG))]
            }
            Tool::Nextest => vec![Command::new("cargo install cargo-nextest --locked")],
            Tool::Servers if is_root() && has_apt() => packages(conformance::PACKAGES),
            Tool::Curl if is_root() && has_apt() => packages("curl ca-certificates"),
            Tool::Cpp if is_root() && has_apt() => packages(cpp::PACKAGES),
            Tool::Windows if is_root() && has_apt() => packages(toolchain::PACKAGES),
            Tool::Clippy
            | Tool::Cpp
            | Tool::Curl
            | Tool::Nightly
            | Tool::Rustfmt
            | Tool::Servers
            | Tool::Windows => Vec::new(),
        }
    }

    fn missing(self) -> Missing {
        let line = match self {
            Tool::Clippy | Tool::Rustfmt => "rustup component add clippy rustfmt".into(),
            Tool::Cpp => format!("sudo apt-get install --no-install-recommends {}", cpp::PACKAGES),
            Tool::Curl => "sudo apt-get install curl".into(),
            Tool::Fuzz => "cargo install cargo-fuzz --locked".into(),
            Tool::Hack => "cargo install cargo-hack --locked".into(),
            Tool::Nextest => "cargo install cargo-nextest --locked".into(),
            Tool::Httpwg => format!("cargo install {} --locked --debug", conformance::HTTPWG),
            Tool::Nightly => "rustup toolchain install nightly --profile minimal".into(),
            Tool::Servers => {
                format!("sudo apt-get install --no-install-recommends {}", conformance::PACKAGES)
            }
            Tool::Windows => {
                format!("sudo apt-get install --no-install-recommends {}", toolchain::PACKAGES)
            }
        };
        Missing { tool: self, line }
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Tool::Clippy => "clippy",
            Tool::Cpp => {
                return write!(f, "what builds and runs C++ for Windows ({})", cpp::missing().join(", "));
            }
            Tool::Curl => "curl",
            Tool::Fuzz => "cargo-fuzz",
            Tool::Hack => "cargo-hack",
            Tool::Httpwg => "httpwg",
            Tool::Nextest => "cargo-nextest",
            Tool::Nightly => "the nightly toolchain",
            Tool::Rustfmt => "rustfmt",
            Tool::Servers => {
                return write!(f, "what the server is compared with ({})", conformance::missing().join(", "));
            }
            Tool::Windows => {
                return write!(f, "what builds for Windows ({})", toolchain::missing().join(", "));
            }
        })
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is missing; run `{}`", self.tool, self.line)
    }
}

impl std::error::Error for Missing {}

fn told(done: Result<std::process::Output>) -> String {
    match done {
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    }
}

/// Never at the price of a package that is here: whoever has one that is in the way has to decide.
fn packages(names: &str) -> Vec<Command> {
    let install = Command::new("apt-get install --yes --no-remove --no-install-recommends")
        .args(names.split(' ').map(String::from))
        .env("DEBIAN_FRONTEND", "noninteractive");
    vec![Command::new("apt-get update"), install]
}

fn is_root() -> bool {
    Command::new("id -u").captured().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn has_apt() -> bool {
    Command::new("apt-get --version").captured().is_ok_and(|output| output.status.success())
}
