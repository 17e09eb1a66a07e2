//! Order of notifications and modules: semantics.md section 2.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use bivalve_core::testing::TestHost;
use bivalve_core::{
    CustomNotification, Event, Flow, Notification, Outcome, Pipeline, Priority, Registration,
};

use common::{
    With, at, calls, calls_at, deterministic, events, everywhere, finish, get, plain, post, quiet, script,
    serve, text,
};

// Section 2: "1 BEGIN, 2 AUTHENTICATE, ... 12 END_REQUEST".
const IN_ORDER: [&str; 12] = [
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

// Section 2: "each notification for all modules, then its POST notification for all modules".
#[test]
fn the_twelve_notifications_run_in_order_each_for_all_modules_and_then_its_post() {
    for modules in [&["a"][..], &["a", "b"], &["a", "b", "c"]] {
        let host = modules.iter().fold(TestHost::new(), |host, name| host.module(*name, quiet(everywhere())));
        let mut req = host.handler(text("hello")).get("/");
        assert_eq!(finish(&mut req).text(), "hello");

        let mut expected = Vec::new();
        for name in IN_ORDER {
            expected.extend(modules.iter().map(|module| format!("{name} {module}")));
            expected.extend(modules.iter().map(|module| format!("Post{name} {module}")));
        }
        assert_eq!(calls(&req), expected);
    }
}

// Section 2: the modules of a post-notification are those that asked for it, whoever ran before.
#[test]
fn a_post_notification_runs_without_anybody_at_its_notification() {
    for event in events() {
        let host = TestHost::new().module("only", quiet(at(event))).handler(text(""));
        let mut req = host.get("/");
        finish(&mut req);
        assert_eq!(calls(&req), [format!("{event} only")]);
    }
}

// Section 1: "Returning S_OK without registering anything is legal".
#[test]
fn a_module_that_registers_for_nothing_is_never_called() {
    let host = TestHost::new().module("idle", quiet(Registration::new())).handler(text("hello"));
    let (response, trace) = get(&host);
    assert_eq!((response.text(), trace.lines()), ("hello", vec!["Send 5 bytes, success".to_string()]));
}

/// Seven modules, mounted in this order.
const MOUNTED: [(&str, Option<Priority>); 7] = [
    ("last", Some(Priority::Last)),
    ("medium-1", Some(Priority::Medium)),
    ("first-1", Some(Priority::First)),
    ("high", Some(Priority::High)),
    ("medium-2", None),
    ("low", Some(Priority::Low)),
    ("first-2", Some(Priority::First)),
];

/// As they run: section 2, "FIRST > HIGH > MEDIUM > LOW > LAST, then configuration order inside one priority".
const BY_PRIORITY: [&str; 7] = ["first-1", "first-2", "high", "medium-1", "medium-2", "low", "last"];

fn with_priority(event: Event, priority: Option<Priority>) -> Registration {
    match priority {
        Some(priority) if event.is_post() => at(event).post_priority(event.notification(), priority),
        Some(priority) => at(event).priority(event.notification(), priority),
        // Section 2: "Default when not set: MEDIUM (inf)".
        None => at(event),
    }
}

fn mounted_at(event: Event) -> TestHost {
    MOUNTED.iter().fold(TestHost::new(), |host, (name, priority)| {
        host.module(*name, quiet(with_priority(event, *priority)))
    })
}

// Section 2, "Priorities": per event, and for post-notifications by a priority of their own.
#[test]
fn priorities_order_the_modules_of_each_deterministic_event() {
    for event in events() {
        let host = mounted_at(event).handler(text(""));
        assert_eq!(host.pipeline().modules_of(event).collect::<Vec<_>>(), BY_PRIORITY, "{event}");
        let mut req = host.get("/");
        finish(&mut req);
        assert_eq!(calls(&req), BY_PRIORITY.map(|name| format!("{event} {name}")));
    }
}

// Section 2, "Priorities": "Inverted for RQ_SEND_RESPONSE (FIRST runs last)"; the other three on-demand ones are not.
#[test]
fn priorities_are_inverted_for_send_response_only() {
    for (notification, inverted) in [
        (Notification::SendResponse, true),
        (Notification::ReadEntity, false),
        (Notification::MapPath, false),
        (Notification::CustomRequestNotification, false),
    ] {
        let host = mounted_at(notification.into()).handler(serve(move |cx| {
            Outcome::pending(async move {
                match notification {
                    Notification::SendResponse => drop(cx.flush().await?),
                    Notification::ReadEntity => drop(cx.read_entity(1).await?),
                    Notification::MapPath => drop(cx.map_path("/a")?),
                    _ => drop(cx.notify_custom(&mut CustomNotification::new("test")).await?),
                }
                Ok(Flow::Continue)
            })
        }));
        let mut expected = BY_PRIORITY.map(|name| format!("{notification} {name}"));
        if inverted {
            expected.reverse();
        }
        let (response, trace) = get(&host);
        assert_eq!(response.status(), 200);
        let calls = calls_at(&trace, 1);
        assert_eq!(calls[..7], expected, "{notification}");
        // What follows is the final send.
        let rest = if inverted { &expected[..] } else { &[] };
        assert_eq!(calls[7..], *rest, "{notification}");
    }
}

// Section 2, "Priorities": FIRST, HIGH, ... are given per notification, not per module.
#[test]
fn a_priority_at_one_event_moves_no_other() {
    let registration = deterministic()
        .priority(Notification::AuthorizeRequest, Priority::First)
        .post_priority(Notification::LogRequest, Priority::First);
    let pipeline = Pipeline::builder()
        .module("a", quiet(deterministic()))
        .module("b", quiet(registration))
        .build()
        .unwrap();
    for event in events() {
        let first = event == Notification::AuthorizeRequest.into() || event == post(Notification::LogRequest);
        let expected = if first { ["b", "a"] } else { ["a", "b"] };
        assert_eq!(pipeline.modules_of(event).collect::<Vec<_>>(), expected, "{event}");
    }
}

// Section 2: on-demand notifications are "raised on demand"; nobody asks, nobody is called.
#[test]
fn on_demand_notifications_are_not_raised_by_themselves() {
    let on_demand =
        Notification::ReadEntity | Notification::MapPath | Notification::CustomRequestNotification;
    let host =
        TestHost::new().module("waits", quiet(Registration::new().on(on_demand))).handler(text("hello"));
    let mut req = host.post("/a/b").body("unread");
    finish(&mut req);
    req.assert_trace(["Send 5 bytes, success"]);
}

// Section 2: "READ_ENTITY: IReadEntityProvider GetEntity/SetEntity", once per read, nested.
#[test]
fn read_entity_is_nested_in_each_read_and_may_replace_the_bytes() {
    let upper = script(at(Notification::ReadEntity), |call| {
        let With::Entity(entity) = call.with else { panic!("only ReadEntity is registered") };
        let data = entity.data().to_ascii_uppercase();
        let data = if entity.is_end() { b"!".to_vec() } else { data };
        entity.set_data(data);
        Outcome::CONTINUE
    });
    let host = TestHost::new().module("upper", upper).handler(common::echo());
    let mut req = host.post("/").chunks(["he", "llo"]);
    assert_eq!(finish(&mut req).text(), "HELLO!");
    req.assert_trace([
        "Read 2 bytes, success",
        "  ReadEntity upper -> Continue",
        "Read 3 bytes, success",
        "  ReadEntity upper -> Continue",
        "Read 0 bytes, success",
        "  ReadEntity upper -> Continue",
        "Send 6 bytes, success",
    ]);
}

// Section 2, READ_ENTITY: a filter may keep bytes back (a decoder that needs more). An empty read says that the body
// has ended, so the reader must not see one before.
#[test]
fn a_read_entity_filter_that_keeps_bytes_back_does_not_end_the_body() {
    #[derive(Default)]
    struct Held(Vec<u8>);

    let pairs = script(at(Notification::ReadEntity), |call| {
        let With::Entity(entity) = call.with else { panic!("only ReadEntity is registered") };
        let held = call.cx.state_mut::<Held>();
        held.0.extend_from_slice(entity.data());
        let whole = if entity.is_end() { held.0.len() } else { held.0.len() / 3 * 3 };
        let out: Vec<u8> = held.0.drain(..whole).collect();
        entity.set_data(out);
        Outcome::CONTINUE
    });
    let host = TestHost::new().module("pairs", pairs).handler(common::echo());
    let response = finish(&mut host.post("/").chunks(["a", "b", "cd", "e", "f", "g"]));
    assert_eq!(response.text(), "abcdefg");
}

// Section 2: MAP_PATH, nested inside whatever called MapPath. Each module sees what the one before made of it.
#[test]
fn map_path_is_nested_and_each_module_may_change_the_path() {
    let add = |what: &'static str, flow: Flow| {
        script(at(Notification::MapPath), move |call| {
            let With::Path(mapping) = call.with else { panic!("only MapPath is registered") };
            assert_eq!(mapping.url(), "/docs/a b.txt");
            let path = mapping.physical_path().join(what);
            mapping.set_physical_path(path);
            flow.into()
        })
    };
    let app = bivalve_core::Application::builder().root("/srv").build();
    let host = TestHost::new()
        .application(app)
        .module("one", add("1", Flow::Continue))
        // inferred.rs: "Finish from MapPath: the modules after it are not asked; the mapping stands".
        .module("two", add("2", Flow::Finish))
        .module("three", add("3", Flow::Continue))
        .module(
            "asks",
            plain(at(Notification::BeginRequest), |cx, _| {
                let path = cx.map_path("/docs/a%20b.txt")?;
                cx.response_mut().write(path.to_string_lossy().replace('\\', "/"))?;
                Ok(Flow::Continue)
            }),
        )
        .handler(text("."));
    let mut req = host.get("/");
    assert_eq!(finish(&mut req).text(), "/srv/docs/a b.txt/1/2.", "the request was not finished");
    req.assert_trace([
        "BeginRequest asks -> Continue",
        "  MapPath one -> Continue",
        "  MapPath two -> Finish",
        "Send 22 bytes, success",
    ]);
}

// Section 2: CUSTOM_NOTIFICATION, nested inside whatever called NotifyCustomNotification.
#[test]
fn a_custom_notification_is_nested_and_carries_a_value_both_ways() {
    let answers = |name: &'static str, flow: Flow| {
        script(at(Notification::CustomRequestNotification), move |call| {
            Outcome::pending(async move {
                let With::Custom(custom) = call.with else { panic!("only custom is registered") };
                common::once().await;
                assert_eq!(custom.unique_id(), "test/names");
                custom.data_mut::<Vec<&str>>().expect("the caller gave a list").push(name);
                Ok(flow)
            })
        })
    };
    let host = TestHost::new()
        .module("one", answers("one", Flow::Continue))
        // inferred.rs: "Finish from a custom notification: handed to the caller of notify_custom, who decides".
        .module("two", answers("two", Flow::Finish))
        .module("three", answers("three", Flow::Continue))
        .handler(serve(|cx| {
            Outcome::pending(async move {
                let mut custom = CustomNotification::new("test/names").with_data(Vec::<&str>::new());
                let flow = cx.notify_custom(&mut custom).await?;
                let names = custom.data::<Vec<&str>>().expect("it is still there").join(" ");
                cx.write(format!("{names} {flow:?}")).await?;
                Ok(Flow::Continue)
            })
        }));
    let (response, trace) = get(&host);
    assert_eq!(response.text(), "one two Finish");
    assert_eq!(calls_at(&trace, 1), ["CustomRequestNotification one", "CustomRequestNotification two"]);
}
