//! `IHttpUser`: who a module of the pipeline has authenticated that is none of IIS's.

use std::ffi::c_void;
use std::ptr::null_mut;

use bivalve_core::User;
use bivalve_iis_sys::hresult::S_OK;
use bivalve_iis_sys::types::{BOOL, HANDLE, HRESULT, PCSTR, PCWSTR};
use bivalve_iis_sys::{IHttpUser, IHttpUserImpl, IHttpUserVtbl};

use super::request_of;
use crate::request::Request;
use crate::text::{store, wide};

struct Methods;

pub(crate) static USER: IHttpUserVtbl = IHttpUserVtbl::of::<Methods>();

/// One of its texts.
fn text(request: &Request, of: impl Fn(&User) -> &str) -> PCWSTR {
    let text = request.with("IHttpUser", |cx| cx.user().map(|user| of(user).to_owned())).flatten();
    request.arena.wide(&text.unwrap_or_default()).0
}

impl IHttpUserImpl for Methods {
    unsafe fn get_remote_user_name(this: *mut IHttpUser) -> PCWSTR {
        // SAFETY: the request keeps its objects alive until it ends, and some time after. So below.
        text(unsafe { request_of(this) }, User::name)
    }

    unsafe fn get_user_name(this: *mut IHttpUser) -> PCWSTR {
        // SAFETY: as above.
        text(unsafe { request_of(this) }, User::name)
    }

    unsafe fn get_authentication_type(this: *mut IHttpUser) -> PCWSTR {
        // SAFETY: as above.
        text(unsafe { request_of(this) }, User::authentication_type)
    }

    unsafe fn get_password(this: *mut IHttpUser) -> PCWSTR {
        // SAFETY: as above. No module needs another's password.
        unsafe { request_of(this) }.arena.wide("").0
    }

    unsafe fn get_impersonation_token(_: *mut IHttpUser) -> HANDLE {
        null_mut()
    }

    unsafe fn get_primary_token(_: *mut IHttpUser) -> HANDLE {
        null_mut()
    }

    // It lives as long as the request, whoever holds it.
    unsafe fn reference_user(_: *mut IHttpUser) {}

    unsafe fn dereference_user(_: *mut IHttpUser) {}

    unsafe fn supports_is_in_role(_: *mut IHttpUser) -> BOOL {
        1
    }

    unsafe fn is_in_role(this: *mut IHttpUser, role_name: PCWSTR, in_role: *mut BOOL) -> HRESULT {
        // SAFETY: as above; the role is zero-terminated.
        let (request, role) = unsafe { (request_of(this), wide(role_name)) };
        let has =
            request.with("IHttpUser::IsInRole", |cx| cx.user().is_some_and(|user| user.is_in_role(&role)));
        // SAFETY: null, or writable.
        unsafe { store(in_role, BOOL::from(has.unwrap_or(false))) };
        S_OK
    }

    unsafe fn get_user_variable(_: *mut IHttpUser, _: PCSTR) -> *mut c_void {
        null_mut()
    }
}
