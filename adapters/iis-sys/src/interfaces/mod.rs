//! One file a subject; every class is one table. See [`crate`] for how to call and to implement them.

mod cache;
mod completion;
mod context;
mod file;
mod global_provider;
mod module;
mod provider;
mod request;
mod response;
mod server;
mod site;
mod stored;
mod trace;
mod user;
mod websocket;

pub use cache::*;
pub use completion::*;
pub use context::*;
pub use file::*;
pub use global_provider::*;
pub use module::*;
pub use provider::*;
pub use request::*;
pub use response::*;
pub use server::*;
pub use site::*;
pub use stored::*;
pub use trace::*;
pub use user::*;
pub use websocket::*;
