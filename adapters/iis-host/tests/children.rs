//! Child requests: semantics.md section 4, rule 12.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::ptr::null_mut;
use std::sync::Mutex;

use bivalve_core::testing::{TestHost, block_on};
use bivalve_core::{Context, Flow, Result};
use bivalve_iis_host::{IisHost, Rule, Violation};
use bivalve_iis_sys::codes::REQUEST_NOTIFICATION_STATUS as Status;
use bivalve_iis_sys::flags::{CLONE_FLAG_BASICS, EXECUTE_FLAG_BUFFER_RESPONSE};
use bivalve_iis_sys::hresult::{ERROR_NOT_SUPPORTED, S_OK, from_win32};
use bivalve_iis_sys::*;

use common::{Call, Script, module};

static CLONES: Mutex<Vec<(usize, usize)>> = Mutex::new(Vec::new());

/// Sends `/child` for whatever asks `/parent`.
fn parent(flags: u32) -> Script {
    let asks = |call: &Call| call.server_variable(c"URL").unwrap() == "/parent";
    Script::default()
        .on("begin_request", move |call| {
            if !asks(call) {
                // SAFETY: as below; a parent outlives its child.
                let parent = unsafe { IHttpContext::get_parent_context(call.cx()) };
                assert!(
                    CLONES.lock().unwrap().iter().any(|(cx, _)| *cx == parent.addr()),
                    "the parent is known"
                );
                return Status::CONTINUE;
            }
            let (mut clone, mut expected) = (null_mut(), 9);
            // SAFETY: the host keeps the request alive during the notification, and the clone until it is released.
            unsafe {
                assert_eq!(IHttpContext::clone_context(call.cx(), CLONE_FLAG_BASICS, &raw mut clone), S_OK);
                assert_eq!(IHttpContext::get_parent_context(clone), upcast(call.cx()));
                assert_eq!(IHttpContext::get_root_context(clone), upcast(call.cx()));
                let url = c"/child".as_ptr().cast();
                assert_eq!(IHttpRequest::set_url_ansi(IHttpContext::get_request(clone), url, 6, 1), S_OK);
                let executed = |cx: *mut IHttpContext3, expected: *mut i32| {
                    IHttpContext::execute_request(cx, 1, clone, flags, null_mut(), expected)
                };
                assert_eq!(executed(call.cx(), &raw mut expected), S_OK);
                assert_eq!(expected, 1);
                assert_eq!(executed(call.cx(), null_mut()), from_win32(ERROR_NOT_SUPPORTED), "once");
            }
            CLONES.lock().unwrap().push((call.cx().addr(), clone.addr()));
            Status::PENDING
        })
        .on("completion", |call| {
            assert_eq!(call.completion(), (5, S_OK));
            let own = call.cx().addr();
            let clone = CLONES.lock().unwrap().iter().find(|(cx, _)| *cx == own).unwrap().1;
            let clone = clone as *mut IHttpContext;
            let mut status = 0;
            // SAFETY: as above.
            unsafe {
                IHttpResponse::get_status(
                    IHttpContext::get_response(clone),
                    &raw mut status,
                    null_mut(),
                    null_mut(),
                    null_mut(),
                    null_mut(),
                    null_mut(),
                    null_mut(),
                    null_mut(),
                    null_mut(),
                );
                assert_eq!(IHttpContext::release_cloned_context(clone), S_OK);
            }
            assert_eq!(status, 203);
            Status::FINISH_REQUEST
        })
}

fn child(cx: &mut Context) -> Result<Flow> {
    cx.response_mut().set_status_code(203, 0)?;
    cx.response_mut().write("child")?;
    Ok(Flow::Continue)
}

#[test]
fn a_child_answers_the_client_in_the_place_of_its_parent() {
    let host = IisHost::builder().build();
    let (native, _) = module(&host, "children", parent(0));
    let test = TestHost::new().module("children", native).handler(child);
    let response = block_on(test.get("/parent").finish());
    assert_eq!((response.status().as_u16(), response.text()), (203, "child"));
    host.violations().assert_none();
}

#[test]
fn a_buffered_child_answers_its_parent_alone() {
    let host = IisHost::builder().build();
    let (native, _) = module(&host, "buffered children", parent(EXECUTE_FLAG_BUFFER_RESPONSE));
    let test = TestHost::new().module("buffered children", native).handler(child);
    let response = block_on(test.get("/parent").finish());
    assert_eq!((response.status().as_u16(), response.text()), (200, ""));
    host.violations().assert_none();
}

#[test]
fn a_clone_that_is_released_is_trapped() {
    let host = IisHost::builder().build();
    let script = Script::default().on("begin_request", |call| {
        let mut clone = null_mut();
        // SAFETY: the host keeps the request alive, and traps what has ended.
        unsafe {
            IHttpContext::clone_context(call.cx(), CLONE_FLAG_BASICS, &raw mut clone);
            assert_eq!(IHttpContext::release_cloned_context(clone), S_OK);
            IHttpContext::release_cloned_context(clone);
        }
        Status::FINISH_REQUEST
    });
    let (native, _) = module(&host, "released", script);
    block_on(TestHost::new().module("released", native).get("/").finish());
    let rules: Vec<Rule> = host.violations().take().iter().map(Violation::rule).collect();
    assert_eq!(rules, [Rule::UsedAfterEnd]);
}
