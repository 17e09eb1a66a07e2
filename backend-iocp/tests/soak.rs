//! Mixed traffic for a while; see `bivalve_conformance::soak`.
#![cfg(windows)]

mod support;

use std::time::Duration;

use bivalve_conformance::Backend;
use windows_sys::Win32::System::ProcessStatus::{K32GetProcessMemoryInfo, PROCESS_MEMORY_COUNTERS};
use windows_sys::Win32::System::Threading::GetCurrentProcess;

const BACKEND: Backend =
    Backend { run: |_queue, body| support::run(body), open_handles: support::open_handles };

#[test]
fn mixed_traffic_leaves_nothing_behind() {
    bivalve_conformance::soak(&BACKEND, Duration::from_secs(5), resident_bytes);
}

fn resident_bytes() -> usize {
    let mut counters = PROCESS_MEMORY_COUNTERS::default();
    let size = u32::try_from(size_of::<PROCESS_MEMORY_COUNTERS>()).expect("it is small");
    // SAFETY: `counters` is ours, of the size that is passed, and outlives the call; the pseudo handle needs no closing.
    let done = unsafe { K32GetProcessMemoryInfo(GetCurrentProcess(), &raw mut counters, size) };
    assert!(done != 0, "the system tells a process's memory");
    counters.WorkingSetSize
}
