//! Calls a module, and drives its notification to the end: see [`crate::frame`] for the rules.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::ptr::null_mut;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use bivalve_core::{Context, Error, Event, Flow, Notification, Result};
use bivalve_iis_sys::codes::REQUEST_NOTIFICATION_STATUS as Status;
use bivalve_iis_sys::hresult::{E_FAIL, succeeded};
use bivalve_iis_sys::types::{BOOL, HRESULT};
use bivalve_iis_sys::{CHttpModule, IHttpContext, IHttpContext3, IHttpModuleFactory};
use http::StatusCode;

use crate::faces::completion::Info;
use crate::faces::provider::Provider;
use crate::faces::records;
use crate::fault::Fault;
use crate::frame::{Callback, Completion, Frame, Next, Submitted};
use crate::operation::{Done, Operation};
use crate::registration::Registered;
use crate::request::{Current, Request};

/// A module's object for one request: made when it is first called, disposed of when the request ends.
#[derive(Default)]
pub(crate) struct Instance(Mutex<Object>);

struct Object(*mut CHttpModule);

// SAFETY: IIS calls a module's objects on any of its threads, one notification at a time or nested; so does this host.
unsafe impl Send for Object {}

impl Default for Object {
    fn default() -> Self {
        Self(null_mut())
    }
}

impl Instance {
    fn get_or_make(&self, module: &Registered, request: &Request) -> Result<*mut CHttpModule, HRESULT> {
        let mut object = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if object.0.is_null() {
            let mut made = null_mut();
            // SAFETY: the factory lives until the module is terminated, and the allocator as long as the request.
            let result = unsafe {
                IHttpModuleFactory::get_http_module(
                    module.factory(),
                    &raw mut made,
                    request.allocator.object(),
                )
            };
            if !succeeded(result) {
                return Err(result);
            }
            if made.is_null() {
                return Err(E_FAIL);
            }
            object.0 = made;
        }
        Ok(object.0)
    }

    /// Ends it, once.
    pub(crate) fn dispose(&self) {
        let object = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        if !object.0.is_null() {
            // SAFETY: the module keeps its object alive until this call, which comes once: it was taken out.
            unsafe { CHttpModule::dispose(object.0) };
        }
    }
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Instance(..)")
    }
}

/// One notification of one module, from the pipeline's side. The context is lent while it lives.
pub(crate) struct Call {
    inner: Arc<Inner>,
}

struct Inner {
    frame: Arc<Frame>,
    module: Arc<Registered>,
    instance: Arc<Instance>,
    provider: Arc<Provider>,
    failure: Mutex<Option<HRESULT>>,
}

impl Call {
    /// Lends the context.
    ///
    /// # Safety
    ///
    /// The context outlives the call, and nobody forms a reference to it by another way while the call lives.
    pub(crate) unsafe fn begin(
        cx: *mut Context,
        request: &Arc<Request>,
        event: Event,
        module: &Arc<Registered>,
        instance: Arc<Instance>,
        provider: Arc<Provider>,
    ) -> Self {
        let frame = Frame::new(request, event, module.name());
        request.enter(&frame);
        // SAFETY: says the caller; it is reclaimed in `drop`.
        unsafe { request.loan.lend(cx) };
        let module = Arc::clone(module);
        Self { inner: Arc::new(Inner { frame, module, instance, provider, failure: Mutex::default() }) }
    }

    pub(crate) fn request(&self) -> &Arc<Request> {
        &self.inner.frame.request
    }

    /// Calls the module, and goes on until the notification has ended.
    pub(crate) async fn drive(self) -> Result<Flow> {
        let inner = &self.inner;
        let frame = &inner.frame;
        self.dispatch(None);
        loop {
            match poll_fn(|task| frame.poll_next(task)).await {
                Next::Perform(mut submitted) => {
                    let done = perform(frame, &mut submitted).await;
                    frame.performed(submitted, done);
                }
                Next::Deliver(completion) => self.dispatch(Some(completion)),
                Next::End(status) => {
                    let failure = *inner.failure.lock().unwrap_or_else(PoisonError::into_inner);
                    return match failure {
                        Some(result) => Err(no_object(inner.module.name(), result)),
                        None if status == Status::FINISH_REQUEST => Ok(Flow::Finish),
                        None => Ok(Flow::Continue),
                    };
                }
            }
        }
    }

    /// Calls the module on a thread of its own, or on the one that waits for what this call is nested in.
    fn dispatch(&self, completion: Option<Completion>) {
        let inner = Arc::clone(&self.inner);
        let request = Arc::clone(&inner.frame.request);
        let faults = &request.host.faults;
        let elsewhere =
            faults.has(Fault::NestedElsewhere) || (completion.is_some() && faults.has(Fault::BeforeReturn));
        let late = completion.is_some() && faults.has(Fault::Late);
        inner.frame.call_begins();
        let job = move || {
            if late {
                std::thread::sleep(LATE);
            }
            let current = Current::enter(&inner.frame);
            inner.frame.call_runs();
            let status = match &completion {
                None => inner.notify(),
                Some(completion) => inner.complete(completion),
            };
            if status != Status::PENDING {
                records::adopt(&inner.frame.request);
            }
            drop(current);
            inner.frame.call_ends(status);
        };
        request.run(Box::new(job), elsewhere);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let frame = &self.inner.frame;
        frame.abandon();
        frame.request.leave(frame);
        frame.request.loan.reclaim();
    }
}

/// Performs an operation, or gives up when it is cancelled: what it began is the next one's then.
async fn perform(frame: &Frame, submitted: &mut Submitted) -> Done {
    let mut cx = frame.request.loan.take().await;
    let mut operation = submitted.take();
    let waited_for = submitted.is_waited_for();
    let is_read = matches!(operation, Operation::Read(_));
    let mut performing = pin!(operation.perform(&mut cx));
    let done = poll_fn(|task| {
        if !waited_for && frame.poll_cancelled(task) {
            return Poll::Ready(Done::aborted());
        }
        performing.as_mut().poll(task)
    })
    .await;
    if is_read {
        frame.request.details().note_read(done);
    }
    done
}

impl Inner {
    fn object(&self) -> Option<*mut CHttpModule> {
        match self.instance.get_or_make(&self.module, &self.frame.request) {
            Ok(object) => Some(object),
            Err(result) => {
                *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
                None
            }
        }
    }

    /// The slot of the event.
    fn notify(&self) -> Status {
        let Some(object) = self.object() else { return Status::FINISH_REQUEST };
        let cx: *mut IHttpContext = self.frame.request.context.object();
        let event = self.frame.event;
        macro_rules! slot {
            ($method:ident) => {
                // SAFETY: the module keeps its object alive until `Dispose`, and the host context and provider until
                // the notification has ended.
                unsafe { CHttpModule::$method(object, cx, self.provider.object()) }
            };
        }
        match (event.notification(), event.is_post()) {
            (Notification::BeginRequest, false) => slot!(on_begin_request),
            (Notification::BeginRequest, true) => slot!(on_post_begin_request),
            (Notification::AuthenticateRequest, false) => slot!(on_authenticate_request),
            (Notification::AuthenticateRequest, true) => slot!(on_post_authenticate_request),
            (Notification::AuthorizeRequest, false) => slot!(on_authorize_request),
            (Notification::AuthorizeRequest, true) => slot!(on_post_authorize_request),
            (Notification::ResolveRequestCache, false) => slot!(on_resolve_request_cache),
            (Notification::ResolveRequestCache, true) => slot!(on_post_resolve_request_cache),
            (Notification::MapRequestHandler, false) => slot!(on_map_request_handler),
            (Notification::MapRequestHandler, true) => slot!(on_post_map_request_handler),
            (Notification::AcquireRequestState, false) => slot!(on_acquire_request_state),
            (Notification::AcquireRequestState, true) => slot!(on_post_acquire_request_state),
            (Notification::PreExecuteRequestHandler, false) => slot!(on_pre_execute_request_handler),
            (Notification::PreExecuteRequestHandler, true) => slot!(on_post_pre_execute_request_handler),
            (Notification::ExecuteRequestHandler, false) => slot!(on_execute_request_handler),
            (Notification::ExecuteRequestHandler, true) => slot!(on_post_execute_request_handler),
            (Notification::ReleaseRequestState, false) => slot!(on_release_request_state),
            (Notification::ReleaseRequestState, true) => slot!(on_post_release_request_state),
            (Notification::UpdateRequestCache, false) => slot!(on_update_request_cache),
            (Notification::UpdateRequestCache, true) => slot!(on_post_update_request_cache),
            (Notification::LogRequest, false) => slot!(on_log_request),
            (Notification::LogRequest, true) => slot!(on_post_log_request),
            (Notification::EndRequest, false) => slot!(on_end_request),
            (Notification::EndRequest, true) => slot!(on_post_end_request),
            (Notification::SendResponse, _) => slot!(on_send_response),
            (Notification::MapPath, _) => slot!(on_map_path),
            (Notification::ReadEntity, _) => slot!(on_read_entity),
            (Notification::CustomRequestNotification, _) => slot!(on_custom_request_notification),
        }
    }

    /// `OnAsyncCompletion`, or the routine that the operation was given.
    fn complete(&self, completion: &Completion) -> Status {
        let request = &self.frame.request;
        let event = self.frame.event;
        let info = Info::new(completion.bytes, completion.status, event.notification().bits(), &request.host);
        match completion.callback {
            Callback::Module => {
                let Some(object) = self.object() else { return Status::FINISH_REQUEST };
                // SAFETY: as for the notification; the info lives during the call, which is as long as IIS's.
                unsafe {
                    CHttpModule::on_async_completion(
                        object,
                        request.context.object(),
                        event.notification().bits(),
                        BOOL::from(event.is_post()),
                        self.provider.object(),
                        info.object(),
                    )
                }
            }
            Callback::Routine(None, _) | Callback::Overlapped(None, _) => Status::CONTINUE,
            Callback::Routine(Some(routine), context) => {
                let cx: *mut IHttpContext3 = request.context.object();
                // SAFETY: the module gave the routine for this call, with its own context.
                unsafe { routine(cx, info.object(), context) }
            }
            Callback::Overlapped(Some(routine), context) => {
                // SAFETY: as above.
                unsafe { routine(0, completion.bytes, context.cast()) };
                Status::PENDING
            }
        }
    }
}

fn no_object(module: &str, result: HRESULT) -> Error {
    let text =
        format!("module {module} made no object for this request: GetHttpModule returned 0x{result:08X}");
    Error::new(StatusCode::INTERNAL_SERVER_ERROR, text)
}

/// How late [`Fault::Late`] is.
const LATE: Duration = Duration::from_millis(3);
