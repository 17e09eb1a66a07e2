//! Write an HTTP module once, in Rust, in the shape of an IIS module; run that same source as Tower middleware around
//! hyper and axum on Linux, and inside IIS on Windows. Two shells, one animal, and a valve in the pipeline.
//!
//! A module answers to *notifications*: the named events that every request passes, from BeginRequest to EndRequest,
//! and those raised on demand when a part of the response is sent or a part of the request is read.
//!
//! ```
//! use bivalve::prelude::*;
//!
//! /// Counts what was sent, and records it. One instance, shared by all requests.
//! struct Audit<S> {
//!     sink: S,
//! }
//!
//! /// One for each request, made when it is first asked for.
//! #[derive(Default)]
//! struct Seen {
//!     sent: u64,
//! }
//!
//! // The methods that are written are the events that the module runs at.
//! #[bivalve::module(state = Seen)]
//! impl<S: Sink> Module for Audit<S> {
//!     // A plain `fn` is called directly: no future, no allocation.
//!     fn on_begin_request(&self, cx: &mut Context) -> Result<Flow> {
//!         cx.response_mut().headers_mut().insert("x-shell", HeaderValue::from_static("bivalve"));
//!         Ok(Flow::Continue)
//!     }
//!
//!     // An `async fn` may await anything.
//!     async fn on_execute_request_handler(&self, cx: &mut Context) -> Result<Flow> {
//!         let done: Completion = cx.write("Hello World!").await?;
//!         cx.state_mut::<Seen>().sent += done.bytes() as u64;
//!         Ok(Flow::Finish)
//!     }
//!
//!     async fn on_log_request(&self, cx: &mut Context) -> Result<Flow> {
//!         self.sink.record(cx.state::<Seen>().sent).await?;
//!         Ok(Flow::Continue)
//!     }
//! }
//!
//! trait Sink: Send + Sync + 'static {
//!     fn record(&self, sent: u64) -> impl Future<Output = std::io::Result<()>> + Send;
//! }
//! # struct Null;
//! # impl Sink for Null {
//! #     async fn record(&self, _: u64) -> std::io::Result<()> {
//! #         Ok(())
//! #     }
//! # }
//!
//! let pipeline = bivalve::Pipeline::builder().module("Audit", Audit { sink: Null }).build()?;
//! assert_eq!(pipeline.modules_of(Notification::LogRequest).collect::<Vec<_>>(), ["Audit"]);
//! # Ok::<(), bivalve::BuildError>(())
//! ```
//!
//! # Where to go from here
//!
//! - [`module`](macro@module): the attribute, all of its arguments, and what a method may look like.
//! - [`Module`]: the 29 methods, and what holds for all of them: re-entrancy, errors, panics, cancellation.
//! - [`Context`]: everything that a module may do with a request.
//! - [`driver`]: completions: files, sockets and timers that report bytes and status. `backend` chooses which one.
//! - [`testing`]: a host for tests, in which a request goes step by step.
//! - `iis` (with the feature of that name): modules, and Tower services, as a DLL that IIS loads.
//! - `serve` (with the feature `server`): a pipeline on a server of its own, in one call.
//! - `tower` (with the feature of that name): a pipeline as a `tower::Layer`, and any Tower service as its
//!   handler.
//!
//! # Features
//!
//! - `backend` (default): the module `backend`, with the completion drivers of the system.
//! - `iis`: the module `iis`, with `export_modules!` and `export_service!`, which make a DLL for IIS.
//! - `server` (default): `serve` and the module `server`: HTTP/1.1 over those drivers, HTTP/2, TLS.
//! - `tower` (default): the module `tower`, with the Tower adapter.

#![forbid(unsafe_code)]

#[cfg(feature = "backend")]
pub mod backend;
#[cfg(feature = "server")]
mod serve;

#[cfg(feature = "server")]
pub use self::serve::{serve, serve_on};
pub use bivalve_core::*;
#[cfg(feature = "iis")]
pub use bivalve_iis as iis;
#[doc = include_str!("docs/module.md")]
pub use bivalve_macros::module;
#[cfg(feature = "server")]
pub use bivalve_server as server;
#[cfg(feature = "tower")]
pub use bivalve_tower as tower;
/// The crates whose types [`Context`] speaks, so that a module needs no dependency of its own on them.
pub use {bytes, http};

/// What a module's source needs: `use bivalve::prelude::*;`.
pub mod prelude {
    pub use bivalve_core::{
        Completion, CompletionInfo, Context, CustomNotification, DriverExt, EntityChunk, EntityRead, Error,
        Flow, Module, Notification, PathMapping, Priority, Result, Sending, User,
    };
    pub use http::{HeaderName, HeaderValue, Method, StatusCode};
}

/// The examples in the README are compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
