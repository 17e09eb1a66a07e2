//! Knows which requests are under way, and whether their bytes move.
//!
//! A request is under way until the last byte of its response has reached the socket: hyper lets a body go when it has
//! read its end, and may hold hundreds of kilobytes of it then.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

/// The requests of one connection, counted for the whole server as well.
#[derive(Debug)]
pub(super) struct Activity {
    state: Mutex<State>,
    changed: Notify,
    all: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct State {
    http2: bool,
    seen_any: bool,
    /// Requests under way.
    requests: usize,
    /// Those of them whose body was read to its end, and may not have reached the socket.
    finishing: usize,
    next: u64,
    /// Responses of HTTP/2 that wait for their client, and since when. (One of HTTP/1 waits for the socket.)
    held: HashMap<u64, Instant>,
    /// Since when the socket takes nothing.
    blocked: Option<Instant>,
    /// When the socket last took something.
    moved: Instant,
    /// Bytes of bodies that HTTP/2 has got, and those in the DATA frames that the socket has got.
    handed: u64,
    sent: u64,
}

/// A request under way, until its body has been read to its end or nobody wants it any more.
#[derive(Debug)]
pub(super) struct Underway {
    activity: Arc<Activity>,
    id: u64,
}

impl Activity {
    pub(super) fn new(all: Arc<AtomicUsize>) -> Self {
        let state = State {
            http2: false,
            seen_any: false,
            requests: 0,
            finishing: 0,
            next: 0,
            held: HashMap::new(),
            blocked: None,
            moved: Instant::now(),
            handed: 0,
            sent: 0,
        };
        Self { state: Mutex::new(state), changed: Notify::new(), all }
    }

    pub(super) fn begin(self: &Arc<Self>, http2: bool) -> Underway {
        let mut state = self.lock();
        state.http2 = http2;
        state.seen_any = true;
        state.requests += 1;
        state.next += 1;
        let id = state.next;
        drop(state);
        self.all.fetch_add(1, Ordering::Relaxed);
        self.changed.notify_one();
        Underway { activity: Arc::clone(self), id }
    }

    /// The socket took this many bytes; `data`: those of them in DATA frames.
    pub(super) fn wrote(&self, data: u64) {
        let mut state = self.lock();
        state.moved = Instant::now();
        state.sent += data;
        let unblocked = state.blocked.take().is_some();
        let http2 = state.http2;
        drop(state);
        if http2 {
            self.settle();
        } else if unblocked {
            self.changed.notify_one();
        }
    }

    /// The socket takes nothing.
    pub(super) fn blocked(&self) {
        let mut state = self.lock();
        if state.blocked.is_none() {
            state.blocked = Some(Instant::now());
            drop(state);
            self.changed.notify_one();
        }
    }

    /// Everything that hyper was ready to send has reached the socket.
    pub(super) fn flushed(&self) {
        self.settle();
    }

    /// Ends the requests whose last byte has reached the socket.
    fn settle(&self) {
        let mut state = self.lock();
        if state.finishing == 0 || (state.http2 && state.unsent()) {
            return;
        }
        let ended = std::mem::take(&mut state.finishing);
        state.requests -= ended;
        drop(state);
        self.all.fetch_sub(ended, Ordering::Relaxed);
        self.changed.notify_one();
    }

    /// Waits until there has been no request, and nothing to send, for so long; another time before the first one.
    pub(super) async fn idle_for(&self, before_the_first: Duration, limit: Duration) {
        loop {
            let (busy, seen_any) = {
                let state = self.lock();
                (state.requests > 0 || state.blocked.is_some(), state.seen_any)
            };
            if busy {
                self.changed.notified().await;
                continue;
            }
            tokio::select! {
                // A change before this point left a permit, so none is missed.
                () = self.changed.notified() => {}
                () = sleep(if seen_any { limit } else { before_the_first }) => return,
            }
        }
    }

    /// Waits until something that could be sent was not taken for so long.
    pub(super) async fn stalled_for(&self, limit: Duration) {
        loop {
            let since = self.lock().waiting_since();
            match since.map(|since| since + limit) {
                Some(end) if end <= Instant::now() => return,
                Some(end) => sleep_until(end).await,
                // What stalls from now on is not late before then.
                None => sleep(limit).await,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Activity {
    fn drop(&mut self) {
        let left = self.lock().requests;
        self.all.fetch_sub(left, Ordering::Relaxed);
    }
}

impl State {
    /// Whether HTTP/2 holds bytes back. A stream that was reset takes its bytes with it, so that this may be true for
    /// good; then the connection ends when it is quiet for as long as a stalled one may be.
    fn unsent(&self) -> bool {
        self.sent < self.handed
    }

    fn waiting_since(&self) -> Option<Instant> {
        let quiet = (self.finishing > 0 && self.finishing == self.requests).then_some(self.moved);
        self.held.values().copied().chain(self.blocked).chain(quiet).min()
    }
}

impl Underway {
    /// The response waits for its client to take more.
    fn hold(&self, bytes: usize) {
        let mut state = self.activity.lock();
        if state.http2 {
            state.held.insert(self.id, Instant::now());
            state.handed += bytes as u64;
        }
    }

    /// The client waits for the response.
    fn release(&self) {
        self.activity.lock().held.remove(&self.id);
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        let mut state = self.activity.lock();
        state.held.remove(&self.id);
        state.finishing += 1;
        let http2 = state.http2;
        if state.finishing == 1 {
            state.moved = Instant::now();
        }
        drop(state);
        // HTTP/1 writes only after it has let go of the body, and then flushes.
        if http2 {
            self.activity.settle();
        }
    }
}

pin_project! {
    /// A response body that keeps its request under way.
    pub(super) struct Counted<B> {
        #[pin]
        body: B,
        underway: Underway,
        // What is left of the last data, for the next frames.
        rest: Bytes,
    }
}

impl<B> Counted<B> {
    pub(super) fn new(body: B, underway: Underway) -> Self {
        underway.hold(0);
        Self { body, underway, rest: Bytes::new() }
    }
}

impl<B: Body<Data = Bytes>> Body for Counted<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.project();
        if this.rest.is_empty() {
            match this.body.poll_frame(task) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => *this.rest = data,
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
                Poll::Pending => {
                    this.underway.release();
                    return Poll::Pending;
                }
                end => return end,
            }
        }
        // In pieces: a client that takes the first byte of one has it all handed over at once.
        let piece = this.rest.split_to(this.rest.len().min(PIECE));
        this.underway.hold(piece.len());
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (hint, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let mut whole = SizeHint::new();
        whole.set_lower(hint.lower().saturating_add(rest));
        if let Some(upper) = hint.upper().and_then(|upper| upper.checked_add(rest)) {
            whole.set_upper(upper);
        }
        whole
    }
}

/// What a client must take within the time for a stalled response.
const PIECE: usize = 16 * 1024;

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
        let start = Instant::now();
        activity.idle_for(FIRST, LIMIT).await;
        start.elapsed()
    }

    async fn stalled(activity: &Activity) -> Duration {
        let start = Instant::now();
        activity.stalled_for(LIMIT).await;
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_client_has_less_time_than_one_that_has_asked() {
        let (activity, _) = activity();
        assert_eq!(idle(&activity).await, FIRST);
        drop(activity.begin(false));
        activity.flushed();
        assert_eq!(idle(&activity).await, LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_begins_when_the_last_request_has_ended() {
        let (activity, all) = activity();
        let (one, two) = (activity.begin(true), activity.begin(true));
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

    #[tokio::test(start_paused = true)]
    async fn a_request_ends_when_its_last_byte_has_reached_the_socket() {
        for http2 in [false, true] {
            let (activity, all) = activity();
            let request = activity.begin(http2);
            request.hold(100);
            drop(request);
            activity.blocked();
            assert_eq!(all.load(Ordering::Relaxed), 1);
            let later = async {
                sleep(Duration::from_secs(60)).await;
                activity.wrote(60);
                sleep(Duration::from_secs(60)).await;
                activity.wrote(40);
                activity.flushed();
            };
            let (idle, ()) = tokio::join!(idle(&activity), later);
            assert_eq!((idle, all.load(Ordering::Relaxed)), (Duration::from_secs(120) + LIMIT, 0));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_waits_for_the_client_stalls() {
        let (activity, _) = activity();
        let request = activity.begin(true);
        request.hold(0);
        request.release();
        let later = async {
            sleep(Duration::from_secs(60)).await;
            request.hold(1);
        };
        let (stalled, ()) = tokio::join!(stalled(&activity), later);
        assert_eq!(stalled, Duration::from_secs(60) + LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_socket_that_takes_something_now_and_then_is_not_stalled() {
        let (activity, _) = activity();
        activity.blocked();
        let later = async {
            for _ in 0..20 {
                sleep(Duration::from_secs(4)).await;
                activity.wrote(0);
                activity.blocked();
            }
        };
        let (stalled, ()) = tokio::join!(stalled(&activity), later);
        assert_eq!(stalled, Duration::from_secs(80) + LIMIT);
    }
}
