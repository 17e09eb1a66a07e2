//! What one call of one module costs, by the way it is dispatched.
//!
//! Each contender does the same for one request: ten units of middleware, each told of one request, each looking at a field of its own.

use std::future::Future;
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context as Task, Poll, Waker};

use bivalve::{
    Completion, CompletionStatus, Connection, Context, Flow, Host, Module, Outgoing, Pipeline, Result, Run,
};
pub use bivalve_peers::UNITS;
use bytes::Bytes;
use tower::{Layer, Service, ServiceExt};

use crate::measure::{Contender, interleave};

/// A synchronous module at one event.
#[derive(Debug, Default)]
pub struct Count(u64);

#[bivalve::module]
impl Module for Count {
    fn on_begin_request(&self, _cx: &mut Context) -> Result<Flow> {
        black_box(&self.0);
        Ok(Flow::Continue)
    }
}

/// A synchronous module at twelve events.
#[derive(Debug, Default)]
struct Everywhere(u64);

macro_rules! count {
    ($self:ident) => {{
        black_box(&$self.0);
        Ok(Flow::Continue)
    }};
}

#[bivalve::module]
impl Module for Everywhere {
    fn on_begin_request(&self, _cx: &mut Context) -> Result<Flow> {
        count!(self)
    }
    fn on_authenticate_request(&self, _cx: &mut Context) -> Result<Flow> {
        count!(self)
    }
    fn on_authorize_request(&self, _cx: &mut Context) -> Result<Flow> {
        count!(self)
    }
    fn on_resolve_request_cache(&self, _cx: &mut Context) -> Result<Flow> {
        count!(self)
    }
    fn on_map_request_handler(&self, _cx: &mut Context) -> Result<Flow> {
        count!(self)
    }
    fn on_acquire_request_state(&self, _cx: &mut Context) -> Result<Flow> {
        count!(self)
    }
    fn on_pre_execute_request_handler(&self, _cx: &mut Context) -> Result<Flow> {
        count!(self)
    }
    fn on_release_request_state(&self, _cx: &mut Context) -> Result<Flow> {
        count!(self)
    }
    fn on_update_request_cache(&self, _cx: &mut Context) -> Result<Flow> {
        count!(self)
    }
    fn on_log_request(&self, _cx: &mut Context) -> Result<Flow> {
        count!(self)
    }
    fn on_end_request(&self, _cx: &mut Context) -> Result<Flow> {
        count!(self)
    }
    fn on_post_end_request(&self, _cx: &mut Context) -> Result<Flow> {
        count!(self)
    }
}

/// A module that is never called: registered for an event that does not happen here.
#[derive(Debug)]
struct Elsewhere;

#[bivalve::module]
impl Module for Elsewhere {
    fn on_map_path(&self, _cx: &mut Context, _mapping: &mut bivalve::PathMapping) -> Result<Flow> {
        Ok(Flow::Continue)
    }
}

/// An `async fn` that does not wait.
#[derive(Debug, Default)]
struct AsyncCount(u64);

#[bivalve::module]
impl Module for AsyncCount {
    async fn on_begin_request(&self, _cx: &mut Context) -> Result<Flow> {
        black_box(&self.0);
        Ok(Flow::Continue)
    }
}

/// An `async fn` that waits once.
#[derive(Debug, Default)]
struct Waiting(u64);

#[bivalve::module]
impl Module for Waiting {
    async fn on_begin_request(&self, _cx: &mut Context) -> Result<Flow> {
        yield_once().await;
        black_box(&self.0);
        Ok(Flow::Continue)
    }
}

/// The same by `async_trait`.
#[async_trait::async_trait]
trait Boxed: Send + Sync {
    async fn begin(&self, cx: &mut u64) -> u32;
}

struct AsyncTrait {
    wait: bool,
}

#[async_trait::async_trait]
impl Boxed for AsyncTrait {
    async fn begin(&self, cx: &mut u64) -> u32 {
        if self.wait {
            yield_once().await;
        }
        black_box(&self.wait);
        *cx += 1;
        0
    }
}

/// A host that takes everything at once.
#[derive(Debug)]
struct NullHost(usize);

impl Host for NullHost {
    fn start_send(&mut self, mut part: Outgoing<'_>) {
        self.0 = part.chunks().len();
        black_box(part);
    }
    fn sent_at_once(&mut self) -> Option<Completion> {
        Some(Completion::success(self.0))
    }
    fn poll_send(&mut self, _task: &mut Task<'_>) -> Poll<Completion> {
        Poll::Ready(Completion::success(self.0))
    }
    fn start_read(&mut self, _max: usize) {}
    fn poll_read(&mut self, _task: &mut Task<'_>) -> Poll<Result<Bytes, CompletionStatus>> {
        Poll::Ready(Ok(Bytes::new()))
    }
    fn reset(&mut self) {}
}

/// Runs requests through a pipeline, one after another in one context, as on a kept-alive connection.
struct Requests {
    cx: Option<Box<Context>>,
}

impl Requests {
    fn new(modules: impl IntoIterator<Item = Arc<dyn Module>>) -> Self {
        let handler = |_: &mut Context| Ok(Flow::Continue);
        let mut builder = Pipeline::builder().handler(handler);
        for (i, module) in modules.into_iter().enumerate() {
            builder = builder.shared_module(format!("module{i}"), module);
        }
        let pipeline = builder.build().expect("the names differ");
        let cx = Context::new(&pipeline, Box::new(NullHost(0)), parts(), Arc::new(Connection::default()));
        Self { cx: Some(cx) }
    }

    fn of<M: Module + Default>() -> Self {
        Self::new((0..UNITS).map(|_| Arc::new(M::default()) as Arc<dyn Module>))
    }

    fn run(&mut self, count: u32) {
        let mut cx = self.cx.take().expect("it is put back below");
        for _ in 0..count {
            cx.start(parts(), None);
            let mut run = Run::new(cx);
            drive(run.run_to_end());
            cx = run.into_context();
        }
        self.cx = Some(cx);
    }
}

fn parts() -> http::request::Parts {
    http::Request::new(()).into_parts().0
}

/// Polls to the end; what waits here has woken itself.
fn drive<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut task = Task::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut task) {
            return done;
        }
    }
}

async fn yield_once() {
    let mut waited = false;
    std::future::poll_fn(
        |_| if std::mem::replace(&mut waited, true) { Poll::Ready(()) } else { Poll::Pending },
    )
    .await;
}

/// All contenders: each iteration is one request past ten units.
#[must_use]
pub fn contenders() -> Vec<Contender> {
    let mut empty = Requests::new([]);
    let mut sync = Requests::of::<Count>();
    let mut everywhere = Requests::of::<Everywhere>();
    let mut elsewhere = Requests::new((0..UNITS).map(|_| Arc::new(Elsewhere) as Arc<dyn Module>));
    let mut ready = Requests::of::<AsyncCount>();
    let mut waiting = Requests::of::<Waiting>();
    vec![
        contender("pipeline, no module", move |n| empty.run(n)),
        contender("pipeline, 10 sync modules, 1 event each", move |n| sync.run(n)),
        contender("pipeline, 10 sync modules, 12 events each", move |n| everywhere.run(n)),
        contender("pipeline, 10 modules not subscribed", move |n| elsewhere.run(n)),
        contender("pipeline, 10 async modules, ready at once", move |n| ready.run(n)),
        contender("pipeline, 10 async modules that wait once", move |n| waiting.run(n)),
        contender("async_trait, 10 units, ready at once", boxed(false)),
        contender("async_trait, 10 units that wait once", boxed(true)),
        contender("tower, service only", tower(0)),
        contender("tower, 10 boxed layers", tower(UNITS)),
        contender("axum, router only", axum(0)),
        contender("axum, 10 from_fn", axum(UNITS)),
    ]
}

/// Their names.
#[must_use]
pub fn names() -> Vec<&'static str> {
    contenders().iter().map(|contender| contender.name).collect()
}

fn contender(name: &'static str, run: impl FnMut(u32) + 'static) -> Contender {
    Contender { name, run: Box::new(run) }
}

fn boxed(wait: bool) -> impl FnMut(u32) {
    let units: Vec<Box<dyn Boxed>> =
        (0..UNITS).map(|_| Box::new(AsyncTrait { wait }) as Box<dyn Boxed>).collect();
    move |count| {
        let mut counter = 0;
        for _ in 0..count {
            drive(async {
                for unit in &units {
                    black_box(unit.begin(&mut counter).await);
                }
            });
        }
        black_box(counter);
    }
}

type Request = http::Request<Bytes>;
type Response = http::Response<Bytes>;
type Infallible = std::convert::Infallible;
type BoxService = tower::util::BoxCloneSyncService<Request, Response, Infallible>;

/// A unit of Tower middleware whose future is boxed, as it is wherever it awaits.
#[derive(Clone, Debug)]
struct Unit<S>(S);

impl<S> Service<Request> for Unit<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, task: &mut Task<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(task)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let inner = self.0.call(request);
        Box::pin(inner)
    }
}

fn tower(units: usize) -> impl FnMut(u32) {
    let handler = tower::service_fn(|_: Request| async { Ok::<_, Infallible>(Response::new(Bytes::new())) });
    let mut service = BoxService::new(handler);
    for _ in 0..units {
        service = BoxService::new(tower::layer::layer_fn(Unit).layer(service));
    }
    move |count| {
        for _ in 0..count {
            let _ = black_box(drive(service.clone().oneshot(Request::new(Bytes::new()))));
        }
    }
}

fn axum(units: usize) -> impl FnMut(u32) {
    let mut router = axum::Router::new().route("/", axum::routing::get(|| async { "" }));
    for _ in 0..units {
        router =
            router.layer(axum::middleware::from_fn(
                |request: axum::extract::Request, next: axum::middleware::Next| async move {
                    next.run(request).await
                },
            ));
    }
    let mut router = router.into_service::<axum::body::Body>();
    move |count| {
        for _ in 0..count {
            let request = http::Request::new(axum::body::Body::empty());
            let _ = black_box(drive(router.call(request)));
        }
    }
}

/// Nanoseconds per request of each contender.
#[must_use]
pub fn time() -> Vec<(&'static str, f64)> {
    interleave(&mut contenders())
}

/// Allocations per request of each contender, by a count of all allocations so far.
pub fn allocations(counted: impl Fn() -> usize) -> Vec<(&'static str, f64)> {
    let mut contenders = contenders();
    contenders
        .iter_mut()
        .map(|contender| {
            (contender.run)(64);
            let before = counted();
            (contender.run)(1000);
            // At most a few thousand per thousand requests: exact in an f64.
            #[allow(clippy::cast_precision_loss, reason = "see above")]
            let allocations = (counted() - before) as f64 / 1000.0;
            (contender.name, allocations)
        })
        .collect()
}
