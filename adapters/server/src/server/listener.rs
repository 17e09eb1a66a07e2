//! Where connections come from.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};

use bivalve_core::{Connection, ConnectionBuilder, Resource};

use super::bind::bind_all;
#[cfg(unix)]
use super::bind::cannot_listen;
use crate::{Tls, TrustedPeers, transport};

/// Sockets that listen.
pub struct Listener {
    pub(super) sockets: Vec<Socket>,
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
    /// Listens at a TCP address, or at all that a name stands for, `localhost:8080` say. Those that this machine does not
    /// have are left out, as those of IPv6 often are. Where the port is 0, the system chooses one for all of them.
    ///
    /// `[::]` takes clients of IPv4 as well, on every system but those that cannot, unless an address of IPv4 is there beside
    /// it. Modules, and [`connections_per_address`](crate::Server::connections_per_address), see an address of IPv4 as such,
    /// and not as one that is mapped to IPv6.
    ///
    /// # Errors
    ///
    /// When the name stands for nothing, this machine has none of its addresses, or one of them is taken.
    pub fn tcp(address: impl ToSocketAddrs) -> io::Result<Self> {
        let sockets = bind_all(address.to_socket_addrs()?)?.into_iter().map(Socket::Tcp).collect();
        Ok(Self { sockets, terms: Terms::default() })
    }

    /// Listens at a path. One that is there already is not replaced, and none is removed when the server ends: whoever starts it
    /// removes what an earlier one has left, when it is sure that this one has ended.
    ///
    /// # Errors
    ///
    /// When the path is taken, or may not be made.
    #[cfg(unix)]
    pub fn unix(path: impl AsRef<std::path::Path>) -> io::Result<Self> {
        let path = path.as_ref();
        let bound = std::os::unix::net::UnixListener::bind(path);
        bound.map(Self::from).map_err(|error| cannot_listen(&path.display(), error))
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

    /// Each socket, with what is spoken there.
    pub(super) fn into_sockets(self) -> impl Iterator<Item = (Socket, Terms)> {
        let Self { sockets, terms } = self;
        sockets.into_iter().map(move |socket| (socket, terms.clone()))
    }

    /// The TCP addresses; none for a path.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.sockets.iter().filter_map(Socket::address).collect()
    }
}

impl Socket {
    fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            #[cfg(unix)]
            Self::Unix(_) => None,
        }
    }
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self { sockets: vec![Socket::Tcp(listener)], terms: Terms::default() }
    }
}

#[cfg(unix)]
impl From<std::os::unix::net::UnixListener> for Listener {
    fn from(listener: std::os::unix::net::UnixListener) -> Self {
        Self { sockets: vec![Socket::Unix(listener)], terms: Terms::default() }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("addresses", &self.addresses()).finish_non_exhaustive()
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
                let known =
                    stream.peer_addr().map(plain).into_iter().fold(known, ConnectionBuilder::remote_addr);
                stream.local_addr().map(plain).into_iter().fold(known, ConnectionBuilder::local_addr)
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

/// An address of IPv4 as such, also where the socket is one of IPv6.
fn plain(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        ip @ IpAddr::V4(_) => SocketAddr::new(ip, address.port()),
        // It may have a scope.
        IpAddr::V6(_) => address,
    }
}
