//! One call of one module: entered, contained, waited for, left.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll};

use super::Pipeline;
use crate::contain::{contained, drop_payload};
use crate::context::{ModuleId, Posted, Signal, StartedOperation, StartedResult};
use crate::{
    Completion, CompletionInfo, CompletionSource, Context, CustomNotification, EntityRead, Error, ErrorKind,
    Event, Flow, Handler, Module, ModuleFuture, Notification, Outcome, PathMapping, Place, Result, Sending,
};

/// What a method gets besides the context.
pub(crate) enum Provider<'a> {
    None,
    Sending(&'a mut Sending),
    ReadEntity(&'a mut EntityRead),
    Custom(&'a mut CustomNotification),
}

impl Provider<'_> {
    pub(crate) fn reborrow(&mut self) -> Provider<'_> {
        match self {
            Provider::None => Provider::None,
            Provider::Sending(p) => Provider::Sending(p),
            Provider::ReadEntity(p) => Provider::ReadEntity(p),
            Provider::Custom(p) => Provider::Custom(p),
        }
    }
}

/// Calls a module and waits for its answer, which is never `Pending`. A disconnect does not cut it short: the
/// top-level call around it does.
pub(crate) async fn call(
    cx: &mut Context,
    pipeline: &Pipeline,
    id: ModuleId,
    event: Event,
    position: usize,
    provider: Provider<'_>,
) -> Result<Flow> {
    let module = pipeline.module(id);
    enter(cx, pipeline, id, event);
    let result = match invoke(module, cx, event, provider) {
        None => Ok(Flow::Continue),
        Some(Outcome::Ready(result)) => result,
        Some(Outcome::Pending(future)) => Contained::new(future, None).await,
    };
    let result = match result {
        Ok(Flow::Pending) => settle(cx, pipeline, id, event).await,
        result => result,
    };
    leave(cx, pipeline, id, position, result)
}

/// Calls a module at MapPath, which cannot wait.
pub(crate) fn call_map_path(
    cx: &mut Context,
    pipeline: &Pipeline,
    id: ModuleId,
    position: usize,
    mapping: &mut PathMapping,
) -> Result<Flow> {
    enter(cx, pipeline, id, Notification::MapPath.into());
    let module = pipeline.module(id);
    let result = contain(|| module.on_map_path(cx, mapping)).and_then(|flow| match flow {
        Flow::Pending => Err(nothing_pending("MapPath is synchronous, as in IIS: it cannot return Pending")),
        flow => Ok(flow),
    });
    leave(cx, pipeline, id, position, result)
}

/// Calls a module for a host that is a pipeline itself: every call is the outermost one, so a disconnect cuts it short.
pub(crate) async fn call_from_host(
    cx: &mut Context,
    pipeline: &Pipeline,
    id: ModuleId,
    event: Event,
    provider: Provider<'_>,
) -> Result<Flow> {
    enter(cx, pipeline, id, event);
    let signal = Arc::clone(&cx.signal);
    let result = match invoke(pipeline.module(id), cx, event, provider) {
        None => Ok(Flow::Continue),
        Some(Outcome::Ready(result)) => result,
        Some(Outcome::Pending(future)) => Contained::new(future, pipeline.cancel(id, event, &signal)).await,
    };
    let result = match result {
        Ok(Flow::Pending) => {
            let settled = settle(cx, pipeline, id, event);
            Contained::new(settled, pipeline.cancel(id, event, &signal)).await
        }
        result => result,
    };
    leave(cx, pipeline, id, 0, result)
}

/// The same for a method that returns no future. `None`: it said `Pending`.
pub(crate) fn call_from_host_now(
    cx: &mut Context,
    pipeline: &Pipeline,
    id: ModuleId,
    event: Event,
    provider: Provider<'_>,
) -> Option<Result<Flow>> {
    enter(cx, pipeline, id, event);
    let result = match invoke(pipeline.module(id), cx, event, provider) {
        None => Ok(Flow::Continue),
        Some(Outcome::Ready(Ok(Flow::Pending))) => return None,
        Some(Outcome::Ready(result)) => result,
        Some(Outcome::Pending(future)) => Err(not_synchronous(future)),
    };
    Some(leave(cx, pipeline, id, 0, result))
}

/// What follows when it said `Pending`.
pub(crate) async fn settle_from_host(cx: &mut Context, id: ModuleId, event: Event) -> Result<Flow> {
    let (pipeline, signal) = (Arc::clone(&cx.pipeline), Arc::clone(&cx.signal));
    let settled = settle(cx, &pipeline, id, event);
    let result = Contained::new(settled, pipeline.cancel(id, event, &signal)).await;
    leave(cx, &pipeline, id, 0, result)
}

/// A promise that was not kept: the future is dropped.
pub(crate) fn not_synchronous<F>(future: F) -> Error {
    let _ = contained(|| drop(future));
    nothing_pending(
        "a method that is registered as synchronous returned a future: see Registration::synchronous",
    )
}

/// The bookkeeping before a call.
#[inline]
pub(crate) fn enter(cx: &mut Context, pipeline: &Pipeline, id: ModuleId, event: Event) {
    cx.frame.enter(id, event);
    if cx.trace.is_some() || cx.meter.is_some() {
        note_entry(cx, pipeline, id, event);
    }
}

#[cold]
fn note_entry(cx: &mut Context, pipeline: &Pipeline, id: ModuleId, event: Event) {
    let depth = cx.depth();
    if let Some(trace) = &mut cx.trace {
        trace.enter(depth, event, pipeline.shared_name(id));
    }
    if let Some(meter) = &mut cx.meter {
        meter.enter(depth, id);
    }
}

/// The bookkeeping after a call: errors get their place, a module that panicked is skipped from here on.
pub(crate) fn leave(
    cx: &mut Context,
    pipeline: &Pipeline,
    id: ModuleId,
    position: usize,
    result: Result<Flow>,
) -> Result<Flow> {
    if let Some(arm) = cx.frame.arm.take() {
        cx.signal.revoke(arm);
    }
    let result = match cx.frame.drop_started() {
        true if result.is_ok() => Err(Error::framework(
            ErrorKind::OperationOutstanding,
            "an operation was started, but the method did not return Flow::Pending to wait for it",
        )),
        _ => result,
    };
    let depth = cx.depth();
    if let Some(trace) = &mut cx.trace {
        trace.leave(depth, &result);
    }
    if let Some(meter) = &mut cx.meter {
        meter.leave(depth);
    }
    result.map_err(|error| {
        if error.is_fresh_panic() {
            cx.control.skipped.push(id);
        }
        error.at(Place { module: Arc::clone(pipeline.shared_name(id)), event: cx.frame.event, position })
    })
}

/// The bookkeeping after the handler: it has no `on_async_completion`, so nobody waits for what it left open.
pub(crate) fn leave_handler(cx: &mut Context, result: Result<Flow>) -> Result<Flow> {
    let started = cx.frame.started.is_some();
    cx.close_frame();
    match result {
        Ok(Flow::Pending) => Err(nothing_pending(
            "the handler returned Flow::Pending, but only a module has on_async_completion: await in it, or mount a module instead",
        )),
        Ok(_) if started => Err(Error::framework(
            ErrorKind::OperationOutstanding,
            "the handler started an operation, but only a module has on_async_completion: await it instead",
        )),
        result => result,
    }
}

/// Calls the method of an event, containing a panic. `None`: it answered `Continue` at once, as nearly all do; that
/// answer is one byte, where an [`Outcome`] is three words that would be copied.
pub(crate) fn invoke<'a>(
    module: &'a dyn Module,
    cx: &'a mut Context,
    event: Event,
    provider: Provider<'a>,
) -> Option<Outcome<'a>> {
    contain_outcome(move || dispatch(module, cx, event, provider))
}

fn invoke_completion<'a>(
    module: &'a dyn Module,
    cx: &'a mut Context,
    info: CompletionInfo,
) -> Option<Outcome<'a>> {
    contain_outcome(move || module.on_async_completion(cx, info))
}

/// Calls the mounted service, containing a panic.
pub(crate) fn invoke_handler<'a>(handler: &'a dyn Handler, cx: &'a mut Context) -> Option<Outcome<'a>> {
    contain_outcome(move || handler.handle(cx))
}

#[inline]
pub(crate) fn dispatch<'a>(
    module: &'a dyn Module,
    cx: &'a mut Context,
    event: Event,
    provider: Provider<'a>,
) -> Outcome<'a> {
    match (event.notification(), event.is_post()) {
        (Notification::BeginRequest, false) => module.on_begin_request(cx),
        (Notification::BeginRequest, true) => module.on_post_begin_request(cx),
        (Notification::AuthenticateRequest, false) => module.on_authenticate_request(cx),
        (Notification::AuthenticateRequest, true) => module.on_post_authenticate_request(cx),
        (Notification::AuthorizeRequest, false) => module.on_authorize_request(cx),
        (Notification::AuthorizeRequest, true) => module.on_post_authorize_request(cx),
        (Notification::ResolveRequestCache, false) => module.on_resolve_request_cache(cx),
        (Notification::ResolveRequestCache, true) => module.on_post_resolve_request_cache(cx),
        (Notification::MapRequestHandler, false) => module.on_map_request_handler(cx),
        (Notification::MapRequestHandler, true) => module.on_post_map_request_handler(cx),
        (Notification::AcquireRequestState, false) => module.on_acquire_request_state(cx),
        (Notification::AcquireRequestState, true) => module.on_post_acquire_request_state(cx),
        (Notification::PreExecuteRequestHandler, false) => module.on_pre_execute_request_handler(cx),
        (Notification::PreExecuteRequestHandler, true) => module.on_post_pre_execute_request_handler(cx),
        (Notification::ExecuteRequestHandler, false) => module.on_execute_request_handler(cx),
        (Notification::ExecuteRequestHandler, true) => module.on_post_execute_request_handler(cx),
        (Notification::ReleaseRequestState, false) => module.on_release_request_state(cx),
        (Notification::ReleaseRequestState, true) => module.on_post_release_request_state(cx),
        (Notification::UpdateRequestCache, false) => module.on_update_request_cache(cx),
        (Notification::UpdateRequestCache, true) => module.on_post_update_request_cache(cx),
        (Notification::LogRequest, false) => module.on_log_request(cx),
        (Notification::LogRequest, true) => module.on_post_log_request(cx),
        (Notification::EndRequest, false) => module.on_end_request(cx),
        (Notification::EndRequest, true) => module.on_post_end_request(cx),
        (Notification::SendResponse, _) => match provider {
            Provider::Sending(sending) => module.on_send_response(cx, sending),
            _ => Outcome::CONTINUE,
        },
        (Notification::ReadEntity, _) => match provider {
            Provider::ReadEntity(entity) => module.on_read_entity(cx, entity),
            _ => Outcome::CONTINUE,
        },
        (Notification::CustomRequestNotification, _) => match provider {
            Provider::Custom(custom) => module.on_custom_request_notification(cx, custom),
            _ => Outcome::CONTINUE,
        },
        // Called through call_map_path, which needs no future.
        (Notification::MapPath, _) => Outcome::CONTINUE,
    }
}

/// After `Pending`: waits for what is outstanding, calls `on_async_completion`, and again while it says `Pending`.
///
/// Boxed, because an operation may run another module's call inside, and the types would have no end.
pub(crate) fn settle<'a>(
    cx: &'a mut Context,
    pipeline: &'a Pipeline,
    id: ModuleId,
    event: Event,
) -> ModuleFuture<'a> {
    Box::pin(async move {
        let module = pipeline.module(id);
        loop {
            let info = wait(cx, event).await?;
            let depth = cx.depth();
            if let Some(trace) = &mut cx.trace {
                trace.enter_completion(depth, event, pipeline.shared_name(id));
            }
            let result = match invoke_completion(module, cx, info) {
                None => Ok(Flow::Continue),
                Some(Outcome::Ready(result)) => result,
                Some(Outcome::Pending(future)) => Contained::new(future, None).await,
            };
            if let Some(trace) = &mut cx.trace {
                trace.leave(depth, &result);
            }
            match result {
                Ok(Flow::Pending) => {}
                done => return done,
            }
        }
    })
}

/// Waits for the operation or the post that the event is pending on.
async fn wait(cx: &mut Context, event: Event) -> Result<CompletionInfo> {
    if let Some(operation) = cx.frame.started.take() {
        let source = source_of(&operation);
        let StartedResult { completion, entity, child } = cx.run_started(operation).await;
        return Ok(CompletionInfo { event, completion, source, entity, child });
    }
    let Some(arm) = cx.frame.arm else {
        return Err(nothing_pending(
            "Flow::Pending with nothing outstanding: start an operation or take a completion handle first, or return Flow::Continue",
        ));
    };
    let posted = cx.wait_posted(arm).await;
    cx.frame.arm = None;
    match posted {
        Posted::Bytes(bytes) => Ok(CompletionInfo {
            event,
            completion: Completion::success(bytes),
            source: CompletionSource::Posted,
            entity: bytes::Bytes::new(),
            child: None,
        }),
        Posted::Abandoned => Err(nothing_pending(
            "Flow::Pending, but every completion handle was dropped without a post: nobody can complete this event any more",
        )),
    }
}

fn source_of(operation: &StartedOperation) -> CompletionSource {
    match operation {
        StartedOperation::Write(_) => CompletionSource::Write,
        StartedOperation::Flush => CompletionSource::Flush,
        StartedOperation::Read(_) => CompletionSource::ReadEntity,
        StartedOperation::Child(_) => CompletionSource::ExecuteRequest,
    }
}

fn nothing_pending(text: &'static str) -> Error {
    Error::framework(ErrorKind::NothingPending, text)
}

fn contain_outcome<'a>(f: impl FnOnce() -> Outcome<'a>) -> Option<Outcome<'a>> {
    let mut unusual = None;
    let answer = &mut unusual;
    let caught = catch_unwind(AssertUnwindSafe(move || match f() {
        Outcome::Ready(Ok(Flow::Continue)) => {}
        other => *answer = Some(other),
    }));
    match caught {
        Ok(()) => unusual,
        Err(payload) => Some(Outcome::Ready(Err(panicked(payload)))),
    }
}

/// Contains the panics of several calls with one guard.
pub(crate) fn contain_calls(f: impl FnOnce() -> Option<Result<Flow>>) -> Option<Result<Flow>> {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|payload| Some(Err(panicked(payload))))
}

fn contain<T>(f: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|payload| Err(panicked(payload)))
}

fn panicked(payload: Box<dyn std::any::Any + Send>) -> Error {
    let text = payload
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a payload that is no text".into());
    drop_payload(payload);
    Error::framework(ErrorKind::Panicked, format!("panicked: {text}"))
}

/// A module's future, with its panics contained, when it is polled and when it is dropped; with a signal it is
/// dropped as soon as the client has gone.
pub(crate) struct Contained<'s, F> {
    future: Option<F>,
    cancel: Option<&'s Signal>,
}

impl<'s, F> Contained<'s, F> {
    pub(crate) fn new(future: F, cancel: Option<&'s Signal>) -> Self {
        Self { future: Some(future), cancel }
    }

    /// Drops the future; the panic of a destructor in it.
    fn release(&mut self) -> Option<Error> {
        let future = self.future.take();
        let error = panicked(catch_unwind(AssertUnwindSafe(|| drop(future))).err()?);
        tracing::error!(%error, "a module panicked while its future was dropped");
        Some(error)
    }

    /// What the client's going makes of the call: nothing, unless its future panics on its way out.
    fn cancelled(&mut self) -> Error {
        self.release().unwrap_or_else(Error::disconnected)
    }
}

impl<T, F: Future<Output = Result<T>> + Unpin> Future for Contained<'_, F> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Result<T>> {
        if self.cancel.is_some_and(Signal::is_gone) {
            return Poll::Ready(Err(self.cancelled()));
        }
        let future = &mut self.future;
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let Some(running) = future else {
                // Polled after it was ready: no caller in this crate does, and a hang is no answer.
                return Poll::Ready(Err(nothing_pending("a finished call was polled again")));
            };
            let done = Pin::new(running).poll(task);
            if done.is_ready() {
                *future = None;
            }
            done
        }));
        match polled {
            Ok(Poll::Pending) if self.cancel.is_some_and(|signal| signal.poll_gone(task)) => {
                Poll::Ready(Err(self.cancelled()))
            }
            Ok(polled) => polled,
            Err(payload) => {
                self.release();
                Poll::Ready(Err(panicked(payload)))
            }
        }
    }
}

impl<F> Drop for Contained<'_, F> {
    fn drop(&mut self) {
        if self.future.is_some() {
            self.release();
        }
    }
}
