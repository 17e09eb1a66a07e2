//! The results as Markdown.

use std::fmt::Write as _;

use crate::dispatch::UNITS;
use crate::load::Cost;
use crate::peers::Peer;

/// Name and figure of each contender.
pub type Figures = [(&'static str, f64)];

/// The whole file.
#[must_use]
pub fn markdown(machine: &str, times: &Figures, allocations: &Figures, costs: &[(Peer, Cost)]) -> String {
    let mut text = String::from(
        "# Results\n\nWritten by `cargo xtask bench`. Every figure is the median of interleaved rounds; only the ratios count, the times \
         drift with the machine.\n\n",
    );
    let _ = writeln!(text, "Machine: {machine}.\n");
    text.push_str(&dispatch(times, allocations));
    text.push_str(&servers(costs));
    text.push_str(&goals(times, allocations, costs));
    text
}

fn dispatch(times: &Figures, allocations: &Figures) -> String {
    let mut text = format!(
        "## Dispatch\n\nOne request past {UNITS} units of middleware, in process. \"Per unit\" is the difference to the same without units, \
         by unit and event.\n\n| contender | ns per request | ns per unit and event | allocations per request |\n|---|---:|---:|---:|\n",
    );
    for (name, ns) in times {
        let allocations = figure(allocations, name);
        let unit = per_unit(times, name).map_or(String::new(), |ns| format!("{ns:.1}"));
        let _ = writeln!(text, "| {name} | {ns:.0} | {unit} | {allocations:.0} |");
    }
    text.push('\n');
    text
}

/// What one unit adds at one event.
fn per_unit(times: &Figures, name: &str) -> Option<f64> {
    let (base, calls) = match name {
        "pipeline, 10 sync modules, 12 events each" => ("pipeline, no module", UNITS * 12),
        name if name.starts_with("pipeline, 10") => ("pipeline, no module", UNITS),
        name if name.starts_with("tower, 10") => ("tower, service only", UNITS),
        name if name.starts_with("axum, 10") => ("axum, router only", UNITS),
        name if name.starts_with("async_trait") => {
            return Some(figure(times, name) / f64::from(u32::try_from(UNITS).ok()?));
        }
        _ => return None,
    };
    Some((figure(times, name) - figure(times, base)) / f64::from(u32::try_from(calls).ok()?))
}

fn servers(costs: &[(Peer, Cost)]) -> String {
    let mut text = String::from(
        "## As a Tower layer on hyper\n\nOne thread pinned to one core, 64 connections, one request at a time on each; CPU time of the server \
         process with the kernel's part. X is hyper's CPU ÷ this one's.\n\n| server | CPU ns per request | X | more CPU than bare | \
         allocations per request |\n|---|---:|---:|---:|---:|\n",
    );
    let hyper = cost(costs, Peer::Hyper).cpu_ns;
    for (peer, cost) in costs {
        let bare = bare(costs, *peer);
        let _ = writeln!(
            text,
            "| {} | {:.0} | {:.2} | {:+.1} % | {:.1} |",
            peer.name(),
            cost.cpu_ns,
            hyper / cost.cpu_ns,
            (cost.cpu_ns / bare.cpu_ns - 1.0) * 100.0,
            cost.allocations
        );
    }
    text.push('\n');
    text
}

/// The same server without middleware.
fn bare(costs: &[(Peer, Cost)], peer: Peer) -> Cost {
    match peer {
        Peer::Axum | Peer::AxumFromFn | Peer::AxumAll => cost(costs, Peer::Axum),
        _ => cost(costs, Peer::Hyper),
    }
}

fn goals(times: &Figures, allocations: &Figures, costs: &[(Peer, Cost)]) -> String {
    let hyper = cost(costs, Peer::Hyper);
    let sync = "pipeline, 10 sync modules, 1 event each";
    let many = "pipeline, 10 sync modules, 12 events each";
    let waits = "pipeline, 10 async modules that wait once";
    let unit = |name| per_unit(times, name).unwrap_or(f64::NAN);
    let rows = [
        row(
            "ten modules before the handler cost ≤ 8 % of bare hyper's CPU",
            (cost(costs, Peer::HyperEarly).cpu_ns / hyper.cpu_ns - 1.0) * 100.0,
            8.0,
            "%",
        ),
        row(
            "ten modules, half of them also after the handler, cost ≤ 8 % of bare hyper's CPU",
            (cost(costs, Peer::HyperAll).cpu_ns / hyper.cpu_ns - 1.0) * 100.0,
            8.0,
            "%",
        ),
        row(
            "ten modules before the handler: ≤ 2 more allocations",
            cost(costs, Peer::HyperEarly).allocations - hyper.allocations,
            2.0,
            "",
        ),
        row(
            "ten modules, half of them also after: ≤ 2 more allocations",
            cost(costs, Peer::HyperAll).allocations - hyper.allocations,
            2.0,
            "",
        ),
        row("≤ 5 ns per subscribed synchronous module and event (1 event)", unit(sync), 5.0, "ns"),
        row("≤ 5 ns per subscribed synchronous module and event (12 events)", unit(many), 5.0, "ns"),
        row(
            "nothing for a module that is not subscribed",
            unit("pipeline, 10 modules not subscribed"),
            0.5,
            "ns",
        ),
        row("≤ 25 ns when a module really waits", unit(waits), 25.0, "ns"),
        row("0 allocations for synchronous modules", figure(allocations, many), 0.0, ""),
        row("≤ 1 allocation per module that waits", figure(allocations, waits) / 10.0, 1.0, ""),
    ];
    format!(
        "## Goals\n\nWhy some are missed: [decision 0009](../docs/decisions/0009-dispatch-cost.md).\n\n| goal | reached | |\n|---|---:|---|\n{}\n",
        rows.concat()
    )
}

fn row(goal: &str, reached: f64, limit: f64, unit: &str) -> String {
    let verdict = if reached <= limit { "met" } else { "**missed**" };
    format!("| {goal} | {reached:.1} {unit} | {verdict} |\n")
}

fn figure(figures: &Figures, name: &str) -> f64 {
    figures.iter().find(|f| f.0 == name).map_or(f64::NAN, |f| f.1)
}

fn cost(costs: &[(Peer, Cost)], peer: Peer) -> Cost {
    costs.iter().find(|c| c.0 == peer).map_or(Cost { cpu_ns: f64::NAN, allocations: f64::NAN }, |c| c.1)
}
