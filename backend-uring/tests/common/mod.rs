//! Runs a driver for the suite.

use std::sync::Arc;

use bivalve_conformance::Body;
use bivalve_core::Driver;
use bivalve_uring::{Config, Runtime, UringDriver};

/// With a runtime and its ring on this thread.
#[allow(dead_code, reason = "each suite uses one")]
pub(crate) fn run_attached(config: &Config, body: Body) {
    let runtime = Runtime::new(config).expect("the tests need io_uring");
    let driver: Arc<dyn Driver> = runtime.driver();
    runtime.block_on(async {
        body(Arc::clone(&driver)).await;
        driver.shut_down();
        while !driver.usage().is_idle() {
            tokio::task::yield_now().await;
        }
    });
}

/// With the ring on a thread of its own: everything comes from another thread.
#[allow(dead_code, reason = "each suite uses one")]
pub(crate) fn run_threaded(config: &Config, body: Body) {
    let driver: Arc<dyn Driver> = UringDriver::start(config).expect("the tests need io_uring");
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    tokio.block_on(body(Arc::clone(&driver)));
    driver.shut_down();
    while !driver.usage().is_idle() {
        std::thread::yield_now();
    }
}
