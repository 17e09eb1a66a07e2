//! What the shim of `bivalve-iis` costs, against C++ modules that do the same: `cargo xtask bench iis`.
//!
//! Both are called by the same few lines, through the same vtables, in the same fixed memory (`server`); only the module
//! differs. The host of `bivalve-iis-host` is not used: what it does around a call, a thread's hop among it, is a
//! thousand times what is to be seen here.

mod cpp;
mod modules;
mod report;
mod server;

use std::fmt;
use std::io;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use self::cpp::Cpp;
use self::server::{Registered, Requests};
use crate::measure::median;

/// Interleaved rounds; their median ignores those in which somebody else had the core.
const ROUNDS: usize = 31;

/// How long a round of one contender is.
const ROUND: Duration = Duration::from_millis(10);

/// What is measured of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// BeginRequest, again and again in one request.
    Notification,
    /// The same, with a response to which nobody has written yet.
    Afresh,
    /// A whole request: object, BeginRequest, end.
    Request,
    /// BeginRequest with an operation that IIS completes after it has returned.
    Completion,
    /// BeginRequest that another thread completes.
    WakeUp,
}

struct Case {
    key: &'static str,
    what: &'static str,
    module: &'static str,
    way: Way,
    /// Whether goal 10 is about it.
    is_goal: bool,
}

const CASES: [Case; 12] = [
    case("empty", "does nothing", "Empty", Way::Notification, true),
    case("state", "counts in its state of the request", "State", Way::Notification, true),
    case("header", "sets a response header, another value each time", "Header", Way::Notification, true),
    case("host", "reads a request header", "ReadHeader", Way::Notification, true),
    case("read", "reads a request header and a server variable", "Read", Way::Notification, true),
    case("hello", "writes 12 bytes and finishes", "Hello", Way::Afresh, true),
    case("request", "does nothing", "Empty", Way::Request, false),
    case("request-state", "counts in its state of the request", "State", Way::Request, false),
    case("request-header", "sets a response header", "Header", Way::Request, false),
    case("request-hello", "writes 12 bytes and finishes", "Hello", Way::Request, false),
    case("completion", "flushes, and waits for IIS", "Flush", Way::Completion, false),
    case("wake-up", "waits for another thread", "Wake", Way::WakeUp, false),
];

const fn case(key: &'static str, what: &'static str, module: &'static str, way: Way, is_goal: bool) -> Case {
    Case { key, what, module, way, is_goal }
}

/// What one contender costs in one case.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    ns: f64,
    allocations: f64,
}

/// A contender in a case.
struct Contender {
    requests: Requests,
    way: Way,
}

impl Contender {
    fn new(registered: &Registered, way: Way) -> Self {
        let mut requests = Requests::new(registered);
        if way != Way::Request {
            requests.begin();
        }
        Self { requests, way }
    }

    fn run(&mut self, count: u32) {
        let requests = &mut self.requests;
        for _ in 0..count {
            let status = match self.way {
                Way::Notification => requests.notify(),
                Way::Afresh => requests.notify_afresh(),
                Way::Request => {
                    requests.begin();
                    let status = requests.notify();
                    requests.end();
                    status
                }
                Way::Completion => requests.notify_and_complete(),
                Way::WakeUp => requests.notify_and_wait(),
            };
            std::hint::black_box(status);
        }
    }

    /// Nanoseconds of one.
    fn time(&mut self, count: u32) -> f64 {
        let clock =
            if self.way == Way::WakeUp { libc::CLOCK_MONOTONIC } else { libc::CLOCK_THREAD_CPUTIME_ID };
        let start = now(clock);
        self.run(count);
        (now(clock) - start).as_secs_f64() * 1e9 / f64::from(count)
    }

    /// Allocations of one, once it runs steadily.
    fn count(&mut self, counted: &impl Fn() -> usize) -> f64 {
        const TURNS: u32 = 1000;
        self.run(64);
        let before = counted();
        self.run(TURNS);
        f64::from(u32::try_from(counted() - before).unwrap_or(u32::MAX)) / f64::from(TURNS)
    }

    /// As many as a round takes.
    fn calibrate(&mut self) -> u32 {
        let mut count = 16;
        while self.time(count) * f64::from(count) < ROUND.as_secs_f64() * 1e9 && count < 1 << 26 {
            count *= 2;
        }
        count
    }
}

/// The time of this clock. That of the thread stands still while somebody else has the core.
fn now(clock: libc::clockid_t) -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the time is written to during the call.
    let read = unsafe { libc::clock_gettime(clock, &raw mut time) };
    assert_eq!(read, 0, "Linux has these clocks");
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// The contender in Rust.
fn rust(case: &Case) -> Contender {
    let registered = Registered::new(case.module, |info| {
        let version = bivalve_iis_sys::version::IIS_10_0;
        // SAFETY: the registration is alive during the call; there is no server, which the shim allows.
        unsafe { bivalve_iis::register(version, info, std::ptr::null_mut(), modules::choose) }
    });
    Contender::new(&registered, case.way)
}

/// Both contenders of a case: Rust first.
fn contenders(case: &Case, cpp: &Cpp) -> [Contender; 2] {
    let cpp = Registered::new(case.module, |info| cpp.register(info));
    let mut both = [rust(case), Contender::new(&cpp, case.way)];
    if case.way != Way::WakeUp && case.way != Way::Request {
        let [rust, cpp] = both.each_mut().map(|contender| {
            contender.run(3);
            contender.requests.outcome()
        });
        assert_eq!(rust, cpp, "{}: they do not do the same", case.key);
    }
    both
}

/// Measures the cases whose key has all these parts, and says how long one of each takes.
///
/// # Errors
///
/// When there is no C++ compiler, or no allocation counter.
pub fn section(program: &Path, counting: &Path, filter: &[&str]) -> io::Result<Option<String>> {
    let (object, compiler) = cpp::build(program)?;
    let cpp = Cpp::load(&object)?;
    let mut costs = Vec::new();
    for case in CASES.iter().filter(|case| filter.iter().all(|part| case.key.contains(part))) {
        eprintln!("iis: {} …", case.key);
        let counted = counted(counting, case.key)?;
        let mut both = contenders(case, &cpp);
        let counts = both.each_mut().map(Contender::calibrate);
        let mut rounds = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            for index in 0..2 {
                rounds[index].push(both[index].time(counts[index]));
            }
        }
        let [rust, cpp] = rounds.map(median);
        let cost = |ns, allocations| Cost { ns, allocations };
        costs.push((case, [cost(rust, counted[0]), cost(cpp, counted[1])]));
    }
    Ok(Some(report::section(&compiler, &costs)))
}

/// Allocations of each contender, from the program that counts them.
fn counted(counting: &Path, key: &str) -> io::Result<[f64; 2]> {
    let output = Command::new(counting).args(["iis", key]).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let figures: Vec<f64> = text.split_whitespace().filter_map(|figure| figure.parse().ok()).collect();
    figures.try_into().map_err(|_| io::Error::other(format!("no allocation count of {key}: {text}")))
}

/// In the program that counts: allocations of each contender of a case, once it runs steadily.
///
/// # Errors
///
/// When the modules in C++ have not been built, or there is no such case.
pub fn count(program: &Path, key: &str, counted: impl Fn() -> usize) -> io::Result<[f64; 2]> {
    let cpp = Cpp::load(&program.with_file_name("libbivalve_bench_modules.so"))?;
    let case = CASES.iter().find(|case| case.key == key).ok_or_else(|| io::Error::other("no such case"))?;
    let counted = || counted() + cpp.allocated();
    Ok(contenders(case, &cpp).map(|mut contender| contender.count(&counted)))
}

/// Allocations of each synchronous module behind the shim, per notification: for a test.
pub fn count_synchronous(counted: impl Fn() -> usize) -> Vec<(&'static str, f64)> {
    CASES.iter().filter(|case| case.is_goal).map(|case| (case.what, rust(case).count(&counted))).collect()
}

impl fmt::Debug for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contender").field("way", &self.way).finish_non_exhaustive()
    }
}
