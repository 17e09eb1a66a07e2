//! The suite of all drivers: the ring on a thread of its own, with direct descriptors.
#![cfg(target_os = "linux")]

mod common;

use bivalve_conformance::{Backend, Body, open_handles};
use bivalve_uring::Config;

fn run(queue: u32, body: Body) {
    common::run_threaded(&Config::default().entries(queue).direct_descriptors(true), body);
}

const BACKEND: Backend = Backend { run, open_handles };
bivalve_conformance::suite!(BACKEND);
