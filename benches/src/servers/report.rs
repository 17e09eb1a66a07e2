//! The section of the results that is about servers.

use std::fmt::Write as _;

use super::goals;
use super::measure::{Cost, Results};
use super::plan::{Plan, Scenario};
use crate::measure::median;

/// The section, from its heading on.
pub(super) fn markdown(machine: &str, plan: &Plan, results: &Results) -> String {
    let mut text = format!(
        "## Server\n\nWritten by `cargo xtask bench server`. Machine: {machine}. One thread that serves on one core, the client, a bare \
         io_uring loop, on the other; loopback. CPU time of the server process with the kernel's part, median of {} interleaved \
         turns of {} ms; X is hyper's CPU ÷ this one's, taken turn by turn, of which the median is given. The part in user space is \
         the kernel's estimate by clock ticks. System calls are counted by `perf stat`, allocations in another build. Memory is \
         anonymous and in user space, by {} connections that have had an answer. hyper and axum flush pipelined answers \
         together (`pipeline_flush`).\n\n",
        plan.turns,
        plan.time.as_millis(),
        plan.idle,
    );
    for (scenario, costs) in &results.scenarios {
        text.push_str(&match scenario {
            Scenario::Single => first(costs, results),
            Scenario::File | Scenario::LargeFile => files(*scenario, costs),
            _ => table(*scenario, costs),
        });
    }
    text.push_str(&goals::markdown(results));
    text
}

/// One request at a time, and what was counted besides.
fn first(costs: &[Cost], results: &Results) -> String {
    let mut text = String::from(
        "### 64 connections, one request at a time on each\n\n| server | CPU ns per request | of it in user space | X, one at a time | \
         requests a second | system calls per request | allocations per request | bytes per idle connection |\n\
         |---|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for cost in costs {
        let counted = |figures: &[(String, f64)]| {
            figures.iter().find(|(key, _)| *key == cost.key).map_or(f64::NAN, |(_, figure)| *figure)
        };
        let _ = writeln!(
            text,
            "| {} | {:.0} | {:.0} | {:.2} | {:.0} | {} | {} | {} |",
            cost.name,
            cost.cpu_ns(),
            cost.cpu_ns() * cost.user,
            cpu(costs, "hyper", &cost.key),
            median(cost.rate.clone()),
            known(cost.calls, 3),
            known(counted(&results.allocations), 2),
            known(counted(&results.idle), 0),
        );
    }
    text.push('\n');
    text
}

fn table(scenario: Scenario, costs: &[Cost]) -> String {
    let (title, x) = match scenario {
        Scenario::Pipelined => ("64 connections, 16 requests in one message", "X, 16 in one message"),
        Scenario::Thousand => ("1000 connections, one request at a time on each", "X, 1000 connections"),
        _ => ("8 connections, a body of 1 MiB there and back", "X, 1 MiB there and back"),
    };
    let mut text = format!(
        "### {title}\n\n| server | CPU ns per request | of it in user space | {x} | requests a second | by hyper's |\n\
         |---|---:|---:|---:|---:|---:|\n"
    );
    for cost in costs {
        let _ = writeln!(
            text,
            "| {} | {:.0} | {:.0} | {:.2} | {:.0} | {:.2} |",
            cost.name,
            cost.cpu_ns(),
            cost.cpu_ns() * cost.user,
            cpu(costs, "hyper", &cost.key),
            median(cost.rate.clone()),
            ratio(costs, &cost.key, "hyper", |cost| &cost.rate),
        );
    }
    text.push('\n');
    text
}

fn files(scenario: Scenario, costs: &[Cost]) -> String {
    let (title, x) = match scenario {
        Scenario::File => ("16 connections, a file of 64 KiB", "nginx ÷ this, 64 KiB"),
        _ => ("8 connections, a file of 10 MiB", "nginx ÷ this, 10 MiB"),
    };
    let mut text = format!(
        "### {title}\n\n| server | CPU µs per request | of it in user space | {x} | ServeDir ÷ this | requests a second |\n\
         |---|---:|---:|---:|---:|---:|\n"
    );
    for cost in costs {
        let name = if cost.key == "axum" { "tower-http ServeDir on axum" } else { &cost.name };
        let _ = writeln!(
            text,
            "| {name} | {:.1} | {:.1} | {:.2} | {:.2} | {:.0} |",
            cost.cpu_ns() / 1e3,
            cost.cpu_ns() * cost.user / 1e3,
            cpu(costs, "nginx", &cost.key),
            cpu(costs, "axum", &cost.key),
            median(cost.rate.clone()),
        );
    }
    text.push('\n');
    text
}

/// Nothing where nothing was counted.
fn known(figure: f64, digits: usize) -> String {
    if figure.is_nan() { String::new() } else { format!("{figure:.digits$}") }
}

/// The CPU of one by that of another.
pub(super) fn cpu(costs: &[Cost], one: &str, other: &str) -> f64 {
    ratio(costs, one, other, |cost| &cost.cpu)
}

/// A figure of one by that of another, turn by turn.
pub(super) fn ratio(costs: &[Cost], one: &str, other: &str, of: impl Fn(&Cost) -> &[f64]) -> f64 {
    let of = |key| costs.iter().find(|cost| cost.key == key).map(&of);
    let (Some(one), Some(other)) = (of(one), of(other)) else { return f64::NAN };
    median(one.iter().zip(other).map(|(one, other)| one / other).collect())
}
