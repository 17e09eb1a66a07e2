//! What happened to a request, event by event: for tests, and to compare hosts.

use std::fmt;
use std::sync::Arc;

use crate::{Completion, Event, Flow, Result};

/// The events of one request, in the order in which they began.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    entries: Vec<TraceEntry>,
}

/// One entry of a [`Trace`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceEntry {
    depth: u8,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Call { event: Event, completion: bool, module: Arc<str>, outcome: Option<Outcome> },
    Completion { operation: &'static str, completion: Completion },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Flow(Flow),
    Failed,
    Panicked,
}

impl Trace {
    /// The entries.
    #[must_use]
    pub fn entries(&self) -> &[TraceEntry] {
        &self.entries
    }

    /// One line each, nested ones indented: `BeginRequest Hello -> Finish`, `Send 12 bytes, success`.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.entries.iter().map(ToString::to_string).collect()
    }

    pub(crate) fn enter(&mut self, depth: u8, event: Event, module: &Arc<str>) {
        self.push_call(depth, event, module, false);
    }

    pub(crate) fn enter_completion(&mut self, depth: u8, event: Event, module: &Arc<str>) {
        self.push_call(depth, event, module, true);
    }

    /// The innermost open call of this depth has returned.
    pub(crate) fn leave(&mut self, depth: u8, result: &Result<Flow>) {
        let outcome = match result {
            Ok(flow) => Outcome::Flow(*flow),
            Err(error) if error.is_fresh_panic() => Outcome::Panicked,
            Err(_) => Outcome::Failed,
        };
        let open = self.entries.iter_mut().rev().filter(|entry| entry.depth == depth).find_map(|entry| {
            match &mut entry.kind {
                Kind::Call { outcome: open @ None, .. } => Some(open),
                _ => None,
            }
        });
        if let Some(open) = open {
            *open = Some(outcome);
        }
    }

    pub(crate) fn completion(&mut self, depth: u8, operation: &'static str, completion: Completion) {
        self.entries.push(TraceEntry { depth, kind: Kind::Completion { operation, completion } });
    }

    fn push_call(&mut self, depth: u8, event: Event, module: &Arc<str>, completion: bool) {
        let kind = Kind::Call { event, completion, module: Arc::clone(module), outcome: None };
        self.entries.push(TraceEntry { depth, kind });
    }
}

impl TraceEntry {
    /// Nesting: 0 for the request's own events.
    #[must_use]
    pub fn depth(&self) -> u8 {
        self.depth
    }

    /// The event of a call; `None` for a completion of the host.
    #[must_use]
    pub fn event(&self) -> Option<Event> {
        match &self.kind {
            Kind::Call { event, completion: false, .. } => Some(*event),
            _ => None,
        }
    }

    /// The module of a call.
    #[must_use]
    pub fn module(&self) -> Option<&str> {
        match &self.kind {
            Kind::Call { module, .. } => Some(module),
            Kind::Completion { .. } => None,
        }
    }
}

impl fmt::Display for TraceEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:width$}", "", width = 2 * usize::from(self.depth))?;
        match &self.kind {
            Kind::Call { event, completion, module, outcome } => {
                let what = if *completion { "AsyncCompletion of " } else { "" };
                write!(f, "{what}{event} {module} -> ")?;
                match outcome {
                    Some(Outcome::Flow(flow)) => write!(f, "{flow:?}"),
                    Some(Outcome::Failed) => f.write_str("Err"),
                    Some(Outcome::Panicked) => f.write_str("panic"),
                    None => f.write_str("cancelled"),
                }
            }
            Kind::Completion { operation, completion } => {
                write!(f, "{operation} {} bytes, {}", completion.bytes(), completion.status())
            }
        }
    }
}
