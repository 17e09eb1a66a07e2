//! The settings of the server.

use std::time::Duration;

use serde::Deserialize;

/// `[server]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    /// Connections at the same time; more wait until one ends. On Linux at most half of the process's file descriptors.
    /// There is no bound for one client address. Default: 1,024.
    pub max_connections: usize,
    /// Seconds for the head of a request: from the start of the connection, and from the end of the last response of a
    /// kept-alive HTTP/1 connection. Default: 30.
    pub header_timeout_secs: u64,
    /// Seconds that an HTTP/2 connection may be without a request. Default: 120.
    pub idle_timeout_secs: u64,
    /// Seconds in which a response may move no byte to its client. On HTTP/2, where a connection can be busy while one
    /// of its responses is not: in which the next 16 KiB of each response must be taken. Then the connection is closed.
    /// Default: 60.
    pub stall_timeout_secs: u64,
    /// Seconds for requests to end after Ctrl-C or SIGTERM; then they are cut. Default: 10.
    pub shutdown_secs: u64,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            max_connections: 1024,
            header_timeout_secs: 30,
            idle_timeout_secs: 120,
            stall_timeout_secs: 60,
            shutdown_secs: 10,
        }
    }
}

impl ServerConfig {
    pub(super) fn header_timeout(&self) -> Duration {
        Duration::from_secs(self.header_timeout_secs.max(1))
    }

    pub(super) fn idle_timeout(&self) -> Duration {
        Duration::from_secs(self.idle_timeout_secs.max(1))
    }

    pub(super) fn stall_timeout(&self) -> Duration {
        Duration::from_secs(self.stall_timeout_secs.max(1))
    }

    pub(super) fn shutdown_deadline(&self) -> Duration {
        Duration::from_secs(self.shutdown_secs)
    }
}
