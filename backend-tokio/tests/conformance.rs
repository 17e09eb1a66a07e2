//! The suite that every driver passes, on a current-thread runtime.

use std::time::{Duration, Instant};

use bivalve_conformance::{Backend, Body};
use bivalve_core::Driver;
use bivalve_tokio::TokioDriver;

const BACKEND: Backend = Backend { run, open_handles };

bivalve_conformance::suite!(BACKEND);

fn run(_queue: u32, body: Body) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let driver = TokioDriver::new().expect("a driver");
        body(driver.clone()).await;
        driver.shut_down();
        let end = Instant::now() + Duration::from_secs(10);
        while !driver.usage().is_idle() {
            assert!(Instant::now() < end, "the driver holds {:?} after it was shut down", driver.usage());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
}

#[cfg(unix)]
fn open_handles() -> usize {
    bivalve_conformance::open_handles()
}

/// Windows tells it by a function that takes a pointer. That no descriptor is lost shows on the other systems; there is
/// no code of ours in between.
#[cfg(windows)]
fn open_handles() -> usize {
    0
}
