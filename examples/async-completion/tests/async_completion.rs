//! What the module sends, and which events and completions occurred, in every order of completions.

use std::io;
use std::sync::{Mutex, PoisonError};

use async_completion::{AsyncHello, Completions, Report};
use bivalve::prelude::*;
use bivalve::testing::{
    CompletionOrder, OperationKind, Outstanding, Stopped, TestHost, TestRequest, TestResponse, block_on,
};
use bivalve::{CompletionStatus, Step};

/// What happens on the way to an answer.
const ANSWERED: [&str; 6] = [
    "BeginRequest AsyncHello -> Continue",
    "AsyncCompletion of BeginRequest AsyncHello -> Continue",
    "MapRequestHandler AsyncHello -> Finish",
    "Send 12 bytes, success",
    "AsyncCompletion of MapRequestHandler AsyncHello -> Finish",
    "Send 0 bytes, success",
];

/// The handler that the module gets in front of.
fn host() -> TestHost {
    TestHost::new().mount(AsyncHello).handler(|cx: &mut Context| {
        cx.response_mut().write("from the handler")?;
        Ok(Flow::Continue)
    })
}

fn report(notification: Notification, bytes: usize, status: CompletionStatus) -> Report {
    Report { notification, bytes, status }
}

/// The reports of a request that stands before its end.
fn reports(req: &TestRequest) -> Vec<Report> {
    req.context().state_of::<Completions>().map_or(Vec::new(), |completions| completions.all().to_vec())
}

fn only(outstanding: &[Outstanding]) -> &Outstanding {
    assert_eq!(outstanding.len(), 1, "{outstanding:?}");
    &outstanding[0]
}

#[track_caller]
fn assert_answered(response: &TestResponse) {
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.header("content-type"), Some("text/plain"));
    assert_eq!(response.text(), "Hello World!");
    assert!(response.is_complete());
}

#[test]
fn the_text_reaches_the_client_once_and_both_completions_are_reported() {
    let mut req = host().get("/");
    assert_eq!(block_on(req.run_until(Step::Done)), Stopped::Before(Step::Done));
    assert_eq!(
        reports(&req),
        [
            report(Notification::BeginRequest, 12, CompletionStatus::SUCCESS),
            report(Notification::MapRequestHandler, 12, CompletionStatus::SUCCESS),
        ]
    );

    let response = block_on(req.finish());
    assert_answered(&response);
    let parts: Vec<_> = response.parts().iter().map(|part| (part.body().len(), part.is_end())).collect();
    assert_eq!(parts, [(12, false), (0, true)]);
    req.assert_trace(ANSWERED);
}

#[test]
fn a_flush_that_is_held_back_holds_the_request() {
    let mut req = host().manual().get("/");
    // The write is buffered: only the flush has something to wait for.
    assert_eq!(block_on(req.run_until(Step::Done)), Stopped::Waiting);
    let outstanding = req.outstanding();
    let flush = only(&outstanding);
    assert_eq!((flush.kind(), flush.description()), (OperationKind::Send, "status 200, 12 bytes"));
    assert!(!req.received().was_answered());

    req.complete(flush.id());
    assert_eq!(block_on(req.run_until(Step::Done)), Stopped::Waiting);
    assert_eq!(req.received().text(), "Hello World!");
    assert_eq!(only(&req.outstanding()).description(), "0 bytes, end");

    assert_answered(&block_on(req.finish()));
    req.assert_trace(ANSWERED);
}

#[test]
fn without_buffering_the_write_itself_is_a_send() {
    let mut req = host().manual().get("/");
    req.context_mut().response_mut().disable_buffering();
    for expected in ["status 200, 12 bytes", "0 bytes", "0 bytes, end"] {
        assert_eq!(block_on(req.run_until(Step::Done)), Stopped::Waiting);
        let outstanding = req.outstanding();
        assert_eq!(only(&outstanding).description(), expected);
        req.complete(only(&outstanding).id());
    }
    block_on(req.run_until(Step::Done));
    assert_eq!(reports(&req).iter().map(|report| report.bytes).collect::<Vec<_>>(), [12, 0]);
    assert_answered(&block_on(req.finish()));
}

#[test]
fn the_order_of_completions_changes_nothing() {
    for order in [CompletionOrder::Late].into_iter().chain((0..200).map(CompletionOrder::Seeded)) {
        let host = host().order(order);
        let (mut first, mut second) = (host.get("/1"), host.get("/2"));
        // Two requests in flight on one host, taken step by step in turns.
        while first.peek().is_some() || second.peek().is_some() {
            block_on(first.step());
            block_on(second.step());
        }
        for mut req in [first, second] {
            assert_answered(&block_on(req.finish()));
            req.assert_trace(ANSWERED);
        }
    }
}

/// Runs up to the end; the flush that is held back ends as the test says.
fn after_flush(end: impl FnOnce(&TestRequest)) -> TestRequest {
    let mut req = host().manual().get("/");
    assert_eq!(block_on(req.run_until(Step::Done)), Stopped::Waiting);
    end(&req);
    assert_eq!(block_on(req.run_until(Step::Done)), Stopped::Before(Step::Done));
    req
}

#[test]
fn a_flush_that_fails_is_reported_and_resets_the_connection() {
    for status in [CompletionStatus::CANCELLED, CompletionStatus::TIMED_OUT] {
        let mut req = after_flush(|req| {
            req.complete_with(only(&req.outstanding()).id(), Completion::failure(status));
        });
        assert_eq!(
            reports(&req),
            [
                report(Notification::BeginRequest, 12, CompletionStatus::SUCCESS),
                report(Notification::MapRequestHandler, 0, status),
            ]
        );
        let response = block_on(req.finish());
        assert!(response.was_reset() && !response.was_answered());
        req.assert_trace([
            ANSWERED[0],
            ANSWERED[1],
            "MapRequestHandler AsyncHello -> Err",
            &format!("Send 0 bytes, {status}"),
            "AsyncCompletion of MapRequestHandler AsyncHello -> Err",
        ]);
    }
}

#[test]
fn a_client_that_leaves_during_the_flush_is_reported_and_is_no_failure() {
    let mut req = after_flush(|req| assert!(req.disconnect()));
    let gone = CompletionStatus::CONNECTION_ABORTED;
    assert_eq!(reports(&req)[1], report(Notification::MapRequestHandler, 0, gone));
    let response = block_on(req.finish());
    assert!(!response.was_answered() && !response.is_complete());
    req.assert_trace([
        ANSWERED[0],
        ANSWERED[1],
        ANSWERED[2],
        "Send 0 bytes, connection aborted",
        ANSWERED[4],
    ]);
}

#[test]
fn a_client_that_leaves_before_the_flush_is_not_answered() {
    let mut req = host().get("/");
    block_on(req.run_until(Notification::MapRequestHandler));
    assert!(req.disconnect());
    assert!(!block_on(req.finish()).was_answered());
    assert!(req.trace().lines().starts_with(&[ANSWERED[0].into(), ANSWERED[1].into()]));
}

/// Refuses everybody.
struct Closed;

#[bivalve::module]
impl Module for Closed {
    fn on_authorize_request(&self, _cx: &mut Context) -> Result<Flow> {
        Err(Error::from_status(StatusCode::FORBIDDEN))
    }
}

#[test]
fn what_is_only_written_can_still_be_refused() {
    let mut req = host().mount(Closed).get("/");
    let response = block_on(req.finish());
    assert_eq!((response.status(), response.text()), (StatusCode::FORBIDDEN, "Forbidden"));
    req.assert_trace([ANSWERED[0], ANSWERED[1], "AuthorizeRequest Closed -> Err", "Send 9 bytes, success"]);
}

#[test]
fn requests_of_one_connection_have_their_own_reports() {
    let host = host();
    let connection = host.keep_alive();
    for _ in 0..2 {
        let mut req = connection.get("/");
        block_on(req.run_until(Step::Done));
        assert_eq!(reports(&req).len(), 2);
        assert_answered(&block_on(req.finish()));
    }
}

static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Appends to [`LOG`].
struct Log;

impl io::Write for Log {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        LOG.lock().unwrap_or_else(PoisonError::into_inner).write(text)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn both_completions_are_in_the_log() {
    let subscriber = tracing_subscriber::fmt().with_ansi(false).without_time().with_writer(|| Log).finish();
    tracing::subscriber::with_default(subscriber, || block_on(host().get("/").finish()));
    let log = String::from_utf8(LOG.lock().unwrap().clone()).unwrap();
    let lines: Vec<&str> = log.lines().map(str::trim).collect();
    assert_eq!(
        lines,
        [
            "INFO async_completion: completed notification=BeginRequest bytes=12 status=success",
            "INFO async_completion: completed notification=MapRequestHandler bytes=12 status=success",
        ]
    );
}
