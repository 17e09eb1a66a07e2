//! State of a request and what modules keep beyond it: design.md section 3, semantics.md sections 1 and 6.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::{Arc, Mutex};
use std::thread;

use bivalve_core::testing::{TestHost, block_on};
use bivalve_core::{
    AlreadyAssigned, Application, Context, Error, Event, Flow, Module, Notification, Outcome, Pipeline,
    Scope, Site, Step,
};

use common::{
    Count, Log, OnDrop, assert_serves, at, deterministic, everywhere, finish, get, plain, quiet, script, text,
};

const BEGIN: Notification = Notification::BeginRequest;
const END: Notification = Notification::EndRequest;

/// A state that is counted when it is made and when it is dropped.
struct Counted {
    name: &'static str,
    _drop: OnDrop,
}

thread_local! {
    /// Made and dropped. A test and its requests run on one thread.
    static COUNTS: (Count, Count) = (Count::default(), Count::default());
}

fn counts() -> (Count, Count) {
    COUNTS.with(Clone::clone)
}

impl Default for Counted {
    fn default() -> Self {
        let (made, dropped) = counts();
        made.add();
        Self { name: "", _drop: OnDrop(dropped) }
    }
}

// design.md section 3: state "belongs to this registration (two instances of one module type do not share)".
#[test]
fn two_instances_of_one_module_type_do_not_share_state() {
    let counts = |n: usize| {
        plain(deterministic(), move |cx, event| {
            *cx.state_mut::<usize>() += n;
            if event == END.into() {
                let sum = *cx.state::<usize>();
                cx.response_mut().write(format!("{sum} "))?;
            }
            Ok(Flow::Continue)
        })
    };
    let host = TestHost::new().module("one", counts(1)).module("hundred", counts(100)).handler(text(""));
    // EndRequest is the 23rd of 24 events.
    assert_eq!(get(&host).0.text(), "23 2300 ");
}

// context.rs: several types of state, each its own; the last change is seen in every later event.
#[test]
fn state_is_by_type_and_lives_through_the_request() {
    #[derive(Default)]
    struct First(Vec<Event>);
    #[derive(Default)]
    struct Second(Vec<Event>);
    let keeps = plain(everywhere(), |cx, event| {
        cx.state_mut::<First>().0.push(event);
        if event.is_post() {
            cx.state_mut::<Second>().0.push(event);
        }
        Ok(Flow::Continue)
    });
    let host = TestHost::new().module("keeps", keeps).handler(text("x"));
    let mut req = host.get("/");
    block_on(async {
        req.run_until(Step::Done).await;
        // The final SendResponse is the 25th.
        assert_eq!(req.context().state_of::<First>().map(|s| s.0.len()), Some(25));
        assert_eq!(req.context().state_of::<Second>().map(|s| s.0.len()), Some(12));
        req.finish().await;
    });
}

// design.md section 3: "Modules look up each other's state by type, read-only."
#[test]
fn modules_find_each_others_state_by_type() {
    #[derive(Default)]
    struct Session(&'static str);
    let makes = plain(at(Notification::AcquireRequestState), |cx, _| {
        cx.state_mut::<Session>().0 = "ada";
        Ok(Flow::Continue)
    });
    let looks = plain(at(BEGIN).on(END), |cx, event| {
        let session = cx.state_of::<Session>().map_or("nobody", |session| session.0);
        cx.response_mut().write(format!("{event}: {session}. "))?;
        Ok(Flow::Continue)
    });
    let host = TestHost::new().module("looks", looks).module("makes", makes).handler(text(""));
    assert_eq!(get(&host).0.text(), "BeginRequest: nobody. EndRequest: ada. ");
}

/// What may become of a request whose state must be dropped.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Normal,
    Finish,
    Error,
    Panic,
    PanicLater,
    HandlerPanic,
    Disconnect,
    Reset,
}

const WAYS: [Way; 8] = [
    Way::Normal,
    Way::Finish,
    Way::Error,
    Way::Panic,
    Way::PanicLater,
    Way::HandlerPanic,
    Way::Disconnect,
    Way::Reset,
];

fn breaks(way: Way) -> impl Module {
    script(deterministic(), move |call| {
        let state = call.cx.state_mut::<Counted>();
        assert!(state.name.is_empty() || state.name == "mine");
        state.name = "mine";
        if !call.is(Notification::AuthorizeRequest) {
            return Outcome::CONTINUE;
        }
        match way {
            Way::Normal | Way::HandlerPanic => Outcome::CONTINUE,
            Way::Finish => Flow::Finish.into(),
            Way::Error => Outcome::Ready(Err(Error::from_status(http::StatusCode::FORBIDDEN))),
            Way::Panic => panic!("as the test wants it"),
            Way::PanicLater => Outcome::pending(async move {
                common::once().await;
                panic!("as the test wants it")
            }),
            Way::Disconnect => Outcome::pending(async move {
                call.cx.disconnector().disconnect();
                common::once().await;
                panic!("it was cancelled")
            }),
            Way::Reset => {
                call.cx.reset_connection();
                Flow::Finish.into()
            }
        }
    })
}

// Section 1: "CHttpModule::Dispose (slot 29) exactly once for each created instance", however the request ends; and not
// before its last event.
#[test]
fn state_is_dropped_exactly_once_at_the_end_however_the_request_ends() {
    for way in WAYS {
        let host = TestHost::new().module("a", breaks(way)).module("b", breaks(Way::Normal)).handler(
            move |_: &mut Context| {
                assert!(way != Way::HandlerPanic, "as the test wants it");
                Ok(Flow::Continue)
            },
        );
        let connection = host.keep_alive();
        let (made, dropped) = counts();
        for _ in 0..3 {
            let (before, gone) = (made.get(), dropped.get());
            let mut req = connection.get("/");
            block_on(async {
                req.run_until(Step::Done).await;
                assert_eq!(made.get(), before + 2, "{way:?}: one for each module");
                assert_eq!(dropped.get(), gone, "{way:?}: alive until the very end");
                req.finish().await;
            });
            assert_eq!(dropped.get(), gone + 2, "{way:?}: dropped once");
        }
        drop(host);
        assert_eq!(made.get(), dropped.get(), "{way:?}: nothing is left");
    }
}

// state.rs: made "when the request first needs it": a module that never asks has none.
#[test]
fn state_that_nobody_asks_for_is_not_made() {
    let host = TestHost::new().module("a", quiet(everywhere())).handler(text("x"));
    get(&host);
    assert_eq!(counts().0.get(), 0);
}

// state.rs: "A destructor that panics is contained": the others are dropped, and the next request has fresh state.
#[test]
fn a_state_whose_destructor_panics_is_contained() {
    #[derive(Default)]
    struct Explodes(bool);
    impl Drop for Explodes {
        fn drop(&mut self) {
            assert!(!self.0, "as the test wants it");
        }
    }
    let explodes = plain(at(BEGIN), |cx, _| {
        let lit = cx.request().url().path() == "/boom";
        assert!(!cx.state_mut::<Explodes>().0, "it is fresh");
        cx.state_mut::<Explodes>().0 = lit;
        if lit {
            cx.shared_mut().insert(Explodes(true));
        }
        Ok(Flow::Continue)
    });
    let host = TestHost::new()
        .module("before", breaks(Way::Normal))
        .module("explodes", explodes)
        .module("after", breaks(Way::Normal))
        .handler(text("x"));
    let connection = host.keep_alive();
    let (made, dropped) = counts();
    for _ in 0..3 {
        let mut req = connection.get("/boom");
        assert_eq!(finish(&mut req).text(), "x");
        assert_eq!(made.get(), dropped.get());
        assert_serves(&connection, "x");
    }
}

// The same for what a module attaches to the request or the response: it is dropped by the core as well.
#[test]
fn an_extension_whose_destructor_panics_is_contained() {
    #[derive(Clone)]
    struct Explodes(Arc<Bomb>);
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("as the test wants it")
        }
    }
    let attaches = plain(at(BEGIN), |cx, _| {
        if cx.request().url().path() == "/request" {
            cx.request_mut().extensions_mut().insert(Explodes(Arc::new(Bomb)));
        }
        Ok(Flow::Continue)
    });
    let host = TestHost::new().module("attaches", attaches).handler(text("x"));
    let connection = host.keep_alive();
    assert_eq!(finish(&mut connection.get("/request")).text(), "x");
    assert_serves(&connection, "x");
    // It was read, or the compiler would say so.
    let _ = |explodes: Explodes| explodes.0;
}

// context.rs: "It is dropped when the request ends": nothing of it reaches the next request on the same context.
#[test]
fn the_next_request_on_the_context_sees_nothing_of_the_last() {
    let log = Log::default();
    let said = log.clone();
    let leaves = plain(at(BEGIN), move |cx, _| {
        let old = [
            cx.state_mut::<Vec<u8>>().len(),
            usize::from(cx.shared().get::<u8>().is_some()),
            usize::from(cx.user().is_some()),
            usize::from(cx.server_variable("X_LEFT").is_some()),
            usize::from(cx.request().extensions().get::<u8>().is_some()),
            cx.response().headers().len(),
            usize::from(cx.response().trailers().is_some()),
            usize::from(!cx.response().is_buffering()),
            cx.response().chunks().len(),
            usize::from(cx.response().status() != http::StatusCode::OK),
        ];
        said.say(format!("{old:?}"));
        cx.state_mut::<Vec<u8>>().push(1);
        cx.shared_mut().insert(1_u8);
        cx.set_user(bivalve_core::User::new("ada", "Basic"));
        cx.set_server_variable("X_LEFT", "1")?;
        cx.request_mut().extensions_mut().insert(1_u8);
        cx.request_mut().insert_entity("left over");
        cx.request_mut().set_url("/rewritten")?;
        let response = cx.response_mut();
        response.set_status_code(201, 7)?;
        response.set_header("x-left", "1")?;
        response.trailers_mut().insert("x-left", http::HeaderValue::from_static("1"));
        response.disable_buffering();
        response.extensions_mut().insert(1_u8);
        response.write("left")?;
        Ok(Flow::Finish)
    });
    let host = TestHost::new().module("leaves", leaves);
    let connection = host.keep_alive();
    for url in ["/one", "/two"] {
        let mut req = connection.get(url);
        assert_eq!(req.context().request().url().path(), url);
        assert_eq!(req.context().request().original_url().path(), url);
        let response = finish(&mut req);
        assert_eq!((response.status().as_u16(), response.text()), (201, "left"));
        assert_eq!(response.headers().len(), 1);
    }
    let fresh = format!("{:?}", [0; 10]);
    assert_eq!(log.take(), [fresh.clone(), fresh]);
}

/// Keeps a number in a scope, and writes what it finds there first.
fn keeps(scope: Scope, value: u32) -> impl Module {
    plain(at(BEGIN), move |cx, _| {
        let found = cx.module_context::<u32>(scope).map_or(0, |found| *found);
        let _ = cx.set_module_context(scope, Arc::new(value));
        cx.response_mut().write(format!("{found} "))?;
        Ok(Flow::Continue)
    })
}

// Section 6: one container per connection, application and site; each lives as long as it.
#[test]
fn each_scope_lives_as_long_as_what_it_is_named_after() {
    for scope in [Scope::Connection, Scope::Application, Scope::Site] {
        let host = TestHost::new().module("keeps", keeps(scope, 7)).handler(text(""));
        let (first, second) = (host.keep_alive(), host.keep_alive());
        let found: Vec<String> = [&first, &first, &second, &first]
            .into_iter()
            .map(|connection| finish(&mut connection.get("/")).text().trim().to_string())
            .collect();
        let expected = if scope == Scope::Connection { ["0", "7", "0", "7"] } else { ["0", "7", "7", "7"] };
        assert_eq!(found, expected, "{scope:?}");
    }
}

// Section 6: "IIS calls CleanupStoredContext exactly once when the container dies".
#[test]
fn what_a_scope_keeps_is_dropped_once_with_it() {
    for scope in [Scope::Connection, Scope::Application, Scope::Site] {
        let dropped = Count::default();
        let counted = dropped.clone();
        let keeps = plain(at(BEGIN), move |cx, _| {
            let _ = cx.set_module_context(scope, Arc::new(OnDrop(counted.clone())));
            Ok(Flow::Continue)
        });
        let host = TestHost::new().module("keeps", keeps).handler(text(""));
        let connection = host.keep_alive();
        finish(&mut connection.get("/"));
        // A second value is refused, and dropped by whoever offered it.
        finish(&mut connection.get("/"));
        assert_eq!(dropped.get(), 1, "{scope:?}");
        drop(connection);
        assert_eq!(dropped.get(), 1 + usize::from(scope == Scope::Connection), "{scope:?}");
        drop(host);
        assert_eq!(dropped.get(), 2, "{scope:?}");
    }
}

// Section 6: "SetModuleContext: once per container and module, else ERROR_ALREADY_ASSIGNED".
#[test]
fn a_second_value_in_a_scope_is_already_assigned() {
    for scope in [Scope::Connection, Scope::Application, Scope::Site] {
        let assigns = plain(at(BEGIN), move |cx, _| {
            assert!(cx.module_context::<u32>(scope).is_none());
            assert_eq!(cx.set_module_context(scope, Arc::new(1_u32)), Ok(()));
            assert_eq!(cx.set_module_context(scope, Arc::new(2_u32)), Err(AlreadyAssigned));
            assert_eq!(cx.set_module_context(scope, Arc::new("other")), Err(AlreadyAssigned));
            assert_eq!(cx.module_context::<u32>(scope).as_deref(), Some(&1));
            // The wrong type finds nothing, and cannot take its place.
            assert_eq!(cx.module_context::<u64>(scope), None);
            assert_eq!(cx.module_context_or_insert_with(scope, || 3_u64), Err(AlreadyAssigned));
            assert_eq!(cx.module_context_or_insert_with(scope, || 3_u32).as_deref(), Ok(&1));
            Ok(Flow::Continue)
        });
        // As an error it is one of the module, with a text that says what to do.
        let fails = plain(at(BEGIN), move |cx, _| {
            cx.set_module_context(scope, Arc::new(1_u32))?;
            let error = Error::from(cx.set_module_context(scope, Arc::new(1_u32)).unwrap_err());
            assert!(error.to_string().contains("has stored a value in this scope already"), "{error}");
            Err(error)
        });
        let host = TestHost::new().module("assigns", assigns).module("fails", fails).handler(text(""));
        assert_eq!(get(&host).0.status(), 500, "{scope:?}");
    }
}

// Section 6, by module: neither another module nor the other scopes see it.
#[test]
fn scopes_and_modules_keep_apart() {
    let host = TestHost::new()
        .module("connection", keeps(Scope::Connection, 1))
        .module("application", keeps(Scope::Application, 2))
        .module("site", keeps(Scope::Site, 3))
        .module("again", keeps(Scope::Site, 4))
        .handler(text(""));
    let connection = host.keep_alive();
    assert_eq!(finish(&mut connection.get("/")).text(), "0 0 0 0 ");
    assert_eq!(finish(&mut connection.get("/")).text(), "1 2 3 4 ");
}

// A site has several applications, each with a pipeline of its own: what one module keeps there is its own, not that of
// whichever module is mounted at the same place in another pipeline. The same module, by its name, finds it again.
#[test]
fn pipelines_that_share_a_site_or_an_application_do_not_mix_their_modules() {
    for scope in [Scope::Application, Scope::Site] {
        let site = Arc::new(Site::new(1, "shared"));
        let application = Arc::new(Application::default());
        let host = |name: &str, value| {
            TestHost::new()
                .site(Arc::clone(&site))
                .application(Arc::clone(&application))
                .module(name, keeps(scope, value))
                .handler(text(""))
        };
        assert_eq!(get(&host("audit", 1)).0.text(), "0 ");
        assert_eq!(get(&host("cache", 2)).0.text(), "0 ", "{scope:?}: another module");
        assert_eq!(get(&host("audit", 3)).0.text(), "1 ", "{scope:?}: the same module");
    }
}

// context.rs: "When two requests make one at the same time, one wins and both get it."
#[test]
fn requests_that_race_for_a_scope_get_the_same_value() {
    let found: Arc<Mutex<Vec<usize>>> = Arc::default();
    let seen = Arc::clone(&found);
    let races = plain(at(BEGIN), move |cx, _| {
        let made = Arc::new(());
        let value = cx.module_context_or_insert_with(Scope::Application, || made)?;
        seen.lock().unwrap().push(Arc::as_ptr(&value).addr());
        Ok(Flow::Continue)
    });
    let host = Arc::new(TestHost::new().module("races", races).handler(text("")));
    let requests: Vec<_> = (0..8)
        .map(|_| {
            let mut req = host.get("/");
            thread::spawn(move || finish(&mut req).status())
        })
        .collect();
    requests.into_iter().for_each(|thread| assert_eq!(thread.join().unwrap(), 200));
    let mut found = found.lock().unwrap().clone();
    assert_eq!(found.len(), 8);
    found.dedup();
    assert_eq!(found.len(), 1);
}

// decisions/0008 and context.rs: a service has state of its own, as the modules have.
#[test]
fn a_service_has_state_that_no_module_shares() {
    let counts = plain(at(BEGIN).on(END), |cx, _| {
        *cx.state_mut::<usize>() += 1;
        Ok(Flow::Continue)
    });
    let host = TestHost::new().module("counts", counts).handler(|cx: &mut Context| {
        assert_eq!(*cx.state_mut::<usize>(), 0);
        *cx.state_mut::<usize>() = 100;
        Ok(Flow::Continue)
    });
    let mut req = host.get("/");
    block_on(async {
        req.run_until(Step::Done).await;
        assert_eq!(req.context().state_of::<usize>(), Some(&2));
        assert_eq!(req.finish().await.status(), 200);
    });
    assert!(Pipeline::builder().build().is_ok());
}

// A host that gives up halfway, at its own shutdown: what waits is dropped, state with it, and nobody outside is left
// waiting for the end of the request.
#[test]
fn a_request_that_is_dropped_halfway_lets_go_of_everything() {
    let dropped = Count::default();
    let counted = dropped.clone();
    let kept = Arc::new(Mutex::new(None));
    let slot = Arc::clone(&kept);
    let waits = script(at(BEGIN), move |call| {
        let guard = OnDrop(counted.clone());
        let slot = Arc::clone(&slot);
        Outcome::pending(async move {
            let _guard = guard;
            let _ = call.cx.state_mut::<Counted>();
            *slot.lock().unwrap() = Some(call.cx.completion_handle());
            std::future::pending::<()>().await;
            Ok(Flow::Continue)
        })
    });
    let host = TestHost::new().manual().module("waits", waits);
    let mut req = host.get("/");
    let (disconnected, disconnector) = (req.context().disconnected(), req.context().disconnector());
    assert_eq!(block_on(req.step()), bivalve_core::testing::Stopped::Waiting);
    drop(req);
    let (made, state_dropped) = counts();
    assert_eq!((dropped.get(), made.get(), state_dropped.get()), (1, 1, 1));
    let handle: bivalve_core::CompletionHandle = kept.lock().unwrap().take().unwrap();
    assert_eq!(handle.post_completion(1), Err(bivalve_core::PostError::RequestEnded));
    assert_eq!(block_on(disconnected), bivalve_core::Gone::RequestEnded);
    assert!(!disconnector.disconnect());
}
