//! The modules: each knows IIS's events and no host.

pub mod access_log;
pub mod authentication;
pub mod request_id;
pub mod security_headers;
pub mod server_timing;
