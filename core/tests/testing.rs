//! The test host under test: where requests stop, how operations complete, what is told when a test is wrong.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context as Task, Poll, Waker};
use std::thread;
use std::time::Duration;

use bivalve_core::testing::{
    CompletionOrder, Completions, Control, MemoryDriver, OperationKind, Stopped, TestHost, TestRequest,
    TestResponse, block_on,
};
use bivalve_core::{
    ChildRequest, Completion, CompletionHandle, CompletionInfo, CompletionStatus, Context, Driver, DriverExt,
    EntityChunk, EntityRead, Error, Event, FileRange, Flow, Handler, Module, Notification, Outcome,
    PostError, Resource, Result, Sending, Step, User,
};
use bivalve_macros::module;
use bytes::{Bytes, BytesMut};

/// Handler from an async function.
struct Serve<F>(F);

impl<F> Handler for Serve<F>
where
    F: for<'a> Fn(&'a mut Context) -> Outcome<'a> + Send + Sync + 'static,
{
    fn handle<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        (self.0)(cx)
    }
}

/// A closure that is a handler for any lifetime.
fn serve<F>(f: F) -> Serve<F>
where
    F: for<'a> Fn(&'a mut Context) -> Outcome<'a> + Send + Sync + 'static,
{
    Serve(f)
}

fn echo(cx: &mut Context) -> Outcome<'_> {
    Outcome::pending(async move {
        loop {
            let bytes = cx.read_entity(1024).await?;
            if bytes.is_empty() {
                return Ok(Flow::Continue);
            }
            cx.write(bytes).await?;
        }
    })
}

fn two_flushes(cx: &mut Context) -> Outcome<'_> {
    Outcome::pending(async move {
        cx.write("one").await?;
        cx.flush().await?;
        cx.write("two").await?;
        Ok(Flow::Continue)
    })
}

fn text_of_panic(f: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(f)).expect_err("it must panic");
    payload
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| payload.downcast_ref::<&str>().map(ToString::to_string))
        .expect("a panic with a text")
}

/// Runs both.
async fn join(one: impl Future, two: impl Future) {
    let (mut one, mut two) = (pin!(one), pin!(two));
    let (mut one_done, mut two_done) = (false, false);
    poll_fn(|task| {
        one_done = one_done || one.as_mut().poll(task).is_ready();
        two_done = two_done || two.as_mut().poll(task).is_ready();
        if one_done && two_done { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// A driver over a list, as the trait object that modules see.
fn driver(order: CompletionOrder) -> (Completions, Arc<MemoryDriver>, Arc<dyn Driver>) {
    let completions = Completions::new(order);
    let memory = Arc::new(MemoryDriver::new(&completions));
    (completions, Arc::clone(&memory), memory)
}

/// A file of this test's own, gone with it.
struct TempFile(std::path::PathBuf);

impl TempFile {
    fn new(name: &str, content: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("bivalve-testing-{name}-{}", std::process::id()));
        std::fs::write(&path, content).expect("the temporary directory can be written");
        Self(path)
    }

    fn open(&self) -> std::fs::File {
        std::fs::File::options().read(true).write(true).open(&self.0).expect("made by new")
    }

    fn read(&self) -> Vec<u8> {
        std::fs::read(&self.0).expect("made by new")
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

mod stopping {
    use super::*;

    struct Gate;

    #[module(crate = bivalve_core)]
    impl Module for Gate {
        fn on_authenticate_request(&self, cx: &mut Context) -> Result<Flow> {
            if let Some(name) = cx.request().header("x-user").map(str::to_string) {
                cx.set_user(User::new(name, "Test"));
            }
            Ok(Flow::Continue)
        }

        fn on_authorize_request(&self, cx: &mut Context) -> Result<Flow> {
            if cx.user().is_none() {
                cx.response_mut().set_status_code(401, 2)?;
                return Ok(Flow::Finish);
            }
            Ok(Flow::Continue)
        }

        fn on_log_request(&self, _cx: &mut Context) -> Result<Flow> {
            Ok(Flow::Continue)
        }
    }

    fn host() -> TestHost {
        TestHost::new().mount(Gate).handler(serve(two_flushes))
    }

    #[test]
    fn a_request_stops_before_an_event_and_shows_its_context() {
        block_on(async {
            let host = host();
            let mut req = host.get("/admin").header("x-user", "ada");
            assert!(req.context().user().is_none());
            let stopped = req.run_until(Notification::AuthorizeRequest).await;
            assert_eq!(stopped.event(), Some(Notification::AuthorizeRequest.into()));
            assert_eq!(req.context().user().map(User::name), Some("ada"));
            assert_eq!(req.trace().lines(), ["AuthenticateRequest Gate -> Continue"]);

            req.context_mut().response_mut().set_header("x-seen", "yes").unwrap();
            let response = req.finish().await;
            assert_eq!((response.status().as_u16(), response.text()), (200, "onetwo"));
            assert_eq!(response.header("x-seen"), Some("yes"));
            req.assert_trace([
                "AuthenticateRequest Gate -> Continue",
                "AuthorizeRequest Gate -> Continue",
                "Send 3 bytes, success",
                "LogRequest Gate -> Continue",
                "Send 3 bytes, success",
            ]);
        });
    }

    #[test]
    fn where_nobody_is_registered_it_stops_before_what_comes_next() {
        block_on(async {
            let mut req = host().get("/").user(User::new("ada", "Test"));
            let post = Event::post(Notification::AuthorizeRequest).unwrap();
            assert_eq!(req.run_until(post).await, Stopped::Before(Step::Handler));
            // Passed already: nothing happens.
            assert_eq!(req.run_until(Notification::BeginRequest).await, Stopped::Before(Step::Handler));
            assert_eq!(req.step().await.event(), Some(Notification::LogRequest.into()));
        });
    }

    #[test]
    fn a_finish_shows_as_a_stop_before_log_request() {
        block_on(async {
            let mut req = host().get("/");
            let stopped = req.run_until(Notification::ExecuteRequestHandler).await;
            assert_eq!(stopped.event(), Some(Notification::LogRequest.into()));
            assert_eq!(req.context().response().sub_status(), 2);
            assert_eq!(req.finish().await.status(), 401);
        });
    }

    #[test]
    fn steps_are_counted_one_by_one() {
        block_on(async {
            let mut req = host().get("/").header("x-user", "ada");
            let mut next = Vec::new();
            while let Some(step) = req.peek() {
                next.push(step);
                req.step().await;
            }
            let call =
                |notification: Notification| Step::Call { event: Event::of(notification), position: 0 };
            assert_eq!(
                next,
                [
                    call(Notification::AuthenticateRequest),
                    call(Notification::AuthorizeRequest),
                    Step::Handler,
                    call(Notification::LogRequest),
                    Step::Send,
                    Step::Done,
                ]
            );
            assert_eq!(req.step().await, Stopped::Finished);
            assert_eq!(req.run_until(Step::Done).await, Stopped::Finished);
            assert_eq!(req.finish().await.text(), "onetwo");
        });
    }

    #[test]
    fn the_last_stop_is_before_the_state_is_dropped() {
        block_on(async {
            let mut req = host().get("/").user(User::new("ada", "Test"));
            assert_eq!(req.run_until(Step::Send).await, Stopped::Before(Step::Send));
            assert!(!req.received().is_complete());
            assert_eq!(req.run_until(Step::Done).await, Stopped::Before(Step::Done));
            assert!(req.received().is_complete());
            assert_eq!(req.context().user().map(User::name), Some("ada"));
        });
    }

    #[test]
    fn a_wrong_test_is_told_what_is_wrong() {
        let host = host().manual();
        let mut req = host.get("/").user(User::new("ada", "Test"));
        let text = text_of_panic(|| {
            let _ = block_on(req.run_until(Notification::SendResponse));
        });
        assert!(text.contains("SendResponse is raised on demand"), "{text}");

        assert_eq!(block_on(req.run_until(Step::Done)), Stopped::Waiting);
        let text = text_of_panic(|| {
            let _ = req.context();
        });
        assert!(text.contains("the handler is waiting and has the context"), "{text}");
        assert!(text.contains("send: status 200, 3 bytes"), "{text}");

        let id = req.outstanding()[0].id();
        req.complete(id);
        let text = text_of_panic(|| req.complete(id));
        assert!(text.contains("is not outstanding"), "{text}");

        block_on(req.finish());
        let text = text_of_panic(|| {
            let _ = req.context_mut();
        });
        assert!(text.contains("the request is over"), "{text}");

        assert!(text_of_panic(|| drop(host.get("http://[/"))).contains("is no URL"));
        let twice = TestHost::new().mount(Gate).mount(Gate);
        assert!(text_of_panic(|| drop(twice.get("/"))).contains("two modules are called Gate"));
        assert!(text_of_panic(|| drop(host.mount(Gate))).contains("mount and configure before it"));
    }

    #[test]
    fn without_a_trace_it_runs_the_same() {
        let untraced = host().without_trace();
        let (mut with, mut without) = (host().get("/"), untraced.get("/"));
        assert_eq!(block_on(with.finish()).status(), block_on(without.finish()).status());
        assert!(!with.trace().lines().is_empty() && without.trace().lines().is_empty());
    }

    #[test]
    fn an_unexpected_trace_is_shown_line_by_line() {
        let mut req = host().get("/");
        block_on(req.finish());
        let text = text_of_panic(|| {
            req.assert_trace(["AuthenticateRequest Gate -> Finish", "LogRequest Gate -> Continue"]);
        });
        assert!(text.contains("  - AuthenticateRequest Gate -> Finish\n"), "{text}");
        assert!(text.contains("  + AuthorizeRequest Gate -> Finish\n"), "{text}");
        assert!(text.contains("    LogRequest Gate -> Continue\n"), "{text}");
    }
}

mod holding {
    use super::*;

    #[test]
    fn a_send_is_held_until_the_test_completes_it() {
        block_on(async {
            let mut req = TestHost::new().handler(serve(two_flushes)).manual().get("/");
            assert_eq!(req.run_until(Step::Done).await, Stopped::Waiting);
            let held = req.outstanding();
            assert_eq!(held.len(), 1);
            assert_eq!((held[0].kind(), held[0].description()), (OperationKind::Send, "status 200, 3 bytes"));
            assert!(!req.received().was_answered());

            req.complete(held[0].id());
            assert_eq!(req.received().text(), "one");
            assert_eq!(req.run_until(Step::Done).await, Stopped::Waiting);
            assert_eq!(req.outstanding()[0].description(), "3 bytes, end");
            assert!(req.complete_next().is_some());
            assert_eq!(req.complete_next(), None);
            assert_eq!(req.run_until(Step::Done).await, Stopped::Before(Step::Done));

            let response = req.received();
            let parts: Vec<_> =
                response.parts().iter().map(|part| (&part.body()[..], part.is_end())).collect();
            assert_eq!(parts, [(&b"one"[..], false), (&b"two"[..], true)]);
            assert_eq!(response.parts()[0].status().map(|status| status.as_u16()), Some(200));
            assert_eq!(response.parts()[1].status(), None);
        });
    }

    #[test]
    fn a_read_is_held_shortened_and_failed() {
        block_on(async {
            let mut req = TestHost::new().handler(serve(echo)).manual().post("/").body("hello world");
            assert_eq!(req.step().await, Stopped::Waiting);
            let read = req.outstanding().remove(0);
            assert_eq!(read.to_string(), format!("{} read: up to 1024 bytes", read.id()));
            req.complete_with(read.id(), Completion::success(5));
            assert_eq!(req.step().await, Stopped::Waiting);
            req.complete_with(req.outstanding()[0].id(), Completion::failure(CompletionStatus::TIMED_OUT));
            assert_eq!(req.step().await, Stopped::Before(Step::Send));
            req.complete_next();
            assert_eq!(req.finish().await.status(), 500);
            req.assert_trace(["Read 5 bytes, success", "Send 21 bytes, success"]);
        });
    }

    #[test]
    fn a_send_that_is_cancelled_fails_its_module() {
        block_on(async {
            let mut req = TestHost::new().handler(serve(two_flushes)).manual().get("/");
            assert_eq!(req.step().await, Stopped::Waiting);
            req.cancel(req.outstanding()[0].id());
            let response = req.finish().await;
            assert_eq!(response.parts()[0].completion().status(), CompletionStatus::CANCELLED);
            assert!(response.was_reset() && !response.is_complete(), "{response:?}");
        });
    }

    #[test]
    fn finish_holds_nothing_back() {
        let host = TestHost::new().handler(serve(two_flushes)).manual();
        assert_eq!(block_on(host.get("/").finish()).text(), "onetwo");
    }

    #[test]
    fn a_run_that_is_dropped_cancels_nothing() {
        struct OnDrop(Arc<AtomicUsize>);
        impl Drop for OnDrop {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let drops = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&drops);
        let host = TestHost::new().handler(serve(move |cx| {
            let guard = OnDrop(Arc::clone(&counted));
            Outcome::pending(async move {
                let mut first = true;
                poll_fn(|_| if std::mem::take(&mut first) { Poll::Pending } else { Poll::Ready(()) }).await;
                cx.write("survived").await?;
                drop(guard);
                Ok(Flow::Continue)
            })
        }));
        let mut req = host.get("/");
        {
            let mut run = pin!(req.finish());
            assert!(run.as_mut().poll(&mut Task::from_waker(Waker::noop())).is_pending());
        }
        assert_eq!(drops.load(Ordering::SeqCst), 0);
        assert_eq!(block_on(req.finish()).text(), "survived");
        assert_eq!(drops.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn late_completions_suspend_and_change_nothing() {
        let run = |order| {
            let mut req = TestHost::new().handler(serve(echo)).order(order).post("/").chunks(["a", "b", "c"]);
            let response = block_on(req.finish());
            (response.text().to_string(), req.trace().lines())
        };
        let expected = run(CompletionOrder::Immediate);
        assert_eq!(expected.0, "abc");
        assert_eq!(run(CompletionOrder::Late), expected);
        for seed in 0..50 {
            assert_eq!(run(CompletionOrder::Seeded(seed)), expected, "seed {seed}");
        }
    }

    /// The order in which three driver operations and two requests complete.
    fn race(seed: u64) -> Vec<String> {
        let log = Arc::new(Mutex::new(Vec::new()));
        let order = Arc::clone(&log);
        let host = TestHost::new()
            .handler(serve(move |cx| {
                let order = Arc::clone(&order);
                Outcome::pending(async move {
                    let driver = Arc::clone(cx.server().driver()?);
                    let mut posts: Vec<_> = (0..4).map(|n| Some(Box::pin(driver.post(n)))).collect();
                    poll_fn(|task| {
                        for (n, slot) in posts.iter_mut().enumerate() {
                            if let Some(post) = slot
                                && post.as_mut().poll(task).is_ready()
                            {
                                *slot = None;
                                let url = cx.request().url().path();
                                order.lock().unwrap().push(format!("{url} {n}"));
                            }
                        }
                        if posts.iter().all(Option::is_none) { Poll::Ready(()) } else { Poll::Pending }
                    })
                    .await;
                    Ok(Flow::Continue)
                })
            }))
            .order(CompletionOrder::Seeded(seed));
        let (mut one, mut two) = (host.get("/one"), host.get("/two"));
        block_on(join(one.finish(), two.finish()));
        host.driver().assert_idle();
        let order = log.lock().unwrap().clone();
        assert_eq!(order.len(), 8);
        order
    }

    #[test]
    fn a_seed_decides_the_order() {
        let orders: Vec<_> = (0..20).map(race).collect();
        let again: Vec<_> = (0..20).map(race).collect();
        assert_eq!(orders, again, "the same seed gives the same order");
        let different: std::collections::HashSet<_> = orders.iter().collect();
        assert!(different.len() > 10, "seeds differ: {orders:#?}");
    }
}

mod entity {
    use super::*;

    #[test]
    fn a_read_honours_its_size_and_content_length_is_set() {
        let host = TestHost::new().handler(serve(|cx| {
            Outcome::pending(async move {
                assert_eq!(cx.request().header("content-length"), Some("5"));
                let first = cx.read_entity(2).await?;
                let rest = cx.read_entity(100).await?;
                assert_eq!((&first[..], &rest[..]), (&b"he"[..], &b"llo"[..]));
                assert!(cx.read_entity(100).await?.is_empty());
                Ok(Flow::Continue)
            })
        }));
        assert_eq!(block_on(host.post("/").body("hello").finish()).status(), 200);
    }

    #[test]
    fn without_a_body_it_is_empty() {
        assert_eq!(block_on(TestHost::new().handler(serve(echo)).post("/").finish()).text(), "");
    }

    #[test]
    fn an_open_entity_comes_bit_by_bit() {
        for order in [CompletionOrder::Immediate, CompletionOrder::Late, CompletionOrder::Seeded(3)] {
            block_on(async {
                let host = TestHost::new().handler(serve(echo)).order(order);
                let mut req = host.post("/").open_entity();
                assert_eq!(req.run_until(Step::Send).await, Stopped::Waiting);
                let id = req.outstanding()[0].id();
                assert!(text_of_panic(|| req.complete(id)).contains("there is no data"));
                req.push_entity("he");
                assert_eq!(req.run_until(Step::Send).await, Stopped::Waiting);
                req.push_entity("llo");
                req.end_entity();
                assert_eq!(req.run_until(Step::Send).await, Stopped::Before(Step::Send));
                assert_eq!(req.finish().await.text(), "hello");
                assert!(text_of_panic(|| req.push_entity("!")).contains("open_entity()"));
            });
        }
    }

    #[test]
    fn an_entity_that_breaks_fails_its_reader() {
        block_on(async {
            let mut req = TestHost::new().handler(serve(echo)).post("/").open_entity();
            req.push_entity("he");
            req.fail_entity(CompletionStatus::TIMED_OUT);
            assert_eq!(req.finish().await.status(), 500);
            req.assert_trace(["Read 2 bytes, success", "Send 21 bytes, success"]);
        });
    }

    #[test]
    fn another_thread_feeds_it() {
        for order in [CompletionOrder::Immediate, CompletionOrder::Late, CompletionOrder::Manual] {
            let host = TestHost::new().handler(serve(echo)).order(order);
            let mut req = host.post("/").open_entity();
            let control: Control = req.control();
            let client = thread::spawn(move || {
                for part in ["a", "b", "c"] {
                    thread::sleep(Duration::from_millis(2));
                    control.push_entity(part);
                }
                control.end_entity();
            });
            assert_eq!(block_on(req.finish()).text(), "abc", "{order:?}");
            client.join().unwrap();
        }
    }
}

mod disconnecting {
    use super::*;
    use bivalve_core::OnDisconnect;

    #[derive(Default)]
    struct Log(Arc<Mutex<Vec<String>>>);

    impl Log {
        fn say(&self, what: impl Into<String>) {
            self.0.lock().unwrap().push(what.into());
        }
    }

    struct OnDrop(Arc<Mutex<Vec<String>>>);

    impl Drop for OnDrop {
        fn drop(&mut self) {
            self.0.lock().unwrap().push("dropped".into());
        }
    }

    /// Waits for its send, and logs.
    struct Slow(Log);

    #[module(crate = bivalve_core)]
    impl Module for Slow {
        async fn on_begin_request(&self, cx: &mut Context) -> Result<Flow> {
            let _guard = OnDrop(Arc::clone(&self.0.0));
            cx.write("hello").await?;
            cx.flush().await?;
            self.0.say("sent");
            Ok(Flow::Continue)
        }

        async fn on_log_request(&self, cx: &mut Context) -> Result<Flow> {
            self.0.say(format!("log, connected: {}", cx.is_connected()));
            Ok(Flow::Continue)
        }

        fn on_end_request(&self, _cx: &mut Context) -> Result<Flow> {
            self.0.say("end");
            Ok(Flow::Continue)
        }
    }

    #[test]
    fn a_waiting_module_is_dropped_and_log_and_end_run() {
        block_on(async {
            let log = Log::default();
            let seen = Arc::clone(&log.0);
            let mut req = TestHost::new().mount(Slow(log)).manual().get("/");
            assert_eq!(req.run_until(Notification::LogRequest).await, Stopped::Waiting);
            assert!(req.disconnect());
            assert!(!req.disconnect(), "known already");
            assert_eq!(
                req.run_until(Notification::LogRequest).await.event(),
                Some(Notification::LogRequest.into())
            );
            assert_eq!(*seen.lock().unwrap(), ["dropped"]);
            let response = req.finish().await;
            assert_eq!(*seen.lock().unwrap(), ["dropped", "log, connected: false", "end"]);
            assert!(!response.was_answered() && !response.is_complete());
            assert!(text_of_panic(|| assert!(response.status().is_success())).contains("it had gone"));
            req.assert_trace([
                "BeginRequest Slow -> Err",
                "LogRequest Slow -> Continue",
                "EndRequest Slow -> Continue",
            ]);
            assert!(req.outstanding().is_empty());
        });
    }

    /// Runs on without a client, and sees what its operations report.
    struct Stubborn(Log);

    #[module(crate = bivalve_core, on_disconnect = finish)]
    impl Module for Stubborn {
        async fn on_begin_request(&self, cx: &mut Context) -> Result<Flow> {
            cx.write("hello").await?;
            for _ in 0..2 {
                let error = cx.flush().await.expect_err("nobody is there");
                self.0.say(format!("flush: {}", error.is_disconnected()));
            }
            let error = cx.read_entity(1).await.expect_err("nobody is there");
            self.0.say(format!("read: {}", error.is_disconnected()));
            Ok(Flow::Continue)
        }
    }

    #[test]
    fn one_that_finishes_first_sees_its_operations_fail() {
        assert_eq!(Stubborn(Log::default()).registration().disconnect_behaviour(), OnDisconnect::Finish);
        block_on(async {
            let log = Log::default();
            let seen = Arc::clone(&log.0);
            let mut req = TestHost::new().mount(Stubborn(log)).manual().post("/").open_entity();
            assert_eq!(req.step().await, Stopped::Waiting);
            req.disconnect();
            let response = req.finish().await;
            assert_eq!(*seen.lock().unwrap(), ["flush: true", "flush: true", "read: true"]);
            assert_eq!(response.parts()[0].completion().status(), CompletionStatus::CONNECTION_ABORTED);
        });
    }

    #[test]
    fn another_thread_disconnects() {
        let log = Log::default();
        let seen = Arc::clone(&log.0);
        let host = TestHost::new().mount(Slow(log)).handler(serve(|_| {
            Outcome::pending(async {
                std::future::pending::<()>().await;
                Ok(Flow::Continue)
            })
        }));
        let mut req = host.get("/");
        let control = req.control();
        let client = thread::spawn(move || {
            thread::sleep(Duration::from_millis(5));
            control.disconnect()
        });
        block_on(req.finish());
        assert!(client.join().unwrap());
        assert_eq!(*seen.lock().unwrap(), ["sent", "dropped", "log, connected: false", "end"]);
    }
}

mod completion_handles {
    use super::*;

    /// Pends in BeginRequest, and gives its handle to the test.
    #[derive(Default)]
    struct Waits {
        handle: Arc<Mutex<Option<CompletionHandle>>>,
        seen: Arc<Mutex<Vec<usize>>>,
    }

    #[module(crate = bivalve_core)]
    impl Module for Waits {
        fn on_begin_request(&self, cx: &mut Context) -> Result<Flow> {
            *self.handle.lock().unwrap() = Some(cx.completion_handle());
            Ok(Flow::Pending)
        }

        fn on_async_completion(&self, cx: &mut Context, done: CompletionInfo) -> Result<Flow> {
            self.seen.lock().unwrap().push(done.completion().bytes());
            cx.response_mut().write("completed")?;
            Ok(Flow::Finish)
        }
    }

    impl Waits {
        fn take(handle: &Mutex<Option<CompletionHandle>>) -> CompletionHandle {
            handle.lock().unwrap().take().expect("BeginRequest has run")
        }
    }

    #[test]
    fn a_handle_is_posted_from_another_thread() {
        let module = Waits::default();
        let (handle, seen) = (Arc::clone(&module.handle), Arc::clone(&module.seen));
        let mut req = TestHost::new().mount(module).get("/");
        let poster = thread::spawn(move || {
            loop {
                let taken = handle.lock().unwrap().take();
                if let Some(handle) = taken {
                    thread::sleep(Duration::from_millis(5));
                    return handle.post_completion(42);
                }
                thread::yield_now();
            }
        });
        assert_eq!(block_on(req.finish()).text(), "completed");
        assert_eq!(poster.join().unwrap(), Ok(()));
        assert_eq!(*seen.lock().unwrap(), [42]);
        req.assert_trace([
            "BeginRequest Waits -> Finish",
            "AsyncCompletion of BeginRequest Waits -> Finish",
            "Send 9 bytes, success",
        ]);
    }

    #[test]
    fn in_manual_order_the_test_posts() {
        block_on(async {
            let module = Waits::default();
            let handle = Arc::clone(&module.handle);
            let mut req = TestHost::new().mount(module).manual().get("/");
            assert_eq!(req.step().await, Stopped::Waiting);
            assert!(req.outstanding().is_empty(), "a post is nobody's operation");
            let handle = Waits::take(&handle);
            assert_eq!(handle.post_completion(1), Ok(()));
            assert_eq!(handle.post_completion(2), Err(PostError::AlreadyPosted));
            assert_eq!(req.step().await, Stopped::Before(Step::Send));
            assert_eq!(handle.post_completion(3), Err(PostError::NotAwaited));
            assert_eq!(req.finish().await.text(), "completed");
            assert_eq!(handle.post_completion(4), Err(PostError::RequestEnded));
        });
    }

    #[test]
    fn a_handle_that_is_dropped_is_a_clear_error() {
        block_on(async {
            let module = Waits::default();
            let handle = Arc::clone(&module.handle);
            let mut req = TestHost::new().mount(module).manual().get("/");
            assert_eq!(req.step().await, Stopped::Waiting);
            drop(Waits::take(&handle));
            assert_eq!(req.step().await, Stopped::Before(Step::Send));
            assert_eq!(req.finish().await.status(), 500);
            req.assert_trace(["BeginRequest Waits -> Err", "Send 21 bytes, success"]);
        });
    }

    #[test]
    fn a_stale_handle_does_not_reach_the_next_request() {
        block_on(async {
            let module = Waits::default();
            let (handle, seen) = (Arc::clone(&module.handle), Arc::clone(&module.seen));
            let host = TestHost::new().mount(module).manual();
            let connection = host.keep_alive();

            let mut first = connection.get("/one");
            let first_context: *const Context = first.context();
            first.step().await;
            let stale = Waits::take(&handle);
            let disconnector = {
                stale.post_completion(1).unwrap();
                first.step().await;
                first.context().disconnector()
            };
            first.finish().await;

            let mut second = connection.get("/two");
            let second_context: *const Context = second.context();
            assert_eq!(first_context, second_context, "the context is used again");
            assert_eq!(second.step().await, Stopped::Waiting);
            assert_eq!(stale.post_completion(99), Err(PostError::RequestEnded));
            assert!(!disconnector.disconnect());
            assert!(!first.disconnect());
            assert_eq!(second.step().await, Stopped::Waiting);
            Waits::take(&handle).post_completion(2).unwrap();
            assert_eq!(second.finish().await.text(), "completed");
            assert_eq!(*seen.lock().unwrap(), [1, 2]);
            assert_eq!(first.received().text(), "completed", "the first keeps its response");
        });
    }
}

mod leftovers {
    use super::*;
    use bivalve_core::Gone;

    struct After;

    #[module(crate = bivalve_core)]
    impl Module for After {
        fn on_end_request(&self, _cx: &mut Context) -> Result<Flow> {
            Ok(Flow::Continue)
        }
    }

    #[test]
    fn a_handler_cannot_pend() {
        let host = TestHost::new().mount(After).handler(|_: &mut Context| Ok(Flow::Pending));
        assert_eq!(block_on(host.get("/").finish()).status(), 500);

        let host = TestHost::new().mount(After).handler(|cx: &mut Context| {
            cx.start_flush()?;
            Ok(Flow::Continue)
        });
        let mut req = host.get("/");
        assert_eq!(block_on(req.finish()).status(), 500);
        req.assert_trace(["EndRequest After -> Continue", "Send 21 bytes, success"]);
    }

    #[test]
    fn a_handlers_completion_handle_ends_with_it() {
        let slot = Arc::new(Mutex::new(None));
        let keep = Arc::clone(&slot);
        let host = TestHost::new().mount(After).handler(move |cx: &mut Context| {
            *keep.lock().unwrap() = Some(cx.completion_handle());
            Ok(Flow::Continue)
        });
        let mut req = host.get("/");
        block_on(req.run_until(Notification::EndRequest));
        let handle: CompletionHandle = slot.lock().unwrap().take().unwrap();
        assert_eq!(handle.post_completion(1), Err(PostError::NotAwaited));
        assert_eq!(block_on(req.finish()).status(), 200);
    }

    #[test]
    fn what_a_test_leaves_open_between_steps_is_not_the_next_modules() {
        let mut req = TestHost::new().mount(After).handler(serve(two_flushes)).get("/");
        block_on(req.run_until(Notification::EndRequest));
        let handle = req.context_mut().completion_handle();
        req.context_mut().start_flush().unwrap();
        assert_eq!(block_on(req.finish()).text(), "onetwo");
        assert_eq!(handle.post_completion(1), Err(PostError::RequestEnded));
        assert!(req.trace().lines().contains(&"EndRequest After -> Continue".to_string()));
    }

    #[test]
    fn a_request_that_is_dropped_ends_its_handles() {
        let host = TestHost::new().handler(serve(two_flushes)).manual();
        let mut req = host.get("/");
        let handle = req.context_mut().completion_handle();
        let disconnected = req.context().disconnected();
        assert_eq!(block_on(req.step()), Stopped::Waiting);
        drop(req);
        assert_eq!(block_on(disconnected), Gone::RequestEnded);
        assert_eq!(handle.post_completion(1), Err(PostError::RequestEnded));
        assert!(host.completions().outstanding().is_empty());
    }
}

mod driving {
    use super::*;

    #[test]
    fn a_file_is_written_and_read() {
        for order in [CompletionOrder::Immediate, CompletionOrder::Late, CompletionOrder::Seeded(1)] {
            let (completions, memory, driver) = driver(order);
            let temp = TempFile::new("rw", b"");
            block_on(completions.drive(async {
                let file = driver.associate(Resource::File(temp.open())).unwrap();
                let done = driver.write_at(&file, Bytes::from_static(b"Hello"), 3).await;
                assert_eq!((done.completion, &done.buffer[..]), (Completion::success(5), &b"Hello"[..]));
                assert_eq!(temp.read(), b"\0\0\0Hello");

                let mut buffer = BytesMut::with_capacity(64);
                buffer.extend_from_slice(b"> ");
                let done = driver.read_at(&file, buffer, 4).await;
                assert_eq!((done.completion, &done.buffer[..]), (Completion::success(4), &b"> ello"[..]));
                let done = driver.read_at(&file, done.buffer, 100).await;
                assert_eq!(done.completion, Completion::success(0));

                driver.close(file);
                let done = driver.write_at(&file, Bytes::from_static(b"x"), 0).await;
                assert_eq!(done.completion.status(), CompletionStatus::INVALID_HANDLE);
                assert_eq!(&done.buffer[..], b"x", "a refused operation gives its buffer back");
            }));
            memory.assert_idle();
            assert_eq!((memory.returned_buffers(), memory.abandoned_buffers()), (3, 0));
        }
    }

    #[test]
    fn a_module_writes_through_the_servers_driver() {
        let temp = TempFile::new("module", b"");
        let path = temp.0.clone();
        let host = TestHost::new().handler(serve(move |cx| {
            let path = path.clone();
            Outcome::pending(async move {
                let driver = Arc::clone(cx.server().driver()?);
                let file = driver.associate(Resource::File(std::fs::File::create(path)?))?;
                driver.write_at(&file, "Hello", 0).await.into_result()?;
                driver.close(file);
                Ok(Flow::Continue)
            })
        }));
        block_on(async {
            host.completions().set_order(CompletionOrder::Manual);
            let mut req = host.get("/");
            assert_eq!(req.step().await, Stopped::Waiting);
            let held = req.outstanding();
            assert_eq!((held[0].kind(), held[0].description()), (OperationKind::WriteAt, "5 bytes at 0"));
            assert_eq!((temp.read(), host.driver().outstanding()), (vec![], 1));
            req.complete(held[0].id());
            assert_eq!(temp.read(), b"Hello");
            assert_eq!(req.finish().await.status(), 200);
            host.driver().assert_idle();
        });
    }

    #[test]
    fn a_write_is_made_to_fail_or_to_be_short() {
        let (completions, memory, driver) = driver(CompletionOrder::Manual);
        let temp = TempFile::new("short", b"");
        let file = driver.associate(Resource::File(temp.open())).unwrap();
        let write = driver.write_at(&file, Bytes::from_static(b"Hello"), 0);
        completions.complete_with(
            completions.outstanding()[0].id(),
            Completion::failure(CompletionStatus::DISK_FULL),
        );
        let done = block_on(write);
        assert_eq!(
            (done.completion.status(), &done.buffer[..]),
            (CompletionStatus::DISK_FULL, &b"Hello"[..])
        );
        assert_eq!(temp.read(), b"");

        let write = driver.write_at(&file, done.buffer, 0);
        completions.complete_with(completions.outstanding()[0].id(), Completion::success(2));
        assert_eq!(block_on(write).completion, Completion::success(2));
        assert_eq!(temp.read(), b"He");
        memory.assert_idle();
    }

    #[test]
    fn the_buffer_of_a_dropped_operation_is_counted() {
        let (completions, memory, driver) = driver(CompletionOrder::Late);
        let temp = TempFile::new("drop", b"");
        let file = driver.associate(Resource::File(temp.open())).unwrap();
        drop(driver.write_at(&file, Bytes::from_static(b"Hello"), 0));
        memory.assert_idle();
        assert_eq!(memory.abandoned_buffers(), 1);

        // By hand, the kernel takes its time.
        completions.set_order(CompletionOrder::Manual);
        let marker = Arc::new(());
        let watched = Bytes::from_owner(Watched(Arc::clone(&marker)));
        drop(driver.write_at(&file, watched, 0));
        assert_eq!((memory.outstanding(), Arc::strong_count(&marker)), (1, 2), "the buffer lives");
        assert!(text_of_panic(|| memory.assert_idle()).contains("still holds buffers"));
        let held = completions.outstanding().remove(0);
        assert!(held.is_abandoned() && held.to_string().contains("its future was dropped"));
        completions.complete(held.id());
        assert_eq!((memory.outstanding(), Arc::strong_count(&marker)), (0, 1), "the buffer is free");
        assert_eq!((memory.returned_buffers(), memory.abandoned_buffers()), (0, 2));

        // Completed, and dropped before anybody looked.
        let write = driver.write_at(&file, Bytes::from_static(b"Hello"), 0);
        completions.complete_next();
        assert!(text_of_panic(|| memory.assert_idle()).contains("nobody took its result"));
        drop(write);
        memory.assert_idle();
        assert_eq!((memory.returned_buffers(), memory.abandoned_buffers()), (0, 3));
    }

    struct Watched(#[expect(dead_code, reason = "it is counted, not read")] Arc<()>);

    impl AsRef<[u8]> for Watched {
        fn as_ref(&self) -> &[u8] {
            b"watched"
        }
    }

    #[test]
    fn cancelled_means_cancelled_or_done_once() {
        let mut statuses = std::collections::HashSet::new();
        for seed in 0..20 {
            let (completions, memory, driver) = driver(CompletionOrder::Seeded(seed));
            let post = driver.post(7);
            post.cancel();
            post.cancel();
            statuses.insert(block_on(completions.drive(post)).completion.status());
            memory.assert_idle();
        }
        let both = [CompletionStatus::SUCCESS, CompletionStatus::CANCELLED].into_iter().collect();
        assert_eq!(statuses, both);

        let (completions, _memory, driver) = driver(CompletionOrder::Manual);
        let post = driver.post(7);
        post.cancel();
        let held = completions.outstanding().remove(0);
        assert!(held.is_cancel_requested(), "by hand, the test decides");
        completions.cancel(held.id());
        assert_eq!(block_on(post).completion.status(), CompletionStatus::CANCELLED);
    }

    #[test]
    fn closing_and_shutting_down_cancel() {
        let (_completions, memory, driver) = driver(CompletionOrder::Manual);
        let temp = TempFile::new("close", b"");
        let file = driver.associate(Resource::File(temp.open())).unwrap();
        let write = driver.write_at(&file, Bytes::from_static(b"Hello"), 0);
        let post = driver.post(1);
        driver.close(file);
        driver.close(file);
        let done = block_on(write);
        assert_eq!(
            (done.completion.status(), &done.buffer[..]),
            (CompletionStatus::CANCELLED, &b"Hello"[..])
        );

        memory.shut_down();
        assert_eq!(block_on(post).completion.status(), CompletionStatus::CANCELLED);
        assert_eq!(block_on(driver.post(1)).completion.status(), CompletionStatus::CANCELLED);
        assert!(driver.associate(Resource::File(temp.open())).is_err());
        memory.assert_idle();
    }

    #[test]
    fn sockets_are_refused_with_a_reason() {
        let (_, _, driver) = driver(CompletionOrder::Immediate);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let error = driver.associate(Resource::TcpListener(listener)).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
        assert!(error.to_string().contains("takes files only"), "{error}");
    }

    /// Reads with a time limit.
    fn impatient(cx: &mut Context) -> Outcome<'_> {
        Outcome::pending(async move {
            let driver = Arc::clone(cx.server().driver()?);
            let mut timer = pin!(driver.timer(Duration::from_secs(30)));
            let bytes = {
                let mut read = pin!(cx.read_entity(100));
                poll_fn(|task| match read.as_mut().poll(task) {
                    Poll::Ready(result) => Poll::Ready(Some(result)),
                    Poll::Pending => timer.as_mut().poll(task).map(|_| None),
                })
                .await
            };
            match bytes {
                Some(bytes) => cx.write(bytes?).await?,
                None => cx.write("too late").await?,
            };
            Ok(Flow::Continue)
        })
    }

    #[test]
    fn timers_fire_in_virtual_time_when_nothing_else_can_go_on() {
        for order in [CompletionOrder::Immediate, CompletionOrder::Late, CompletionOrder::Seeded(5)] {
            let host = TestHost::new().handler(serve(impatient)).order(order);
            let response = block_on(host.post("/").body("in time").finish());
            assert_eq!((response.text(), host.completions().now()), ("in time", Duration::ZERO), "{order:?}");

            let mut stalled = host.post("/").open_entity();
            assert_eq!(block_on(stalled.step()), Stopped::Waiting, "the test may still send");
            assert_eq!(block_on(stalled.finish()).text(), "too late");
            assert_eq!(host.completions().now(), Duration::from_secs(30));
            host.driver().assert_idle();
        }
    }

    #[test]
    fn timers_fire_in_order_of_their_time() {
        let (completions, _memory, driver) = driver(CompletionOrder::Immediate);
        let log = Mutex::new(Vec::new());
        let wait = async |seconds| {
            let _ = driver.timer(Duration::from_secs(seconds)).await;
            log.lock().unwrap().push((seconds, completions.now().as_secs()));
        };
        block_on(completions.drive(join(wait(20), wait(10))));
        assert_eq!(*log.lock().unwrap(), [(10, 10), (20, 20)]);
    }

    #[test]
    fn background_work_runs_beside_and_after_a_request() {
        let done = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&done);
        let host = TestHost::new().handler(serve(move |cx| {
            let count = Arc::clone(&count);
            let server = cx.server().clone();
            let driver = server.driver().cloned();
            Outcome::Ready((|| {
                let driver = driver?;
                let inner = server.clone();
                server.spawn(async move {
                    let _ = driver.timer(Duration::from_secs(60)).await;
                    let nested = Arc::clone(&count);
                    let spawned = inner.spawn(async move {
                        nested.fetch_add(1, Ordering::SeqCst);
                    });
                    assert!(spawned.is_ok());
                    count.fetch_add(1, Ordering::SeqCst);
                })?;
                Ok(Flow::Continue)
            })())
        }));
        block_on(host.get("/").finish());
        assert_eq!((host.background_tasks(), done.load(Ordering::SeqCst)), (1, 0));
        block_on(host.run_background());
        assert_eq!((host.background_tasks(), done.load(Ordering::SeqCst)), (0, 2));
        host.driver().assert_idle();
    }
}

mod responses {
    use super::*;

    /// Counts what leaves.
    #[derive(Default)]
    struct Sends(Arc<Mutex<Vec<(bool, bool)>>>);

    #[module(crate = bivalve_core)]
    impl Module for Sends {
        fn on_send_response(&self, _cx: &mut Context, sending: &mut Sending) -> Result<Flow> {
            self.0.lock().unwrap().push((sending.headers_being_sent(), sending.more_data()));
            Ok(Flow::Continue)
        }
    }

    #[test]
    fn files_trailers_and_parts_arrive() {
        let temp = TempFile::new("range", b"0123456789");
        let file = Arc::new(temp.open());
        let sends = Sends::default();
        let seen = Arc::clone(&sends.0);
        let host = TestHost::new().mount(sends).handler(serve(move |cx| {
            let file = Arc::clone(&file);
            Outcome::pending(async move {
                cx.response_mut().extensions_mut().insert(7_u8);
                cx.write(FileRange::new(file, 2, 3)).await?;
                cx.flush().await?;
                cx.response_mut().trailers_mut().insert("x-sum", "9".parse()?);
                cx.write("!").await?;
                Ok(Flow::Continue)
            })
        }));
        let response = block_on(host.get("/").finish());
        assert_eq!(response.text(), "234!");
        assert_eq!(response.trailers().and_then(|trailers| trailers.get("x-sum")).unwrap(), "9");
        assert_eq!(response.extensions().get::<u8>(), Some(&7));
        assert_eq!(response.parts().len(), 2);
        assert!(response.is_complete());
        assert_eq!(*seen.lock().unwrap(), [(true, true), (false, false)]);
    }

    #[test]
    fn a_file_that_is_too_short_breaks_the_connection() {
        let temp = TempFile::new("truncated", b"0123");
        let file = Arc::new(temp.open());
        let host = TestHost::new().handler(move |cx: &mut Context| {
            cx.response_mut().write(EntityChunk::from(FileRange::new(Arc::clone(&file), 0, 10)))?;
            Ok(Flow::Continue)
        });
        let response = block_on(host.get("/").finish());
        assert!(response.was_reset() && !response.is_complete());
        assert_eq!(response.parts()[0].completion(), Completion::new(4, CompletionStatus::END_OF_FILE));
    }

    #[test]
    fn head_204_and_304_have_no_body() {
        let host = TestHost::new().handler(|cx: &mut Context| {
            let status: u16 = cx.request().url().path()[1..].parse()?;
            cx.response_mut().set_status_code(status, 0)?;
            cx.response_mut().write("body")?;
            Ok(Flow::Continue)
        });
        let body = |method, url| {
            let response: TestResponse = block_on(host.request(method, url).finish());
            response.body().len()
        };
        assert_eq!(body(http::Method::GET, "/200"), 4);
        assert_eq!(body(http::Method::HEAD, "/200"), 0);
        assert_eq!(body(http::Method::GET, "/204"), 0);
        assert_eq!(body(http::Method::GET, "/304"), 0);
    }

    #[test]
    fn a_reset_is_seen() {
        let host = TestHost::new().handler(|cx: &mut Context| {
            cx.reset_connection();
            Ok(Flow::Finish)
        });
        let response = block_on(host.get("/").finish());
        assert!(response.was_reset() && !response.was_answered());
        assert!(
            text_of_panic(|| assert!(response.status().is_success())).contains("the connection was reset")
        );
    }

    #[test]
    fn requests_carry_what_the_test_says() {
        let host = TestHost::new()
            .connection(|client| client.remote_addr("203.0.113.7:50123".parse().unwrap()).secure(true))
            .server(|server| server.software("Test/1"))
            .handler(|cx: &mut Context| {
                let seen =
                    ["REMOTE_ADDR", "HTTPS", "SERVER_SOFTWARE", "SERVER_PROTOCOL", "HTTP_HOST", "HTTP_X_A"]
                        .map(|name| cx.server_variable(name).unwrap_or_default().into_owned());
                let extension = cx.request().extensions().get::<u8>().copied();
                cx.response_mut().write(format!("{} {extension:?}", seen.join(" ")))?;
                Ok(Flow::Continue)
            });
        let mut req = host
            .get("/")
            .header("host", "example.com")
            .header("x-a", "b")
            .extension(5_u8)
            .version(http::Version::HTTP_2);
        assert_eq!(block_on(req.finish()).text(), "203.0.113.7 on Test/1 HTTP/2.0 example.com b Some(5)");
    }
}

mod children {
    use super::*;

    #[test]
    fn a_child_that_is_abandoned_ends_in_the_background() {
        let ended = Arc::new(AtomicUsize::new(0));

        struct Ends(Arc<AtomicUsize>);

        #[module(crate = bivalve_core)]
        impl Module for Ends {
            async fn on_end_request(&self, cx: &mut Context) -> Result<Flow> {
                let driver = Arc::clone(cx.server().driver()?);
                let _ = driver.timer(Duration::from_secs(1)).await;
                self.0.fetch_add(1, Ordering::SeqCst);
                Ok(Flow::Continue)
            }
        }

        let host = TestHost::new().mount(Ends(Arc::clone(&ended))).handler(serve(|cx| {
            Outcome::pending(async move {
                if cx.child_depth() > 0 {
                    std::future::pending::<()>().await;
                }
                let child = ChildRequest::get("/child")?;
                let mut run = pin!(cx.execute_request(child));
                let first = poll_fn(|task| Poll::Ready(run.as_mut().poll(task).is_ready())).await;
                assert!(!first);
                Ok::<_, Error>(Flow::Continue)
            })
        }));
        block_on(host.get("/").finish());
        block_on(host.run_background());
        assert_eq!((ended.load(Ordering::SeqCst), host.background_tasks()), (2, 0));
        host.driver().assert_idle();
    }
}

mod dropped_operations {
    use super::*;

    /// Takes its time before it lets a part of the body pass.
    #[derive(Default)]
    struct Scanner(Arc<Mutex<Vec<Bytes>>>);

    #[module(crate = bivalve_core)]
    impl Module for Scanner {
        async fn on_read_entity(&self, cx: &mut Context, entity: &mut EntityRead) -> Result<Flow> {
            let driver = Arc::clone(cx.server().driver()?);
            let _ = driver.post(1).await;
            self.0.lock().unwrap().push(entity.data().clone());
            Ok(Flow::Continue)
        }
    }

    /// Polls a read once, and drops it; as often as asked for. Then reads everything.
    fn fickle(cx: &mut Context) -> Outcome<'_> {
        Outcome::pending(async move {
            let driver = Arc::clone(cx.server().driver()?);
            for _ in 0..5 {
                {
                    let mut read = pin!(cx.read_entity(100));
                    let _ = poll_fn(|task| Poll::Ready(read.as_mut().poll(task).is_ready())).await;
                }
                let _ = driver.post(1).await;
            }
            loop {
                let bytes = cx.read_entity(100).await?;
                if bytes.is_empty() {
                    return Ok(Flow::Continue);
                }
                cx.write(bytes).await?;
            }
        })
    }

    #[test]
    fn what_a_dropped_read_brought_is_neither_lost_nor_let_past_its_filter() {
        for seed in 0..30 {
            let scanner = Scanner::default();
            let scanned = Arc::clone(&scanner.0);
            let order = if seed == 0 { CompletionOrder::Late } else { CompletionOrder::Seeded(seed) };
            let host = TestHost::new().mount(scanner).handler(serve(fickle)).order(order);
            let read = block_on(host.post("/").chunks(["one ", "two ", "three"]).finish());
            let scanned: Vec<u8> = scanned.lock().unwrap().concat();
            // A read that was ready at its only poll took its part with it.
            assert!("one two three".ends_with(read.text()), "{order:?}: {}", read.text());
            assert_eq!(scanned, b"one two three", "{order:?}");
            host.driver().assert_idle();
        }
    }

    /// Reads on inside ReadEntity, and puts both parts together.
    struct Joiner;

    #[module(crate = bivalve_core)]
    impl Module for Joiner {
        async fn on_read_entity(&self, cx: &mut Context, entity: &mut EntityRead) -> Result<Flow> {
            if entity.data().starts_with(b"one") {
                let next = cx.read_entity(100).await?;
                entity.set_data([entity.data(), &next[..]].concat());
            }
            Ok(Flow::Continue)
        }
    }

    #[test]
    fn a_filter_that_reads_on_gets_the_next_part() {
        let host = TestHost::new().mount(Joiner).handler(serve(echo));
        let mut req = host.post("/").chunks(["one ", "two ", "three"]);
        assert_eq!(block_on(req.finish()).text(), "one two three");
        req.assert_trace([
            "Read 4 bytes, success",
            "  ReadEntity Joiner -> Continue",
            "  Read 4 bytes, success",
            "    ReadEntity Joiner -> Continue",
            "Read 5 bytes, success",
            "  ReadEntity Joiner -> Continue",
            "Read 0 bytes, success",
            "  ReadEntity Joiner -> Continue",
            "Send 13 bytes, success",
        ]);
    }
}

#[test]
fn requests_and_controls_may_cross_threads() {
    fn send<T: Send>(value: T) -> T {
        value
    }
    fn is_sync<T: Send + Sync + Clone>() {}
    is_sync::<Control>();
    is_sync::<Completions>();

    let host = Arc::new(TestHost::new().handler(serve(echo)));
    let mut req: TestRequest = send(host.post("/").body("hello"));
    drop(send(req.run_until(Notification::LogRequest)));
    let response = thread::spawn(move || block_on(send(req.finish()))).join().unwrap();
    assert_eq!(response.text(), "hello");
}
