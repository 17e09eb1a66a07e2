//! Where IIS's documentation is silent: what Bivalve does, in one place, so that it can be changed.
//!
//! Microsoft documents the order of events and the return values, but not every corner. Each rule here is an
//! inference from samples, from the ASP.NET Core Module or from System.Web, and the portable pipeline
//! follows it. Should real IIS be seen to differ, this is the file to change.
//!
//! | rule | what we do |
//! |---|---|
//! | default priority | [`DEFAULT_PRIORITY`]: `MEDIUM` |
//! | final send | [`FINAL_SEND`]: after PostEndRequest, unless a module flushed before |
//! | `Finish` from SendResponse or ReadEntity | [`NESTED_FINISH`]: the rest of that nested event is skipped, its operation goes on, and the request finishes when the current event returns |
//! | `Finish` from MapPath | the modules after it are not asked; the mapping stands |
//! | `Finish` from a custom notification | handed to the caller of `notify_custom`, who decides |
//! | state of a module | made when the request first needs it, not at the beginning of each request |
//! | ReadEntity | raised after data has arrived and before the reader sees it; also once at the end of the body |
//! | no handler mapping configured | every module registered for ExecuteRequestHandler runs in order, then the mounted service |

use crate::Priority;

/// The priority of a module that names none.
pub const DEFAULT_PRIORITY: Priority = Priority::Medium;

/// When a buffered response leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinalSend {
    /// After EndRequest and its post-notification: LogRequest and EndRequest may still change the response.
    AfterEndRequest,
    /// Before LogRequest.
    BeforeLogRequest,
}

/// When a buffered response leaves: after PostEndRequest.
pub const FINAL_SEND: FinalSend = FinalSend::AfterEndRequest;

/// Whether `Finish` from a nested SendResponse or ReadEntity finishes the request: it does, when the
/// event in which it was raised returns.
pub const NESTED_FINISH: bool = true;
