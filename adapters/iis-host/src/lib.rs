//! A stand-in for IIS: loads a native module and runs it in Bivalve's pipeline.
#![deny(unsafe_op_in_unsafe_fn)]

mod arena;
mod call;
mod chunk;
mod connection;
mod container;
mod face;
mod faces;
mod fault;
mod frame;
mod host;
mod loader;
mod loan;
mod module;
mod operation;
mod pool;
mod registration;
mod request;
mod text;
mod threads;
mod violation;

pub use self::fault::Fault;
pub use self::host::{IisHost, IisHostBuilder};
pub use self::loader::LoadError;
pub use self::module::NativeModule;
pub use self::violation::{OnViolation, Rule, Violation, Violations};
