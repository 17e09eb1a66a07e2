//! The primitives that threads meet at: those of `std`, or loom's when the crate is modelled (`--cfg bivalve_loom`).

#[cfg(bivalve_loom)]
pub(crate) use loom::sync::{Mutex, MutexGuard};
#[cfg(not(bivalve_loom))]
pub(crate) use std::sync::{Mutex, MutexGuard};
