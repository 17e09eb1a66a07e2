//! Finishes a request whose client has gone, or waits for nothing more: LogRequest and EndRequest are owed to every
//! request that began.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context as Task, Poll, Waker};

use tokio::sync::Notify;

use crate::exchange::RunFuture;
use crate::layer::Shared;

/// Counts what runs in the background.
#[derive(Default)]
pub(crate) struct Background {
    running: AtomicUsize,
    none: Notify,
}

/// One request in the background.
struct Running(Arc<Shared>);

impl Background {
    /// Whether another request may go on here as if its client were there. In HTTP/2 a client may ask for any number of them, for
    /// the stream of each is over.
    pub(crate) fn has_room(&self) -> bool {
        self.running.load(Ordering::Relaxed) < MOST
    }

    /// Waits until nothing runs in the background.
    pub(crate) async fn drained(&self) {
        loop {
            let mut none = pin!(self.none.notified());
            // Before the count is read, or the last one could end in between.
            none.as_mut().enable();
            if self.running.load(Ordering::Acquire) == 0 {
                return;
            }
            none.await;
        }
    }
}

impl Running {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.background().running.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(shared))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let background = self.0.background();
        if background.running.fetch_sub(1, Ordering::Release) == 1 {
            background.none.notify_waiters();
        }
    }
}

/// So many requests in the background, and the next one without a body hears that its client has gone.
const MOST: usize = 1024;

/// Runs the rest in the background: on Tokio if this thread is in a runtime, else as far as it goes without
/// waiting, and then on the server's own background.
pub(crate) fn detach(mut run: RunFuture, shared: &Arc<Shared>) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        let running = Running::new(shared);
        runtime.spawn(async move { running.0.recycle(run.await) });
        return;
    }
    match run.as_mut().poll(&mut Task::from_waker(Waker::noop())) {
        Poll::Ready(cx) => shared.recycle(cx),
        Poll::Pending => {
            let running = Running::new(shared);
            let rest = async move { running.0.recycle(run.await) };
            if shared.pipeline().server().spawn(rest).is_err() {
                tracing::error!(
                    "a client went away outside a Tokio runtime, and LogRequest waits: give the server a way to run background work with Server::with_spawn"
                );
            }
        }
    }
}
