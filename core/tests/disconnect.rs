//! A client that goes away: design.md sections 3 and 5, semantics.md section 5.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::{Arc, Mutex};
use std::task::{Context as Task, Poll, Waker};
use std::thread;
use std::time::Duration;

use bivalve_core::DriverExt as _;
use bivalve_core::testing::{CompletionOrder, Stopped, TestHost, TestRequest, block_on};
use bivalve_core::{
    ChildRequest, CompletionHandle, Context, Disconnected, Disconnector, Event, Flow, Gone, Module,
    Notification, OnDisconnect, Outcome, PostError, Registration, Result, Step,
};

use common::{
    Count, Log, OnDrop, With, at, calls, events, everywhere, finish, plain, quiet, script, serve, text,
};

/// What a module waits for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wait {
    Send,
    Read,
    Timer,
    Posted,
    StartedRead,
    Child,
    /// In SendResponse, nested in its own flush.
    Nested,
}

const WAITS: [Wait; 7] =
    [Wait::Send, Wait::Read, Wait::Timer, Wait::Posted, Wait::StartedRead, Wait::Child, Wait::Nested];

/// Where a module puts what a test needs of it.
#[derive(Clone, Default)]
struct Desk {
    log: Log,
    dropped: Count,
    handle: Arc<Mutex<Option<CompletionHandle>>>,
}

async fn timer(cx: &Context) -> Result<()> {
    let driver = Arc::clone(cx.server().driver()?);
    let _ = driver.timer(Duration::from_secs(60)).await;
    Ok(())
}

/// Waits at `event`, and says "went on" when it was not cancelled.
fn waits(event: Event, wait: Wait, on_disconnect: OnDisconnect, desk: &Desk) -> impl Module {
    let desk = desk.clone();
    let also = if wait == Wait::Nested { at(Notification::SendResponse) } else { Registration::new() };
    let registration =
        if event.is_post() { also.on_post(event.notification()) } else { also.on(event.notification()) };
    script(registration.on_disconnect(on_disconnect), move |call| {
        let guard = OnDrop(desk.dropped.clone());
        let desk = desk.clone();
        if call.is_completion() {
            desk.log.say("went on");
            return Outcome::CONTINUE;
        }
        if call.is(Notification::SendResponse) {
            return Outcome::pending(async move {
                timer(call.cx).await?;
                Ok(Flow::Continue)
            });
        }
        if call.cx.child_depth() > 0 {
            return Outcome::CONTINUE;
        }
        Outcome::pending(async move {
            let _guard = guard;
            let cx = call.cx;
            match wait {
                Wait::Send | Wait::Nested => {
                    cx.write("part").await?;
                    let _ = cx.flush().await;
                }
                Wait::Read => drop(cx.read_entity(10).await),
                Wait::Timer => timer(cx).await?,
                Wait::Posted => {
                    *desk.handle.lock().unwrap() = Some(cx.completion_handle());
                    return Ok(Flow::Pending);
                }
                Wait::StartedRead => {
                    cx.start_read_entity(10)?;
                    return Ok(Flow::Pending);
                }
                Wait::Child => drop(cx.execute_request(ChildRequest::get("/child")?).await),
            }
            desk.log.say("went on");
            Ok(Flow::Continue)
        })
    })
}

fn host(event: Event, wait: Wait, on_disconnect: OnDisconnect, desk: &Desk) -> TestHost {
    TestHost::new()
        .manual()
        .module("waits", waits(event, wait, on_disconnect, desk))
        .module("all", quiet(common::deterministic()))
        .handler(serve(move |cx| {
            Outcome::pending(async move {
                if cx.child_depth() > 0 {
                    timer(cx).await?;
                }
                Ok(Flow::Continue)
            })
        }))
}

/// Runs to where the module waits, and no further.
async fn run_to_wait(req: &mut TestRequest, event: Event, wait: Wait) {
    assert_eq!(req.run_until(event).await.event(), Some(event), "{event} {wait:?}");
    assert_eq!(req.step().await, Stopped::Waiting, "{event} {wait:?}");
}

const GUARANTEED: [&str; 4] =
    ["LogRequest all", "PostLogRequest all", "EndRequest all", "PostEndRequest all"];

// design.md section 5: "A client that goes away cancels the current event and the request still gets LogRequest and
// EndRequest." During each kind of wait, at each event before them.
#[test]
fn a_disconnect_cancels_the_current_event_and_log_and_end_request_run() {
    for event in common::finishable() {
        for wait in WAITS {
            let desk = Desk::default();
            let host = host(event, wait, OnDisconnect::Cancel, &desk);
            let mut req = host.post("/").open_entity();
            block_on(async {
                run_to_wait(&mut req, event, wait).await;
                let dropped = desk.dropped.get();
                assert!(req.disconnect());
                let stopped = req.step().await;
                assert_eq!(stopped.event(), Some(Notification::LogRequest.into()), "{event} {wait:?}");
                // A method that has returned Pending has ended; the others are dropped where they wait.
                let ended = matches!(wait, Wait::Posted | Wait::StartedRead);
                assert_eq!(desk.dropped.get() > dropped, !ended, "{event} {wait:?}: the future is gone");
                assert!(!req.context().is_connected());
                let response = req.finish().await;
                assert_eq!(desk.log.take(), [""; 0], "{event} {wait:?}: it does not go on");
                assert!(!response.is_complete());
                assert!(response.parts().iter().all(|part| !part.completion().is_success()));
                let calls = calls(&req);
                assert_eq!(calls[calls.len() - 4..], GUARANTEED, "{event} {wait:?}");
                assert!(!calls.contains(&format!("{event} all")), "{event} {wait:?}");
            });
            if let Some(handle) = desk.handle.lock().unwrap().take() {
                assert_eq!(handle.post_completion(1), Err(PostError::RequestEnded));
            }
            // What the child waits for is the server's; the rest of it runs there.
            block_on(host.run_background());
            host.driver().assert_idle();
        }
    }
}

// module.rs: "LogRequest and EndRequest then run and are not cancelled."
#[test]
fn log_and_end_request_are_not_cancelled() {
    for event in events().filter(|event| event.notification().is_guaranteed()) {
        for wait in WAITS {
            let desk = Desk::default();
            let host = host(event, wait, OnDisconnect::Cancel, &desk);
            let mut req = host.post("/").open_entity();
            block_on(async {
                run_to_wait(&mut req, event, wait).await;
                assert!(req.disconnect());
                // Operations of the client fail at once; what others owe is still waited for.
                let stopped = req.step().await;
                if stopped == Stopped::Waiting {
                    assert_eq!(desk.log.take(), [""; 0], "{event} {wait:?}");
                    if let Some(handle) = desk.handle.lock().unwrap().take() {
                        handle.post_completion(1).unwrap();
                    }
                }
                req.finish().await;
                assert_eq!(desk.log.take(), ["went on"], "{event} {wait:?}");
                let calls = calls(&req);
                assert_eq!(calls[calls.len() - 1], GUARANTEED[3], "{event} {wait:?}");
                assert!(calls.contains(&format!("{event} all")));
            });
            host.driver().assert_idle();
        }
    }
}

// registration.rs, OnDisconnect::Finish: "The method runs to its end first. Its writes fail with is_disconnected."
#[test]
fn a_module_that_asked_for_it_runs_to_its_end_first() {
    for event in common::finishable() {
        for wait in WAITS {
            let desk = Desk::default();
            let host = host(event, wait, OnDisconnect::Finish, &desk);
            let mut req = host.post("/").open_entity();
            block_on(async {
                run_to_wait(&mut req, event, wait).await;
                assert!(req.disconnect());
                if let Some(handle) = desk.handle.lock().unwrap().take() {
                    assert_eq!(handle.post_completion(1), Ok(()), "it is still waited for");
                }
                let response = req.finish().await;
                assert_eq!(desk.log.take(), ["went on"], "{event} {wait:?}");
                assert!(response.parts().iter().all(|part| !part.completion().is_success()));
                let calls = calls(&req);
                assert_eq!(calls[calls.len() - 4..], GUARANTEED, "{event} {wait:?}");
                assert!(!calls.contains(&format!("{event} all")), "{event} {wait:?}: the rest is skipped");
            });
            host.driver().assert_idle();
        }
    }
}

// The same for a service, which is always cancelled.
#[test]
fn a_disconnect_cancels_a_waiting_service() {
    let dropped = Count::default();
    let counted = dropped.clone();
    let host =
        TestHost::new().manual().module("all", quiet(common::deterministic())).handler(serve(move |cx| {
            let guard = OnDrop(counted.clone());
            Outcome::pending(async move {
                let _guard = guard;
                timer(cx).await?;
                panic!("it was cancelled")
            })
        }));
    let mut req = host.get("/");
    block_on(async {
        assert_eq!(req.run_until(Step::Send).await, Stopped::Waiting);
        req.disconnect();
        assert_eq!(req.step().await.event(), Some(Notification::LogRequest.into()));
        assert_eq!(dropped.get(), 1);
        assert!(!req.finish().await.was_answered());
        let calls = calls(&req);
        assert_eq!(calls[calls.len() - 4..], GUARANTEED);
    });
}

// Between two steps nobody waits: the next step is LogRequest, and nothing is sent.
#[test]
fn a_disconnect_between_two_events_skips_to_log_request() {
    for event in common::finishable() {
        let host = TestHost::new().module("all", quiet(everywhere())).handler(text("hello"));
        let mut req = host.get("/");
        block_on(async {
            req.run_until(event).await;
            req.disconnect();
            let response = req.finish().await;
            assert!(!response.was_answered() && response.parts().is_empty(), "{event}");
        });
        let calls = calls(&req);
        assert_eq!(calls[calls.len() - 4..], GUARANTEED, "{event}");
        // The call that was next may be made, if it is plain, as it would be a moment earlier. Nothing after it.
        let before = events().take_while(|e| *e != event).count();
        assert!(calls.len() <= before + 1 + 4, "{event}: {calls:?}");
        assert!(req.trace().lines().iter().all(|line| !line.contains("SendResponse")));
    }
}

// The same for one that would wait: it is not begun.
#[test]
fn an_async_method_is_not_begun_after_the_client_has_gone() {
    let log = Log::default();
    let said = log.clone();
    let host = TestHost::new()
        .module(
            "begins",
            script(at(Notification::BeginRequest), move |_| {
                let log = said.clone();
                Outcome::pending(async move {
                    log.say("began");
                    Ok(Flow::Continue)
                })
            }),
        )
        .handler(text("hello"));
    let mut req = host.get("/");
    req.disconnect();
    finish(&mut req);
    assert_eq!(log.take(), [""; 0]);
}

// A disconnect while the last part leaves: EndRequest has run, nothing runs again.
#[test]
fn a_disconnect_during_the_final_send_ends_the_request() {
    for nested in [false, true] {
        let slow = script(at(Notification::SendResponse), move |call| {
            Outcome::pending(async move {
                if nested {
                    timer(call.cx).await?;
                }
                Ok(Flow::Continue)
            })
        });
        let host = TestHost::new()
            .manual()
            .module("slow", slow)
            .module("all", quiet(common::deterministic()))
            .handler(text("hello"));
        let mut req = host.get("/");
        block_on(async {
            assert_eq!(req.run_until(Step::Done).await, Stopped::Waiting);
            req.disconnect();
            assert_eq!(req.run_until(Step::Done).await, Stopped::Before(Step::Done));
            assert!(!req.finish().await.is_complete());
        });
        assert_eq!(calls(&req).len(), 24, "once each");
        host.driver().assert_idle();
    }
}

// operations.rs: what comes after a disconnect fails as a disconnect, and answers nothing.
#[test]
fn operations_after_a_disconnect_fail_as_such() {
    let log = Log::default();
    let said = log.clone();
    let tries = script(at(Notification::LogRequest), move |call| {
        let log = said.clone();
        Outcome::pending(async move {
            let cx = call.cx;
            let child = ChildRequest::get("/child")?;
            for (what, error) in [
                ("flush", cx.flush().await.err()),
                ("read", cx.read_entity(1).await.err()),
                ("child", cx.execute_request(child).await.err()),
            ] {
                log.say(format!("{what} {:?}", error.map(|error| error.is_disconnected())));
            }
            // Buffered, and never sent.
            cx.write("hello").await?;
            Ok(Flow::Continue)
        })
    });
    let host = TestHost::new().module("tries", tries).handler(text("x"));
    let mut req = host.post("/").body("abc");
    req.disconnect();
    let response = finish(&mut req);
    assert_eq!(log.take(), ["flush Some(true)", "read Some(true)", "child Some(true)"]);
    assert!(!response.was_answered());
}

// run.rs: an error that only says that the client has gone is no error of the module; one that claims so while the client
// is there, is.
#[test]
fn a_disconnect_error_counts_as_a_disconnect_only_when_the_client_has_gone() {
    let host = TestHost::new().manual().handler(serve(|cx| {
        Outcome::pending(async move {
            cx.flush().await?;
            Ok(Flow::Continue)
        })
    }));
    block_on(async {
        let mut req = host.get("/");
        assert_eq!(req.run_until(Step::Send).await, Stopped::Waiting);
        let send = req.outstanding().remove(0);
        let aborted = bivalve_core::Completion::failure(bivalve_core::CompletionStatus::CONNECTION_ABORTED);
        req.complete_with(send.id(), aborted);
        let response = req.finish().await;
        assert!(response.was_reset(), "headers were on their way: no 500, no half response");
    });
}

// children.rs, cancel safety: "A child whose future is dropped sees a disconnect; its LogRequest and EndRequest still run,
// on the server's background if they wait."
#[test]
fn a_disconnect_reaches_the_child_of_a_cancelled_parent() {
    let log = Log::default();
    let said = log.clone();
    let logs = script(at(Notification::LogRequest), move |call| {
        let log = said.clone();
        Outcome::pending(async move {
            timer(call.cx).await?;
            log.say(format!("depth {} connected {}", call.cx.child_depth(), call.cx.is_connected()));
            Ok(Flow::Continue)
        })
    });
    let host = TestHost::new().manual().module("logs", logs).handler(serve(|cx| {
        Outcome::pending(async move {
            if cx.child_depth() < 2 {
                cx.execute_request(ChildRequest::get("/child")?).await?;
            } else {
                std::future::pending::<()>().await;
            }
            Ok(Flow::Continue)
        })
    }));
    let mut req = host.get("/");
    block_on(async {
        assert_eq!(req.run_until(Step::Send).await, Stopped::Waiting);
        req.disconnect();
        req.finish().await;
    });
    host.completions().set_order(CompletionOrder::Immediate);
    block_on(host.run_background());
    let mut lines = log.take();
    lines.sort();
    assert_eq!(lines, ["depth 0 connected false", "depth 1 connected false", "depth 2 connected false"]);
    host.driver().assert_idle();
}

fn poll(future: &mut Disconnected) -> Poll<Gone> {
    std::pin::Pin::new(future).poll(&mut Task::from_waker(Waker::noop()))
}

// context.rs: "Resolves when the client goes away or the request ends. Owned".
#[test]
fn the_disconnected_future_resolves_for_the_client_and_for_the_end() {
    let host = TestHost::new().handler(text("x"));
    let mut req = host.get("/");
    let mut first = req.context().disconnected();
    assert_eq!(poll(&mut first), Poll::Pending);
    req.disconnect();
    assert_eq!(poll(&mut first), Poll::Ready(Gone::Client));
    finish(&mut req);
    assert_eq!(poll(&mut first), Poll::Ready(Gone::RequestEnded), "asked once more, after the end");

    let connection = host.keep_alive();
    let mut req = connection.get("/");
    let mut of_first = req.context().disconnected();
    assert_eq!(poll(&mut of_first), Poll::Pending);
    finish(&mut req);
    let second = connection.get("/");
    let mut of_second = second.context().disconnected();
    second.disconnect();
    assert_eq!(poll(&mut of_first), Poll::Ready(Gone::RequestEnded), "not the second's disconnect");
    assert_eq!(poll(&mut of_second), Poll::Ready(Gone::Client));
}

// As above: it wakes whoever waits for it, in a task of its own.
#[test]
fn the_disconnected_future_wakes_its_task() {
    for ends in [false, true] {
        let host = TestHost::new().handler(text("x"));
        let mut req = host.get("/");
        let gone = req.context().disconnected();
        let waiter = thread::spawn(move || block_on(gone));
        thread::sleep(Duration::from_millis(10));
        if ends {
            finish(&mut req);
        } else {
            req.disconnect();
        }
        assert_eq!(waiter.join().unwrap(), if ends { Gone::RequestEnded } else { Gone::Client });
    }
}

// A module that listens for the disconnect beside its work, with OnDisconnect::Finish.
#[test]
fn a_module_may_select_on_the_disconnect() {
    let log = Log::default();
    let said = log.clone();
    let selects = script(at(Notification::BeginRequest).on_disconnect(OnDisconnect::Finish), move |call| {
        let log = said.clone();
        Outcome::pending(async move {
            let mut gone = call.cx.disconnected();
            let mut work = std::pin::pin!(timer(call.cx));
            let what = std::future::poll_fn(|task| {
                if let Poll::Ready(gone) = std::pin::Pin::new(&mut gone).poll(task) {
                    return Poll::Ready(format!("{gone:?}"));
                }
                work.as_mut().poll(task).map(|_| "done".to_string())
            })
            .await;
            log.say(what);
            Ok(Flow::Continue)
        })
    });
    let host = TestHost::new().manual().module("selects", selects).handler(text("x"));
    let mut req = host.get("/");
    block_on(async {
        assert_eq!(req.step().await, Stopped::Waiting);
        req.disconnect();
        req.finish().await;
        assert_eq!(log.take(), ["Client"]);
        req = host.get("/");
        assert_eq!(req.step().await, Stopped::Waiting);
        assert_eq!(req.finish().await.text(), "x");
        assert_eq!(log.take(), ["done"]);
    });
    host.driver().assert_idle();
}

// semantics.md section 5, design.md section 8 fact 3 (aspnetcore#40498): a late disconnect must not reach the next request
// of the connection.
#[test]
fn a_stale_disconnector_does_not_touch_the_next_request_on_the_context() {
    let log = Log::default();
    let desk = Desk::default();
    let host = host(Notification::BeginRequest.into(), Wait::Timer, OnDisconnect::Cancel, &desk);
    let connection = host.keep_alive();
    let mut stale: Vec<Disconnector> = Vec::new();
    block_on(async {
        for _ in 0..3 {
            let mut req = connection.get("/");
            let disconnector = req.context().disconnector();
            assert_eq!(req.step().await, Stopped::Waiting);
            for late in &stale {
                assert!(!late.disconnect());
            }
            assert_eq!(req.step().await, Stopped::Waiting, "it still waits");
            assert!(req.finish().await.is_complete());
            assert!(!disconnector.disconnect(), "the request is over");
            stale.push(disconnector);
        }
    });
    assert_eq!(desk.log.take(), ["went on"; 3]);
    assert_eq!(log.take(), [""; 0]);
}

// The same with the disconnect of one request racing with the beginning of the next, on another thread.
#[test]
fn racing_disconnects_reach_their_own_request_or_nobody() {
    let (send, receive) = std::sync::mpsc::channel::<Disconnector>();
    let late = thread::spawn(move || {
        for (n, disconnector) in receive.into_iter().enumerate() {
            if n % 2 == 0 {
                thread::yield_now();
            }
            disconnector.disconnect();
        }
    });
    let host = TestHost::new().module("all", quiet(common::deterministic())).handler(text("x"));
    let connection = host.keep_alive();
    for round in 0..500 {
        let mut req = connection.get("/");
        if round % 2 == 0 {
            send.send(req.context().disconnector()).unwrap();
            let response = finish(&mut req);
            // Sooner or later, or too late: whole or nothing, and always logged.
            assert!(response.is_complete() || response.parts().is_empty(), "{response:?}");
        } else {
            assert_eq!(finish(&mut req).text(), "x", "round {round}: nobody disconnected this one");
        }
        let calls = calls(&req);
        assert_eq!(calls[calls.len() - 4..], GUARANTEED);
    }
    drop(send);
    late.join().unwrap();
}

// A post and a disconnect at once: the event is cancelled or completed, never both.
#[test]
fn a_post_that_races_with_a_disconnect_completes_or_is_cancelled() {
    for order in 0..4 {
        let log = Log::default();
        let said = log.clone();
        let desk = Desk::default();
        let slot = Arc::clone(&desk.handle);
        let posted = script(at(Notification::BeginRequest).on(Notification::LogRequest), move |call| {
            if call.is(Notification::LogRequest) {
                said.say("log");
                return Outcome::CONTINUE;
            }
            if let With::Done(_) = call.with {
                said.say("completed");
                return Outcome::CONTINUE;
            }
            *slot.lock().unwrap() = Some(call.cx.completion_handle());
            Flow::Pending.into()
        });
        let host = TestHost::new().manual().module("posted", posted).handler(text("x"));
        let mut req = host.get("/");
        block_on(async {
            assert_eq!(req.step().await, Stopped::Waiting);
            let handle = desk.handle.lock().unwrap().take().unwrap();
            if order % 2 == 0 {
                handle.post_completion(1).unwrap();
                req.disconnect();
            } else {
                req.disconnect();
                handle.post_completion(1).unwrap();
            }
            if order < 2 {
                drop(handle);
            }
            req.finish().await;
        });
        assert_eq!(log.take(), ["log"], "the disconnect goes first");
    }
}

// module.rs: a plain method cannot be cut short; what it does with a client that goes meanwhile is its own business.
#[test]
fn a_plain_method_runs_to_its_end() {
    let disconnects = plain(at(Notification::BeginRequest), |cx, _| {
        assert!(cx.is_connected());
        let disconnector = cx.disconnector();
        assert!(disconnector.disconnect());
        assert!(!disconnector.disconnect());
        assert!(!cx.is_connected());
        cx.response_mut().write("unseen")?;
        Ok(Flow::Continue)
    });
    let host =
        TestHost::new().module("disconnects", disconnects).module("all", quiet(common::deterministic()));
    let mut req = host.get("/");
    assert!(!finish(&mut req).was_answered());
    let mut expected = vec!["BeginRequest disconnects".to_string()];
    expected.extend(GUARANTEED.map(String::from));
    assert_eq!(calls(&req), expected);
}
