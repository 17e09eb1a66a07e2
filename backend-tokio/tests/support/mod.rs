//! How the suite runs this driver: on a current-thread runtime.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bivalve_conformance::{Backend, Body};
use bivalve_core::Driver;
use bivalve_tokio::TokioDriver;

pub(crate) const BACKEND: Backend = Backend { run, open_handles };

fn run(_queue: u32, body: Body) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let driver = TokioDriver::new().expect("a driver");
        body(Arc::clone(&driver) as Arc<dyn Driver>).await;
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
