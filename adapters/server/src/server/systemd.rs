//! Sockets that systemd has opened, before the server was started.

use std::io;

use listenfd::ListenFd;
use socket2::SockRef;

use super::listener::Listener;

impl Listener {
    /// The sockets that systemd, or who speaks its protocol, hands to this process (`LISTEN_FDS`), TCP and Unix ones, in the
    /// order of the unit's `ListenStream=` lines. None, where it was started in another way, or they are another process's
    /// (`LISTEN_PID`).
    ///
    /// They are handed over once: the variables `LISTEN_FDS` and `LISTEN_PID` are removed, and what this process starts
    /// inherits none of the sockets. Since the environment belongs to all threads, it is to be called before others are started.
    /// `LISTEN_FDNAMES` is neither read nor removed. What a unit sets for a socket (`BindIPv6Only=`, `Backlog=`) stays as it is.
    ///
    /// ```no_run
    /// # use bivalve_server::{Listener, Server};
    /// # fn with(mut server: Server) -> std::io::Result<Server> {
    /// let inherited = Listener::from_systemd()?;
    /// if inherited.is_empty() {
    ///     server = server.listen(Listener::tcp("[::]:8080")?);
    /// }
    /// server = inherited.into_iter().fold(server, Server::listen);
    /// # Ok(server)
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When one of them is not a stream socket that listens; it says which. `Accept=yes` in the unit leads to this.
    pub fn from_systemd() -> io::Result<Vec<Self>> {
        let mut inherited = ListenFd::from_env();
        (0..inherited.len()).map(|index| take(&mut inherited, index)).collect()
    }
}

fn take(inherited: &mut ListenFd, index: usize) -> io::Result<Listener> {
    let refused = |why: &dyn std::fmt::Display| {
        let which = format!("socket {index} of LISTEN_FDS cannot be served: {why}");
        io::Error::new(io::ErrorKind::InvalidInput, which)
    };
    let (listens, listener) = match inherited.take_tcp_listener(index) {
        Ok(Some(tcp)) => (SockRef::from(&tcp).is_listener(), Listener::from(tcp)),
        Ok(None) => return Err(refused(&"it was taken before")),
        Err(_) => match inherited.take_unix_listener(index) {
            Ok(Some(unix)) => (SockRef::from(&unix).is_listener(), Listener::from(unix)),
            Ok(None) => return Err(refused(&"it was taken before")),
            Err(_) => return Err(refused(&"it is neither a TCP nor a Unix stream socket")),
        },
    };
    match listens {
        Ok(true) => Ok(listener),
        Ok(false) => Err(refused(&"it does not listen")),
        Err(error) => Err(refused(&error)),
    }
}
