//! One connection, from its first byte to its last.

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bivalve::Connection;
use bytes::Bytes;
use http::{Request, Response, Version};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tower::{Service, ServiceExt};

use super::activity::{Activity, Counted};
use super::wire::Watched;
use crate::server::{MAX_HEAD, ServerConfig};

/// Serves one client until it goes away, its time is up, or `stopping` has become true and its requests are answered.
pub(super) async fn serve<S, B>(
    stream: TcpStream,
    peer: SocketAddr,
    service: S,
    activity: Arc<Activity>,
    config: Arc<ServerConfig>,
    mut stopping: watch::Receiver<bool>,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
    S::Future: Send + 'static,
    S: Send + 'static,
{
    // Small answers are not held back to be sent together.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "TCP_NODELAY");
    }
    let known = Arc::new(known(&stream, peer));
    let begun = Arc::clone(&activity);
    let service = service_fn(move |mut request: Request<Incoming>| {
        // Here the modules learn about the connection.
        request.extensions_mut().insert(Arc::clone(&known));
        let underway = begun.begin(request.version() == Version::HTTP_2);
        let answer = service.clone().oneshot(request);
        async move { answer.await.map(|response| response.map(|body| Counted::new(body, underway))) }
    });
    let stream = Watched::new(stream, Arc::clone(&activity));
    let builder = builder(&config);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let mut stalled = pin!(activity.stalled_for(config.stall_timeout()));
    let mut closing = false;
    loop {
        let (first, idle) =
            if closing { (LINGER, LINGER) } else { (config.header_timeout(), config.idle_timeout()) };
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%peer, error = &*error, "the connection failed");
                }
                return;
            }
            () = stalled.as_mut() => {
                tracing::debug!(%peer, "the client takes nothing of its response");
                return;
            }
            // An error: the server is gone.
            _ = stopping.wait_for(|stopping| *stopping), if !closing => {}
            () = activity.idle_for(first, idle) => {
                if closing {
                    // It has no request, and says no goodbye.
                    return;
                }
                tracing::debug!(%peer, "no request for too long");
            }
        }
        connection.as_mut().graceful_shutdown();
        closing = true;
    }
}

fn known(stream: &TcpStream, peer: SocketAddr) -> Connection {
    let connection = Connection::builder().remote_addr(peer);
    match stream.local_addr() {
        Ok(local) => connection.local_addr(local).build(),
        Err(_) => connection.build(),
    }
}

fn builder(config: &ServerConfig) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(config.header_timeout())
        .max_buf_size(MAX_HEAD);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING)
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEADER_LIST);
    builder
}

/// For a connection without requests to say goodbye.
const LINGER: Duration = Duration::from_secs(1);

/// Between two HTTP/2 pings, and for the answer to one.
const PING: Duration = Duration::from_secs(20);

const MAX_HEADER_LIST: u32 = 16 * 1024;
const MAX_STREAMS: u32 = 200;
