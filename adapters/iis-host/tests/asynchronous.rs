//! Operations and completions: semantics.md section 4.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use bivalve_core::testing::{CompletionOrder, block_on};
use bivalve_iis_host::{Fault, IisHost, Rule, Violation};
use bivalve_iis_sys::codes::REQUEST_NOTIFICATION_STATUS as Status;
use bivalve_iis_sys::hresult::{
    ERROR_HANDLE_EOF, ERROR_INVALID_STATE, ERROR_OPERATION_ABORTED, S_OK, from_win32,
};
use bivalve_iis_sys::types::{BOOL, HRESULT};
use bivalve_iis_sys::*;

use common::{Call, Script, mounted, write};

const EOF: HRESULT = from_win32(ERROR_HANDLE_EOF);
const ABORTED: HRESULT = from_win32(ERROR_OPERATION_ABORTED);

/// One read: result, bytes, whether a completion comes.
fn read(call: &Call, buffer: &'static Mutex<[u8; 4]>, is_async: bool) -> (HRESULT, u32, BOOL) {
    let (mut bytes, mut pending) = (9, 9);
    let memory = buffer.lock().unwrap().as_mut_ptr().cast::<c_void>();
    // SAFETY: the host keeps the request alive, and the buffer is static.
    let result = unsafe {
        IHttpRequest::read_entity_body(
            call.request(),
            memory,
            4,
            is_async.into(),
            &raw mut bytes,
            &raw mut pending,
        )
    };
    (result, bytes, pending)
}

fn text(buffer: &Mutex<[u8; 4]>, len: u32) -> String {
    String::from_utf8_lossy(&buffer.lock().unwrap()[..len as usize]).into_owned()
}

#[test]
fn a_synchronous_read_ends_with_end_of_file() {
    static BUFFER: Mutex<[u8; 4]> = Mutex::new([0; 4]);
    let host = IisHost::builder().build();
    let script = Script::default().on("execute_request_handler", |call| {
        let mut body = String::new();
        // SAFETY: the host keeps the request alive; so below.
        unsafe { assert_eq!(IHttpRequest::get_remaining_entity_bytes(call.request()), 6) };
        loop {
            match read(call, &BUFFER, false) {
                (S_OK, bytes, 0) => body.push_str(&text(&BUFFER, bytes)),
                (EOF, 0, 0) => break,
                other => panic!("{other:?}"),
            }
        }
        // SAFETY: as above.
        unsafe { assert_eq!(IHttpRequest::get_remaining_entity_bytes(call.request()), 0) };
        assert_eq!(read(call, &BUFFER, true), (EOF, 0, 0), "asynchronous, the end posts nothing");
        call.write(&body);
        Status::CONTINUE
    });
    let (test, _) = mounted(&host, "sync read", script);
    assert_eq!(block_on(test.post("/").body("abcdef").finish()).text(), "abcdef");
    host.violations().assert_none();
}

/// Reads the body asynchronously, writes it back, and says in the log what it saw.
fn reader(buffer: &'static Mutex<[u8; 4]>) -> Script {
    fn go_on(call: &Call, buffer: &'static Mutex<[u8; 4]>) -> Status {
        loop {
            match read(call, buffer, true) {
                (S_OK, _, 1) => return Status::PENDING,
                (S_OK, bytes, 0) => assert_eq!(call.write(&text(buffer, bytes)), S_OK),
                (EOF, ..) => return Status::CONTINUE,
                other => panic!("{other:?}"),
            }
        }
    }
    Script::default().on("execute_request_handler", move |call| go_on(call, buffer)).on(
        "completion",
        move |call| {
            assert_eq!(call.notification, 0x80);
            match call.completion() {
                (bytes, S_OK) => {
                    assert_eq!(call.write(&text(buffer, bytes)), S_OK);
                    go_on(call, buffer)
                }
                (0, ABORTED) => go_on(call, buffer),
                (0, EOF) => Status::CONTINUE,
                other => panic!("{other:?}"),
            }
        },
    )
}

#[test]
fn an_asynchronous_read_completes_through_on_async_completion() {
    static BUFFER: Mutex<[u8; 4]> = Mutex::new([0; 4]);
    let host = IisHost::builder().build();
    let (test, _) = mounted(&host, "async read", reader(&BUFFER));
    let test = test.order(CompletionOrder::Late);
    let mut request = test.post("/").body("abcdef");
    assert_eq!(block_on(request.finish()).text(), "abcdef");
    host.violations().assert_none();
}

#[test]
fn a_read_cancelled_by_the_host_is_read_again_and_loses_nothing() {
    static BUFFER: Mutex<[u8; 4]> = Mutex::new([0; 4]);
    let host = IisHost::builder().fault(Fault::Cancelled(1)).build();
    let (test, _) = mounted(&host, "cancelled read", reader(&BUFFER));
    assert_eq!(block_on(test.post("/").body("abcdef").finish()).text(), "abcdef");
    host.violations().assert_none();
}

#[test]
fn reads_that_are_done_inline_and_late_ones_bring_the_same() {
    static INLINE: Mutex<[u8; 4]> = Mutex::new([0; 4]);
    static LATE: Mutex<[u8; 4]> = Mutex::new([0; 4]);
    for (fault, name, buffer) in [(Fault::Inline, "inline", &INLINE), (Fault::Late, "late", &LATE)] {
        let host = IisHost::builder().fault(fault).build();
        let (test, _) = mounted(&host, name, reader(buffer));
        assert_eq!(block_on(test.post("/").body("abcdef").finish()).text(), "abcdef", "{fault:?}");
        host.violations().assert_none();
    }
}

#[test]
fn cancel_io_completes_a_read_that_waits_as_aborted() {
    static BUFFER: Mutex<[u8; 4]> = Mutex::new([0; 4]);
    let host = IisHost::builder().build();
    let script = Script::default()
        .on("execute_request_handler", |call| {
            assert_eq!(read(call, &BUFFER, true), (S_OK, 0, 1));
            let call = *call;
            thread::spawn(move || {
                // SAFETY: the notification waits, so the context is there.
                unsafe { assert_eq!(IHttpContext::cancel_io(call.cx()), S_OK) };
            });
            Status::PENDING
        })
        .on("completion", |call| {
            assert_eq!(call.completion(), (0, ABORTED));
            call.write("cancelled");
            Status::CONTINUE
        });
    let (test, _) = mounted(&host, "cancel io", script);
    let mut request = test.post("/").open_entity();
    let control = request.control();
    assert_eq!(block_on(request.finish()).text(), "cancelled");
    drop(control);
    host.violations().assert_none();
}

#[test]
fn without_a_place_to_say_so_a_completion_always_comes() {
    let host = IisHost::builder().build();
    let script = Script::default()
        .on("execute_request_handler", |call| {
            // Done at once, into the buffer, and posted all the same.
            assert_eq!(write(call.response(), "one", true, &mut 0, None), S_OK);
            Status::PENDING
        })
        .on("completion", |call| {
            assert_eq!(call.completion(), (3, S_OK));
            let (mut sent, mut expected) = (0, 9);
            assert_eq!(write(call.response(), " two", true, &mut sent, Some(&mut expected)), S_OK);
            assert_eq!((sent, expected), (4, 0), "done, and nothing comes");
            Status::CONTINUE
        });
    let (test, _) = mounted(&host, "always posted by null", script);
    assert_eq!(block_on(test.get("/").finish()).text(), "one two");
    host.violations().assert_none();
}

#[test]
fn always_posted_posts_also_what_was_done_at_once() {
    let host = IisHost::builder().fault(Fault::AlwaysPosted).build();
    let script = Script::default()
        .on("execute_request_handler", |call| {
            let (mut sent, mut expected) = (0, 9);
            assert_eq!(write(call.response(), "one", true, &mut sent, Some(&mut expected)), S_OK);
            assert_eq!(expected, 1);
            Status::PENDING
        })
        .on("completion", |call| {
            assert_eq!(call.completion(), (3, S_OK));
            Status::CONTINUE
        });
    let (test, _) = mounted(&host, "always posted", script);
    assert_eq!(block_on(test.get("/").finish()).text(), "one");
    host.violations().assert_none();
}

#[test]
fn post_completion_reenters_through_on_async_completion_with_its_bytes() {
    let host = IisHost::builder().build();
    let script = Script::default()
        .on("begin_request", |call| {
            let call = *call;
            thread::spawn(move || {
                // A module's thread may use the context while the notification waits.
                assert_eq!(call.write("from a thread"), S_OK);
                // SAFETY: the notification waits, or will.
                unsafe { assert_eq!(IHttpContext::post_completion(call.cx(), 7), S_OK) };
            });
            Status::PENDING
        })
        .on("completion", |call| {
            assert_eq!((call.completion(), call.notification), ((7, S_OK), 0x1));
            Status::FINISH_REQUEST
        });
    let (test, _) = mounted(&host, "post", script);
    assert_eq!(block_on(test.get("/").finish()).text(), "from a thread");
    host.violations().assert_none();
}

#[test]
fn indicate_completion_ends_the_notification_without_calling_the_module_again() {
    let host = IisHost::builder().build();
    let script = Script::default()
        .on("begin_request", |call| {
            let call = *call;
            thread::spawn(move || {
                call.write("indicated");
                // SAFETY: the notification waits, or will.
                unsafe { IHttpContext::indicate_completion(call.cx(), Status::FINISH_REQUEST) };
            });
            Status::PENDING
        })
        .on("completion", |_| panic!("called again"));
    let (test, _) = mounted(&host, "indicate", script);
    assert_eq!(block_on(test.get("/").finish()).text(), "indicated");
    host.violations().assert_none();
}

// Microsoft's sample: IndicateCompletion inside OnAsyncCompletion, which then returns PENDING.
#[test]
fn indicate_completion_inside_a_completion_is_an_answer() {
    let host = IisHost::builder().build();
    let script = Script::default()
        .on("begin_request", |call| {
            // SAFETY: the notification is under way; so below.
            unsafe { IHttpContext::post_completion(call.cx(), 0) };
            Status::PENDING
        })
        .on("completion", |call| {
            // SAFETY: as above.
            unsafe { IHttpContext::indicate_completion(call.cx(), Status::CONTINUE) };
            Status::PENDING
        });
    let (test, _) = mounted(&host, "indicate inside", script);
    assert_eq!(block_on(test.get("/").finish()).status().as_u16(), 404);
    host.violations().assert_none();
}

#[test]
fn a_second_operation_is_refused_while_one_is_outstanding() {
    let host = IisHost::builder().build();
    let script = Script::default()
        .on("execute_request_handler", |call| {
            let (mut sent, mut expected) = (0, 9);
            // SAFETY: the host keeps the response alive.
            let mut flush =
                || unsafe { IHttpResponse::flush(call.response(), 1, 1, &raw mut sent, &raw mut expected) };
            assert_eq!(flush(), S_OK);
            assert_eq!(flush(), from_win32(ERROR_INVALID_STATE));
            Status::PENDING
        })
        .on("completion", |_| Status::CONTINUE);
    let (test, _) = mounted(&host, "second operation", script);
    assert!(block_on(test.get("/").finish()).is_complete());
    let rules: Vec<Rule> = host.violations().take().iter().map(Violation::rule).collect();
    assert_eq!(rules, [Rule::SecondOperation]);
}

// KB 2824214: posting twice crashes IIS.
#[test]
fn two_completions_for_one_pending_are_a_violation() {
    let host = IisHost::builder().build();
    let script = Script::default()
        .on("begin_request", |call| {
            // SAFETY: the notification is under way.
            unsafe {
                IHttpContext::post_completion(call.cx(), 1);
                IHttpContext::post_completion(call.cx(), 2);
            }
            Status::PENDING
        })
        .on("completion", |_| Status::CONTINUE);
    let (test, _) = mounted(&host, "two completions", script);
    block_on(test.get("/").finish());
    let rules: Vec<Rule> = host.violations().take().iter().map(Violation::rule).collect();
    assert_eq!(rules, [Rule::SecondCompletion]);
}

#[test]
fn going_on_while_an_operation_is_outstanding_is_a_violation_and_no_race() {
    static BUFFER: Mutex<[u8; 4]> = Mutex::new([0; 4]);
    let host = IisHost::builder().build();
    let script = Script::default().on("execute_request_handler", |call| {
        assert_eq!(read(call, &BUFFER, true), (S_OK, 0, 1));
        Status::CONTINUE
    });
    let (test, _) = mounted(&host, "outstanding", script);
    assert!(block_on(test.post("/").body("abc").finish()).is_complete());
    let rules: Vec<Rule> = host.violations().take().iter().map(Violation::rule).collect();
    assert_eq!(rules, [Rule::OperationOutstanding]);
}

#[test]
fn a_callback_is_called_instead_of_the_module() {
    static CALLED: AtomicUsize = AtomicUsize::new(0);
    unsafe extern "system" fn done(
        _: *mut IHttpContext3,
        info: *mut IHttpCompletionInfo2,
        context: *mut c_void,
    ) -> Status {
        // SAFETY: the info lives during the call.
        unsafe { assert_eq!(IHttpCompletionInfo::get_completion_status(info), S_OK) };
        CALLED.fetch_add(context.addr(), Ordering::SeqCst);
        Status::CONTINUE
    }
    let host = IisHost::builder().build();
    let script = Script::default()
        .on("execute_request_handler", |call| {
            let response = call.response().cast::<IHttpResponse2>();
            let context = std::ptr::without_provenance_mut(5);
            // SAFETY: the host keeps the response alive.
            let result = unsafe {
                IHttpResponse2::flush_with_callback(
                    response,
                    1,
                    1,
                    Some(done),
                    context,
                    null_mut(),
                    null_mut(),
                )
            };
            assert_eq!(result, S_OK);
            Status::PENDING
        })
        .on("completion", |_| panic!("not the module"));
    let (test, _) = mounted(&host, "callback", script);
    assert!(block_on(test.get("/").finish()).is_complete());
    assert_eq!(CALLED.load(Ordering::SeqCst), 5);
    host.violations().assert_none();
}
