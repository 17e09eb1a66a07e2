//! gate on Bivalve's server on Tokio.

mod suite;

const BACKEND: &str = "tokio";
