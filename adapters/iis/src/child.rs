//! Child requests: IIS runs another request, and hands its response to this one.

use bivalve_core::{ChildRequest, ChildResponse, Result};
use bivalve_iis_sys::IHttpContext;
use bivalve_iis_sys::flags::{CLONE_FLAG_BASICS, EXECUTE_FLAG_BUFFER_RESPONSE};
use bivalve_iis_sys::hresult::{E_UNEXPECTED, succeeded};
use bivalve_iis_sys::types::HRESULT;

use crate::user::Held;
use crate::{foreign, inward, outward};

/// A child of a request. It has to be released before its parent ends.
pub(crate) struct Child {
    request: Option<ChildRequest>,
    context: *mut IHttpContext,
    /// As whom it runs, where that is not the parent's user. Here until the child has been released.
    user: Option<Held>,
}

// SAFETY: the context is IIS's, which may be called from any thread, one at a time: that of the call that has the child. The
// user is counted, and may be let go of by any thread.
unsafe impl Send for Child {}

impl Child {
    pub(crate) fn new(request: ChildRequest) -> Self {
        Self { request: Some(request), context: std::ptr::null_mut(), user: None }
    }

    /// Starts it, once. IIS completes it as it does every operation, unless it has failed.
    ///
    /// # Safety
    ///
    /// `parent` is the context of a call that has not been answered, and `expected` may be written to.
    pub(crate) unsafe fn start(&mut self, parent: *mut IHttpContext, expected: *mut i32) -> HRESULT {
        let Some(request) = self.request.take() else { return E_UNEXPECTED };
        // SAFETY: the parent is alive, says the caller, and the clone until it is released; IIS copies the texts, but
        // not the body, which is put into memory of the clone.
        unsafe {
            let made = IHttpContext::clone_context(parent, CLONE_FLAG_BASICS, &raw mut self.context);
            if !succeeded(made) || self.context.is_null() {
                return if succeeded(made) { E_UNEXPECTED } else { made };
            }
            let target = IHttpContext::get_request(self.context);
            outward::fill_request(target, request.method(), request.url(), request.headers());
            if !request.entity().is_empty() {
                outward::insert_entity(self.context, target, request.entity());
            }
            let flags = EXECUTE_FLAG_BUFFER_RESPONSE;
            self.user = request.own_user().cloned().map(Held::new);
            let user = self.user.as_ref().map_or(std::ptr::null_mut(), Held::as_ptr);
            IHttpContext::execute_request(parent, 1, self.context, flags, user, expected)
        }
    }

    /// What it answered.
    pub(crate) fn finish(&self, status: HRESULT) -> Result<ChildResponse> {
        if !succeeded(status) {
            return Err(foreign::failed("ExecuteRequest", status));
        }
        // SAFETY: the clone is alive until it is released, and IIS has completed it.
        let (status, headers, chunks) =
            unsafe { inward::response_of(IHttpContext::get_response(self.context)) };
        Ok(ChildResponse::new(status, headers, chunks))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.context.is_null() {
            // SAFETY: it was made by `CloneContext`, is released once, and before its parent: the call that has it waits
            // for its completion first.
            unsafe { IHttpContext::release_cloned_context(self.context) };
        }
    }
}
