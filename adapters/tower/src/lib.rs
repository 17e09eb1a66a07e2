//! Bivalve modules as Tower middleware, and any Tower service as the handler of a pipeline.
//!
//! [`ModuleLayer`] puts a [`Pipeline`](bivalve_core::Pipeline) around a service: hyper, axum and everything of Tower stay as
//! they are.
//!
//! ```
//! use bivalve_core::{Context, Flow, Module, Notification, Outcome, Pipeline, Registration};
//! use bivalve_tower::{Body, ModuleLayer};
//! use tower_layer::Layer;
//! use tower_service::Service;
//!
//! struct Stamp;
//! impl Module for Stamp {
//!     fn registration(&self) -> Registration {
//!         Registration::new().on(Notification::BeginRequest)
//!     }
//!     fn on_begin_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
//!         Outcome::Ready(cx.response_mut().set_header("x-shell", "bivalve").map(|()| Flow::Continue))
//!     }
//! }
//!
//! # bivalve_core::testing::block_on(async {
//! let inner = tower::service_fn(|_request: http::Request<Body>| async {
//!     Ok::<_, std::convert::Infallible>(http::Response::new(Body::from("hello")))
//! });
//! let pipeline = Pipeline::builder().module("Stamp", Stamp).build()?;
//! let mut service = ModuleLayer::new(pipeline).layer(inner);
//! let response = service.call(http::Request::new(Body::empty())).await.expect("it never fails");
//! assert_eq!(response.headers()["x-shell"], "bivalve");
//! # Ok::<(), bivalve_core::BuildError>(())
//! # }).unwrap();
//! ```
//!
//! # Buffered and streaming
//!
//! A response whose body has an exact size within the response buffer limit (4 MiB) is buffered: the events after the
//! handler may still change status and headers, and it leaves after EndRequest. Any other body streams: the
//! headers leave at once, each frame is a flush, and the events after the handler run when the body has ended, or was
//! dropped. Where no module acts after the handler, the body passes through untouched.
//!
//! A module that changes the length of a streamed body at SendResponse removes `Content-Length` when the headers are
//! sent; else the body that the client gets is cut or broken off.
//!
//! # Differences
//!
//! The same service behind the layer answers as it does without it, but for this (each line has its test):
//!
//! - An error of the service becomes a 500, and so does a panic, before a `CatchPanic` outside sees it.
//! - With modules after the handler: a buffered body that breaks off becomes a 500, where it was a broken 200; a streamed
//!   body without `Content-Length` announces no length, where its size hint did; a status that is no final one
//!   becomes a 500; framing headers and trailers that the service set by itself are dropped, and so is a body
//!   that HEAD, 204 or 304 forbid.
//! - With modules at ReadEntity: the trailers of the request and the size hint of its body do not reach the service.
//!
//! # When the client goes away
//!
//! hyper drops the response future or the body. The event that was running is cancelled, and LogRequest and
//! EndRequest still run, on the Tokio runtime if they wait. [`ModuleLayer::drained`] waits for them.
//!
//! # Responses without a body
//!
//! Where the head of an answer to HEAD, or of a 204 or 304, leaves before the request is over, the request goes on in the
//! background, to its end, and what it sends is discarded. It is not told that the client has gone; but after 1,024
//! parts it is, because a module that streams without end would never learn, and so it is at once where 1,024 requests of the
//! layer are in the background already. The handler's body is not read where it would have been streamed.
//!
//! # `Content-Length`
//!
//! A response that leaves whole has the length of its body. A head that leaves first keeps a length only if it leaves
//! alone, as that of a streamed body does: with bytes beside it, modules have written, and the handler's length is
//! not that of the response. Where what follows is not as long as the head said, the body ends in an error.

#![forbid(unsafe_code)]

mod body;
mod contain;
mod detach;
mod entity;
mod exchange;
mod file;
mod future;
mod handler;
mod headers;
mod layer;
mod pipeline;
mod serve;

pub use self::body::Body;
pub use self::future::ResponseFuture;
pub use self::handler::ServiceHandler;
pub use self::layer::{ModuleLayer, ModuleService};
pub use self::pipeline::PipelineService;

/// Any error, as Tower's crates pass it on.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
