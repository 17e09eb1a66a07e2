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
//! # When the client goes away
//!
//! hyper drops the response future or the body. The event that was running is cancelled, and LogRequest and
//! EndRequest still run, on the Tokio runtime if they wait.

#![forbid(unsafe_code)]

mod body;
mod detach;
mod entity;
mod exchange;
mod file;
mod future;
mod handler;
mod headers;
mod layer;
mod serve;

pub use self::body::Body;
pub use self::future::ResponseFuture;
pub use self::handler::ServiceHandler;
pub use self::layer::{ModuleLayer, ModuleService};

/// Any error, as Tower's crates pass it on.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
