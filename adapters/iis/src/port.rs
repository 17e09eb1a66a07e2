//! What a waiting notification needs of IIS and of the runtime.

use std::ffi::c_void;
use std::sync::Arc;

use bivalve_core::Event;
use bivalve_iis_sys::IHttpContext;
use bivalve_iis_sys::codes::REQUEST_NOTIFICATION_STATUS;
use bivalve_iis_sys::hresult::succeeded;

use crate::waiting::{Call, Port};
use crate::{entry, failed_request, runtime};

/// A waiting notification of IIS.
pub(crate) type IisCall = Call<IisPort>;

/// IIS and the runtime, as a waiting notification needs them.
pub(crate) struct IisPort(pub(crate) *mut IHttpContext, pub(crate) Event, pub(crate) *mut c_void);

// SAFETY: IIS's context and provider may be called from any thread while the notification has not been answered, and is not
// afterwards: rule 7 of `waiting`.
unsafe impl Send for IisPort {}
// SAFETY: as above.
unsafe impl Sync for IisPort {}

impl Port for IisPort {
    fn resume_later(&self, call: Arc<Call<Self>>) {
        runtime::handle().spawn(async move { call.resume() });
    }

    fn polls<T>(&self, poll: impl FnOnce() -> T) -> T {
        let _entered = runtime::handle().enter();
        // SAFETY: the notification has not been answered: its answer is what this poll may give.
        unsafe { failed_request::within(self.0, poll) }
    }

    fn post(&self) -> bool {
        // SAFETY: the notification has not been answered, so the context is alive; nothing is touched afterwards.
        succeeded(unsafe { IHttpContext::post_completion(self.0, 0) })
    }

    fn indicate(&self, status: REQUEST_NOTIFICATION_STATUS) {
        // SAFETY: as for `post`, which has failed.
        unsafe { IHttpContext::indicate_completion(self.0, status) };
    }

    fn failed(&self) -> REQUEST_NOTIFICATION_STATUS {
        // SAFETY: the notification has not been answered, so the context is alive.
        unsafe { entry::fail_closed(self.0, self.1, self.2) }
    }
}
