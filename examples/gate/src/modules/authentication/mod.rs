//! Finds out who asks: Basic against a file of Argon2 hashes, and bearer tokens known by their SHA-256.
//!
//! Runs at [`AuthenticateRequest`](bivalve::Notification::AuthenticateRequest). A request without credentials is
//! answered with 401 and sub-status 2, one with wrong credentials with 401 and sub-status 1, as in IIS; the
//! configured open paths pass without a user. The handler finds a [`User`](bivalve::User).
//!
//! # What a password costs
//!
//! Argon2 is meant to be expensive, so it runs on the blocking pool, and bounds say
//! how many run, for the server and for each client address, and how long and how many of a client's may wait; above
//! that the answer is 503. One address cannot lock out another; many can, and so can one that shares yours.
//!
//! An unknown user costs as much as the dearest one of the file: where all have the same costs, time tells nobody which
//! names exist. A user with lower costs than another's answers faster, and is known by it.
//! Right credentials are remembered for a while; `cache.rs` says why that is safe.
//!
//! # Same on both hosts
//!
//! IIS: replaces BasicAuthenticationModule and AnonymousAuthenticationModule, with users of its own instead of
//! Windows accounts. Differences: none.
//!
//! # Example
//!
//! ```
//! use bivalve::testing::{TestHost, block_on};
//! use gate::modules::authentication::{Authentication, AuthenticationConfig, Passwords};
//!
//! let passwords = Passwords::parse(&Passwords::line("ada", "correct horse")?)?;
//! let host = TestHost::new().mount(Authentication::new(&AuthenticationConfig::default(), passwords)?);
//! let response = block_on(host.get("/").finish());
//! assert_eq!(response.status(), 401);
//! assert_eq!(response.header("www-authenticate"), Some(r#"Basic realm="gate", charset="UTF-8""#));
//! # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
//! ```

mod cache;
mod clients;
mod config;
mod credentials;
mod module;
mod passwords;
#[cfg(test)]
mod tests;
mod tokens;
mod verifier;

pub use self::config::{AuthenticationConfig, Realm, TokenConfig, TokenHash};
pub use self::module::{Authentication, NobodyCanLogIn};
pub(crate) use self::passwords::check_name;
pub use self::passwords::{PasswordFileError, Passwords};
