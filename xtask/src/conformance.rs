//! What others have written, and the server: the corpus put to other servers, and their tools put to ours.
//!
//! The tests are ignored where nobody asks for them, since they need programs that a developer may not have: here they are
//! brought first. `cargo xtask conformance` also writes docs/http-conformance.md.

use std::path::PathBuf;

use crate::Result;
use crate::command::Command;
use crate::tools::Tool;

/// The packages of Debian 12.
pub(crate) const PACKAGES: &str = "nginx libnginx-mod-http-echo apache2-bin slowhttptest python3-venv";
/// What nginx needs besides itself.
const ECHO: &str = "/usr/lib/nginx/modules/ngx_http_echo_module.so";

/// Another version may be held by a baseline of its own.
pub(crate) const HTTPWG: &str = "httpwg-cli --version 0.2.5";
/// From the Python Package Index.
const PYTHON_PACKAGES: [&str; 2] = ["redbot==2.7.1", "websockets==17.4"];

/// What the tests start.
pub(crate) const TOOLS: &[Tool] = &[Tool::Curl, Tool::Httpwg, Tool::Nextest, Tool::Servers];

/// The tests of `bivalve-server` that are ignored otherwise.
const TESTS: [&str; 5] = ["httpwg", "peers", "redbot", "slowhttptest", "websockets"];

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Only this one: httpwg, peers, redbot, slowhttptest or websockets
    #[arg(value_name = "TEST", value_parser = TESTS)]
    test: Option<String>,
}

/// Runs them, and writes the table.
pub(crate) fn run(options: &Options) -> Result<bool> {
    for tool in TOOLS {
        tool.ensure()?;
    }
    let tests: Vec<&str> = options.test.as_ref().map_or(TESTS.to_vec(), |test| vec![test]);
    Ok(command(&tests)?.env("BIVALVE_WRITE", "1").streamed()?.success())
}

/// Runs them, and compares the table.
pub(crate) fn check(log: &mut String) -> Result<bool> {
    let command = command(&TESTS)?;
    let output = command.captured()?;
    log.push_str(&format!(
        "{command}\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    ));
    Ok(output.status.success())
}

/// What is missing of the programs that come as packages.
pub(crate) fn missing() -> Vec<&'static str> {
    let starts = |line: &str| Command::new(line).captured().is_ok_and(|output| output.status.success());
    let mut missing = Vec::new();
    if !starts("nginx -v") || !std::path::Path::new(ECHO).exists() {
        missing.push("nginx with its echo module");
    }
    if !starts("apache2 -v") {
        missing.push("apache2");
    }
    // It has no option that ends well.
    if Command::new("slowhttptest -h").captured().is_err() {
        missing.push("slowhttptest");
    }
    if !starts("python3 -m venv --help") || !starts("python3 -m ensurepip --version") {
        missing.push("python3-venv");
    }
    missing
}

/// All at once: most of the time they wait for servers that wait for them. With the features of the step `nextest`, which has
/// built the dependencies then.
fn command(tests: &[&str]) -> Result<Command> {
    let line =
        "cargo nextest run --cargo-quiet --workspace --all-features --run-ignored only --test-threads 8";
    let command = Command::new(line);
    let command = tests.iter().fold(command, |command, test| command.arg("--test").arg(*test));
    if !tests.iter().any(|test| ["redbot", "websockets"].contains(test)) {
        return Ok(command);
    }
    Ok(command.env("BIVALVE_PYTHON", python()?.display().to_string()))
}

/// A Python with those packages, in a directory of ours: it is made once.
fn python() -> Result<PathBuf> {
    let directory = crate::scratch()?.join(PYTHON_PACKAGES.join("-").replace("==", "-"));
    let python = directory.join("bin/python");
    let imports = Command::of(&python).arg("-c").arg("import redbot, websockets");
    if imports.captured().is_ok_and(|output| output.status.success()) {
        return Ok(python);
    }
    for command in [
        Command::new("python3 -m venv --clear").arg(directory.display().to_string()),
        Command::of(&python)
            .args(["-m", "pip", "install", "--quiet"].map(String::from))
            .args(PYTHON_PACKAGES.map(String::from)),
    ] {
        let output = command.captured()?;
        if !output.status.success() {
            let told = [output.stdout, output.stderr].concat();
            return Err(format!("`{command}` failed:\n{}", String::from_utf8_lossy(&told)).into());
        }
    }
    Ok(python)
}
