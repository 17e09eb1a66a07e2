//! Serves a pipeline, or any Tower service, over completion drivers: HTTP/1.1 parsed in place.
//!
//! ```no_run
//! use std::io;
//! use std::pin::Pin;
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use bivalve_core::{Context, Driver, Flow, Pipeline, Result};
//! use bivalve_server::{Listener, Server, WorkerRuntime};
//!
//! fn hello(cx: &mut Context) -> Result<Flow> {
//!     cx.response_mut().write("Hello World!")?;
//!     Ok(Flow::Continue)
//! }
//!
//! // What a worker thread runs on; the crate `bivalve` has one for each driver.
//! struct OnTokio(tokio::runtime::Runtime, Arc<dyn Driver>);
//! impl WorkerRuntime for OnTokio {
//!     fn driver(&self) -> Arc<dyn Driver> {
//!         Arc::clone(&self.1)
//!     }
//!     fn block_on(&self, future: Pin<&mut dyn Future<Output = ()>>) {
//!         self.0.block_on(future);
//!     }
//! }
//!
//! # async fn run() -> std::result::Result<(), Box<dyn std::error::Error>> {
//! let pipeline = Pipeline::builder().handler(hello).build()?;
//! let server = Server::new(pipeline, || {
//!     let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//!     Ok(OnTokio(runtime, bivalve_tokio::TokioDriver::start()?))
//! });
//! let running = server.listen(Listener::tcp("127.0.0.1:8080")?).start()?;
//! // … until it is told to stop
//! let stopped = running.stop(Duration::from_secs(30)).await;
//! println!("{} requests were cut", stopped.requests);
//! # Ok(())
//! # }
//! ```
//!
//! # What is strict
//!
//! Where RFC 9112 lets a recipient be lenient, two servers may read one request in two ways, and requests are smuggled
//! between them. So these are answered with 400, and the connection is closed: a line that ends in LF alone; a folded line;
//! white space before a colon; both lengths, or one of them twice; any transfer coding but one `chunked` (501 where it is another
//! coding); a chunk that is not as long as it says; no `Host`, or two. Each rule has cases in the corpus
//! (`adapters/server/corpus`), which is run on every driver, in pieces of any size.
//!
//! What browsers send is taken: an empty line before a request, `[`, `]` and `|` in a path, and the like in a query.
//!
//! # TLS
//!
//! [`Listener::tls`] encrypts with rustls: TLS 1.3 and 1.2, no renegotiation, no early data. Certificates are
//! [reloaded](Tls::reload) while the server runs, and modules see a client's certificate. What is sent through TLS passes through
//! Tokio and this process's memory, not through the completion driver: files are read in pieces of 256 KiB.
//!
//! # Limits
//!
//! See [`Limits`] and the timeouts of [`Server`]; all are on by default. Connections above the limit wait in the
//! system's queue.
//!
//! # Not there yet
//!
//! HTTP/2, TLS in the kernel, revocation lists, PROXY protocol, sockets of systemd. `CONNECT` is answered with 501. A request for another protocol
//! (WebSocket) goes to hyper, which ends the connection where the handler does not agree. A connection that has changed its protocol
//! counts among the connections until it closes; a stop waits for it until its deadline.
//!
//! A client that finishes its side while a handler waits for something other than the body counts as gone, as for hyper: the handler
//! is cancelled. A response that is finished by then is sent.

#![forbid(unsafe_code)]

mod connection;
mod http1;
mod limits;
mod server;
mod tls;
mod transport;

pub use self::limits::Limits;
pub use self::server::{Listener, Running, Server, StartError, Stopped, WorkerRuntime};
pub use self::tls::{ClientCertificates, Pem, Tls, TlsBuilder, TlsError};
