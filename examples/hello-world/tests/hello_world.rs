//! What the module sends, and which events ran.

use bivalve::http::Method;
use bivalve::prelude::*;
use bivalve::testing::{CompletionOrder, TestHost, block_on};
use hello_world::HelloWorld;

/// Mounted beside the module: would answer, and sees the end of the request.
struct Other;

#[bivalve::module]
impl Module for Other {
    fn on_authorize_request(&self, _cx: &mut Context) -> Result<Flow> {
        Err(Error::from_status(StatusCode::FORBIDDEN))
    }

    fn on_log_request(&self, cx: &mut Context) -> Result<Flow> {
        assert_eq!(cx.response().entity_len(), 12);
        Ok(Flow::Continue)
    }
}

#[test]
fn it_answers_and_finishes() {
    let mut req = TestHost::new().mount(HelloWorld).get("/any/path?and=query");
    let response = block_on(req.finish());

    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.header("content-type"), Some("text/plain"));
    assert_eq!(response.text(), "Hello World!");
    assert_eq!(response.parts().len(), 1);
    assert!(response.is_complete());
    req.assert_trace(["BeginRequest HelloWorld -> Finish", "Send 12 bytes, success"]);
}

#[test]
fn nobody_after_it_is_asked_but_log_request_runs() {
    let host = TestHost::new().mount(HelloWorld).mount(Other).handler(|cx: &mut Context| {
        cx.response_mut().write("from the handler")?;
        Ok(Flow::Continue)
    });
    let mut req = host.get("/");
    assert_eq!(block_on(req.finish()).text(), "Hello World!");
    req.assert_trace([
        "BeginRequest HelloWorld -> Finish",
        "LogRequest Other -> Continue",
        "Send 12 bytes, success",
    ]);
}

#[test]
fn every_method_is_answered_and_head_gets_no_body() {
    let host = TestHost::new().mount(HelloWorld);
    assert_eq!(block_on(host.post("/").body("ignored").finish()).text(), "Hello World!");

    let response = block_on(host.request(Method::HEAD, "/").finish());
    assert_eq!((response.status(), response.text()), (StatusCode::OK, ""));
}

#[test]
fn requests_of_one_connection_get_the_same_answer() {
    let host = TestHost::new().mount(HelloWorld).order(CompletionOrder::Late);
    let connection = host.keep_alive();
    for _ in 0..2 {
        let response = block_on(connection.get("/").finish());
        assert_eq!((response.text(), response.is_complete()), ("Hello World!", true));
    }
}

#[test]
fn a_client_that_leaves_before_the_send_gets_nothing() {
    let host = TestHost::new().mount(HelloWorld).mount(Other);
    let mut req = host.get("/");
    block_on(req.run_until(Notification::LogRequest));
    assert!(req.disconnect());
    assert!(!block_on(req.finish()).was_answered());
    req.assert_trace(["BeginRequest HelloWorld -> Finish", "LogRequest Other -> Continue"]);
}
