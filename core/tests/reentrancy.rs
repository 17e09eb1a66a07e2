//! Re-entrancy: a module whose own call raises an event on itself. semantics.md section 2; `inferred.rs` for what a
//! nested finish does.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use bivalve_core::DriverExt as _;
use bivalve_core::testing::{CompletionOrder, TestHost, block_on};
use bivalve_core::{
    CompletionSource, Context, CustomNotification, Error, ErrorKind, Event, Flow, Handler, Module,
    Notification, Outcome, Registration, Result,
};
use http::StatusCode;

use common::{
    Log, With, assert_serves, at, calls, calls_at, deterministic, events, finish, finishable, get, plain,
    quiet, script, serve, text,
};

/// What raises an event, nested.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Op {
    Flush,
    Read,
    MapPath,
    Notify,
}

const OPS: [Op; 4] = [Op::Flush, Op::Read, Op::MapPath, Op::Notify];

impl Op {
    fn notification(self) -> Notification {
        match self {
            Self::Flush => Notification::SendResponse,
            Self::Read => Notification::ReadEntity,
            Self::MapPath => Notification::MapPath,
            Self::Notify => Notification::CustomRequestNotification,
        }
    }

    async fn run(self, cx: &mut Context) -> Result<()> {
        match self {
            Self::Flush => drop(cx.flush().await?),
            Self::Read => drop(cx.read_entity(1).await?),
            Self::MapPath => drop(cx.map_path("/a")?),
            Self::Notify => drop(cx.notify_custom(&mut CustomNotification::new("test")).await?),
        }
        Ok(())
    }
}

/// What the module of these tests has seen in one request.
#[derive(Default)]
struct Seen(Vec<&'static str>);

// Issue 2: "a module that flushes, reads, maps a path or raises a custom notification inside its own event gets the
// nested call, sees its own state".
#[test]
fn a_module_gets_its_own_nested_event_at_every_event_and_sees_its_state() {
    for event in events() {
        for op in OPS {
            let own = script(at(event).on(op.notification()), move |call| {
                let nested = !call.is(event);
                let seen = call.cx.state_mut::<Seen>();
                if nested {
                    // The final send comes when all is over.
                    if !seen.0.contains(&"after") {
                        assert_eq!(seen.0, ["before"], "{event} {op:?}");
                        seen.0.push("nested");
                    }
                    return Outcome::CONTINUE;
                }
                seen.0.push("before");
                Outcome::pending(async move {
                    op.run(call.cx).await?;
                    assert_eq!(call.cx.event(), event, "the outer frame is back");
                    let seen = call.cx.state_mut::<Seen>();
                    assert_eq!(seen.0, ["before", "nested"], "{event} {op:?}");
                    seen.0.push("after");
                    Ok(Flow::Continue)
                })
            });
            let host = TestHost::new().module("own", own).handler(text("hello"));
            let mut req = host.post("/").chunks(["x", "y"]);
            let response = finish(&mut req);
            assert_eq!(response.status(), 200, "{event} {op:?}: {:#?}", req.trace().lines());
            assert!(response.is_complete());
            assert_eq!(calls(&req), [format!("{event} own")]);
            let nested = format!("{} own", op.notification());
            let expected = if op == Op::Flush { vec![nested.clone(), nested] } else { vec![nested] };
            assert_eq!(calls_at(req.trace(), 1), expected, "{event} {op:?}");
        }
    }
}

// As above, for plain methods: MapPath can be raised without waiting.
#[test]
fn a_synchronous_module_gets_its_own_nested_map_path() {
    for event in events() {
        let own = plain(at(event).on(Notification::MapPath), move |cx, now| {
            if now == event {
                cx.state_mut::<Seen>().0.push("before");
                cx.map_path("/a")?;
                assert_eq!(cx.state_mut::<Seen>().0, ["before", "nested"]);
                assert_eq!(cx.event(), event);
            } else {
                assert_eq!(cx.state_mut::<Seen>().0, ["before"]);
                cx.state_mut::<Seen>().0.push("nested");
            }
            Ok(Flow::Continue)
        });
        let host = TestHost::new().module("own", own).handler(text("hello"));
        let mut req = host.get("/");
        assert_eq!(finish(&mut req).text(), "hello", "{event}");
        assert_eq!(calls_at(req.trace(), 1), ["MapPath own"]);
    }
}

/// How many levels are still to be nested.
#[derive(Default)]
struct Left(usize);

/// Nests `levels` on-demand events from BeginRequest, `op(level)` at each.
fn nests(levels: usize, log: &Log, op: impl Fn(usize) -> Op + Clone + Send + Sync + 'static) -> impl Module {
    let log = log.clone();
    let on_demand = OPS.iter().fold(Registration::new(), |all, op| all.on(op.notification()));
    script(on_demand.on(Notification::BeginRequest), move |call| {
        let begins = call.is(Notification::BeginRequest);
        if begins {
            *call.cx.state_mut::<Left>() = Left(levels);
        }
        let left = &mut call.cx.state_mut::<Left>().0;
        if *left == 0 {
            return Outcome::CONTINUE;
        }
        *left -= 1;
        let next = op(*left);
        if let With::Path(_) = call.with {
            // Synchronous: only MapPath can be raised here.
            return match call.cx.map_path("/a") {
                Ok(_) => Outcome::CONTINUE,
                Err(error) => Outcome::Ready(Err(error)),
            };
        }
        let log = log.clone();
        Outcome::pending(async move {
            let done = next.run(call.cx).await;
            if begins && let Err(error) = &done {
                log.say(format!("{:?} {error}", error.kind()));
            }
            done.map(|()| Flow::Continue)
        })
    })
}

// limits.rs, MAX_NESTING: "Nesting of on-demand events: 16. [...] Deeper fails with NestingTooDeep".
#[test]
fn sixteen_levels_of_nesting_are_fine_and_the_seventeenth_is_a_clear_error() {
    for op in OPS {
        for levels in [1, 16, 17, 100] {
            let log = Log::default();
            let host =
                TestHost::new().module("nests", nests(levels, &log, move |_| op)).handler(text("hello"));
            let connection = host.keep_alive();
            let mut req = connection.post("/").chunks(["x"; 200]);
            let response = finish(&mut req);
            let deepest = req.trace().entries().iter().map(bivalve_core::TraceEntry::depth).max();
            let text = log.take();
            if levels <= 16 {
                assert_eq!((response.status().as_u16(), text.len()), (200, 0), "{op:?} {levels}: {text:?}");
                assert_eq!(deepest.map(usize::from), Some(levels));
                continue;
            }
            assert_eq!(deepest, Some(16));
            let [text] = &text[..] else { panic!("one error: {text:?}") };
            let expected = format!(
                "NestingTooDeep module nests at {0} (position 0): {0} would be raised 17 levels deep: \
                 a module flushes, reads, maps or notifies inside its own nested event without an end",
                op.notification()
            );
            assert_eq!(*text, expected);
            assert_eq!(
                (response.status().as_u16(), response.text()),
                (500, "Internal Server Error"),
                "{op:?}"
            );
            assert!(response.is_complete());
        }
    }
}

// As above, with different events inside each other: the limit counts them all.
#[test]
fn the_limit_of_nesting_counts_all_on_demand_events() {
    let ops = [Op::Flush, Op::Notify, Op::Read];
    for (levels, status) in [(16, 200), (17, 500)] {
        let log = Log::default();
        let host =
            TestHost::new().module("nests", nests(levels, &log, move |left| ops[left % 3])).handler(text(""));
        let mut req = host.post("/").chunks(["x"; 200]);
        assert_eq!(finish(&mut req).status().as_u16(), status, "{:?}", log.take());
    }
}

// A limit that was hit is no longer there for the next request on the same connection.
#[test]
fn a_request_after_one_that_nested_too_deep_is_served() {
    let begin = Notification::BeginRequest;
    let once = script(at(begin).on(Notification::CustomRequestNotification), move |call| {
        if call.cx.request().url().path() == "/next" {
            return Outcome::CONTINUE;
        }
        match call.with {
            With::Custom(custom) => nests_custom(call.cx, custom),
            _ => Outcome::pending(async move {
                Op::Notify.run(call.cx).await?;
                Ok(Flow::Continue)
            }),
        }
    });
    let host = TestHost::new().module("once", once).handler(text("hello"));
    let connection = host.keep_alive();
    assert_eq!(finish(&mut connection.get("/")).status(), 500);
    assert_serves(&connection, "hello");
}

fn nests_custom<'a>(cx: &'a mut Context, custom: &'a mut CustomNotification) -> Outcome<'a> {
    Outcome::pending(async move { cx.notify_custom(custom).await })
}

fn flushes_at(event: Event, log: &Log) -> impl Module {
    runs_at(event, Op::Flush, log)
}

/// Runs `op` at an event and says so afterwards.
fn runs_at(event: Event, op: Op, log: &Log) -> impl Module {
    let log = log.clone();
    script(deterministic(), move |call| {
        if !call.is(event) {
            return Outcome::CONTINUE;
        }
        let log = log.clone();
        Outcome::pending(async move {
            call.cx.write("body").await?;
            op.run(call.cx).await?;
            log.say("went on");
            Ok(Flow::Continue)
        })
    })
}

// inferred.rs, NESTED_FINISH: "`Finish` from SendResponse or ReadEntity: the rest of that nested event is skipped, its
// operation goes on, and the request finishes when the current event returns".
#[test]
fn finish_from_a_nested_send_response_or_read_entity_finishes_when_the_event_returns() {
    for op in [Op::Flush, Op::Read] {
        for event in events() {
            let log = Log::default();
            let finishes = plain(at(op.notification()), |_, _| Ok(Flow::Finish));
            let (first, second) = (quiet(at(op.notification())), quiet(at(op.notification())));
            let host = TestHost::new()
                .module("first", first)
                .module("finishes", finishes)
                .module("second", second)
                .module("runs", runs_at(event, op, &log))
                .module("later", quiet(deterministic()))
                .handler(text("handled"));
            let mut req = host.post("/").chunks(["x"]);
            let response = finish(&mut req);
            assert_eq!(log.take(), ["went on"], "{op:?} {event}");
            assert!(response.is_complete() && response.text().contains("body"), "its operation goes on");
            let notification = op.notification();
            let before = if op == Op::Flush { "second" } else { "first" };
            assert_eq!(
                calls_at(req.trace(), 1)[..2],
                [format!("{notification} {before}"), format!("{notification} finishes")]
            );
            assert!(
                !calls_at(req.trace(), 1)[..3.min(calls_at(req.trace(), 1).len())].contains(&format!(
                    "{notification} {}",
                    if op == Op::Flush { "first" } else { "second" }
                ))
            );

            let guaranteed = event.notification().is_guaranteed();
            let mut expected: Vec<String> = events()
                .take_while(|e| *e != event)
                .flat_map(|e| [format!("{e} runs"), format!("{e} later")])
                .collect();
            expected.push(format!("{event} runs"));
            if guaranteed {
                // There it counts as Continue.
                expected.push(format!("{event} later"));
            }
            let rest = events().filter(|e| e.notification().is_guaranteed());
            let rest = rest.skip_while(|e| guaranteed && *e != event).skip(usize::from(guaranteed));
            expected.extend(rest.flat_map(|e| [format!("{e} runs"), format!("{e} later")]));
            assert_eq!(calls(&req), expected, "{op:?} {event}");
        }
    }
}

// The same when the method that waited goes on in `on_async_completion`, and in a service.
#[test]
fn finish_from_a_nested_event_counts_after_pending_and_for_a_service() {
    let pending = script(at(Notification::BeginRequest), |call| match call.with {
        With::Done(_) => Outcome::CONTINUE,
        _ => Outcome::Ready(call.cx.start_flush().map(|()| Flow::Pending)),
    });
    let host = TestHost::new()
        .module("finishes", plain(at(Notification::SendResponse), |_, _| Ok(Flow::Finish)))
        .module("pending", pending)
        .module("later", quiet(at(Notification::AuthorizeRequest).on(Notification::LogRequest)))
        .handler(text("handled"));
    let mut req = host.get("/");
    assert_eq!(finish(&mut req).text(), "");
    assert_eq!(calls(&req), ["BeginRequest pending", "LogRequest later"]);

    let host = TestHost::new()
        .module("finishes", plain(at(Notification::SendResponse), |_, _| Ok(Flow::Finish)))
        .module("later", quiet(at(Notification::ReleaseRequestState).on(Notification::LogRequest)))
        .handler(serve(|cx| {
            Outcome::pending(async move {
                cx.write("one").await?;
                cx.flush().await?;
                cx.write("two").await?;
                Ok(Flow::Continue)
            })
        }));
    let mut req = host.get("/");
    assert_eq!(finish(&mut req).text(), "onetwo");
    assert_eq!(calls(&req), ["LogRequest later"]);
}

// inferred.rs: "`Finish` from MapPath: [...] the mapping stands"; "`Finish` from a custom notification: handed to the
// caller of `notify_custom`, who decides".
#[test]
fn finish_from_map_path_or_custom_does_not_finish_the_request() {
    for op in [Op::MapPath, Op::Notify] {
        for event in finishable() {
            let log = Log::default();
            let host = TestHost::new()
                .module("finishes", plain(at(op.notification()), |_, _| Ok(Flow::Finish)))
                .module("runs", runs_at(event, op, &log))
                .handler(text("handled"));
            let mut req = host.get("/");
            assert!(finish(&mut req).text().contains("handled"), "{op:?} {event}");
            assert_eq!(calls(&req).len(), 24);
        }
    }
}

/// How a module fails.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Failure {
    Error,
    ErrorLater,
    Panic,
    PanicLater,
}

const FAILURES: [Failure; 4] = [Failure::Error, Failure::ErrorLater, Failure::Panic, Failure::PanicLater];

fn fails(op: Op, failure: Failure) -> impl Module {
    script(at(op.notification()), move |_| {
        let error = || Err(Error::from_status(StatusCode::FORBIDDEN));
        match failure {
            Failure::Error => Outcome::Ready(error()),
            Failure::Panic => panic!("as the test wants it"),
            Failure::ErrorLater => Outcome::pending(async move {
                common::once().await;
                error()
            }),
            Failure::PanicLater => Outcome::pending(async move {
                common::once().await;
                panic!("as the test wants it")
            }),
        }
    })
}

fn expected_page(failure: Failure) -> (u16, &'static str) {
    match failure {
        Failure::Error | Failure::ErrorLater => (403, "Forbidden"),
        Failure::Panic | Failure::PanicLater => (500, "Internal Server Error"),
    }
}

// operations.rs: "what a module at SendResponse failed with (the request then answers 500, or resets when headers have
// left)", whatever the caller makes of the error: a filter that failed has not let the bytes pass.
#[test]
fn a_nested_error_fails_closed_at_every_event() {
    for op in [Op::Flush, Op::Read] {
        for failure in FAILURES {
            for event in events() {
                let log = Log::default();
                let host = TestHost::new()
                    .module("fails", fails(op, failure))
                    .module("runs", runs_at(event, op, &log))
                    .module("log", quiet(at(Notification::LogRequest).on(Notification::EndRequest)))
                    .handler(text("handled"));
                let mut req = host.post("/").chunks(["x"]);
                let response = finish(&mut req);
                assert_eq!(log.take(), [""; 0], "{op:?} {failure:?} {event}: the error reaches the caller");
                let page = (response.status().as_u16(), response.text());
                assert_eq!(page, expected_page(failure), "{op:?} {failure:?} {event}");
                let calls = calls(&req);
                let ran = calls.iter().filter(|call| call.ends_with(" log")).count();
                assert_eq!(ran, 2, "{op:?} {failure:?} {event}");
            }
        }
    }
}

/// A handler that runs `op` and writes, whatever the operation says, again and again.
fn looks_away(op: Op) -> impl Handler {
    serve(move |cx| {
        Outcome::pending(async move {
            for _ in 0..3 {
                let _ = op.run(cx).await;
                cx.response_mut().set_status(StatusCode::OK);
                let _ = cx.write("secret").await;
                let _ = cx.flush().await;
            }
            let _ = cx.response_mut().write("secret");
            Ok(Flow::Continue)
        })
    })
}

// As above, for a caller that looks away. A filter that panicked is skipped for the rest of the request, so whatever
// would leave after it would leave unfiltered.
#[test]
fn a_caller_that_looks_away_cannot_pass_a_filter_that_failed() {
    for op in [Op::Flush, Op::Read] {
        for failure in FAILURES {
            let log = Log::default();
            let said = log.clone();
            let host = TestHost::new()
                .module("fails", fails(op, failure))
                .module(
                    "later",
                    plain(at(Notification::ReleaseRequestState), move |_, _| {
                        said.say("went on");
                        Ok(Flow::Continue)
                    }),
                )
                .handler(looks_away(op));
            let response = finish(&mut host.post("/").chunks(["x", "y", "z"]));
            assert_eq!(log.take(), [""; 0], "{op:?} {failure:?}: the request is finished");
            let page = (response.status().as_u16(), response.text());
            assert_eq!(page, expected_page(failure), "{op:?} {failure:?}");
        }
    }
}

// design.md section 3: "A panic is caught at the module's edge, that module is skipped for the rest of the request, the
// client gets 500 or a reset". A guard that is skipped because it panicked in somebody's `map_path` must not open the gate.
#[test]
fn a_module_that_panics_nested_and_is_skipped_from_then_on_does_not_open_the_gate() {
    for op in OPS {
        let guard = script(at(op.notification()).on(Notification::AuthorizeRequest), move |call| {
            if call.is(Notification::AuthorizeRequest) {
                return Outcome::Ready(Err(Error::from_status(StatusCode::FORBIDDEN)));
            }
            panic!("as the test wants it")
        });
        let careless = script(at(Notification::BeginRequest), move |call| {
            Outcome::pending(async move {
                let _ = op.run(call.cx).await;
                Ok(Flow::Continue)
            })
        });
        let host =
            TestHost::new().module("guard", guard).module("careless", careless).handler(text("secret"));
        let response = finish(&mut host.post("/").chunks(["x"]));
        assert!(!response.text().contains("secret"), "{op:?}: {response:?}");
        assert_eq!(response.status(), 500, "{op:?}");
    }
}

// The same from a plain method, which can raise MapPath only.
#[test]
fn a_synchronous_caller_cannot_skip_a_guard_either() {
    let guard = plain(at(Notification::MapPath).on(Notification::AuthorizeRequest), |_, event| {
        assert_eq!(event, Notification::AuthorizeRequest.into(), "as the test wants it");
        Err(Error::from_status(StatusCode::FORBIDDEN))
    });
    let careless = plain(at(Notification::BeginRequest), |cx, _| {
        assert_eq!(cx.map_path("/a").unwrap_err().kind(), ErrorKind::Panicked);
        Ok(Flow::Continue)
    });
    let host = TestHost::new().module("guard", guard).module("careless", careless).handler(text("secret"));
    let (response, _) = get(&host);
    assert_eq!((response.status().as_u16(), response.text()), (500, "Internal Server Error"));
}

// design.md section 3: "that module is skipped for the rest of the request [...] LogRequest and EndRequest of the others
// still run". Who hands on the error of a nested panic has not panicked.
#[test]
fn a_module_that_passes_on_anothers_panic_is_not_skipped() {
    for op in OPS {
        let caller = script(deterministic(), move |call| {
            if !call.is(Notification::AuthorizeRequest) {
                return Outcome::CONTINUE;
            }
            Outcome::pending(async move {
                op.run(call.cx).await?;
                Ok(Flow::Continue)
            })
        });
        let panics = script(deterministic().on(op.notification()), move |call| {
            assert!(!call.is(op.notification()), "as the test wants it");
            Outcome::CONTINUE
        });
        let host = TestHost::new().module("panics", panics).module("caller", caller).handler(text("handled"));
        let mut req = host.post("/").chunks(["x"]);
        assert_eq!(finish(&mut req).status(), 500, "{op:?}");
        let calls = calls(&req);
        assert_eq!(
            calls[calls.len() - 5..],
            [
                "AuthorizeRequest caller",
                "LogRequest caller",
                "PostLogRequest caller",
                "EndRequest caller",
                "PostEndRequest caller"
            ],
            "{op:?}"
        );
    }
}

// context.rs: "Errors of modules at MapPath" and of a custom notification are the caller's: who handles one goes on.
#[test]
fn an_error_from_map_path_or_custom_is_the_callers_to_handle() {
    for op in [Op::MapPath, Op::Notify] {
        let handles = script(at(Notification::BeginRequest), move |call| {
            Outcome::pending(async move {
                let error = op.run(call.cx).await.unwrap_err();
                assert_eq!(error.status(), StatusCode::FORBIDDEN);
                let place = error.place().expect("a module failed");
                assert_eq!((&*place.module, place.event), ("fails", op.notification().into()));
                Ok(Flow::Continue)
            })
        });
        let host = TestHost::new()
            .module("fails", fails(op, Failure::Error))
            .module("handles", handles)
            .handler(text("hello"));
        assert_eq!(get(&host).0.text(), "hello", "{op:?}");
    }
}

// After headers have left there is no other answer than a reset; also for a caller that looks away.
#[test]
fn a_nested_error_after_the_headers_resets() {
    for op in [Op::Flush, Op::Read] {
        for failure in FAILURES {
            let failing = fails(op, failure);
            let later = script(failing.registration(), move |call| {
                if call.cx.response().headers_sent() {
                    return match failure {
                        Failure::Error | Failure::ErrorLater => {
                            Outcome::Ready(Err(Error::from_status(StatusCode::FORBIDDEN)))
                        }
                        _ => panic!("as the test wants it"),
                    };
                }
                Outcome::CONTINUE
            });
            let host = TestHost::new().module("later", later).handler(serve(move |cx| {
                Outcome::pending(async move {
                    cx.write("public").await?;
                    cx.flush().await?;
                    let _ = cx.write("secret").await;
                    let _ = op.run(cx).await;
                    let _ = cx.write("secret").await;
                    let _ = cx.flush().await;
                    Ok(Flow::Continue)
                })
            }));
            let response = finish(&mut host.post("/").chunks(["x", "y"]));
            assert_eq!(response.text(), "public", "{op:?} {failure:?}");
            assert!(response.was_reset() && !response.is_complete(), "{op:?} {failure:?}");
        }
    }
}

// Issue 2: "a nested Pending": `on_async_completion` is told the nested event, and its answer counts for it.
#[test]
fn a_nested_event_may_be_pending() {
    for op in [Op::Flush, Op::Read, Op::Notify] {
        for order in [CompletionOrder::Immediate, CompletionOrder::Late, CompletionOrder::Seeded(4)] {
            let log = Log::default();
            let said = log.clone();
            let pends = script(at(op.notification()), move |call| {
                if let With::Done(done) = call.with {
                    said.say(format!(
                        "{} {} {} {:?}",
                        done.notification(),
                        done.is_post_notification(),
                        done.completion().bytes(),
                        done.source()
                    ));
                    if done.source() == CompletionSource::Posted {
                        return Outcome::Ready(call.cx.start_write("+").map(|()| Flow::Pending));
                    }
                    return Outcome::CONTINUE;
                }
                let handle = call.cx.completion_handle();
                let background = call.cx.server().spawn(async move {
                    common::once().await;
                    handle.post_completion(11).unwrap();
                });
                Outcome::Ready(background.map(|()| Flow::Pending))
            });
            let host = TestHost::new().order(order).module("pends", pends).handler(serve(move |cx| {
                Outcome::pending(async move {
                    op.run(cx).await?;
                    Ok(Flow::Continue)
                })
            }));
            let mut req = host.post("/").chunks(["x"]);
            let response = finish(&mut req);
            assert_eq!(response.status(), 200, "{op:?} {order:?}");
            let notification = op.notification();
            assert_eq!(
                log.take()[..2],
                [format!("{notification} false 11 Posted"), format!("{notification} false 1 Write")]
            );
            assert!(response.text().starts_with('+'));
        }
    }
}

// A nested Pending with nothing outstanding is an error of that module, not a hang; at MapPath always.
#[test]
fn a_nested_pending_with_nothing_outstanding_is_an_error() {
    for op in OPS {
        let log = Log::default();
        let said = log.clone();
        let pends = plain(at(op.notification()), |_, _| Ok(Flow::Pending));
        let host = TestHost::new().module("pends", pends).handler(serve(move |cx| {
            let log = said.clone();
            Outcome::pending(async move {
                let error = op.run(cx).await.unwrap_err();
                log.say(format!("{:?}", error.kind()));
                Err(error)
            })
        }));
        let response = finish(&mut host.post("/").chunks(["x"]));
        assert_eq!((log.take(), response.status().as_u16()), (vec!["NothingPending".into()], 500), "{op:?}");
    }
}

// The nested call of a module that waits for its own nested event to wait: all of it in one future, any order.
#[test]
fn nested_waits_complete_in_any_order() {
    for seed in 0..30 {
        let waits = script(
            at(Notification::SendResponse).on(Notification::ReadEntity | Notification::BeginRequest),
            |call| {
                Outcome::pending(async move {
                    let driver = std::sync::Arc::clone(call.cx.server().driver()?);
                    let _ = driver.post(1).await;
                    if call.is(Notification::BeginRequest) {
                        while !call.cx.read_entity(1).await?.is_empty() {
                            call.cx.write("r").await?;
                            call.cx.flush().await?;
                        }
                    }
                    let _ = driver.timer(std::time::Duration::from_secs(1)).await;
                    Ok(Flow::Continue)
                })
            },
        );
        let host =
            TestHost::new().order(CompletionOrder::Seeded(seed)).module("waits", waits).handler(text("."));
        let mut req = host.post("/").chunks(["abc", "d"]);
        assert_eq!(block_on(req.finish()).text(), "rrrr.", "seed {seed}");
        host.driver().assert_idle();
    }
}

// A flush at every event of one request: each raises its own SendResponse, on the module that flushes.
#[test]
fn a_flush_at_every_event_raises_one_send_response_each() {
    let flushes = script(deterministic().on(Notification::SendResponse), |call| {
        if call.is(Notification::SendResponse) {
            return Outcome::CONTINUE;
        }
        Outcome::pending(async move {
            call.cx.write("x").await?;
            call.cx.flush().await?;
            Ok(Flow::Continue)
        })
    });
    let host = TestHost::new().module("flushes", flushes).handler(text("y"));
    let (response, trace) = get(&host);
    assert_eq!(response.text(), "xxxxxxxxxxxxxxxyxxxxxxxxx");
    assert_eq!(calls_at(&trace, 1).len(), 25);
    let log = Log::default();
    let host = TestHost::new().module("one", flushes_at(Notification::LogRequest.into(), &log));
    assert_eq!(get(&host).0.status(), 200);
}

// semantics.md section 1: "The stack size is IIS is by default 128/256 KB". limits.rs: events and children share 16 levels.
#[test]
fn the_deepest_nesting_fits_the_stack_of_an_iis_thread() {
    /// Flushes inside its own SendResponse, and asks for a child at the deepest level that allows one.
    struct Deep {
        flushes: u8,
    }
    impl Module for Deep {
        fn registration(&self) -> Registration {
            Registration::new().on(Notification::BeginRequest | Notification::SendResponse)
        }
        fn on_begin_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
            Outcome::pending(async move {
                if cx.child_depth() < 10 {
                    let _ = cx.execute_request(bivalve_core::ChildRequest::get("/")?).await;
                }
                let _ = cx.flush().await;
                Ok(Flow::Finish)
            })
        }
        fn on_send_response<'a>(
            &'a self,
            cx: &'a mut Context,
            _: &'a mut bivalve_core::Sending,
        ) -> Outcome<'a> {
            Outcome::pending(async move {
                let depth = cx.shared_mut().remove::<u8>().unwrap_or(0);
                cx.shared_mut().insert(depth + 1);
                if depth < self.flushes {
                    let _ = cx.flush().await;
                }
                Ok(Flow::Continue)
            })
        }
    }
    // Endless flushes without children, and ten children with the rest of the levels for flushes.
    for flushes in [6, 40] {
        let deepest = std::thread::Builder::new().stack_size(256 * 1024).spawn(move || {
            let host = TestHost::new().mount(Deep { flushes });
            block_on(host.get("/").finish()).status()
        });
        let status = deepest.expect("a thread").join().expect("it does not overflow");
        assert!(status.as_u16() >= 200, "it answers");
    }
}
