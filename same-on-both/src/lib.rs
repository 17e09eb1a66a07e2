//! The proof that a module is the same on both: one request through every host, and what came of it compared.
//!
//! A [`Case`] is a module and a request. A side serves the module at a port and lets a [`Witness`] note the events that
//! run around it: [`tower`] with the module in a Tower layer on hyper, [`native`] with it on Bivalve's own server and its drivers, or
//! [`tower`] with `bivalve-iis-host` in its place, which has the module's shared object or DLL inside. The client is the same for all. Status, headers, body, trailers, events
//! and their order have to be equal; `date` is left out, and what [`differences`] lists.
//!
//! [`probes`] are the modules that are there for this: each does one thing that a host can get wrong.

#![forbid(unsafe_code)]

pub mod ask;
pub mod differences;
pub mod native;
mod observe;
pub mod probes;
pub mod tower;
pub mod volatile;
pub mod witness;

use std::sync::Arc;

use bivalve::Module;
use bytes::Bytes;

pub use self::ask::{Answer, Ask};
pub use self::witness::Witness;

/// What one host did with one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// What the client got.
    pub answer: Answer,
    /// The events, in the order in which they ran.
    pub events: Vec<String>,
    /// What is left of it.
    pub left: Option<String>,
}

/// A module and a request.
#[derive(Clone)]
pub struct Case {
    /// Under which the module is mounted, and exported.
    pub name: &'static str,
    /// The module.
    pub module: Arc<dyn Module>,
    /// More of them, mounted behind it.
    pub others: Vec<(&'static str, Arc<dyn Module>)>,
    /// The request.
    pub ask: Ask,
    /// Asked when the request has ended.
    pub left: Option<Left>,
}

/// What a module has left in the world: a file, a line of a log.
pub type Left = Arc<dyn Fn() -> String + Send + Sync>;

impl Case {
    /// One module, which leaves nothing.
    pub fn new(name: &'static str, module: Arc<dyn Module>, ask: Ask) -> Self {
        Self { name, module, others: Vec::new(), ask, left: None }
    }

    /// The same with other modules under the same names, native ones for example.
    #[must_use]
    pub fn with(&self, mut other: impl FnMut(&'static str) -> Arc<dyn Module>) -> Self {
        let others = self.others.iter().map(|(name, _)| (*name, other(name))).collect();
        Self { module: other(self.name), others, ..self.clone() }
    }
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Case").field("name", &self.name).field("ask", &self.ask).finish_non_exhaustive()
    }
}

/// The answer of whoever is behind the modules, in every host.
pub const HANDLER: Bytes = Bytes::from_static(b"from the handler");
