//! Modules inside a fake IIS: what reaches them, and what becomes of what they do.

#![allow(clippy::panic, clippy::unwrap_used)]

mod support;

use bivalve_core::{
    Context, CustomNotification, Event, Flow, Module, Notification, Outcome, Priority, Registration, Result,
    Sending, User,
};
use http::{HeaderValue, StatusCode};
use support::{World, register, register_with};

type Method = fn(&mut Context, Event) -> Result<Flow>;

/// One function for all events that were asked for.
struct Sync(Registration, Method);

macro_rules! methods {
    ($($method:ident: $event:expr;)+) => {
        $(
            fn $method<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
                Outcome::Ready((self.1)(cx, $event))
            }
        )+
    };
}

impl Module for Sync {
    fn registration(&self) -> Registration {
        let all = self.0.notifications();
        self.0.clone().synchronous(all).post_synchronous(self.0.post_notifications())
    }

    methods! {
        on_begin_request: Notification::BeginRequest.into();
        on_authenticate_request: Notification::AuthenticateRequest.into();
        on_map_request_handler: Notification::MapRequestHandler.into();
        on_execute_request_handler: Notification::ExecuteRequestHandler.into();
        on_post_execute_request_handler: Event::post(Notification::ExecuteRequestHandler).unwrap();
        on_log_request: Notification::LogRequest.into();
        on_end_request: Notification::EndRequest.into();
    }

    fn on_send_response<'a>(&'a self, cx: &'a mut Context, _: &'a mut Sending) -> Outcome<'a> {
        Outcome::Ready((self.1)(cx, Notification::SendResponse.into()))
    }

    fn on_custom_request_notification<'a>(
        &'a self,
        _: &'a mut Context,
        custom: &'a mut CustomNotification,
    ) -> Outcome<'a> {
        if let Some(number) = custom.data_mut::<u32>() {
            *number += 1;
        }
        Outcome::CONTINUE
    }
}

fn on(notifications: impl Into<bivalve_core::Notifications>) -> Registration {
    Registration::new().on(notifications)
}

#[test]
fn hello_world_answers_and_finishes() {
    let module = Sync(on(Notification::BeginRequest | Notification::ExecuteRequestHandler), |cx, event| {
        assert_eq!(event.notification(), Notification::BeginRequest, "the request was finished");
        assert_eq!(cx.request().method(), "GET");
        assert_eq!(cx.request().url(), "/a?b=c");
        assert_eq!(cx.request().header("host"), Some("example.com"));
        cx.response_mut().set_header("content-type", "text/plain")?;
        cx.response_mut().set_header("set-cookie", "a=1")?;
        cx.response_mut().append_header("set-cookie", "b=2")?;
        cx.response_mut().set_status(StatusCode::IM_A_TEAPOT);
        cx.response_mut().write("Hello World!")?;
        Ok(Flow::Finish)
    });
    let registered = register("Hello", module);
    assert_eq!((registered.mask, registered.post), (0x1 | 0x80 | 0x10, 0));
    let world = World::new("GET", "/a?b=c");
    world.mount(&registered).run();
    assert_eq!((world.status(), world.text().as_str()), (418, "Hello World!"));
    assert_eq!(world.header("content-type"), ["text/plain"]);
    assert_eq!(world.header("set-cookie"), ["a=1", "b=2"]);
}

#[test]
fn a_name_that_is_not_exported_is_refused() {
    let registered = register_with("Nobody", |_| None);
    assert_eq!(registered.result, bivalve_iis_sys::hresult::from_win32(1168));
}

#[test]
fn a_server_may_start_more_often_in_one_process_than_a_pipeline_takes_modules() {
    let hello = || {
        Sync(on(Notification::BeginRequest), |cx, _| cx.response_mut().write("hello").map(|()| Flow::Finish))
    };
    // One that stays, before and behind places that others leave.
    let stays = register("Stays", hello());
    let ask = |registered: &support::Registered| {
        let world = World::new("GET", "/");
        world.mount(registered).run();
        assert_eq!((world.status(), world.text().as_str()), (200, "hello"));
    };
    for start in 0..=bivalve_core::limits::MAX_MODULES {
        let registered = register("Starts", hello());
        if start % 100 == 0 {
            ask(&registered);
            ask(&stays);
        }
    }
    ask(&register("Starts", hello()));
    ask(&stays);
}

#[test]
fn priorities_are_told() {
    let registration = on(Notification::BeginRequest).priority(Notification::BeginRequest, Priority::High);
    let registered = register("Prior", Sync(registration, |_, _| Ok(Flow::Continue)));
    assert_eq!(registered.priorities, [(1, "HIGH".to_string())]);
}

#[test]
fn what_one_module_changes_another_sees() {
    let first = register(
        "First",
        Sync(on(Notification::BeginRequest), |cx, _| {
            cx.request_mut().set_header("x-a", "1")?;
            cx.response_mut().headers_mut().insert("x-b", HeaderValue::from_static("2"));
            cx.shared_mut().insert(7_u32);
            cx.response_mut().write("one ")?;
            Ok(Flow::Continue)
        }),
    );
    let second = register(
        "Second",
        Sync(on(Notification::ExecuteRequestHandler), |cx, _| {
            assert_eq!(cx.request().header("x-a"), Some("1"));
            assert_eq!(cx.response().headers()["x-b"], "2");
            assert_eq!(cx.response().entity_len(), 4);
            cx.response_mut().headers_mut().remove("x-b");
            cx.response_mut().write("two")?;
            Ok(Flow::Continue)
        }),
    );
    let world = World::new("GET", "/");
    world.mount(&first).mount(&second).run();
    assert_eq!(world.text(), "one two");
    assert!(world.header("x-b").is_empty());
}

#[test]
fn an_error_is_answered_and_what_was_written_is_gone() {
    let module = Sync(on(Notification::BeginRequest), |cx, _| {
        cx.response_mut().write("secret")?;
        Err(bivalve_core::Error::new(StatusCode::FORBIDDEN, "no").with_sub_status(2))
    });
    let world = World::new("GET", "/");
    world.mount(&register("Failing", module)).run();
    assert_eq!((world.status(), world.text().as_str()), (403, "Forbidden"));
    assert_eq!(world.state.lock().unwrap().status, (403, 2));
}

#[test]
fn a_panic_is_answered_with_500_and_the_next_request_works() {
    let module = Sync(on(Notification::BeginRequest | Notification::LogRequest), |cx, event| {
        assert_eq!(event.notification(), Notification::BeginRequest, "skipped after a panic");
        if cx.request().url() == "/panic" {
            panic!("boom");
        }
        cx.response_mut().write("fine")?;
        cx.disable_notifications(Notification::LogRequest, bivalve_core::Notifications::NONE);
        Ok(Flow::Continue)
    });
    let registered = register("Panicking", module);
    let world = World::new("GET", "/panic");
    world.mount(&registered).run();
    assert_eq!(world.status(), 500);
    let world = World::new("GET", "/");
    world.mount(&registered);
    world.raise(1, false);
    assert_eq!(world.state.lock().unwrap().log, ["DisableNotifications 0x400 0x0"]);
    world.send(false);
    world.end();
    assert_eq!((world.status(), world.text().as_str()), (200, "fine"));
}

#[test]
fn a_user_and_a_handler_reach_iis() {
    let module =
        Sync(on(Notification::AuthenticateRequest | Notification::ExecuteRequestHandler), |cx, event| {
            if event.notification() == Notification::AuthenticateRequest {
                cx.set_user(User::new("ada", "Basic"));
                cx.set_handler();
            } else {
                let name = cx.user().map(User::name).unwrap_or_default().to_string();
                cx.response_mut().write(name)?;
            }
            Ok(Flow::Continue)
        });
    let world = World::new("GET", "/");
    world.mount(&register("Chosen", module)).run();
    assert_eq!(world.text(), "ada");
    assert_eq!(world.state.lock().unwrap().log, ["handler Chosen"]);
}

#[test]
fn paths_are_checked_by_us_and_mapped_by_iis() {
    let module = Sync(on(Notification::BeginRequest), |cx, _| {
        let path = cx.map_path("/a%20b.txt")?;
        assert!(cx.map_path("/../x").is_err());
        cx.response_mut().write(path.to_string_lossy().into_owned())?;
        Ok(Flow::Finish)
    });
    let world = World::new("GET", "/");
    world.mount(&register("Mapping", module)).run();
    assert_eq!(world.text(), "/site/a b.txt");
}

#[test]
fn a_filter_at_send_response_replaces_the_body() {
    let module = Sync(on(Notification::SendResponse | Notification::ExecuteRequestHandler), |cx, event| {
        if event.notification() == Notification::SendResponse {
            let text = cx.response().chunks().len().to_string();
            cx.response_mut().set_chunks([format!("{text} chunks").into()])?;
            cx.response_mut().set_header("x-filtered", "yes")?;
        } else {
            cx.response_mut().write("a")?;
            cx.response_mut().write("b")?;
        }
        Ok(Flow::Continue)
    });
    let world = World::new("GET", "/");
    world.mount(&register("Filter", module)).run();
    assert_eq!(world.text(), "2 chunks");
    assert_eq!(world.header("x-filtered"), ["yes"]);
}
