//! A process that is measured, and its CPU time by the kernel's own account.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A child process on the first core; killed when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    first: String,
}

impl Server {
    /// Starts it and waits for its first line.
    pub(crate) fn start(program: &Path, args: &[&str]) -> io::Result<Self> {
        // Pinned to one core; the client takes the other.
        let mut process = Command::new("taskset")
            .args(["-c", "0"])
            .arg(program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let missing = || io::Error::other("the server has no standard input and output");
        let input = process.stdin.take().ok_or_else(missing)?;
        let output = BufReader::new(process.stdout.take().ok_or_else(missing)?);
        let mut server = Self { process, input, output, first: String::new() };
        server.first = server.line()?;
        Ok(server)
    }

    /// Of the process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// What it printed first.
    pub(crate) fn port(&self) -> io::Result<u16> {
        self.first
            .parse()
            .map_err(|_| io::Error::other(format!("a server printed {:?}, not its port", self.first)))
    }

    /// Writes a line and waits for a number.
    pub(crate) fn ask(&mut self, question: &str) -> io::Result<u64> {
        writeln!(self.input, "{question}")?;
        let answer = self.line()?;
        answer.parse().map_err(|_| io::Error::other(format!("a server answered {answer:?}")))
    }

    /// CPU time of all threads so far.
    pub(crate) fn spent(&self) -> io::Result<Spent> {
        Spent::by(self.id())
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }
}

/// Nanoseconds of a process, all threads together.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spent {
    /// On a core.
    pub(crate) cpu: u64,
    /// Ready to run, while something else had the core.
    pub(crate) waited: u64,
}

impl Spent {
    /// By a process, so far.
    pub(crate) fn by(id: u32) -> io::Result<Self> {
        let mut spent = Self::default();
        for task in std::fs::read_dir(format!("/proc/{id}/task"))? {
            let stat = std::fs::read_to_string(task?.path().join("schedstat"))?;
            let mut fields = stat.split_whitespace().map(|n| n.parse::<u64>().unwrap_or(0));
            spent.cpu += fields.next().unwrap_or(0);
            spent.waited += fields.next().unwrap_or(0);
        }
        Ok(spent)
    }

    /// Since an earlier moment.
    pub(crate) fn since(self, before: Self) -> Self {
        Self { cpu: self.cpu.saturating_sub(before.cpu), waited: self.waited.saturating_sub(before.waited) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
