//! gate on hyper.

mod suite;

const BACKEND: &str = "hyper";
