//! A process that is measured, and its CPU time by the kernel's own account.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

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

/// The client leaves the first core to the server.
pub(crate) fn pin_client() -> io::Result<()> {
    let id = std::process::id().to_string();
    let done = Command::new("taskset").args(["-cp", "1", &id]).stdout(Stdio::null()).status()?;
    if done.success() {
        Ok(())
    } else {
        Err(io::Error::other("the client cannot be pinned to a second core"))
    }
}

/// As many descriptors as 10,000 connections need, where the system allows it; servers inherit it.
pub(crate) fn raise_descriptors() {
    let id = std::process::id().to_string();
    // Where it does not, what needs them fails by itself.
    let _ = Command::new("prlimit").args(["--nofile=20000", "--pid", &id]).stderr(Stdio::null()).status();
}

/// How much of its time something else may have had.
const CALM: f64 = 0.02;

/// What was measured of a process. Taken again, up to so many times, if something else on this machine had the cores for
/// long meanwhile: then the least disturbed one counts.
pub(crate) fn calm<T>(id: u32, attempts: usize, mut measure: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let waited = || io::Result::Ok(Spent::by(id)?.waited + Spent::by(std::process::id())?.waited);
    let mut best: Option<(f64, T)> = None;
    for attempt in 1.. {
        let (before, begun) = (waited()?, Instant::now());
        let figure = measure()?;
        #[allow(clippy::cast_precision_loss, reason = "nanoseconds of seconds")]
        let disturbed = waited()?.saturating_sub(before) as f64 / 1e9 / begun.elapsed().as_secs_f64();
        if best.as_ref().is_none_or(|(least, _)| disturbed < *least) {
            best = Some((disturbed, figure));
        }
        if disturbed < CALM || attempt >= attempts {
            break;
        }
    }
    best.map(|(_, figure)| figure).ok_or_else(|| io::Error::other("nothing was measured"))
}

/// Clock ticks that the kernel saw a process in user space, and in itself.
pub(crate) fn ticks(id: u32) -> io::Result<(u64, u64)> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", id))?;
    // Behind the name, which may hold anything.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let mut fields = fields.split_whitespace().skip(11).map(|n| n.parse().unwrap_or(0));
    Ok((fields.next().unwrap_or(0), fields.next().unwrap_or(0)))
}

/// The facts that a reader of the figures asks for first.
pub(crate) fn processor() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let kernel = read("/proc/sys/kernel/osrelease");
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let processors = read("/proc/cpuinfo");
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown processor", |(_, model)| model);
    format!("{model}, {cores} cores, Linux {}", kernel.trim())
}
