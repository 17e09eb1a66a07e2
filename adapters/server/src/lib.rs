//! HTTP/1.1 over completion drivers.

#![forbid(unsafe_code)]

mod connection;
mod http1;
mod limits;
mod server;
mod transport;

pub use self::limits::Limits;
pub use self::server::{Listener, Running, Server, StartError, Stopped, WorkerRuntime};
