//! Serves a pipeline, or any Tower service, over completion drivers: HTTP/1.1 parsed in place, HTTP/2 by hyper, TLS by
//! rustls.
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
//! (`adapters/server/corpus`), which is run on every driver, in pieces of any size. How hyper, nginx and Apache httpd answer each of
//! them, and why, is in `docs/http-conformance.md`.
//!
//! What browsers send is taken: an empty line before a request, `[`, `]` and `|` in a path, and the like in a query.
//!
//! Responses that leave together have one `Date`, that of the first: at most 32 of requests that wait for nothing.
//!
//! # HTTP/2
//!
//! Spoken where ALPN chose it, and in cleartext by clients that begin with its preface (RFC 9113 section 3.3); `Upgrade: h2c` is
//! not. hyper does it, on Tokio's readiness and not on the completion driver. The pipeline sees a request as HTTP/1.1 shows it: the target
//! in origin form, the authority in `Host`, cookies in one field.
//!
//! Limits and timeouts are those of HTTP/1.1. Refused besides what hyper refuses: white space around a value, a `Host` that is not
//! `:authority`, a user in `:authority`, `CONNECT` without one (the stream is reset with `PROTOCOL_ERROR`), and what HTTP/1.1 would
//! refuse in a target, in `Host`, `Content-Length` and `Expect` (with its answer). A client that does not answer a `PING` is cut after the
//! head timeout and the stall timeout, one that takes too little of any response as well.
//!
//! WebSocket on a stream (RFC 8441) is [allowed on demand](Server::http2_websocket).
//!
//! `httpwg` 0.2.5 passes 91 of its 107 tests, and up to 3 more by what the server has sent when a fault arrives (plain axum: 88).
//! Those that fail are listed, with the reasons, in `tests/httpwg.txt`, and a test holds the server to that list. In all but two of them
//! the connection or the stream ends as it has to, and h2 names it `PROTOCOL_ERROR` where a more exact code is asked for. Two are
//! faults that h2 hides from who uses it: a client's `PUSH_PROMISE` does not end the connection, and pseudo fields in trailers are dropped. A
//! fragment in `:path`, which HTTP/1.1 would refuse, is cut off before the server sees it.
//!
//! # TLS
//!
//! [`Listener::tls`] encrypts with rustls: TLS 1.3 and 1.2, no renegotiation, no early data. Certificates are
//! [reloaded](Tls::reload) while the server runs, and modules see a client's certificate. What is sent through TLS passes through
//! Tokio and this process's memory, not through the completion driver: files are read in pieces of 256 KiB.
//!
//! # Where it listens
//!
//! At several [`Listener`]s: TCP addresses, of both families at `[::]`, Unix sockets, and on Linux what systemd hands over
//! (`Listener::from_systemd`).
//!
//! # Behind a proxy
//!
//! [`Listener::proxy_protocol`] takes a client's address from the PROXY protocol, version 1 or 2, of proxies that are
//! [trusted](TrustedPeers); TLS and HTTP come behind it. What else version 2 can say (of TLS that the proxy has ended, say) is not
//! shown to modules, and its checksum is not compared. HAProxy 2.6 was seen in front, with both versions, with its checks, and with
//! TLS and HTTP/2 behind the header. Nothing is believed of `Forwarded` and `X-Forwarded-For`: they are fields as any.
//!
//! # Limits
//!
//! [`Limits`] has the table of all limits and timeouts, with what a client gets at each and what it can cost until then; all
//! are on by default.
//!
//! # Not there yet
//!
//! On completion ports it has run under Wine only, not on Windows. There a connection that is cut may end where it should be reset (Wine
//! shuts a socket down before it closes it), and a client that finishes its side during a long download loses the rest of it,
//! which is not yet explained; on Tokio under Wine it gets all.
//!
//! TLS in the kernel (decision 0016 says why), revocation lists. `CONNECT` is answered with 501. A request for another protocol
//! (WebSocket) goes to hyper, which ends the connection where the handler does not agree. A connection that has changed its protocol
//! counts among the connections until it closes; a stop waits for it until its deadline.
//! It is slower than it is to be: the ratios are in `benches/RESULTS.md`, the reasons in decision 0017.
//! In HTTP/2: `100 Continue`. h2 could send it, and hyper 1.12 does not ask it to; a client that waits for it sends its body after a
//! while of its own (RFC 9110 section 10.1.1).
//!
//! A client that finishes its side while a handler waits for something other than the body counts as gone, as for hyper: the handler
//! is cancelled. A response that is finished by then is sent.

#![forbid(unsafe_code)]

mod connection;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod http1;
mod limits;
mod proxy;
mod server;
mod tls;
mod transport;

pub use self::connection::Refused;
pub use self::limits::Limits;
pub use self::proxy::TrustedPeers;
pub use self::server::{Listener, Running, Server, StartError, Stopped, WorkerRuntime};
pub use self::tls::{ClientCertificates, Pem, Tls, TlsBuilder, TlsError};
