//! Panics of other people's code, kept where they belong.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context as Task, Poll};

use pin_project_lite::pin_project;

pin_project! {
    /// A handler's future. A panic while it is dropped is contained: LogRequest and EndRequest are owed all the same.
    ///
    /// A panic while it is polled is for whoever polls it: see [`bivalve_core::HandlerGuard`].
    pub(crate) struct Dropped<F> {
        // None only while this is dropped.
        #[pin]
        future: Option<F>,
    }

    impl<F> PinnedDrop for Dropped<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut future = this.project().future;
            let mut dropped = catch_unwind(AssertUnwindSafe(|| future.set(None)));
            if dropped.is_err() {
                tracing::error!("the handler panicked while its future was dropped");
            }
            // What a panic leaves behind is the handler's as well.
            while let Err(payload) = dropped {
                dropped = catch_unwind(AssertUnwindSafe(|| drop(payload)));
            }
        }
    }
}

impl<F> Dropped<F> {
    pub(crate) fn contained(future: F) -> Self {
        Self { future: Some(future) }
    }
}

impl<F: Future> Future for Dropped<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<F::Output> {
        match self.project().future.as_pin_mut() {
            Some(future) => future.poll(task),
            None => Poll::Pending,
        }
    }
}
