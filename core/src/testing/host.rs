//! The test host, and the connections from which its requests come.

use std::any::Any;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use http::header::{self, HeaderValue};
use http::{Method, Uri};

use super::background::Background;
use super::exchange::{Exchange, MemoryHost};
use super::request::Reuse;
use super::{CompletionOrder, Completions, MemoryDriver, TestRequest};
use crate::{
    Application, Connection, ConnectionBuilder, Context, Driver, Handler, Module, Pipeline, PipelineBuilder,
    Server, Site,
};

/// A host without sockets, threads or time: mounts modules, and makes requests that a test runs.
///
/// The pipeline is built when the first request is made. Its server has a [`MemoryDriver`], and its background work is
/// polled while a request runs. Each request comes from `127.0.0.1:49152` to `127.0.0.1:80` on a connection of its own;
/// [`keep_alive`](Self::keep_alive) gives one for several.
///
/// ```
/// use bivalve_core::testing::{TestHost, block_on};
/// use bivalve_core::{Context, Flow, Result};
///
/// let host = TestHost::new().handler(|cx: &mut Context| -> Result<Flow> {
///     let path = cx.request().url().path().to_string();
///     cx.response_mut().write(path)?;
///     Ok(Flow::Continue)
/// });
/// assert_eq!(block_on(host.get("/one").finish()).text(), "/one");
/// assert_eq!(block_on(host.get("/two").finish()).text(), "/two");
/// ```
///
/// # Panics
///
/// Its methods panic, with a text that says what is wrong, when the test itself is: modules of one name, a URL that is
/// none.
///
/// IIS counterpart: the worker process.
#[must_use = "it does nothing until a request is made and run"]
pub struct TestHost {
    builder: Mutex<Option<PipelineBuilder>>,
    pipeline: OnceLock<Arc<Pipeline>>,
    server: Server,
    driver: Arc<MemoryDriver>,
    background: Arc<Background>,
    connection: Box<dyn Fn() -> Connection + Send + Sync>,
    traced: bool,
}

impl TestHost {
    /// Without modules and handler: answers 404.
    pub fn new() -> Self {
        let driver = Arc::new(MemoryDriver::new(&Completions::default()));
        let background = Arc::new(Background::default());
        let spawner = Arc::clone(&background);
        let server = Server::new()
            .with_driver(Arc::clone(&driver) as Arc<dyn Driver>)
            .with_spawn(move |task| spawner.spawn(task));
        Self {
            builder: Mutex::new(Some(Pipeline::builder())),
            pipeline: OnceLock::new(),
            server,
            driver,
            background,
            connection: Box::new(|| client().build()),
            traced: true,
        }
    }

    /// Adds a module under the name of its type.
    #[track_caller]
    pub fn mount(self, module: impl Module) -> Self {
        self.configure(|builder| builder.mount(module))
    }

    /// Adds a module under a name: for several of one type.
    #[track_caller]
    pub fn module(self, name: impl Into<String>, module: impl Module) -> Self {
        self.configure(|builder| builder.module(name, module))
    }

    /// The service that answers unless a module does.
    #[track_caller]
    pub fn handler(self, handler: impl Handler) -> Self {
        self.configure(|builder| builder.handler(handler))
    }

    /// The application, for [`Context::map_path`] and the response buffer limit. Default: `/` in the current directory.
    #[track_caller]
    pub fn application(self, application: impl Into<Arc<Application>>) -> Self {
        self.configure(|builder| builder.application(application))
    }

    /// The site. Default: number 1, "Default Web Site".
    #[track_caller]
    pub fn site(self, site: impl Into<Arc<Site>>) -> Self {
        self.configure(|builder| builder.site(site))
    }

    /// Changes the server: its name, another driver. The one given has the memory driver and background work already.
    pub fn server(mut self, change: impl FnOnce(Server) -> Server) -> Self {
        self.server = change(self.server);
        self
    }

    /// Says what is known of each client: address, certificate, encryption.
    ///
    /// ```
    /// use bivalve_core::testing::TestHost;
    ///
    /// let host = TestHost::new()
    ///     .connection(|client| client.remote_addr("203.0.113.7:50123".parse().unwrap()).secure(true));
    /// ```
    pub fn connection(
        mut self,
        change: impl Fn(ConnectionBuilder) -> ConnectionBuilder + Send + Sync + 'static,
    ) -> Self {
        self.connection = Box::new(move || change(client()).build());
        self
    }

    /// Everything else that a pipeline can be told: handler mappings, a clock.
    ///
    /// # Panics
    ///
    /// When a request was made already: the pipeline does not change any more.
    #[track_caller]
    pub fn configure(self, change: impl FnOnce(PipelineBuilder) -> PipelineBuilder) -> Self {
        let mut builder = self.builder.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(old) = builder.take() else {
            panic!("the first request has built the pipeline: mount and configure before it");
        };
        *builder = Some(change(old));
        drop(builder);
        self
    }

    /// When, and in which order, operations complete.
    pub fn order(self, order: CompletionOrder) -> Self {
        self.completions().set_order(order);
        self
    }

    /// [`CompletionOrder::Manual`]: the test completes every operation.
    pub fn manual(self) -> Self {
        self.order(CompletionOrder::Manual)
    }

    /// Records no trace. Servers record none, and the pipeline is quicker then: for tests of the pipeline itself.
    pub fn without_trace(mut self) -> Self {
        self.traced = false;
        self
    }

    /// A `GET`.
    #[track_caller]
    pub fn get(&self, url: &str) -> TestRequest {
        self.request(Method::GET, url)
    }

    /// A `POST`. Its entity is empty until it is given one.
    #[track_caller]
    pub fn post(&self, url: &str) -> TestRequest {
        self.request(Method::POST, url)
    }

    /// A request on a connection of its own, HTTP/1.1, with `Host: localhost` and an empty entity.
    ///
    /// # Panics
    ///
    /// When the URL is none, and when the pipeline cannot be built: [`BuildError`](crate::BuildError) says why.
    #[track_caller]
    pub fn request(&self, method: Method, url: &str) -> TestRequest {
        self.make(method, url, &Arc::new((self.connection)()), None)
    }

    /// A connection for several requests, one after the other.
    pub fn keep_alive(&self) -> TestConnection<'_> {
        TestConnection { host: self, connection: Arc::new((self.connection)()), context: Reuse::default() }
    }

    /// The pipeline.
    ///
    /// # Panics
    ///
    /// When it cannot be built: [`BuildError`](crate::BuildError) says why.
    #[must_use]
    #[track_caller]
    pub fn pipeline(&self) -> &Arc<Pipeline> {
        let taken = self.builder.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(builder) = taken {
            match builder.server(self.server.clone()).build() {
                Ok(pipeline) => {
                    let _ = self.pipeline.set(pipeline);
                }
                Err(error) => panic!("the test's pipeline cannot be built: {error}"),
            }
        }
        self.pipeline.get().expect("built above, or by an earlier request")
    }

    /// The memory driver, also when [`server`](Self::server) replaced it.
    #[must_use]
    pub fn driver(&self) -> &Arc<MemoryDriver> {
        &self.driver
    }

    /// The operations of all requests and of the driver.
    #[must_use]
    pub fn completions(&self) -> &Completions {
        self.driver.completions()
    }

    /// How many futures given to [`Server::spawn`] have not ended.
    #[must_use]
    pub fn background_tasks(&self) -> usize {
        self.background.len()
    }

    /// Runs until all futures given to [`Server::spawn`] have ended.
    pub async fn run_background(&self) {
        self.completions().drive(self.background.finish()).await;
    }

    #[track_caller]
    fn make(
        &self,
        method: Method,
        url: &str,
        connection: &Arc<Connection>,
        reuse: Option<&Reuse>,
    ) -> TestRequest {
        let uri = match url.parse::<Uri>() {
            Ok(uri) => uri,
            Err(error) => panic!("the test asks for {url:?}, which is no URL: {error}"),
        };
        let exchange = Exchange::new(self.completions(), method == Method::HEAD);
        let host = MemoryHost { exchange: Arc::clone(&exchange) };
        let (mut parts, ()) = http::Request::new(()).into_parts();
        parts.method = method;
        parts.uri = uri;
        parts.headers.insert(header::HOST, HeaderValue::from_static("localhost"));
        let kept = reuse.and_then(|reuse| reuse.lock().unwrap_or_else(PoisonError::into_inner).take());
        let mut cx = match kept {
            Some(mut cx) => {
                let kept: &mut dyn Any = cx.host_mut();
                *kept.downcast_mut().expect("the test host gave the context this host") = host;
                cx.start(parts, Some(Arc::clone(connection)));
                cx
            }
            None => Context::new(self.pipeline(), Box::new(host), parts, Arc::clone(connection)),
        };
        if self.traced {
            cx.record_trace();
        }
        TestRequest::new(cx, exchange, Arc::clone(&self.background), reuse.map(Arc::clone))
    }
}

fn client() -> ConnectionBuilder {
    Connection::builder()
        .remote_addr(SocketAddr::from((Ipv4Addr::LOCALHOST, 49_152)))
        .local_addr(SocketAddr::from((Ipv4Addr::LOCALHOST, 80)))
}

impl Default for TestHost {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for TestHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestHost")
            .field("pipeline", &self.pipeline.get())
            .field("completions", self.completions())
            .finish_non_exhaustive()
    }
}

/// A kept-alive connection: its requests share one [`Connection`], and each begins in the memory of the last one that
/// was finished, as on a real server. So a handle that outlived its request can be tried on the next.
///
/// ```
/// use bivalve_core::testing::{TestHost, block_on};
///
/// let host = TestHost::new();
/// let connection = host.keep_alive();
/// let mut first = connection.get("/");
/// let late = first.context().disconnector();
/// block_on(first.finish());
///
/// let second = connection.get("/");
/// assert!(!late.disconnect(), "it was for the first request");
/// assert!(second.context().is_connected());
/// ```
///
/// IIS counterpart: `IHttpConnection`.
pub struct TestConnection<'h> {
    host: &'h TestHost,
    connection: Arc<Connection>,
    context: Reuse,
}

impl TestConnection<'_> {
    /// A `GET`.
    #[track_caller]
    pub fn get(&self, url: &str) -> TestRequest {
        self.request(Method::GET, url)
    }

    /// A `POST`. Its entity is empty until it is given one.
    #[track_caller]
    pub fn post(&self, url: &str) -> TestRequest {
        self.request(Method::POST, url)
    }

    /// A request on this connection: see [`TestHost::request`].
    ///
    /// # Panics
    ///
    /// When the URL is none.
    #[track_caller]
    pub fn request(&self, method: Method, url: &str) -> TestRequest {
        self.host.make(method, url, &self.connection, Some(&self.context))
    }
}

impl fmt::Debug for TestConnection<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestConnection").field("connection", &self.connection).finish_non_exhaustive()
    }
}
