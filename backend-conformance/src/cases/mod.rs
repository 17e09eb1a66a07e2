//! The cases, by subject. Each is one function, named after its rule or the attack.
#![allow(clippy::needless_pass_by_value, reason = "every case has the same signature")]

pub mod accept_many;
pub mod basics;
pub mod buffers;
pub mod callbacks;
pub mod cancel;
pub mod close;
#[cfg(target_os = "linux")]
pub mod disk;
pub mod driver_shutdown;
pub mod drops;
pub mod eager;
#[cfg(target_os = "linux")]
pub mod exhaustion;
pub mod files;
pub mod handles;
pub mod large_receives;
pub mod leases;
#[cfg(unix)]
pub mod local;
pub mod order;
pub mod outstanding;
#[cfg(unix)]
pub mod pipes;
pub mod receive_many;
pub mod resets;
pub mod sends;
pub mod streams;
pub mod threads;
