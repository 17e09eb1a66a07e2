//! A user that a module has found out, as IIS wants it.

use std::ffi::c_void;
use std::sync::atomic::{AtomicU32, Ordering, fence};

use bivalve_core::{Event, Notification, User};
use bivalve_iis_sys::hresult::{E_FAIL, E_POINTER, S_OK};
use bivalve_iis_sys::types::{BOOL, HANDLE, HRESULT, PCSTR, PCWSTR};
use bivalve_iis_sys::{IAuthenticationProvider, IHttpUser, IHttpUserImpl, IHttpUserVtbl};

use crate::contain::contained;
use crate::host::IisHost;
use crate::text;

/// Counted by IIS, beginning with one.
#[repr(C)]
struct Known {
    class: IHttpUser,
    references: AtomicU32,
    user: User,
    name: Vec<u16>,
    kind: Vec<u16>,
}

static VTABLE: IHttpUserVtbl = IHttpUserVtbl::of::<Known>();
static EMPTY: [u16; 1] = [0];

/// Tells IIS who asks; only at AuthenticateRequest can it be told.
///
/// # Safety
///
/// The call that has this host has not been answered.
pub(crate) unsafe fn set(host: &IisHost, user: User) {
    if host.event != Some(Event::of(Notification::AuthenticateRequest)) || host.provider.is_null() {
        tracing::warn!("IIS takes a user at AuthenticateRequest only: for other modules nothing has changed");
        return;
    }
    // SAFETY: the provider is that of this notification, which has not been answered; IIS takes over the reference.
    unsafe {
        let provider = host.provider.cast::<IAuthenticationProvider>();
        IAuthenticationProvider::set_user(provider, make(user));
    }
}

/// A user with one reference, which is the caller's.
pub(crate) fn make(user: User) -> *mut IHttpUser {
    let known = Box::new(Known {
        class: IHttpUser::new(&VTABLE),
        references: AtomicU32::new(1),
        name: text::to_wide(user.name()),
        kind: text::to_wide(user.authentication_type()),
        user,
    });
    Box::into_raw(known).cast()
}

/// A user that we hold for IIS, which may take references of its own.
pub(crate) struct Held(*mut IHttpUser);

impl Held {
    pub(crate) fn new(user: User) -> Self {
        Self(make(user))
    }

    pub(crate) fn as_ptr(&self) -> *mut IHttpUser {
        self.0
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // SAFETY: the reference that it was made with is ours, and is given up once.
        unsafe { IHttpUser::dereference_user(self.0) };
    }
}

/// The user that a module of this DLL has found out, roles and all.
///
/// # Safety
///
/// `user` is alive.
pub(crate) unsafe fn ours(user: *mut IHttpUser) -> Option<User> {
    // SAFETY: it is alive, says the caller; an object with this vtable is ours.
    unsafe { std::ptr::eq((*user).vtable, &raw const VTABLE).then(|| known(user).user.clone()) }
}

/// # Safety
///
/// `this` is one of ours, to which the caller has a reference.
unsafe fn known<'a>(this: *mut IHttpUser) -> &'a Known {
    // SAFETY: it is alive as long as somebody has a reference.
    unsafe { &*this.cast::<Known>() }
}

impl IHttpUserImpl for Known {
    unsafe fn get_remote_user_name(this: *mut IHttpUser) -> PCWSTR {
        contained("IHttpUser::GetRemoteUserName", EMPTY.as_ptr(), || {
            // SAFETY: IIS has a reference.
            unsafe { known(this) }.name.as_ptr()
        })
    }
    unsafe fn get_user_name(this: *mut IHttpUser) -> PCWSTR {
        contained("IHttpUser::GetUserName", EMPTY.as_ptr(), || {
            // SAFETY: IIS has a reference.
            unsafe { known(this) }.name.as_ptr()
        })
    }
    unsafe fn get_authentication_type(this: *mut IHttpUser) -> PCWSTR {
        contained("IHttpUser::GetAuthenticationType", EMPTY.as_ptr(), || {
            // SAFETY: IIS has a reference.
            unsafe { known(this) }.kind.as_ptr()
        })
    }
    unsafe fn get_password(_: *mut IHttpUser) -> PCWSTR {
        contained("IHttpUser::GetPassword", EMPTY.as_ptr(), || EMPTY.as_ptr())
    }
    unsafe fn get_impersonation_token(_: *mut IHttpUser) -> HANDLE {
        contained("IHttpUser::GetImpersonationToken", std::ptr::null_mut(), std::ptr::null_mut)
    }
    unsafe fn get_primary_token(_: *mut IHttpUser) -> HANDLE {
        contained("IHttpUser::GetPrimaryToken", std::ptr::null_mut(), std::ptr::null_mut)
    }
    unsafe fn reference_user(this: *mut IHttpUser) {
        // The one slot without containment: nothing here can panic, and a reference that is not counted is worse.
        // SAFETY: IIS has a reference.
        unsafe { known(this) }.references.fetch_add(1, Ordering::Relaxed);
    }
    unsafe fn dereference_user(this: *mut IHttpUser) {
        // SAFETY: IIS has a reference, and gives it up.
        let last = unsafe { known(this) }.references.fetch_sub(1, Ordering::Release) == 1;
        let user = last.then(|| {
            fence(Ordering::Acquire);
            // SAFETY: it was the last one of what `set` made.
            unsafe { Box::from_raw(this.cast::<Self>()) }
        });
        contained("IHttpUser::DereferenceUser", (), move || drop(user));
    }
    unsafe fn supports_is_in_role(_: *mut IHttpUser) -> BOOL {
        contained("IHttpUser::SupportsIsInRole", 0, || 1)
    }
    unsafe fn is_in_role(this: *mut IHttpUser, role: PCWSTR, is_in: *mut BOOL) -> HRESULT {
        contained("IHttpUser::IsInRole", E_FAIL, || {
            if is_in.is_null() {
                return E_POINTER;
            }
            // SAFETY: IIS has a reference, the role is zero-terminated, and the answer may be written.
            unsafe { *is_in = i32::from(known(this).user.is_in_role(&text::wide(role))) };
            S_OK
        })
    }
    unsafe fn get_user_variable(_: *mut IHttpUser, _: PCSTR) -> *mut c_void {
        contained("IHttpUser::GetUserVariable", std::ptr::null_mut(), std::ptr::null_mut)
    }
}
