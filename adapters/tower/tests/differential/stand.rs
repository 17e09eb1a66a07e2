//! The stand: one request through a bare stack and through the same stack with modules, seen in three ways.

#![allow(unreachable_pub, reason = "a part of one test")]
#![allow(clippy::panic, clippy::unwrap_used, reason = "this is how tests fail")]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::task::{Context as Task, Poll};

use axum::Router;
use bivalve_core::{Application, Notification, PipelineBuilder};
use bivalve_tower::{Body, BoxError, ModuleLayer};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use tower::ServiceExt;
use tower::util::BoxCloneService;
use tower_http::decompression::DecompressionLayer;
use tower_layer::Layer;
use tower_service::Service;

use crate::common::everywhere::Everywhere;
use crate::common::raw::{Client, bounded};
use crate::common::{Recorder, pipeline};

/// Any stack.
pub type Stack = BoxCloneService<Request<Body>, Response<Body>, BoxError>;

pub fn stack<S, R>(service: S) -> Stack
where
    S: Service<Request<Body>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    R: HttpBody<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    BoxCloneService::new(service.map_response(|response| response.map(Body::new)).map_err(Into::into))
}

/// The innermost service of a stack: takes the body of whatever layer is around it.
#[derive(Clone)]
pub struct Inner(Stack);

impl Inner {
    pub fn new(router: Router) -> Self {
        Self(stack(router))
    }
}

impl<B> Service<Request<B>> for Inner
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = <Stack as Service<Request<Body>>>::Future;

    fn poll_ready(&mut self, task: &mut Task<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(task)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.0.call(request.map(Body::new))
    }
}

/// A request that can be sent many times.
#[derive(Clone)]
pub struct Ask {
    pub method: Method,
    pub url: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<Bytes>,
}

impl Ask {
    pub fn new(method: Method, url: &str) -> Self {
        Self { method, url: url.into(), headers: Vec::new(), body: Vec::new() }
    }

    pub fn get(url: &str) -> Self {
        Self::new(Method::GET, url)
    }

    pub fn head(url: &str) -> Self {
        Self::new(Method::HEAD, url)
    }

    /// A body of unknown size, in frames.
    pub fn post(url: &str, frames: &[impl AsRef<[u8]>]) -> Self {
        let body = frames.iter().map(|frame| Bytes::copy_from_slice(frame.as_ref())).collect();
        Self { body, ..Self::new(Method::POST, url) }
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn request(&self) -> Request<Body> {
        let mut request = Request::new(Body::new(Frames::of(&self.body)));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.url.parse().expect("a URL");
        for (name, value) in &self.headers {
            request.headers_mut().append(*name, value.parse().expect("a header value"));
        }
        request
    }
}

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {:?} with {} frames", self.method, self.url, self.headers, self.body.len())
    }
}

/// A body of unknown size: ready frames.
pub struct Frames(std::collections::VecDeque<Result<Frame<Bytes>, BoxError>>);

impl Frames {
    pub fn of(parts: &[Bytes]) -> Self {
        Self(parts.iter().map(|part| Ok(Frame::data(part.clone()))).collect())
    }

    pub fn then(mut self, frame: Result<Frame<Bytes>, BoxError>) -> Self {
        self.0.push_back(frame);
        self
    }
}

impl HttpBody for Frames {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut Task<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Ready(self.0.pop_front())
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        if self.0.is_empty() { SizeHint::with_exact(0) } else { SizeHint::default() }
    }
}

/// The modules around a stack, or inside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Modules {
    /// None: the response passes through.
    None,
    /// At every event before the handler: the response passes through.
    Before,
    /// At LogRequest: buffered or streamed, the request's body untouched.
    Log,
    /// At every event: buffered or streamed, the request's body read through the modules.
    Everywhere,
    /// The same, and every method waits.
    Waiting,
    /// The same, and every body streams.
    Streaming,
}

impl Modules {
    pub const ALL: [Self; 6] =
        [Self::None, Self::Before, Self::Log, Self::Everywhere, Self::Waiting, Self::Streaming];

    pub fn layer(self) -> ModuleLayer {
        let builder: PipelineBuilder = match self {
            Self::None => pipeline(),
            Self::Before => pipeline().mount(Everywhere::before_the_handler()),
            Self::Log => pipeline().module("log", Recorder::on(&[Notification::LogRequest])),
            Self::Everywhere => pipeline().module("1", Everywhere::ready()).module("2", Everywhere::ready()),
            Self::Waiting => pipeline().module("1", Everywhere::waiting()).module("2", Everywhere::ready()),
            Self::Streaming => pipeline()
                .module("1", Everywhere::ready())
                .application(Application::builder().response_buffer_limit(1).build()),
        };
        ModuleLayer::new(builder.build().expect("the pipeline builds"))
    }
}

/// What a layer's callbacks report.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub fn add(&self, text: impl Into<String>) {
        self.0.lock().unwrap().push(text.into());
    }

    pub fn peek(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// A response, in a form that compares and prints.
#[derive(PartialEq)]
pub struct Seen {
    pub status: u16,
    /// Values of each name, sorted; a sensitive one says so.
    pub headers: BTreeMap<String, Vec<String>>,
    pub body: Vec<u8>,
    pub trailers: BTreeMap<String, Vec<String>>,
    /// The body broke off.
    pub broke: bool,
    /// The length of which the server of a response is told.
    pub announced: Option<u64>,
    pub tag: Option<&'static str>,
    pub log: Vec<String>,
}

impl Seen {
    /// A body that streams does not announce the length that its service did not write into a header: modules may
    /// still change it. One of the differences; see `a_length_that_only_the_body_knows`.
    fn forget_framing(&mut self) {
        self.announced = None;
        self.headers.remove("content-length");
        self.headers.remove("transfer-encoding");
    }

    /// A compressed body as what it says: how a compressor cuts it depends on when its input waited.
    async fn unpack(&mut self) {
        let Some(encoding) = self.headers.get("content-encoding").map(|values| values[0].clone()) else {
            return;
        };
        let compressed = Response::builder().header("content-encoding", encoding);
        let compressed = compressed.body(Full::new(Bytes::from(self.body.clone()))).expect("a response");
        let mut once = Some(compressed);
        let service = tower::service_fn(move |_: Request<Body>| {
            std::future::ready(Ok::<_, Infallible>(once.take().expect("asked once")))
        });
        let response = DecompressionLayer::new().layer(service).oneshot(Request::new(Body::empty())).await;
        // Not everything that calls itself compressed is, and a broken one stays as it is.
        if let Ok(plain) = response.expect("a response").into_body().collect().await {
            self.body = plain.to_bytes().into();
        }
    }
}

/// An extension of a response.
#[derive(Clone)]
pub struct Tag(pub &'static str);

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = String::from_utf8_lossy(&self.body);
        let short: String = body.chars().take(200).collect();
        f.debug_struct("Seen")
            .field("status", &self.status)
            .field("headers", &self.headers)
            .field("bytes", &self.body.len())
            .field("body", &short)
            .field("trailers", &self.trailers)
            .field("broke", &self.broke)
            .field("announced", &self.announced)
            .field("tag", &self.tag)
            .field("log", &self.log)
            .finish()
    }
}

fn fields(map: &HeaderMap) -> BTreeMap<String, Vec<String>> {
    let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in map {
        let mark = if value.is_sensitive() { " (sensitive)" } else { "" };
        let value = format!("{}{mark}", String::from_utf8_lossy(value.as_bytes()));
        fields.entry(name.to_string()).or_default().push(value);
    }
    fields.values_mut().for_each(|values| values.sort());
    fields
}

/// How a response is looked at.
#[derive(Clone, Copy, Debug)]
pub enum View {
    /// As the next layer sees it.
    Service,
    /// As bytes of HTTP/1.1, written by hyper.
    Http1,
    /// As a client of HTTP/2 sees it.
    Http2,
}

impl View {
    const ALL: [Self; 3] = [Self::Service, Self::Http1, Self::Http2];

    pub async fn of(self, service: &Stack, ask: &Ask, log: &Log) -> Result<Seen, String> {
        log.take();
        let seen = match self {
            Self::Service => seen_by_a_service(service, ask).await?,
            Self::Http1 => seen_in_http1(service, ask).await?,
            Self::Http2 => seen_in_http2(service, ask).await?,
        };
        if seen.broke && !matches!(self, Self::Service) {
            // How much arrives before a connection breaks is chance.
            return Err("the response broke off".into());
        }
        Ok(Seen { log: log.take(), ..seen })
    }
}

async fn seen_by_a_service(service: &Stack, ask: &Ask) -> Result<Seen, String> {
    let response = bounded("a response", service.clone().oneshot(ask.request()));
    let response = response.await.map_err(|error| error.to_string())?;
    let tag = response.extensions().get().map(|Tag(tag)| *tag);
    Ok(Seen { tag, ..collected(response).await })
}

async fn collected<B>(response: Response<B>) -> Seen
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let (mut parts, body) = response.into_parts();
    let announced = body.size_hint().exact();
    let mut seen = Seen {
        status: parts.status.as_u16(),
        headers: BTreeMap::new(),
        body: Vec::new(),
        trailers: BTreeMap::new(),
        broke: false,
        announced,
        tag: None,
        log: Vec::new(),
    };
    if let Some(length) = parts.headers.remove("content-length") {
        // Said in a header or by the body, it is one thing to the server.
        let length = length.to_str().ok().and_then(|length| length.parse().ok());
        assert!(announced.is_none() || seen.announced == length || announced == Some(0), "two lengths");
        seen.announced = length;
    }
    seen.headers = fields(&parts.headers);
    let mut body = std::pin::pin!(body);
    while let Some(frame) = bounded("a frame", body.frame()).await {
        match frame.map(Frame::into_data) {
            Ok(Ok(data)) => seen.body.extend(data),
            Ok(Err(frame)) => seen.trailers = frame.trailers_ref().map(fields).unwrap_or_default(),
            Err(_) => {
                seen.broke = true;
                break;
            }
        }
    }
    seen
}

async fn seen_in_http1(service: &Stack, ask: &Ask) -> Result<Seen, String> {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let hyper = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(far), TowerToHyperService::new(Unboxed(service.clone())));
    let server = tokio::spawn(hyper);
    let mut client = Client::new(near);
    let mut text =
        format!("{} {} HTTP/1.1\r\nhost: test\r\nte: trailers\r\nconnection: close\r\n", ask.method, ask.url);
    for (name, value) in &ask.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    let sized = ask.headers.iter().any(|(name, _)| *name == "content-length");
    if !ask.body.is_empty() && !sized {
        text.push_str("transfer-encoding: chunked\r\n");
    }
    text.push_str("\r\n");
    // Answered before the end of the body, the server may have closed.
    client.try_send(text).await;
    for part in &ask.body {
        if !sized {
            client.try_send(format!("{:x}\r\n", part.len())).await;
        }
        client.try_send(part).await;
        if !sized {
            client.try_send("\r\n").await;
        }
    }
    if !ask.body.is_empty() && !sized {
        client.try_send("0\r\n\r\n").await;
    }
    let reply = client.try_reply(ask.method == Method::HEAD).await;
    drop(client);
    let _ = bounded("the end of the connection", server).await.expect("hyper does not panic");
    let reply = reply.ok_or("the response broke off")?;
    let multiset = |fields: Vec<(String, String)>| {
        let mut set: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in fields {
            set.entry(name).or_default().push(value);
        }
        set.values_mut().for_each(|values| values.sort());
        set
    };
    let mut headers = multiset(reply.head.headers);
    headers.remove("date");
    Ok(Seen {
        status: reply.head.status,
        headers,
        body: reply.body,
        trailers: multiset(reply.trailers),
        broke: reply.cut,
        announced: None,
        tag: None,
        log: Vec::new(),
    })
}

async fn seen_in_http2(service: &Stack, ask: &Ask) -> Result<Seen, String> {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(far), TowerToHyperService::new(Unboxed(service.clone())));
    let server = tokio::spawn(server);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(near))
            .await
            .expect("a handshake");
    let client = tokio::spawn(connection);
    let mut request = ask.request();
    *request.uri_mut() = format!("http://test{}", ask.url).parse().expect("a URL");
    let response = bounded("a response", sender.send_request(request)).await;
    let seen = match response {
        Ok(response) => {
            let mut seen = collected(response).await;
            seen.headers.remove("date");
            seen.announced = None;
            Ok(seen)
        }
        Err(_) => Err("the response broke off".into()),
    };
    drop(sender);
    let _ = bounded("the end of the connection", client).await;
    let _ = bounded("the end of the connection", server).await.expect("hyper does not panic");
    seen
}

/// hyper's request body as ours.
#[derive(Clone)]
struct Unboxed(Stack);

impl Service<Request<hyper::body::Incoming>> for Unboxed {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = <Stack as Service<Request<Body>>>::Future;

    fn poll_ready(&mut self, task: &mut Task<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(task)
    }

    fn call(&mut self, request: Request<hyper::body::Incoming>) -> Self::Future {
        self.0.call(request.map(Body::new))
    }
}

/// Asserts that modules around the stack, and modules inside it, change nothing.
pub async fn same(app: fn() -> Router, build: impl Fn(Inner, &Log) -> Stack, asks: &[Ask]) {
    same_around(|log| build(Inner::new(app()), log), asks).await;
    same_inside(app, build, asks).await;
}

/// Asserts that modules around the stack change nothing.
pub async fn same_around(build: impl Fn(&Log) -> Stack, asks: &[Ask]) {
    let log = Log::default();
    let bare = build(&log);
    for modules in Modules::ALL {
        let ours = stack(modules.layer().layer(build(&log)));
        compare(&bare, &ours, &log, asks, "around", modules).await;
    }
}

/// Asserts that modules between the layer and the application change nothing.
pub async fn same_inside(app: fn() -> Router, build: impl Fn(Inner, &Log) -> Stack, asks: &[Ask]) {
    let log = Log::default();
    let bare = build(Inner::new(app()), &log);
    for modules in Modules::ALL {
        let ours = build(Inner(stack(modules.layer().layer(app()))), &log);
        compare(&bare, &ours, &log, asks, "inside", modules).await;
    }
}

async fn compare(bare: &Stack, ours: &Stack, log: &Log, asks: &[Ask], place: &str, modules: Modules) {
    for ask in asks {
        for view in View::ALL {
            let [expected, actual] = [bare, ours].map(|service| async move {
                let mut seen = view.of(service, ask, log).await?;
                if modules == Modules::Streaming {
                    seen.forget_framing();
                }
                seen.unpack().await;
                Ok::<_, String>(seen)
            });
            let (expected, actual) = (expected.await, actual.await);
            assert_eq!(expected, actual, "{ask}, {modules:?} modules {place} the layer, seen as {view:?}");
        }
    }
}
