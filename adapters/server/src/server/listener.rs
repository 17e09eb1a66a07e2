//! Where connections come from.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};

use bivalve_core::{Connection, ConnectionBuilder, Resource};

use crate::limits::BACKLOG;
use crate::{Tls, TrustedPeers, transport};

/// A socket that listens.
pub struct Listener {
    pub(super) socket: Socket,
    pub(super) terms: Terms,
}

/// What comes before HTTP on the connections of a listener.
#[derive(Clone, Default)]
pub(super) struct Terms {
    /// First the header of a proxy, which one of these may send.
    pub(super) proxies: Option<TrustedPeers>,
    pub(super) tls: Option<Tls>,
}

pub(super) enum Socket {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixListener),
}

impl Listener {
    /// Listens at a TCP address. Of several that a name stands for, the first that can be had.
    ///
    /// `[::]` takes IPv4 clients as well, where the system does so by default.
    ///
    /// # Errors
    ///
    /// When the name stands for nothing, or none of its addresses can be listened at.
    pub fn tcp(address: impl ToSocketAddrs) -> io::Result<Self> {
        let mut last = io::Error::new(io::ErrorKind::InvalidInput, "the name stands for no address");
        for address in address.to_socket_addrs()? {
            match bind(address) {
                Ok(listener) => return Ok(listener.into()),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Listens at a path. One that is there already is not replaced.
    ///
    /// # Errors
    ///
    /// When the path is taken, or may not be made.
    #[cfg(unix)]
    pub fn unix(path: impl AsRef<std::path::Path>) -> io::Result<Self> {
        std::os::unix::net::UnixListener::bind(path).map(Self::from)
    }

    /// Encrypts what is said here.
    #[must_use]
    pub fn tls(mut self, tls: &Tls) -> Self {
        self.terms.tls = Some(tls.clone());
        self
    }

    /// Each connection here begins with a header of the PROXY protocol, version 1 or 2, from one of these peers; TLS and HTTP
    /// come behind it. Modules then see the addresses that it says instead of those of the socket, and
    /// [`connections_per_address`](crate::Server::connections_per_address) counts the client that it names; until it has come,
    /// and where it names none (`LOCAL`, `UNKNOWN`, a Unix socket), those of the socket.
    ///
    /// A listener that was not told so takes such a header for a malformed request.
    ///
    /// The header has to come within the [head timeout](crate::Server::head_timeout); one of version 2 may have 4,096 bytes
    /// behind its first 16. What it says besides addresses is not read. One that is none, that ends early or comes too late,
    /// and a peer that is not trusted, is closed without an answer, and traced at level DEBUG.
    ///
    /// Source: "The PROXY protocol, versions 1 & 2", of HAProxy.
    #[must_use]
    pub fn proxy_protocol(mut self, peers: TrustedPeers) -> Self {
        self.terms.proxies = Some(peers);
        self
    }

    /// The TCP address; `None` for a path.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.socket {
            Socket::Tcp(listener) => listener.local_addr().ok(),
            #[cfg(unix)]
            Socket::Unix(_) => None,
        }
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(
        socket2::Domain::for_address(address),
        socket2::Type::STREAM,
        Some(socket2::Protocol::TCP),
    )?;
    // On Windows it would let another process take the port over.
    #[cfg(not(windows))]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self { socket: Socket::Tcp(listener), terms: Terms::default() }
    }
}

#[cfg(unix)]
impl From<std::os::unix::net::UnixListener> for Listener {
    fn from(listener: std::os::unix::net::UnixListener) -> Self {
        Self { socket: Socket::Unix(listener), terms: Terms::default() }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("address", &self.address()).finish_non_exhaustive()
    }
}

/// A connected stream, not yet with a driver.
pub(super) enum Stream {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixStream),
}

impl Stream {
    /// What modules are told of it.
    pub(super) fn connection(&self) -> ConnectionBuilder {
        let known = Connection::builder();
        match self {
            Self::Tcp(stream) => {
                // Small answers are not held back to be sent together.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(target: "bivalve::server", %error, "TCP_NODELAY");
                }
                let known = stream.peer_addr().into_iter().fold(known, ConnectionBuilder::remote_addr);
                stream.local_addr().into_iter().fold(known, ConnectionBuilder::local_addr)
            }
            #[cfg(unix)]
            Self::Unix(_) => known,
        }
    }

    /// The stream for Tokio, on the worker that it belongs to. It does not block already.
    pub(super) fn into_tokio(self) -> io::Result<transport::Socket> {
        match self {
            Self::Tcp(stream) => tokio::net::TcpStream::from_std(stream).map(transport::Socket::Tcp),
            #[cfg(unix)]
            Self::Unix(stream) => tokio::net::UnixStream::from_std(stream).map(transport::Socket::Unix),
        }
    }
}

impl From<Stream> for Resource {
    fn from(stream: Stream) -> Self {
        match stream {
            Stream::Tcp(stream) => stream.into(),
            #[cfg(unix)]
            Stream::Unix(stream) => stream.into(),
        }
    }
}
