//! Accepts connections and gives each to the worker that has the fewest.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context as Task, Poll, ready};

use tokio::sync::{Semaphore, mpsc};

use super::admission::{Addresses, House};
use super::listener::{Socket, Stream, Terms};
use super::worker::Accepted;
use crate::limits::{ACCEPT_PAUSE, ACCEPT_PAUSE_MOST};

/// Where accepted connections go.
pub(super) struct Acceptor {
    pub(super) workers: Vec<Queue>,
    pub(super) room: Arc<Semaphore>,
    pub(super) addresses: Arc<Addresses>,
}

/// A worker's queue, and how many connections it has.
pub(super) struct Queue {
    pub(super) house: Arc<House>,
    pub(super) sender: mpsc::UnboundedSender<Accepted>,
}

impl Acceptor {
    /// Accepts until it is dropped. An error of the system is reported and waited out: there is room again later.
    pub(super) async fn accept(&self, sockets: Vec<(Socket, Terms)>) -> io::Result<Infallible> {
        let listening = sockets
            .into_iter()
            .map(|(socket, terms)| Ok((Listening::new(socket)?, terms)))
            .collect::<io::Result<Vec<_>>>()?;
        let mut pause = ACCEPT_PAUSE;
        let mut turn = 0;
        loop {
            // Room first: who finds none stays in the system's queue instead of holding a descriptor here. It is of all
            // listeners: one that nobody connects to keeps none from the others.
            let Ok(permit) = self.room.acquire().await else {
                return Err(io::Error::other("there is no room for connections"));
            };
            turn += 1;
            let accepted = poll_fn(|task| {
                let (late, early) = listening.split_at(turn % listening.len().max(1));
                let mut accepted = early.iter().chain(late).map(|(listening, terms)| {
                    let accepted = listening.poll_accept(task);
                    accepted.map_ok(|(stream, address)| (stream, address, terms))
                });
                accepted.find(Poll::is_ready).unwrap_or(Poll::Pending)
            });
            let (stream, address, terms) = match accepted.await {
                Ok(accepted) => accepted,
                Err(error) if is_of_one_connection(&error) => continue,
                Err(error) => {
                    tracing::warn!(target: "bivalve::server", %error, ?pause, "cannot accept; waiting");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(ACCEPT_PAUSE_MOST);
                    continue;
                }
            };
            pause = ACCEPT_PAUSE;
            if terms.proxies.as_ref().is_some_and(|proxies| !proxies.trust(address)) {
                tracing::debug!(target: "bivalve::server", ?address, "a peer that is no trusted proxy");
                continue;
            }
            if let Some(address) = address
                && !self.addresses.admit(address)
            {
                tracing::debug!(target: "bivalve::server", %address, "too many connections of one address");
                continue;
            }
            // One that has died would have the fewest for ever.
            let alive = self.workers.iter().filter(|worker| !worker.sender.is_closed());
            let Some(worker) = alive.min_by_key(|worker| worker.house.load.load(Ordering::Relaxed)) else {
                if let Some(address) = address {
                    self.addresses.leave(address);
                }
                return Err(io::Error::other("there is no worker"));
            };
            let admission = worker.house.admit(address, permit);
            let connection = stream.connection();
            // A worker that has gone drops the connection, and gives its place back.
            let _ = worker.sender.send(Accepted { stream, terms: terms.clone(), connection, admission });
        }
    }
}

/// A socket that a runtime watches.
enum Listening {
    Tcp(tokio::net::TcpListener),
    #[cfg(unix)]
    Unix(tokio::net::UnixListener),
}

impl Listening {
    fn new(socket: Socket) -> io::Result<Self> {
        match socket {
            Socket::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                tokio::net::TcpListener::from_std(listener).map(Self::Tcp)
            }
            #[cfg(unix)]
            Socket::Unix(listener) => {
                listener.set_nonblocking(true)?;
                tokio::net::UnixListener::from_std(listener).map(Self::Unix)
            }
        }
    }

    fn poll_accept(&self, task: &mut Task<'_>) -> Poll<io::Result<(Stream, Option<IpAddr>)>> {
        Poll::Ready(match self {
            Self::Tcp(listener) => ready!(listener.poll_accept(task)).and_then(|(stream, peer)| {
                let stream = stream.into_std()?;
                Ok((Stream::Tcp(stream), Some(peer.ip().to_canonical())))
            }),
            #[cfg(unix)]
            Self::Unix(listener) => ready!(listener.poll_accept(task)).and_then(|(stream, _)| {
                let stream = stream.into_std()?;
                Ok((Stream::Unix(stream), None))
            }),
        })
    }
}

/// The client went away before it was accepted: the next one may be there already.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
