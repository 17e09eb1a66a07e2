//! The server: listeners, threads, and how it stops.

mod accept;
mod admission;
mod bind;
mod config;
mod introduced;
mod listener;
mod open;
mod running;
#[cfg(target_os = "linux")]
mod systemd;
mod worker;

pub use self::config::Server;
pub use self::listener::Listener;
#[cfg(test)]
pub(crate) use self::open::{Entered, OpenConnections};
pub use self::running::{Running, StartError, Stopped};
pub use self::worker::WorkerRuntime;
