//! The cases, by subject. Each is one function, named after its rule or the attack.
#![allow(clippy::needless_pass_by_value, reason = "every case has the same signature")]

pub mod basics;
pub mod files;
pub mod streams;
