//! The primitives that threads meet at in the ready list: those of `std`, or loom's when it is modelled
//! (`--cfg bivalve_loom`).

#[cfg(bivalve_loom)]
pub(crate) use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, Ordering},
};
#[cfg(not(bivalve_loom))]
pub(crate) use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, Ordering},
};
