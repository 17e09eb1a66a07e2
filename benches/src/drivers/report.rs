//! The section of the results that is about drivers.

use std::fmt::Write as _;

use super::Peer;
use super::measure::Cost;
use crate::measure::median;

/// What was measured.
#[derive(Debug)]
pub(super) struct Results {
    /// Nanoseconds of a posted completion: the driver, by its type, behind `dyn`.
    pub(super) posts: Vec<(&'static str, f64, f64)>,
    /// The echo on many connections.
    pub(super) many: Vec<Cost>,
    /// The echo on one.
    pub(super) single: Vec<Cost>,
    /// The reads.
    pub(super) reads: Vec<Cost>,
}

/// The section, from its heading on.
pub(super) fn markdown(machine: &str, results: &Results) -> String {
    let mut text = format!(
        "## Drivers\n\nWritten by `cargo xtask bench drivers`. Machine: {machine}. One thread on one core, the client, a bare io_uring \
         loop, on the other; loopback; a receive is answered with what came. CPU time of the server process with the kernel's part, \
         median of interleaved turns; ratios are taken turn by turn, and their median is given. System calls are counted by \
         `perf stat`, allocations in another build.\n\nThe driver for completion ports is not in the table: Wine translates it to \
         Linux's own calls, and says nothing about Windows.\n\n"
    );
    text.push_str(&echo(results));
    text.push_str(&reads(results));
    text.push_str(&dispatch(results));
    text.push_str(&goals(results));
    text
}

fn echo(results: &Results) -> String {
    let mut text = String::from(
        "### Echo\n\nMessages of 64 bytes over TCP, one at a time on each of 64 connections, and on one. X is the raw io_uring loop's \
         CPU ÷ this one's.\n\n| driver | CPU ns per echo | X, 64 connections | system calls per echo | allocations per echo | \
         CPU ns, 1 connection | X, 1 connection | system calls, 1 connection |\n|---|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for (many, single) in results.many.iter().zip(&results.single) {
        let _ = writeln!(
            text,
            "| {} | {:.0} | {:.2} | {} | {:.2} | {:.0} | {:.2} | {} |",
            many.peer.name(),
            many.cpu_ns(),
            ratio(&results.many, Peer::RawRing, many.peer),
            calls(many.calls),
            many.allocations,
            single.cpu_ns(),
            ratio(&results.single, Peer::RawRing, single.peer),
            calls(single.calls),
        );
    }
    text.push('\n');
    text
}

fn reads(results: &Results) -> String {
    let mut text = String::from(
        "### Reads of a file\n\n4 KiB at a time from all over a file of 64 MiB that is in the page cache, 32 in flight.\n\n\
         | driver | CPU ns per read | X, reads | system calls per read | allocations per read |\n|---|---:|---:|---:|---:|\n",
    );
    for cost in &results.reads {
        let _ = writeln!(
            text,
            "| {} | {:.0} | {:.2} | {} | {:.2} |",
            cost.peer.reader_name(),
            cost.cpu_ns(),
            ratio(&results.reads, Peer::RawRing, cost.peer),
            calls(cost.calls),
            cost.allocations
        );
    }
    text.push('\n');
    text
}

fn dispatch(results: &Results) -> String {
    let mut text = String::from(
        "### Static or dynamic\n\nThe same code over `Arc<UringDriver>` or `Arc<TokioDriver>`, and over `Arc<dyn Driver>`.\n\n\
         | what | by type | behind dyn | dyn ÷ type |\n|---|---:|---:|---:|\n",
    );
    for (name, by_type, dynamic) in &results.posts {
        let _ = writeln!(
            text,
            "| {name}, one `post` and its completion, ns | {by_type:.1} | {dynamic:.1} | {:.3} |",
            dynamic / by_type
        );
    }
    let costs = [
        ("one echo, 64 connections, CPU ns", &results.many),
        ("one echo, 1 connection, CPU ns", &results.single),
        ("one read, CPU ns", &results.reads),
    ];
    for (name, costs) in costs {
        let _ = writeln!(
            text,
            "| bivalve-uring, {name} | {:.0} | {:.0} | {:.3} |",
            figure(costs, Peer::Uring, Cost::cpu_ns),
            figure(costs, Peer::UringDyn, Cost::cpu_ns),
            ratio(costs, Peer::UringDyn, Peer::Uring),
        );
    }
    text.push('\n');
    text
}

fn goals(results: &Results) -> String {
    let Results { many, reads, .. } = results;
    let compio = ratio(many, Peer::Compio, Peer::Uring).min(ratio(many, Peer::CompioTuned, Peer::Uring));
    let calls = |cost: &Cost| cost.calls;
    let allocations = |cost: &Cost| (cost.allocations * 100.0).round() / 100.0;
    let tokio = |peer| (ratio(many, peer, Peer::Tokio) - 1.0) * 100.0;
    let rows = [
        at_least("bivalve-uring, echo: ≥ 0.95 × the raw loop", ratio(many, Peer::RawRing, Peer::Uring), 0.95),
        at_least("bivalve-uring, echo: ≥ 1.0 × the better compio", compio, 1.0),
        at_least(
            "bivalve-uring, reads: ≥ 0.95 × the raw loop",
            ratio(reads, Peer::RawRing, Peer::Uring),
            0.95,
        ),
        at_most("bivalve-uring, echo: ≤ 0.05 system calls", figure(many, Peer::Uring, calls), 0.05, ""),
        at_most("bivalve-uring, echo: 0 allocations", figure(many, Peer::Uring, allocations), 0.0, ""),
        at_most("bivalve-uring, reads: 0 allocations", figure(reads, Peer::Uring, allocations), 0.0, ""),
        at_most(
            "bivalve-tokio, receive: ≤ 3 % more CPU than Tokio",
            tokio(Peer::TokioDriverSingle),
            3.0,
            " %",
        ),
        at_most(
            "bivalve-tokio, receive_many: ≤ 3 % more CPU than Tokio",
            tokio(Peer::TokioDriver),
            3.0,
            " %",
        ),
        at_most("bivalve-tokio, echo: 0 allocations", figure(many, Peer::TokioDriver, allocations), 0.0, ""),
    ];
    format!("### Goals of the drivers\n\n| goal | reached | |\n|---|---:|---|\n{}", rows.concat())
}

fn at_least(goal: &str, reached: f64, limit: f64) -> String {
    let verdict = if reached >= limit { "met" } else { "**missed**" };
    format!("| {goal} | {reached:.2} | {verdict} |\n")
}

fn at_most(goal: &str, reached: f64, limit: f64, unit: &str) -> String {
    let verdict = if reached <= limit { "met" } else { "**missed**" };
    format!("| {goal} | {reached:.2}{unit} | {verdict} |\n")
}

fn calls(calls: f64) -> String {
    if calls.is_nan() { String::new() } else { format!("{calls:.3}") }
}

fn figure(costs: &[Cost], peer: Peer, of: impl Fn(&Cost) -> f64) -> f64 {
    costs.iter().find(|cost| cost.peer == peer).map_or(f64::NAN, of)
}

/// The CPU of one by that of another, turn by turn.
fn ratio(costs: &[Cost], one: Peer, other: Peer) -> f64 {
    let of = |peer| costs.iter().find(|cost| cost.peer == peer).map(|cost| cost.cpu.as_slice());
    let (Some(one), Some(other)) = (of(one), of(other)) else { return f64::NAN };
    median(one.iter().zip(other).map(|(one, other)| one / other).collect())
}
