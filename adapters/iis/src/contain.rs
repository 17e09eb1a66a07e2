//! No panic leaves an entry: it would end the worker process.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::event_log::{self, About};
use crate::faults;

/// Runs what IIS has asked for; after a panic, which is traced, the answer is `failed`.
pub(crate) fn contained<T>(entry: impl fmt::Display, failed: T, f: impl FnOnce() -> T) -> T {
    let run = || {
        faults::reach(&entry);
        f()
    };
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|payload| {
        // The payload and the subscriber are not ours, and may panic in turn.
        let told = catch_unwind(AssertUnwindSafe(|| {
            let text = payload
                .downcast_ref::<&str>()
                .map(ToString::to_string)
                .or_else(|| payload.downcast_ref::<String>().cloned())
                .unwrap_or_default();
            event_log::report(About::Panic, &format!("A panic was stopped at {entry}: {text}"));
            event_log::reported(|| {
                tracing::error!(%entry, panic = text, "a panic was stopped at the border to IIS");
            });
        }));
        discard((told, payload));
        failed
    })
}

/// Drops what is a module's in part: its panics are nobody's, also those of what a panic left behind.
pub(crate) fn discard<T>(value: T) {
    let mut dropped = catch_unwind(AssertUnwindSafe(|| drop(value)));
    while let Err(payload) = dropped {
        dropped = catch_unwind(AssertUnwindSafe(|| drop(payload)));
    }
}
