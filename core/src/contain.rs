//! Panics of module code, kept where they belong.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs code that may end in a module's own, a destructor above all; `Err` when it panicked.
pub(crate) fn contained<T>(f: impl FnOnce() -> T) -> Result<T, ()> {
    catch_unwind(AssertUnwindSafe(f)).map_err(drop_payload)
}

/// Drops what a panic left behind: it is the module's as well, and may panic in turn.
pub(crate) fn drop_payload(payload: Box<dyn Any + Send>) {
    let mut dropped = catch_unwind(AssertUnwindSafe(|| drop(payload)));
    while let Err(payload) = dropped {
        dropped = catch_unwind(AssertUnwindSafe(|| drop(payload)));
    }
}
