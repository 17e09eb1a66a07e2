//! The server: listeners, threads, and how it stops.

mod accept;
mod admission;
mod config;
mod introduced;
mod listener;
mod running;
mod worker;

pub use self::config::Server;
pub use self::listener::Listener;
pub use self::running::{Running, StartError, Stopped};
pub use self::worker::WorkerRuntime;
