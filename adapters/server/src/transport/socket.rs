//! A connected socket for Tokio: below TLS, and while a proxy says whose it is.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context as Task, Poll};
use std::time::Duration;

use bivalve_core::Resource;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::Abort;

/// A socket that Tokio watches.
pub(crate) enum Socket {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(tokio::net::UnixStream),
}

impl Socket {
    /// The stream for a driver.
    pub(crate) fn into_resource(self) -> io::Result<Resource> {
        match self {
            Self::Tcp(stream) => stream.into_std().map(Resource::from),
            #[cfg(unix)]
            Self::Unix(stream) => stream.into_std().map(Resource::from),
        }
    }
}

impl Abort for TlsStream<Socket> {
    fn abort(&mut self) {
        // Closed without lingering, TCP resets: RFC 9293 section 3.10.7; `SO_LINGER` with no time. And without the alert
        // `close_notify`, the client knows that the end is none (RFC 8446 section 6.1).
        match self.get_ref().0 {
            Socket::Tcp(stream) => {
                let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
            }
            #[cfg(unix)]
            Socket::Unix(_) => {}
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, task: &mut Task<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(task, into),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_read(task, into),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, task: &mut Task<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(task, octets),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_write(task, octets),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        task: &mut Task<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(task, parts),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(task, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(task),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_flush(task),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(task),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(task),
        }
    }
}
