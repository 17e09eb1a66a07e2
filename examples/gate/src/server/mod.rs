//! The server: Bivalve's own, or hyper with the bounds that a server on a network needs.
//!
//! | bound | default | Bivalve's server | hyper |
//! |---|---|---|---|
//! | connections, of all clients together | 1,024, and at most half of the file descriptors (Linux) | further ones wait in the kernel's queue | the same |
//! | connections of one client address (of IPv6: one /64) | 512 | further ones are closed | none |
//! | time for a request head | 30 s | from its first byte; 408 | from the connection or the last response on; the connection is closed |
//! | time without a request | 120 s | the connection is closed, HTTP/2 after GOAWAY | the same for HTTP/2, HTTP/1 as above |
//! | an HTTP/2 client that answers no ping | as said | 30 s + 60 s, the time for a head and the next one; the connection is closed | 20 s + 20 s; the same |
//! | time for which a client is waited for while a response is sent to it | 60 s | bytes earn time back, 240 a second; the connection is reset | 60 s without a byte (HTTP/2: without its next 16 KiB) |
//! | bytes of a request head | 64 KiB | 431 | 431 (HTTP/2: 16 KiB) |
//! | bytes of a path, and of a query | 4,096 and 2,048, as in IIS | 404, logged with its sub-status | none but the head's |
//! | requests at once on an HTTP/2 connection | 200 | further ones are refused | the same |
//! | time for requests to end after a signal | 10 s | they are cut, logged, and the trace says how many | the same |
//!
//! A request is under way until the last byte of its response has reached the socket; in Bivalve's server over HTTP/1 until the
//! last byte was given to the driver, but its connection is waited for.
//!
//! The bounds of bodies are the application's.

mod backend;
mod bind;
mod config;
mod hyper;
mod native;
mod serving;

pub use bivalve::server::Stopped;

pub use self::backend::{Backend, UnknownBackend};
pub use self::bind::BindError;
pub use self::config::ServerConfig;
pub(crate) use self::serving::{Bound, Serving};

const MAX_HEAD: usize = 64 * 1024;
