//! Modules that wait, and modules that IIS calls again meanwhile. Rules and races: `src/waiting.rs`.

#![allow(clippy::panic, clippy::unwrap_used)]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use bivalve_core::{
    ChildRequest, CompletionInfo, Context, CustomNotification, Error, Flow, Module, ModuleFuture,
    Notification, Outcome, Registration, Result, Sending,
};
use bivalve_iis_sys::CHttpModule;
use bivalve_iis_sys::codes::REQUEST_NOTIFICATION_STATUS as Status;
use bivalve_iis_sys::flags::{RQ_AUTHORIZE_REQUEST, RQ_EXECUTE_REQUEST_HANDLER, RQ_LOG_REQUEST};
use support::{Mode, World, register};

/// What a module does at ExecuteRequestHandler, and what at SendResponse.
struct Waits {
    execute: for<'a> fn(&'a mut Context) -> ModuleFuture<'a>,
    send: fn(&mut Context) -> Result<Flow>,
}

impl Module for Waits {
    fn registration(&self) -> Registration {
        Registration::new()
            .on(Notification::ExecuteRequestHandler | Notification::SendResponse)
            .on(Notification::CustomRequestNotification | Notification::EndRequest)
            .synchronous(Notification::SendResponse | Notification::EndRequest)
    }
    fn on_execute_request_handler<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        Outcome::Pending((self.execute)(cx))
    }
    fn on_send_response<'a>(&'a self, cx: &'a mut Context, _: &'a mut Sending) -> Outcome<'a> {
        Outcome::Ready((self.send)(cx))
    }
    fn on_custom_request_notification<'a>(
        &'a self,
        cx: &'a mut Context,
        custom: &'a mut CustomNotification,
    ) -> Outcome<'a> {
        *custom.data_mut::<u32>().unwrap() += 1;
        cx.state_mut::<Seen>().0 += 100;
        Outcome::CONTINUE
    }
    fn on_end_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        let seen = cx.state_mut::<Seen>().0;
        cx.response_mut().write(format!("[{seen}]")).unwrap();
        Outcome::CONTINUE
    }
}

#[derive(Default)]
struct Seen(u32);

fn pass(_: &mut Context) -> Result<Flow> {
    Ok(Flow::Continue)
}

fn count(cx: &mut Context) -> Result<Flow> {
    cx.state_mut::<Seen>().0 += 1;
    Ok(Flow::Continue)
}

fn world(
    name: &str,
    execute: for<'a> fn(&'a mut Context) -> ModuleFuture<'a>,
    send: fn(&mut Context) -> Result<Flow>,
) -> Arc<World> {
    let world = World::new("POST", "/");
    world.mount(&register(name, Waits { execute, send }));
    world
}

fn flushes<'a>(cx: &'a mut Context) -> ModuleFuture<'a> {
    Box::pin(async move {
        cx.write("one ").await?;
        cx.flush().await?;
        cx.state_mut::<Seen>().0 += 10;
        cx.write("two ").await?;
        cx.flush().await?;
        cx.write("three").await?;
        Ok(Flow::Continue)
    })
}

#[test]
fn a_flush_completes_however_it_likes() {
    for mode in [Mode::Inline, Mode::Early, Mode::Late] {
        for elsewhere in [false, true] {
            for _ in 0..20 {
                let world = world("Flushes", flushes, count);
                world.with(|state| {
                    state.mode = mode;
                    state.nest_elsewhere = elsewhere;
                });
                world.run();
                // Two flushes; the third SendResponse comes after EndRequest has written.
                assert_eq!(world.text(), "one two three[12]", "{mode:?}");
                assert!(world.state.lock().unwrap().most_outstanding <= 1);
            }
        }
    }
}

#[test]
fn a_body_is_read_however_it_comes() {
    for mode in [Mode::Inline, Mode::Early, Mode::Late] {
        let world = world(
            "Reads",
            |cx| {
                Box::pin(async move {
                    loop {
                        let part = cx.read_entity(3).await?;
                        if part.is_empty() {
                            return Ok(Flow::Continue);
                        }
                        cx.write(part).await?;
                        cx.write("|").await?;
                    }
                })
            },
            pass,
        );
        world.with(|state| {
            state.mode = mode;
            state.body = vec![b"hello".to_vec(), b"you".to_vec()];
        });
        world.run();
        assert_eq!(world.text(), "hel|lo|you|[0]", "{mode:?}");
    }
}

#[test]
fn a_timer_of_tokio_goes_on_on_the_runtime_and_is_posted_once() {
    let world = world(
        "Sleeps",
        |cx| {
            Box::pin(async move {
                tokio::time::sleep(Duration::from_millis(5)).await;
                let name = std::thread::current().name().unwrap_or_default().to_string();
                cx.write(name).await?;
                cx.flush().await?;
                Ok(Flow::Continue)
            })
        },
        count,
    );
    world.with(|state| state.mode = Mode::Early);
    world.run();
    assert_eq!(world.text(), "bivalve-iis[1]");
}

#[test]
fn what_ends_on_the_runtime_is_posted() {
    let world = world(
        "Posts",
        |_| {
            Box::pin(async move {
                tokio::time::sleep(Duration::from_millis(5)).await;
                Ok(Flow::Finish)
            })
        },
        pass,
    );
    world.run();
    let state = world.state.lock().unwrap();
    assert_eq!(state.log, ["PostCompletion"]);
    assert_eq!(state.finals, 1);
}

#[test]
fn explicit_completions_arrive_at_on_async_completion() {
    struct Explicit;
    impl Module for Explicit {
        fn registration(&self) -> Registration {
            Registration::new()
                .on(Notification::ExecuteRequestHandler)
                .synchronous(Notification::ExecuteRequestHandler)
        }
        fn on_execute_request_handler<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
            let handle = cx.completion_handle();
            std::thread::spawn(move || {
                std::thread::yield_now();
                handle.post_completion(5)
            });
            Flow::Pending.into()
        }
        fn on_async_completion<'a>(&'a self, cx: &'a mut Context, done: CompletionInfo) -> Outcome<'a> {
            cx.response_mut().write(format!("{}", done.completion().bytes())).unwrap();
            if done.completion().bytes() == 5 {
                cx.start_write("more").unwrap();
                return Flow::Pending.into();
            }
            Flow::Continue.into()
        }
    }
    let registered = register("Explicit", Explicit);
    for _ in 0..50 {
        let world = World::new("GET", "/");
        world.with(|state| state.mode = Mode::Early);
        world.mount(&registered).run();
        assert_eq!(world.text(), "5more4");
    }
}

#[test]
fn a_disconnect_cancels_what_waits_and_the_request_still_ends() {
    static DROPPED: AtomicUsize = AtomicUsize::new(0);
    struct Guard;
    impl Drop for Guard {
        fn drop(&mut self) {
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
    }
    let world = world(
        "Cancelled",
        |_| {
            Box::pin(async move {
                let _guard = Guard;
                std::future::pending::<()>().await;
                Ok(Flow::Continue)
            })
        },
        pass,
    );
    let other = Arc::clone(&world);
    let client = std::thread::spawn(move || {
        while !other.state.lock().unwrap().returned {
            std::thread::yield_now();
        }
        other.disconnect();
    });
    assert_eq!(world.raise(0x80, false), bivalve_iis_sys::codes::REQUEST_NOTIFICATION_STATUS::FINISH_REQUEST);
    client.join().unwrap();
    world.raise(0x800, false);
    world.end();
    assert_eq!(DROPPED.load(Ordering::Relaxed), 1);
    // Too late, and for nobody.
    world.disconnect();
}

#[test]
fn a_read_that_nobody_waits_for_is_cancelled_when_a_write_must_start() {
    let world = world(
        "Duplex",
        |cx| {
            Box::pin(async move {
                let read = tokio::time::timeout(Duration::from_millis(5), cx.read_entity(10)).await;
                assert!(read.is_err(), "the client sends nothing yet");
                cx.write("hello").await?;
                cx.flush().await?;
                let read = cx.read_entity(10).await?;
                cx.write(read).await?;
                Ok(Flow::Continue)
            })
        },
        pass,
    );
    world.with(|state| {
        state.mode = Mode::Late;
        state.hang_read = true;
        state.body = vec![b"later".to_vec()];
    });
    world.run();
    assert_eq!(world.text(), "hellolater[0]");
    assert_eq!(world.state.lock().unwrap().cancelled, 1);
}

#[test]
fn a_custom_notification_carries_its_value_to_modules_of_this_dll() {
    let world = world(
        "Custom",
        |cx| {
            Box::pin(async move {
                let mut custom = CustomNotification::new("count").with_data(41_u32);
                cx.state_mut::<Seen>().0 = 5;
                cx.notify_custom(&mut custom).await?;
                cx.write(custom.data::<u32>().unwrap().to_string()).await?;
                Ok(Flow::Continue)
            })
        },
        pass,
    );
    world.run();
    assert_eq!(world.text(), "42[105]");
}

#[test]
fn a_child_request_is_a_clone_that_iis_runs() {
    let world = world(
        "Parent",
        |cx| {
            Box::pin(async move {
                let child =
                    ChildRequest::new(http::Method::PUT, "/child?x=1")?.header("x-a", "b")?.body("body");
                let answer = cx.execute_request(child).await?;
                assert_eq!(answer.headers()["x-child"], "yes");
                cx.write(format!("{}", answer.status().as_u16())).await?;
                Ok(Flow::Continue)
            })
        },
        pass,
    );
    let child = World::new("GET", "/");
    child.with(|state| {
        state.status = (202, 0);
        state.headers = vec![("X-Child".into(), "yes".into())];
    });
    world.with(|state| state.child = Some(Arc::clone(&child)));
    world.run();
    assert_eq!(world.text(), "202[0]");
    let state = child.state.lock().unwrap();
    assert_eq!((state.method.as_str(), state.url.as_str()), ("PUT", "/child?x=1"));
    assert!(state.request_headers.contains(&("x-a".into(), "b".into())));
    assert_eq!(
        (state.body.concat().as_slice(), state.log.as_slice()),
        (&b"body"[..], &["released".to_string()][..])
    );
}

#[test]
fn a_failure_at_send_response_is_answered_and_the_flush_fails() {
    let world = world(
        "FailsNested",
        |cx| {
            Box::pin(async move {
                cx.write("secret").await?;
                let flushed = cx.flush().await;
                assert!(flushed.is_err());
                cx.write("more").await?;
                Ok(Flow::Continue)
            })
        },
        |cx| {
            if cx.response().headers_sent() || cx.state_mut::<Seen>().0 > 0 {
                return Ok(Flow::Continue);
            }
            cx.state_mut::<Seen>().0 += 1;
            Err(Error::from_status(http::StatusCode::FORBIDDEN))
        },
    );
    world.run();
    assert_eq!(world.status(), 403);
    assert!(!world.text().contains("secret"), "{}", world.text());
}

#[test]
fn a_module_may_wait_at_send_response_inside_its_own_flush() {
    struct Slow;
    impl Module for Slow {
        fn registration(&self) -> Registration {
            Registration::new().on(Notification::ExecuteRequestHandler | Notification::SendResponse)
        }
        fn on_execute_request_handler<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
            Outcome::pending(async move {
                cx.write("a").await?;
                cx.flush().await?;
                cx.write("b").await?;
                Ok(Flow::Continue)
            })
        }
        fn on_send_response<'a>(&'a self, cx: &'a mut Context, _: &'a mut Sending) -> Outcome<'a> {
            Outcome::pending(async move {
                tokio::time::sleep(Duration::from_millis(3)).await;
                let seen = cx.state_mut::<Seen>();
                seen.0 += 1;
                let mark = format!("<{}>", seen.0);
                cx.response_mut().write(mark)?;
                Ok(Flow::Continue)
            })
        }
    }
    let registered = register("Slow", Slow);
    for mode in [Mode::Inline, Mode::Early, Mode::Late] {
        let world = World::new("GET", "/");
        world.with(|state| state.mode = mode);
        world.mount(&registered).run();
        assert_eq!(world.text(), "a<1>b<2>", "{mode:?}");
    }
}

#[test]
fn a_nested_event_on_another_thread_waits_for_the_state_until_it_is_let_go() {
    static GATE: (Mutex<u32>, Condvar) = (Mutex::new(0), Condvar::new());
    fn gate(from: u32, to: u32) {
        let mut state = GATE.1.wait_while(GATE.0.lock().unwrap(), |state| *state < from).unwrap();
        *state = (*state).max(to);
        GATE.1.notify_all();
    }
    let world = world(
        "Guarded",
        |cx| {
            Box::pin(async move {
                let seen = cx.state_mut::<Seen>();
                seen.0 = 1;
                gate(0, 1);
                // The other thread is about to ask, or waits already.
                gate(2, 2);
                std::thread::sleep(Duration::from_millis(10));
                seen.0 += 1;
                cx.flush().await?;
                Ok(Flow::Continue)
            })
        },
        |cx| {
            gate(1, 2);
            let seen = cx.state_mut::<Seen>();
            assert!(seen.0 >= 2, "seen half-way");
            seen.0 += 10;
            Ok(Flow::Continue)
        },
    );
    let other = Arc::clone(&world);
    let background = std::thread::spawn(move || {
        drop(GATE.1.wait_while(GATE.0.lock().unwrap(), |state| *state < 1).unwrap());
        other.send(true);
    });
    world.raise(0x80, false);
    background.join().unwrap();
    world.raise(0x800, false);
    world.send(false);
    world.end();
    assert_eq!(world.text(), "[22]");
}

#[test]
fn a_completion_that_nobody_waits_for_lets_nobody_pass() {
    static WAITS: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());
    let world = world(
        "Guards",
        |_| {
            Box::pin(async move {
                let released = || {
                    let done = WAITS.0.lock().unwrap();
                    *WAITS.1.wait_while(done, |done| !*done).unwrap()
                };
                assert!(tokio::task::spawn_blocking(released).await.unwrap());
                Err(Error::from_status(http::StatusCode::FORBIDDEN))
            })
        },
        pass,
    );
    let object = world.state.lock().unwrap().modules[0].object;
    let stray = |world: &World, bit: u32| {
        // SAFETY: the object lives until `end`; no completion is an empty one.
        unsafe {
            let info = std::ptr::null_mut();
            CHttpModule::on_async_completion(object, world.context(), bit, 0, std::ptr::null_mut(), info)
        }
    };
    // Nobody waits at all: IIS asks, and has to be told something.
    for bit in [RQ_EXECUTE_REQUEST_HANDLER, 1 << 30] {
        world.with(|state| state.status = (200, 0));
        assert_eq!(stray(&world, bit), Status::FINISH_REQUEST);
        assert_eq!(world.state.lock().unwrap().status.0, 500);
    }
    assert_eq!(stray(&world, RQ_LOG_REQUEST), Status::CONTINUE);
    world.with(|state| state.status = (200, 0));
    let inner = Arc::clone(&world);
    let notifies = std::thread::spawn(move || inner.notify(0, RQ_EXECUTE_REQUEST_HANDLER, false));
    {
        let state = world.state.lock().unwrap();
        drop(world.changed.wait_while(state, |state| !state.returned).unwrap());
    }
    for bit in [RQ_EXECUTE_REQUEST_HANDLER, RQ_AUTHORIZE_REQUEST, 1 << 30] {
        assert_eq!(stray(&world, bit), Status::PENDING, "the guard has not answered");
    }
    *WAITS.0.lock().unwrap() = true;
    WAITS.1.notify_all();
    assert_eq!(notifies.join().unwrap(), Status::FINISH_REQUEST);
    assert_eq!(world.state.lock().unwrap().status.0, 403);
    world.end();
}
