//! No panic leaves an entry: it would end the worker process.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs what IIS has asked for; after a panic, which is traced, the answer is `failed`.
pub(crate) fn contained<T>(entry: &'static str, failed: T, f: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|payload| {
        let text = payload
            .downcast_ref::<&str>()
            .map(ToString::to_string)
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_default();
        // The payload and the subscriber are not ours, and may panic in turn.
        let _ = catch_unwind(AssertUnwindSafe(|| {
            tracing::error!(entry, panic = text, "a panic was stopped at the border to IIS");
            drop(payload);
        }));
        failed
    })
}
