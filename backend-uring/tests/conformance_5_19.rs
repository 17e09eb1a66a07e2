//! The suite of all drivers: what Linux 5.19 has.
#![cfg(target_os = "linux")]

mod common;

use bivalve_conformance::{Backend, Body, open_handles};
use bivalve_uring::{Config, Features};

fn run(queue: u32, body: Body) {
    common::run_attached(&Config::default().entries(queue).features(Features::LINUX_5_19), body);
}

const BACKEND: Backend = Backend { run, open_handles };
bivalve_conformance::suite!(BACKEND);
