//! Faults and violations: semantics.md section 7.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::ptr::null_mut;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Duration;

use bivalve_core::testing::block_on;
use bivalve_core::{Event, Notification};
use bivalve_iis_host::{Fault, IisHost, Rule, Violation};
use bivalve_iis_sys::codes::{HTTP_SERVER_INTERFACE_VERSION, REQUEST_NOTIFICATION_STATUS as Status};
use bivalve_iis_sys::hresult::{ERROR_ALREADY_ASSIGNED, S_OK, from_win32};
use bivalve_iis_sys::version::{IIS_7_0, IIS_7_5};
use bivalve_iis_sys::*;

use common::{Call, Script, module, mounted};

fn rules(host: &IisHost) -> Vec<Rule> {
    host.violations().take().iter().map(Violation::rule).collect()
}

fn flush_async(call: &Call) -> i32 {
    let (mut sent, mut expected) = (0, 9);
    // SAFETY: the host keeps the response alive during the notification. So for all of this file.
    let result = unsafe { IHttpResponse::flush(call.response(), 1, 1, &raw mut sent, &raw mut expected) };
    assert_eq!(expected, 1);
    result
}

// aspnet/IISIntegration PR 1489: "Guard OnAsyncCompletion from completing request before OnExecuteRequestHandler exits".
#[test]
fn before_return_delivers_while_the_handler_runs_and_an_unguarded_module_is_found_out() {
    static RUNNING: AtomicUsize = AtomicUsize::new(0);
    static SEEN: AtomicUsize = AtomicUsize::new(0);
    let host = IisHost::builder().fault(Fault::BeforeReturn).build();
    let script = Script::default()
        .on("execute_request_handler", |call| {
            RUNNING.store(1, Ordering::SeqCst);
            assert_eq!(flush_async(call), S_OK);
            RUNNING.store(0, Ordering::SeqCst);
            Status::PENDING
        })
        .on("completion", |_| {
            SEEN.store(1 + RUNNING.load(Ordering::SeqCst), Ordering::SeqCst);
            Status::CONTINUE
        });
    let (test, _) = mounted(&host, "unguarded", script);
    assert!(block_on(test.get("/").finish()).is_complete());
    assert_eq!(SEEN.load(Ordering::SeqCst), 2, "delivered while the handler ran");
    assert_eq!(rules(&host), [Rule::EndedBeforeReturn]);
}

#[test]
fn before_return_does_no_harm_to_a_module_that_holds_a_lock_over_both() {
    static LOCK: Mutex<()> = Mutex::new(());
    let host = IisHost::builder().fault(Fault::BeforeReturn).build();
    let script = Script::default()
        .on("execute_request_handler", |call| {
            let _guard = LOCK.lock().unwrap();
            assert_eq!(flush_async(call), S_OK);
            Status::PENDING
        })
        .on("completion", |_| {
            drop(LOCK.lock().unwrap());
            Status::CONTINUE
        });
    let (test, _) = mounted(&host, "guarded", script);
    assert!(block_on(test.get("/").finish()).is_complete());
    host.violations().assert_none();
}

#[test]
fn an_object_used_after_the_end_of_its_request_is_trapped_with_interface_and_slot() {
    static KEPT: Mutex<Vec<usize>> = Mutex::new(Vec::new());
    let host = IisHost::builder().build();
    let script = Script::default().on("begin_request", |call| {
        let mut kept = KEPT.lock().unwrap();
        kept.extend([call.cx().addr(), call.request().addr(), call.response().addr()]);
        Status::CONTINUE
    });
    let (test, _) = mounted(&host, "late user", script);
    block_on(test.get("/").finish());
    let kept = KEPT.lock().unwrap().clone();
    let [cx, request, response] = kept[..] else { panic!("{kept:?}") };
    // SAFETY: the host keeps ended objects for a while, with vtables of traps.
    unsafe {
        IHttpContext::post_completion(cx as *mut IHttpContext, 0);
        assert!(IHttpRequest::get_http_method(request as *const IHttpRequest).is_null());
        IHttpResponse::clear(response as *mut IHttpResponse);
    }
    let found: Vec<_> = host.violations().take();
    let all: Vec<_> = found.iter().map(|v| (v.rule(), v.interface(), v.slot())).collect();
    assert_eq!(
        all,
        [
            (Rule::UsedAfterEnd, "IHttpContext", Some(9)),
            (Rule::UsedAfterEnd, "IHttpRequest", Some(8)),
            (Rule::UsedAfterEnd, "IHttpResponse", Some(10)),
        ]
    );
    assert_eq!(found[0].to_string(), "IHttpContext slot 9: the object was used after its request had ended");
}

#[test]
fn iis_7_0_has_short_vtables_and_no_newer_interface() {
    let host = IisHost::builder().version(IIS_7_0).build();
    let script = Script::default().on("begin_request", |call| {
        // SAFETY: as above; a slot that is not there is a trap.
        unsafe {
            IHttpContext3::enable_full_duplex(call.cx());
            IHttpResponse2::flush_with_callback(
                call.response().cast::<IHttpResponse2>(),
                0,
                1,
                None,
                null_mut(),
                null_mut(),
                null_mut(),
            );
        }
        call.write("still here");
        Status::FINISH_REQUEST
    });
    let (test, _) = mounted(&host, "old", script);
    assert_eq!(block_on(test.get("/").finish()).text(), "still here");
    let all: Vec<_> = host.violations().take().iter().map(|v| (v.rule(), v.slot())).collect();
    assert_eq!(all, [(Rule::NotInThisVersion, Some(41)), (Rule::NotInThisVersion, Some(29))]);
}

#[test]
fn extended_interfaces_are_those_of_the_version() {
    static SEEN: Mutex<Vec<(u32, i32, i32, i32)>> = Mutex::new(Vec::new());
    unsafe extern "system" fn register(
        version: u32,
        info: *mut IHttpModuleRegistrationInfo,
        server: *mut IHttpServer,
    ) -> i32 {
        let (mut server2, mut newer) = (null_mut(), null_mut());
        // SAFETY: info and server are alive during the call.
        unsafe {
            let v2 = HTTP_SERVER_INTERFACE_VERSION::V2;
            let first = IHttpServer::get_extended_interface(server, v2, &raw mut server2);
            let (mut second, mut third) = (-1, -1);
            if first == S_OK {
                let server2 = server2.cast::<IHttpServer2>();
                let from = &raw const FROM;
                second = IHttpServer2::get_extended_interface_by_iid(
                    server2,
                    from,
                    info.cast(),
                    &raw const TO,
                    &raw mut newer,
                );
                third = IHttpServer2::get_extended_interface_by_iid(
                    server2,
                    from,
                    info.cast(),
                    &raw const OTHER,
                    &raw mut newer,
                );
            }
            SEEN.lock().unwrap().push((version, first, second, third));
        }
        0
    }
    static FROM: types::GUID = IHttpModuleRegistrationInfo::IID;
    static TO: types::GUID = IHttpModuleRegistrationInfo2::IID;
    static OTHER: types::GUID = IHttpContext3::IID;
    for version in [IIS_7_0, IIS_7_5, version::IIS_10_0] {
        let host = IisHost::builder().version(version).build();
        // SAFETY: it is an entry point, and registers nothing.
        assert!(unsafe { host.register(register, "probe") }.is_err());
    }
    let no = hresult::E_NOINTERFACE;
    assert_eq!(
        *SEEN.lock().unwrap(),
        [(IIS_7_0, no, -1, -1), (IIS_7_5, 0, no, no), (version::IIS_10_0, 0, 0, no)]
    );
}

#[test]
fn memory_of_the_request_lives_to_its_end_and_texts_do_not_move() {
    static KEPT: Mutex<Vec<(usize, usize)>> = Mutex::new(Vec::new());
    let host = IisHost::builder().build();
    let script = Script::default()
        .on("begin_request", |call| {
            // SAFETY: as above; the memory is as long as it says.
            unsafe {
                let memory = IHttpContext::allocate_request_memory(call.cx(), 100).cast::<u8>();
                memory.write_bytes(7, 100);
                let host =
                    IHttpRequest::get_header_by_name(call.request(), c"Host".as_ptr().cast(), null_mut());
                KEPT.lock().unwrap().push((memory.addr(), host.addr()));
            }
            Status::CONTINUE
        })
        .on("end_request", |_| {
            let (memory, host) = KEPT.lock().unwrap()[0];
            // SAFETY: both are memory of the request, which has not ended.
            unsafe {
                assert!((0..100).all(|at| *(memory as *const u8).add(at) == 7));
                assert_eq!(std::ffi::CStr::from_ptr(host as *const std::ffi::c_char), c"localhost");
            }
            Status::CONTINUE
        });
    let (test, _) = mounted(&host, "memory", script);
    block_on(test.get("/").finish());
    host.violations().assert_none();
}

/// What a module keeps with a request, or a connection.
#[repr(C)]
struct Kept {
    class: IHttpConnectionStoredContext,
    cleaned: &'static AtomicUsize,
    gone: &'static Mutex<Option<mpsc::Sender<()>>>,
}

static KEPT: IHttpConnectionStoredContextVtbl = IHttpConnectionStoredContextVtbl::of::<Kept>();

impl IHttpStoredContextImpl for Kept {
    unsafe fn cleanup_stored_context(this: *mut IHttpStoredContext) {
        // SAFETY: it was made by `Box::into_raw`, and this comes once.
        let kept = unsafe { Box::from_raw(this.cast::<Kept>()) };
        kept.cleaned.fetch_add(1, Ordering::SeqCst);
    }
}

impl IHttpConnectionStoredContextImpl for Kept {
    unsafe fn notify_disconnect(this: *mut IHttpConnectionStoredContext) {
        // SAFETY: it is alive until it is cleaned up.
        let gone = unsafe { (*this.cast::<Kept>()).gone };
        if let Some(gone) = &*gone.lock().unwrap() {
            let _ = gone.send(());
        }
    }
}

impl Kept {
    fn object(
        cleaned: &'static AtomicUsize,
        gone: &'static Mutex<Option<mpsc::Sender<()>>>,
    ) -> *mut IHttpConnectionStoredContext {
        let class = IHttpConnectionStoredContext::new(&KEPT);
        Box::into_raw(Box::new(Self { class, cleaned, gone })).cast()
    }
}

static NOBODY: Mutex<Option<mpsc::Sender<()>>> = Mutex::new(None);

#[test]
fn a_context_is_kept_once_for_each_module_and_cleaned_up_once() {
    static CLEANED: AtomicUsize = AtomicUsize::new(0);
    let host = IisHost::builder().build();
    let script = Script::default().on("begin_request", |call| {
        // SAFETY: as above; a refused context stays the module's.
        unsafe {
            let container = IHttpContext::get_module_context_container(call.cx());
            let first = upcast(Kept::object(&CLEANED, &NOBODY));
            assert_eq!(IHttpModuleContextContainer::set_module_context(container, first, call.id()), S_OK);
            let second = upcast(Kept::object(&CLEANED, &NOBODY));
            let result = IHttpModuleContextContainer::set_module_context(container, second, call.id());
            assert_eq!(result, from_win32(ERROR_ALREADY_ASSIGNED));
            drop(Box::from_raw(second.cast::<Kept>()));
            assert_eq!(IHttpModuleContextContainer::get_module_context(container, call.id()), first);
            assert_eq!(CLEANED.load(Ordering::SeqCst), 0);
        }
        Status::CONTINUE
    });
    let (test, _) = mounted(&host, "contexts", script);
    block_on(test.get("/").finish());
    assert_eq!(CLEANED.load(Ordering::SeqCst), 1);
    host.violations().assert_none();
}

#[test]
fn a_connection_keeps_its_context_over_requests_and_is_told_of_the_disconnect() {
    static CLEANED: AtomicUsize = AtomicUsize::new(0);
    static GONE: Mutex<Option<mpsc::Sender<()>>> = Mutex::new(None);
    let (sender, gone) = mpsc::channel();
    *GONE.lock().unwrap() = Some(sender);
    let host =
        IisHost::builder().fault(Fault::DisconnectAt(Event::of(Notification::AuthorizeRequest))).build();
    let script = Script::default()
        .on("begin_request", |call| {
            // SAFETY: as above.
            unsafe {
                let connection = IHttpContext::get_connection(call.cx());
                let container = IHttpConnection::get_module_context_container(connection);
                let known = IHttpConnectionModuleContextContainer::get_connection_module_context(
                    container,
                    call.id(),
                );
                if known.is_null() {
                    let kept = Kept::object(&CLEANED, &GONE);
                    let result = IHttpConnectionModuleContextContainer::set_connection_module_context(
                        container,
                        kept,
                        call.id(),
                    );
                    assert_eq!(result, S_OK);
                }
                call.write(if known.is_null() { "first" } else { "again" });
            }
            if call.server_variable(c"QUERY_STRING").unwrap() == "stay" {
                return Status::FINISH_REQUEST;
            }
            Status::CONTINUE
        })
        .on("authorize_request", |_| Status::CONTINUE);
    let (test, _) = mounted(&host, "connection", script);
    let connection = test.keep_alive();
    assert_eq!(block_on(connection.get("/?stay").finish()).text(), "first");
    assert_eq!(block_on(connection.get("/?stay").finish()).text(), "again");
    assert!(!block_on(connection.get("/").finish()).was_answered());
    gone.recv_timeout(Duration::from_secs(10)).expect("told of the disconnect");
    assert_eq!(CLEANED.load(Ordering::SeqCst), 0);
    drop(connection);
    assert_eq!(CLEANED.load(Ordering::SeqCst), 1);
    host.violations().assert_none();
}

#[test]
fn a_disconnect_that_races_with_the_completion_ends_the_request_once() {
    static ENDED: AtomicUsize = AtomicUsize::new(0);
    let host = IisHost::builder().build();
    let script = Script::default()
        .on("execute_request_handler", |call| {
            let call = *call;
            thread::spawn(move || {
                // SAFETY: the notification waits, or will.
                unsafe { IHttpContext::post_completion(call.cx(), 0) };
            });
            Status::PENDING
        })
        .on("completion", |_| Status::CONTINUE)
        .on("end_request", |_| {
            ENDED.fetch_add(1, Ordering::SeqCst);
            Status::CONTINUE
        });
    let (test, script) = mounted(&host, "race", script);
    for _ in 0..200 {
        let mut request = test.get("/");
        let control = request.control();
        let leaving = thread::spawn(move || control.disconnect());
        block_on(request.finish());
        leaving.join().unwrap();
    }
    assert_eq!(ENDED.load(Ordering::SeqCst), 200);
    assert_eq!(script.disposed.load(Ordering::SeqCst), 200);
    host.violations().assert_none();
}

#[test]
fn a_warm_up_has_no_connection() {
    let host = IisHost::builder().without_connection().build();
    let script = Script::default().on("begin_request", |call| {
        // SAFETY: as above.
        unsafe { assert!(IHttpContext::get_connection(call.cx()).is_null()) };
        Status::CONTINUE
    });
    let (test, _) = mounted(&host, "warm-up", script);
    block_on(test.get("/").finish());
    host.violations().assert_none();
}

#[test]
fn two_native_modules_share_the_objects_of_a_request() {
    static SEEN: Mutex<Vec<(usize, usize)>> = Mutex::new(Vec::new());
    let host = IisHost::builder().build();
    let script = || {
        Script::default().on("begin_request", |call| {
            SEEN.lock().unwrap().push((call.cx().addr(), call.response().addr()));
            Status::CONTINUE
        })
    };
    let (first, _) = module(&host, "shares 1", script());
    let (second, _) = module(&host, "shares 2", script());
    let test = bivalve_core::testing::TestHost::new().module("shares 1", first).module("shares 2", second);
    block_on(test.get("/").finish());
    let seen = SEEN.lock().unwrap();
    assert_eq!((seen.len(), seen[0] == seen[1]), (2, true));
    host.violations().assert_none();
}

#[test]
fn a_request_dropped_halfway_disposes_of_the_module_and_traps_its_context() {
    static CONTEXT: AtomicUsize = AtomicUsize::new(0);
    let host = IisHost::builder().build();
    let script = Script::default().on("begin_request", |call| {
        CONTEXT.store(call.cx().addr(), Ordering::SeqCst);
        Status::PENDING
    });
    let (test, script) = mounted(&host, "dropped", script);
    let mut request = test.get("/");
    {
        let mut running = std::pin::pin!(request.finish());
        let mut task = std::task::Context::from_waker(std::task::Waker::noop());
        while CONTEXT.load(Ordering::SeqCst) == 0 {
            assert!(running.as_mut().poll(&mut task).is_pending());
        }
    }
    drop(request);
    assert_eq!(script.disposed.load(Ordering::SeqCst), 1);
    let cx = CONTEXT.load(Ordering::SeqCst) as *mut IHttpContext;
    // SAFETY: the host keeps ended objects for a while.
    unsafe { IHttpContext::indicate_completion(cx, Status::CONTINUE) };
    assert_eq!(rules(&host), [Rule::UsedAfterEnd]);
}
