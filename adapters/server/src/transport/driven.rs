//! A stream on a completion driver.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll, ready};
use std::time::Duration;

use bivalve_core::{
    CompletionStatus, Driver, DriverExt, EntityChunk, Lease, Multishot, OwnedHandle, Resource, Started,
};

use super::{Piece, Transport};

/// A stream that a driver carries.
#[derive(Debug)]
pub(crate) struct Driven {
    // Before the handle: they end before it is closed.
    receiving: Multishot<Lease>,
    sending: Option<Started<Vec<EntityChunk>>>,
    shutting_down: Option<Started<()>>,
    handle: OwnedHandle,
    ended: bool,
}

impl Driven {
    /// Takes a connected stream, and begins to receive.
    pub(crate) fn new(driver: &Arc<dyn Driver>, stream: impl Into<Resource>) -> io::Result<Self> {
        let handle = driver.attach(stream)?;
        Ok(Self {
            receiving: driver.receive_many(&handle),
            sending: None,
            shutting_down: None,
            handle,
            ended: false,
        })
    }
}

impl Transport for Driven {
    fn poll_receive(&mut self, task: &mut Task<'_>) -> Poll<Option<io::Result<Piece>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let item = ready!(self.receiving.poll_next(task));
        self.ended = !matches!(item, Some(Ok(_)));
        Poll::Ready(item.map(|item| item.map(Piece::Lease)))
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
        let shutdown = self.shutting_down.get_or_insert_with(|| self.handle.driver().shutdown(&self.handle));
        Pin::new(shutdown).poll(task).map(drop)
    }

    fn reset(&mut self) {
        let _ = self.handle.driver().inspect(*self.handle, &mut |resource| {
            if let Resource::TcpStream(stream) = resource {
                // Closed without lingering, TCP resets: RFC 9293 section 3.10.7; `SO_LINGER` with no time.
                let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
            }
        });
    }
}
