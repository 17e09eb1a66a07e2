//! The client's end and the operations of one request, also while somebody awaits the request.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::entity::Entity;
use super::exchange::Exchange;
use super::{OperationId, Outstanding, TestResponse};
use crate::{Completion, CompletionStatus, Disconnector};

/// What a test may do to a request at any time, from any thread: feed its entity, complete its operations, disconnect.
///
/// [`TestRequest`](super::TestRequest) has the same methods; this handle is for when the request is borrowed by a
/// future, or another thread takes part. Clones control the same request.
///
/// ```
/// use bivalve_core::testing::{TestHost, block_on};
/// use bivalve_core::{Context, Flow, Outcome, Handler};
///
/// struct Echo;
/// impl Handler for Echo {
///     fn handle<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
///         Outcome::pending(async move {
///             let bytes = cx.read_entity(1024).await?;
///             cx.write(bytes).await?;
///             Ok(Flow::Continue)
///         })
///     }
/// }
/// let mut req = TestHost::new().handler(Echo).post("/").open_entity();
/// let control = req.control();
/// let client = std::thread::spawn(move || control.push_entity("from afar"));
/// assert_eq!(block_on(req.finish()).text(), "from afar");
/// # client.join().unwrap();
/// ```
#[derive(Clone)]
pub struct Control {
    pub(super) exchange: Arc<Exchange>,
    pub(super) disconnector: Disconnector,
}

impl Control {
    /// What has started and not completed, of this request and of the driver, the oldest first.
    #[must_use]
    pub fn outstanding(&self) -> Vec<Outstanding> {
        self.exchange.completions.outstanding_of(self.exchange.owner)
    }

    /// Completes an operation: what it asked for happens.
    ///
    /// # Panics
    ///
    /// When it is not outstanding, and when it is a read for which there is no data.
    #[track_caller]
    pub fn complete(&self, id: OperationId) {
        self.exchange.completions.complete(id);
    }

    /// Completes an operation with a result of the test's choice: see
    /// [`Completions::complete_with`](super::Completions::complete_with).
    ///
    /// # Panics
    ///
    /// When it is not outstanding.
    #[track_caller]
    pub fn complete_with(&self, id: OperationId, completion: Completion) {
        self.exchange.completions.complete_with(id, completion);
    }

    /// Completes an operation as cancelled.
    ///
    /// # Panics
    ///
    /// When it is not outstanding.
    #[track_caller]
    pub fn cancel(&self, id: OperationId) {
        self.exchange.completions.cancel(id);
    }

    /// Completes the oldest operation of the whole host that can; timers last, by their time. `None` when there is none.
    pub fn complete_next(&self) -> Option<OperationId> {
        self.exchange.completions.complete_next()
    }

    /// Sends more of the entity body.
    ///
    /// # Panics
    ///
    /// When the body has ended: a request has none unless it was made with
    /// [`open_entity`](super::TestRequest::open_entity).
    #[track_caller]
    pub fn push_entity(&self, bytes: impl Into<Bytes>) {
        let bytes = bytes.into();
        self.feed(|entity| entity.push(bytes));
    }

    /// Ends the entity body.
    ///
    /// # Panics
    ///
    /// As [`push_entity`](Self::push_entity).
    #[track_caller]
    pub fn end_entity(&self) {
        self.feed(Entity::end);
    }

    /// Breaks the entity body: once what was pushed has been read, every read fails with this status.
    ///
    /// # Panics
    ///
    /// As [`push_entity`](Self::push_entity).
    #[track_caller]
    pub fn fail_entity(&self, status: CompletionStatus) {
        self.feed(|entity| entity.fail(status));
    }

    /// The client goes away: modules that wait are cancelled when the request runs next, outstanding and later sends and
    /// reads complete with [`CONNECTION_ABORTED`](CompletionStatus::CONNECTION_ABORTED). `false` when the request is over or
    /// knew it already.
    ///
    /// IIS counterpart: `IHttpConnectionStoredContext::NotifyDisconnect`.
    pub fn disconnect(&self) -> bool {
        let news = self.disconnector.disconnect();
        if news {
            self.exchange.disconnect();
        }
        news
    }

    /// What the client has received so far.
    #[must_use]
    pub fn received(&self) -> TestResponse {
        self.exchange.response()
    }

    #[track_caller]
    fn feed(&self, change: impl FnOnce(&mut Entity)) {
        assert!(
            self.exchange.feed(change),
            "the entity body has ended: make the request with open_entity() to send it bit by bit"
        );
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control").field("outstanding", &self.outstanding()).finish_non_exhaustive()
    }
}
