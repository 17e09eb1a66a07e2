//! What gate does, whatever carries HTTP. The crate that this is a module of says what does.

mod common;
mod doors;
mod files;
mod http2;
mod limits;
mod log;
mod shutdown;
mod streams;
