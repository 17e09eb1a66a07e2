//! The contenders of `cargo xtask bench` one by one: `cargo bench -p bivalve-benches`.
//!
//! For looking at one of them while changing it. Ratios between them come from the interleaved run alone.

use bivalve_benches::dispatch;
use divan::{AllocProfiler, Bencher};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

/// One request past ten units of middleware.
#[divan::bench(args = dispatch::names())]
fn request(bencher: Bencher<'_, '_>, name: &str) {
    let mut contender =
        dispatch::contenders().into_iter().find(|c| c.name == name).expect("the names are theirs");
    bencher.bench_local(|| (contender.run)(1));
}
