//! The one suite that every completion driver passes: what the rules and the table of [`bivalve_core::driver`] ask
//! for, as tests.
//!
//! A driver's crate says how to run it, and has the same tests as all others:
//!
//! ```ignore
//! // tests/conformance.rs
//! const BACKEND: bivalve_conformance::Backend = bivalve_conformance::Backend { run, open_handles };
//! bivalve_conformance::suite!(BACKEND);
//! ```
//!
//! Nothing is lost, nothing comes twice, every buffer is returned and no descriptor or handle leaks: [`check`] counts
//! them before and after each case. What a system makes impossible is in `differences.rs`, with the reason.

#![forbid(unsafe_code)]
#![allow(clippy::panic, clippy::unwrap_used, reason = "a suite says what is wrong by a panic")]

pub mod cases;

mod check;
mod differences;
mod soak;
mod suite;
mod support;
mod watch;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bivalve_core::Driver;

pub use self::check::{LARGE, NORMAL, QUEUE, Trial, check};
#[cfg(unix)]
pub use self::differences::open_handles;
pub use self::soak::soak;

/// How a driver is run and its process looked at.
#[derive(Clone, Copy)]
pub struct Backend {
    /// Starts a driver with a queue of this many entries (a hint where there is no queue), runs the body on the
    /// driver's runtime until it completes, then shuts the driver down and waits until it is idle.
    ///
    /// A panic of the body has to come out of it. It is called from several threads at once, and from within a body
    /// on another thread, for cases about two drivers.
    pub run: fn(queue: u32, body: Body),
    /// Open descriptors or handles of this process.
    pub open_handles: fn() -> usize,
}

/// What runs on a driver's runtime.
pub type Body = Box<dyn FnOnce(Arc<dyn Driver>) -> BoxFuture + Send>;

/// The future of a body.
pub type BoxFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backend").finish_non_exhaustive()
    }
}
