//! Calls through a vtable: each method arrives where it was sent, whatever the convention.

extern crate std;

use core::cell::RefCell;
use core::ffi::c_void;
use core::ptr::null_mut;
use std::vec;
use std::vec::Vec;

use crate::codes::{GLOBAL_NOTIFICATION_STATUS, REQUEST_NOTIFICATION_STATUS};
use crate::hresult::{E_INVALIDARG, S_OK};
use crate::records::{HTTP_LOG_DATA, HTTP_LOG_FIELDS_DATA};
use crate::types::{BOOL, HRESULT, PCSTR, PCWSTR};
use crate::*;

/// A provider that writes down what it was asked.
#[repr(C)]
struct Provider {
    class: ISendResponseProvider,
    calls: RefCell<Vec<u32>>,
}

static PROVIDER: ISendResponseProviderVtbl = ISendResponseProviderVtbl::of::<Provider>();

impl Provider {
    fn new() -> Self {
        Self { class: ISendResponseProvider::new(&PROVIDER), calls: RefCell::default() }
    }

    /// # Safety
    ///
    /// The object is a `Provider` that is alive.
    unsafe fn note<C>(this: *const C, call: u32) {
        // SAFETY: it is alive, says the caller, and only shared.
        unsafe { (*this.cast::<Self>()).calls.borrow_mut().push(call) };
    }
}

impl IHttpEventProviderImpl for Provider {
    unsafe fn set_error_status(this: *mut IHttpEventProvider, error: HRESULT) {
        // SAFETY: the tests call it on their own object.
        unsafe { Self::note(this, error.cast_unsigned()) };
    }
}

impl ISendResponseProviderImpl for Provider {
    unsafe fn get_headers_being_sent(this: *const ISendResponseProvider) -> BOOL {
        // SAFETY: the tests call it on their own object.
        unsafe { Self::note(this, 1) };
        1
    }

    unsafe fn get_flags(this: *const ISendResponseProvider) -> u32 {
        // SAFETY: the tests call it on their own object.
        unsafe { Self::note(this, 2) };
        0x20
    }

    unsafe fn set_flags(this: *mut ISendResponseProvider, flags: u32) {
        // SAFETY: the tests call it on their own object.
        unsafe { Self::note(this, flags) };
    }

    unsafe fn get_log_data(_: *const ISendResponseProvider) -> *mut HTTP_LOG_DATA {
        null_mut()
    }

    unsafe fn set_log_data(_: *mut ISendResponseProvider, data: *mut HTTP_LOG_DATA) -> HRESULT {
        if data.is_null() { E_INVALIDARG } else { S_OK }
    }

    unsafe fn get_ready_to_log_data(_: *const ISendResponseProvider) -> BOOL {
        0
    }
}

#[test]
fn own_and_inherited_methods_arrive() {
    let provider = Provider::new();
    let object = (&raw const provider).cast_mut().cast::<ISendResponseProvider>();
    let mut log = HTTP_LOG_FIELDS_DATA::zeroed();
    // SAFETY: the object is alive until the end of the test.
    unsafe {
        assert_eq!(ISendResponseProvider::get_headers_being_sent(object), 1);
        assert_eq!(ISendResponseProvider::get_flags(object), 0x20);
        ISendResponseProvider::set_flags(object, 0x40);
        assert_eq!(ISendResponseProvider::set_log_data(object, null_mut()), E_INVALIDARG);
        assert_eq!(ISendResponseProvider::set_log_data(object, (&raw mut log).cast()), S_OK);
        IHttpEventProvider::set_error_status(object, 7);
        IHttpEventProvider::set_error_status(upcast::<IHttpEventProvider, _>(object), 8);
    }
    assert_eq!(*provider.calls.borrow(), vec![1, 2, 0x40, 7, 8]);
}

/// A module that only wants to be told of its end.
#[repr(C)]
struct Quiet {
    class: CHttpModule,
    disposed: bool,
}

static QUIET: CHttpModuleVtbl = CHttpModuleVtbl::of::<Quiet>();

impl CHttpModuleImpl for Quiet {
    unsafe fn dispose(this: *mut CHttpModule) {
        // SAFETY: the test calls it on its own object.
        unsafe { (*this.cast::<Self>()).disposed = true };
    }
}

#[test]
fn a_module_continues_with_what_it_does_not_implement() {
    let mut module = Quiet { class: CHttpModule::new(&QUIET), disposed: false };
    let object = (&raw mut module).cast::<CHttpModule>();
    // SAFETY: the object is alive until the end of the test, and looks at no argument.
    unsafe {
        let status = CHttpModule::on_post_end_request(object, null_mut(), null_mut());
        assert_eq!(status, REQUEST_NOTIFICATION_STATUS::CONTINUE);
        let status = CHttpModule::on_async_completion(object, null_mut(), 0, 0, null_mut(), null_mut());
        assert_eq!(status, REQUEST_NOTIFICATION_STATUS::CONTINUE);
        CHttpModule::dispose(object);
    }
    assert!(module.disposed);
}

/// A module of the worker process that wants nothing but its end.
#[repr(C)]
struct Global {
    class: CGlobalModule,
}

static GLOBAL: CGlobalModuleVtbl = CGlobalModuleVtbl::of::<Global>();

impl CGlobalModuleImpl for Global {
    unsafe fn terminate(_: *mut CGlobalModule) {}
}

#[test]
fn a_global_module_continues_with_what_it_does_not_implement() {
    let mut module = Global { class: CGlobalModule::new(&GLOBAL) };
    // SAFETY: the object is alive until the end of the test, and looks at no argument.
    let status = unsafe { CGlobalModule::on_suspend_process(&raw mut module.class, null_mut()) };
    assert_eq!(status, GLOBAL_NOTIFICATION_STATUS::CONTINUE);
}

/// Slots of unlike types after each other: a call that lands beside its slot would be seen.
#[repr(C)]
struct User {
    class: IHttpUser,
}

static USER: IHttpUserVtbl = IHttpUserVtbl::of::<User>();
const NAME: PCWSTR = [0x61_u16, 0].as_ptr();

impl IHttpUserImpl for User {
    unsafe fn get_remote_user_name(_: *mut IHttpUser) -> PCWSTR {
        core::ptr::null()
    }
    unsafe fn get_user_name(_: *mut IHttpUser) -> PCWSTR {
        NAME
    }
    unsafe fn get_authentication_type(_: *mut IHttpUser) -> PCWSTR {
        core::ptr::null()
    }
    unsafe fn get_password(_: *mut IHttpUser) -> PCWSTR {
        core::ptr::null()
    }
    unsafe fn get_impersonation_token(_: *mut IHttpUser) -> *mut c_void {
        null_mut()
    }
    unsafe fn get_primary_token(_: *mut IHttpUser) -> *mut c_void {
        null_mut()
    }
    unsafe fn reference_user(_: *mut IHttpUser) {}
    unsafe fn dereference_user(_: *mut IHttpUser) {}
    unsafe fn supports_is_in_role(_: *mut IHttpUser) -> BOOL {
        1
    }
    unsafe fn is_in_role(_: *mut IHttpUser, role: PCWSTR, in_role: *mut BOOL) -> HRESULT {
        // SAFETY: the test gives an address of its own.
        unsafe { in_role.write(BOOL::from(role == NAME)) };
        S_OK
    }
    unsafe fn get_user_variable(_: *mut IHttpUser, name: PCSTR) -> *mut c_void {
        name.cast_mut().cast()
    }
}

#[test]
fn arguments_and_results_arrive() {
    let mut user = User { class: IHttpUser::new(&USER) };
    let object = &raw mut user.class;
    let mut in_role = 0;
    // SAFETY: the object is alive until the end of the test.
    unsafe {
        assert_eq!(IHttpUser::get_user_name(object), NAME);
        assert_eq!(IHttpUser::supports_is_in_role(object), 1);
        assert_eq!(IHttpUser::is_in_role(object, NAME, &raw mut in_role), S_OK);
        let sid = flags::HTTP_USER_VARIABLE_SID.as_ptr().cast();
        assert_eq!(IHttpUser::get_user_variable(object, sid).cast_const().cast(), sid);
    }
    assert_eq!(in_role, 1);
}
