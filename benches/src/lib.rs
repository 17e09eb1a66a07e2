//! What Bivalve costs, against its peers, in one interleaved run: `cargo xtask bench`.
//!
//! Absolute times drift from machine to machine, and on one machine from minute to minute. So every figure comes from
//! rounds in which all contenders take turns, the median over the rounds is reported, and only ratios count. That is
//! why neither criterion nor divan drives this: they finish one contender before they begin the next.

// Allowed again where a peer is made of bare system calls.
#![deny(unsafe_code)]

#[cfg(target_os = "linux")]
mod client;
#[cfg(target_os = "linux")]
mod counts;
pub mod dispatch;
#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "two of the peers are made of bare system calls")]
pub mod drivers;
#[cfg(not(target_os = "linux"))]
#[path = "drivers_elsewhere.rs"]
pub mod drivers;
#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "it calls modules as IIS does")]
pub mod iis;
#[cfg(not(target_os = "linux"))]
#[path = "iis_elsewhere.rs"]
pub mod iis;
pub mod load;
pub mod measure;
pub mod peers;
pub mod report;
pub mod results;
#[cfg_attr(
    not(target_os = "linux"),
    allow(dead_code, reason = "most of what it serves is measured on Linux")
)]
mod server;
#[cfg(target_os = "linux")]
pub mod servers;
#[cfg(not(target_os = "linux"))]
#[path = "servers_elsewhere.rs"]
pub mod servers;
