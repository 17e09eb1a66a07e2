//! The cheapest operation, by the type of the driver and behind `dyn`.

use std::hint::black_box;
use std::io;
use std::sync::Arc;

use bivalve_core::{Driver, DriverExt};
use bivalve_tokio::TokioDriver;

use super::ours::Dyn;
use crate::measure::{Contender, interleave};

/// Nanoseconds of one posted completion, there and back: the driver, by its type, behind `dyn`.
pub(super) fn round_trips() -> io::Result<Vec<(&'static str, f64, f64)>> {
    let mut contenders = Vec::new();
    for dynamic in [false, true] {
        let runtime = bivalve_uring::Runtime::new(&bivalve_uring::Config::default())?;
        let driver = runtime.driver();
        let run = move |count| {
            if dynamic {
                let driver: Dyn = Arc::clone(&driver) as Dyn;
                runtime.block_on(post(&driver, count));
            } else {
                runtime.block_on(post(&driver, count));
            }
        };
        contenders.push(Contender { name: "bivalve-uring", run: Box::new(run) });
    }
    for dynamic in [false, true] {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let driver = runtime.block_on(async { TokioDriver::new() })?;
        let run = move |count| {
            if dynamic {
                let driver: Dyn = Arc::clone(&driver) as Dyn;
                runtime.block_on(post(&driver, count));
            } else {
                runtime.block_on(post(&driver, count));
            }
        };
        contenders.push(Contender { name: "bivalve-tokio", run: Box::new(run) });
    }
    let times = interleave(&mut contenders);
    Ok(times.chunks_exact(2).map(|pair| (pair[0].0, pair[0].1, pair[1].1)).collect())
}

async fn post<D: Driver + ?Sized>(driver: &Arc<D>, count: u32) {
    for _ in 0..count {
        let _ = black_box(driver.post(1).await);
    }
}
