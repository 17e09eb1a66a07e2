//! Adds the headers with which browsers protect a page and its users.
//!
//! Runs at [`SendResponse`](bivalve::Notification::SendResponse) when headers are being sent, after almost everybody
//! else, also for refusals and error pages. What the application set itself stays.
//!
//! # Same on both hosts
//!
//! IIS: replaces entries of `<customHeaders>`, which overwrite nothing either. Differences: none.
//!
//! # Example
//!
//! ```
//! use bivalve::testing::{TestHost, block_on};
//! use gate::modules::security_headers::{SecurityHeaders, SecurityHeadersConfig};
//!
//! let host = TestHost::new().mount(SecurityHeaders::new(&SecurityHeadersConfig::default()));
//! let response = block_on(host.get("/").finish());
//! assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
//! ```

mod config;
mod module;
#[cfg(test)]
mod tests;

pub use self::config::{Header, SecurityHeadersConfig};
pub use self::module::SecurityHeaders;
