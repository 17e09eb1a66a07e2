//! One request on its way through the pipeline: everything a module can see and do.

mod children;
mod control;
mod foreign;
mod frame;
mod headers;
mod kept;
mod operations;
mod request;
mod response;
mod reuse;
mod server_variables;
mod signal;
mod state;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

pub use self::children::{ChildRequest, ChildResponse};
pub(crate) use self::control::{Control, Outstanding};
pub(crate) use self::frame::{Frame, ModuleId, StartedOperation};
pub use self::headers::{UnreadHead, UnreadHeaders};
pub use self::kept::Scope;
pub(crate) use self::operations::StartedResult;
pub use self::request::Request;
pub use self::response::Response;
pub(crate) use self::response::{Progress, Snapshot};
pub use self::signal::{CompletionHandle, Disconnected, Disconnector, Gone, PostError};
pub(crate) use self::signal::{Posted, Signal};
pub(crate) use self::state::StateStore;
pub use self::state::TypeMap;

use crate::meter::Meter;
use crate::trace::Trace;
use crate::{
    Application, Completion, Connection, Event, Host, Kept, PathMapping, Pipeline, Result, Server, Site,
    User, map_path,
};

/// One request on its way through the pipeline.
///
/// A module's method gets it by `&mut`; nothing of it can be kept beyond the call. What may be kept, and used
/// from any thread at any time, is owned and checks that the request is still there: [`CompletionHandle`],
/// [`Disconnected`].
///
/// IIS counterpart: `IHttpContext`.
pub struct Context {
    pub(crate) pipeline: Arc<Pipeline>,
    /// Never locked: it makes a context `Sync`, so that a module may lend it to an async helper by `&`.
    host: Mutex<Box<dyn Host>>,
    request: Request,
    response: Response,
    user: Option<User>,
    connection: Arc<Connection>,
    /// What is held in its place while there is no request. Of this context alone: threads that count one more holder of a thing
    /// that all share wait for each other.
    unconnected: Option<Arc<Connection>>,
    /// For who drives the request, for the same reason.
    driven: Option<Driven>,
    /// What modules keep for this request. Empty only inside a host that is a pipeline itself, while another context has it.
    kept: OnceLock<Kept>,
    foreign: bool,
    /// Whether request and response may have been changed since a foreign host has asked.
    touched: (bool, bool),
    /// The request has its unread head, as the host gave it, and nobody could change it.
    as_it_came: bool,
    /// Server variables that modules have set, names in upper case.
    variables: Vec<(String, String)>,
    pub(crate) signal: Arc<Signal>,
    /// The signal's epoch while the request lives, 0 when it is over.
    epoch: u64,
    pub(crate) frame: Frame,
    /// Nesting of on-demand events.
    depth: u8,
    /// Levels that the parents of a child request stand on.
    parents_depth: u8,
    child_depth: u8,
    /// Nothing of an earlier request is left: `release` was the last that happened.
    released: bool,
    pub(crate) control: Control,
    pub(crate) outstanding: Outstanding,
    pub(crate) trace: Option<Box<Trace>>,
    pub(crate) meter: Option<Box<Meter>>,
}

/// What the driver of a request holds beside the context: it is lent from one request to the next.
#[derive(Clone, Debug)]
pub(crate) struct Driven {
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) signal: Arc<Signal>,
}

impl Context {
    /// A context for one request. For hosts.
    #[must_use]
    pub fn new(
        pipeline: &Arc<Pipeline>,
        host: Box<dyn Host>,
        request: http::request::Parts,
        connection: Arc<Connection>,
    ) -> Box<Self> {
        let mut cx = Box::new(Self {
            pipeline: Arc::clone(pipeline),
            host: Mutex::new(host),
            request: Request::default(),
            response: Response::default(),
            user: None,
            connection: Arc::default(),
            unconnected: None,
            driven: None,
            kept: OnceLock::new(),
            foreign: false,
            touched: (false, false),
            as_it_came: false,
            variables: Vec::new(),
            signal: Arc::new(Signal::default()),
            epoch: 0,
            frame: Frame::default(),
            depth: 0,
            parents_depth: 0,
            child_depth: 0,
            released: false,
            control: Control::default(),
            outstanding: Outstanding::default(),
            trace: None,
            meter: None,
        });
        cx.foreign = cx.host_mut().foreign().is_some();
        if !cx.foreign {
            let _ = cx.kept.set(Kept::default());
        }
        cx.start(request, Some(connection));
        cx
    }

    /// The request.
    #[must_use]
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// The request, to be changed for the modules and the handler that follow.
    #[must_use]
    pub fn request_mut(&mut self) -> &mut Request {
        self.touched.0 = true;
        self.as_it_came = false;
        &mut self.request
    }

    /// The response.
    #[must_use]
    pub fn response(&self) -> &Response {
        &self.response
    }

    /// The response, to be changed.
    #[must_use]
    pub fn response_mut(&mut self) -> &mut Response {
        self.touched.1 = true;
        &mut self.response
    }

    /// Request and response at once, for code that reads one while it writes the other.
    #[must_use]
    pub fn parts_mut(&mut self) -> (&mut Request, &mut Response) {
        self.touched = (true, true);
        self.as_it_came = false;
        (&mut self.request, &mut self.response)
    }

    /// Who asks; `None` until a module has authenticated the request.
    ///
    /// IIS counterpart: `GetUser`.
    #[must_use]
    pub fn user(&self) -> Option<&User> {
        self.user.as_ref()
    }

    /// Says who asks.
    ///
    /// IIS counterpart: `IAuthenticationProvider::SetUser`.
    pub fn set_user(&mut self, user: User) {
        self.user = Some(user);
    }

    /// The client's connection.
    ///
    /// IIS counterpart: `GetConnection`, which is null during warm-up: then nothing is known of it here.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The application.
    #[must_use]
    pub fn application(&self) -> &Application {
        self.pipeline.application()
    }

    /// The site.
    #[must_use]
    pub fn site(&self) -> &Site {
        self.pipeline.site()
    }

    /// The server: its driver, background work.
    ///
    /// IIS counterpart: `IHttpServer`.
    #[must_use]
    pub fn server(&self) -> &Server {
        self.pipeline.server()
    }

    /// The pipeline that the request runs in.
    #[must_use]
    pub fn pipeline(&self) -> &Arc<Pipeline> {
        &self.pipeline
    }

    /// The event in which the current method was called.
    ///
    /// IIS counterpart: `GetCurrentExecutionStats`.
    #[must_use]
    pub fn event(&self) -> Event {
        self.frame.event
    }

    /// How many parents this request has: 0 for the client's own.
    #[must_use]
    pub fn child_depth(&self) -> u8 {
        self.child_depth
    }

    /// Maps a URL path of this application to a physical path. Raises MapPath, nested; the file system is not touched.
    ///
    /// The result never leaves the application's root or the virtual directory that fits. Symbolic links are the
    /// business of whoever opens the file.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::MapPath`](crate::ErrorKind::MapPath) for everything that could mean another file on either
    /// system: dot segments, encoded slashes, backslashes, NUL, drive letters, device names. Its status is 400, 404
    /// or 414. Errors of modules at MapPath, for the caller to handle (after a panic the request answers 500 in any
    /// case), and [`NestingTooDeep`](crate::ErrorKind::NestingTooDeep).
    ///
    /// IIS counterpart: `MapPath`.
    pub fn map_path(&mut self, url: &str) -> Result<PathBuf> {
        let app = self.pipeline.application();
        let (url, path) = map_path::resolve(url, app.url_path(), app.root(), app.virtual_directories())?;
        if self.foreign {
            self.stow();
            let mapped = self.with_foreign(|foreign| foreign.map_path(&url)).unwrap_or(Ok(path));
            self.check_nested()?;
            return mapped;
        }
        let mut mapping = PathMapping { url, path };
        self.raise_map_path(&mut mapping)?;
        Ok(mapping.path)
    }

    /// Whether the client is still there.
    ///
    /// IIS counterpart: `IHttpConnection::IsConnected`.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        !self.signal.is_gone()
    }

    /// Resolves when the client goes away or the request ends. Owned: for a `select!`, or a task of its own.
    #[must_use]
    pub fn disconnected(&self) -> Disconnected {
        Disconnected::new(&self.signal, self.epoch)
    }

    /// Reports that the client has gone. For hosts.
    #[must_use]
    pub fn disconnector(&self) -> Disconnector {
        Disconnector::new(&self.signal, self.epoch)
    }

    /// A handle with which anyone can complete this event: return [`Flow::Pending`](crate::Flow::Pending), and
    /// [`on_async_completion`](crate::Module::on_async_completion) runs when it posts. Asked again before that, the
    /// same event gives a handle to the same completion.
    ///
    /// IIS counterpart: keeping the `IHttpContext` for a later `PostCompletion`, without its dangers.
    #[must_use]
    pub fn completion_handle(&mut self) -> CompletionHandle {
        let arm = match self.frame.arm {
            Some(arm) => arm,
            None => *self.frame.arm.insert(self.signal.arm()),
        };
        CompletionHandle::new(&self.signal, self.epoch, arm)
    }

    /// Resets the connection (HTTP/2: the stream): the client sees an error, not a short response. Return
    /// [`Flow::Finish`](crate::Flow::Finish) as well, or the pipeline goes on.
    ///
    /// IIS counterpart: `IHttpResponse::ResetConnection`.
    pub fn reset_connection(&mut self) {
        self.response.set_progress(Progress::Reset);
        self.response.clear_entity();
        self.host_mut().reset();
    }

    /// The time each module has taken so far, by name, if the pipeline [measures](crate::PipelineBuilder::measure) it.
    /// The time a module waits counts; the time of modules that run nested inside it does not.
    pub fn timings(&self) -> impl Iterator<Item = (&str, std::time::Duration)> {
        let meter = self.meter.as_deref();
        meter.into_iter().flat_map(Meter::iter).map(|(id, time)| (self.pipeline.module_name(id), time))
    }

    /// The request that a tower service gets, with an empty body. With `keep`, modules that run later still see
    /// method, URL and headers. For adapters.
    #[must_use]
    pub fn handler_request(&mut self, keep: bool) -> http::Request<()> {
        self.response.set_answered();
        self.as_it_came = false;
        let user = self.user.clone();
        let mut request = self.request.for_handler(keep);
        if let Some(user) = user {
            request.extensions_mut().insert(user);
        }
        request
    }

    /// Takes status and headers of the response out, when nothing has left yet: for an adapter whose response
    /// passes through untouched. The pipeline then sends nothing.
    #[must_use]
    pub fn take_response_head(&mut self) -> crate::ResponseHead {
        let head = self.response.copy_head();
        self.response.set_progress(Progress::Ended);
        head
    }

    /// Lends the next part of the response to the host. What came of it, where the host knows that at once.
    pub(crate) fn start_send(&mut self, end: bool) -> Option<Completion> {
        self.touched.1 = true;
        let first = !self.response.headers_sent();
        let host = self.host.get_mut().unwrap_or_else(PoisonError::into_inner);
        host.start_send(self.response.outgoing(end, self.foreign));
        self.outstanding.send = true;
        let completion = host.sent_at_once();
        self.response.part_left(first, end, self.foreign);
        if let Some(completion) = completion {
            self.finished_send(completion);
        }
        completion
    }

    /// The host, for the adapter that made it.
    #[must_use]
    pub fn host_mut(&mut self) -> &mut dyn Host {
        &mut **self.host.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records every event from now on. For test hosts.
    pub fn record_trace(&mut self) {
        self.trace = Some(Box::default());
    }

    /// What was recorded.
    #[must_use]
    pub fn trace(&self) -> Option<&Trace> {
        self.trace.as_deref()
    }

    pub(crate) fn take_driven(&mut self) -> Driven {
        self.driven.take().unwrap_or_else(|| Driven {
            pipeline: Arc::clone(&self.pipeline),
            signal: Arc::clone(&self.signal),
        })
    }

    pub(crate) fn give_back(&mut self, driven: Driven) {
        self.driven = Some(driven);
    }

    /// Nesting of on-demand events.
    pub(crate) fn depth(&self) -> u8 {
        self.depth
    }

    /// Nesting with that of the parents, all of which stands on one stack.
    pub(crate) fn total_depth(&self) -> u8 {
        self.parents_depth + self.depth
    }
}

impl Drop for Context {
    /// A host that gives up halfway, at its own shutdown, must not leave anybody waiting for the end of the request.
    fn drop(&mut self) {
        if self.epoch != 0 {
            self.dispose();
        }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("request", &self.request)
            .field("response", &self.response)
            .field("event", &self.frame.event)
            .field("user", &self.user.as_ref().map(User::name))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_may_cross_threads_and_be_shared() {
        fn is<T: Send + Sync>() {}
        is::<Context>();
        is::<crate::Run>();
        is::<CompletionHandle>();
        is::<Disconnected>();
    }
}
