//! The same servers with every allocation counted. Started by `bivalve-benches`.

#![forbid(unsafe_code)]

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[cfg(target_os = "linux")]
fn main() -> std::io::Result<()> {
    let counted = || {
        let stats = ALLOCATOR.stats();
        stats.allocations + stats.reallocations
    };
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    bivalve_peers::serve(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), counted)
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("the servers are compared on Linux");
}
