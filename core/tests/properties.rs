//! Random pipelines of random modules: what holds for every one of them, and a naive model of the order to compare with.
//!
//! `PROPTEST_CASES` says how many; `PROPTEST_RNG_SEED` and the printed input repeat one.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::future::Future;
use std::panic::resume_unwind;
use std::pin::pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context as Task, Poll, Waker};
use std::time::Duration;

use bivalve_core::testing::{CompletionOrder, Stopped, TestHost, TestResponse};
use bivalve_core::{
    ChildRequest, Completion, CompletionHandle, CompletionStatus, Context, CustomNotification, DriverExt,
    EntityChunk, Error, Event, Flow, Handler, Module, Notification, OnDisconnect, Outcome, PostError,
    Priority, Registration, Resource, Result, Step,
};
use bytes::{Bytes, BytesMut};
use http::StatusCode;
use proptest::prelude::*;

use common::{Call, Count, OnDrop, With, at, events, poll_once, post, script};

/// One thing that a method does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Op {
    Flush,
    Write(u8),
    WriteNow(u8),
    Read(u8),
    Notify,
    MapPath,
    Child,
    /// An operation of the driver, awaited.
    Post,
    Timer(u8),
    ReadFile,
    /// An operation of the driver, dropped while it runs.
    AbandonFile,
    /// A flush, a read, a notification that are polled once and dropped.
    DropFlush,
    DropRead,
    DropNotify,
    DropChild,
    Yield,
    Disable(u16),
    SetHandler,
    Buffering(bool),
    Insert,
    /// A completion handle that nobody waits for.
    KeepHandle,
    Disconnect,
    DisconnectLater(u8),
    Reset,
    State,
}

/// How a method ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Continue,
    Finish,
    Fail,
    Panic,
    Pending(Start),
}

/// What a method that ends with `Pending` has started.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Start {
    Nothing,
    Write,
    Flush,
    Read,
    Child,
    PostedNow,
    PostedLater(u8),
    Dropped,
}

/// What a module does when it is called somewhere: now or after a wait.
#[derive(Clone, Debug)]
struct Body {
    ops: Vec<Op>,
    end: End,
    /// What `on_async_completion` answers.
    then: End,
}

/// A module: what it does where it is registered.
#[derive(Clone, Debug)]
struct Spec {
    bodies: BTreeMap<usize, Body>,
    priorities: [u8; 28],
    finishes_on_disconnect: bool,
}

#[derive(Clone, Debug)]
struct Case {
    modules: Vec<Spec>,
    handler: Option<Body>,
    chunks: Vec<Vec<u8>>,
    order: Order,
    limit: usize,
}

#[derive(Clone, Copy, Debug)]
enum Order {
    Immediate,
    Late,
    Seeded(u64),
}

fn completion_order(order: Order) -> CompletionOrder {
    match order {
        Order::Immediate => CompletionOrder::Immediate,
        Order::Late => CompletionOrder::Late,
        Order::Seeded(seed) => CompletionOrder::Seeded(seed),
    }
}

/// The 24 deterministic events, then those on demand.
fn all_events() -> Vec<Event> {
    events().chain(Notification::ALL[12..].iter().map(|n| Event::of(*n))).collect()
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => Just(Op::Flush),
        6 => any::<u8>().prop_map(Op::Write),
        2 => any::<u8>().prop_map(Op::WriteNow),
        4 => (0..8_u8).prop_map(Op::Read),
        3 => Just(Op::Notify),
        3 => Just(Op::MapPath),
        2 => Just(Op::Child),
        3 => Just(Op::Post),
        2 => (0..4_u8).prop_map(Op::Timer),
        2 => Just(Op::ReadFile),
        2 => Just(Op::AbandonFile),
        2 => Just(Op::DropFlush),
        2 => Just(Op::DropRead),
        2 => Just(Op::DropNotify),
        1 => Just(Op::DropChild),
        3 => Just(Op::Yield),
        2 => any::<u16>().prop_map(Op::Disable),
        1 => Just(Op::SetHandler),
        1 => any::<bool>().prop_map(Op::Buffering),
        1 => Just(Op::Insert),
        1 => Just(Op::KeepHandle),
        1 => Just(Op::Disconnect),
        1 => (0..6_u8).prop_map(Op::DisconnectLater),
        1 => Just(Op::Reset),
        4 => Just(Op::State),
    ]
}

fn start() -> impl Strategy<Value = Start> {
    prop_oneof![
        1 => Just(Start::Nothing),
        2 => Just(Start::Write),
        2 => Just(Start::Flush),
        2 => Just(Start::Read),
        1 => Just(Start::Child),
        2 => Just(Start::PostedNow),
        2 => (0..4_u8).prop_map(Start::PostedLater),
        1 => Just(Start::Dropped),
    ]
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        12 => Just(End::Continue),
        2 => Just(End::Finish),
        1 => Just(End::Fail),
        1 => Just(End::Panic),
        3 => start().prop_map(End::Pending),
    ]
}

fn body() -> impl Strategy<Value = Body> {
    (prop::collection::vec(op(), 0..4), end(), end()).prop_map(|(ops, end, then)| Body { ops, end, then })
}

fn spec() -> impl Strategy<Value = Spec> {
    (
        prop::collection::btree_map(0..28_usize, body(), 0..10),
        prop::array::uniform28(0..5_u8),
        prop::bool::weighted(0.2),
    )
        .prop_map(|(bodies, priorities, finishes_on_disconnect)| Spec {
            bodies,
            priorities,
            finishes_on_disconnect,
        })
}

fn order() -> impl Strategy<Value = Order> {
    prop_oneof![1 => Just(Order::Immediate), 1 => Just(Order::Late), 6 => any::<u64>().prop_map(Order::Seeded)]
}

fn case() -> impl Strategy<Value = Case> {
    (
        prop::collection::vec(spec(), 0..7),
        prop::option::weighted(0.8, body()),
        prop::collection::vec(prop::collection::vec(any::<u8>(), 0..6), 0..5),
        order(),
        prop_oneof![Just(0_usize), Just(10), Just(1000)],
    )
        .prop_map(|(modules, handler, chunks, order, limit)| Case {
            modules,
            handler,
            chunks,
            order,
            limit,
        })
}

/// What a run of one case leaves behind for the test.
#[derive(Clone, Default)]
struct Record(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// How much may still be done: nested events would multiply without an end.
    budget: AtomicI64,
    lines: Mutex<Vec<String>>,
    /// Modules that panicked in the client's own request, and where.
    panicked: Mutex<BTreeSet<usize>>,
    /// What modules of the client's own request disabled for themselves.
    disabled: Mutex<Vec<(usize, Event)>>,
    handles: Mutex<Vec<CompletionHandle>>,
    /// On-demand events that may have been raised in the client's own request.
    raised: Mutex<BTreeMap<&'static str, usize>>,
    disconnected: Count,
    reset: Count,
    started_buffers: Count,
    made: Count,
    dropped: Count,
    waiting: AtomicI64,
}

impl Record {
    fn say(&self, line: String) {
        self.0.lines.lock().unwrap().push(line);
    }

    fn spend(&self) -> bool {
        self.0.budget.fetch_sub(1, Ordering::SeqCst) > 0
    }

    fn raises(&self, cx: &Context, notification: Notification) {
        if cx.child_depth() == 0 {
            *self.0.raised.lock().unwrap().entry(notification.name()).or_default() += 1;
        }
    }
}

/// State that is counted. One for each module and request.
#[derive(Default)]
struct Counted(Option<OnDrop>);

impl Record {
    fn touch_state(&self, cx: &mut Context) {
        let state = cx.state_mut::<Counted>();
        if state.0.is_none() {
            self.0.made.add();
            state.0 = Some(OnDrop(self.0.dropped.clone()));
        }
    }
}

fn bytes(n: u8) -> Bytes {
    Bytes::from(vec![b'a' + n % 26; usize::from(n)])
}

/// Does one thing. Errors of the context end the method, as `?` does in modules.
async fn run(op: Op, cx: &mut Context, record: &Record, module: usize) -> Result<()> {
    if !record.spend() {
        return Ok(());
    }
    match op {
        Op::Flush => {
            record.raises(cx, Notification::SendResponse);
            cx.flush().await?;
        }
        Op::Write(n) => {
            // Over the limit, and without buffering, it flushes; twice at most.
            record.raises(cx, Notification::SendResponse);
            record.raises(cx, Notification::SendResponse);
            cx.write(bytes(n)).await?;
        }
        Op::WriteNow(n) => cx.response_mut().write(bytes(n))?,
        Op::Read(max) => {
            // A filter may keep a part back, and the next one is read.
            for _ in 0..8 {
                record.raises(cx, Notification::ReadEntity);
            }
            cx.read_entity(max.into()).await?;
        }
        Op::Notify => {
            record.raises(cx, Notification::CustomRequestNotification);
            let _ = cx.notify_custom(&mut CustomNotification::new("test")).await?;
        }
        Op::MapPath => {
            record.raises(cx, Notification::MapPath);
            cx.map_path("/a/b")?;
        }
        Op::Child => drop(cx.execute_request(child()?).await?),
        Op::Post => {
            let driver = Arc::clone(cx.server().driver()?);
            let _ = driver.post(1).await;
        }
        Op::Timer(after) => {
            let driver = Arc::clone(cx.server().driver()?);
            let _ = driver.timer(Duration::from_millis(after.into())).await;
        }
        Op::ReadFile | Op::AbandonFile => {
            let driver = Arc::clone(cx.server().driver()?);
            let file = driver
                .associate(Resource::File(File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))?))?;
            record.0.started_buffers.add();
            let mut read = pin!(driver.read_at(&file, BytesMut::with_capacity(16), 0));
            if op == Op::ReadFile {
                let done = read.await;
                assert!(done.buffer.capacity() >= 16, "the buffer comes back");
            } else {
                let _ = poll_once(read.as_mut()).await;
            }
            driver.close(file);
        }
        Op::DropFlush => {
            record.raises(cx, Notification::SendResponse);
            let _ = poll_once(cx.flush()).await;
        }
        Op::DropRead => {
            for _ in 0..8 {
                record.raises(cx, Notification::ReadEntity);
            }
            let _ = poll_once(cx.read_entity(3)).await;
        }
        Op::DropNotify => {
            record.raises(cx, Notification::CustomRequestNotification);
            let mut custom = CustomNotification::new("test");
            let _ = poll_once(cx.notify_custom(&mut custom)).await;
        }
        Op::DropChild => drop(poll_once(cx.execute_request(child()?)).await),
        Op::Yield => common::once().await,
        Op::Disable(bits) => {
            let (on, after) = (mask(bits), mask(bits.rotate_left(5)));
            cx.disable_notifications(on, after);
            if cx.child_depth() == 0 {
                let mut disabled = record.0.disabled.lock().unwrap();
                disabled.extend(on.iter().map(|n| (module, Event::of(n))));
                disabled.extend(after.iter().map(|n| (module, post(n))));
            }
        }
        Op::SetHandler => cx.set_handler(),
        Op::Buffering(true) => cx.response_mut().enable_buffering(),
        Op::Buffering(false) => cx.response_mut().disable_buffering(),
        Op::Insert => cx.request_mut().insert_entity("inserted"),
        Op::KeepHandle => {
            // Whoever waits for it all the same is not left waiting.
            let handle = cx.completion_handle();
            let clone = handle.clone();
            cx.server().spawn(async move {
                common::once().await;
                let _ = clone.post_completion(1);
            })?;
            record.0.handles.lock().unwrap().push(handle);
        }
        Op::Disconnect => {
            if cx.child_depth() == 0 {
                record.0.disconnected.add();
                cx.disconnector().disconnect();
            }
        }
        Op::DisconnectLater(after) => {
            if cx.child_depth() == 0 {
                let (disconnector, disconnected) = (cx.disconnector(), record.0.disconnected.clone());
                cx.server().spawn(async move {
                    for _ in 0..after {
                        common::once().await;
                    }
                    if disconnector.disconnect() {
                        disconnected.add();
                    }
                })?;
            }
        }
        Op::Reset => {
            if cx.child_depth() == 0 {
                record.0.reset.add();
            }
            cx.reset_connection();
        }
        Op::State => record.touch_state(cx),
    }
    Ok(())
}

/// Does one thing in a method that cannot wait.
fn run_now(op: Op, cx: &mut Context, record: &Record) -> Result<()> {
    if !record.spend() {
        return Ok(());
    }
    match op {
        Op::MapPath => {
            record.raises(cx, Notification::MapPath);
            cx.map_path("/a/b").map(drop)
        }
        Op::WriteNow(n) => cx.response_mut().write(bytes(n)),
        Op::State => {
            record.touch_state(cx);
            Ok(())
        }
        _ => Ok(()),
    }
}

fn mask(bits: u16) -> bivalve_core::Notifications {
    // Few of them, or nothing would be left to run.
    let bits = bits & bits.rotate_left(3) & bits.rotate_left(7);
    bivalve_core::Notifications::from_bits_truncate(bits.into())
}

fn child() -> Result<ChildRequest> {
    Ok(ChildRequest::get("/child")?.body("child"))
}

fn answer(end: End, cx: &mut Context, record: &Record, module: usize) -> Result<Flow> {
    match end {
        End::Continue => Ok(Flow::Continue),
        End::Finish => Ok(Flow::Finish),
        End::Fail => Err(Error::from_status(StatusCode::SERVICE_UNAVAILABLE)),
        End::Panic => {
            if cx.child_depth() == 0 {
                record.0.panicked.lock().unwrap().insert(module);
            }
            quiet_panic()
        }
        End::Pending(start) => {
            if !record.spend() {
                return Ok(Flow::Continue);
            }
            match start {
                Start::Nothing => {}
                Start::Write => {
                    record.raises(cx, Notification::SendResponse);
                    record.raises(cx, Notification::SendResponse);
                    cx.start_write("pending")?;
                }
                Start::Flush => {
                    record.raises(cx, Notification::SendResponse);
                    cx.start_flush()?;
                }
                Start::Read => {
                    for _ in 0..8 {
                        record.raises(cx, Notification::ReadEntity);
                    }
                    cx.start_read_entity(2)?;
                }
                Start::Child => cx.start_execute_request(child()?)?,
                Start::PostedNow => {
                    let _ = cx.completion_handle().post_completion(7);
                }
                Start::PostedLater(after) => {
                    let handle = cx.completion_handle();
                    cx.server().spawn(async move {
                        for _ in 0..after {
                            common::once().await;
                        }
                        // It may be too late, and then it is told so.
                        let _ = handle.post_completion(after.into());
                    })?;
                }
                Start::Dropped => drop(cx.completion_handle()),
            }
            Ok(Flow::Pending)
        }
    }
}

impl Spec {
    fn registration(&self) -> Registration {
        let mut registration = Registration::new();
        for (slot, event) in all_events().into_iter().enumerate() {
            let priority = Priority::ALL[usize::from(self.priorities[slot])];
            let on = self.bodies.contains_key(&slot);
            let notification = event.notification();
            if event.is_post() {
                registration = registration.post_priority(notification, priority);
                registration = if on { registration.on_post(notification) } else { registration };
            } else {
                registration = registration.priority(notification, priority);
                registration = if on { registration.on(notification) } else { registration };
            }
        }
        let finish = if self.finishes_on_disconnect { OnDisconnect::Finish } else { OnDisconnect::Cancel };
        registration.on_disconnect(finish)
    }

    fn module(&self, id: usize, record: &Record) -> impl Module + use<> {
        let all = all_events();
        let bodies: BTreeMap<usize, Body> = self.bodies.clone();
        let record = record.clone();
        script(self.registration(), move |call| {
            if call.cx.request().url().path() == "/next" {
                return Outcome::CONTINUE;
            }
            let slot = all.iter().position(|event| *event == call.event).expect("all are there");
            let body = bodies[&slot].clone();
            let depth = call.cx.child_depth();
            let completion = call.is_completion();
            let what = if completion { "completion of " } else { "" };
            record.say(format!("{depth} {what}{} {id}", call.event));
            let record = record.clone();
            let Call { cx, with, .. } = call;
            match with {
                With::Path(_) => {
                    for op in &body.ops {
                        if let Err(error) = run_now(*op, cx, &record) {
                            return Outcome::Ready(Err(error));
                        }
                    }
                    let end =
                        if let End::Pending(_) = body.end { End::Pending(Start::Nothing) } else { body.end };
                    return Outcome::Ready(answer(end, cx, &record, id));
                }
                With::Entity(entity) if body.ops.first() == Some(&Op::Insert) => {
                    entity.set_data(Bytes::new());
                }
                _ => {}
            }
            if completion {
                return Outcome::Ready(answer(body.then, cx, &record, id));
            }
            if body.ops.is_empty() {
                return Outcome::Ready(answer(body.end, cx, &record, id));
            }
            Outcome::pending(async move {
                let _waiting = Waiting::new(&record);
                for op in body.ops {
                    run(op, cx, &record, id).await?;
                }
                answer(body.end, cx, &record, id)
            })
        })
    }
}

/// Counts futures that are alive.
struct Waiting(Record);

impl Waiting {
    fn new(record: &Record) -> Self {
        record.0.waiting.fetch_add(1, Ordering::SeqCst);
        Self(record.clone())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

const HANDLER: usize = usize::MAX;

fn handler(body: Option<Body>, record: &Record) -> impl Handler {
    let record = record.clone();
    common::serve(move |cx| {
        let record = record.clone();
        let body = body.clone();
        Outcome::pending(async move {
            let Some(body) = body.filter(|_| cx.request().url().path() != "/next") else {
                // Without buffering this flushes, over the limit as well.
                record.raises(cx, Notification::SendResponse);
                record.raises(cx, Notification::SendResponse);
                cx.write("hello").await?;
                return Ok(Flow::Continue);
            };
            let _waiting = Waiting::new(&record);
            record.say(format!("{} handler", cx.child_depth()));
            for op in body.ops {
                run(op, cx, &record, HANDLER).await?;
            }
            answer(body.end, cx, &record, HANDLER)
        })
    })
}

/// A panic like any other, but without the text and the backtrace on the terminal: there are thousands.
fn quiet_panic() -> ! {
    resume_unwind(Box::new("as the test wants it"))
}

/// What one run of a case showed.
#[derive(Debug, PartialEq)]
struct Outcomes {
    trace: Vec<String>,
    lines: Vec<String>,
    response: String,
}

/// Polls until it is ready: nobody else is there to wake it, so if it waits it hangs.
fn bounded<F: Future>(what: &str, future: F) -> F::Output {
    let mut future = pin!(future);
    let mut task = Task::from_waker(Waker::noop());
    for _ in 0..100_000 {
        if let Poll::Ready(output) = future.as_mut().poll(&mut task) {
            return output;
        }
    }
    panic!("{what} hangs")
}

fn check(case: &Case) -> Outcomes {
    let record = Record::default();
    record.0.budget.store(60, Ordering::SeqCst);
    let app = bivalve_core::Application::builder().response_buffer_limit(case.limit).build();
    let mut host = TestHost::new()
        .order(completion_order(case.order))
        .application(app)
        .handler(handler(case.handler.clone(), &record));
    for (id, spec) in case.modules.iter().enumerate() {
        host = host.module(id.to_string(), spec.module(id, &record));
    }
    let connection = host.keep_alive();
    let mut req = connection.post("/").chunks(case.chunks.clone());

    // No hang: with nobody left to complete anything, every wait has an end.
    let response = bounded("the request", req.finish());
    let after_the_end = record.0.lines.lock().unwrap().iter().filter(|line| line.starts_with('0')).count();
    bounded("background work", host.run_background());

    let trace = req.trace().lines();
    check_order(case, &host, req.trace(), &trace);
    check_guaranteed(case, &record, &trace);
    check_response(&record, &response);

    // Nothing after the end.
    let lines = record.0.lines.lock().unwrap().clone();
    assert_eq!(
        lines.iter().filter(|line| line.starts_with('0')).count(),
        after_the_end,
        "nothing after the end"
    );
    assert_eq!(req.trace().lines(), trace);
    for handle in record.0.handles.lock().unwrap().drain(..) {
        assert_eq!(handle.post_completion(1), Err(PostError::RequestEnded));
    }
    assert_eq!(record.0.waiting.load(Ordering::SeqCst), 0, "every future has ended or was dropped");

    // Every nested event was asked for.
    for (name, raised) in record.0.raised.lock().unwrap().iter() {
        for id in 0..case.modules.len() {
            let calls = lines.iter().filter(|line| **line == format!("0 {name} {id}")).count();
            // And the final send.
            assert!(
                calls <= raised + 1,
                "{calls} calls of module {id} at {name}, raised at most {raised} times"
            );
        }
    }

    // State is dropped exactly once, buffers come back.
    assert_eq!(record.0.made.get(), record.0.dropped.get(), "every state is dropped");
    host.driver().assert_idle();
    let returned = host.driver().returned_buffers() + host.driver().abandoned_buffers();
    assert_eq!(returned, record.0.started_buffers.get() as u64, "every buffer is accounted for");

    // The next request works.
    let next = bounded("the next request", async { connection.get("/next").finish().await });
    assert_eq!((next.status().as_u16(), next.text()), (200, "hello"));
    assert!(next.is_complete());
    Outcomes { trace, lines, response: format!("{response:?}") }
}

/// Deterministic events in their order, each module in its place, each at most once.
fn check_order(case: &Case, host: &TestHost, trace: &bivalve_core::Trace, lines: &[String]) {
    let all = all_events();
    let place = |event: Event, module: &str| {
        let slot = all.iter().position(|e| *e == event).expect("all are there");
        let position = host.pipeline().modules_of(event).position(|name| name == module);
        (slot, position.expect("only who registered is called"))
    };
    let mut last = None;
    let mut stack: Vec<u8> = Vec::new();
    for entry in trace.entries() {
        if let (Some(event), Some(module)) = (entry.event(), entry.module()) {
            let spec = &case.modules[module.parse::<usize>().expect("modules are numbered")];
            assert!(spec.registration().wants(event), "only who registered is called");
            assert_eq!(event.notification().is_deterministic(), entry.depth() == 0, "on demand is nested");
            assert!(entry.depth() <= 16, "nesting is bounded");
            stack.push(entry.depth());
            if entry.depth() > 0 {
                continue;
            }
            let here = place(event, module);
            assert!(last < Some(here), "{event} {module} is out of order or twice: {lines:#?}");
            last = Some(here);
        }
    }
    // Nesting grows one by one.
    assert!(stack.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{lines:#?}");
}

/// LogRequest and EndRequest, with their posts, for each module that registered and did not panic or disable them.
fn check_guaranteed(case: &Case, record: &Record, lines: &[String]) {
    let panicked = record.0.panicked.lock().unwrap();
    let disabled = record.0.disabled.lock().unwrap();
    for (slot, event) in
        all_events().into_iter().enumerate().filter(|(_, e)| e.notification().is_guaranteed())
    {
        for (id, spec) in case.modules.iter().enumerate() {
            let prefix = format!("{event} {id} ->");
            let calls = lines.iter().filter(|line| line.starts_with(&prefix)).count();
            let registered = spec.bodies.contains_key(&slot);
            if !registered {
                assert_eq!(calls, 0);
            } else if panicked.contains(&id) || disabled.contains(&(id, event)) {
                assert!(calls <= 1);
            } else {
                assert_eq!(calls, 1, "{event} is owed to module {id}: {lines:#?}");
            }
        }
    }
}

/// Complete, or reset, or nobody was there to see it. Parts in order, headers once.
fn check_response(record: &Record, response: &TestResponse) {
    let gone = record.0.disconnected.get() > 0;
    if !gone {
        assert!(response.is_complete() != response.was_reset(), "complete or reset: {response:?}");
        assert!(response.was_answered() || response.was_reset());
    }
    if record.0.reset.get() > 0 && !gone {
        assert!(response.was_reset());
    }
    let sent: Vec<_> = response.parts().iter().filter(|part| part.completion().is_success()).collect();
    for (n, part) in sent.iter().enumerate() {
        assert_eq!(part.status().is_some(), n == 0, "headers go with the first part only: {response:?}");
        assert!(!part.is_end() || n + 1 == sent.len(), "nothing after the end: {response:?}");
    }
    if response.is_complete() {
        let status = response.status().as_u16();
        assert!((200..600).contains(&status));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::default())]

    #[test]
    fn random_pipelines_keep_every_promise(case in case()) {
        let first = check(&case);
        // The same seed gives the same run: trace, calls, response.
        let second = check(&case);
        prop_assert_eq!(first, second);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::default())]

    // The same while the test completes every operation by hand, in any order, and lets some of them fail: a part that did
    // not leave breaks the response, a read that failed its reader, and everything owed is still done.
    #[test]
    fn random_failures_leave_a_whole_response_or_a_broken_connection(
        case in case(),
        choices in prop::collection::vec((any::<prop::sample::Index>(), 0..12_u8), 0..40),
    ) {
        let record = Record::default();
        record.0.budget.store(60, Ordering::SeqCst);
        let mut host = TestHost::new().manual().handler(handler(case.handler.clone(), &record));
        for (id, spec) in case.modules.iter().enumerate() {
            host = host.module(id.to_string(), spec.module(id, &record));
        }
        let mut req = host.post("/").chunks(case.chunks.clone());
        let mut choices = choices.into_iter();
        loop {
            // Background work alone may have to go on, so it is polled for a while.
            let stopped = bounded("the request", async {
                loop {
                    match req.run_until(Step::Done).await {
                        Stopped::Waiting if req.outstanding().is_empty() => common::once().await,
                        stopped => return stopped,
                    }
                }
            });
            if stopped != Stopped::Waiting {
                break;
            }
            let outstanding = req.outstanding();
            let Some((index, verdict)) = choices.next() else {
                req.complete(outstanding[0].id());
                continue;
            };
            let id = outstanding[index.index(outstanding.len())].id();
            match verdict {
                0 => req.complete_with(id, Completion::failure(CompletionStatus::TIMED_OUT)),
                1 => req.complete_with(id, Completion::failure(CompletionStatus::CONNECTION_RESET)),
                2 => req.cancel(id),
                3 => {
                    if req.disconnect() {
                        record.0.disconnected.add();
                    }
                }
                _ => req.complete(id),
            }
        }
        let response = bounded("the request", req.finish());
        bounded("background work", async {
            host.completions().set_order(CompletionOrder::Immediate);
            host.run_background().await;
        });
        let trace = req.trace().lines();
        check_order(&case, &host, req.trace(), &trace);
        check_guaranteed(&case, &record, &trace);
        check_response(&record, &response);
        let lost = response.parts().iter().any(|part| !part.completion().is_success());
        prop_assert!(!lost || !response.is_complete(), "{:?}", response);
        prop_assert_eq!(record.0.made.get(), record.0.dropped.get());
    }
}

/// An answer in the small model: no waits, nothing nested.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Simple {
    Continue,
    Finish,
    Fail,
    Panic,
}

/// How the module says it, which must make no difference.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    /// As a plain `fn` under the attribute, which promises to return no future.
    Promised,
    Ready,
    Future,
    Completion,
}

#[derive(Clone, Debug)]
struct SimpleModule {
    answers: BTreeMap<usize, Simple>,
    priorities: [u8; 24],
    way: Way,
}

fn simple_module() -> impl Strategy<Value = SimpleModule> {
    let simple = prop_oneof![
        12 => Just(Simple::Continue),
        1 => Just(Simple::Finish),
        1 => Just(Simple::Fail),
        1 => Just(Simple::Panic),
    ];
    let way = prop_oneof![Just(Way::Promised), Just(Way::Ready), Just(Way::Future), Just(Way::Completion)];
    (prop::collection::btree_map(0..24_usize, simple, 0..24), prop::array::uniform24(0..5_u8), way)
        .prop_map(|(answers, priorities, way)| SimpleModule { answers, priorities, way })
}

impl SimpleModule {
    fn module(&self) -> impl Module + use<> {
        let mut registration = Registration::new();
        let all: Vec<Event> = events().collect();
        for (slot, event) in all.iter().enumerate() {
            let priority = Priority::ALL[usize::from(self.priorities[slot])];
            registration = if event.is_post() {
                registration.post_priority(event.notification(), priority)
            } else {
                registration.priority(event.notification(), priority)
            };
            if self.answers.contains_key(&slot) {
                let one = at(*event);
                registration = registration.on(one.notifications()).on_post(one.post_notifications());
            }
        }
        let (answers, way) = (self.answers.clone(), self.way);
        if way == Way::Promised {
            let all = bivalve_core::Notifications::DETERMINISTIC;
            registration = registration.synchronous(all).post_synchronous(all);
        }
        script(registration, move |call| {
            let slot = all.iter().position(|event| *event == call.event).expect("only these are registered");
            let simple = answers[&slot];
            let say = move || match simple {
                Simple::Continue => Ok(Flow::Continue),
                Simple::Finish => Ok(Flow::Finish),
                Simple::Fail => Err(Error::from_status(StatusCode::SERVICE_UNAVAILABLE)),
                Simple::Panic => quiet_panic(),
            };
            match way {
                Way::Promised | Way::Ready => Outcome::Ready(say()),
                Way::Future => Outcome::pending(async move {
                    common::once().await;
                    say()
                }),
                Way::Completion if call.is_completion() => Outcome::Ready(say()),
                Way::Completion => {
                    Outcome::Ready(call.cx.start_write(EntityChunk::from("")).map(|()| Flow::Pending))
                }
            }
        })
    }
}

/// What semantics.md sections 2 and 3 say, written down without a thought for speed: calls, and the status.
fn model(modules: &[SimpleModule], handler: Simple) -> (Vec<String>, u16) {
    const NAMES: [&str; 12] = [
        "BeginRequest",
        "AuthenticateRequest",
        "AuthorizeRequest",
        "ResolveRequestCache",
        "MapRequestHandler",
        "AcquireRequestState",
        "PreExecuteRequestHandler",
        "ExecuteRequestHandler",
        "ReleaseRequestState",
        "UpdateRequestCache",
        "LogRequest",
        "EndRequest",
    ];
    let mut calls = Vec::new();
    let mut status = 200;
    let mut finished = false;
    let mut gone = BTreeSet::new();
    for slot in 0..24 {
        let guaranteed = slot >= 20;
        for priority in 0..5 {
            for (id, module) in modules.iter().enumerate() {
                if module.priorities[slot] != priority || gone.contains(&id) || (finished && !guaranteed) {
                    continue;
                }
                let Some(answer) = module.answers.get(&slot) else { continue };
                calls.push(format!("{}{} {id}", if slot % 2 == 1 { "Post" } else { "" }, NAMES[slot / 2]));
                match answer {
                    Simple::Continue => {}
                    Simple::Finish => finished = true,
                    Simple::Fail if guaranteed => {}
                    Simple::Fail => (status, finished) = (503, true),
                    Simple::Panic => {
                        gone.insert(id);
                        (status, finished) = (500, true);
                    }
                }
            }
        }
        if slot == 14 && !finished {
            match handler {
                Simple::Continue => {}
                Simple::Finish => finished = true,
                Simple::Fail => (status, finished) = (503, true),
                Simple::Panic => (status, finished) = (500, true),
            }
        }
    }
    (calls, status)
}

proptest! {
    #![proptest_config(ProptestConfig::default())]

    #[test]
    fn simple_pipelines_run_as_the_naive_model_says(
        modules in prop::collection::vec(simple_module(), 0..7),
        handler in prop_oneof![
            6 => Just(Simple::Continue),
            1 => Just(Simple::Finish),
            1 => Just(Simple::Fail),
            1 => Just(Simple::Panic),
        ],
        order in order(),
    ) {
        let mut host = TestHost::new().order(completion_order(order)).handler(move |_: &mut Context| match handler {
            Simple::Continue => Ok(Flow::Continue),
            Simple::Finish => Ok(Flow::Finish),
            Simple::Fail => Err(Error::from_status(StatusCode::SERVICE_UNAVAILABLE)),
            Simple::Panic => quiet_panic(),
        });
        for (id, module) in modules.iter().enumerate() {
            host = host.module(id.to_string(), module.module());
        }
        let mut req = host.get("/");
        let response = bounded("the request", req.finish());
        let (calls, status) = model(&modules, handler);
        prop_assert_eq!(common::calls(&req), calls);
        prop_assert_eq!(response.status().as_u16(), status);
        prop_assert!(response.is_complete());
    }
}

/// Where the filter of the next test fails.
#[derive(Clone, Copy, Debug)]
enum Fails {
    Never,
    WithError(usize),
    WithPanic(usize),
}

proptest! {
    #![proptest_config(ProptestConfig::default())]

    // A filter at SendResponse that runs last: whatever other modules do, and whenever it fails, no byte of theirs reaches
    // the client without it.
    #[test]
    fn no_byte_passes_a_filter_by(
        case in case(),
        fails in prop_oneof![
            2 => Just(Fails::Never),
            2 => (0..4_usize).prop_map(Fails::WithError),
            2 => (0..4_usize).prop_map(Fails::WithPanic),
        ],
    ) {
        let record = Record::default();
        record.0.budget.store(60, Ordering::SeqCst);
        let calls = Count::default();
        // FIRST runs last at SendResponse, and of those the one mounted first.
        let registration = at(Notification::SendResponse).priority(Notification::SendResponse, Priority::First);
        let filter = script(registration, move |call| {
            if call.cx.child_depth() > 0 {
                return Outcome::CONTINUE;
            }
            let call_number = calls.add() - 1;
            match fails {
                Fails::WithError(n) if n == call_number => {
                    return Outcome::Ready(Err(Error::from_status(StatusCode::BAD_GATEWAY)));
                }
                Fails::WithPanic(n) if n == call_number => quiet_panic(),
                _ => {}
            }
            let chunks = call.cx.response_mut().take_chunks();
            let len: u64 = chunks.iter().map(EntityChunk::len).sum();
            let filtered = vec![b'#'; usize::try_from(len).expect("a few bytes")];
            Outcome::Ready(call.cx.response_mut().write(filtered).map(|()| Flow::Continue))
        });
        let mut host = TestHost::new()
            .order(completion_order(case.order))
            .module("filter", filter)
            .handler(handler(case.handler.clone(), &record));
        for (id, spec) in case.modules.iter().enumerate() {
            let mut spec = spec.clone();
            // What LogRequest and EndRequest, and others at SendResponse, write after the filter has panicked is theirs:
            // it is skipped then.
            spec.bodies.retain(|slot, _| !(20..24).contains(slot));
            if let Fails::WithPanic(_) = fails {
                spec.bodies.remove(&25);
            }
            // A module before it that finishes SendResponse leaves it out, as documented.
            if let Some(body) = spec.bodies.get_mut(&25) {
                body.end = if body.end == End::Finish { End::Continue } else { body.end };
                body.then = if body.then == End::Finish { End::Continue } else { body.then };
            }
            host = host.module(id.to_string(), spec.module(id, &record));
        }
        let mut req = host.post("/").chunks(case.chunks.clone());
        let response = bounded("the request", req.finish());
        let body = String::from_utf8_lossy(response.body()).into_owned();
        let passed = body.trim_start_matches('#');
        let page = response.was_answered().then(|| response.status().canonical_reason()).flatten();
        prop_assert!(
            passed.is_empty() || (body == passed && Some(passed) == page && response.status().as_u16() >= 500),
            "{:?}: {:#?}", response, req.trace().lines()
        );
    }
}

/// What a reader does with the entity, or a writer with the response.
#[derive(Clone, Copy, Debug)]
enum Transfer {
    /// Reads or writes so much.
    Move(u8),
    /// Begins to, and drops the future after so many polls.
    Begin(u8, u8),
    /// Reads and puts back; writes without waiting.
    Other(u8),
    Flush,
    Wait,
}

fn transfer() -> impl Strategy<Value = Transfer> {
    prop_oneof![
        3 => (0..20_u8).prop_map(Transfer::Move),
        4 => (0..20_u8, 1..6_u8).prop_map(|(n, polls)| Transfer::Begin(n, polls)),
        2 => (0..20_u8).prop_map(Transfer::Other),
        2 => Just(Transfer::Flush),
        1 => Just(Transfer::Wait),
    ]
}

/// A filter that waits around its work, so many times before and after.
fn slow(
    notification: Notification,
    priority: Priority,
    waits: (u8, u8),
    work: impl Fn(&mut Context, &mut With<'_>) -> Result<()> + Clone + Send + Sync + 'static,
) -> impl Module {
    script(at(notification).priority(notification, priority), move |mut call| {
        let work = work.clone();
        Outcome::pending(async move {
            let driver = Arc::clone(call.cx.server().driver()?);
            for _ in 0..waits.0 {
                let _ = driver.post(1).await;
            }
            work(call.cx, &mut call.with)?;
            for _ in 0..waits.1 {
                let _ = driver.post(1).await;
            }
            Ok(Flow::Continue)
        })
    })
}

/// Polls a future so many times at most, and drops it.
async fn begin<F: Future>(future: F, polls: u8) -> Option<F::Output> {
    let mut future = pin!(future);
    for _ in 0..polls {
        if let Some(output) = poll_once(future.as_mut()).await {
            return Some(output);
        }
        common::once().await;
    }
    None
}

fn next_byte(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| byte.wrapping_add(1)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::default())]

    // operations.rs, cancel safety: "what a dropped read brings is read next". Every byte is read once, in order, and has
    // passed each filter once, whichever reads are dropped and wherever they wait.
    #[test]
    fn every_byte_of_the_entity_is_read_once_through_each_filter(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..12), 0..8),
        transfers in prop::collection::vec(transfer(), 0..20),
        waits in prop::collection::vec((0..3_u8, 0..3_u8), 0..3),
        order in order(),
    ) {
        let read = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&read);
        let reader = common::serve(move |cx| {
            let (seen, transfers) = (Arc::clone(&seen), transfers.clone());
            Outcome::pending(async move {
                for transfer in transfers {
                    match transfer {
                        Transfer::Move(max) => {
                            let bytes = cx.read_entity(max.into()).await?;
                            seen.lock().unwrap().extend(bytes);
                        }
                        Transfer::Begin(max, polls) => {
                            if let Some(bytes) = begin(cx.read_entity(max.into()), polls).await {
                                seen.lock().unwrap().extend(bytes?);
                            }
                        }
                        Transfer::Other(max) => {
                            let bytes = cx.read_entity(max.into()).await?;
                            cx.request_mut().insert_entity(bytes);
                        }
                        Transfer::Flush | Transfer::Wait => common::once().await,
                    }
                }
                loop {
                    let bytes = cx.read_entity(7).await?;
                    if bytes.is_empty() {
                        return Ok(Flow::Continue);
                    }
                    seen.lock().unwrap().extend(bytes);
                }
            })
        });
        let filters = waits.len();
        let mut host = TestHost::new().order(completion_order(order)).handler(reader);
        for (n, waits) in waits.into_iter().enumerate() {
            let filter = slow(Notification::ReadEntity, Priority::Medium, waits, |_, with| {
                let With::Entity(entity) = with else { panic!("only ReadEntity is registered") };
                let filtered = next_byte(entity.data());
                entity.set_data(filtered);
                Ok(())
            });
            host = host.module(n.to_string(), filter);
        }
        let response = bounded("the request", host.post("/").chunks(chunks.clone()).finish());
        prop_assert_eq!(response.status().as_u16(), 200);
        let expected = (0..filters).fold(chunks.concat(), |bytes, _| next_byte(&bytes));
        prop_assert_eq!(&*read.lock().unwrap(), &expected);
        host.driver().assert_idle();
    }

    // As above for what is written: "a part of the response is sent once, in order", through each filter once.
    #[test]
    fn every_byte_of_the_response_leaves_once_through_each_filter(
        transfers in prop::collection::vec(transfer(), 0..20),
        waits in prop::collection::vec((0..3_u8, 0..3_u8), 0..3),
        order in order(),
        limit in prop_oneof![Just(0_usize), Just(10), Just(1000)],
        buffering in any::<bool>(),
    ) {
        let written = Arc::new(Mutex::new(Vec::new()));
        let wrote = Arc::clone(&written);
        let writer = common::serve(move |cx| {
            let (wrote, transfers) = (Arc::clone(&wrote), transfers.clone());
            Outcome::pending(async move {
                if !buffering {
                    cx.response_mut().disable_buffering();
                }
                for (n, transfer) in (0_u8..).zip(transfers) {
                    match transfer {
                        Transfer::Move(len) => {
                            let bytes = vec![n; len.into()];
                            wrote.lock().unwrap().extend(&bytes);
                            cx.write(bytes).await?;
                        }
                        Transfer::Begin(_, polls) => drop(begin(cx.flush(), polls).await),
                        Transfer::Other(len) => {
                            let bytes = vec![n; len.into()];
                            if cx.response_mut().write(bytes.clone()).is_ok() {
                                wrote.lock().unwrap().extend(&bytes);
                            }
                        }
                        Transfer::Flush => drop(cx.flush().await?),
                        Transfer::Wait => common::once().await,
                    }
                }
                Ok(Flow::Continue)
            })
        });
        let filters = waits.len();
        let app = bivalve_core::Application::builder().response_buffer_limit(limit).build();
        let mut host = TestHost::new().application(app).order(completion_order(order)).handler(writer);
        for (n, waits) in waits.into_iter().enumerate() {
            let filter = slow(Notification::SendResponse, Priority::Medium, waits, |cx, _| {
                let chunks = cx.response_mut().take_chunks();
                let filtered = chunks.iter().map(|chunk| match chunk {
                    EntityChunk::Bytes(bytes) => EntityChunk::from(next_byte(bytes)),
                    other => other.clone(),
                });
                let one: Vec<EntityChunk> = filtered.collect();
                cx.response_mut().set_chunks(one)
            });
            host = host.module(n.to_string(), filter);
        }
        let response = bounded("the request", host.get("/").finish());
        prop_assert_eq!(response.status().as_u16(), 200);
        prop_assert!(response.is_complete());
        let expected = (0..filters).fold(written.lock().unwrap().clone(), |bytes, _| next_byte(&bytes));
        prop_assert_eq!(response.body(), &expected);
        host.driver().assert_idle();
    }
}
