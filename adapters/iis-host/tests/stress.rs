//! Every fault in turn, from a seed: the module waits, flushes, reads and posts, clients leave, and nothing is lost.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::ptr::null_mut;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use bivalve_core::testing::{CompletionOrder, block_on};
use bivalve_core::{Event, Notification};
use bivalve_iis_host::{Fault, IisHost};
use bivalve_iis_sys::codes::REQUEST_NOTIFICATION_STATUS as Status;
use bivalve_iis_sys::hresult::{ERROR_OPERATION_ABORTED, S_OK, from_win32};
use bivalve_iis_sys::*;

use common::{Call, Script, mounted, write};

/// One lock for each request would be a module's choice; one for all serves as well.
static LOCK: Mutex<()> = Mutex::new(());

/// A flush: pending, or done, or failed.
fn flush(call: &Call) -> Option<Status> {
    let (mut sent, mut expected) = (0, 9);
    // SAFETY: the host keeps the response alive during the notification.
    let result = unsafe { IHttpResponse::flush(call.response(), 1, 1, &raw mut sent, &raw mut expected) };
    match (result, expected) {
        (S_OK, 0) => None,
        (S_OK, _) => Some(Status::PENDING),
        _ => Some(Status::FINISH_REQUEST),
    }
}

#[test]
fn under_every_fault_each_request_ends_once_and_no_rule_is_broken() {
    const REQUESTS: usize = 150;
    static ENDED: AtomicUsize = AtomicUsize::new(0);
    let faults: [&[Fault]; 9] = [
        &[],
        &[Fault::AlwaysPosted],
        &[Fault::Inline],
        &[Fault::Cancelled(0)],
        &[Fault::NestedElsewhere],
        &[Fault::DisconnectAt(Event::of(Notification::ExecuteRequestHandler))],
        &[Fault::NestedElsewhere, Fault::AlwaysPosted, Fault::Cancelled(0)],
        &[Fault::BeforeReturn],
        &[Fault::Late, Fault::NestedElsewhere],
    ];
    for (round, faults) in faults.iter().enumerate() {
        let slow = faults.contains(&Fault::BeforeReturn) || faults.contains(&Fault::Late);
        let requests = if slow { 20 } else { REQUESTS };
        let host = faults.iter().fold(IisHost::builder(), |host, fault| host.fault(*fault)).build();
        let script = Script::default()
            .on("begin_request", |call| {
                let call = *call;
                thread::spawn(move || {
                    // SAFETY: the notification waits, or will.
                    unsafe { IHttpContext::post_completion(call.cx(), 1) };
                });
                Status::PENDING
            })
            .on("execute_request_handler", |call| {
                let _guard = LOCK.lock().unwrap();
                let mut sent = 0;
                if write(call.response(), "body", false, &mut sent, None) != S_OK {
                    return Status::FINISH_REQUEST;
                }
                flush(call).unwrap_or(Status::CONTINUE)
            })
            .on("completion", |call| {
                drop(LOCK.lock().unwrap());
                let (bytes, status) = call.completion();
                if call.notification == 1 {
                    assert_eq!((bytes, status), (1, S_OK));
                } else if status == from_win32(ERROR_OPERATION_ABORTED) {
                    return flush(call).unwrap_or(Status::CONTINUE);
                }
                Status::CONTINUE
            })
            .on("send_response", |call| {
                // SAFETY: the host keeps the response alive during the notification.
                unsafe {
                    let mut len = 0;
                    IHttpResponse::get_header_by_name(call.response(), c"x".as_ptr().cast(), &raw mut len);
                    IHttpResponse::get_status(
                        call.response(),
                        &raw mut len,
                        null_mut(),
                        null_mut(),
                        null_mut(),
                        null_mut(),
                        null_mut(),
                        null_mut(),
                        null_mut(),
                        null_mut(),
                    );
                }
                Status::CONTINUE
            })
            .on("end_request", |_| {
                ENDED.fetch_add(1, Ordering::SeqCst);
                Status::CONTINUE
            });
        let before = ENDED.load(Ordering::SeqCst);
        let (test, script) = mounted(&host, &format!("stress {round}"), script);
        let test = test.order(CompletionOrder::Seeded(round as u64));
        for request in 0..requests {
            let mut running = test.get("/");
            let leaving = (request % 3 == 0).then(|| {
                let control = running.control();
                thread::spawn(move || control.disconnect())
            });
            block_on(running.finish());
            if let Some(leaving) = leaving {
                leaving.join().unwrap();
            }
        }
        assert_eq!(ENDED.load(Ordering::SeqCst) - before, requests, "{faults:?}");
        assert_eq!(script.made.load(Ordering::SeqCst), requests, "{faults:?}");
        assert_eq!(script.disposed.load(Ordering::SeqCst), requests, "{faults:?}");
        host.violations().assert_none();
    }
}
