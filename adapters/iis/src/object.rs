//! A module's object for one request: what IIS calls.

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bivalve_core::{Event, Notification};
use bivalve_iis_sys::codes::REQUEST_NOTIFICATION_STATUS;
use bivalve_iis_sys::types::BOOL;
use bivalve_iis_sys::{
    CHttpModule, CHttpModuleImpl, CHttpModuleVtbl, IAuthenticationProvider, ICustomNotificationProvider,
    IHttpCompletionInfo, IHttpContext, IHttpEventProvider, IMapHandlerProvider, IMapPathProvider,
    IReadEntityProvider, ISendResponseProvider,
};

use crate::contain::contained;
use crate::entry;
use crate::port::IisCall;
use crate::record::Record;
use crate::registry::Exported;

/// One module in one request, in memory of IIS's allocator.
///
/// Only ever reached through `&`: IIS calls it again while it is inside a call, on this thread or another one.
#[repr(C)]
pub(crate) struct Object {
    class: CHttpModule,
    pub(crate) exported: Arc<Exported>,
    record: OnceLock<Arc<Record>>,
    /// The notifications of this module that wait, innermost last.
    calls: Mutex<Vec<(Event, Arc<IisCall>)>>,
    /// It has panicked, and is not called again in this request.
    pub(crate) skipped: AtomicBool,
}

static VTABLE: CHttpModuleVtbl = CHttpModuleVtbl::of::<Object>();

impl Object {
    pub(crate) fn new(exported: &Arc<Exported>) -> Self {
        Self {
            class: CHttpModule::new(&VTABLE),
            exported: Arc::clone(exported),
            record: OnceLock::new(),
            calls: Mutex::default(),
            skipped: AtomicBool::new(false),
        }
    }

    /// The request.
    ///
    /// # Safety
    ///
    /// IIS has given `context` to the notification that runs.
    pub(crate) unsafe fn record(&self, context: *mut IHttpContext) -> &Arc<Record> {
        // SAFETY: as the caller says.
        self.record.get_or_init(|| unsafe { Record::of(context, &self.exported) })
    }

    pub(crate) fn add(&self, event: Event, call: &Arc<IisCall>) {
        self.calls().push((event, Arc::clone(call)));
    }

    pub(crate) fn remove(&self, call: &Arc<IisCall>) {
        let mut calls = self.calls();
        let index = calls.iter().position(|(_, other)| Arc::ptr_eq(other, call));
        let call = index.map(|index| calls.remove(index));
        drop(calls);
        drop(call);
    }

    /// The call that IIS's completion is for.
    pub(crate) fn awaiting(&self, event: Event) -> Option<Arc<IisCall>> {
        let calls: Vec<_> =
            self.calls().iter().filter(|call| call.0 == event).map(|c| Arc::clone(&c.1)).collect();
        calls.into_iter().rev().find(|call| call.awaits_iis())
    }

    /// Whether IIS has been told that an answer will come, or has been given one that it did not ask for here.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.calls().is_empty()
    }

    fn calls(&self) -> MutexGuard<'_, Vec<(Event, Arc<IisCall>)>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        // The lock is not held while futures are dropped.
        let calls = std::mem::take(&mut *self.calls());
        for (_, call) in calls {
            call.retire();
        }
    }
}

/// An object at its end: gone when this is dropped, whatever happens before.
struct Ending(*mut Object);

impl Drop for Ending {
    fn drop(&mut self) {
        // SAFETY: IIS disposes of it once, last of all; the memory is the allocator's, which frees it.
        unsafe { std::ptr::drop_in_place(self.0) };
    }
}

/// # Safety
///
/// IIS has called a notification of an [`Object`] with these.
unsafe fn notified<P>(
    this: *mut CHttpModule,
    context: *mut IHttpContext,
    notification: Notification,
    is_post: bool,
    provider: *mut P,
) -> REQUEST_NOTIFICATION_STATUS {
    let event = if is_post { Event::post(notification) } else { Some(Event::of(notification)) };
    let Some(event) = event else { return REQUEST_NOTIFICATION_STATUS::CONTINUE };
    let mut answered = None;
    contained(format_args!("CHttpModule::On{event}"), (), || {
        // SAFETY: IIS keeps the object until `Dispose`, which follows every notification, and never writes to it.
        let object = unsafe { &*this.cast::<Object>() };
        // SAFETY: context and provider are alive until the notification has been answered.
        answered = Some(unsafe { entry::enter(object, context, event, provider.cast::<c_void>()) });
    });
    // SAFETY: it has not been answered.
    answered.unwrap_or_else(|| unsafe { entry::fail_closed(context, event, provider.cast()) })
}

macro_rules! notifications {
    ($($method:ident: $notification:ident $post:literal $provider:ty,)+) => {
        $(
            unsafe fn $method(
                this: *mut CHttpModule,
                context: *mut IHttpContext,
                provider: *mut $provider,
            ) -> REQUEST_NOTIFICATION_STATUS {
                // SAFETY: IIS calls it with the object, the context and the provider of this notification.
                unsafe { notified(this, context, Notification::$notification, $post, provider) }
            }
        )+
    };
}

impl CHttpModuleImpl for Object {
    notifications! {
        on_begin_request: BeginRequest false IHttpEventProvider,
        on_post_begin_request: BeginRequest true IHttpEventProvider,
        on_authenticate_request: AuthenticateRequest false IAuthenticationProvider,
        on_post_authenticate_request: AuthenticateRequest true IHttpEventProvider,
        on_authorize_request: AuthorizeRequest false IHttpEventProvider,
        on_post_authorize_request: AuthorizeRequest true IHttpEventProvider,
        on_resolve_request_cache: ResolveRequestCache false IHttpEventProvider,
        on_post_resolve_request_cache: ResolveRequestCache true IHttpEventProvider,
        on_map_request_handler: MapRequestHandler false IMapHandlerProvider,
        on_post_map_request_handler: MapRequestHandler true IHttpEventProvider,
        on_acquire_request_state: AcquireRequestState false IHttpEventProvider,
        on_post_acquire_request_state: AcquireRequestState true IHttpEventProvider,
        on_pre_execute_request_handler: PreExecuteRequestHandler false IHttpEventProvider,
        on_post_pre_execute_request_handler: PreExecuteRequestHandler true IHttpEventProvider,
        on_execute_request_handler: ExecuteRequestHandler false IHttpEventProvider,
        on_post_execute_request_handler: ExecuteRequestHandler true IHttpEventProvider,
        on_release_request_state: ReleaseRequestState false IHttpEventProvider,
        on_post_release_request_state: ReleaseRequestState true IHttpEventProvider,
        on_update_request_cache: UpdateRequestCache false IHttpEventProvider,
        on_post_update_request_cache: UpdateRequestCache true IHttpEventProvider,
        on_log_request: LogRequest false IHttpEventProvider,
        on_post_log_request: LogRequest true IHttpEventProvider,
        on_end_request: EndRequest false IHttpEventProvider,
        on_post_end_request: EndRequest true IHttpEventProvider,
        on_send_response: SendResponse false ISendResponseProvider,
        on_map_path: MapPath false IMapPathProvider,
        on_read_entity: ReadEntity false IReadEntityProvider,
        on_custom_request_notification: CustomRequestNotification false ICustomNotificationProvider,
    }

    unsafe fn on_async_completion(
        this: *mut CHttpModule,
        context: *mut IHttpContext,
        notification: u32,
        is_post: BOOL,
        _: *mut IHttpEventProvider,
        info: *mut IHttpCompletionInfo,
    ) -> REQUEST_NOTIFICATION_STATUS {
        let event = Notification::from_bits(notification).and_then(|notification| {
            if is_post == 0 { Some(Event::of(notification)) } else { Event::post(notification) }
        });
        let mut answered = None;
        contained("CHttpModule::OnAsyncCompletion", (), || {
            // SAFETY: IIS keeps the object until `Dispose`, and that comes after the answer to this notification.
            let object = unsafe { &*this.cast::<Object>() };
            // SAFETY: the completion is alive during this call, and the context until the answer.
            answered = Some(unsafe { entry::completed(object, context, event, info) });
        });
        answered.unwrap_or_else(|| {
            // SAFETY: as above; the notification has not been answered.
            unsafe { entry::failed(&*this.cast::<Object>(), context, event) }
        })
    }

    unsafe fn dispose(this: *mut CHttpModule) {
        let ending = Ending(this.cast());
        contained("CHttpModule::Dispose", (), move || drop(ending));
    }

    unsafe fn destructor(_: *mut CHttpModule, _: u32) -> *mut c_void {
        // Only `Dispose` of C++ calls it.
        contained("CHttpModule::~CHttpModule", null_mut(), null_mut)
    }
}

impl Object {
    pub(crate) fn skip(&self) {
        self.skipped.store(true, Ordering::Release);
    }

    pub(crate) fn is_skipped(&self) -> bool {
        self.skipped.load(Ordering::Acquire)
    }
}
