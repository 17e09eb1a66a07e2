//! The life of a connection: it [sleeps](super::idle) until a request comes, is busy for as long as they come, and then
//! sleeps again, or speaks another protocol, or ends.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use bivalve_core::Connection;
use bytes::{Bytes, BytesMut};
use tokio::sync::oneshot;

use super::host::{Shared, lock};
use super::idle::{Came, Idle, Stay};
use super::pool::{Serving, Stopping};
use super::serve::Busy;
use super::watchdog::Watchdog;
use super::wire::Wire;
use super::{Timeouts, http2, hyper};
use crate::transport::{Prefixed, Transport};

/// Serves a client until one side closes: in tasks of its own, and in none while no request comes.
///
/// What a request needs is allocated while requests come, and let go when none has come for a while, or at once where
/// many connections are [warm](Serving::keep_warm) already: so that an idle connection costs little.
pub(crate) fn serve<T: Transport, S: Stay>(
    transport: T,
    connection: Arc<Connection>,
    serving: Arc<Serving>,
    stay: S,
) {
    let deadline = Instant::now() + serving.timeouts.idle;
    let idle = Idle { transport, connection, serving, fresh: true, deadline, stay };
    if let Some(awake) = idle.sleep() {
        awake.run();
    }
}

/// A connection that has a task.
pub(super) struct Awake<T, S> {
    wire: Arc<Shared<T>>,
    connection: Arc<Connection>,
    serving: Arc<Serving>,
    /// As of an idle one.
    deadline: Instant,
    // Last: the connection is closed before its place is free.
    stay: S,
}

impl<T: Transport, S: Stay> Awake<T, S> {
    /// Makes room for requests. `came`: what has been received already.
    pub(super) fn new(idle: Idle<T, S>, came: Option<Came>) -> Self {
        let Idle { transport, connection, serving, fresh, deadline, stay } = idle;
        let mut wire = Wire::new(transport, Arc::clone(&serving), fresh);
        if let Some(came) = came {
            wire.came(came);
        }
        Self { wire: Arc::new(Shared::new(wire)), connection, serving, deadline, stay }
    }

    /// Serves it in a task of its own.
    pub(super) fn run(self) {
        let Self { wire, connection, serving, deadline, stay } = self;
        stay.run(|stay| life(Self { wire, connection, serving, deadline, stay }));
    }

    /// Goes to sleep, unless something has come.
    fn sleep(self) -> Option<Self> {
        let Self { wire, connection, serving, deadline, stay } = self;
        // Its requests are over, and nobody else has it.
        let wire = Arc::into_inner(wire)?.into_inner();
        let (transport, fresh) = wire.into_idle()?;
        Idle { transport, connection, serving, fresh, deadline, stay }.sleep()
    }
}

/// Serves requests until none comes.
#[allow(clippy::manual_async_fn, reason = "an `async fn` has room for its arguments twice")]
fn life<T: Transport, S: Stay>(mut awake: Awake<T, S>) -> impl Future<Output = ()> + Send {
    async move {
        loop {
            match has_more(&awake.wire).await {
                Poll::Ready(true) => {}
                Poll::Ready(false) => return lock(&awake.wire).farewell(),
                // Its time is over, or it was woken for nothing.
                Poll::Pending => match awake.sleep() {
                    Some(again) => {
                        awake = again;
                        continue;
                    }
                    None => return,
                },
            }
            match requests(&awake.wire, &awake.connection, &awake.serving).await {
                Next::Closed => return,
                Next::Idle => {}
                Next::Other(protocol, read) => {
                    // What others need is no part of what all connections have.
                    return Box::pin(speak(protocol, read, awake.wire, awake.connection, &awake.serving))
                        .await;
                }
            }
            awake.deadline = Instant::now() + awake.serving.timeouts.idle;
            match awake.sleep() {
                Some(again) => awake = again,
                None => return,
            }
        }
    }
}

/// Whether there is something to serve, or, with `false`, will not be. It is not waited for.
async fn has_more<T: Transport>(wire: &Shared<T>) -> Poll<bool> {
    poll_fn(|task| {
        let mut wire = lock(wire);
        Poll::Ready(if wire.has_begun() { Poll::Ready(true) } else { wire.poll_more(task) })
    })
    .await
}

/// Serves requests, of which the first has begun to come.
async fn requests<T: Transport>(
    wire: &Arc<Shared<T>>,
    connection: &Arc<Connection>,
    serving: &Arc<Serving>,
) -> Next {
    let sleep = pin!(tokio::time::sleep(serving.timeouts.idle));
    let mut watchdog = Watchdog::new(sleep);
    let stopping = pin!(serving.stopping());
    let mut stopping = Stopping::new(stopping);
    let mut being_cut = pin!(serving.being_cut());
    // It wakes this task from then on, wherever it waits; who is woken looks at `was_cut`.
    poll_fn(|task| Poll::Ready(being_cut.as_mut().poll(task).is_ready())).await;
    let mut busy = Busy::new(wire, connection, serving, &mut watchdog, &mut stopping);
    busy.requests().await
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
