//! A custom notification on its way through IIS.

use std::sync::{Mutex, PoisonError};

use bivalve_core::{CustomNotification, Error, Flow, Result};
use bivalve_iis_sys::hresult::succeeded;
use bivalve_iis_sys::types::{HRESULT, PCWSTR};
use bivalve_iis_sys::{
    ICustomNotificationProvider, ICustomNotificationProviderImpl, ICustomNotificationProviderVtbl,
    IHttpEventProvider, IHttpEventProviderImpl,
};
use http::StatusCode;

use crate::contain::contained;
use crate::{foreign, text};

/// What IIS carries to the modules that asked for custom notifications. Those of this DLL find the value in it.
#[repr(C)]
pub(crate) struct Custom {
    class: ICustomNotificationProvider,
    name: Vec<u16>,
    state: Mutex<State>,
}

struct State {
    custom: Option<CustomNotification>,
    answer: Option<Answer>,
}

enum Answer {
    Finish,
    Failed(StatusCode, u16, String),
    Status(HRESULT),
}

// SAFETY: the vtable is static, and what changes is behind a lock.
unsafe impl Send for Custom {}
// SAFETY: as above.
unsafe impl Sync for Custom {}

static EMPTY: [u16; 1] = [0];
static VTABLE: ICustomNotificationProviderVtbl = ICustomNotificationProviderVtbl::of::<Custom>();

impl Custom {
    pub(crate) fn new(custom: CustomNotification) -> Box<Self> {
        let name = text::to_wide(custom.unique_id());
        let state = Mutex::new(State { custom: Some(custom), answer: None });
        Box::new(Self { class: ICustomNotificationProvider::new(&VTABLE), name, state })
    }

    /// For IIS, as long as the box lives.
    pub(crate) fn as_ptr(&self) -> *mut ICustomNotificationProvider {
        std::ptr::from_ref(self).cast_mut().cast()
    }

    /// The provider, if it is one of ours.
    ///
    /// # Safety
    ///
    /// `provider` is alive as long as the result is used.
    pub(crate) unsafe fn ours<'a>(provider: *mut ICustomNotificationProvider) -> Option<&'a Self> {
        // SAFETY: it is alive, says the caller; an object with this vtable is ours.
        unsafe { std::ptr::eq((*provider).vtable, &raw const VTABLE).then(|| &*provider.cast::<Self>()) }
    }

    /// Lends the notification to a module.
    pub(crate) fn take(&self) -> CustomNotification {
        self.lock().custom.take().unwrap_or_else(|| CustomNotification::new(""))
    }

    /// Takes it back, with the module's answer.
    pub(crate) fn answer(&self, custom: CustomNotification, result: &Result<Flow>) {
        let mut state = self.lock();
        state.custom = Some(custom);
        match result {
            Ok(Flow::Finish) => state.answer = Some(Answer::Finish),
            Ok(_) => {}
            Err(error) => {
                state.answer = Some(Answer::Failed(error.status(), error.sub_status(), error.to_string()));
            }
        }
    }

    /// The end: the notification, and what came of it.
    pub(crate) fn finish(&self, status: HRESULT) -> (CustomNotification, Result<Flow>) {
        let mut state = self.lock();
        let custom = state.custom.take().unwrap_or_else(|| CustomNotification::new(""));
        let result = match state.answer.take() {
            Some(Answer::Finish) => Ok(Flow::Finish),
            Some(Answer::Failed(status, sub, text)) => Err(Error::new(status, text).with_sub_status(sub)),
            Some(Answer::Status(status)) => Err(foreign::failed("a custom notification", status)),
            None if succeeded(status) => Ok(Flow::Continue),
            None => Err(foreign::failed("NotifyCustomNotification", status)),
        };
        (custom, result)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl IHttpEventProviderImpl for Custom {
    unsafe fn set_error_status(this: *mut IHttpEventProvider, error: HRESULT) {
        contained("ICustomNotificationProvider::SetErrorStatus", (), || {
            // SAFETY: the provider is alive until the notification has come back.
            let custom = unsafe { &*this.cast::<Self>() };
            custom.lock().answer.get_or_insert(Answer::Status(error));
        });
    }
}

impl ICustomNotificationProviderImpl for Custom {
    unsafe fn query_notification_type(this: *mut ICustomNotificationProvider) -> PCWSTR {
        contained("ICustomNotificationProvider::QueryNotificationType", EMPTY.as_ptr(), || {
            // SAFETY: the provider is alive until the notification has come back; the name does not change.
            unsafe { (*this.cast::<Self>()).name.as_ptr() }
        })
    }
}
