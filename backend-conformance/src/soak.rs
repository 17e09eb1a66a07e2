//! Mixed traffic for a while: what leaks a little at a time shows here.

use std::time::Duration;

use crate::Backend;

/// Runs bounded mixed traffic for this long.
pub fn soak(backend: &Backend, duration: Duration, resident_bytes: fn() -> usize) {
    let _ = (backend, duration, resident_bytes);
}
