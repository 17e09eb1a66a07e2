//! TCP sockets that listen at what a name stands for, and what is said where nobody can listen.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Type};

use crate::limits::BACKLOG;

/// One socket for each address that this machine has. Where the port is 0, all get the same one.
pub(super) fn bind_all(addresses: impl Iterator<Item = SocketAddr>) -> io::Result<Vec<TcpListener>> {
    let mut wanted = Vec::new();
    for address in addresses {
        if !wanted.contains(&address) {
            wanted.push(address);
        }
    }
    let any = wanted.iter().any(|address| address.port() == 0);
    for _ in 0..if any { TRIES } else { 0 } {
        match bind_each(&wanted) {
            // The port that the system chose for one address belongs to somebody at another.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            bound => return bound,
        }
    }
    bind_each(&wanted)
}

fn bind_each(addresses: &[SocketAddr]) -> io::Result<Vec<TcpListener>> {
    let mut listeners: Vec<TcpListener> = Vec::new();
    let mut missing = io::Error::new(io::ErrorKind::InvalidInput, "the name stands for no address");
    let both = !addresses.iter().any(SocketAddr::is_ipv4);
    for address in addresses {
        let mut address = *address;
        if let Some(first) = listeners.first()
            && address.port() == 0
        {
            address.set_port(first.local_addr()?.port());
        }
        match bind(address, both) {
            Ok(Some(listener)) => listeners.push(listener),
            Ok(None) => missing = cannot_listen(&address, io::ErrorKind::AddrNotAvailable.into()),
            Err(error) => return Err(cannot_listen(&address, error)),
        }
    }
    if listeners.is_empty() { Err(missing) } else { Ok(listeners) }
}

/// `both`: `[::]` takes IPv4 as well. `None`: the machine has no such address.
fn bind(address: SocketAddr, both: bool) -> io::Result<Option<TcpListener>> {
    let Ok(socket) = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))
    else {
        // Most often: it has no IPv6.
        return Ok(None);
    };
    if address.is_ipv6() {
        // What the system does by default depends on the system, and on who runs it.
        socket.set_only_v6(!both)?;
    }
    // On Windows it would let another process take the port over.
    #[cfg(not(windows))]
    socket.set_reuse_address(true)?;
    match socket.bind(&address.into()) {
        Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => return Ok(None),
        bound => bound?,
    }
    socket.listen(BACKLOG)?;
    Ok(Some(socket.into()))
}

/// The error, with where it was.
pub(super) fn cannot_listen(at: &dyn fmt::Display, source: io::Error) -> io::Error {
    io::Error::new(source.kind(), CannotListen { at: at.to_string(), source })
}

#[derive(Debug)]
struct CannotListen {
    at: String,
    source: io::Error,
}

impl fmt::Display for CannotListen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot listen at {}: {}", self.at, self.source)
    }
}

impl Error for CannotListen {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

/// How often the system is asked for a port that is free at all addresses.
const TRIES: usize = 8;
