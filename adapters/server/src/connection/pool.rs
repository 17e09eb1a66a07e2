//! What all connections of a thread share.

use std::fmt;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context as Task, Waker};
use std::time::Instant;

use atomic_refcell::AtomicRefCell;
use bivalve_core::{Connection, Context, Pipeline};
use bivalve_tower::PipelineService;
use http::Request;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::Timeouts;
use super::host::{Carrier, ServerHost};
use super::refusals::RefusalCounter;
use crate::Limits;
use crate::http1::heads::Taken;
use crate::limits::WARM;

/// The pipeline, contexts of requests that are over, and bounds.
pub(crate) struct Serving {
    pipeline: Arc<Pipeline>,
    pub(crate) limits: Limits,
    pub(crate) timeouts: Timeouts,
    /// RFC 8441.
    pub(crate) http2_websocket: bool,
    pool: AtomicRefCell<Pool>,
    stopped: AtomicBool,
    stopped_at: OnceLock<Instant>,
    stop: Notify,
    was_cut: AtomicBool,
    cut: Notify,
    requests: AtomicUsize,
    warm: AtomicUsize,
    pub(crate) refusals: Arc<RefusalCounter>,
    service: PipelineService,
}

/// Requests that are over, for their memory.
#[allow(clippy::vec_box, reason = "contexts move in and out, and are about 1 KiB")]
type Pool = Vec<Box<Context>>;

/// Hears when the server stops.
pub(crate) struct Stopping<'p, 's> {
    notified: Pin<&'p mut Notified<'s>>,
    /// Who is woken then.
    heard_by: Option<Waker>,
}

/// A request that is under way, counted until this is dropped.
pub(super) struct Underway<S: Deref<Target = Serving>> {
    serving: S,
}

impl<S: Deref<Target = Serving>> Drop for Underway<S> {
    fn drop(&mut self) {
        self.serving.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The right to keep what a request needs while none is here, until this is dropped.
pub(super) struct Warm<'a>(&'a AtomicUsize);

impl Drop for Warm<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Serving {
    pub(crate) fn new(pipeline: Arc<Pipeline>, limits: Limits, timeouts: Timeouts) -> Self {
        Self {
            service: PipelineService::new(Arc::clone(&pipeline)),
            pipeline,
            limits,
            timeouts,
            http2_websocket: false,
            pool: AtomicRefCell::default(),
            stopped: AtomicBool::new(false),
            stopped_at: OnceLock::new(),
            stop: Notify::new(),
            was_cut: AtomicBool::new(false),
            cut: Notify::new(),
            requests: AtomicUsize::new(0),
            warm: AtomicUsize::new(0),
            refusals: Arc::default(),
        }
    }

    /// Idle connections close now, others behind the request that is under way.
    pub(crate) fn stop(&self) {
        self.stopped_at.get_or_init(Instant::now);
        self.stopped.store(true, Ordering::SeqCst);
        self.stop.notify_waiters();
    }

    /// When it stopped; now, if it has not.
    pub(super) fn stopped_at(&self) -> Instant {
        self.stopped_at.get().copied().unwrap_or_else(Instant::now)
    }

    /// What is under way ends now: it is as if all clients had gone.
    pub(crate) fn cut(&self) {
        self.was_cut.store(true, Ordering::SeqCst);
        self.cut.notify_waiters();
    }

    pub(super) fn was_cut(&self) -> bool {
        self.was_cut.load(Ordering::Relaxed)
    }

    /// Polled once, it wakes the task when everything is [cut](Self::cut).
    pub(super) fn being_cut(&self) -> Notified<'_> {
        self.cut.notified()
    }

    /// Runs a future to its end, or until everything is [cut](Self::cut).
    pub(super) async fn until_cut(&self, future: impl Future<Output = ()>) {
        let being_cut = self.being_cut();
        // It hears of what comes from now on only.
        if self.was_cut() {
            return;
        }
        tokio::select! {
            biased;
            () = being_cut => {}
            () = future => {}
        }
    }

    /// Waits for the requests that hyper has let go.
    pub(crate) async fn drained(&self) {
        self.service.drained().await;
    }

    /// The pipeline for hyper.
    pub(super) fn service(&self) -> PipelineService {
        self.service.clone()
    }

    /// Requests that are under way.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    pub(super) fn begin(&self) -> Underway<&Self> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        Underway { serving: self }
    }

    /// As [`begin`](Self::begin), for a request with a task of its own.
    pub(super) fn begin_shared(self: &Arc<Self>) -> Underway<Arc<Self>> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        Underway { serving: Arc::clone(self) }
    }

    /// A place among the connections that keep what a request needs for the next one. `None`: there are as many as may be.
    pub(super) fn keep_warm(&self) -> Option<Warm<'_>> {
        // Counted first: two that come at once never take one place.
        let warm = Warm(&self.warm);
        (self.warm.fetch_add(1, Ordering::Relaxed) < WARM).then_some(warm)
    }

    pub(super) fn has_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    /// What [`is_stopping`](Self::is_stopping) waits with.
    pub(crate) fn stopping(&self) -> Notified<'_> {
        self.stop.notified()
    }

    /// Whether the server stops; wakes the task when it will.
    pub(crate) fn is_stopping(&self, stopping: &mut Stopping<'_, '_>, task: &mut Task<'_>) -> bool {
        if !stopping.heard_by.as_ref().is_some_and(|waker| waker.will_wake(task.waker())) {
            // Registered before the flag is read: who stops between the two is heard.
            let _ = stopping.notified.as_mut().poll(task);
            stopping.heard_by = Some(task.waker().clone());
        }
        self.has_stopped()
    }

    /// A context for a request that begins.
    pub(super) fn context(
        &self,
        request: Taken,
        connection: &Arc<Connection>,
        carrier: Arc<dyn Carrier>,
    ) -> Box<Context> {
        // One thread has the pool. Should another one ask, it gets a new context, and does not wait.
        let pooled = self.pool.try_borrow_mut().ok().and_then(|mut pool| pool.pop());
        if let Some(mut cx) = pooled {
            ServerHost::set(&mut cx, carrier);
            match request {
                Taken::Unread(head) => cx.start_unread(head, Some(Arc::clone(connection))),
                Taken::Read(parts) => cx.start(*parts, Some(Arc::clone(connection))),
            }
            return cx;
        }
        let host = ServerHost::new(carrier);
        match request {
            Taken::Unread(head) => {
                let (nothing, ()) = Request::new(()).into_parts();
                let mut cx = Context::new(&self.pipeline, Box::new(host), nothing, Arc::clone(connection));
                cx.start_next_unread(head);
                cx
            }
            Taken::Read(parts) => {
                Context::new(&self.pipeline, Box::new(host), *parts, Arc::clone(connection))
            }
        }
    }

    /// A context whose request is over, and which no connection has any more.
    pub(super) fn recycle(&self, mut cx: Box<Context>) {
        cx.release();
        if let Ok(mut pool) = self.pool.try_borrow_mut()
            && pool.len() < POOL
        {
            pool.push(cx);
        }
    }
}

impl<'p, 's> Stopping<'p, 's> {
    pub(crate) fn new(notified: Pin<&'p mut Notified<'s>>) -> Self {
        Self { notified, heard_by: None }
    }
}

/// Contexts that are kept for later.
const POOL: usize = 64;

impl fmt::Debug for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serving").field("limits", &self.limits).finish_non_exhaustive()
    }
}
