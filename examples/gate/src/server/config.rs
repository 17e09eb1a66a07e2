//! The settings of the server.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

/// `[server]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    /// Connections at the same time; more wait until one ends. On Linux at most half of the process's file descriptors.
    /// Default: 1,024.
    pub max_connections: usize,
    /// Connections at the same time of one IPv4 address, or one IPv6 network of 64 bits; more are closed at once. Not with
    /// hyper. Behind a proxy that does not speak the PROXY protocol, all clients have its address. Default: 512.
    pub max_connections_per_address: usize,
    /// Seconds for the head of a request, from its first byte; with hyper from the start of the connection, or from the
    /// end of the last response of a kept-alive HTTP/1 connection. Default: 30.
    pub header_timeout_secs: u64,
    /// Seconds that a connection may be without a request; with hyper, one of HTTP/2. Default: 120.
    pub idle_timeout_secs: u64,
    /// Seconds for which a client may be waited for while a response is sent to it; what it takes earns time back. With
    /// hyper: in which a response may move no byte to its client, or on HTTP/2 not its next 16 KiB. Then the connection is
    /// closed. Default: 60.
    pub stall_timeout_secs: u64,
    /// Bytes that earn a second back. Not with hyper. Default: 240, as IIS's `minBytesPerSecond`.
    pub min_bytes_per_second: u64,
    /// Proxies in front. With any, each connection has to come from one of them and to begin with a header of the PROXY protocol,
    /// version 1 or 2; the client that it names is the one that modules see and limits count. Others are closed without an answer. Not
    /// with hyper. Default: none.
    pub proxy_protocol_from: Vec<IpAddr>,
    /// The server's certificate in PEM, and behind it the chain of those that signed it: with it and `tls_key`, everything
    /// is encrypted. The program reads both again at SIGHUP. Not with hyper. Default: none.
    pub tls_certificate: Option<PathBuf>,
    /// Its private key in PEM (PKCS#8, PKCS#1 or SEC1). Default: none.
    pub tls_key: Option<PathBuf>,
    /// Seconds for requests to end after Ctrl-C or SIGTERM; then they are cut. Default: 10.
    pub shutdown_secs: u64,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            max_connections: 1024,
            max_connections_per_address: 512,
            header_timeout_secs: 30,
            idle_timeout_secs: 120,
            stall_timeout_secs: 60,
            min_bytes_per_second: 240,
            proxy_protocol_from: Vec::new(),
            tls_certificate: None,
            tls_key: None,
            shutdown_secs: 10,
        }
    }
}

impl ServerConfig {
    /// Whether what is said is encrypted.
    pub(crate) fn is_secure(&self) -> bool {
        self.tls().is_some()
    }

    /// Certificate and key.
    pub(crate) fn tls(&self) -> Option<(&Path, &Path)> {
        self.tls_certificate.as_deref().zip(self.tls_key.as_deref())
    }

    /// How many connections there is room for.
    pub(super) fn room(&self) -> usize {
        let room = self.max_connections.min(descriptors().map_or(usize::MAX, |limit| limit / 2)).max(1);
        if room < self.max_connections {
            tracing::warn!(
                room,
                "fewer connections than configured: half of the file descriptors, see `ulimit -n`"
            );
        }
        room
    }

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

/// How many file descriptors the process may have. The other half of them is for files, and for what comes up.
fn descriptors() -> Option<usize> {
    // Linux; elsewhere the limit is for whoever configures.
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files")?.split_whitespace().next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    #[cfg(target_os = "linux")]
    #[test]
    fn the_limit_of_descriptors_is_found() {
        assert!(super::descriptors().is_some_and(|limit| limit > 8), "{:?}", super::descriptors());
    }
}
