//! The completion-port driver, for Windows.
//!
//! [`IocpDriver`] is a [`Driver`](bivalve_core::Driver): one completion port, the threads that wait at it, and one
//! more for timers. On any other system this crate is empty.
//!
//! ```no_run
//! # #[cfg(windows)]
//! # fn main() -> std::io::Result<()> {
//! use bivalve_core::testing::block_on;
//! use bivalve_core::{Driver, DriverExt};
//! use bivalve_iocp::IocpDriver;
//! use std::sync::Arc;
//!
//! let driver: Arc<dyn Driver> = Arc::new(IocpDriver::new()?);
//! let file = driver.attach(std::fs::File::create("hello.txt")?)?; // opened again for overlapped I/O
//! let done = block_on(driver.write_at(&file, "Hello", 0));
//! assert_eq!(done.completion.into_result()?, 5);
//! # Ok(())
//! # }
//! # #[cfg(not(windows))]
//! # fn main() {}
//! ```
//!
//! # How it works
//!
//! | operation | system call |
//! |---|---|
//! | `ReadAt`, `WriteAt` | `ReadFile`, `WriteFile` |
//! | `Accept`, `AcceptMany` | `AcceptEx`, one at a time for each listener |
//! | `Connect` | `ConnectEx`, from any local port |
//! | `Receive` | `WSARecv`; `ReadFile` for a pipe |
//! | `ReceiveMany` | `WSARecv` of 0 bytes tells that there is something, then one into a leased buffer: an idle connection owns none |
//! | `Send`, `SendFile` | `WSASend` of up to 16 chunks at once, `TransmitFile`; for a pipe `WriteFile`, and ranges of files are copied |
//! | `Shutdown` | `shutdown` |
//! | `Post` | `PostQueuedCompletionStatus` |
//! | `Timer` | a heap of deadlines, and a thread with a Tokio runtime that has nothing but time |
//!
//! A call that succeeds at once completes on the thread that made it (`FILE_SKIP_COMPLETION_PORT_ON_SUCCESS`), where
//! the socket's provider allows that; everything else through the port.
//!
//! # On the threads of another
//!
//! Inside a server that has a port and threads already, [`Builder::pool`] takes the completions there: a [`ThreadPool`] binds a
//! handle and runs a routine for its packets. Each call then posts a packet. What the driver posts itself, calls that wait for
//! the disk, and timers stay on its own threads.
//!
//! # Limits
//!
//! | what | limit | when it is reached |
//! |---|---|---|
//! | threads at the port | [`Builder::threads`], by default one for each processor | completions wait in the port |
//! | a leased buffer | [`Builder::lease_size`], by default 16 KiB | the rest comes as the next item |
//! | unused leased buffers kept | [`Builder::lease_keep`], by default 256 | more are freed |
//! | items of `ReceiveMany` that nobody took | 8 for each stream | the peer has to wait |
//! | connections of `AcceptMany` that nobody took | 16 for each listener | the listener's backlog fills |
//! | one system call | 1 GiB | the next call goes on from there |
//!
//! The workstation editions of Windows run two `TransmitFile` at once in the whole system; others wait their turn.
//!
//! # Tests
//!
//! What threads meet at is modelled: loom runs the driver, over a kernel of some lines of Rust, in every order of events
//! with up to three preemptions (`cargo xtask test loom`). What Windows does is tested where the driver runs.
//!
//! # Wine
//!
//! The tests run under Wine 8 as well. There a receive of 0 bytes waits for data, and
//! `FILE_SKIP_COMPLETION_PORT_ON_SUCCESS` loses no completion, as on Windows. What differs:
//!
//! - `ReOpenFile` opens by the name that the file had when it was opened: it must not be renamed before it is associated.
//! - `TransmitFile` sends a file that was not opened for reading, so that the driver asks first.
//! - A reset that comes while no receive is in flight is read as the end of the stream, by any Winsock call.

// What the links lead to is there on Windows only.
#![cfg_attr(not(windows), allow(rustdoc::broken_intra_doc_links))]
#![cfg(any(windows, bivalve_loom))]
#![cfg_attr(bivalve_loom, allow(dead_code, reason = "what only the real system reads or calls"))]

mod after;
mod call;
mod detail;
mod driver;
#[cfg(all(test, bivalve_loom))]
mod models;
mod packet;
mod pool;
mod record;
mod sending;
mod shared;
mod state;
mod status;
mod step;
mod sync;
// The models run on Linux: a thread of loom's ends with a panic on a stack of its own, and that Wine 8 cannot unwind. The
// types and constants of `windows-sys` are there on every system, so that only this is another.
#[cfg_attr(bivalve_loom, path = "models/system.rs")]
mod system;
mod timers;

pub use self::driver::{Builder, IocpDriver};
pub use self::pool::{CompletionRoutine, ThreadPool};
