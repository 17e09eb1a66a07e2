//! The server: hyper, with the bounds that a server on a network needs.
//!
//! | bound | default | at the bound |
//! |---|---|---|
//! | connections, of all clients together | 1,024, and at most half of the file descriptors (Linux) | further ones wait in the kernel's queue |
//! | time for a request head, from the connection or the last response on | 30 s | the connection is closed |
//! | time without a request on an HTTP/2 connection | 120 s | GOAWAY, then the connection is closed |
//! | an HTTP/2 client that answers no ping | 20 s + 20 s | the connection is closed |
//! | time in which a response moves no byte to its client (HTTP/2: its next 16 KiB) | 60 s | the connection is closed |
//! | bytes of a request head | 64 KiB (HTTP/2: 16 KiB) | 431 |
//! | requests at once on an HTTP/2 connection | 200 | further ones are refused |
//! | time for requests to end after a signal | 10 s | they are cut, and the trace says how many |
//!
//! A request is under way until the last byte of its response has reached the socket.
//!
//! The bounds of bodies are the application's.

mod activity;
mod config;
mod connection;
mod listener;
mod run;
mod wire;

pub use self::config::ServerConfig;
pub use self::listener::BindError;
pub use self::run::{Server, Stopped};
