//! Tells in the `Server-Timing` header how long each module took.
//!
//! Runs at [`SendResponse`](bivalve::Notification::SendResponse) when headers are being sent, after everybody else.
//! Browsers show the header in their developer tools. The pipeline must
//! [measure](bivalve::PipelineBuilder::measure), or there is nothing to tell but the total.
//!
//! # Who is told
//!
//! Timing is an oracle: how long authentication took tells whether a password was looked up in the cache, and how
//! busy the server is with other people's. By default only those see it who have logged in: they learn nothing
//! about credentials that their 200 did not tell them. Refusals and open paths carry no such header.
//!
//! # Same on both hosts
//!
//! Differences: none.
//!
//! # Example
//!
//! ```
//! use std::time::Instant;
//!
//! use bivalve::testing::{TestHost, block_on};
//! use gate::modules::server_timing::{Audience, ServerTiming, ServerTimingConfig};
//!
//! let start = Instant::now();
//! let host = TestHost::new()
//!     .mount(ServerTiming::new(&ServerTimingConfig { audience: Audience::All }))
//!     .configure(|pipeline| pipeline.measure(move || start.elapsed()));
//! let response = block_on(host.get("/").finish());
//! assert!(response.header("server-timing").is_some_and(|timing| timing.starts_with("total;dur=")));
//! ```

mod config;
mod module;
#[cfg(test)]
mod tests;

pub use self::config::{Audience, ServerTimingConfig};
pub use self::module::ServerTiming;
