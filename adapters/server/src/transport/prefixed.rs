//! A stream of which some has been read already, for another protocol or the change to it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context as Task, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;
use tokio::time::Sleep;

use super::BoxStream;
use crate::connection::{Pace, Timeouts, Watchdog};

/// A stream, and what comes before it. A peer that takes too little ends it, with an error.
pub(crate) struct Prefixed {
    prefix: Bytes,
    stream: BoxStream,
    timeouts: Timeouts,
    sent: Pace,
    /// Made when the peer is waited for the first time.
    sleep: Option<Pin<Box<Sleep>>>,
    /// Dropped with this, whoever has it by then.
    _alive: oneshot::Sender<()>,
}

impl Prefixed {
    /// The receiver hears when the stream is closed.
    pub(crate) fn new(prefix: Bytes, stream: BoxStream, timeouts: Timeouts) -> (Self, oneshot::Receiver<()>) {
        let (alive, closed) = oneshot::channel();
        let this = Self { prefix, stream, timeouts, sent: Pace::default(), sleep: None, _alive: alive };
        (this, closed)
    }

    /// What came of a write, unless the peer has been waited for too long.
    fn paced(&mut self, written: Poll<io::Result<usize>>, task: &mut Task<'_>) -> Poll<io::Result<usize>> {
        let Timeouts { stall, octets_per_second, .. } = self.timeouts;
        match written {
            Poll::Ready(Ok(octets)) => self.sent.moved(octets as u64, octets_per_second),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => {
                self.sent.wait();
                let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(Duration::ZERO)));
                let deadline = self.sent.deadline(stall, octets_per_second, 0);
                if deadline.is_some_and(|deadline| {
                    Watchdog::new(sleep.as_mut()).poll_passed(deadline, task).is_ready()
                }) {
                    tracing::debug!(target: "bivalve::server", "the client takes too little");
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
            }
        }
        written
    }
}

impl AsyncRead for Prefixed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut Task<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.prefix.is_empty() {
            return Pin::new(&mut self.stream).poll_read(task, into);
        }
        let octets = self.prefix.len().min(into.remaining());
        into.put_slice(&self.prefix[..octets]);
        self.prefix.advance(octets);
        if self.prefix.is_empty() {
            // Its memory is not kept for as long as the other protocol goes on.
            self.prefix = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Prefixed {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Task<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(task, octets);
        self.paced(written, task)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut Task<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(task, parts);
        self.paced(written, task)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(task)
    }
}
