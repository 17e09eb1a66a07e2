//! A notification: what happens between IIS's call and our answer.

use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bivalve_core::{Context, Event, Flow, NestedFailure, Notification, Result};
use bivalve_iis_sys::codes::REQUEST_NOTIFICATION_STATUS;
use bivalve_iis_sys::hresult::E_FAIL;
use bivalve_iis_sys::{
    IHttpCompletionInfo, IHttpContext, IHttpEventProvider, IHttpResponse, IMapHandlerProvider,
};

use crate::event_log::{self, About};
use crate::host::IisHost;
use crate::object::Object;
use crate::port::{IisCall, IisPort};
use crate::provided::Provided;
use crate::record::Record;
use crate::waiting::{Call, Work};
use crate::{failed_request, inward, outward};

/// One call of one module, with all that belongs to it.
struct Running {
    object: *const Object,
    record: Arc<Record>,
    cx: Option<Box<Context>>,
    event: Event,
    context: *mut IHttpContext,
    provider: *mut c_void,
}

// SAFETY: object, context and provider are IIS's, alive until this call is answered, and whatever of it runs, runs on
// one thread at a time (rule 1 of `waiting`). Of the object only what is `Sync` is used.
unsafe impl Send for Running {}

/// A notification of IIS.
///
/// # Safety
///
/// IIS has called it with these; none of them ends before it has been answered.
pub(crate) unsafe fn enter(
    object: &Object,
    context: *mut IHttpContext,
    event: Event,
    provider: *mut c_void,
) -> REQUEST_NOTIFICATION_STATUS {
    // SAFETY: as the caller says.
    let record = Arc::clone(unsafe { object.record(context) });
    let exported = &object.exported;
    if !exported.registration.wants(event) {
        // SAFETY: as the caller says.
        unsafe { map_handler(object, &record, event, provider) };
        return REQUEST_NOTIFICATION_STATUS::CONTINUE;
    }
    if object.is_skipped() {
        // It has panicked in a nested event that this IIS did not answer for: it may be a guard, and cannot be asked.
        // Nested events pass, or the answer could not leave.
        if event.notification().is_deterministic() {
            // SAFETY: as the caller says.
            return unsafe { fail_closed(context, event, provider) };
        }
        return REQUEST_NOTIFICATION_STATUS::CONTINUE;
    }
    // SAFETY: as the caller says.
    let Some(mut cx) = (unsafe { record.take(context, exported, event) }) else {
        // SAFETY: as the caller says.
        return unsafe { refuse(context, event, provider) };
    };
    let host = IisHost::of(&mut cx);
    host.event = Some(event);
    host.provider = provider;
    host.call = None;
    // SAFETY: as the caller says.
    if !unsafe { inward::bring(&mut cx, event) } {
        // SAFETY: as the caller says.
        return unsafe { refuse(context, event, provider) };
    }
    let answered = &record.shared.answered;
    if comes_after_handler(event) {
        answered.store(true, Ordering::Relaxed);
    }
    if answered.load(Ordering::Relaxed) {
        cx.response_mut().adopt_answered();
        let _ = cx.take_touched();
    }
    // SAFETY: as the caller says.
    let mut provided = unsafe { Provided::of(event, provider) };
    let running = Running { object, record, cx: Some(cx), event, context, provider };
    let synchronous =
        exported.registration.is_synchronous(event) || event.notification() == Notification::MapPath;
    if synchronous {
        return running.now(provided);
    }
    let index = exported.index;
    running.later(move |cx| {
        Box::pin(async move {
            let result = cx.call_module(index, event, provided.given()).await;
            (result, provided)
        })
    })
}

/// `OnAsyncCompletion`; `event` is `None` where the number is not that of one.
///
/// # Safety
///
/// IIS has called it with these; the completion lives during this call, and the context until the answer.
pub(crate) unsafe fn completed(
    object: &Object,
    context: *mut IHttpContext,
    event: Option<Event>,
    info: *mut IHttpCompletionInfo,
) -> REQUEST_NOTIFICATION_STATUS {
    let Some(call) = event.and_then(|event| object.awaiting(event)) else {
        tracing::error!(?event, "IIS has completed something that nobody waits for");
        // Any other answer would be that of a notification that has not come to one.
        if object.is_waiting() {
            return REQUEST_NOTIFICATION_STATUS::PENDING;
        }
        // And none comes that could be waited for.
        // SAFETY: IIS keeps the context until it has an answer, says the caller.
        return unsafe { fail_closed(context, event, std::ptr::null_mut()) };
    };
    let (mut bytes, mut status) = (0, 0);
    if !info.is_null() {
        // SAFETY: it is alive during this call, says the caller.
        unsafe {
            bytes = IHttpCompletionInfo::get_completion_bytes(info);
            status = IHttpCompletionInfo::get_completion_status(info);
        }
    }
    let answer = call.completed(bytes, status);
    if answer != REQUEST_NOTIFICATION_STATUS::PENDING {
        // IIS has not been told yet, so the object is there.
        object.remove(&call);
    }
    answer
}

/// The answer where `OnAsyncCompletion` itself has failed: what waits for it ends, and not before it has returned to IIS.
///
/// # Safety
///
/// As for [`fail_closed`].
pub(crate) unsafe fn failed(
    object: &Object,
    context: *mut IHttpContext,
    event: Option<Event>,
) -> REQUEST_NOTIFICATION_STATUS {
    let Some(call) = event.and_then(|event| object.awaiting(event)) else {
        if object.is_waiting() {
            return REQUEST_NOTIFICATION_STATUS::PENDING;
        }
        // SAFETY: as the caller says.
        return unsafe { fail_closed(context, event, std::ptr::null_mut()) };
    };
    let answer = call.failed();
    if answer != REQUEST_NOTIFICATION_STATUS::PENDING {
        object.remove(&call);
    }
    answer
}

/// The answer where we ourselves have failed: nothing passes a module that could not be asked.
///
/// # Safety
///
/// IIS has called a notification with this context and provider, null if unknown, which has not been answered.
pub(crate) unsafe fn fail_closed(
    context: *mut IHttpContext,
    event: impl Into<Option<Event>>,
    provider: *mut c_void,
) -> REQUEST_NOTIFICATION_STATUS {
    // SAFETY: as the caller says.
    unsafe { finish_with(context, event.into(), provider, (500, c"Internal Server Error")) }
}

/// The answer to a request that modules cannot be shown: one whose method or URL is none.
///
/// # Safety
///
/// As for [`fail_closed`].
unsafe fn refuse(
    context: *mut IHttpContext,
    event: Event,
    provider: *mut c_void,
) -> REQUEST_NOTIFICATION_STATUS {
    // SAFETY: as the caller says.
    unsafe { finish_with(context, Some(event), provider, (400, c"Bad Request")) }
}

/// # Safety
///
/// As for [`fail_closed`].
unsafe fn finish_with(
    context: *mut IHttpContext,
    event: Option<Event>,
    provider: *mut c_void,
    (status, reason): (u16, &std::ffi::CStr),
) -> REQUEST_NOTIFICATION_STATUS {
    let notification = event.map(Event::notification);
    if notification.is_some_and(Notification::is_guaranteed) {
        return REQUEST_NOTIFICATION_STATUS::CONTINUE;
    }
    if notification.is_some_and(|notification| !notification.is_deterministic()) && !provider.is_null() {
        // Whoever has raised it goes on otherwise, as if it had been agreed to.
        // SAFETY: the provider is alive, says the caller; every class of them begins with this one.
        unsafe { IHttpEventProvider::set_error_status(provider.cast::<IHttpEventProvider>(), E_FAIL) };
    }
    // SAFETY: the context is alive, says the caller, and the response with it.
    unsafe {
        let response = IHttpContext::get_response(context);
        if IHttpContext::get_response_headers_sent(context) == 0 {
            IHttpResponse::clear(response);
            let reason = reason.as_ptr().cast();
            IHttpResponse::set_status(response, status, reason, 0, E_FAIL, std::ptr::null_mut(), 1);
        } else {
            IHttpResponse::reset_connection(response);
        }
    }
    REQUEST_NOTIFICATION_STATUS::FINISH_REQUEST
}

impl Running {
    /// A method that returns no future, called directly: where it changes nothing that IIS has to wait for, this is all.
    fn now(mut self, mut provided: Provided) -> REQUEST_NOTIFICATION_STATUS {
        let (index, event) = (self.object().exported.index, self.event);
        let context = self.context;
        // SAFETY: the notification is answered when this has returned, and not before.
        let result = unsafe {
            failed_request::within(context, || self.cx().call_module_now(index, event, provided.given()))
        };
        let Some(result) = result else {
            return self.later(move |cx| {
                Box::pin(async move {
                    let result = cx.settle_module(index, event).await;
                    (result, provided)
                })
            });
        };
        // SAFETY: as above.
        let (flow, wait) = unsafe { failed_request::within(context, || self.settle(result, provided)) };
        if !wait {
            self.end();
            return status_of(flow);
        }
        self.begin(move |_| Box::pin(async move { flow }))
    }

    /// A method that may wait.
    fn later(
        self,
        run: impl FnOnce(&mut Context) -> Answering<'_> + Send + 'static,
    ) -> REQUEST_NOTIFICATION_STATUS {
        self.begin(|running| {
            Box::pin(async move {
                let (result, provided) = run(running.cx()).await;
                // What the module has dropped half-way ends before anything else begins.
                running.drain().await;
                let (flow, _) = running.settle(result, provided);
                flow
            })
        })
    }

    /// Makes a call of it that IIS can come back to, and polls it for the first time.
    fn begin(
        mut self,
        run: impl for<'r> FnOnce(&'r mut Self) -> std::pin::Pin<Box<dyn Future<Output = Flow> + Send + 'r>>
        + Send
        + 'static,
    ) -> REQUEST_NOTIFICATION_STATUS {
        let call: Arc<IisCall> = Call::new(IisPort(self.context, self.event, self.provider));
        let host = IisHost::of(self.cx());
        host.call = Some(Arc::clone(&call));
        let (object, event) = (self.object, self.event);
        // SAFETY: the notification has not been answered, so IIS keeps the object.
        let object = unsafe { &*object };
        object.add(event, &call);
        let work: Work = Box::pin(async move {
            let mut flow = run(&mut self).await;
            if self.drain().await < 0 && flow == Flow::Continue {
                flow = Flow::Finish;
            }
            self.end();
            status_of(flow)
        });
        let answer = call.begin(work);
        if answer != REQUEST_NOTIFICATION_STATUS::PENDING {
            object.remove(&call);
        }
        answer
    }

    /// What comes after a call: its answer, and what it has changed. Whether IIS has to be waited for.
    fn settle(&mut self, result: Result<Flow>, provided: Provided) -> (Flow, bool) {
        let (event, context, provider) = (self.event, self.context, self.provider);
        let nested = !event.notification().is_deterministic();
        let mut panicked = false;
        if let Err(error) = &result
            && error.is_panic()
            && error.place().is_some_and(|place| place.module == self.object().exported.name)
        {
            self.object().skip();
            panicked = true;
            event_log::report(About::Panic, &format!("A panic was stopped, and answered with 500: {error}"));
        }
        let is_callers = provided.is_callers();
        // SAFETY: the notification has not been answered.
        let raised_here = unsafe { provided.is_raised_here(provider) };
        // SAFETY: as above.
        unsafe { provided.give_back(context, provider, &result) };
        if event == Event::of(Notification::ExecuteRequestHandler) {
            self.record.shared.answered.store(true, Ordering::Relaxed);
        }
        let cx = self.cx();
        let replaces = result.as_ref().err().is_some_and(|error| {
            let is_told = error.is_panic() || !(is_callers || event.notification().is_guaranteed());
            is_told && !error.is_disconnected()
        });
        let mut failed = cx.nested_failure();
        // What fails while the head is leaving is answered by this very part.
        let answered = event.notification() == Notification::SendResponse && !cx.response().headers_sent();
        let flow = match result {
            // It is not answered for; but what has failed inside it is, and does not stay for the next call.
            Err(error) if is_callers && !error.is_panic() => cx.answer_module(event, Ok(Flow::Finish)),
            // What has failed inside it is answered by the event around it, and the others are asked as well.
            Ok(flow) if raised_here => {
                cx.answer_module(event, Ok(Flow::Continue));
                flow
            }
            result => {
                let own = |error: &bivalve_core::Error| NestedFailure {
                    status: error.status(),
                    sub_status: error.sub_status(),
                    answered,
                };
                failed = result.as_ref().err().map(own).or(failed);
                if panicked {
                    event_log::reported(|| cx.answer_module(event, result))
                } else {
                    cx.answer_module(event, result)
                }
            }
        };
        // Another DLL has no use for it: there, the answer is that the request ends.
        let is_others = event.notification() == Notification::CustomRequestNotification && !raised_here;
        if let Some(failure) = failed.filter(|_| nested && !is_others) {
            IisHost::of(cx).shared.fail(failure);
        }
        if let Some(module) = cx.take_chosen_handler() {
            IisHost::of(cx).shared.choose_handler(module);
        }
        if replaces && !cx.response().headers_sent() {
            // Nothing stays of a response that IIS has, also of what nested events have made of it since.
            let host = IisHost::of(cx);
            // SAFETY: the response is alive while the notification has not been answered.
            unsafe { IHttpResponse::clear(host.response()) };
            host.mirror.forget_response();
        }
        // SAFETY: the notification has not been answered.
        let wait = unsafe { outward::push(cx, event.notification() == Notification::SendResponse) };
        // SAFETY: as above.
        unsafe { map_handler(self.object(), &self.record, event, provider) };
        (flow, wait)
    }

    /// Waits until IIS has done all that was started.
    async fn drain(&mut self) -> i32 {
        let cx = self.cx();
        let worst = std::future::poll_fn(|task| IisHost::of(cx).poll_drain(task)).await;
        IisHost::of(cx).note_written();
        worst
    }

    /// The context may serve the next call. Nothing is running any more.
    fn end(&mut self) {
        if let Some(mut cx) = self.cx.take() {
            cx.stow_kept();
            let host = IisHost::of(&mut cx);
            host.call = None;
            host.provider = std::ptr::null_mut();
            self.record.give_back(cx);
        }
    }

    fn object(&self) -> &Object {
        // SAFETY: this call has not been answered, so IIS keeps the object; nobody writes to it.
        unsafe { &*self.object }
    }

    fn cx(&mut self) -> &mut Context {
        self.cx.as_deref_mut().expect("it is there until the end")
    }
}

/// A module's answer that is being waited for, with what it was given.
type Answering<'a> = std::pin::Pin<Box<dyn Future<Output = (Result<Flow>, Provided)> + Send + 'a>>;

/// Puts a module that has made itself the handler into the handler mapping, at the event where IIS takes it.
///
/// # Safety
///
/// `provider` is that of a notification of this event, which has not been answered.
unsafe fn map_handler(object: &Object, record: &Record, event: Event, provider: *mut c_void) {
    let exported = &object.exported;
    if event == Event::of(Notification::MapRequestHandler)
        && !provider.is_null()
        && record.shared.is_handler(exported.index)
    {
        // SAFETY: the provider is alive, says the caller; the mapping as long as IIS has the module's factory.
        unsafe {
            IMapHandlerProvider::set_script_map(
                provider.cast::<IMapHandlerProvider>(),
                exported.script_map().as_ptr(),
            );
        }
    }
}

fn comes_after_handler(event: Event) -> bool {
    let notification = event.notification();
    (notification.is_deterministic() && notification > Notification::ExecuteRequestHandler)
        || Some(event) == Event::post(Notification::ExecuteRequestHandler)
}

fn status_of(flow: Flow) -> REQUEST_NOTIFICATION_STATUS {
    match flow {
        Flow::Finish => REQUEST_NOTIFICATION_STATUS::FINISH_REQUEST,
        _ => REQUEST_NOTIFICATION_STATUS::CONTINUE,
    }
}
