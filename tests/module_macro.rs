//! What `#[bivalve::module]` derives, seen by calling it. What it refuses is in `ui/fail`.

// Nothing that the macro writes may set off a lint in a user's code, however strict they are.
#![warn(clippy::pedantic, clippy::nursery)]

use std::future::{pending, ready};
use std::marker::PhantomData;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context as Task, Poll, Waker};

use bivalve::bytes::Bytes;
use bivalve::http::Request;
use bivalve::prelude::*;
use bivalve::{
    CompletionStatus, Connection, Event, Host, Notifications, OnDisconnect, Outcome, Outgoing, Pipeline, Run,
};

/// Every method there is, half of them plain and half of them waiting.
struct Everything;

#[bivalve::module]
impl Module for Everything {
    fn on_begin_request(&self, _: &mut Context) -> Result<Flow> {
        Ok(Flow::Continue)
    }
    async fn on_post_begin_request(&self, _: &mut Context) -> Result<Flow> {
        Ok(Flow::Continue)
    }
    fn on_authenticate_request(&self, _: &mut Context) -> Result<Flow> {
        Ok(Flow::Continue)
    }
    async fn on_post_authenticate_request(&self, _: &mut Context) -> Result<Flow> {
        Ok(Flow::Continue)
    }
    fn on_authorize_request(&self, _: &mut Context) -> Result<Flow> {
        Ok(Flow::Continue)
    }
    async fn on_post_authorize_request(&self, _: &mut Context) -> Result<Flow> {
        Ok(Flow::Continue)
    }
    fn on_resolve_request_cache(&self, _: &mut Context) -> Result<Flow> {
        Ok(Flow::Continue)
    }
    async fn on_post_resolve_request_cache(&self, _: &mut Context) -> Result<Flow> {
        Ok(Flow::Continue)
    }
    fn on_map_request_handler(&self, _: &mut Context) -> Result<Flow> {
        Ok(Flow::Continue)
    }
    async fn on_post_map_request_handler(&self, _: &mut Context) -> Result<Flow> {
        Ok(Flow::Continue)
    }
    fn on_acquire_request_state(&self, _: &mut Context) -> Result<Flow> {
        Ok(Flow::Continue)
    }
    async fn on_post_acquire_request_state(&self, _: &mut Context) -> Result<Flow> {
        Ok(Flow::Continue)
    }
    fn on_pre_execute_request_handler(&self, _: &mut Context) -> Result<Flow> {
        Ok(Flow::Continue)
    }
    async fn on_post_pre_execute_request_handler(&self, _: &mut Context) -> Result<Flow> {
        Ok(Flow::Continue)
    }
    fn on_execute_request_handler(&self, _: &mut Context) -> Result<Flow> {
        Ok(Flow::Continue)
    }
    async fn on_post_execute_request_handler(&self, _: &mut Context) -> Result<Flow> {
        Ok(Flow::Continue)
    }
    fn on_release_request_state(&self, _: &mut Context) -> Result<Flow> {
        Ok(Flow::Continue)
    }
    async fn on_post_release_request_state(&self, _: &mut Context) -> Result<Flow> {
        Ok(Flow::Continue)
    }
    fn on_update_request_cache(&self, _: &mut Context) -> Result<Flow> {
        Ok(Flow::Continue)
    }
    async fn on_post_update_request_cache(&self, _: &mut Context) -> Result<Flow> {
        Ok(Flow::Continue)
    }
    fn on_log_request(&self, _: &mut Context) -> Result<Flow> {
        Ok(Flow::Continue)
    }
    async fn on_post_log_request(&self, _: &mut Context) -> Result<Flow> {
        Ok(Flow::Continue)
    }
    fn on_end_request(&self, _: &mut Context) -> Result<Flow> {
        Ok(Flow::Continue)
    }
    async fn on_post_end_request(&self, _: &mut Context) -> Result<Flow> {
        Ok(Flow::Continue)
    }
    async fn on_send_response(&self, _: &mut Context, _: &mut Sending) -> Result<Flow> {
        Ok(Flow::Continue)
    }
    fn on_map_path(&self, _: &mut Context, _: &mut PathMapping) -> Result<Flow> {
        Ok(Flow::Continue)
    }
    fn on_read_entity(&self, _: &mut Context, _: &mut EntityRead) -> Result<Flow> {
        Ok(Flow::Continue)
    }
    fn on_custom_request_notification(&self, _: &mut Context, _: &mut CustomNotification) -> Result<Flow> {
        Ok(Flow::Continue)
    }
    async fn on_async_completion(&self, _: &mut Context, _: CompletionInfo) -> Result<Flow> {
        Ok(Flow::Continue)
    }
}

#[test]
fn all_29_methods_set_all_bits() {
    let registration = Everything.registration();
    assert_eq!(registration.notifications(), Notifications::from_bits_truncate(u32::MAX));
    assert_eq!(registration.post_notifications(), Notifications::DETERMINISTIC);
}

#[test]
fn nothing_written_sets_no_bit() {
    struct Idle;
    #[bivalve::module]
    impl Module for Idle {}

    assert_eq!(Idle.registration(), bivalve::Registration::new());
}

#[test]
fn async_completion_sets_no_bit() {
    struct Waiting;
    #[bivalve::module]
    impl Module for Waiting {
        fn on_async_completion(&self, _cx: &mut Context, _done: CompletionInfo) -> Result<Flow> {
            Ok(Flow::Continue)
        }
    }

    assert!(Waiting.registration().notifications().is_empty());
    assert!(Waiting.registration().post_notifications().is_empty());
}

#[test]
fn a_post_method_sets_its_bit_in_the_post_mask_only() {
    struct Late;
    #[bivalve::module]
    impl Module for Late {
        fn on_post_log_request(&self, _cx: &mut Context) -> Result<Flow> {
            Ok(Flow::Continue)
        }
    }

    assert!(Late.registration().notifications().is_empty());
    assert_eq!(Late.registration().post_notifications(), Notification::LogRequest.into());
}

#[test]
fn a_method_that_is_configured_away_sets_no_bit() {
    struct Elsewhere;
    #[bivalve::module]
    impl Module for Elsewhere {
        #[cfg(any())]
        fn on_begin_request(&self, cx: &mut Context) -> Result<Flow> {
            cx.no_such_method()
        }
        #[cfg(not(any()))]
        fn on_end_request(&self, _cx: &mut Context) -> Result<Flow> {
            Ok(Flow::Continue)
        }
    }

    assert_eq!(Elsewhere.registration().notifications(), Notification::EndRequest.into());
}

#[test]
fn priorities_are_those_of_the_method_then_of_the_module_then_the_default() {
    struct Ranked;
    #[bivalve::module(priority = Low, on_disconnect = finish)]
    impl Module for Ranked {
        #[priority(First)]
        fn on_begin_request(&self, _cx: &mut Context) -> Result<Flow> {
            Ok(Flow::Continue)
        }
        #[priority(Last)]
        async fn on_post_begin_request(&self, _cx: &mut Context) -> Result<Flow> {
            Ok(Flow::Continue)
        }
        #[priority(High)]
        fn on_send_response(&self, _cx: &mut Context, _sending: &mut Sending) -> Result<Flow> {
            Ok(Flow::Continue)
        }
    }

    let registration = Ranked.registration();
    let post = |notification| Event::post(notification).expect("it is deterministic");
    assert_eq!(registration.priority_at(Notification::BeginRequest.into()), Priority::First);
    assert_eq!(registration.priority_at(post(Notification::BeginRequest)), Priority::Last);
    assert_eq!(registration.priority_at(Notification::SendResponse.into()), Priority::High);
    assert_eq!(registration.priority_at(Notification::EndRequest.into()), Priority::Low);
    assert_eq!(registration.disconnect_behaviour(), OnDisconnect::Finish);

    let plain = Everything.registration();
    assert_eq!(plain.priority_at(Notification::BeginRequest.into()), Priority::default());
    assert_eq!(plain.disconnect_behaviour(), OnDisconnect::Cancel);
}

#[test]
fn a_plain_fn_is_ready_and_an_async_fn_is_pending() {
    let mut cx = context();
    assert!(matches!(Everything.on_begin_request(&mut cx), Outcome::Ready(Ok(Flow::Continue))));
    let Outcome::Pending(future) = Everything.on_post_begin_request(&mut cx) else {
        panic!("an async fn answers with a future");
    };
    assert_eq!(poll(future).map(Result::ok), Poll::Ready(Some(Flow::Continue)));
}

#[test]
fn an_async_fn_waits_where_it_awaits_and_is_dropped_there() {
    struct Waits<'a>(&'a AtomicUsize);
    struct Count<'a>(&'a AtomicUsize);
    impl Drop for Count<'_> {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    #[bivalve::module]
    impl Module for Waits<'static> {
        async fn on_begin_request(&self, _cx: &mut Context) -> Result<Flow> {
            let _count = Count(self.0);
            ready(()).await;
            pending().await
        }
    }
    static DROPPED: AtomicUsize = AtomicUsize::new(0);

    let mut cx = context();
    let module = Waits(&DROPPED);
    let Outcome::Pending(mut future) = module.on_begin_request(&mut cx) else {
        panic!("an async fn answers with a future");
    };
    assert!(poll(future.as_mut()).is_pending());
    assert_eq!(DROPPED.load(Ordering::Relaxed), 0);
    drop(future);
    assert_eq!(DROPPED.load(Ordering::Relaxed), 1);
}

#[test]
fn early_returns_question_marks_and_closures_over_self_work() {
    struct Reads {
        limit: u32,
    }
    impl Reads {
        fn answer(&self, cx: &Context) -> Result<Flow> {
            let Some(sent) = cx.request().header("x-count") else { return Ok(Flow::Continue) };
            let fits = |count: u32| count <= self.limit;
            if fits(sent.parse()?) {
                return Ok(Flow::Finish);
            }
            Err(Error::from_status(StatusCode::FORBIDDEN))
        }
    }
    #[bivalve::module]
    impl Module for Reads {
        fn on_begin_request(&self, cx: &mut Context) -> Result<Flow> {
            let Some(sent) = cx.request().header("x-count") else { return Ok(Flow::Continue) };
            let fits = |count: u32| count <= self.limit;
            if fits(sent.parse()?) {
                return Ok(Flow::Finish);
            }
            Err(Error::from_status(StatusCode::FORBIDDEN))
        }
        async fn on_end_request(&self, cx: &mut Context) -> Result<Flow> {
            let answer = ready(self.answer(cx)?).await;
            if answer == Flow::Finish {
                return Ok(answer);
            }
            ready(Ok(answer)).await
        }
    }

    let module = Reads { limit: 7 };
    let expected = [
        (None, Ok(Flow::Continue)),
        (Some("7"), Ok(Flow::Finish)),
        (Some("8"), Err(StatusCode::FORBIDDEN)),
        (Some("many"), Err(StatusCode::INTERNAL_SERVER_ERROR)),
    ];
    for (count, answer) in expected {
        let mut cx = context();
        if let Some(count) = count {
            cx.request_mut().set_header("x-count", count).expect("it is a header value");
        }
        for outcome in [Module::on_begin_request, Module::on_end_request].map(|method| {
            let outcome: Outcome<'_> = method(&module, &mut cx);
            settle(outcome)
        }) {
            assert_eq!(outcome.map_err(|error| error.status()), answer, "x-count: {count:?}");
        }
    }
}

#[test]
fn a_generic_module_runs_for_each_of_its_types() {
    trait Policy: Send + Sync + 'static {
        const FLOW: Flow;
    }
    struct Lenient;
    struct Strict;
    impl Policy for Lenient {
        const FLOW: Flow = Flow::Continue;
    }
    impl Policy for Strict {
        const FLOW: Flow = Flow::Finish;
    }
    struct Gate<P, const CALLS: u32>(PhantomData<fn() -> P>);
    #[derive(Default)]
    struct Calls<P>(u32, PhantomData<fn() -> P>);
    #[bivalve::module(state = Calls<P>)]
    impl<P, const CALLS: u32> Module for Gate<P, CALLS>
    where
        P: Policy + Default,
    {
        async fn on_authorize_request(&self, cx: &mut Context) -> Result<Flow> {
            for _ in 0..CALLS {
                ready(()).await;
                cx.state_mut::<Calls<P>>().0 += 1;
            }
            assert_eq!(cx.state::<Calls<P>>().0, CALLS);
            Ok(P::FLOW)
        }
    }
    impl Default for Lenient {
        fn default() -> Self {
            Self
        }
    }
    impl Default for Strict {
        fn default() -> Self {
            Self
        }
    }

    let modules: [(Box<dyn Module>, _); 2] = [
        (Box::new(Gate::<Lenient, 2>(PhantomData)), Flow::Continue),
        (Box::new(Gate::<Strict, 0>(PhantomData)), Flow::Finish),
    ];
    for (module, flow) in modules {
        assert_eq!(settle(module.on_authorize_request(&mut context())).ok(), Some(flow));
        assert_eq!(module.registration().notifications(), Notification::AuthorizeRequest.into());
    }
}

#[test]
fn a_derived_module_runs_in_a_pipeline() {
    static SEEN: AtomicUsize = AtomicUsize::new(0);
    struct Answers;
    #[bivalve::module]
    impl Module for Answers {
        fn on_begin_request(&self, cx: &mut Context) -> Result<Flow> {
            SEEN.fetch_add(1, Ordering::Relaxed);
            cx.response_mut().set_status(StatusCode::IM_A_TEAPOT);
            Ok(Flow::Finish)
        }
        async fn on_authenticate_request(&self, _cx: &mut Context) -> Result<Flow> {
            SEEN.fetch_add(100, Ordering::Relaxed);
            Ok(Flow::Continue)
        }
        async fn on_end_request(&self, cx: &mut Context) -> Result<Flow> {
            assert_eq!(cx.response().status(), StatusCode::IM_A_TEAPOT);
            SEEN.fetch_add(10, Ordering::Relaxed);
            Ok(Flow::Continue)
        }
    }

    let mut run = Run::new(context_for(Answers));
    assert!(poll(run.run_to_end()).is_ready());
    assert_eq!(SEEN.load(Ordering::Relaxed), 11);
}

#[test]
fn instrumentation_sees_the_method_that_was_written() {
    struct Traced;
    #[bivalve::module]
    impl Module for Traced {
        #[tracing::instrument(skip_all)]
        async fn on_begin_request(&self, _cx: &mut Context) -> Result<Flow> {
            ready(()).await;
            Ok(Flow::Continue)
        }
        #[tracing::instrument(skip_all, err(Debug))]
        fn on_end_request(&self, _cx: &mut Context) -> Result<Flow> {
            Err(Error::from_status(StatusCode::BAD_GATEWAY))
        }
    }

    assert_eq!(settle(Traced.on_begin_request(&mut context())).ok(), Some(Flow::Continue));
    assert!(settle(Traced.on_end_request(&mut context())).is_err());
}

#[expect(clippy::panic, reason = "that is how a test fails")]
fn settle(outcome: Outcome<'_>) -> Result<Flow> {
    match outcome {
        Outcome::Ready(result) => result,
        Outcome::Pending(future) => match poll(future) {
            Poll::Ready(result) => result,
            Poll::Pending => panic!("these methods await only what is ready"),
        },
    }
}

fn poll<T>(future: impl Future<Output = T>) -> Poll<T> {
    pin!(future).poll(&mut Task::from_waker(Waker::noop()))
}

fn context() -> Box<Context> {
    context_for(Everything)
}

fn context_for(module: impl Module) -> Box<Context> {
    let pipeline = Pipeline::builder().module("module", module).build().expect("one module is a pipeline");
    let (request, ()) = Request::new(()).into_parts();
    Context::new(&pipeline, Box::new(Nowhere), request, Connection::builder().build().into())
}

/// A host that takes everything and has nothing.
struct Nowhere;

impl Host for Nowhere {
    fn start_send(&mut self, _part: Outgoing<'_>) {}

    fn poll_send(&mut self, _task: &mut Task<'_>) -> Poll<Completion> {
        Poll::Ready(Completion::success(0))
    }

    fn start_read(&mut self, _max: usize) {}

    fn poll_read(&mut self, _task: &mut Task<'_>) -> Poll<Result<Bytes, CompletionStatus>> {
        Poll::Ready(Ok(Bytes::new()))
    }

    fn reset(&mut self) {}
}
