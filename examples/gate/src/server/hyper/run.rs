//! Runs until it is told to stop, and then stops in time.

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tower::Service;

use super::activity::Activity;
use super::connection;
use super::listener::{accept, bind};
use crate::server::{BindError, ServerConfig, Stopped};

/// A server that listens already.
#[derive(Debug)]
pub(crate) struct Server {
    listener: TcpListener,
    addr: SocketAddr,
    config: Arc<ServerConfig>,
}

impl Server {
    /// Listens.
    ///
    /// # Errors
    ///
    /// When the address cannot be listened at.
    pub(in crate::server) async fn bind(addr: SocketAddr, config: &ServerConfig) -> Result<Self, BindError> {
        let listener = bind(addr).await?;
        let addr = listener.local_addr().unwrap_or(addr);
        Ok(Self { listener, addr, config: Arc::new(config.clone()) })
    }

    /// Where it listens.
    pub(in crate::server) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Serves until the first order comes, or nobody is left to give one. Then it stops listening, sets `stopping`, and
    /// waits for requests to end, for as long as is configured or until the second order.
    pub(in crate::server) async fn run<S, B>(
        self,
        service: S,
        stopping: &watch::Sender<bool>,
        mut orders: mpsc::Receiver<()>,
    ) -> Stopped
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
        S::Future: Send + 'static,
        B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
    {
        let mut connections = JoinSet::new();
        let requests = Arc::new(AtomicUsize::new(0));
        let room = Arc::new(Semaphore::new(self.config.room().min(Semaphore::MAX_PERMITS)));
        loop {
            let next = async {
                // Room first: who finds none stays in the kernel's queue instead of holding a descriptor here.
                let permit = Arc::clone(&room).acquire_owned().await;
                (permit, accept(&self.listener).await)
            };
            let (permit, (stream, peer)) = tokio::select! {
                biased;
                _ = orders.recv() => break,
                next = next => next,
            };
            while connections.try_join_next().is_some() {}
            let activity = Arc::new(Activity::new(Arc::clone(&requests)));
            let (service, config) = (service.clone(), Arc::clone(&self.config));
            let stopping = stopping.subscribe();
            connections.spawn(async move {
                connection::serve(stream, peer, service, activity, config, stopping).await;
                drop(permit);
            });
        }
        drop(self.listener);
        stopping.send_replace(true);
        let drained = async { while connections.join_next().await.is_some() {} };
        let hurried = async {
            // Nobody left to hurry us is no reason to hurry.
            if orders.recv().await.is_none() {
                std::future::pending::<()>().await;
            }
        };
        let in_time = tokio::select! {
            drained = timeout(self.config.shutdown_deadline(), drained) => drained.is_ok(),
            () = hurried => false,
        };
        if in_time {
            return Stopped::default();
        }
        while connections.try_join_next().is_some() {}
        let stopped = Stopped { connections: connections.len(), requests: requests.load(Ordering::Relaxed) };
        connections.shutdown().await;
        stopped
    }
}
