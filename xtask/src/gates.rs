//! `cargo xtask test`: the gates, in order, and the table at the end.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use clap::ValueEnum;

use crate::command::Command;
use crate::tools::{Missing, Tool};
use crate::{Result, conformance, cpp, deep, diagrams, fuzz, house, smoke, windows};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Run the property tests with 20000 cases each (PROPTEST_CASES=20000) and the soak for ten minutes, and give slow
    /// tests half an hour, and fuzzing a quarter of one
    #[arg(long)]
    long: bool,

    /// Go on after a step that failed
    #[arg(long)]
    keep_going: bool,

    /// Only these steps; all of them when none is named
    #[arg(value_name = "STEP")]
    steps: Vec<Step>,
}

/// The gates, the cheap ones first: the order is the one in which they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Step {
    /// Formatting
    Fmt,
    /// The project's own rules for sources and documents
    House,
    /// The pictures of the documents are what the code says
    Diagrams,
    /// Lints, warnings denied
    Clippy,
    /// All tests but the doctests
    Nextest,
    /// The examples in the documentation
    Doctest,
    /// The tests that run on Windows, under Wine where this is Linux, and compile checks of other targets
    Windows,
    /// Clang's layouts of IIS's classes against ours, and C++ modules in a C++ host under Wine
    Cpp,
    /// Every combination of features of every published crate
    Powerset,
    /// The documentation, warnings denied
    Docs,
    /// The gate example, started for real and asked with curl
    Smoke,
    /// The server next to hyper, nginx and Apache httpd, and under httpwg, slowhttptest, redbot and a WebSocket client
    Conformance,
    /// What threads share in the drivers, in all orders of events
    Loom,
    /// The tests of the io_uring driver, and of both sides of IIS's interfaces, under AddressSanitizer
    Asan,
    /// Arbitrary octets for what reads those of strangers, for a minute and a half
    Fuzz,
    /// A minute of mixed traffic on io_uring
    Soak,
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Passed,
    Failed,
    /// A tool is missing on a developer's machine. Never happens where CI=true.
    Skipped,
    /// An earlier step failed, and `--keep-going` was not given.
    NotRun,
    /// It is about something that this operating system does not have.
    NotHere,
}

enum Action {
    /// Runs with its output in a file that is shown when it fails.
    Quiet(Command),
    /// Runs with its output on the terminal.
    Shown(Command),
    /// One of our own checks: writes what it did to the log, and `false` is a failure.
    Own(fn(&mut String) -> Result<bool>),
}

/// Runs the chosen steps; `true` when none of them failed.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let steps: Vec<Step> = Step::value_variants()
        .iter()
        .copied()
        .filter(|step| options.steps.is_empty() || options.steps.contains(step))
        .collect();
    let missing = set_up(&steps);
    let scratch = crate::scratch()?;
    let mut table = Vec::new();
    let mut stopped = false;
    for (index, step) in steps.iter().enumerate() {
        if stopped {
            table.push((*step, Verdict::NotRun, Duration::ZERO));
            continue;
        }
        print!("[{:>2}/{}] {:<11} ", index + 1, steps.len(), step.name());
        io::stdout().flush()?;
        let start = Instant::now();
        let verdict = match step.tools().iter().find_map(|tool| missing.get(tool)) {
            _ if !step.is_for_here() => {
                println!("not on {}", std::env::consts::OS);
                Verdict::NotHere
            }
            Some(missing) => without_tool(missing),
            None => step.run(options.long, &scratch)?,
        };
        stopped = verdict == Verdict::Failed && !options.keep_going;
        table.push((*step, verdict, start.elapsed()));
    }
    print!("{}", rendered(&table));
    Ok(table.iter().all(|(_, verdict, _)| !matches!(verdict, Verdict::Failed | Verdict::NotRun)))
}

impl Step {
    fn run(self, long: bool, scratch: &Path) -> Result<Verdict> {
        let start = Instant::now();
        let log = &scratch.join(format!("{}.log", self.name()));
        let passed = match self.action(long, scratch) {
            Action::Shown(command) => {
                println!("{command}");
                let passed = command.streamed()?.success();
                print!("{:19}", "");
                if !passed {
                    println!("failed; to repeat it: {command}");
                }
                passed
            }
            Action::Quiet(command) => {
                let passed = command.logged(log)?.success();
                if !passed {
                    show_failure(&command.to_string(), &fs::read(log)?)?;
                }
                passed
            }
            Action::Own(check) => {
                let mut told = String::new();
                let passed = check(&mut told).unwrap_or_else(|error| {
                    told.push_str(&format!("{error}\n"));
                    false
                });
                fs::write(log, &told)?;
                if !passed {
                    show_failure(&format!("cargo xtask test {}", self.name()), told.as_bytes())?;
                }
                passed
            }
        };
        if passed {
            println!("{:>7.1} s", start.elapsed().as_secs_f64());
        }
        Ok(if passed { Verdict::Passed } else { Verdict::Failed })
    }

    fn action(self, long: bool, scratch: &Path) -> Action {
        match self {
            Step::Fmt => Action::Quiet(Command::new("cargo fmt --all --check")),
            Step::House => Action::Own(house::run),
            Step::Diagrams => Action::Own(diagrams::check),
            Step::Clippy => Action::Quiet(Command::new(
                "cargo clippy --workspace --all-targets --all-features -- -D warnings",
            )),
            Step::Nextest => Action::Shown(nextest(long)),
            Step::Doctest => {
                Action::Quiet(Command::new("cargo test --workspace --doc --all-features --no-fail-fast"))
            }
            // Resolver 3 keeps dev-dependencies out of this already. cargo-hack's `--no-dev-deps` would
            // say it twice, and rewrites the manifests while it runs. Clippy, because a warning under
            // one combination of features is a warning too.
            Step::Powerset => Action::Quiet(Command::new(
                "cargo hack clippy --workspace --ignore-private --feature-powerset -- -D warnings",
            )),
            Step::Docs => Action::Quiet(
                Command::new("cargo doc --no-deps --workspace --all-features")
                    .env("RUSTDOCFLAGS", "-D warnings"),
            ),
            Step::Windows => Action::Own(windows::run),
            Step::Cpp => Action::Own(cpp::run),
            Step::Smoke => Action::Own(smoke::run),
            Step::Conformance => Action::Own(conformance::check),
            Step::Loom => Action::Quiet(deep::loom(scratch)),
            Step::Asan => Action::Quiet(deep::asan(scratch, long)),
            Step::Fuzz => Action::Own(if long { fuzz::run_long } else { fuzz::run }),
            Step::Soak => Action::Quiet(deep::soak(long)),
        }
    }

    /// Whether this operating system has what the step is about.
    fn is_for_here(self) -> bool {
        match self {
            // It ends the server with a signal.
            Step::Smoke => cfg!(unix),
            Step::Asan => cfg!(all(target_os = "linux", target_arch = "x86_64")),
            Step::Conformance | Step::Cpp | Step::Fuzz | Step::Loom | Step::Soak => cfg!(target_os = "linux"),
            _ => true,
        }
    }

    fn tools(self) -> &'static [Tool] {
        match self {
            Step::Fmt => &[Tool::Rustfmt],
            Step::Clippy => &[Tool::Clippy],
            Step::Nextest | Step::Loom | Step::Soak => &[Tool::Nextest],
            Step::Asan => &[Tool::Nextest, Tool::Nightly],
            Step::Fuzz => &[Tool::Fuzz, Tool::Nightly],
            Step::Powerset => &[Tool::Clippy, Tool::Hack],
            // On Windows the tests need nothing but cargo.
            Step::Windows if std::env::consts::OS == "windows" => &[],
            Step::Windows => &[Tool::Windows],
            Step::Cpp => &[Tool::Cpp, Tool::Windows],
            Step::Smoke => &[Tool::Curl],
            Step::Conformance => conformance::TOOLS,
            Step::House | Step::Diagrams | Step::Doctest | Step::Docs => &[],
        }
    }

    /// The word for it on the command line.
    fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }
}

impl Verdict {
    fn name(&self) -> &'static str {
        match self {
            Verdict::Passed => "passed",
            Verdict::Failed => "FAILED",
            Verdict::Skipped => "skipped",
            Verdict::NotRun => "not run",
            Verdict::NotHere => "not here",
        }
    }
}

/// The test runner: its summary is what a reader and CI look for, so its output is never hidden.
fn nextest(long: bool) -> Command {
    let run = Command::new("cargo nextest run --workspace --all-features --cargo-quiet");
    if long {
        let run = run.arg("--profile").arg("long");
        run.env("PROPTEST_CASES", "20000").env("BIVALVE_LOAD_MIB", "1024")
    } else {
        run
    }
}

/// Installs what the steps need; what could not be installed.
fn set_up(steps: &[Step]) -> BTreeMap<Tool, Missing> {
    let mut tools: Vec<Tool> =
        steps.iter().filter(|step| step.is_for_here()).flat_map(|step| step.tools()).copied().collect();
    tools.sort();
    tools.dedup();
    tools.into_iter().filter_map(|tool| Some((tool, tool.ensure().err()?))).collect()
}

/// A developer may go on without a tool; CI may not.
fn without_tool(missing: &Missing) -> Verdict {
    println!("{missing}");
    if in_ci() { Verdict::Failed } else { Verdict::Skipped }
}

/// Whether a missing tool is a failure rather than a skipped step.
fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true" || value == "1")
}

fn show_failure(command: &str, output: &[u8]) -> Result<()> {
    let mut stdout = io::stdout();
    writeln!(stdout, "failed; to repeat it: {command}\n")?;
    stdout.write_all(output)?;
    writeln!(stdout)?;
    Ok(())
}

fn rendered(table: &[(Step, Verdict, Duration)]) -> String {
    let mut text = String::from("\nstep         verdict   seconds\n");
    for (step, verdict, taken) in table {
        let seconds = match verdict {
            Verdict::NotRun | Verdict::NotHere => String::from("-"),
            _ => format!("{:.1}", taken.as_secs_f64()),
        };
        text.push_str(&format!("{:<12} {:<8} {:>8}\n", step.name(), verdict.name(), seconds));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_aligned() {
        let table = [
            (Step::Fmt, Verdict::Passed, Duration::from_millis(420)),
            (Step::Powerset, Verdict::Failed, Duration::from_millis(123_450)),
            (Step::Docs, Verdict::NotRun, Duration::ZERO),
        ];
        let expected = "
step         verdict   seconds
fmt          passed        0.4
powerset     FAILED      123.5
docs         not run         -
";
        assert_eq!(rendered(&table), expected);
    }

    #[test]
    fn long_runs_ask_proptest_for_many_cases() {
        assert!(
            nextest(true)
                .to_string()
                .starts_with("PROPTEST_CASES=20000 BIVALVE_LOAD_MIB=1024 cargo nextest run ")
        );
        assert!(!nextest(false).to_string().contains("PROPTEST_CASES"));
    }

    #[test]
    fn step_names_are_those_of_the_command_line() {
        for step in Step::value_variants() {
            let value = step.to_possible_value().expect("no step is hidden");
            assert_eq!(value.get_name(), step.name());
        }
    }
}
