//! What threads share: the state behind its lock, and the rule of who wakes whom.

use std::sync::Arc;
use std::task::{self, Waker};

use crate::buffers::Returns;
use crate::state::{Effects, State};
use crate::sync::{Guard, Lock};

/// The state behind its lock.
///
/// Rules, modelled in `models.rs`:
///
/// 1. Whoever adds work under the lock takes the waker of [`State::signal`] and wakes it after the unlock.
/// 2. The turn calls [`State::begin_turn`] before it looks for work. So work is either seen by that turn, or its adder
///    found `scheduled` cleared and wakes the task again; none is forgotten.
/// 3. What belongs to callers is dropped, and their tasks woken, by [`Effects`] after the unlock.
pub(crate) struct Shared {
    state: Lock<State>,
    /// Where leases of shared buffers come home.
    pub(crate) returns: Arc<Returns>,
}

impl Shared {
    pub(crate) fn new(state: State, returns: Arc<Returns>) -> Self {
        Self { state: Lock::new(state), returns }
    }

    pub(crate) fn lock(&self) -> Guard<'_, State> {
        self.state.lock()
    }

    /// Does something to the state, then wakes the turn if there is work for it, and whoever else is due.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut State, &mut Effects) -> T) -> T {
        let mut fx = Effects::default();
        let mut state = self.lock();
        let result = act(&mut state, &mut fx);
        let turn = state.signal();
        drop(state);
        turn.into_iter().for_each(Waker::wake);
        fx.apply();
        result
    }

    /// The beginning of a turn.
    pub(crate) fn begin_turn(&self, task: &task::Context<'_>, fx: &mut Effects) {
        self.lock().begin_turn(task.waker(), fx);
    }
}
