//! Mixed traffic for a while; see `bivalve_conformance::soak`.
#![cfg(target_os = "linux")]

mod common;

use std::time::Duration;

use bivalve_conformance::{Backend, Body, open_handles};
use bivalve_uring::Config;

fn run(queue: u32, body: Body) {
    common::run_attached(&Config::default().entries(queue), body);
}

const BACKEND: Backend = Backend { run, open_handles };

#[test]
fn mixed_traffic_leaves_nothing_behind() {
    bivalve_conformance::soak(&BACKEND, Duration::from_secs(5), resident_bytes);
}

fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("the system tells a process's memory");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has some");
    let kilobytes = line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number");
    kilobytes << 10
}
