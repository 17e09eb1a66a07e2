//! Drives one request through its pipeline.

mod at_once;

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;

use http::StatusCode;

use super::call::{
    Contained, contain_calls, dispatch, enter, invoke, invoke_handler, leave, leave_handler, not_synchronous,
    settle,
};
use super::cursor::{Cursor, Entry, EventLists};
use super::{Provider, Step};
use crate::contain::contained;
use crate::context::{Driven, ModuleId, Progress, Signal};
use crate::{Context, Error, Event, Flow, Notification, Outcome, Result};

/// One request and where it is in its pipeline. For hosts.
///
/// A host makes a [`Context`], runs it, and takes the context back for the next request:
///
/// ```
/// # use bivalve_core::{Context, Run};
/// async fn serve(cx: Box<Context>) -> Box<Context> {
///     let mut run = Run::new(cx);
///     run.run_to_end().await;
///     run.into_context()
/// }
/// ```
///
/// # Cancel safety
///
/// Do not drop it before the end: LogRequest and EndRequest are owed to every request that began. Report a client that
/// has gone through [`Context::disconnector`] and keep polling; what runs is cancelled, and the rest is quick.
#[derive(Debug)]
pub struct Run {
    cx: Box<Context>,
    cursor: Cursor,
    driven: Driven,
    waits: Waits,
}

/// What [`Run::run_at_once`] has begun and cannot end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    No,
    /// The current call has returned [`Flow::Pending`].
    Call,
    /// The rest of the response has been handed to the host.
    Send,
}

impl Run {
    /// At the beginning. The first one of a pipeline [starts](crate::Pipeline::start) it.
    #[must_use]
    pub fn new(cx: Box<Context>) -> Self {
        let mut cx = cx;
        let driven = cx.take_driven();
        driven.pipeline.start();
        Self { cursor: Cursor::new(driven.pipeline.lists()), cx, driven, waits: Waits::No }
    }

    /// At LogRequest, with the answer of this error: a request that the host refuses before any module sees it. LogRequest,
    /// EndRequest and SendResponse run, as they do in IIS for what request filtering refuses at BeginRequest, before the modules
    /// behind it.
    #[must_use]
    pub fn refused(cx: Box<Context>, error: &Error) -> Self {
        let mut run = Self::new(cx);
        run.cx.fail(error);
        run.cursor.finish(run.driven.pipeline.lists());
        run
    }

    /// The request.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.cx
    }

    /// The request, to be changed between two steps.
    #[must_use]
    pub fn context_mut(&mut self) -> &mut Context {
        &mut self.cx
    }

    /// The context, for the next request. Whatever did not run will not. What the client sent stays in it until that begins, or the
    /// host [lets go](Context::release) of it.
    #[must_use]
    pub fn into_context(self) -> Box<Context> {
        let Self { mut cx, driven, .. } = self;
        cx.give_back(driven);
        cx
    }

    /// What [`step`](Self::step) would do.
    #[must_use]
    pub fn peek(&mut self) -> Step {
        let Self { cx, cursor, driven: Driven { pipeline, .. }, .. } = self;
        cursor.next(pipeline.lists(), |module, event| pipeline.calls(cx, module, event))
    }

    /// Does the next step; what it was.
    pub async fn step(&mut self) -> Step {
        let step = self.peek();
        match step {
            Step::Call { .. } => self.calls(Calls::One).await,
            Step::Handler => {
                let result = self.run_handler().await;
                self.handled(result);
            }
            Step::Send => self.send().await,
            Step::Done => self.cx.dispose(),
        }
        step
    }

    /// Runs up to the handler. `true`: the handler is next, and the caller may run one of its own and
    /// report it with [`handled`](Self::handled). `false`: the request was finished before; go on to the end.
    pub async fn run_to_handler(&mut self) -> bool {
        self.calls(Calls::ToHandler).await;
        self.peek() == Step::Handler
    }

    /// Runs everything that is left.
    pub async fn run_to_end(&mut self) {
        if self.run_at_once() {
            return;
        }
        loop {
            self.calls(Calls::All).await;
            if self.step().await == Step::Done {
                return;
            }
        }
    }

    /// Whether the mounted service is to run as the handler now: no module is the handler instead.
    #[must_use]
    pub fn wants_service(&self) -> bool {
        self.cx.control.handler.is_none() && !self.driven.pipeline.is_mapped(self.cx.request())
    }

    /// The handler's answer, from a host that ran it by itself.
    pub fn handled(&mut self, result: Result<Flow>) {
        let event = Event::of(Notification::ExecuteRequestHandler);
        let result = leave_handler(&mut self.cx, result);
        let flow = self.answer(event, result);
        self.cursor.handled(self.driven.pipeline.lists(), flow);
        self.notice_disconnect();
    }

    /// A guard for a handler that the host runs by itself: its panics are contained, and it is dropped when the
    /// client goes away.
    #[must_use]
    pub fn guard(&self) -> HandlerGuard {
        HandlerGuard { signal: Arc::clone(&self.driven.signal) }
    }

    /// Calls modules as long as calls come next.
    async fn calls(&mut self, calls: Calls) {
        if self.waits == Waits::Call {
            self.waits = Waits::No;
            self.settle_call(Ok(Flow::Pending)).await;
            if calls == Calls::One {
                return;
            }
        } else if self.cx.frame.is_open() {
            // Left by the host, which has the context between two steps.
            self.cx.close_frame();
        }
        loop {
            let Self { cx, cursor, driven: Driven { pipeline, signal }, .. } = self;
            let next = cursor.next_call(pipeline.lists(), |module, event| pipeline.calls(cx, module, event));
            let Some(Entry { module: id, synchronous }) = next else { return };
            if calls == Calls::ToHandler && cursor.is_finishing() {
                return;
            }
            if synchronous && calls != Calls::One {
                if let Some(result) = self.synchronous_calls(calls) {
                    self.settle_call(result).await;
                }
                continue;
            }
            let event = cursor.event();
            enter(cx, pipeline, id, event);
            let result = match invoke(pipeline.module(id), cx, event, Provider::None) {
                None => Ok(Flow::Continue),
                Some(Outcome::Ready(result)) => result,
                Some(Outcome::Pending(future)) => {
                    Contained::new(future, pipeline.cancel(id, event, signal)).await
                }
            };
            if matches!(result, Ok(Flow::Continue)) && cx.has_nothing_to_settle() {
                cursor.advance(pipeline.lists(), Flow::Continue);
                called(cx, cursor, pipeline.lists(), signal);
            } else {
                self.settle_call(result).await;
            }
            if calls == Calls::One {
                return;
            }
        }
    }

    /// Calls modules that return no future, as long as they answer `Continue`. An answer that is more than that is
    /// handed back, the call not yet settled.
    ///
    /// Here a call costs what a virtual call costs: nothing is kept across an await, and one guard contains the
    /// panics of all. Who panicked is in the frame.
    fn synchronous_calls(&mut self, calls: Calls) -> Option<Result<Flow>> {
        let Self { cx, cursor, driven: Driven { pipeline, signal }, .. } = self;
        let lists = pipeline.lists();
        contain_calls(|| {
            loop {
                cursor.next_call(lists, |module, event| pipeline.calls(cx, module, event))?;
                if calls == Calls::ToHandler && cursor.is_finishing() {
                    return None;
                }
                // What depends on the event alone is asked once for all its modules.
                let (event, entries) = (cursor.event(), cursor.entries(lists));
                let executes = event == Event::of(Notification::ExecuteRequestHandler);
                for entry in entries.get(cursor.position()..).unwrap_or_default() {
                    if !entry.synchronous {
                        return None;
                    }
                    if !pipeline.calls(cx, entry.module, event) {
                        cursor.skip();
                        continue;
                    }
                    enter(cx, pipeline, entry.module, event);
                    match dispatch(pipeline.module(entry.module), cx, event, Provider::None) {
                        Outcome::Ready(Ok(Flow::Continue)) => {}
                        outcome => return Some(without_waiting(outcome)),
                    }
                    if !cx.has_nothing_to_settle() {
                        return Some(Ok(Flow::Continue));
                    }
                    cursor.skip();
                    if executes {
                        executed(cx);
                    }
                    if signal.is_gone() {
                        cursor.finish(lists);
                        break;
                    }
                }
            }
        })
    }

    /// What follows a call whose answer is more than "continue".
    async fn settle_call(&mut self, result: Result<Flow>) {
        let Self { cx, cursor, driven: Driven { pipeline, signal }, .. } = self;
        let (id, event) = (cx.frame.module, cursor.event());
        let result = match result {
            Ok(Flow::Pending) => {
                let settled = settle(cx, pipeline, id, event);
                Contained::new(settled, pipeline.cancel(id, event, signal)).await
            }
            result => result,
        };
        self.settled(result);
    }

    /// What follows a call that waits for nothing.
    fn settled(&mut self, result: Result<Flow>) {
        let (id, event) = (self.cx.frame.module, self.cursor.event());
        let result = leave(&mut self.cx, &self.driven.pipeline, id, self.cursor.position(), result);
        let flow = self.answer(event, result);
        self.cursor.advance(self.driven.pipeline.lists(), flow);
        called(&mut self.cx, &mut self.cursor, self.driven.pipeline.lists(), &self.driven.signal);
    }

    async fn run_handler(&mut self) -> Result<Flow> {
        self.cx.frame =
            crate::context::Frame::new(ModuleId::HOST, Notification::ExecuteRequestHandler.into());
        if self.wants_service()
            && let Some(handler) = self.driven.pipeline.handler()
        {
            self.cx.response_mut().set_answered();
            return match invoke_handler(&**handler, &mut self.cx) {
                None => Ok(Flow::Continue),
                Some(Outcome::Ready(result)) => result,
                Some(Outcome::Pending(future)) => Contained::new(future, Some(&self.driven.signal)).await,
            };
        }
        self.cx.nobody_handled()
    }

    async fn send(&mut self) {
        let begun = self.waits == Waits::Send;
        if !begun {
            self.cx.frame = crate::context::Frame::default();
        }
        let panicked = {
            let Self { cx, driven: Driven { signal, .. }, .. } = self;
            let send = pin!(async move {
                match begun {
                    true => cx.finish_final().await,
                    false => cx.send_final().await,
                }
                Ok(())
            });
            // A disconnect ends it early as well, and then there is nobody to tell.
            Contained::new(send, Some(signal)).await.is_err_and(|error: Error| error.is_panic())
        };
        self.waits = Waits::No;
        if panicked {
            self.broken_off();
        }
        self.cursor.sent();
    }

    /// The destructor of a chunk has panicked while the host wrote it: half a response must not look whole.
    fn broken_off(&mut self) {
        tracing::error!("a destructor panicked while the response was sent; the connection is reset");
        self.cx.reset_connection();
    }

    /// Turns a module's answer into a flow, and its error into a response.
    fn answer(&mut self, event: Event, result: Result<Flow>) -> Flow {
        let flow = answer(&mut self.cx, event, result);
        self.cx.take_nested_finish(flow)
    }

    fn notice_disconnect(&mut self) {
        if self.driven.signal.is_gone() {
            self.cursor.finish(self.driven.pipeline.lists());
        }
    }
}

/// Turns a module's answer into a flow, and its error into a response.
pub(crate) fn answer(cx: &mut Context, event: Event, result: Result<Flow>) -> Flow {
    let error = match result {
        Ok(flow) => return flow,
        Err(error) => error,
    };
    if error.is_disconnected() && !cx.is_connected() {
        tracing::debug!(%event, "the client has gone");
        return Flow::Finish;
    }
    // The text of a module's own error is its code, and whoever writes the log calls it.
    let _ = contained(|| report(&error, event));
    if event.notification().is_guaranteed() && !error.is_panic() {
        return Flow::Continue;
    }
    cx.fail(&error);
    Flow::Finish
}

/// After every call.
fn called(cx: &mut Context, cursor: &mut Cursor, lists: &EventLists, signal: &Signal) {
    if cx.event() == Event::of(Notification::ExecuteRequestHandler) {
        executed(cx);
    }
    if signal.is_gone() {
        cursor.finish(lists);
    }
}

/// A module has run at ExecuteRequestHandler.
fn executed(cx: &mut Context) {
    cx.control.executed = true;
    cx.response_mut().set_answered();
}

/// The answer of a method that returns no future.
#[cold]
fn without_waiting(outcome: Outcome<'_>) -> Result<Flow> {
    match outcome {
        Outcome::Ready(result) => result,
        Outcome::Pending(future) => Err(not_synchronous(future)),
    }
}

/// How far [`Run::calls`] goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Calls {
    All,
    One,
    /// Not into LogRequest: the handler is skipped then.
    ToHandler,
}

/// Contains a handler that the host runs by itself. Made by [`Run::guard`].
#[derive(Debug)]
pub struct HandlerGuard {
    signal: Arc<Signal>,
}

impl HandlerGuard {
    /// Polls the handler's future, pinned by the caller: a panic becomes an error, a disconnect drops the pin and
    /// resolves. The caller drops the future itself.
    ///
    /// Resolves to an error of the handler's own, or of the kinds [`ErrorKind::Panicked`](crate::ErrorKind::Panicked) and
    /// [`ErrorKind::Disconnected`](crate::ErrorKind::Disconnected).
    pub fn run<T, F>(&self, handler: Pin<&mut F>) -> impl Future<Output = Result<T>>
    where
        F: Future<Output = Result<T>>,
    {
        Contained::new(handler, Some(&self.signal))
    }
}

fn report(error: &Error, event: Event) {
    match error.place() {
        Some(place) => tracing::error!(
            module = &*place.module,
            event = %place.event,
            position = place.position,
            status = error.status().as_u16(),
            error = %error,
            "a module failed"
        ),
        None => tracing::error!(%event, status = error.status().as_u16(), %error, "the handler failed"),
    }
}

impl Context {
    /// The handler's place is empty: somebody else answered, or it is 404.
    pub(crate) fn nobody_handled(&mut self) -> Result<Flow> {
        if let Some(chosen) = self.control.handler
            && !self.control.executed
        {
            let name = self.pipeline.module_name(chosen);
            return Err(Error::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                format!("module {name} made itself the handler but has no on_execute_request_handler"),
            )
            .with_sub_status(21));
        }
        if self.control.handler.is_none() && !self.control.executed {
            // Refused rather than answered by a handler that a mapping may have meant to keep it from.
            self.pipeline.mapping(self.request())?;
        }
        let response = self.response();
        let untouched = response.progress() == Progress::Unsent
            && response.status() == StatusCode::OK
            && response.chunks().is_empty();
        if !self.control.executed && untouched {
            self.response_mut().fail(StatusCode::NOT_FOUND, 0);
        }
        Ok(Flow::Continue)
    }
}
