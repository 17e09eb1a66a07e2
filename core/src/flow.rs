//! What a module says when it is done with an event.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use crate::Result;

/// What happens next in the pipeline.
///
/// IIS counterpart: `REQUEST_NOTIFICATION_STATUS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
// In the order of IIS's values 0, 1, 2.
pub enum Flow {
    /// `RQ_NOTIFICATION_CONTINUE`: the next module, then the next event.
    Continue,
    /// `RQ_NOTIFICATION_PENDING`: an operation started with `Context::start_*`, or the poster of a
    /// [`CompletionHandle`](crate::CompletionHandle), will complete; then
    /// [`on_async_completion`](crate::Module::on_async_completion) runs. A module that awaits never needs it.
    ///
    /// With nothing outstanding it is an error with a clear text, never a hang.
    Pending,
    /// `RQ_NOTIFICATION_FINISH_REQUEST`: everything up to LogRequest is skipped. LogRequest and
    /// EndRequest always run; returned there it counts as [`Continue`](Self::Continue).
    Finish,
}

/// A boxed future that a waiting method returns.
pub type ModuleFuture<'a> = Pin<Box<dyn Future<Output = Result<Flow>> + Send + 'a>>;

/// What a notification method returns: an answer now, or a future of one.
///
/// A method that is a plain `fn` under `#[bivalve::module]` returns [`Ready`](Self::Ready) and costs no
/// allocation; an `async fn` returns [`Pending`](Self::Pending) with one box. By hand:
///
/// ```
/// use bivalve_core::{Context, Flow, Module, Notification, Outcome, Registration};
///
/// struct Teapot;
/// impl Module for Teapot {
///     fn registration(&self) -> Registration {
///         Registration::new().on(Notification::BeginRequest)
///     }
///     fn on_begin_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
///         cx.response_mut().set_status(http::StatusCode::IM_A_TEAPOT);
///         Outcome::from(Flow::Finish)
///     }
/// }
/// ```
#[must_use = "an outcome that is dropped never ran"]
pub enum Outcome<'a> {
    /// The method is done.
    Ready(Result<Flow>),
    /// The method goes on when the future is polled.
    Pending(ModuleFuture<'a>),
}

impl<'a> Outcome<'a> {
    /// Done; the request goes on.
    pub const CONTINUE: Self = Self::Ready(Ok(Flow::Continue));

    /// Boxes a future.
    pub fn pending(future: impl Future<Output = Result<Flow>> + Send + 'a) -> Self {
        Self::Pending(Box::pin(future))
    }
}

impl From<Flow> for Outcome<'_> {
    fn from(flow: Flow) -> Self {
        Self::Ready(Ok(flow))
    }
}

impl From<Result<Flow>> for Outcome<'_> {
    fn from(result: Result<Flow>) -> Self {
        Self::Ready(result)
    }
}

impl fmt::Debug for Outcome<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready(result) => f.debug_tuple("Ready").field(result).finish(),
            Self::Pending(_) => f.write_str("Pending(..)"),
        }
    }
}
