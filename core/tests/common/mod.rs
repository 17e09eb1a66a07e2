//! What the tests of the core's behaviour share: modules made of one closure, and words for what happened.

#![allow(dead_code, reason = "every test binary has this file and uses a part of it")]

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use bivalve_core::testing::{TestConnection, TestHost, TestRequest, TestResponse, block_on};
use bivalve_core::{
    CompletionInfo, Context, CustomNotification, EntityRead, Event, Flow, Handler, Module, Notification,
    Notifications, Outcome, PathMapping, Registration, Result, Sending, Trace,
};

/// One call of a [`Script`].
pub(crate) struct Call<'a> {
    pub(crate) cx: &'a mut Context,
    /// Of a completion: the event that waited.
    pub(crate) event: Event,
    pub(crate) with: With<'a>,
}

/// What a method is given besides the context.
pub(crate) enum With<'a> {
    Nothing,
    Sending(&'a mut Sending),
    Entity(&'a mut EntityRead),
    Path(&'a mut PathMapping),
    Custom(&'a mut CustomNotification),
    Done(CompletionInfo),
}

impl Call<'_> {
    pub(crate) fn is(&self, event: impl Into<Event>) -> bool {
        self.event == event.into() && !self.is_completion()
    }

    pub(crate) fn is_completion(&self) -> bool {
        matches!(self.with, With::Done(_))
    }
}

/// A module whose 29 methods are one closure.
pub(crate) struct Script<F> {
    registration: Registration,
    body: F,
}

/// A module that is called where `registration` says. At MapPath it must answer at once.
pub(crate) fn script<F>(registration: Registration, body: F) -> Script<F>
where
    F: for<'a> Fn(Call<'a>) -> Outcome<'a> + Send + Sync + 'static,
{
    Script { registration, body }
}

/// A module that never waits and looks at nothing but context and event. It promises so, as the attribute does for
/// every plain `fn`.
pub(crate) fn plain(
    registration: Registration,
    body: impl Fn(&mut Context, Event) -> Result<Flow> + Send + Sync + 'static,
) -> impl Module {
    let all = Notifications::from_bits_truncate(u32::MAX);
    script(registration.synchronous(all).post_synchronous(all), move |call| {
        Outcome::Ready(body(call.cx, call.event))
    })
}

/// A module that is called and goes on.
pub(crate) fn quiet(registration: Registration) -> impl Module {
    plain(registration, |_, _| Ok(Flow::Continue))
}

macro_rules! script_methods {
    ($($method:ident, $post:ident: $notification:ident;)*) => {$(
        fn $method<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
            self.call(cx, Event::of(Notification::$notification), With::Nothing)
        }

        fn $post<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
            self.call(cx, post(Notification::$notification), With::Nothing)
        }
    )*};
}

impl<F> Script<F>
where
    F: for<'a> Fn(Call<'a>) -> Outcome<'a> + Send + Sync + 'static,
{
    fn call<'a>(&'a self, cx: &'a mut Context, event: Event, with: With<'a>) -> Outcome<'a> {
        assert_eq!(cx.event(), event, "the context knows in which event it is");
        (self.body)(Call { cx, event, with })
    }
}

impl<F> Module for Script<F>
where
    F: for<'a> Fn(Call<'a>) -> Outcome<'a> + Send + Sync + 'static,
{
    fn registration(&self) -> Registration {
        self.registration.clone()
    }

    script_methods! {
        on_begin_request, on_post_begin_request: BeginRequest;
        on_authenticate_request, on_post_authenticate_request: AuthenticateRequest;
        on_authorize_request, on_post_authorize_request: AuthorizeRequest;
        on_resolve_request_cache, on_post_resolve_request_cache: ResolveRequestCache;
        on_map_request_handler, on_post_map_request_handler: MapRequestHandler;
        on_acquire_request_state, on_post_acquire_request_state: AcquireRequestState;
        on_pre_execute_request_handler, on_post_pre_execute_request_handler: PreExecuteRequestHandler;
        on_execute_request_handler, on_post_execute_request_handler: ExecuteRequestHandler;
        on_release_request_state, on_post_release_request_state: ReleaseRequestState;
        on_update_request_cache, on_post_update_request_cache: UpdateRequestCache;
        on_log_request, on_post_log_request: LogRequest;
        on_end_request, on_post_end_request: EndRequest;
    }

    fn on_send_response<'a>(&'a self, cx: &'a mut Context, sending: &'a mut Sending) -> Outcome<'a> {
        self.call(cx, Notification::SendResponse.into(), With::Sending(sending))
    }

    fn on_map_path(&self, cx: &mut Context, mapping: &mut PathMapping) -> Result<Flow> {
        match self.call(cx, Notification::MapPath.into(), With::Path(mapping)) {
            Outcome::Ready(result) => result,
            Outcome::Pending(_) => panic!("a script cannot wait at MapPath"),
        }
    }

    fn on_read_entity<'a>(&'a self, cx: &'a mut Context, entity: &'a mut EntityRead) -> Outcome<'a> {
        self.call(cx, Notification::ReadEntity.into(), With::Entity(entity))
    }

    fn on_custom_request_notification<'a>(
        &'a self,
        cx: &'a mut Context,
        custom: &'a mut CustomNotification,
    ) -> Outcome<'a> {
        self.call(cx, Notification::CustomRequestNotification.into(), With::Custom(custom))
    }

    fn on_async_completion<'a>(&'a self, cx: &'a mut Context, done: CompletionInfo) -> Outcome<'a> {
        let event = done.event();
        self.call(cx, event, With::Done(done))
    }
}

/// A handler that may wait.
pub(crate) struct Serve<F>(F);

pub(crate) fn serve<F>(body: F) -> Serve<F>
where
    F: for<'a> Fn(&'a mut Context) -> Outcome<'a> + Send + Sync + 'static,
{
    Serve(body)
}

impl<F> Handler for Serve<F>
where
    F: for<'a> Fn(&'a mut Context) -> Outcome<'a> + Send + Sync + 'static,
{
    fn handle<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        (self.0)(cx)
    }
}

/// A handler that answers with this text.
pub(crate) fn text(body: &'static str) -> impl Handler {
    move |cx: &mut Context| {
        cx.response_mut().write(body)?;
        Ok(Flow::Continue)
    }
}

/// A handler that answers with what it read.
pub(crate) fn echo() -> impl Handler {
    serve(|cx| {
        Outcome::pending(async move {
            loop {
                let bytes = cx.read_entity(1024).await?;
                if bytes.is_empty() {
                    return Ok(Flow::Continue);
                }
                cx.write(bytes).await?;
            }
        })
    })
}

pub(crate) fn post(notification: Notification) -> Event {
    Event::post(notification).expect("a deterministic notification")
}

/// The 24 deterministic events in the order of semantics.md section 2.
pub(crate) fn events() -> impl Iterator<Item = Event> + Clone {
    Notification::DETERMINISTIC.into_iter().flat_map(|n| [Event::of(n), post(n)])
}

/// The twenty before LogRequest: those at which a finish has something to skip.
pub(crate) fn finishable() -> impl Iterator<Item = Event> + Clone {
    events().filter(|event| !event.notification().is_guaranteed())
}

/// Every notification and every post-notification.
pub(crate) fn everywhere() -> Registration {
    let all = Notifications::from_bits_truncate(u32::MAX);
    Registration::new().on(all).on_post(all)
}

/// The 24 deterministic events.
pub(crate) fn deterministic() -> Registration {
    Registration::new().on(Notifications::DETERMINISTIC).on_post(Notifications::DETERMINISTIC)
}

/// One event.
pub(crate) fn at(event: impl Into<Event>) -> Registration {
    let event = event.into();
    let registration = Registration::new();
    if event.is_post() {
        registration.on_post(event.notification())
    } else {
        registration.on(event.notification())
    }
}

/// Every line of the trace that is a call, as `event module`, at this depth.
pub(crate) fn calls_at(trace: &Trace, depth: u8) -> Vec<String> {
    let entries = trace.entries().iter().filter(|entry| entry.depth() == depth);
    entries.filter_map(|entry| Some(format!("{} {}", entry.event()?, entry.module()?))).collect()
}

/// The calls of the deterministic events, as `event module`.
pub(crate) fn calls(req: &TestRequest) -> Vec<String> {
    calls_at(req.trace(), 0)
}

/// Runs to the end.
pub(crate) fn finish(req: &mut TestRequest) -> TestResponse {
    block_on(req.finish())
}

/// A `GET /` to its end, with its trace.
pub(crate) fn get(host: &TestHost) -> (TestResponse, Trace) {
    let mut req = host.get("/");
    let response = finish(&mut req);
    (response, req.trace().clone())
}

/// A `GET /next`, to show that the connection and its context still serve.
#[track_caller]
pub(crate) fn assert_serves(connection: &TestConnection<'_>, expected: &str) {
    let response = finish(&mut connection.get("/next"));
    assert_eq!((response.status().as_u16(), response.text()), (200, expected), "the next request");
    assert!(response.is_complete());
}

/// Lines in the order in which they were said. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn say(&self, line: impl Into<String>) {
        self.0.lock().expect("nobody panics while saying").push(line.into());
    }

    /// What was said since the last time.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().expect("nobody panics while saying"))
    }
}

/// Counts. Clones share the count.
#[derive(Clone, Default)]
pub(crate) struct Count(Arc<AtomicUsize>);

impl Count {
    pub(crate) fn add(&self) -> usize {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// Counts when it is dropped.
pub(crate) struct OnDrop(pub(crate) Count);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.add();
    }
}

/// Waits once, and is polled again.
pub(crate) async fn once() {
    let mut waited = false;
    poll_fn(|task| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        task.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Polls a future once: its output, if that was enough. It is dropped in any case.
pub(crate) async fn poll_once<F: Future>(future: F) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    poll_fn(|task| {
        Poll::Ready(match future.as_mut().poll(task) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await
}

/// The text with which `f` panics.
pub(crate) fn text_of_panic(f: impl FnOnce()) -> String {
    text_of(&*catch_unwind(AssertUnwindSafe(f)).expect_err("it must panic"))
}

fn text_of(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().cloned();
    text.or_else(|| payload.downcast_ref::<&str>().map(ToString::to_string)).expect("a panic with a text")
}
