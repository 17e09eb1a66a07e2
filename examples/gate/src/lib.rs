//! The flagship example: an axum application behind Bivalve modules.
//!
//! [`modules`] knows IIS's events and no host; [`app`] is plain axum and knows no modules; [`server`] is Bivalve's server, or
//! hyper with the bounds that a server needs; [`Gate`] puts them together, and the binary adds the command line.

#![forbid(unsafe_code)]

pub mod app;
pub mod config;
pub mod modules;
pub mod server;

mod gate;
mod private;

pub use self::gate::{GUEST, Gate, Guest, pipeline, token};
