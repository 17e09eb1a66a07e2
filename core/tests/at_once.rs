//! `Run::run_at_once`: a request that waits for nothing is over when it returns, one that waits goes on where it stopped.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{Arc, Mutex};
use std::task::{Context as Task, Poll};

use bivalve_core::testing::block_on;
use bivalve_core::{
    Completion, CompletionInfo, CompletionStatus, Connection, Context, Error, Flow, Handler, Host, Module,
    Notification, Outcome, Outgoing, Pipeline, Registration, Result, Run,
};
use bytes::Bytes;
use http::StatusCode;

type Log = Arc<Mutex<Vec<String>>>;

fn note(log: &Log, what: impl Into<String>) {
    log.lock().expect("no test panics under it").push(what.into());
}

/// Notes what it is asked to do.
struct Noting {
    log: Log,
    at_once: Option<Completion>,
}

impl Host for Noting {
    fn start_send(&mut self, part: Outgoing<'_>) {
        let status = part.head().map_or(0, |head| head.status.as_u16());
        note(&self.log, format!("send {status}, {} bytes", part.entity_len()));
    }
    fn sent_at_once(&mut self) -> Option<Completion> {
        self.at_once
    }
    fn poll_send(&mut self, _: &mut Task<'_>) -> Poll<Completion> {
        note(&self.log, "poll");
        Poll::Ready(Completion::success(5))
    }
    fn start_read(&mut self, _: usize) {}
    fn poll_read(&mut self, _: &mut Task<'_>) -> Poll<Result<Bytes, CompletionStatus>> {
        Poll::Ready(Ok(Bytes::new()))
    }
    fn reset(&mut self) {
        note(&self.log, "reset");
    }
}

/// Synchronous at BeginRequest and LogRequest; what it answers at the first.
struct Answers {
    log: Log,
    begin: Flow,
}

impl Module for Answers {
    fn registration(&self) -> Registration {
        Registration::new()
            .on(Notification::BeginRequest)
            .on(Notification::LogRequest)
            .synchronous(Notification::BeginRequest)
            .synchronous(Notification::LogRequest)
    }
    fn on_begin_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        note(&self.log, "begin");
        if self.begin == Flow::Pending {
            let posted = cx.completion_handle().post_completion(3);
            posted.expect("it is awaited");
        }
        Outcome::from(self.begin)
    }
    fn on_log_request<'a>(&'a self, _: &'a mut Context) -> Outcome<'a> {
        note(&self.log, "log");
        Outcome::CONTINUE
    }
    fn on_async_completion<'a>(&'a self, _: &'a mut Context, info: CompletionInfo) -> Outcome<'a> {
        note(&self.log, format!("completed {}", info.completion().bytes()));
        Outcome::CONTINUE
    }
}

/// Promises what it may not keep.
struct Promises {
    promises: bool,
}

impl Handler for Promises {
    fn handle<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        Outcome::pending(async move {
            cx.response_mut().write("later")?;
            Ok(Flow::Continue)
        })
    }
    fn is_synchronous(&self) -> bool {
        self.promises
    }
}

fn hello(cx: &mut Context) -> Result<Flow> {
    cx.response_mut().write("hello")?;
    Ok(Flow::Continue)
}

const SENT: Option<Completion> = Some(Completion::success(5));

/// Whether it was over at once, and what happened. A second run, where there is one, is marked.
fn run(handler: impl Handler, begin: Flow, at_once: Option<Completion>) -> (bool, Vec<String>) {
    let log = Log::default();
    let builder = Pipeline::builder().module("answers", Answers { log: Arc::clone(&log), begin });
    let pipeline = builder.handler(handler).build().expect("it is right");
    let host = Noting { log: Arc::clone(&log), at_once };
    let parts = http::Request::new(()).into_parts().0;
    let mut run = Run::new(Context::new(&pipeline, Box::new(host), parts, Arc::new(Connection::default())));
    let over = run.run_at_once();
    if !over {
        note(&log, "-");
        block_on(run.run_to_end());
    }
    let log = log.lock().expect("no test panics under it").clone();
    (over, log)
}

#[test]
fn a_request_that_waits_for_nothing_is_over() {
    assert_eq!(
        run(hello, Flow::Continue, SENT),
        (true, vec!["begin".into(), "log".into(), "send 200, 5 bytes".into()])
    );
}

#[test]
fn a_finish_leads_to_log_request() {
    assert_eq!(
        run(hello, Flow::Finish, SENT),
        (true, vec!["begin".into(), "log".into(), "send 200, 0 bytes".into()])
    );
}

#[test]
fn a_handler_that_may_wait_is_not_begun() {
    let (over, log) = run(Promises { promises: false }, Flow::Continue, SENT);
    assert!(!over);
    assert_eq!(log, ["begin", "-", "log", "send 200, 5 bytes"]);
}

#[test]
fn a_handler_that_breaks_its_promise_answers_500() {
    let (over, log) = run(Promises { promises: true }, Flow::Continue, SENT);
    assert!(over);
    assert_eq!(log, ["begin", "log", "send 500, 21 bytes"]);
}

#[test]
fn a_call_that_waits_goes_on_and_is_not_made_again() {
    let (over, log) = run(hello, Flow::Pending, SENT);
    assert!(!over);
    assert_eq!(log, ["begin", "-", "completed 3", "log", "send 200, 5 bytes"]);
}

#[test]
fn a_send_whose_outcome_is_not_known_is_waited_for_and_not_made_again() {
    let (over, log) = run(hello, Flow::Continue, None);
    assert!(!over);
    assert_eq!(log, ["begin", "log", "send 200, 5 bytes", "-", "poll"]);
}

#[test]
fn a_send_that_failed_at_once_resets_the_connection() {
    let failed = Completion::failure(CompletionStatus::CONNECTION_ABORTED);
    let (over, log) = run(hello, Flow::Continue, Some(failed));
    assert!(over);
    assert_eq!(log, ["begin", "log", "send 200, 5 bytes", "reset"]);
}

/// Octets whose destructor panics.
struct Bomb;

impl AsRef<[u8]> for Bomb {
    fn as_ref(&self) -> &[u8] {
        b"hello"
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "a destructor");
    }
}

fn bomb() -> Bytes {
    Bytes::from_owner(Bomb)
}

#[test]
fn a_panicking_destructor_of_what_was_written_does_not_keep_a_failed_request_from_its_log() {
    let fails = |cx: &mut Context| -> Result<Flow> {
        cx.response_mut().write(bomb())?;
        Err(Error::new(StatusCode::BAD_REQUEST, "no"))
    };
    let (over, log) = run(fails, Flow::Continue, SENT);
    assert!(over);
    assert_eq!(log, ["begin", "log", "send 400, 11 bytes"]);
}

#[test]
fn a_panicking_destructor_of_what_was_started_and_not_waited_for_is_contained() {
    let starts = |cx: &mut Context| -> Result<Flow> {
        cx.start_write(bomb())?;
        Ok(Flow::Continue)
    };
    let (over, log) = run(starts, Flow::Continue, SENT);
    assert!(over);
    assert_eq!(log, ["begin", "log", "send 500, 21 bytes"]);
}

/// Promises to return no future, and returns one that panics when it is dropped.
struct BreaksItsPromise;

impl Handler for BreaksItsPromise {
    fn handle<'a>(&'a self, _: &'a mut Context) -> Outcome<'a> {
        let bomb = Bomb;
        Outcome::pending(async move {
            let _bomb = bomb;
            Ok(Flow::Continue)
        })
    }
    fn is_synchronous(&self) -> bool {
        true
    }
}

#[test]
fn a_panicking_destructor_of_a_future_that_was_not_promised_is_contained() {
    let (over, log) = run(BreaksItsPromise, Flow::Continue, SENT);
    assert!(over);
    assert_eq!(log, ["begin", "log", "send 500, 21 bytes"]);
}
