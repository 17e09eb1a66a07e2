//! `Flow::Pending` and `on_async_completion`: design.md section 3, semantics.md section 4.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use bivalve_core::testing::{CompletionOrder, OperationKind, Stopped, TestHost, block_on};
use bivalve_core::{
    ChildRequest, Completion, CompletionHandle, CompletionInfo, CompletionSource, CompletionStatus, Context,
    ErrorKind, Event, Flow, Module, Notification, Outcome, PostError, Result, Step,
};

use common::{Count, Log, OnDrop, With, at, calls, events, finish, get, plain, quiet, script, serve, text};

const BEGIN: Notification = Notification::BeginRequest;

/// What a module is pending on.
#[derive(Clone, Copy, Debug, PartialEq)]
enum On {
    Write,
    Flush,
    Read,
    Child,
    Posted,
}

const KINDS: [On; 5] = [On::Write, On::Flush, On::Read, On::Child, On::Posted];

impl On {
    fn start(self, cx: &mut Context) -> Result<()> {
        match self {
            Self::Write => cx.start_write("12345"),
            Self::Flush => cx.start_flush(),
            Self::Read => cx.start_read_entity(3),
            Self::Child => cx.start_execute_request(ChildRequest::get("/child")?),
            Self::Posted => {
                let handle = cx.completion_handle();
                handle.post_completion(77)?;
                Ok(())
            }
        }
    }

    /// Bytes and source that `on_async_completion` is told. A flush of nothing sends nothing.
    fn expected(self) -> (usize, CompletionSource) {
        match self {
            Self::Write => (5, CompletionSource::Write),
            Self::Flush => (0, CompletionSource::Flush),
            Self::Read => (3, CompletionSource::ReadEntity),
            Self::Child => (9, CompletionSource::ExecuteRequest),
            Self::Posted => (77, CompletionSource::Posted),
        }
    }
}

/// Says what it is told.
fn says(log: &Log, done: &CompletionInfo) {
    log.say(format!(
        "{} {} {:?} {}",
        done.event(),
        done.completion().bytes(),
        done.source(),
        done.completion().status()
    ));
}

/// Pending at `event` of the client's own request.
fn pends(event: Event, on: On, log: &Log) -> impl Module {
    let log = log.clone();
    script(at(event), move |call| {
        if call.cx.child_depth() > 0 {
            return Outcome::CONTINUE;
        }
        let With::Done(mut done) = call.with else {
            return Outcome::Ready(on.start(call.cx).map(|()| Flow::Pending));
        };
        assert_eq!(done.notification(), event.notification());
        assert_eq!(done.is_post_notification(), event.is_post());
        assert_eq!(&done.entity()[..], if on == On::Read { &b"abc"[..] } else { b"" });
        let child = done.take_child_response().map(|child| child.bytes().expect("no file"));
        assert_eq!(child.as_deref(), (on == On::Child).then_some(&b"the child"[..]));
        assert!(done.take_child_response().is_none(), "taken before");
        says(&log, &done);
        Outcome::CONTINUE
    })
}

fn parent_or_child() -> impl bivalve_core::Handler {
    |cx: &mut Context| {
        let body = if cx.child_depth() > 0 { "the child" } else { "." };
        cx.response_mut().write(body)?;
        Ok(Flow::Continue)
    }
}

// Section 4, rule 4: "IIS I/O completes -> OnAsyncCompletion(ctx, dwNotification, fPost, provider, info)", at every
// notification and post-notification, for every kind of operation, completed at once, later, and in any order.
#[test]
fn on_async_completion_is_told_event_post_flag_bytes_and_status() {
    for order in [CompletionOrder::Immediate, CompletionOrder::Late, CompletionOrder::Seeded(9)] {
        for event in events() {
            for on in KINDS {
                let log = Log::default();
                let host = TestHost::new()
                    .order(order)
                    .module("pends", pends(event, on, &log))
                    .handler(parent_or_child());
                let mut req = host.post("/").body("abcdef");
                let response = finish(&mut req);
                let (bytes, source) = on.expected();
                // At the events after the handler a flush sends what the handler wrote.
                let flushed = on == On::Flush
                    && event.notification() >= Notification::ExecuteRequestHandler
                    && event != Notification::ExecuteRequestHandler.into();
                let bytes = if flushed { 1 } else { bytes };
                assert_eq!(log.take(), [format!("{event} {bytes} {source:?} success")], "{order:?} {on:?}");
                assert_eq!(response.status(), 200, "{order:?} {event} {on:?}");
                assert!(response.is_complete());
                assert_eq!(calls(&req), [format!("{event} pends")]);
                let completions = req.trace().lines();
                let line = format!("AsyncCompletion of {event} pends -> Continue");
                assert!(completions.contains(&line), "{completions:#?}");
            }
        }
    }
}

// The answer of `on_async_completion` "counts for the event that waited; `Pending` again needs another operation".
#[test]
fn a_chain_of_pendings_completes_one_after_the_other() {
    for event in events() {
        let log = Log::default();
        let said = log.clone();
        let chain = script(at(event), move |call| {
            if call.cx.child_depth() > 0 {
                return Outcome::CONTINUE;
            }
            let next = if let With::Done(done) = &call.with {
                says(&said, done);
                *call.cx.state_mut::<usize>() += 1;
                *call.cx.state_mut::<usize>()
            } else {
                0
            };
            match KINDS.get(next) {
                Some(on) => Outcome::Ready(on.start(call.cx).map(|()| Flow::Pending)),
                None => Outcome::CONTINUE,
            }
        });
        let host =
            TestHost::new().order(CompletionOrder::Late).module("chain", chain).handler(parent_or_child());
        let mut req = host.post("/").body("abcdef");
        assert_eq!(finish(&mut req).status(), 200);
        let sources: Vec<String> =
            log.take().iter().map(|line| line.split(' ').nth(2).unwrap().to_string()).collect();
        assert_eq!(sources, ["Write", "Flush", "ReadEntity", "ExecuteRequest", "Posted"], "{event}");
    }
}

// As above, with an `async` on_async_completion that awaits before it goes on.
#[test]
fn on_async_completion_may_wait_itself() {
    let waits = script(at(BEGIN), |call| match call.with {
        With::Done(done) => Outcome::pending(async move {
            call.cx.write(format!("{} ", done.completion().bytes())).await?;
            call.cx.flush().await?;
            if done.completion().bytes() >= 3 {
                return Ok(Flow::Continue);
            }
            let handle = call.cx.completion_handle();
            handle.post_completion(done.completion().bytes() + 1)?;
            common::once().await;
            Ok(Flow::Pending)
        }),
        _ => Outcome::pending(async move {
            common::once().await;
            let handle = call.cx.completion_handle();
            handle.post_completion(1)?;
            Ok(Flow::Pending)
        }),
    });
    let host = TestHost::new().order(CompletionOrder::Late).module("waits", waits).handler(text("."));
    assert_eq!(get(&host).0.text(), "1 2 3 .");
}

// Section 4, rule 2, "FAILED(hr)": a failed operation reports its status, and the module decides.
#[test]
fn a_failed_operation_reports_its_status() {
    let log = Log::default();
    let said = log.clone();
    let reads = script(at(BEGIN), move |call| match call.with {
        With::Done(done) => {
            says(&said, &done);
            Outcome::CONTINUE
        }
        _ => Outcome::Ready(call.cx.start_read_entity(10).map(|()| Flow::Pending)),
    });
    let host = TestHost::new().manual().module("reads", reads).handler(text("hello"));
    block_on(async {
        let mut req = host.post("/").body("abc");
        assert_eq!(req.step().await, Stopped::Waiting);
        let held = req.outstanding().remove(0);
        assert_eq!(held.kind(), OperationKind::Read);
        req.complete_with(held.id(), Completion::failure(CompletionStatus::TIMED_OUT));
        assert_eq!(req.finish().await.text(), "hello");
        assert_eq!(log.take(), ["BeginRequest 0 ReadEntity timed out"]);
    });
}

// Section 4, rule 2: "ReadEntityBody end of body [...] treated as success/0 bytes".
#[test]
fn the_end_of_the_body_is_success_with_no_bytes() {
    let log = Log::default();
    let said = log.clone();
    let reads = script(at(BEGIN), move |call| {
        if let With::Done(done) = &call.with {
            says(&said, done);
            if done.entity().is_empty() {
                return Outcome::CONTINUE;
            }
        }
        Outcome::Ready(call.cx.start_read_entity(2).map(|()| Flow::Pending))
    });
    let host = TestHost::new().module("reads", reads).handler(text(""));
    finish(&mut host.post("/").body("abc"));
    assert_eq!(
        log.take(),
        [
            "BeginRequest 2 ReadEntity success",
            "BeginRequest 1 ReadEntity success",
            "BeginRequest 0 ReadEntity success"
        ]
    );
}

// Section 4, rule 4: "OnAsyncCompletion, NOT OnXxx": a module that has none answers Continue by default.
#[test]
fn without_on_async_completion_the_request_goes_on() {
    struct Bare;
    #[bivalve_macros::module(crate = bivalve_core)]
    impl Module for Bare {
        fn on_begin_request(&self, cx: &mut Context) -> Result<Flow> {
            cx.start_write("hello ")?;
            Ok(Flow::Pending)
        }
    }
    let host = TestHost::new().mount(Bare).handler(text("world"));
    assert_eq!(get(&host).0.text(), "hello world");
}

/// The error of a module at an event, as kind and text.
fn error_of(start: fn(&mut Context) -> Result<Flow>, event: Event) -> (u16, String) {
    let log = Log::default();
    let errors = log.clone();
    // The error is seen by a caller of a nested event; at depth 0 the client sees the status.
    let fails =
        script(at(Notification::CustomRequestNotification), move |call| Outcome::Ready(start(call.cx)));
    let asks = script(at(event), move |call| {
        let errors = errors.clone();
        Outcome::pending(async move {
            let mut custom = bivalve_core::CustomNotification::new("test");
            let error = call.cx.notify_custom(&mut custom).await.unwrap_err();
            errors.say(format!("{:?}: {error}", error.kind()));
            Err(error)
        })
    });
    let host = TestHost::new().module("fails", fails).module("asks", asks).handler(text(""));
    let status = finish(&mut host.get("/")).status().as_u16();
    (status, log.take().join("\n"))
}

// design.md section 3: "`Pending` with nothing outstanding is an error with a clear text, never a hang".
#[test]
fn pending_with_nothing_outstanding_is_a_clear_error() {
    let (status, message) = error_of(|_| Ok(Flow::Pending), BEGIN.into());
    assert_eq!(
        (status, &*message),
        (
            500,
            "NothingPending: module fails at CustomRequestNotification (position 0): Flow::Pending with nothing \
             outstanding: start an operation or take a completion handle first, or return Flow::Continue"
        )
    );
    for event in events().filter(|event| !event.notification().is_guaranteed()) {
        let host = TestHost::new().module("m", plain(at(event), |_, _| Ok(Flow::Pending))).handler(text("x"));
        assert_eq!(get(&host).0.status(), 500, "{event}");
    }
}

// As above in LogRequest and EndRequest, where an error changes nothing: no hang either.
#[test]
fn pending_with_nothing_outstanding_in_log_and_end_request_is_no_hang() {
    for event in events().filter(|event| event.notification().is_guaranteed()) {
        let host = TestHost::new()
            .module("m", plain(at(event), |_, _| Ok(Flow::Pending)))
            .module("after", quiet(at(event)))
            .handler(text("hello"));
        let mut req = host.get("/");
        assert_eq!(finish(&mut req).text(), "hello", "{event}");
        assert_eq!(calls(&req).len(), 2);
    }
}

// As above after a first completion: `Pending` again needs another operation.
#[test]
fn pending_again_with_nothing_outstanding_is_an_error() {
    let again = script(at(BEGIN), |call| match call.with {
        With::Done(_) => Flow::Pending.into(),
        _ => Outcome::Ready(call.cx.start_write("x").map(|()| Flow::Pending)),
    });
    let (response, trace) = get(&TestHost::new().module("again", again).handler(text("")));
    assert_eq!(response.status(), 500);
    assert_eq!(
        trace.lines()[..2],
        ["BeginRequest again -> Err", "AsyncCompletion of BeginRequest again -> Pending"]
    );
}

// call.rs: an operation that was started must be waited for.
#[test]
fn a_started_operation_without_pending_is_a_clear_error() {
    let start: fn(&mut Context) -> Result<Flow> = |cx| {
        cx.start_write("never written")?;
        Ok(Flow::Continue)
    };
    let (status, message) = error_of(start, BEGIN.into());
    assert_eq!(
        (status, &*message),
        (
            500,
            "OperationOutstanding: module fails at CustomRequestNotification (position 0): an operation was \
             started, but the method did not return Flow::Pending to wait for it"
        )
    );
    for on in &KINDS[..4] {
        for flow in [Flow::Continue, Flow::Finish] {
            let m = plain(at(BEGIN), move |cx, _| on.start(cx).map(|()| flow));
            let response =
                finish(&mut TestHost::new().module("m", m).handler(text("x")).post("/").body("abc"));
            assert_eq!(
                (response.status().as_u16(), response.text()),
                (500, "Internal Server Error"),
                "{on:?}"
            );
        }
    }
}

// Section 4, rule 1: "Only ONE async operation of the context may be outstanding".
#[test]
fn a_second_start_is_refused_and_the_first_still_runs() {
    for first in &KINDS[..4] {
        for second in &KINDS[..4] {
            let log = Log::default();
            let said = log.clone();
            let twice = script(at(BEGIN), move |call| {
                if call.cx.child_depth() > 0 {
                    return Outcome::CONTINUE;
                }
                if let With::Done(done) = &call.with {
                    said.say(format!("{:?}", done.source()));
                    return Outcome::CONTINUE;
                }
                first.start(call.cx).unwrap();
                let error = second.start(call.cx).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::OperationOutstanding);
                assert!(error.to_string().contains("one operation is started already"), "{error}");
                Flow::Pending.into()
            });
            let host = TestHost::new().module("twice", twice).handler(parent_or_child());
            let response = finish(&mut host.post("/").body("abc"));
            assert_eq!(response.status(), 200);
            assert_eq!(log.take(), [format!("{:?}", first.expected().1)], "{first:?} {second:?}");
        }
    }
}

/// Pends in BeginRequest and gives its handle away; `posted` says what each post answered.
#[derive(Default)]
struct Gives {
    handle: Arc<Mutex<Option<CompletionHandle>>>,
}

impl Gives {
    fn module(&self, flow: Flow, completed: &Log) -> impl Module + use<> {
        let (slot, log) = (Arc::clone(&self.handle), completed.clone());
        script(at(BEGIN), move |call| match call.with {
            With::Done(done) => {
                says(&log, &done);
                Outcome::CONTINUE
            }
            _ => {
                *slot.lock().unwrap() = Some(call.cx.completion_handle());
                flow.into()
            }
        })
    }

    fn take(&self) -> CompletionHandle {
        self.handle.lock().unwrap().take().expect("the module has run")
    }
}

// Section 4, rule 5: "Exactly ONE final non-PENDING result per PENDING. PostCompletion twice = access violation".
#[test]
fn a_second_post_is_refused_also_through_a_clone() {
    let (gives, log) = (Gives::default(), Log::default());
    let host = TestHost::new().manual().module("gives", gives.module(Flow::Pending, &log)).handler(text("x"));
    block_on(async {
        let mut req = host.get("/");
        assert_eq!(req.step().await, Stopped::Waiting);
        let handle = gives.take();
        let clone = handle.clone();
        assert_eq!(clone.post_completion(1), Ok(()));
        assert_eq!(handle.post_completion(2), Err(PostError::AlreadyPosted));
        assert_eq!(clone.post_completion(3), Err(PostError::AlreadyPosted));
        // Dropping them takes nothing back.
        drop((handle, clone));
        assert_eq!(req.finish().await.text(), "x");
        assert_eq!(log.take(), ["BeginRequest 1 Posted success"]);
    });
}

// Section 4, rule 5: after the completion was delivered, after the event returned, after the end: typed, and nothing.
#[test]
fn a_late_post_is_refused_with_its_reason() {
    let (gives, log) = (Gives::default(), Log::default());
    let host = TestHost::new().manual().module("gives", gives.module(Flow::Pending, &log)).handler(text("x"));
    let connection = host.keep_alive();
    block_on(async {
        let mut req = connection.get("/");
        assert_eq!(req.step().await, Stopped::Waiting);
        let handle = gives.take();
        handle.post_completion(1).unwrap();
        req.step().await;
        assert_eq!(handle.post_completion(2), Err(PostError::NotAwaited), "it was delivered");
        req.finish().await;
        assert_eq!(handle.post_completion(3), Err(PostError::RequestEnded));
        let mut next = connection.get("/");
        assert_eq!(next.step().await, Stopped::Waiting);
        assert_eq!(handle.post_completion(4), Err(PostError::RequestEnded), "it is another request");
        assert_eq!(handle.clone().post_completion(5), Err(PostError::RequestEnded));
        drop(handle);
        gives.take().post_completion(6).unwrap();
        next.finish().await;
        assert_eq!(log.take(), ["BeginRequest 1 Posted success", "BeginRequest 6 Posted success"]);
    });
}

// signal.rs, rule 3: a handle whose event returned something else than Pending reaches nobody.
#[test]
fn a_post_to_an_event_that_did_not_wait_is_refused() {
    for flow in [Flow::Continue, Flow::Finish] {
        let (gives, log) = (Gives::default(), Log::default());
        let host = TestHost::new()
            .module("gives", gives.module(flow, &log))
            .module("waits", pends(Notification::LogRequest.into(), On::Write, &log))
            .handler(text("x"));
        block_on(async {
            let mut req = host.get("/");
            req.step().await;
            assert_eq!(gives.take().post_completion(1), Err(PostError::NotAwaited), "{flow:?}");
            req.finish().await;
        });
        assert_eq!(
            log.take(),
            ["LogRequest 5 Write success"],
            "another module's Pending is not completed by it"
        );
    }
}

// design.md section 3: "never a hang": when nobody is left who could post.
#[test]
fn when_all_handles_are_dropped_the_event_fails_with_a_clear_text() {
    let start: fn(&mut Context) -> Result<Flow> = |cx| {
        let handle = cx.completion_handle();
        let clone = handle.clone();
        drop(handle);
        cx.server().spawn(async move {
            common::once().await;
            drop(clone);
        })?;
        Ok(Flow::Pending)
    };
    let (status, message) = error_of(start, BEGIN.into());
    assert_eq!(
        (status, &*message),
        (
            500,
            "NothingPending: module fails at CustomRequestNotification (position 0): Flow::Pending, but every \
             completion handle was dropped without a post: nobody can complete this event any more"
        )
    );
}

// context.rs: "Asked again before that, the same event gives a handle to the same completion."
#[test]
fn handles_of_one_event_post_the_same_completion() {
    let log = Log::default();
    let said = log.clone();
    let twice = script(at(BEGIN), move |call| match call.with {
        With::Done(done) => {
            says(&said, &done);
            Outcome::CONTINUE
        }
        _ => {
            let first = call.cx.completion_handle();
            let second = call.cx.completion_handle();
            second.post_completion(2).unwrap();
            assert_eq!(first.post_completion(1), Err(PostError::AlreadyPosted));
            Flow::Pending.into()
        }
    });
    finish(&mut TestHost::new().module("twice", twice).handler(text("")).get("/"));
    assert_eq!(log.take(), ["BeginRequest 2 Posted success"]);
}

// As above: one that was dropped does not spoil the next.
#[test]
fn a_handle_that_was_dropped_does_not_spoil_the_next_of_the_same_event() {
    let log = Log::default();
    let said = log.clone();
    let again = script(at(BEGIN), move |call| match call.with {
        With::Done(done) => {
            says(&said, &done);
            Outcome::CONTINUE
        }
        _ => {
            drop(call.cx.completion_handle());
            let handle = call.cx.completion_handle();
            assert_eq!(handle.post_completion(3), Ok(()));
            Flow::Pending.into()
        }
    });
    let (response, _) = get(&TestHost::new().module("again", again).handler(text("x")));
    assert_eq!((response.text(), log.take()), ("x", vec!["BeginRequest 3 Posted success".to_string()]));
}

// A post and an operation in one: the operation's completion first, then the post's, if the module waits again.
#[test]
fn a_post_beside_an_operation_is_delivered_next() {
    let log = Log::default();
    let said = log.clone();
    let both = script(at(BEGIN), move |call| {
        if let With::Done(done) = &call.with {
            says(&said, done);
            return if done.source() == CompletionSource::Posted { Flow::Continue } else { Flow::Pending }
                .into();
        }
        let handle = call.cx.completion_handle();
        call.cx.start_write("12").unwrap();
        handle.post_completion(9).unwrap();
        Flow::Pending.into()
    });
    finish(&mut TestHost::new().module("both", both).handler(text("")).get("/"));
    assert_eq!(log.take(), ["BeginRequest 2 Write success", "BeginRequest 9 Posted success"]);
}

// Section 4, rule 3: "Completion may arrive on another IIS thread BEFORE the notification handler has returned PENDING."
#[test]
fn a_post_from_another_thread_before_the_method_returns_pending_is_not_lost() {
    let log = Log::default();
    let said = log.clone();
    let early = script(at(BEGIN), move |call| match call.with {
        With::Done(done) => {
            says(&said, &done);
            Outcome::CONTINUE
        }
        _ => {
            let handle = call.cx.completion_handle();
            thread::spawn(move || handle.post_completion(5)).join().unwrap().unwrap();
            Flow::Pending.into()
        }
    });
    finish(&mut TestHost::new().module("early", early).handler(text("")).get("/"));
    assert_eq!(log.take(), ["BeginRequest 5 Posted success"]);
}

// As above, in a race: each of many posts, from a thread that does not wait, arrives exactly once.
#[test]
fn posts_that_race_with_the_return_of_pending_arrive_once() {
    const ROUNDS: usize = 300;
    let log = Log::default();
    let said = log.clone();
    let (send, receive) = std::sync::mpsc::channel::<CompletionHandle>();
    let poster = thread::spawn(move || {
        for (n, handle) in receive.into_iter().enumerate() {
            if n % 3 == 0 {
                thread::yield_now();
            }
            if n % 7 == 0 {
                thread::sleep(Duration::from_micros(50));
            }
            handle.post_completion(n).unwrap();
            assert!(handle.post_completion(n).is_err());
        }
    });
    let send = Mutex::new(Some(send));
    let races = script(at(BEGIN), move |call| {
        let seen = call.cx.state_mut::<usize>();
        if let With::Done(done) = &call.with {
            assert_eq!(done.completion().bytes(), *seen);
            *seen += 1;
            if *seen == ROUNDS {
                send.lock().unwrap().take();
                said.say("done");
                return Outcome::CONTINUE;
            }
        }
        let handle = call.cx.completion_handle();
        send.lock().unwrap().as_ref().unwrap().send(handle).unwrap();
        Flow::Pending.into()
    });
    finish(&mut TestHost::new().module("races", races).handler(text("")).get("/"));
    poster.join().unwrap();
    assert_eq!(log.take(), ["done"]);
}

// "Asked again before that, the same event gives a handle to the same completion."
#[test]
fn handles_may_be_taken_again_and_again() {
    let takes = plain(common::deterministic(), |cx, _| {
        for _ in 0..200 {
            let _kept = cx.completion_handle();
        }
        Ok(Flow::Continue)
    });
    let host = TestHost::new()
        .module("a", takes)
        .module(
            "b",
            plain(common::deterministic(), |cx, _| {
                let _unused = cx.completion_handle();
                Ok(Flow::Continue)
            }),
        )
        .module(
            "c",
            plain(common::deterministic(), |cx, _| {
                let _unused = cx.completion_handle();
                Ok(Flow::Continue)
            }),
        )
        .handler(text("hello"));
    assert_eq!(get(&host).0.text(), "hello");
}

// decisions/0007: "an operation for `on_async_completion` begins when the method has returned".
#[test]
fn a_started_operation_begins_when_the_method_has_returned() {
    let log = Log::default();
    let (said, sends) = (log.clone(), log.clone());
    let starts = script(at(BEGIN), move |call| {
        if call.is_completion() {
            said.say("completed");
            return Outcome::CONTINUE;
        }
        let log = said.clone();
        Outcome::pending(async move {
            call.cx.start_flush()?;
            common::once().await;
            log.say("returns");
            Ok(Flow::Pending)
        })
    });
    let watches = plain(at(Notification::SendResponse), move |_, _| {
        sends.say("sends");
        Ok(Flow::Continue)
    });
    let host = TestHost::new().module("starts", starts).module("watches", watches).handler(text(""));
    finish(&mut host.get("/"));
    assert_eq!(log.take(), ["returns", "sends", "completed", "sends"]);
}

// context.rs: a started write is as `write`: over the limit, or without buffering, it flushes first.
#[test]
fn a_started_write_without_buffering_leaves_before_its_completion() {
    let starts = script(at(BEGIN), |call| {
        if call.is_completion() {
            return Outcome::CONTINUE;
        }
        call.cx.response_mut().disable_buffering();
        Outcome::Ready(call.cx.start_write("hello").map(|()| Flow::Pending))
    });
    let host = TestHost::new().module("starts", starts).handler(text(""));
    let mut req = host.get("/");
    block_on(async {
        req.run_until(Step::Handler).await;
        assert_eq!(req.received().text(), "hello");
        req.finish().await;
    });
}

// Section 4, rule 9: "chunk array + memory must stay alive until completion": the buffer is owned, and freed once sent.
#[test]
fn the_memory_of_a_started_write_lives_until_it_is_sent_and_no_longer() {
    struct Owned(#[expect(dead_code, reason = "it is counted, not read")] OnDrop);
    impl AsRef<[u8]> for Owned {
        fn as_ref(&self) -> &[u8] {
            b"owned"
        }
    }
    let freed = Count::default();
    let counted = freed.clone();
    let writes = script(at(BEGIN), move |call| {
        if call.is_completion() {
            return Outcome::CONTINUE;
        }
        let bytes = bytes::Bytes::from_owner(Owned(OnDrop(counted.clone())));
        call.cx.response_mut().disable_buffering();
        Outcome::Ready(call.cx.start_write(bytes).map(|()| Flow::Pending))
    });
    let host = TestHost::new().manual().module("writes", writes).handler(text(""));
    block_on(async {
        let mut req = host.get("/");
        assert_eq!(req.step().await, Stopped::Waiting);
        assert_eq!(freed.get(), 0, "it is outstanding");
        req.complete_next();
        req.step().await;
        assert_eq!(freed.get(), 1);
        assert_eq!(req.finish().await.text(), "owned");
        assert_eq!(freed.get(), 1);
    });
}

// A service waits for its own operations by `.await`; a module beside it by Pending. Both in one request.
#[test]
fn pending_modules_and_an_awaiting_service_share_a_request() {
    let log = Log::default();
    let host = KINDS.iter().enumerate().fold(TestHost::new(), |host, (n, on)| {
        host.module(format!("{n}"), pends(Notification::ALL[n].into(), *on, &log))
    });
    let host = host.order(CompletionOrder::Seeded(5)).handler(serve(|cx| {
        Outcome::pending(async move {
            if cx.child_depth() > 0 {
                cx.write("the child").await?;
                return Ok(Flow::Continue);
            }
            let rest = cx.read_entity(100).await?;
            cx.write(rest).await?;
            Ok(Flow::Continue)
        })
    }));
    let mut req = host.post("/").body("abcdef");
    assert_eq!(finish(&mut req).text(), "12345def");
    assert_eq!(log.take().len(), 5);
}
