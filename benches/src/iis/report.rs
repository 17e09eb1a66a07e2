//! The section of `RESULTS.md`.

use std::fmt::Write as _;

use super::{Case, Cost, Way};

/// What goal 10 allows.
const GOAL_NS: f64 = 50.0;

pub(super) fn section(compiler: &str, costs: &[(&Case, [Cost; 2])]) -> String {
    let mut text = format!(
        "## Inside IIS\n\nWritten by `cargo xtask bench iis`. A Rust module behind the shim of `bivalve-iis` and a module in C++ ({compiler}, \
         -O2) that does the same, called by the same lines through the same vtables; the request is a browser's, with ten headers. CPU time of \
         the calling thread (where a thread is waited for, time by the clock), medians of interleaved rounds.\n\n"
    );
    table(&mut text, "per notification", costs, |way| matches!(way, Way::Notification | Way::Afresh));
    table(&mut text, "per request", costs, |way| way == Way::Request);
    table(&mut text, "per wait", costs, |way| matches!(way, Way::Completion | Way::WakeUp));
    goals(&mut text, costs);
    text
}

fn table(text: &mut String, per: &str, costs: &[(&Case, [Cost; 2])], is_in: impl Fn(Way) -> bool) {
    let rows: Vec<_> = costs.iter().filter(|(case, _)| is_in(case.way)).collect();
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(
        text,
        "| {per}: a module that | Rust, ns | C++, ns | difference | ratio | allocations, Rust | C++ |\n|---|---:|---:|---:|---:|---:|---:|"
    );
    for (case, [rust, cpp]) in rows {
        let _ = writeln!(
            text,
            "| {} | {:.0} | {:.0} | {:.0} | {:.1} | {:.1} | {:.1} |",
            case.what,
            rust.ns,
            cpp.ns,
            rust.ns - cpp.ns,
            rust.ns / cpp.ns,
            rust.allocations,
            cpp.allocations
        );
    }
    text.push('\n');
}

fn goals(text: &mut String, costs: &[(&Case, [Cost; 2])]) {
    text.push_str(
        "| goal 10, per synchronous notification | ≤ 50 ns more than C++ | no allocation |\n|---|---|---|\n",
    );
    for (case, [rust, cpp]) in costs.iter().filter(|(case, _)| case.is_goal) {
        let verdict = |met| if met { "met" } else { "**missed**" };
        let more = rust.ns - cpp.ns;
        let allocated = rust.allocations - cpp.allocations;
        let _ = writeln!(
            text,
            "| {} | {more:.0} ns: {} | {allocated:.1}: {} |",
            case.what,
            verdict(more <= GOAL_NS),
            verdict(allocated <= 0.0)
        );
    }
}
