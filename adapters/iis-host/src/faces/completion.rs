//! `IHttpCompletionInfo2`: bytes, status, and what it was.

use bivalve_iis_sys::types::HRESULT;
use bivalve_iis_sys::{
    IHttpCompletionInfo, IHttpCompletionInfo2, IHttpCompletionInfo2Impl, IHttpCompletionInfo2Vtbl,
    IHttpCompletionInfoImpl,
};

use crate::face::{Face, owner};
use crate::host::Shared;

/// Lives during the call that it is an argument of.
pub(crate) struct Info(Box<Data>);

struct Data {
    face: Option<Face<Self>>,
    bytes: u32,
    status: HRESULT,
    operation: u32,
}

impl Info {
    pub(crate) fn new(bytes: u32, status: HRESULT, operation: u32, host: &Shared) -> Self {
        let mut data = Box::new(Data { face: None, bytes, status, operation });
        let this = &raw const *data;
        data.face =
            Some(Face::new("IHttpCompletionInfo", host.vtables.completion.as_ptr(), &host.violations, this));
        Self(data)
    }

    pub(crate) fn object<C>(&self) -> *mut C {
        self.0.face.as_ref().map_or(std::ptr::null_mut(), Face::object)
    }
}

pub(crate) static INFO: IHttpCompletionInfo2Vtbl = IHttpCompletionInfo2Vtbl::of::<Info>();

impl IHttpCompletionInfoImpl for Info {
    unsafe fn get_completion_bytes(this: *const IHttpCompletionInfo) -> u32 {
        // SAFETY: it lives during the call that it is an argument of.
        unsafe { owner::<Data, _>(this) }.bytes
    }

    unsafe fn get_completion_status(this: *const IHttpCompletionInfo) -> HRESULT {
        // SAFETY: as above.
        unsafe { owner::<Data, _>(this) }.status
    }
}

impl IHttpCompletionInfo2Impl for Info {
    unsafe fn get_completed_operation(this: *const IHttpCompletionInfo2) -> u32 {
        // SAFETY: as above.
        unsafe { owner::<Data, _>(this) }.operation
    }
}
