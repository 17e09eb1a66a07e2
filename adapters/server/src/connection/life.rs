//! The life of a connection: it waits for a request, is busy for as long as they come, and then is idle again, or speaks
//! another protocol, or ends.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use bivalve_core::Connection;
use bytes::{Bytes, BytesMut};
use tokio::sync::oneshot;

use super::host::{Shared, lock};
use super::pool::{Serving, Stopping};
use super::serve::Busy;
use super::watchdog::{Watchdog, first_of};
use super::wire::Wire;
use super::{Timeouts, http2, hyper};
use crate::transport::{Prefixed, Transport};

/// Serves a client until one side closes.
///
/// What a request needs is allocated while requests come, and let go when none has come for a while: so that an idle
/// connection costs little.
pub(crate) fn serve<T: Transport>(
    transport: T,
    connection: Arc<Connection>,
    serving: Arc<Serving>,
) -> impl Future<Output = ()> + Send {
    // Made here, so that the future, which idle connections keep, has no room for a transport.
    let wire = Arc::new(Shared::new(Wire::new(transport, Arc::clone(&serving))));
    keep(wire, connection, serving)
}

async fn keep<T: Transport>(wire: Arc<Shared<T>>, connection: Arc<Connection>, serving: Arc<Serving>) {
    let sleep = pin!(tokio::time::sleep(serving.timeouts.idle));
    let mut watchdog = Watchdog::new(sleep);
    let stopping = pin!(serving.stopping());
    let mut stopping = Stopping::new(stopping);
    let mut being_cut = pin!(serving.being_cut());
    // It wakes this task from then on, wherever it waits; who is woken looks at `was_cut`.
    poll_fn(|task| Poll::Ready(being_cut.as_mut().poll(task).is_ready())).await;
    loop {
        let deadline = Instant::now() + serving.timeouts.idle;
        let came = poll_fn(|task| {
            let mut wire = lock(&wire);
            // The memory of the last response comes back.
            let _ = wire.poll_flush(task);
            match wire.poll_more(task) {
                // What has come is served: the client may have sent it before it could know.
                Poll::Pending if serving.is_stopping(&mut stopping, task) => Poll::Ready(None),
                more => first_of(more, &mut watchdog, deadline, task),
            }
        });
        if came.await != Some(true) {
            return lock(&wire).farewell();
        }
        let mut busy = Busy::new(&wire, &connection, &serving, &mut watchdog, &mut stopping);
        let next = Box::pin(busy.requests()).await;
        drop(busy);
        match next {
            Next::Closed => return,
            Next::Idle => lock(&wire).rest(),
            Next::Other(protocol, read) => {
                // What others need is no part of what an idle connection keeps.
                return Box::pin(speak(protocol, read, wire, connection, &serving)).await;
            }
        }
    }
}

/// Serves another protocol, which the client has begun with these octets.
async fn speak<T: Transport>(
    protocol: Protocol,
    read: Bytes,
    wire: Arc<Shared<T>>,
    connection: Arc<Connection>,
    serving: &Arc<Serving>,
) {
    let Some((stream, closed)) = hand_over(read, wire, serving.timeouts).await else { return };
    match protocol {
        Protocol::Upgraded => {
            let upgraded = async {
                hyper::serve(stream, connection, serving).await;
                // Whoever has it now: until it closes, it has its place among the connections, and a stop waits for it.
                let _ = closed.await;
            };
            serving.until_cut(upgraded).await;
        }
        Protocol::Http2 => serving.until_cut(http2::serve(stream, connection, serving)).await,
    }
}

/// What follows when no request does.
pub(super) enum Next {
    Closed,
    Idle,
    /// Another protocol, which begins with these octets.
    Other(Protocol, Bytes),
}

/// What is spoken instead of HTTP/1.1.
pub(super) enum Protocol {
    /// What a head asks for.
    Upgraded,
    Http2,
}

/// Gives the connection to hyper: for HTTP/2, or to change the protocol where the handler agrees, as an axum
/// `WebSocketUpgrade` does. Where it does not, the connection ends with its answer: what follows would be read by other
/// rules than these.
///
/// The receiver hears when the stream is closed.
async fn hand_over<T: Transport>(
    read: Bytes,
    wire: Arc<Shared<T>>,
    timeouts: Timeouts,
) -> Option<(Prefixed, oneshot::Receiver<()>)> {
    let mut prefix = BytesMut::from(read);
    poll_fn(|task| lock(&wire).poll_quiet(&mut prefix, task)).await;
    let wire = Arc::into_inner(wire)?;
    let transport = wire.into_inner().into_transport();
    match transport.into_stream() {
        Ok(stream) => Some(Prefixed::new(prefix.freeze(), stream, timeouts)),
        Err(error) => {
            tracing::warn!(target: "bivalve::server", %error, "cannot change the protocol");
            None
        }
    }
}
