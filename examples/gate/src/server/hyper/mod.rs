//! hyper, watched.

mod activity;
mod connection;
mod listener;
mod run;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use bivalve::Pipeline;
use bivalve::tower::{ModuleLayer, ModuleService};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tower::Layer;

pub(crate) use self::run::Server;
use super::Stopped;

/// hyper with the modules around the application.
pub(crate) struct Hyper {
    server: Server,
    layer: ModuleLayer,
    service: ModuleService<Router>,
}

impl Hyper {
    pub(super) fn new(server: Server, pipeline: Arc<Pipeline>, router: Router) -> Self {
        let layer = ModuleLayer::new(pipeline);
        let service = layer.layer(router);
        Self { server, layer, service }
    }

    /// As [`Serving::run`](super::Serving::run).
    pub(super) async fn run(self, stopping: &watch::Sender<bool>, orders: mpsc::Receiver<()>) -> Stopped {
        let stopped = self.server.run(self.service, stopping, orders).await;
        // Requests that were cut are logged a moment later.
        if timeout(OWED, self.layer.drained()).await.is_err() {
            tracing::error!("requests that were cut are still being logged");
        }
        stopped
    }
}

impl fmt::Debug for Hyper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hyper").field("server", &self.server).finish_non_exhaustive()
    }
}

/// For the modules to log what was cut.
const OWED: Duration = Duration::from_secs(2);
