//! The portable completion driver: readiness sockets and positioned files on Tokio.

#![forbid(unsafe_code)]
