//! Gives every request an id, for the log, the client and the application.
//!
//! Runs first at [`BeginRequest`](bivalve::Notification::BeginRequest), so that everything after it knows the id, and
//! at [`SendResponse`](bivalve::Notification::SendResponse), so that no module can lose the response header.
//!
//! # Same on both hosts
//!
//! Differences: none. IIS's own `IHttpRequest` has no such id; ETW traces have one of their own.
//!
//! # Example
//!
//! ```
//! use bivalve::testing::{TestHost, block_on};
//! use gate::modules::request_id::{RequestIdConfig, RequestIds};
//!
//! let host = TestHost::new().mount(RequestIds::new(&RequestIdConfig::default()));
//! let response = block_on(host.get("/").finish());
//! assert_eq!(response.header("x-request-id").map(str::len), Some(32));
//! ```

mod config;
mod module;
#[cfg(test)]
mod tests;

pub use self::config::RequestIdConfig;
pub use self::module::{RequestId, RequestIds};
