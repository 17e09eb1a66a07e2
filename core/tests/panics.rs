//! A module that panics at each of the 29 methods, in each part of a method: issue 2, "the process lives, the next request
//! works"; design.md section 3, "Errors".
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::future::Future;
use std::panic::panic_any;
use std::pin::Pin;
use std::task::{Context as Task, Poll};

use bivalve_core::testing::{CompletionOrder, Stopped, TestHost, TestResponse, block_on};
use bivalve_core::{
    CompletionInfo, Context, CustomNotification, EntityRead, Error, Event, Flow, Handler, Module,
    Notification, Outcome, PathMapping, Result, Sending, Step,
};

use common::{
    Count, assert_serves, at, calls, calls_at, deterministic, events, everywhere, finish, get, plain, quiet,
    script, serve, text,
};

/// Where a script panics: one of the 28 events, or its completion.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Where {
    event: Event,
    completion: bool,
}

/// All that a method can be called for: 28 events, and completions of the 27 that may be pending.
fn everything() -> Vec<Where> {
    let on_demand = Notification::ALL[12..].iter().map(|n| Event::of(*n));
    let all: Vec<Event> = events().chain(on_demand).collect();
    let pending = all.iter().filter(|event| event.notification() != Notification::MapPath);
    let completions = pending.map(|event| Where { event: *event, completion: true }).collect::<Vec<_>>();
    all.iter().map(|event| Where { event: *event, completion: false }).chain(completions).collect()
}

/// Which part of a method panics.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    /// Before it returns.
    Now,
    /// In its future, after an `.await`.
    Later,
    /// In a destructor when its future ends.
    InDrop,
    /// In the destructor of its future, after that has given its answer.
    AfterAnswer,
}

const PARTS: [Part; 4] = [Part::Now, Part::Later, Part::InDrop, Part::AfterAnswer];

const TEXT: &str = "as the test wants it";

struct PanicsInDrop;

impl Drop for PanicsInDrop {
    fn drop(&mut self) {
        // A second panic while one is under way would end the process, whoever contains what.
        if !std::thread::panicking() {
            panic!("{TEXT}");
        }
    }
}

/// Answers at once, and panics when it is dropped.
struct Answers {
    _explodes: PanicsInDrop,
}

impl Future for Answers {
    type Output = Result<Flow>;

    fn poll(self: Pin<&mut Self>, _task: &mut Task<'_>) -> Poll<Result<Flow>> {
        Poll::Ready(Ok(Flow::Continue))
    }
}

fn panics<'a>(part: Part) -> Outcome<'a> {
    match part {
        Part::Now => panic!("{TEXT}"),
        Part::Later => Outcome::pending(async {
            common::once().await;
            panic!("{TEXT}")
        }),
        Part::InDrop => Outcome::pending(async {
            let _explodes = PanicsInDrop;
            common::once().await;
            Ok(Flow::Continue)
        }),
        Part::AfterAnswer => Outcome::pending(Answers { _explodes: PanicsInDrop }),
    }
}

/// Panics there, in requests for `/panic`, and counts its calls after that. `late`: once headers have left.
fn panicking(there: Where, part: Part, late: bool, after: &Count) -> impl Module {
    let after = after.clone();
    let panicked = std::sync::Mutex::new(false);
    script(everywhere(), move |call| {
        if call.cx.request().url().path() != "/panic" {
            return Outcome::CONTINUE;
        }
        let mut panicked = panicked.lock().unwrap();
        if *panicked {
            after.add();
            return Outcome::CONTINUE;
        }
        let completes = call.is_completion();
        if call.event != there.event || (late && !call.cx.response().headers_sent()) {
            return Outcome::CONTINUE;
        }
        if there.completion && !completes {
            let handle = call.cx.completion_handle();
            handle.post_completion(1).unwrap();
            return Flow::Pending.into();
        }
        *panicked = true;
        drop(panicked);
        panics(part)
    })
}

/// A service that raises every on-demand event, and passes errors on.
fn raises_all() -> impl Handler {
    serve(|cx| {
        Outcome::pending(async move {
            cx.map_path("/a")?;
            cx.read_entity(10).await?;
            cx.notify_custom(&mut CustomNotification::new("test")).await?;
            cx.write("body").await?;
            Ok(Flow::Continue)
        })
    })
}

fn last_four(calls: &[String], module: &str) -> bool {
    let expected = ["LogRequest", "PostLogRequest", "EndRequest", "PostEndRequest"];
    let own: Vec<&String> = calls.iter().filter(|call| call.ends_with(&format!(" {module}"))).collect();
    own.len() >= 4
        && own[own.len() - 4..].iter().zip(expected).all(|(call, e)| **call == format!("{e} {module}"))
}

fn assert_page(response: &TestResponse, what: &str) {
    assert_eq!((response.status().as_u16(), response.text()), (500, "Internal Server Error"), "{what}");
    assert!(response.is_complete(), "{what}");
}

// design.md section 3: "A panic is caught at the module's edge, that module is skipped for the rest of the request, the
// client gets 500 or a reset, LogRequest and EndRequest of the others still run, and the next request works."
#[test]
fn a_panic_anywhere_answers_500_skips_its_module_and_spares_the_next_request() {
    for there in everything() {
        for part in PARTS {
            if there.event.notification() == Notification::MapPath && part != Part::Now {
                continue;
            }
            let what = format!("{there:?} {part:?}");
            let after = Count::default();
            let host = TestHost::new()
                .module("before", quiet(deterministic()))
                .module("panics", panicking(there, part, false, &after))
                .module("after", quiet(deterministic()))
                .handler(raises_all());
            let connection = host.keep_alive();
            let mut req = connection.post("/panic").chunks(["x"]);
            assert_page(&finish(&mut req), &what);
            assert_eq!(after.get(), 0, "{what}: it is skipped");
            let calls = calls(&req);
            assert!(last_four(&calls, "before") && last_four(&calls, "after"), "{what}: {calls:#?}");
            assert_serves(&connection, "body");
            assert_serves(&connection, "body");
        }
    }
}

// The same after headers have left: the client sees a broken connection, not a response that looks whole.
#[test]
fn a_panic_after_the_headers_resets_the_connection() {
    for there in everything() {
        for part in [Part::Now, Part::Later] {
            if there.event.notification() == Notification::MapPath && part == Part::Later {
                continue;
            }
            let what = format!("{there:?} {part:?}");
            let after = Count::default();
            let flushes = script(at(Notification::BeginRequest), |call| {
                Outcome::pending(async move {
                    call.cx.write("part").await?;
                    call.cx.flush().await?;
                    Ok(Flow::Continue)
                })
            });
            let host = TestHost::new()
                .module("flushes", flushes)
                .module("panics", panicking(there, part, true, &after))
                .module("after", quiet(deterministic()))
                .handler(raises_all());
            let connection = host.keep_alive();
            let mut req = connection.post("/panic").chunks(["x"]);
            let response = finish(&mut req);
            assert!(response.text().starts_with("part"), "{what}");
            assert!(response.was_reset() && !response.is_complete(), "{what}: {response:?}");
            assert_eq!(after.get(), 0, "{what}: it is skipped");
            assert!(last_four(&calls(&req), "after"), "{what}");
            assert_serves(&connection, "partbody");
        }
    }
}

/// One module for each method, as users write them: a plain `fn`, and an `async fn` that panics after an `.await`.
macro_rules! one_for_each_method {
    ($($ty:ident: $method:ident $(, $arg:ident: $argty:ty)?;)*) => {
        mod plain_fn {
            use super::*;
            $(pub(super) struct $ty;
            #[bivalve_macros::module(crate = bivalve_core)]
            impl Module for $ty {
                fn $method(&self, cx: &mut Context $(, $arg: $argty)?) -> Result<Flow> {
                    $(let _ = $arg;)?
                    assert_ne!(cx.request().url().path(), "/panic", "{TEXT}");
                    Ok(Flow::Continue)
                }
            })*
        }

        fn mount_each(mut test: impl FnMut(&str, &dyn Fn(TestHost) -> TestHost)) {
            $(test(stringify!($ty), &|host| host.module("panics", plain_fn::$ty));)*
        }
    };
}

one_for_each_method! {
    BeginRequest: on_begin_request;
    PostBeginRequest: on_post_begin_request;
    AuthenticateRequest: on_authenticate_request;
    PostAuthenticateRequest: on_post_authenticate_request;
    AuthorizeRequest: on_authorize_request;
    PostAuthorizeRequest: on_post_authorize_request;
    ResolveRequestCache: on_resolve_request_cache;
    PostResolveRequestCache: on_post_resolve_request_cache;
    MapRequestHandler: on_map_request_handler;
    PostMapRequestHandler: on_post_map_request_handler;
    AcquireRequestState: on_acquire_request_state;
    PostAcquireRequestState: on_post_acquire_request_state;
    PreExecuteRequestHandler: on_pre_execute_request_handler;
    PostPreExecuteRequestHandler: on_post_pre_execute_request_handler;
    ExecuteRequestHandler: on_execute_request_handler;
    PostExecuteRequestHandler: on_post_execute_request_handler;
    ReleaseRequestState: on_release_request_state;
    PostReleaseRequestState: on_post_release_request_state;
    UpdateRequestCache: on_update_request_cache;
    PostUpdateRequestCache: on_post_update_request_cache;
    LogRequest: on_log_request;
    PostLogRequest: on_post_log_request;
    EndRequest: on_end_request;
    PostEndRequest: on_post_end_request;
    SendResponse: on_send_response, sending: &mut Sending;
    MapPath: on_map_path, mapping: &mut PathMapping;
    ReadEntity: on_read_entity, entity: &mut EntityRead;
    CustomRequestNotification: on_custom_request_notification, custom: &mut CustomNotification;
}

/// The 29th, which needs a notification that waits for it.
struct AsyncCompletion;

#[bivalve_macros::module(crate = bivalve_core)]
impl Module for AsyncCompletion {
    fn on_begin_request(&self, cx: &mut Context) -> Result<Flow> {
        cx.completion_handle().post_completion(1)?;
        Ok(Flow::Pending)
    }

    fn on_async_completion(&self, cx: &mut Context, _done: CompletionInfo) -> Result<Flow> {
        assert_ne!(cx.request().url().path(), "/panic", "{TEXT}");
        Ok(Flow::Continue)
    }
}

fn assert_contained(name: &str, mount: &dyn Fn(TestHost) -> TestHost) {
    let plain_before = plain(deterministic(), |_, _| Ok(Flow::Continue));
    let host = TestHost::new().module("before", plain_before).mount(Everywhere);
    let host = mount(host).module("after", quiet(deterministic())).mount(EverywhereToo).handler(raises_all());
    let connection = host.keep_alive();
    let mut req = connection.post("/panic").chunks(["x"]);
    assert_page(&finish(&mut req), name);
    let calls = calls(&req);
    for module in ["before", "Everywhere", "after", "EverywhereToo"] {
        assert!(last_four(&calls, module), "{name}: {module}: {calls:#?}");
    }
    let all: Vec<String> =
        calls.iter().cloned().chain((1..4).flat_map(|n| calls_at(req.trace(), n))).collect();
    let own = all.iter().filter(|call| call.ends_with(" panics")).count();
    assert_eq!(own, 1, "{name}: {all:#?}");
    assert_serves(&connection, "body");
    assert_serves(&connection, "body");
}

/// Modules of plain methods around the one that panics.
macro_rules! plain_everywhere {
    ($($ty:ident)*) => {$(
        struct $ty;

        #[bivalve_macros::module(crate = bivalve_core)]
        impl Module for $ty {
            fn on_begin_request(&self, _: &mut Context) -> Result<Flow> {
                Ok(Flow::Continue)
            }
            fn on_log_request(&self, _: &mut Context) -> Result<Flow> {
                Ok(Flow::Continue)
            }
            fn on_post_log_request(&self, _: &mut Context) -> Result<Flow> {
                Ok(Flow::Continue)
            }
            fn on_end_request(&self, _: &mut Context) -> Result<Flow> {
                Ok(Flow::Continue)
            }
            fn on_post_end_request(&self, _: &mut Context) -> Result<Flow> {
                Ok(Flow::Continue)
            }
        }
    )*};
}

plain_everywhere!(Everywhere EverywhereToo);

// As the first test, for plain methods that the attribute writes: the pipeline calls those in a loop of its own.
#[test]
fn a_panic_in_each_of_the_29_plain_methods_is_contained() {
    let mut methods = 0;
    mount_each(|name, mount| {
        assert_contained(name, mount);
        methods += 1;
    });
    assert_contained("AsyncCompletion", &|host| host.module("panics", AsyncCompletion));
    // 28 and the completion, without the call that waited for it.
    assert_eq!(methods + 1, 29);
}

// module.rs, cancel safety: a future that is dropped because the client has gone may panic in a destructor. Its module has
// panicked like any other: it is skipped, and the others log.
#[test]
fn a_panic_while_a_cancelled_future_is_dropped_is_contained() {
    for event in common::finishable() {
        for nested in [false, true] {
            let after = Count::default();
            let counted = after.clone();
            let explodes = script(deterministic().on(Notification::SendResponse), move |call| {
                let waits = if nested { call.is(Notification::SendResponse) } else { call.is(event) };
                if waits {
                    return Outcome::pending(async move {
                        let _explodes = PanicsInDrop;
                        std::future::pending::<()>().await;
                        Ok(Flow::Continue)
                    });
                }
                if call.event.notification().is_guaranteed() {
                    counted.add();
                }
                if call.is(event) {
                    return Outcome::pending(async move {
                        call.cx.flush().await?;
                        Ok(Flow::Continue)
                    });
                }
                Outcome::CONTINUE
            });
            let host = TestHost::new()
                .manual()
                .module("explodes", explodes)
                .module("all", quiet(deterministic()))
                .handler(text("x"));
            let connection = host.keep_alive();
            let mut req = connection.get("/");
            block_on(async {
                assert_eq!(req.run_until(Step::Send).await, Stopped::Waiting);
                req.disconnect();
                req.finish().await;
            });
            assert!(last_four(&calls(&req), "all"), "{event}");
            if !nested {
                assert_eq!(after.get(), 0, "{event}: it is skipped");
            }
        }
    }
}

// A service that panics, in every part, and in the destructor of a cancelled future.
#[test]
fn a_service_that_panics_is_contained() {
    for part in PARTS {
        let host = TestHost::new().module("all", quiet(deterministic())).handler(serve(move |cx| {
            if cx.request().url().path() == "/panic" {
                return panics(part);
            }
            Outcome::Ready(cx.response_mut().write("fine").map(|()| Flow::Continue))
        }));
        let connection = host.keep_alive();
        let mut req = connection.get("/panic");
        assert_page(&finish(&mut req), &format!("{part:?}"));
        assert!(last_four(&calls(&req), "all"));
        assert_serves(&connection, "fine");
    }
    let host = TestHost::new().manual().handler(serve(|cx| {
        Outcome::pending(async move {
            if cx.request().url().path() == "/panic" {
                let _explodes = PanicsInDrop;
                std::future::pending::<()>().await;
            }
            cx.write("fine").await?;
            Ok(Flow::Continue)
        })
    }));
    let connection = host.keep_alive();
    block_on(async {
        let mut req = connection.get("/panic");
        assert_eq!(req.run_until(Step::Send).await, Stopped::Waiting);
        req.disconnect();
        req.finish().await;
    });
    assert_serves(&connection, "fine");
}

// A service that streams and panics.
#[test]
fn a_service_that_panics_after_the_headers_resets() {
    let host = TestHost::new().handler(serve(|cx| {
        Outcome::pending(async move {
            cx.write("part").await?;
            cx.flush().await?;
            panic!("{TEXT}")
        })
    }));
    let (response, _) = get(&host);
    assert!(response.was_reset() && response.text() == "part");
}

// `panic_any` takes anything: also what panics again when it is dropped.
#[test]
fn a_panic_whose_payload_panics_in_its_destructor_is_contained() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("{TEXT}")
        }
    }
    for later in [false, true] {
        for at_event in [Notification::BeginRequest, Notification::SendResponse, Notification::MapPath] {
            let explodes = script(at(at_event), move |call| {
                if call.cx.request().url().path() != "/panic" {
                    return Outcome::CONTINUE;
                }
                if later && at_event != Notification::MapPath {
                    return Outcome::pending(async { panic_any(Bomb) });
                }
                panic_any(Bomb)
            });
            let host = TestHost::new().module("explodes", explodes).handler(raises_all());
            let connection = host.keep_alive();
            assert_page(&finish(&mut connection.get("/panic")), &format!("{at_event} {later}"));
            assert_serves(&connection, "body");
        }
    }
}

// The payloads that std knows, and one that is no text.
#[test]
fn the_text_of_a_panic_is_kept_for_the_log() {
    let log = common::Log::default();
    for (n, expected) in ["a &str", "a String 1", "a payload that is no text"].into_iter().enumerate() {
        let said = log.clone();
        let explodes = plain(at(Notification::MapPath), move |_, _| match n {
            0 => panic!("a &str"),
            1 => panic!("a String {n}"),
            _ => panic_any(7_u8),
        });
        let host = TestHost::new().module("explodes", explodes).handler(move |cx: &mut Context| {
            let error = cx.map_path("/a").unwrap_err();
            said.say(error.to_string());
            assert!(error.is_panic());
            Err(error)
        });
        assert_eq!(get(&host).0.status(), 500);
        assert_eq!(log.take(), [format!("module explodes at MapPath (position 0): panicked: {expected}")]);
    }
}

// error.rs: a module's own error type is module code too.
#[test]
fn an_error_whose_destructor_panics_is_contained() {
    #[derive(Debug)]
    struct Explodes;
    impl std::fmt::Display for Explodes {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("explodes")
        }
    }
    impl std::error::Error for Explodes {}
    impl Drop for Explodes {
        fn drop(&mut self) {
            panic!("{TEXT}")
        }
    }
    for event in [Notification::BeginRequest, Notification::LogRequest, Notification::SendResponse] {
        let fails = plain(at(event), |cx, _| {
            if cx.request().url().path() == "/panic" {
                return Err(Error::from(Explodes));
            }
            Ok(Flow::Continue)
        });
        let host =
            TestHost::new().module("fails", fails).module("all", quiet(deterministic())).handler(text("x"));
        let connection = host.keep_alive();
        let mut req = connection.get("/panic");
        finish(&mut req);
        assert!(last_four(&calls(&req), "all"), "{event}");
        assert_serves(&connection, "x");
    }
}

// A module that panics in every request still serves every next one as far as it can: it is skipped per request, not
// switched off.
#[test]
fn a_module_that_panics_is_called_again_in_the_next_request() {
    let panics = plain(at(Notification::LogRequest).on(Notification::BeginRequest), |_, event| {
        assert_eq!(event, Notification::BeginRequest.into(), "{TEXT}");
        Ok(Flow::Continue)
    });
    let host = TestHost::new().module("panics", panics).handler(text("x"));
    let connection = host.keep_alive();
    for _ in 0..5 {
        let mut req = connection.get("/");
        assert_page(&finish(&mut req), "each");
        assert_eq!(calls(&req), ["BeginRequest panics", "LogRequest panics"]);
    }
}

// All of it at once, in any order of completions: no two panics are one too many.
#[test]
fn modules_that_all_panic_leave_a_process_that_serves() {
    for seed in 0..20 {
        let host = everything().into_iter().enumerate().fold(TestHost::new(), |host, (n, there)| {
            let after = Count::default();
            host.module(format!("{n}"), panicking(there, PARTS[n % 2], false, &after))
        });
        let host = host.order(CompletionOrder::Seeded(seed)).handler(raises_all());
        let connection = host.keep_alive();
        assert_page(&finish(&mut connection.post("/panic").chunks(["x"])), "all of them");
        assert_serves(&connection, "body");
    }
}
