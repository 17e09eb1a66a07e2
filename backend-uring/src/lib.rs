//! The io_uring completion driver of Bivalve, for Linux 5.19 and later.
//!
//! A ring belongs to one thread, and to a Tokio current-thread runtime on it: `tokio::time`, `tokio::net` and every Tokio
//! library go on working beside it. There are three ways to have one:
//!
//! - [`Runtime`]: a runtime with a ring attached, for a program that runs one on each core;
//! - [`UringDriver::attach`]: a ring for the current-thread runtime that is running already;
//! - [`UringDriver::start`]: a ring on a thread of its own, for a program whose runtime has many threads.
//!
//! Operations may be submitted from any thread; from the ring's own it costs no system call.
//!
//! ```
//! use bivalve_core::{Driver, DriverExt};
//! use std::sync::Arc;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # #[cfg(target_os = "linux")] {
//! let runtime = bivalve_uring::Runtime::new(&bivalve_uring::Config::default())?;
//! let driver: Arc<dyn Driver> = runtime.driver();
//! let (mut reader, writer) = std::io::pipe()?;
//! let done = runtime.block_on(async {
//!     let pipe = driver.attach(writer)?;
//!     driver.send(&pipe, vec!["Hello".into()]).await.completion.into_result()
//! })?;
//! assert_eq!(done, 5);
//! # let mut text = String::new();
//! # drop((driver, runtime));
//! # std::io::Read::read_to_string(&mut reader, &mut text)?;
//! # assert_eq!(text, "Hello");
//! # }
//! # Ok(())
//! # }
//! ```
//!
//! # A turn of the loop
//!
//! The ring is driven by one Tokio task, the turn. The first submission after a turn wakes it; Tokio's queue is first
//! come, first served, so it runs behind all tasks that are ready now, and everything they submit goes out in one
//! system call. That call also runs what the kernel has deferred (`DEFER_TASKRUN`). Then the completion queue is
//! drained, tasks are woken, and they submit again. Only when there is nothing to do does the thread sleep in Tokio's
//! poll, which watches the ring's descriptor as any other.
//!
//! # Who owns what
//!
//! | memory | owner | until |
//! |---|---|---|
//! | buffers and `msghdr`s of operations | the operation table, behind the driver's lock | the operation's last completion |
//! | the submission and completion rings | the turn task | it ends: with the driver, or with the runtime |
//! | provided buffers | the turn task while the kernel may fill them, then a [`Lease`](bivalve_core::Lease) | the last receive has ended |
//!
//! A receive that goes on and is cancelled ends with `CANCELLED`, also where a connection failed at that very moment: the next
//! operation then finds the socket closed, and not why.
//!
//! When the runtime is dropped while operations are in flight, the task's destructor cancels them and waits for their
//! completions. If the kernel does not give them back in time, or the destructor runs on another thread than the
//! ring's, the memory is leaked, never freed under the kernel.

#![cfg(target_os = "linux")]

mod buffers;
mod config;
mod driver;
mod handles;
mod in_flight;
#[cfg_attr(bivalve_loom, allow(dead_code, reason = "only its own model takes it"))]
mod lock;
#[cfg(all(test, bivalve_loom))]
mod models;
mod page_cache;
mod probe;
#[cfg_attr(bivalve_loom, path = "models/ring.rs")]
mod ring;
mod runtime;
mod send;
mod setup;
mod shared;
mod state;
mod sync;
mod turn;

pub use self::config::Config;
pub use self::driver::UringDriver;
pub use self::probe::{Feature, Features, Probe, probe};
pub use self::runtime::Runtime;
pub use self::setup::SetupError;
