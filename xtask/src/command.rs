//! Programs that the gates start: shown as one would type them, run in the root of the checkout unless they say
//! otherwise.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Output, Stdio};

use crate::Result;

/// One command line, with the environment it needs.
#[derive(Debug, Clone)]
pub(crate) struct Command {
    env: Vec<(&'static str, String)>,
    words: Vec<String>,
    directory: Option<PathBuf>,
}

impl Command {
    /// Splits `line` at blanks: for fixed commands. What may contain blanks comes through `arg`.
    pub(crate) fn new(line: &str) -> Self {
        let words = line.split_whitespace().map(String::from).collect();
        Self { env: Vec::new(), words, directory: None }
    }

    /// A program by its path, which may contain blanks.
    pub(crate) fn of(program: &Path) -> Self {
        Self { env: Vec::new(), words: vec![program.display().to_string()], directory: None }
    }

    pub(crate) fn arg(mut self, arg: impl Into<String>) -> Self {
        self.words.push(arg.into());
        self
    }

    pub(crate) fn args(mut self, args: impl IntoIterator<Item = String>) -> Self {
        self.words.extend(args);
        self
    }

    pub(crate) fn env(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.env.push((name, value.into()));
        self
    }

    /// Runs in this directory.
    pub(crate) fn within(mut self, directory: &Path) -> Self {
        self.directory = Some(directory.to_path_buf());
        self
    }

    /// Runs with this terminal's output.
    pub(crate) fn streamed(&self) -> Result<ExitStatus> {
        self.prepared().status().map_err(|error| self.not_started(&error))
    }

    /// Runs with both outputs in `log`, in the order in which they were written.
    pub(crate) fn logged(&self, log: &Path) -> Result<ExitStatus> {
        Ok(self.spawned(log)?.wait()?)
    }

    /// Starts with both outputs in `log`. The caller ends it.
    pub(crate) fn spawned(&self, log: &Path) -> Result<Child> {
        let out = File::create(log)?;
        let err = out.try_clone()?;
        self.started(out, err)
    }

    /// The same with each output in a file of its own.
    pub(crate) fn spawned_apart(&self, out: &Path, err: &Path) -> Result<Child> {
        self.started(File::create(out)?, File::create(err)?)
    }

    fn started(&self, out: File, err: File) -> Result<Child> {
        self.prepared().stdout(out).stderr(err).spawn().map_err(|error| self.not_started(&error))
    }

    /// Runs and keeps both outputs.
    pub(crate) fn captured(&self) -> Result<Output> {
        self.prepared().output().map_err(|error| self.not_started(&error))
    }

    /// For who has more to say to it.
    pub(crate) fn prepared(&self) -> std::process::Command {
        let mut command = std::process::Command::new(&self.words[0]);
        let directory = self.directory.clone().unwrap_or_else(crate::root);
        command.args(&self.words[1..]).current_dir(directory).stdin(Stdio::null());
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    fn not_started(&self, error: &io::Error) -> Box<dyn std::error::Error> {
        format!("`{self}` did not start: {error}").into()
    }
}

/// As one would type it into a POSIX shell.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let env = self.env.iter().map(|(name, value)| format!("{name}={}", quoted(value)));
        let words = self.words.iter().map(|word| quoted(word));
        f.write_str(&env.chain(words).collect::<Vec<_>>().join(" "))
    }
}

/// Whether the workspace has a package of this name.
pub(crate) fn has_package(name: &str) -> Result<bool> {
    Ok(Command::new("cargo pkgid --quiet --package").arg(name).captured()?.status.success())
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_reads_as_one_would_type_it() {
        let command = Command::new("cargo doc --no-deps").env("RUSTDOCFLAGS", "-D warnings").arg("it's");
        assert_eq!(command.to_string(), r"RUSTDOCFLAGS='-D warnings' cargo doc --no-deps 'it'\''s'");
    }

    #[test]
    fn an_empty_argument_stays_visible() {
        assert_eq!(Command::new("echo").arg("").to_string(), "echo ''");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = Command::new("no-such-program-here --flag").captured().expect_err("must not start");
        assert!(error.to_string().starts_with("`no-such-program-here --flag` did not start: "), "{error}");
    }
}
