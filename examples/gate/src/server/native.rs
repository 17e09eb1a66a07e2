//! Bivalve's own server.

use std::error::Error;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bivalve::Pipeline;
use bivalve::backend::Choice;
use bivalve::server::{Limits, Listener, Pem, Running, Stopped, Tls, TrustedPeers};
use tokio::sync::{mpsc, watch};

use super::{BindError, ServerConfig};

/// A listener that nobody serves yet.
#[derive(Debug)]
pub(crate) struct Native {
    listener: Listener,
    addr: SocketAddr,
    tls: Option<Tls>,
}

/// A server that runs.
#[derive(Debug)]
pub(crate) struct Started {
    running: Running,
    deadline: Duration,
    tls: Option<Tls>,
}

impl Native {
    pub(super) fn bind(
        addr: SocketAddr,
        config: &ServerConfig,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        // First, because it leaves nothing behind.
        let tls = config.tls().map(|(chain, key)| Tls::builder(Pem::file(chain), Pem::file(key)).build());
        let tls = tls.transpose()?;
        let listener = Listener::tcp(addr).map_err(|error| BindError { addr, error })?;
        let addr = listener.addresses().first().copied().unwrap_or(addr);
        let listener = match &tls {
            Some(tls) => listener.tls(tls),
            None => listener,
        };
        let proxies = &config.proxy_protocol_from;
        let listener = match proxies.is_empty() {
            true => listener,
            false => listener.proxy_protocol(TrustedPeers::addresses(proxies.iter().copied())),
        };
        Ok(Self { listener, addr, tls })
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Serves from here on, on threads of its own.
    pub(super) fn start(
        self,
        choice: &Choice,
        pipeline: Arc<Pipeline>,
        config: &ServerConfig,
    ) -> Result<Started, Box<dyn Error + Send + Sync>> {
        // Of bodies the application has bounds, which are answered by modules and logged.
        let limits = Limits::default().with_head_bytes(super::MAX_HEAD).with_body_bytes(u64::MAX);
        let running = choice
            .server(pipeline)
            .listen(self.listener)
            .limits(limits)
            .connections(config.room())
            .connections_per_address(config.max_connections_per_address)
            .head_timeout(config.header_timeout())
            .idle_timeout(config.idle_timeout())
            .stall_timeout(config.stall_timeout())
            .minimum_rate(config.min_bytes_per_second)
            .start()?;
        Ok(Started { running, deadline: config.shutdown_deadline(), tls: self.tls })
    }
}

impl Started {
    pub(super) fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    /// As [`Serving::run`](super::Serving::run).
    pub(super) async fn run(self, stopping: &watch::Sender<bool>, mut orders: mpsc::Receiver<()>) -> Stopped {
        let _ = orders.recv().await;
        stopping.send_replace(true);
        let hurried = async {
            // Nobody left to hurry us is no reason to hurry.
            if orders.recv().await.is_none() {
                pending::<()>().await;
            }
        };
        self.running.stop_or_cut(self.deadline, hurried).await
    }
}
