//! What the server is to reach, and whether it did.

use super::measure::{Cost, Results};
use super::plan::Scenario;
use super::report::{cpu, ratio};

/// The table of goals. What was not measured is not in it.
pub(super) fn markdown(results: &Results) -> String {
    let costs = |scenario| {
        let found = results.scenarios.iter().find(|(measured, _)| *measured == scenario);
        found.map_or(&[][..], |(_, costs)| costs)
    };
    let mut rows = Vec::new();
    rows.extend(requests(costs(Scenario::Single), costs(Scenario::Thousand), costs(Scenario::Pipelined)));
    if !costs(Scenario::Pipelined).is_empty() {
        let stalls = if results.stalls.is_empty() { "none".into() } else { results.stalls.join("; ") };
        rows.push(row(
            "2, no stall with 2 to 2000 requests in one message",
            &stalls,
            results.stalls.is_empty(),
        ));
    }
    rows.extend(counted(costs(Scenario::Single), results));
    rows.extend(bodies(costs(Scenario::Echo), costs(Scenario::File), costs(Scenario::LargeFile)));
    format!("### Goals of the server\n\n| goal | reached | |\n|---|---:|---|\n{}", rows.concat())
}

fn requests(single: &[Cost], thousand: &[Cost], pipelined: &[Cost]) -> Vec<String> {
    [
        at_least("1, no module: ≥ 1.12 × hyper", cpu(single, "hyper", "uring"), 1.12),
        at_least("1, no module: ≥ 0.95 × the raw ring", cpu(single, "ring", "uring"), 0.95),
        at_least("1, ten modules: ≥ 1.0 × bare hyper", cpu(single, "hyper", "uring-10"), 1.0),
        at_least(
            "1, ten modules: ≥ 1.75 × axum with ten `from_fn`",
            cpu(single, "axum-10", "uring-10"),
            1.75,
        ),
        at_least("1, 1000 connections, no module: ≥ 1.2 × hyper", cpu(thousand, "hyper", "uring"), 1.2),
        at_least("2, pipelined × 16, no module: ≥ 1.8 × hyper", cpu(pipelined, "hyper", "uring"), 1.8),
        at_least("2, pipelined × 16, ten modules: ≥ 1.2 × hyper", cpu(pipelined, "hyper", "uring-10"), 1.2),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn counted(single: &[Cost], results: &Results) -> Vec<String> {
    let find = |figures: &[(String, f64)], key: &str| {
        figures.iter().find(|(found, _)| found == key).map_or(f64::NAN, |(_, figure)| *figure)
    };
    // Some for a thousand requests are a timer's and a task's, and no request's.
    let allocations = |key| (find(&results.allocations, key) * 100.0).round() / 100.0;
    let idle = |key| find(&results.idle, key);
    let calls = single.iter().find(|cost| cost.key == "uring").map_or(f64::NAN, |cost| cost.calls);
    [
        at_most("5, no module: 0 allocations", allocations("uring"), 0.0, ""),
        at_most("5, ten modules before the handler: 0 allocations", allocations("uring-10"), 0.0, ""),
        at_most(
            "5, ten modules, half of them also after: 0 allocations",
            allocations("uring-10-all"),
            0.0,
            "",
        ),
        at_most("5, ten modules that wait: ≤ 10 allocations", allocations("uring-10-wait"), 10.0, ""),
        at_most("6, idle connection: ≤ 1024 bytes", idle("uring"), 1024.0, ""),
        at_most("6, idle connection on hyper: ≤ 13 KB", idle("hyper-10") / 1e3, 13.0, " KB"),
        at_most("9, ≤ 0.05 system calls", calls, 0.05, ""),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn bodies(echo: &[Cost], file: &[Cost], large: &[Cost]) -> Vec<String> {
    let rate = ratio(echo, "uring", "hyper", |cost| &cost.rate);
    [
        at_least("7, 1 MiB echo: ≥ 1.0 × hyper by CPU", cpu(echo, "hyper", "uring"), 1.0),
        at_least("7, 1 MiB echo: ≥ 1.15 × hyper by throughput", rate, 1.15),
        at_least("8, 64 KiB: ≥ 1.3 × nginx", cpu(file, "nginx", "uring"), 1.3),
        at_least("8, 64 KiB: ≥ 6 × `ServeDir`", cpu(file, "axum", "uring"), 6.0),
        at_least("8, 10 MiB: ≥ 1.25 × nginx", cpu(large, "nginx", "uring"), 1.25),
        at_least("8, 10 MiB: ≥ 2 × `ServeDir`", cpu(large, "axum", "uring"), 2.0),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn at_least(goal: &str, reached: f64, limit: f64) -> Option<String> {
    (!reached.is_nan()).then(|| row(goal, &format!("{reached:.2}"), reached >= limit))
}

fn at_most(goal: &str, reached: f64, limit: f64, unit: &str) -> Option<String> {
    (!reached.is_nan()).then(|| row(goal, &format!("{reached:.2}{unit}"), reached <= limit))
}

fn row(goal: &str, reached: &str, met: bool) -> String {
    let verdict = if met { "met" } else { "**missed**" };
    format!("| {goal} | {reached} | {verdict} |\n")
}
