//! gate on Bivalve's server on the best driver that the system has.

mod suite;

const BACKEND: &str = "auto";
