//! What the module sends and writes, which events and completions occurred, and that every buffer and handle comes back.

use std::fs;
use std::path::PathBuf;

use bivalve::http::HeaderMap;
use bivalve::prelude::*;
use bivalve::testing::{
    CompletionOrder, OperationId, OperationKind, Stopped, TestHost, TestRequest, block_on,
};
use bivalve::{CompletionStatus, Driver, Handler, Outcome, Resource, Server, Step};
use tempfile::TempDir;
use thread_pool::HelloFile;

/// A host with the module, and the file it writes.
struct Setup {
    host: TestHost,
    directory: TempDir,
}

impl Setup {
    fn new(order: CompletionOrder, handler: impl Handler) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let module = HelloFile::new(directory.path().join("hello.txt"));
        Self { host: TestHost::new().order(order).mount(module).handler(handler), directory }
    }

    fn known(&self) -> TestRequest {
        self.host.get("/").user(ada())
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("hello.txt")
    }

    #[track_caller]
    fn assert_written(&self) {
        assert_eq!(fs::read(self.path()).expect("the module made it"), b"Hello");
    }

    #[track_caller]
    fn assert_returned(&self, buffers: u64) {
        assert_eq!(self.host.driver().returned_buffers(), buffers);
        assert_eq!(self.host.driver().abandoned_buffers(), 0);
        self.assert_released();
    }

    /// The driver holds neither buffer nor file: a new file gets its first slot, which is free.
    #[track_caller]
    fn assert_released(&self) {
        let driver = self.host.driver();
        driver.assert_idle();
        let probe = tempfile::tempfile().expect("a temporary file");
        let handle = driver.associate(Resource::File(probe)).expect("the driver takes files");
        assert_eq!(handle.index(), 0, "a file of the module is still open");
        driver.close(handle);
    }
}

fn ada() -> User {
    User::new("ada", "Basic")
}

/// Answers in one part, with headers of its own.
fn page(cx: &mut Context) -> Result<Flow> {
    cx.response_mut().set_header("set-cookie", "secret=1")?;
    cx.response_mut().append_header("www-authenticate", "Basic realm=\"shell\"")?;
    cx.response_mut().append_header("www-authenticate", "Bearer")?;
    cx.response_mut().write("the page")?;
    Ok(Flow::Continue)
}

/// Answers in as many parts, and one more.
struct Parts(usize);

impl Handler for Parts {
    fn handle<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        Outcome::pending(async move {
            for _ in 0..self.0 {
                cx.write("part ").await?;
                cx.flush().await?;
            }
            cx.response_mut().trailers_mut().insert("x-secret", HeaderValue::from_static("1"));
            cx.write("end").await?;
            Ok(Flow::Continue)
        })
    }
}

/// The write that the module waits for.
#[track_caller]
fn outstanding_write(req: &mut TestRequest) -> OperationId {
    assert_eq!(block_on(req.run_until(Step::Done)), Stopped::Waiting);
    let outstanding = req.outstanding();
    assert_eq!(outstanding.len(), 1, "{outstanding:?}");
    let write = &outstanding[0];
    assert_eq!((write.kind(), write.description()), (OperationKind::WriteAt, "5 bytes at 0"));
    write.id()
}

#[test]
fn an_unknown_client_gets_401_and_nothing_of_the_response() {
    for user in [None, Some(User::new("", "Anonymous"))] {
        let setup = Setup::new(CompletionOrder::Immediate, page);
        let mut req = setup.host.get("/");
        req = user.into_iter().fold(req, TestRequest::user);
        let response = block_on(req.finish());

        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.text(), "Access denied.");
        assert_eq!(response.header("content-type"), Some("text/plain"));
        assert_eq!(response.header("content-length"), Some("14"));
        assert_eq!(response.header("set-cookie"), None);
        let challenges: Vec<_> = response.headers().get_all("www-authenticate").iter().collect();
        assert_eq!(challenges, ["Basic realm=\"shell\"", "Bearer"]);
        assert!(response.is_complete());
        req.assert_trace(["  SendResponse HelloFile -> Continue", "Send 14 bytes, success"]);

        assert!(!setup.path().exists());
        setup.assert_returned(0);
    }
}

#[test]
fn an_unknown_client_gets_nothing_of_a_second_part_either() {
    let setup = Setup::new(CompletionOrder::Immediate, Parts(1));
    let mut req = setup.host.get("/");
    let response = block_on(req.finish());
    assert_eq!((response.status(), response.text()), (StatusCode::UNAUTHORIZED, "Access denied."));
    assert_eq!(response.header("content-length"), Some("14"));
    assert!(response.is_complete());
    assert!(response.trailers().is_none_or(HeaderMap::is_empty));
    assert!(!setup.path().exists());
}

#[test]
fn a_stream_for_an_unknown_client_is_ended() {
    let setup = Setup::new(CompletionOrder::Immediate, Parts(usize::MAX));
    let mut req = setup.host.get("/");
    let response = block_on(req.finish());
    // Whole by its length; the reset tells who serves it that no more will come.
    assert_eq!((response.status(), response.text()), (StatusCode::UNAUTHORIZED, "Access denied."));
    assert_eq!(response.header("content-length"), Some("14"));
    assert!(response.was_reset());
}

#[test]
fn a_known_client_gets_the_response_when_the_file_is_written() {
    let setup = Setup::new(CompletionOrder::Manual, page);
    let mut req = setup.known();
    let write = outstanding_write(&mut req);
    assert!(!req.received().was_answered());
    setup.host.completions().complete(write);

    assert_eq!(block_on(req.run_until(Step::Done)), Stopped::Waiting);
    assert_eq!(req.outstanding()[0].kind(), OperationKind::Send);
    setup.assert_written();
    setup.assert_returned(1);

    let response = block_on(req.finish());
    assert_eq!((response.status(), response.text()), (StatusCode::OK, "the page"));
    assert_eq!(response.header("set-cookie"), Some("secret=1"));
    req.assert_trace(["  SendResponse HelloFile -> Continue", "Send 8 bytes, success"]);
}

#[test]
fn a_response_in_parts_is_decided_once() {
    let setup = Setup::new(CompletionOrder::Late, Parts(2));
    let mut req = setup.known();
    let response = block_on(req.finish());
    assert_eq!(response.text(), "part part end");
    assert!(response.is_complete());
    setup.assert_written();
    setup.assert_returned(1);
    req.assert_trace([
        "  SendResponse HelloFile -> Continue",
        "Send 5 bytes, success",
        "  SendResponse HelloFile -> Continue",
        "Send 5 bytes, success",
        "  SendResponse HelloFile -> Continue",
        "Send 3 bytes, success",
    ]);
}

#[test]
fn a_write_that_fails_is_a_500_without_the_response() {
    for completion in [
        Completion::failure(CompletionStatus::DISK_FULL),
        Completion::failure(CompletionStatus::ACCESS_DENIED),
        Completion::failure(CompletionStatus::CANCELLED),
        Completion::success(3),
    ] {
        for parts in [0, 2] {
            let setup = Setup::new(CompletionOrder::Manual, Parts(parts));
            let mut req = setup.known();
            let write = outstanding_write(&mut req);
            setup.host.completions().complete_with(write, completion);

            let response = block_on(req.finish());
            assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR, "{completion:?}");
            assert_eq!(response.text(), "Internal Server Error");
            assert!(response.is_complete());
            setup.assert_returned(1);
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_device_is_a_500() {
    let host = TestHost::new().mount(HelloFile::new("/dev/full")).handler(page);
    let response = block_on(host.get("/").user(ada()).finish());
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(response.text(), "Internal Server Error");
}

#[test]
fn a_file_that_cannot_be_opened_is_a_500() {
    let directory = tempfile::tempdir().unwrap();
    // A directory is no file to write, for root neither; the other is in a directory that is not there.
    for path in [directory.path().to_owned(), directory.path().join("missing/hello.txt")] {
        let host = TestHost::new().mount(HelloFile::new(path)).handler(page);
        let mut req = host.get("/").user(ada());
        let response = block_on(req.finish());
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.header("set-cookie"), None, "nothing of the page leaves with the error");
        assert_eq!(response.text(), "Internal Server Error");
        req.assert_trace(["  SendResponse HelloFile -> Err", "Send 21 bytes, success"]);
        host.driver().assert_idle();
    }
}

#[test]
fn without_a_working_driver_it_is_a_500() {
    let setup = Setup::new(CompletionOrder::Immediate, page);
    setup.host.driver().shut_down();
    assert_eq!(block_on(setup.known().finish()).status(), StatusCode::INTERNAL_SERVER_ERROR);

    let Setup { host, directory: _directory } = Setup::new(CompletionOrder::Immediate, page);
    let host = host.server(|_| Server::new());
    let response = block_on(host.get("/").user(ada()).finish());
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

#[test]
fn a_client_that_leaves_during_the_write_costs_neither_buffer_nor_handle() {
    // Cancelled in the last send, and in a flush of the handler.
    for parts in [0, 1] {
        let setup = Setup::new(CompletionOrder::Manual, Parts(parts));
        let mut req = setup.known();
        outstanding_write(&mut req);
        assert!(req.disconnect());

        assert_eq!(block_on(req.run_until(Step::Done)), Stopped::Before(Step::Done));
        assert_eq!(setup.host.driver().abandoned_buffers(), 1, "freed, with its future");
        setup.assert_released();
        assert!(!block_on(req.finish()).was_answered());

        // The next request is as any other.
        setup.host.completions().set_order(CompletionOrder::Immediate);
        assert_eq!(block_on(setup.known().finish()).status(), StatusCode::OK);
        setup.assert_written();
        setup.assert_released();
    }
}

#[test]
fn two_requests_at_once_have_a_file_handle_each() {
    let setup = Setup::new(CompletionOrder::Manual, page);
    let (mut first, mut second) = (setup.known(), setup.known());
    let write = outstanding_write(&mut first);
    assert_eq!(block_on(second.run_until(Step::Done)), Stopped::Waiting);
    let other = setup.host.completions().outstanding().pop().expect("the second write");
    assert_ne!(other.id(), write);

    // The later one completes first; the earlier one fails, and that is its own affair.
    setup.host.completions().complete(other.id());
    block_on(second.run_until(Step::Done));
    setup.assert_written();
    setup.host.completions().complete_with(write, Completion::failure(CompletionStatus::DISK_FULL));
    assert_eq!(block_on(second.finish()).text(), "the page");
    assert_eq!(block_on(first.finish()).status(), StatusCode::INTERNAL_SERVER_ERROR);
    setup.assert_returned(2);
}

#[test]
fn a_decision_ends_with_its_request() {
    let setup = Setup::new(CompletionOrder::Immediate, page);
    let connection = setup.host.keep_alive();
    for (user, status) in [(Some(ada()), 200), (None, 401), (Some(ada()), 200)] {
        let req = connection.get("/");
        let response = block_on(user.into_iter().fold(req, TestRequest::user).finish());
        assert_eq!(response.status(), status);
    }
    setup.assert_returned(2);
}

#[test]
fn the_order_of_completions_changes_nothing() {
    for seed in 0..100 {
        let setup = Setup::new(CompletionOrder::Seeded(seed), Parts(1));
        let (mut first, mut second) = (setup.known(), setup.known());
        while first.peek().is_some() || second.peek().is_some() {
            block_on(first.step());
            block_on(second.step());
        }
        for mut req in [first, second] {
            let response = block_on(req.finish());
            assert_eq!((response.text(), response.is_complete()), ("part end", true));
        }
        setup.assert_written();
        setup.assert_returned(2);
    }
}
