//! The pipeline's host: reads and sends on the connection.

use std::any::Any;
use std::sync::Arc;
use std::task::{Context as Task, Poll};

use atomic_refcell::{AtomicRefCell, AtomicRefMut};
use bivalve_core::{Completion, CompletionStatus, Context, Host, Outgoing};
use bytes::Bytes;

use super::wire::Wire;
use crate::transport::Transport;

/// A connection as its requests see it.
pub(super) trait Carrier: Send + Sync {
    /// What came of it, where that is known at once.
    fn start_send(&self, part: Outgoing<'_>) -> Option<CompletionStatus>;
    fn poll_send(&self, task: &mut Task<'_>) -> Poll<Completion>;
    fn start_read(&self);
    fn poll_read(&self, max: usize, task: &mut Task<'_>) -> Poll<Result<Bytes, CompletionStatus>>;
    fn reset(&self);
}

/// A connection that its task shares with the request that is served in it, one at a time.
pub(super) type Shared<T> = AtomicRefCell<Wire<T>>;

impl<T: Transport> Carrier for Shared<T> {
    fn start_send(&self, part: Outgoing<'_>) -> Option<CompletionStatus> {
        lock(self).start_send(part)
    }

    fn poll_send(&self, task: &mut Task<'_>) -> Poll<Completion> {
        lock(self).poll_send(task)
    }

    fn start_read(&self) {
        lock(self).start_read();
    }

    fn poll_read(&self, max: usize, task: &mut Task<'_>) -> Poll<Result<Bytes, CompletionStatus>> {
        lock(self).poll_read(max, task)
    }

    fn reset(&self) {
        lock(self).reset();
    }
}

/// The connection, for as long as the result is held. Whoever wants it meanwhile has made a mistake, and panics: the connection
/// is closed.
pub(super) fn lock<T>(wire: &Shared<T>) -> AtomicRefMut<'_, Wire<T>> {
    wire.borrow_mut()
}

/// The host of one request after the other; of none while its context is in the pool.
#[derive(Default)]
pub(super) struct ServerHost {
    carrier: Option<Arc<dyn Carrier>>,
    /// What came of the last send, if that is known, and its octets. Apart: they are read again at once.
    sent: Option<CompletionStatus>,
    octets: usize,
    max: usize,
}

impl ServerHost {
    pub(super) fn new(carrier: Arc<dyn Carrier>) -> Self {
        Self { carrier: Some(carrier), ..Self::default() }
    }

    /// Puts a pooled context on a connection.
    pub(super) fn set(cx: &mut Context, carrier: Arc<dyn Carrier>) {
        if let Some(host) = Self::of(cx) {
            *host = Self::new(carrier);
        }
    }

    /// Takes a context off its connection.
    pub(super) fn unset(cx: &mut Context) -> Option<Arc<dyn Carrier>> {
        std::mem::take(Self::of(cx)?).carrier
    }

    fn of(cx: &mut Context) -> Option<&mut Self> {
        (cx.host_mut() as &mut dyn Any).downcast_mut()
    }
}

impl Host for ServerHost {
    fn start_send(&mut self, part: Outgoing<'_>) {
        self.octets = usize::try_from(part.entity_len()).unwrap_or(usize::MAX);
        self.sent = self.carrier.as_ref().and_then(|carrier| carrier.start_send(part));
    }

    fn sent_at_once(&mut self) -> Option<Completion> {
        self.sent.map(|status| match status {
            CompletionStatus::SUCCESS => Completion::success(self.octets),
            status => Completion::failure(status),
        })
    }

    fn poll_send(&mut self, task: &mut Task<'_>) -> Poll<Completion> {
        self.carrier
            .as_ref()
            .map_or(Poll::Ready(Completion::failure(GONE)), |carrier| carrier.poll_send(task))
    }

    fn start_read(&mut self, max: usize) {
        self.max = max;
        if let Some(carrier) = &self.carrier {
            carrier.start_read();
        }
    }

    fn poll_read(&mut self, task: &mut Task<'_>) -> Poll<Result<Bytes, CompletionStatus>> {
        self.carrier.as_ref().map_or(Poll::Ready(Err(GONE)), |carrier| carrier.poll_read(self.max, task))
    }

    fn reset(&mut self) {
        if let Some(carrier) = &self.carrier {
            carrier.reset();
        }
    }
}

const GONE: CompletionStatus = CompletionStatus::CONNECTION_ABORTED;
