//! Return values: semantics.md section 3. What Finish, errors and their kin skip, and what runs in any case.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use bivalve_core::testing::{TestHost, block_on};
use bivalve_core::{
    CompletionHandle, Error, Event, Flow, Module, Notification, Notifications, Outcome, Registration, Step,
};
use http::StatusCode;
use std::sync::{Arc, Mutex};

use common::{
    With, at, calls, calls_at, deterministic, events, everywhere, finish, finishable, get, plain, post,
    quiet, script, serve, text,
};

/// How a module says it.
#[derive(Clone, Copy, Debug)]
enum Way {
    Now,
    AfterAwait,
    /// Pending first, then from `on_async_completion`.
    FromCompletion,
}

const WAYS: [Way; 3] = [Way::Now, Way::AfterAwait, Way::FromCompletion];

/// What a module says.
#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    Finish,
    Fail,
}

impl What {
    fn result(self) -> bivalve_core::Result<Flow> {
        match self {
            Self::Finish => Ok(Flow::Finish),
            Self::Fail => Err(Error::new(StatusCode::SERVICE_UNAVAILABLE, "as the test wants it")),
        }
    }
}

/// Goes on everywhere, but says `what` at `event`.
fn says(what: What, event: Event, way: Way) -> impl Module {
    let kept: Arc<Mutex<Option<CompletionHandle>>> = Arc::default();
    script(deterministic(), move |call| match call.with {
        With::Done(done) => {
            assert_eq!(done.completion().bytes(), 7);
            what.result().into()
        }
        _ if call.event != event => Outcome::CONTINUE,
        _ => match way {
            Way::Now => what.result().into(),
            Way::AfterAwait => Outcome::pending(async move {
                common::once().await;
                what.result()
            }),
            Way::FromCompletion => {
                let handle = call.cx.completion_handle();
                handle.post_completion(7).expect("nobody has posted");
                // It may live on: what it could post was posted.
                *kept.lock().unwrap() = Some(handle);
                Flow::Pending.into()
            }
        },
    })
}

fn three(what: What, event: Event, way: Way) -> TestHost {
    TestHost::new()
        .module("one", quiet(deterministic()))
        .module("two", says(what, event, way))
        .module("three", quiet(deterministic()))
}

fn at_all(event: Event) -> [String; 3] {
    ["one", "two", "three"].map(|name| format!("{event} {name}"))
}

/// Everything before `event`, then `one` and `two` at it, then LogRequest and EndRequest with their posts.
fn skipped_after_two_at(event: Event) -> Vec<String> {
    let mut expected: Vec<String> = events().take_while(|e| *e != event).flat_map(at_all).collect();
    expected.extend_from_slice(&at_all(event)[..2]);
    expected.extend(events().filter(|e| e.notification().is_guaranteed()).flat_map(at_all));
    expected
}

// Section 3: "FINISH_REQUEST from any deterministic notification other than LOG/END: the remaining modules of this
// notification, its post event and all later notifications are skipped; IIS goes to LOG_REQUEST and END_REQUEST (with
// posts) and the final send."
#[test]
fn finish_skips_the_rest_up_to_log_request() {
    for event in finishable() {
        for way in WAYS {
            let mut req = three(What::Finish, event, way).handler(text("handled")).get("/");
            let response = finish(&mut req);
            assert_eq!(calls(&req), skipped_after_two_at(event), "{event} {way:?}");
            let handled = event == post(Notification::ExecuteRequestHandler)
                || matches!(
                    event.notification(),
                    Notification::ReleaseRequestState | Notification::UpdateRequestCache
                );
            assert_eq!(response.text(), if handled { "handled" } else { "" }, "{event} {way:?}");
            assert_eq!(response.status(), 200);
            assert!(response.is_complete());
        }
    }
}

// Section 3: LogRequest and EndRequest are "guaranteed to execute even if errors occur".
#[test]
fn an_error_skips_as_a_finish_does_and_answers_with_its_status() {
    for event in finishable() {
        for way in WAYS {
            let mut req = three(What::Fail, event, way).handler(text("handled")).get("/");
            let response = finish(&mut req);
            assert_eq!(calls(&req), skipped_after_two_at(event), "{event} {way:?}");
            assert_eq!(
                (response.status().as_u16(), response.text()),
                (503, "Service Unavailable"),
                "{event} {way:?}: what the handler had buffered is gone"
            );
        }
    }
}

// Section 3: "FINISH_REQUEST returned in LOG_REQUEST or END_REQUEST is treated as CONTINUE (other modules there still
// run)"; module.rs: an error there "is traced and changes nothing".
#[test]
fn finish_and_errors_in_log_and_end_request_count_as_continue() {
    for event in events().filter(|event| event.notification().is_guaranteed()) {
        for what in [What::Finish, What::Fail] {
            for way in WAYS {
                let mut req = three(what, event, way).handler(text("handled")).get("/");
                let response = finish(&mut req);
                let all: Vec<String> = events().flat_map(at_all).collect();
                assert_eq!(calls(&req), all, "{event} {what:?} {way:?}");
                assert_eq!((response.status().as_u16(), response.text()), (200, "handled"));
            }
        }
    }
}

// Section 3: "Before a handler-less 'short-circuit' response in BEGIN_REQUEST: SetStatus + headers + chunk, return
// FINISH_REQUEST."
#[test]
fn a_short_circuit_at_begin_request_reaches_the_client() {
    let denies = plain(at(Notification::BeginRequest), |cx, _| {
        let response = cx.response_mut();
        response.set_status_code(451, 1)?;
        response.set_header("x-why", "because")?;
        response.write("not here")?;
        Ok(Flow::Finish)
    });
    let host = TestHost::new()
        .module("denies", denies)
        .module("later", quiet(everywhere()))
        .handler(|_: &mut bivalve_core::Context| panic!("the handler must not run"));
    let mut req = host.get("/");
    let response = finish(&mut req);
    assert_eq!((response.status().as_u16(), response.text()), (451, "not here"));
    assert_eq!(response.header("x-why"), Some("because"));
    assert_eq!(
        calls(&req),
        [
            "BeginRequest denies",
            "LogRequest later",
            "PostLogRequest later",
            "EndRequest later",
            "PostEndRequest later"
        ]
    );
}

// Section 3: "Redirect() does not clear the response unless FINISH_REQUEST follows".
#[test]
fn a_redirect_without_finish_lets_the_handler_run() {
    for (flow, body) in [(Flow::Finish, ""), (Flow::Continue, "handled")] {
        let redirects = plain(at(Notification::AuthorizeRequest), move |cx, _| {
            cx.response_mut().redirect("/login?next=%2F")?;
            Ok(flow)
        });
        let (response, _) = get(&TestHost::new().module("redirects", redirects).handler(text("handled")));
        assert_eq!((response.status().as_u16(), response.text()), (302, body), "{flow:?}");
        assert_eq!(response.header("location"), Some("/login?next=%2F"));
    }
}

// Section 3: "ResetConnection needs FINISH_REQUEST too, else the pipeline goes on".
#[test]
fn a_reset_without_finish_lets_the_pipeline_go_on_and_sends_nothing() {
    for flow in [Flow::Finish, Flow::Continue] {
        let ran = common::Count::default();
        let counted = ran.clone();
        let resets = plain(at(Notification::BeginRequest), move |cx, _| {
            cx.response_mut().write("never seen")?;
            cx.reset_connection();
            Ok(flow)
        });
        let host = TestHost::new()
            .module("resets", resets)
            .module("logs", quiet(at(Notification::LogRequest)))
            .handler(move |cx: &mut bivalve_core::Context| {
                counted.add();
                let error = cx.response_mut().write("never seen either").unwrap_err();
                assert_eq!(error.kind(), bivalve_core::ErrorKind::RequestEnded);
                Ok(Flow::Continue)
            });
        let mut req = host.get("/");
        let response = finish(&mut req);
        assert!(response.was_reset() && !response.was_answered() && response.parts().is_empty());
        assert_eq!(ran.get(), usize::from(flow == Flow::Continue), "{flow:?}");
        assert_eq!(calls(&req).last().map(String::as_str), Some("LogRequest logs"));
    }
}

// Section 3, handlers: "return CONTINUE after success, FINISH_REQUEST on error after SetStatus".
#[test]
fn the_handlers_finish_skips_the_events_after_it() {
    for flow in [Flow::Continue, Flow::Finish] {
        let host = TestHost::new().module("all", quiet(deterministic())).handler(
            move |cx: &mut bivalve_core::Context| {
                cx.response_mut().set_status_code(404, 0)?;
                Ok(flow)
            },
        );
        let mut req = host.get("/");
        assert_eq!(finish(&mut req).status(), 404);
        let calls = calls(&req);
        let after = ["PostExecuteRequestHandler all", "ReleaseRequestState all", "UpdateRequestCache all"];
        for name in after {
            assert_eq!(calls.iter().any(|call| call == name), flow == Flow::Continue, "{name} {flow:?}");
        }
        assert_eq!(
            calls.iter().filter(|call| call.contains("LogRequest") || call.contains("EndRequest")).count(),
            4
        );
    }
}

// inferred.rs, "final send: after PostEndRequest": section 3 leaves "exact place of the final flush" open.
#[test]
fn the_final_send_follows_post_end_request_which_may_still_change_the_response() {
    for event in events().filter(|event| event.notification().is_guaranteed()) {
        let stamps = plain(at(event), |cx, event| {
            cx.response_mut().set_header("x-stamp", &event.to_string())?;
            cx.response_mut().write("+")?;
            Ok(Flow::Continue)
        });
        let host = TestHost::new()
            .module("stamps", stamps)
            .module("sends", quiet(at(Notification::SendResponse)))
            .handler(text("hello"));
        let mut req = host.get("/");
        let response = finish(&mut req);
        assert_eq!((response.text(), response.parts().len()), ("hello+", 1));
        assert_eq!(response.header("x-stamp"), Some(&*event.to_string()));
        req.assert_trace([
            format!("{event} stamps -> Continue"),
            "  SendResponse sends -> Continue".into(),
            "Send 6 bytes, success".into(),
        ]);
    }
}

/// What ends a request early, and what the client then sees.
#[derive(Clone, Copy, Debug)]
enum End {
    Normal,
    NobodyHandles,
    Error,
    HandlerError,
    Panic,
    HandlerPanic,
    Disconnect,
    Reset,
}

// Section 3: "Certain: skip of the rest + LOG/END run", whatever ended the request; and nothing after them but the
// final send.
#[test]
fn log_and_end_request_run_exactly_once_however_the_request_ends() {
    for (end, status) in [
        (End::Normal, Some(200)),
        (End::NobodyHandles, Some(404)),
        (End::Error, Some(503)),
        (End::HandlerError, Some(503)),
        (End::Panic, Some(500)),
        (End::HandlerPanic, Some(500)),
        (End::Disconnect, None),
        (End::Reset, None),
    ] {
        let breaks = plain(at(Notification::AuthorizeRequest), move |cx, _| match end {
            End::Error => What::Fail.result(),
            End::Panic => panic!("as the test wants it"),
            End::Disconnect => {
                assert!(cx.disconnector().disconnect());
                Ok(Flow::Continue)
            }
            End::Reset => {
                cx.reset_connection();
                Ok(Flow::Finish)
            }
            _ => Ok(Flow::Continue),
        });
        // Without ExecuteRequestHandler: who runs there has answered (docs/decisions/0008).
        let registration = Registration::new()
            .on(Notification::LogRequest | Notification::EndRequest)
            .on_post(Notifications::DETERMINISTIC);
        let host = TestHost::new().module("breaks", breaks).module("all", quiet(registration));
        let host = match end {
            End::NobodyHandles => host,
            _ => host.handler(serve(move |_| match end {
                End::HandlerError => What::Fail.result().into(),
                End::HandlerPanic => panic!("as the test wants it"),
                _ => Outcome::CONTINUE,
            })),
        };
        let mut req = host.get("/");
        let response = finish(&mut req);
        assert_eq!(response.was_answered().then(|| response.status().as_u16()), status, "{end:?}");
        let calls = calls(&req);
        assert_eq!(
            calls[calls.len() - 4..],
            ["LogRequest all", "PostLogRequest all", "EndRequest all", "PostEndRequest all"],
            "{end:?}"
        );
        let guaranteed =
            calls.iter().filter(|call| call.contains("LogRequest") || call.contains("EndRequest"));
        assert_eq!(guaranteed.count(), 4, "{end:?}");
    }
}

// Section 2 and context.rs: DisableNotifications, "only for the calling module, and only deterministic notifications".
#[test]
fn disabled_notifications_are_those_of_the_caller_and_deterministic() {
    for event in events().skip(1) {
        let all = Notifications::from_bits_truncate(u32::MAX);
        let (disabled, disabled_post) = if event.is_post() {
            (Notifications::NONE, event.notification().into())
        } else {
            (event.notification().into(), Notifications::NONE)
        };
        let caller = script(everywhere(), move |call| {
            Outcome::pending(async move {
                if call.is(Notification::BeginRequest) {
                    call.cx.disable_notifications(disabled, disabled_post);
                }
                if call.is(post(Notification::BeginRequest)) {
                    // Those on demand cannot be disabled: they are still called, below.
                    let on_demand = Notifications::from_bits_truncate(!Notifications::DETERMINISTIC.bits());
                    assert_eq!(on_demand.bits() | Notifications::DETERMINISTIC.bits(), all.bits());
                    call.cx.disable_notifications(on_demand, on_demand);
                }
                Ok(Flow::Continue)
            })
        });
        let host = TestHost::new()
            .module("caller", caller)
            .module("other", quiet(everywhere()))
            .handler(text("hello"));
        let mut req = host.get("/");
        assert_eq!(finish(&mut req).text(), "hello");
        let expected: Vec<String> = events()
            .flat_map(|e| [(e, "caller"), (e, "other")])
            .filter(|(e, name)| !(*e == event && *name == "caller"))
            .map(|(e, name)| format!("{e} {name}"))
            .collect();
        assert_eq!(calls(&req), expected, "{event}");
        let sends = calls_at(req.trace(), 1);
        assert_eq!(sends, ["SendResponse other", "SendResponse caller"], "on demand, so not disabled");
    }
}

// As above: for this request only.
#[test]
fn disabled_notifications_are_enabled_again_for_the_next_request() {
    let once = plain(deterministic(), |cx, _| {
        if cx.request().url().path() == "/first" {
            cx.disable_notifications(Notifications::DETERMINISTIC, Notifications::DETERMINISTIC);
        }
        Ok(Flow::Continue)
    });
    let host = TestHost::new().module("once", once).handler(text("hello"));
    let connection = host.keep_alive();
    let mut first = connection.get("/first");
    finish(&mut first);
    assert_eq!(calls(&first), ["BeginRequest once"]);
    let mut second = connection.get("/second");
    finish(&mut second);
    assert_eq!(calls(&second).len(), 24);
}

// Section 3: the stepper stops at LogRequest after a finish, and nothing follows Done.
#[test]
fn nothing_runs_after_the_end() {
    let host = TestHost::new().module("all", quiet(everywhere())).handler(text("hello"));
    let mut req = host.get("/");
    block_on(async {
        req.run_until(Step::Done).await;
        let before = req.trace().lines();
        req.finish().await;
        req.step().await;
        req.finish().await;
        assert_eq!(req.trace().lines(), before);
    });
}
