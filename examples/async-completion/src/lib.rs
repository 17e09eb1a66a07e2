//! Writes and flushes in IIS's explicit form: start an operation, return [`Flow::Pending`], and hear how it ended in
//! [`on_async_completion`](Module::on_async_completion).
//!
//! A module that awaits (`cx.write("Hello World!").await?`) needs none of this; it is for code that comes from IIS.
//!
//! See it run: `cargo run -p async-completion`, then `curl -i http://127.0.0.1:8080`; the console shows both completions.
//!
//! ```
//! use async_completion::{AsyncHello, Completions};
//! use bivalve::testing::{TestHost, block_on};
//! use bivalve::{Notification, Step};
//!
//! let mut req = TestHost::new().mount(AsyncHello).get("/");
//! block_on(req.run_until(Step::Done));
//! assert_eq!(req.received().text(), "Hello World!");
//!
//! let completions = req.context().state_of::<Completions>().expect("something completed");
//! assert_eq!(completions.all()[0].notification, Notification::BeginRequest);
//! assert_eq!(completions.all()[0].bytes, 12);
//! ```
//!
//! IIS counterpart: a `CHttpModule` that calls `WriteEntityChunks` with `fAsync` in `OnBeginRequest` and `Flush` with
//! `fAsync` in `OnMapRequestHandler`, and reports `GetCompletionBytes` and `GetCompletionStatus` from
//! `OnAsyncCompletion`.

#![forbid(unsafe_code)]

use bivalve::CompletionStatus;
use bivalve::prelude::*;

/// Answers "Hello World!", one asynchronous operation after the other.
#[derive(Clone, Copy, Debug, Default)]
pub struct AsyncHello;

// `finish`: a client that goes away does not cancel the module. The operation fails, and that is reported too.
#[bivalve::module(state = Completions, on_disconnect = finish)]
impl Module for AsyncHello {
    fn on_begin_request(&self, cx: &mut Context) -> Result<Flow> {
        cx.response_mut().set_header("content-type", "text/plain")?;
        cx.start_write("Hello World!")?;
        Ok(Flow::Pending)
    }

    fn on_map_request_handler(&self, cx: &mut Context) -> Result<Flow> {
        cx.start_flush()?;
        Ok(Flow::Pending)
    }

    fn on_async_completion(&self, cx: &mut Context, done: CompletionInfo) -> Result<Flow> {
        let notification = done.notification();
        let (bytes, status) = (done.completion().bytes(), done.completion().status());
        tracing::info!(%notification, bytes, %status, "completed");
        cx.state_mut::<Completions>().0.push(Report { notification, bytes, status });

        if status.is_disconnect() {
            // Nobody is left to answer, which is no fault of anybody here.
            return Ok(Flow::Finish);
        }
        // What failed must not pass for an answer: the client gets an error page, or a reset if headers have left.
        done.completion().into_result()?;
        Ok(match notification {
            // It is only buffered: those who authorize the request may still refuse it.
            Notification::BeginRequest => Flow::Continue,
            // It has left. The handler would write its own body behind it, so it is not asked.
            _ => Flow::Finish,
        })
    }
}

/// What the operations of one request reported, in order. Kept until the request ends: other modules and tests find it
/// with [`Context::state_of`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completions(Vec<Report>);

impl Completions {
    /// All of them, the first one first.
    #[must_use]
    pub fn all(&self) -> &[Report] {
        &self.0
    }
}

/// How one operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// The notification that returned `Pending`.
    pub notification: Notification,
    /// Bytes of entity body that were written, or that left.
    pub bytes: usize,
    /// How it ended.
    pub status: CompletionStatus,
}
