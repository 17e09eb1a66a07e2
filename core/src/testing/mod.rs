//! A host for tests of modules: no server, no runtime, no clock, and of the operating system only the files a test names.
//!
//! A test mounts its module in a [`TestHost`], makes a [`TestRequest`] and runs it: to the end, up to an event, or step
//! by step. In between it looks at the request, changes it, completes operations as it likes, sends more of the body, or
//! goes away. Nothing here needs a runtime, and everything works in one: `.await` under `#[tokio::test]`, or [`block_on`].
//!
//! # A first test
//!
//! ```
//! # use bivalve_macros as bivalve;
//! use bivalve_core::testing::{TestHost, block_on};
//! use bivalve_core::{Context, Flow, Module, Notification, Result, User};
//!
//! /// Lets nobody in who is not known.
//! struct Gate;
//!
//! #[bivalve::module(crate = bivalve_core)] // without the argument, where the crate `bivalve` is a dependency
//! impl Module for Gate {
//!     fn on_authorize_request(&self, cx: &mut Context) -> Result<Flow> {
//!         if cx.user().is_some() {
//!             return Ok(Flow::Continue);
//!         }
//!         cx.response_mut().set_status_code(401, 2)?;
//!         cx.response_mut().write("Access denied.")?;
//!         Ok(Flow::Finish)
//!     }
//! }
//!
//! let host = TestHost::new().mount(Gate).handler(|cx: &mut Context| -> Result<Flow> {
//!     cx.response_mut().write("Welcome.")?;
//!     Ok(Flow::Continue)
//! });
//!
//! let response = block_on(host.get("/").finish());
//! assert_eq!((response.status().as_u16(), response.text()), (401, "Access denied."));
//!
//! let response = block_on(host.get("/").user(User::new("ada", "Basic")).finish());
//! assert_eq!(response.text(), "Welcome.");
//!
//! // The same, looking in between:
//! block_on(async {
//!     let mut req = host.get("/");
//!     req.run_until(Notification::AuthorizeRequest).await;
//!     assert!(req.context().user().is_none());
//!     req.context_mut().set_user(User::new("ada", "Basic"));
//!     assert_eq!(req.finish().await.text(), "Welcome.");
//!     req.assert_trace(["AuthorizeRequest Gate -> Continue", "Send 8 bytes, success"]);
//! });
//! ```
//!
//! # Holding operations back
//!
//! What a module waits for is on a list: the sends and reads of its request, the operations of the server's
//! [`MemoryDriver`]. [`CompletionOrder`] says who completes them.
//!
//! | order | an operation completes | finds |
//! |---|---|---|
//! | [`Immediate`](CompletionOrder::Immediate), the default | when it starts | what the module does |
//! | [`Late`](CompletionOrder::Late) | when somebody waits for it, the oldest first | what it holds across an `.await` |
//! | [`Seeded`](CompletionOrder::Seeded) | now or later, as the seed decides | an order nobody thought of |
//! | [`Manual`](CompletionOrder::Manual) | when the test says so, as the test says | what it does when an operation fails, or never ends |
//!
//! ```
//! # use bivalve_macros as bivalve;
//! # use bivalve_core::testing::{TestHost, block_on};
//! # use bivalve_core::{Context, Flow, Module, Notification, Result};
//! use bivalve_core::testing::Stopped;
//! use bivalve_core::{Completion, CompletionStatus};
//!
//! struct Hello;
//!
//! #[bivalve::module(crate = bivalve_core)]
//! impl Module for Hello {
//!     async fn on_begin_request(&self, cx: &mut Context) -> Result<Flow> {
//!         cx.write("Hello World!").await?;
//!         cx.flush().await?;
//!         Ok(Flow::Finish)
//!     }
//! }
//!
//! block_on(async {
//!     let mut req = TestHost::new().mount(Hello).manual().get("/");
//!     assert_eq!(req.run_until(Notification::LogRequest).await, Stopped::Waiting);
//!     let held = req.outstanding();
//!     assert_eq!(held[0].description(), "status 200, 12 bytes");
//!
//!     req.complete_with(held[0].id(), Completion::failure(CompletionStatus::TIMED_OUT));
//!     let response = req.finish().await;
//!     assert!(response.was_reset());
//!     req.assert_trace(["BeginRequest Hello -> Err", "Send 0 bytes, timed out"]);
//! });
//! ```
//!
//! # When a run stops
//!
//! [`TestRequest::run_until`] and [`TestRequest::step`] poll the request as long as it wakes itself, or the order
//! completes something for it. Then, if the request still waits:
//!
//! 1. In manual order they return [`Stopped::Waiting`], whatever it waits for.
//! 2. In any other order they return [`Stopped::Waiting`] when a read waits for data that the test has not sent
//!    ([`TestRequest::open_entity`]): only the test can help.
//! 3. Otherwise the earliest timer of the driver fires, in virtual time.
//! 4. Otherwise they stay pending, and go on when they are woken: by a timer of Tokio, a channel, a
//!    [`CompletionHandle`](crate::CompletionHandle) that another thread posts.
//!
//! [`TestRequest::finish`] holds nothing back: it completes what is outstanding, fires timers, and never stops early.
//! A future of these that is dropped cancels nothing; the next call goes on.
//!
//! # A client that sends slowly, or goes away
//!
//! ```
//! # use bivalve_macros as bivalve;
//! # use bivalve_core::testing::{Stopped, TestHost, block_on};
//! # use bivalve_core::{Context, Flow, Module, Notification, Result};
//! struct Upload;
//!
//! #[bivalve::module(crate = bivalve_core)]
//! impl Module for Upload {
//!     async fn on_execute_request_handler(&self, cx: &mut Context) -> Result<Flow> {
//!         while !cx.read_entity(1024).await?.is_empty() {}
//!         Ok(Flow::Finish)
//!     }
//!
//!     fn on_log_request(&self, cx: &mut Context) -> Result<Flow> {
//!         assert!(!cx.is_connected());
//!         Ok(Flow::Continue)
//!     }
//! }
//!
//! block_on(async {
//!     let mut req = TestHost::new().mount(Upload).post("/").open_entity();
//!     req.push_entity("first part");
//!     assert_eq!(req.run_until(Notification::LogRequest).await, Stopped::Waiting);
//!     req.disconnect();
//!     assert!(!req.finish().await.was_answered());
//!     req.assert_trace([
//!         "ExecuteRequestHandler Upload -> Err",
//!         "Read 10 bytes, success",
//!         "LogRequest Upload -> Continue",
//!     ]);
//! });
//! ```
//!
//! # `Flow::Pending`, handles and other threads
//!
//! A module that returns [`Flow::Pending`](crate::Flow::Pending) with a completion handle waits for whoever has the
//! handle: in manual order the run says [`Stopped::Waiting`], and the test posts. [`TestRequest::control`] gives a handle
//! to the request that works from another thread, and while a future borrows the request.
//! [`TestHost::keep_alive`] makes requests that follow each other in one context, to try a handle that came too late.
//!
//! # Files and timers
//!
//! `cx.server().driver()` is the host's [`MemoryDriver`]. Its files are real, its time is not:
//! a timeout of an hour takes no time. [`MemoryDriver::assert_idle`] says whether every buffer came back.
#![allow(
    clippy::panic,
    reason = "a test host tells a test what is wrong with it by a panic; each is documented"
)]

mod background;
mod build;
mod completions;
mod control;
mod driver;
mod entity;
mod exchange;
mod host;
mod order;
mod outstanding;
mod request;
mod response;
mod stop;
mod trace;
mod wake;

pub use self::completions::{Completions, OperationId};
pub use self::control::Control;
pub use self::driver::MemoryDriver;
pub use self::host::{TestConnection, TestHost};
pub use self::order::CompletionOrder;
pub use self::outstanding::{OperationKind, Outstanding};
pub use self::request::TestRequest;
pub use self::response::{TestPart, TestResponse};
pub use self::stop::{Stopped, Target};
pub use self::wake::block_on;
