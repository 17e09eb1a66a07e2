//! Notifications, requests and responses of a module that never waits.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::ptr::null_mut;
use std::sync::atomic::Ordering;

use bivalve_core::testing::block_on;
use bivalve_iis_host::IisHost;
use bivalve_iis_sys::codes::{HTTP_HEADER_ID, REQUEST_NOTIFICATION_STATUS as Status};
use bivalve_iis_sys::hresult::{ERROR_INVALID_INDEX, S_OK, from_win32};
use bivalve_iis_sys::*;

use common::{Script, mounted};

#[test]
fn a_hello_module_answers() {
    let host = IisHost::builder().build();
    let script = Script::default().on("begin_request", |call| {
        // SAFETY: the host keeps the response alive during the notification.
        unsafe {
            let status = IHttpResponse::set_status(
                call.response(),
                202,
                c"Fine".as_ptr().cast(),
                3,
                S_OK,
                null_mut(),
                1,
            );
            assert_eq!(status, S_OK);
        }
        assert_eq!(call.write("Hello World!"), S_OK);
        Status::FINISH_REQUEST
    });
    let (test, script) = mounted(&host, "hello", script);
    let response = block_on(test.get("/").finish());
    assert_eq!((response.status().as_u16(), response.text()), (202, "Hello World!"));
    assert_eq!(script.made.load(Ordering::SeqCst), 1);
    assert_eq!(script.disposed.load(Ordering::SeqCst), 1);
    host.violations().assert_none();
}

#[test]
fn headers_by_number_and_by_name_are_the_same_header() {
    let host = IisHost::builder().build();
    let script = Script::default().on("begin_request", |call| {
        let (request, response) = (call.request(), call.response());
        // SAFETY: as above; texts are zero-terminated and as long as it says.
        unsafe {
            let text = |value: *const u8, len: u16| {
                String::from_utf8_lossy(std::slice::from_raw_parts(value, len.into())).into_owned()
            };
            let mut len = 0;
            let host = IHttpRequest::get_header_by_id(request, HTTP_HEADER_ID::HOST, &raw mut len);
            assert_eq!(text(host, len), "localhost");
            let host = IHttpRequest::get_header_by_name(request, c"HOST".as_ptr().cast(), &raw mut len);
            assert_eq!(text(host, len), "localhost");
            assert!(
                IHttpRequest::get_header_by_name(request, c"X-None".as_ptr().cast(), &raw mut len).is_null()
            );
            assert_eq!(len, 0);

            let (id, name) = (HTTP_HEADER_ID::CONTENT_TYPE, c"content-type".as_ptr().cast());
            assert_eq!(IHttpResponse::set_header_by_id(response, id, c"text/a".as_ptr().cast(), 6, 1), S_OK);
            let value = IHttpResponse::get_header_by_name(response, name, &raw mut len);
            assert_eq!(text(value, len), "text/a");
            assert_eq!(
                IHttpResponse::set_header_by_name(response, name, c"text/b".as_ptr().cast(), 6, 1),
                S_OK
            );
            let value = IHttpResponse::get_header_by_id(response, id, &raw mut len);
            assert_eq!(text(value, len), "text/b");
            assert_eq!(IHttpResponse::delete_header_by_id(response, id), S_OK);
            assert!(IHttpResponse::get_header_by_name(response, name, null_mut()).is_null());
            let name = c"X-Own".as_ptr().cast();
            assert_eq!(IHttpResponse::set_header_by_name(response, name, c"1".as_ptr().cast(), 1, 1), S_OK);
            assert_eq!(IHttpResponse::set_header_by_name(response, name, c"2".as_ptr().cast(), 1, 0), S_OK);
        }
        Status::FINISH_REQUEST
    });
    let (test, _) = mounted(&host, "headers", script);
    let response = block_on(test.get("/").finish());
    assert_eq!(response.header("x-own"), Some("1, 2"));
    assert_eq!(response.header("content-type"), None);
    host.violations().assert_none();
}

#[test]
fn server_variables_come_in_both_widths_and_an_unknown_one_is_an_invalid_index() {
    let host = IisHost::builder().build();
    let script = Script::default().on("begin_request", |call| {
        assert_eq!(call.server_variable(c"QUERY_STRING").unwrap(), "a=b");
        assert_eq!(call.server_variable(c"NO_SUCH"), Err(from_win32(ERROR_INVALID_INDEX)));
        let (mut value, mut len) = (std::ptr::null(), 0);
        let new = common::utf16("bär");
        // SAFETY: as above.
        unsafe {
            let name = c"OWN".as_ptr().cast();
            assert_eq!(IHttpContext::set_server_variable(call.cx(), name, new.as_ptr()), S_OK);
            let result =
                IHttpContext::get_server_variable_wide(call.cx(), name, &raw mut value, &raw mut len);
            assert_eq!((result, common::wide(value), len), (S_OK, "bär".into(), 3));
        }
        Status::CONTINUE
    });
    let (test, _) = mounted(&host, "variables", script);
    assert_eq!(block_on(test.get("/x?a=b").finish()).status().as_u16(), 404);
    host.violations().assert_none();
}

#[test]
fn the_raw_record_has_what_the_request_has_and_follows_its_changes() {
    let host = IisHost::builder().build();
    let script = Script::default().on("begin_request", |call| {
        // SAFETY: as above; the record lives as long as the request.
        unsafe {
            let raw = IHttpRequest::get_raw_http_request(call.request());
            let base = &(*raw).Base;
            assert_eq!(base.Verb, codes::HTTP_VERB::GET);
            assert_eq!(common::wide(base.CookedUrl.pAbsPath), "/a b?x=1");
            assert_eq!((base.CookedUrl.AbsPathLength, base.CookedUrl.QueryStringLength), (8, 8));
            assert_eq!(std::slice::from_raw_parts(base.pRawUrl, base.RawUrlLength.into()), b"/a%20b?x=1");
            let id = HTTP_HEADER_ID::ACCEPT;
            assert!(base.Headers.KnownHeaders[id.0 as usize].pRawValue.is_null());
            IHttpRequest::set_header_by_id(call.request(), id, c"*/*".as_ptr().cast(), 3, 1);
            assert_eq!((*raw).Base.Headers.KnownHeaders[id.0 as usize].RawValueLength, 3);
            assert_eq!(IHttpRequest::get_raw_http_request_mut(call.request()).cast_const(), raw);

            let raw = IHttpResponse::get_raw_http_response(call.response());
            assert_eq!(((*raw).Base.StatusCode, (*raw).Base.EntityChunkCount), (200, 0));
            call.write("four");
            assert_eq!((*raw).Base.EntityChunkCount, 1);
            assert_eq!((*(*raw).Base.pEntityChunks).data.FromMemory.BufferLength, 4);
        }
        Status::FINISH_REQUEST
    });
    let (test, _) = mounted(&host, "raw", script);
    assert_eq!(block_on(test.get("/a%20b?x=1").finish()).text(), "four");
    host.violations().assert_none();
}

#[test]
fn finish_goes_to_log_and_end_and_one_object_serves_the_whole_request() {
    let host = IisHost::builder().build();
    let script = Script::default()
        .on("begin_request", |_| Status::FINISH_REQUEST)
        .on("execute_request_handler", |_| panic!("skipped"))
        .on("log_request", |_| Status::FINISH_REQUEST)
        .on("end_request", |_| Status::CONTINUE);
    let (test, script) = mounted(&host, "finish", script);
    let mut request = test.get("/");
    block_on(request.finish());
    request.assert_trace([
        "BeginRequest finish -> Finish",
        "LogRequest finish -> Finish",
        "EndRequest finish -> Continue",
        "Send 0 bytes, success",
    ]);
    assert_eq!((script.made.load(Ordering::SeqCst), script.disposed.load(Ordering::SeqCst)), (1, 1));
    host.violations().assert_none();
}

#[test]
fn a_factory_that_fails_is_a_500_and_the_next_request_is_tried_again() {
    let host = IisHost::builder().build();
    let script = Script { factory_result: -1, ..Script::default() }.on("begin_request", |_| Status::CONTINUE);
    let (test, script) = mounted(&host, "broken factory", script);
    assert_eq!(block_on(test.get("/").finish()).status().as_u16(), 500);
    assert_eq!(script.disposed.load(Ordering::SeqCst), 0);
    host.violations().assert_none();
}
