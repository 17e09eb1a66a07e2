//! A stream on a completion driver.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;

use bivalve_core::{
    CompletionStatus, Driver, DriverExt, EntityChunk, Lease, Multishot, OwnedHandle, Resource, Started,
};

use super::receiving::Receiving;
use super::{BoxStream, Piece, Transport};

/// A stream that a driver carries.
#[derive(Debug)]
pub(crate) struct Driven {
    // Before the handle: they end before it is closed.
    receiving: Receiving,
    sending: Option<Started<Vec<EntityChunk>>>,
    shutting_down: Option<Started<()>>,
    shut_down: bool,
    handle: OwnedHandle,
}

impl Driven {
    /// Takes a connected stream, and begins to receive.
    pub(crate) fn new(driver: &Arc<dyn Driver>, stream: impl Into<Resource>) -> io::Result<Self> {
        let handle = driver.attach(stream)?;
        Ok(Self::idle(Receiving::new(&handle), handle))
    }

    fn idle(receiving: Receiving, handle: OwnedHandle) -> Self {
        Self { receiving, sending: None, shutting_down: None, shut_down: false, handle }
    }
}

/// A stream on which nothing is under way, but that it receives.
#[derive(Debug)]
pub(crate) enum Folded {
    // In this order: the receive ends before the handle is closed.
    Receives(Multishot<Lease>, OwnedHandle),
    /// It is just changing how it receives.
    Else(Box<Driven>),
}

impl Transport for Driven {
    const EAGER: bool = true;
    const ENCRYPTED: bool = false;

    type Folded = Folded;

    fn fold(self) -> Folded {
        match self {
            Self { receiving, sending: None, shutting_down: None, shut_down: false, handle } => {
                match receiving.fold() {
                    Ok(receiving) => Folded::Receives(receiving, handle),
                    Err(receiving) => Folded::Else(Box::new(Self::idle(receiving, handle))),
                }
            }
            other => Folded::Else(Box::new(other)),
        }
    }

    fn unfold(folded: Folded) -> Self {
        match folded {
            Folded::Receives(receiving, handle) => Self::idle(Receiving::unfold(receiving), handle),
            Folded::Else(this) => *this,
        }
    }

    fn expect(&mut self, octets: u64) {
        self.receiving.expect(octets);
    }

    fn rest(&mut self) {
        self.receiving.rest();
    }

    fn poll_receive(&mut self, task: &mut Task<'_>) -> Poll<Option<io::Result<Piece>>> {
        self.receiving.poll(&self.handle, task)
    }

    fn start_send(&mut self, chunks: Vec<EntityChunk>) {
        self.sending = Some(self.handle.driver().send(&self.handle, chunks));
    }

    fn poll_send(&mut self, task: &mut Task<'_>) -> Poll<(CompletionStatus, Vec<EntityChunk>)> {
        let Some(sending) = &mut self.sending else {
            return Poll::Ready((CompletionStatus::SUCCESS, Vec::new()));
        };
        let completed = ready!(Pin::new(sending).poll(task));
        self.sending = None;
        Poll::Ready((completed.completion.status(), completed.buffer))
    }

    fn poll_shutdown(&mut self, task: &mut Task<'_>) -> Poll<()> {
        if !self.shut_down {
            let handle = &self.handle;
            let shutdown = self.shutting_down.get_or_insert_with(|| handle.driver().shutdown(handle));
            let _ = ready!(Pin::new(shutdown).poll(task));
            self.shutting_down = None;
            self.shut_down = true;
        }
        Poll::Ready(())
    }

    fn reset(&mut self) {
        let _ = self.handle.driver().inspect(*self.handle, &mut |resource| {
            if let Resource::TcpStream(stream) = resource {
                // Closed without lingering, TCP resets: RFC 9293 section 3.10.7; `SO_LINGER` with no time.
                let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
            }
        });
    }

    fn poll_quiet(&mut self, rest: &mut BytesMut, task: &mut Task<'_>) -> Poll<()> {
        ready!(self.receiving.poll_stop(rest, task));
        ready!(self.poll_send(task));
        Poll::Ready(())
    }

    /// The driver closes its descriptor, the stream goes on with another of the same socket.
    fn into_stream(self) -> io::Result<BoxStream> {
        let mut stream = Err(io::ErrorKind::Unsupported.into());
        self.handle.driver().inspect(*self.handle, &mut |resource| stream = again(resource))?;
        stream
    }
}

fn again(resource: &Resource) -> io::Result<BoxStream> {
    match resource {
        Resource::TcpStream(stream) => {
            let stream = stream.try_clone()?;
            stream.set_nonblocking(true)?;
            Ok(Box::new(tokio::net::TcpStream::from_std(stream)?))
        }
        #[cfg(unix)]
        Resource::UnixStream(stream) => {
            let stream = stream.try_clone()?;
            stream.set_nonblocking(true)?;
            Ok(Box::new(tokio::net::UnixStream::from_std(stream)?))
        }
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}
