//! Knows which requests are under way.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::sync::Notify;
use tokio::time::sleep;

/// The requests of one connection, counted for the whole server as well.
#[derive(Debug)]
pub(super) struct Activity {
    requests: AtomicUsize,
    seen_any: AtomicBool,
    changed: Notify,
    all: Arc<AtomicUsize>,
}

/// A request under way: until the last byte of its response is handed over, or nobody wants it any more.
#[derive(Debug)]
pub(super) struct Underway(Arc<Activity>);

impl Activity {
    pub(super) fn new(all: Arc<AtomicUsize>) -> Self {
        Self { requests: AtomicUsize::new(0), seen_any: AtomicBool::new(false), changed: Notify::new(), all }
    }

    pub(super) fn begin(self: &Arc<Self>) -> Underway {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.all.fetch_add(1, Ordering::Relaxed);
        self.seen_any.store(true, Ordering::Relaxed);
        self.changed.notify_one();
        Underway(Arc::clone(self))
    }

    /// Waits until there has been no request for so long; another time before the first one.
    pub(super) async fn idle_for(&self, before_the_first: Duration, limit: Duration) {
        loop {
            if self.requests.load(Ordering::Relaxed) > 0 {
                self.changed.notified().await;
                continue;
            }
            let limit = if self.seen_any.load(Ordering::Relaxed) { limit } else { before_the_first };
            tokio::select! {
                // A change before this point left a permit, so none is missed.
                () = self.changed.notified() => {}
                () = sleep(limit) => return,
            }
        }
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
        self.0.all.fetch_sub(1, Ordering::Relaxed);
        self.0.changed.notify_one();
    }
}

pin_project! {
    /// A response body that keeps its request under way.
    pub(super) struct Counted<B> {
        #[pin]
        body: B,
        underway: Underway,
    }
}

impl<B> Counted<B> {
    pub(super) fn new(body: B, underway: Underway) -> Self {
        Self { body, underway }
    }
}

impl<B: Body> Body for Counted<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        self.project().body.poll_frame(task)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);
    const FIRST: Duration = Duration::from_secs(1);

    fn activity() -> (Arc<Activity>, Arc<AtomicUsize>) {
        let all = Arc::default();
        (Arc::new(Activity::new(Arc::clone(&all))), all)
    }

    async fn idle(activity: &Activity) -> Duration {
        let start = tokio::time::Instant::now();
        activity.idle_for(FIRST, LIMIT).await;
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_client_has_less_time_than_one_that_has_asked() {
        let (activity, _) = activity();
        assert_eq!(idle(&activity).await, FIRST);
        drop(activity.begin());
        assert_eq!(idle(&activity).await, LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_begins_when_the_last_request_has_ended() {
        let (activity, all) = activity();
        let (one, two) = (activity.begin(), activity.begin());
        assert_eq!(all.load(Ordering::Relaxed), 2);
        let later = async {
            sleep(Duration::from_secs(60)).await;
            drop(one);
            sleep(Duration::from_secs(60)).await;
            drop(two);
        };
        let (idle, ()) = tokio::join!(idle(&activity), later);
        assert_eq!(idle, Duration::from_secs(120) + LIMIT);
        assert_eq!(all.load(Ordering::Relaxed), 0);
    }
}
