//! The HTTP servers that `cargo xtask bench server` measures side by side: one process each, one thread that serves.
//!
//! Linux only, because half of them are io_uring; elsewhere there are just the modules that are measured.
//!
//! # A short look
//!
//! While a server is being changed, without the minutes that link-time optimisation takes (the ratios are rougher then):
//!
//! ```text
//! CARGO_PROFILE_RELEASE_LTO=off cargo build --release -p bivalve-peers
//! cargo run --release -p bivalve-benches -- server peers=target/release/peers --quick \
//!     scenarios=single,pipelined only=hyper,ring,uring,uring-10,uring@BEFORE
//! ```
//!
//! `BEFORE` is a copy of an older `target/release/peers`; `uring@BEFORE` is measured in the same turns as the new one.
//!
//! # A profile
//!
//! Instructions in user space do not depend on what else the machine does. Ask with any client that counts its requests; what
//! callgrind counts, divided by them, is per request. Valgrind knows too little of io_uring, so this is the Tokio driver; below the
//! driver both are the same code.
//!
//! ```text
//! sleep 30 | valgrind --tool=callgrind target/release/peers tokio-10 hello --port 8080
//! wrk -t1 -c8 -d5s http://127.0.0.1:8080/
//! callgrind_annotate --inclusive=yes callgrind.out.*
//! ```
//!
//! With the kernel's part, on io_uring as well; `cpu-clock` because virtual machines often have no counters:
//!
//! ```text
//! sleep 30 | target/release/peers uring hello --port 8080
//! perf record -e cpu-clock -F 999 -p PID -- sleep 3
//! ```

// Allowed again where a peer is made of bare system calls.
#![deny(unsafe_code)]

#[cfg(target_os = "linux")]
mod compio;
#[cfg(target_os = "linux")]
mod hyper;
mod modules;
#[cfg(target_os = "linux")]
mod native;
#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "the limit is measured with bare submissions to io_uring")]
pub mod ring;
#[cfg(target_os = "linux")]
mod servers;
#[cfg(target_os = "linux")]
mod work;

pub use self::modules::{Modules, UNITS, mount};
#[cfg(target_os = "linux")]
pub use self::servers::{Peer, serve};
#[cfg(target_os = "linux")]
pub use self::work::{HELLO, Work};
