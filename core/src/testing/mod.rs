//! A host for tests of modules: no server, no runtime, no time, no operating system but the files a test names.
#![allow(
    clippy::panic,
    reason = "a test host tells a test what is wrong with it by a panic; each is documented"
)]

mod background;
mod build;
mod completions;
mod control;
mod driver;
mod entity;
mod exchange;
mod host;
mod order;
mod outstanding;
mod request;
mod response;
mod slots;
mod stop;
mod trace;
mod wake;

pub use self::completions::{Completions, OperationId};
pub use self::control::Control;
pub use self::driver::MemoryDriver;
pub use self::host::{TestConnection, TestHost};
pub use self::order::CompletionOrder;
pub use self::outstanding::{OperationKind, Outstanding};
pub use self::request::TestRequest;
pub use self::response::{TestPart, TestResponse};
pub use self::stop::{Stopped, Target};
pub use self::wake::block_on;
