//! Bivalve modules as native modules of IIS.

mod connection;
mod contain;
mod custom;
mod entry;
mod factory;
mod file;
mod foreign;
mod host;
mod inward;
mod object;
mod outward;
mod pin;
mod place;
mod provided;
mod record;
mod registry;
mod runtime;
mod script_map;
mod stored;
mod sync;
mod text;
mod user;
mod waiting;

pub use registry::register;
