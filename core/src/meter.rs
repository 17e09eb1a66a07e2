//! How long each module takes, by a clock that the host gives.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::context::ModuleId;

/// A clock: time since any fixed point. The pipeline has none of its own.
pub(crate) type Clock = Arc<dyn Fn() -> Duration + Send + Sync>;

/// Charges time to the innermost running module.
pub(crate) struct Meter {
    clock: Clock,
    since: Duration,
    /// Who runs at each depth.
    running: Vec<ModuleId>,
    spent: Vec<(ModuleId, Duration)>,
}

impl Meter {
    pub(crate) fn new(clock: &Clock) -> Self {
        Self { clock: Arc::clone(clock), since: clock(), running: Vec::new(), spent: Vec::new() }
    }

    /// `depth` is that of the call, so that what a cancelled call left behind is cleared away.
    pub(crate) fn enter(&mut self, depth: u8, module: ModuleId) {
        self.charge();
        self.running.truncate(usize::from(depth));
        self.running.push(module);
    }

    pub(crate) fn leave(&mut self, depth: u8) {
        self.charge();
        self.running.truncate(usize::from(depth));
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (ModuleId, Duration)> {
        // What the running module has spent since it was entered is not in its sum yet.
        let running = self.running.last().map(|id| (*id, (self.clock)().saturating_sub(self.since)));
        self.spent.iter().map(move |(id, time)| {
            let more = running.filter(|r| r.0 == *id).map_or(Duration::ZERO, |r| r.1);
            (*id, *time + more)
        })
    }

    fn charge(&mut self) {
        let now = (self.clock)();
        let elapsed = now.saturating_sub(self.since);
        self.since = now;
        let Some(module) = self.running.last().copied() else { return };
        match self.spent.iter_mut().find(|s| s.0 == module) {
            Some(spent) => spent.1 += elapsed,
            None => self.spent.push((module, elapsed)),
        }
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.spent).finish()
    }
}
