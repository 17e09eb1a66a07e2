//! Finishes a request whose client has gone: LogRequest and EndRequest are owed to every request that began.

use std::sync::Arc;
use std::task::{Context as Task, Poll, Waker};

use crate::exchange::RunFuture;
use crate::layer::Shared;

/// Runs the rest in the background: on Tokio if this thread is in a runtime, else as far as it goes without
/// waiting, and then on the server's own background.
pub(crate) fn detach(mut run: RunFuture, shared: &Arc<Shared>) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        let shared = Arc::clone(shared);
        runtime.spawn(async move { shared.recycle(run.await) });
        return;
    }
    match run.as_mut().poll(&mut Task::from_waker(Waker::noop())) {
        Poll::Ready(cx) => shared.recycle(cx),
        Poll::Pending => {
            let recycler = Arc::clone(shared);
            let rest = async move { recycler.recycle(run.await) };
            if shared.pipeline().server().spawn(rest).is_err() {
                tracing::error!(
                    "a client went away outside a Tokio runtime, and LogRequest waits: give the server a way to run background work with Server::with_spawn"
                );
            }
        }
    }
}
