//! What the host keeps to when modules drop what they have started. Rules: `src/waiting.rs` and `src/host.rs`.

#![allow(clippy::panic, clippy::unwrap_used)]

mod support;

use std::sync::Arc;
use std::task::Poll;

use bivalve_core::{
    ChildRequest, Context, CustomNotification, Error, Flow, Module, ModuleFuture, Notification, Outcome,
    Registration, Sending,
};
use bivalve_iis_sys::codes::REQUEST_NOTIFICATION_STATUS as Status;
use support::{Mode, World, register};

struct Asks(for<'a> fn(&'a mut Context) -> ModuleFuture<'a>);

impl Module for Asks {
    fn registration(&self) -> Registration {
        Registration::new()
            .on(Notification::ExecuteRequestHandler | Notification::CustomRequestNotification)
            .synchronous(Notification::CustomRequestNotification)
    }
    fn on_execute_request_handler<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        Outcome::Pending((self.0)(cx))
    }
    fn on_custom_request_notification<'a>(
        &'a self,
        _: &'a mut Context,
        custom: &'a mut CustomNotification,
    ) -> Outcome<'a> {
        *custom.data_mut::<u32>().unwrap() += 1;
        Outcome::CONTINUE
    }
}

/// Polls once, and drops it: the branch of a `select!` that has lost.
async fn once<T>(future: impl Future<Output = T>) {
    let mut future = Box::pin(future);
    std::future::poll_fn(|task| {
        assert!(future.as_mut().poll(task).is_pending(), "it was to be dropped while it runs");
        Poll::Ready(())
    })
    .await;
}

async fn child(cx: &mut Context, url: &str) -> String {
    let child = ChildRequest::new(http::Method::GET, url).unwrap();
    cx.execute_request(child).await.unwrap().status().as_u16().to_string()
}

async fn custom(cx: &mut Context, name: &str, value: u32) -> String {
    let mut custom = CustomNotification::new(name).with_data(value);
    let flow = cx.notify_custom(&mut custom).await.unwrap();
    assert_eq!((flow, custom.unique_id()), (Flow::Continue, name));
    custom.data::<u32>().unwrap().to_string()
}

/// Runs it with every order of completions: what was sent, what IIS was asked for, what became of the children.
fn run(
    name: &str,
    asks: for<'a> fn(&'a mut Context) -> ModuleFuture<'a>,
    check: impl Fn(&str, &[String], &[String]),
) {
    for mode in [Mode::Early, Mode::Late] {
        for _ in 0..20 {
            let world = World::new("GET", "/");
            world.mount(&register(name, Asks(asks)));
            let clone = World::new("GET", "/");
            world.with(|state| {
                state.mode = mode;
                state.custom_later = true;
                state.child = Some(Arc::clone(&clone));
            });
            world.run();
            let state = world.state.lock().unwrap();
            assert!(state.most_outstanding <= 1, "one operation at a time");
            let text = String::from_utf8(state.wire.clone()).unwrap();
            check(&text, &state.log, &clone.state.lock().unwrap().log);
        }
    }
}

#[test]
fn a_child_waits_for_a_dropped_child_and_gets_its_own_answer() {
    run(
        "ChildChild",
        |cx| {
            Box::pin(async move {
                once(child(cx, "/a")).await;
                let answer = child(cx, "/b").await;
                cx.write(answer).await?;
                Ok(Flow::Continue)
            })
        },
        |text, _, children| {
            assert_eq!((text, children), ("200", &["released".to_string(), "released".to_string()][..]));
        },
    );
}

#[test]
fn a_custom_notification_waits_for_a_dropped_child_and_is_raised() {
    run(
        "ChildCustom",
        |cx| {
            Box::pin(async move {
                once(child(cx, "/a")).await;
                let answer = custom(cx, "ask", 41).await;
                cx.write(answer).await?;
                Ok(Flow::Continue)
            })
        },
        |text, log, children| {
            assert_eq!((text, children), ("42", &["released".to_string()][..]));
            assert_eq!(log, ["custom ask"]);
        },
    );
}

#[test]
fn a_custom_notification_waits_for_a_dropped_one_which_is_raised_as_well() {
    run(
        "CustomCustom",
        |cx| {
            Box::pin(async move {
                once(custom(cx, "first", 1)).await;
                // Not even begun: the first one still runs.
                once(custom(cx, "never", 1)).await;
                let answer = custom(cx, "second", 6).await;
                cx.write(answer).await?;
                Ok(Flow::Continue)
            })
        },
        |text, log, _| {
            assert_eq!(text, "7");
            assert_eq!(log, ["custom first", "custom second"]);
        },
    );
}

#[test]
fn a_call_that_ends_waits_for_what_it_has_dropped() {
    run(
        "Ends",
        |cx| {
            Box::pin(async move {
                once(custom(cx, "first", 1)).await;
                once(child(cx, "/never")).await;
                Ok(Flow::Continue)
            })
        },
        |_, log, children| assert_eq!((log, children), (&["custom first".to_string()][..], &[][..])),
    );
}

#[test]
fn a_module_that_panics_while_iis_runs_its_child_leaves_it_alone() {
    run(
        "Panics",
        |cx| {
            Box::pin(async move {
                once(child(cx, "/a")).await;
                panic!("boom");
            })
        },
        |_, _, children| assert_eq!(children, ["released"]),
    );
}

#[test]
fn a_skipped_module_passes_nothing_but_the_guaranteed_events() {
    struct Guard;
    impl Module for Guard {
        fn registration(&self) -> Registration {
            Registration::new()
                .on(Notification::AuthorizeRequest | Notification::SendResponse | Notification::LogRequest)
                .on_post(Notification::AuthorizeRequest)
        }
        fn on_authorize_request<'a>(&'a self, _: &'a mut Context) -> Outcome<'a> {
            Outcome::Ready(Err(Error::from_status(http::StatusCode::FORBIDDEN)))
        }
        fn on_send_response<'a>(&'a self, _: &'a mut Context, _: &'a mut Sending) -> Outcome<'a> {
            panic!("boom");
        }
    }
    for sent in [true, false] {
        let world = World::new("GET", "/");
        world.mount(&register("Guard", Guard));
        // Somebody else's flush.
        world.send(true);
        world.with(|state| state.sent = sent);
        assert_eq!(world.raise(0x4, false), Status::FINISH_REQUEST);
        assert_eq!(world.raise(0x4, true), Status::FINISH_REQUEST);
        assert_eq!(world.raise(0x400, false), Status::CONTINUE);
        let state = world.state.lock().unwrap();
        assert_eq!((state.status.0, state.reset), if sent { (state.status.0, true) } else { (500, false) });
        drop(state);
        world.send(false);
        world.end();
    }
}

#[test]
fn what_has_failed_inside_a_custom_notification_does_not_reach_the_next_call() {
    struct Nests;
    #[derive(Default)]
    struct Seen(u32);
    impl Module for Nests {
        fn registration(&self) -> Registration {
            Registration::new()
                .on(Notification::BeginRequest | Notification::SendResponse)
                .on(Notification::CustomRequestNotification)
                .synchronous(Notification::SendResponse)
        }
        fn on_custom_request_notification<'a>(
            &'a self,
            cx: &'a mut Context,
            custom: &'a mut CustomNotification,
        ) -> Outcome<'a> {
            let flushes = custom.unique_id() == "flush";
            Outcome::pending(async move {
                if flushes {
                    assert!(cx.flush().await.is_err());
                    return Err(Error::from_status(http::StatusCode::CONFLICT));
                }
                Ok(Flow::Continue)
            })
        }
        fn on_send_response<'a>(&'a self, cx: &'a mut Context, _: &'a mut Sending) -> Outcome<'a> {
            let seen = cx.state_mut::<Seen>();
            seen.0 += 1;
            if seen.0 == 1 {
                return Outcome::Ready(Err(Error::from_status(http::StatusCode::FORBIDDEN)));
            }
            Outcome::CONTINUE
        }
    }
    let world = World::new("GET", "/");
    world.mount(&register("Nests", Nests));
    assert_eq!(world.custom("flush"), Status::FINISH_REQUEST);
    assert_eq!(world.custom("other"), Status::CONTINUE);
    world.end();
}
