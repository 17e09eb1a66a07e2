//! The section of the results that is about servers.

use std::fmt::Write as _;

use super::measure::{Cost, Results};
use super::plan::Scenario;
use crate::measure::median;

/// The section, from its heading on.
pub(super) fn markdown(machine: &str, results: &Results) -> String {
    let mut text = format!(
        "## Server\n\nWritten by `cargo xtask bench server`. Machine: {machine}. One thread that serves on one core, the client, a bare \
         io_uring loop, on the other; loopback. CPU time of the server process with the kernel's part, median of interleaved \
         turns; X is hyper's CPU ÷ this one's, taken turn by turn, of which the median is given.\n\n"
    );
    for (scenario, costs) in &results.scenarios {
        text.push_str(&table(*scenario, costs));
    }
    text
}

fn table(scenario: Scenario, costs: &[Cost]) -> String {
    let title = match scenario {
        Scenario::Single => "### 64 connections, one request at a time on each",
        Scenario::Pipelined => "### 64 connections, 16 requests in one message",
        Scenario::Thousand => "### 1000 connections, one request at a time on each",
        Scenario::Echo => "### 8 connections, a body of 1 MiB there and back",
    };
    let mut text = format!(
        "{title}\n\n| server | CPU ns per request | of it in user space | X | requests a second | by hyper's |\n|---|---:|---:|---:|---:|---:|\n"
    );
    for cost in costs {
        let _ = writeln!(
            text,
            "| {} | {:.0} | {:.0} | {:.2} | {:.0} | {:.2} |",
            cost.key,
            cost.cpu_ns(),
            cost.cpu_ns() * cost.user,
            ratio(costs, "hyper", &cost.key, |cost| &cost.cpu),
            median(cost.rate.clone()),
            ratio(costs, &cost.key, "hyper", |cost| &cost.rate),
        );
    }
    text.push('\n');
    text
}

/// A figure of one by that of another, turn by turn.
fn ratio(costs: &[Cost], one: &str, other: &str, of: impl Fn(&Cost) -> &[f64]) -> f64 {
    let of = |key| costs.iter().find(|cost| cost.key == key).map(&of);
    let (Some(one), Some(other)) = (of(one), of(other)) else { return f64::NAN };
    median(one.iter().zip(other).map(|(one, other)| one / other).collect())
}
