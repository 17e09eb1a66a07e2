//! What the driver, its pump and its workers share, and what is done once the lock is free.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use bivalve_core::driver::LeasePool;
use bivalve_core::{FinishedBuffer, Handle};
use tokio::runtime;

use crate::endpoint::Endpoint;
use crate::files;
use crate::ready::ReadyList;
use crate::state::State;

/// Bytes of one leased buffer.
const LEASE: usize = 16 << 10;

/// Unused lease buffers that are kept: enough for as many connections that have something to say at once.
const KEPT_LEASES: usize = 256;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) number: u32,
    pub(crate) runtime: runtime::Handle,
    pub(crate) ready: Arc<ReadyList>,
    pub(crate) leases: Arc<LeasePool>,
    state: Mutex<State>,
}

impl Shared {
    pub(crate) fn new(runtime: runtime::Handle) -> Arc<Self> {
        let number = Handle::next_driver();
        Arc::new(Self {
            number,
            runtime,
            ready: Arc::default(),
            leases: LeasePool::new(LEASE, KEPT_LEASES),
            state: Mutex::new(State::new(number)),
        })
    }

    /// No system call, no waker and no buffer of a caller's within.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, then does what follows from it.
    pub(crate) fn change<T>(self: &Arc<Self>, change: impl FnOnce(&mut State, &mut Aftermath) -> T) -> T {
        let mut after = Aftermath::default();
        let result = change(&mut self.lock(), &mut after);
        after.run(self);
        result
    }

    pub(crate) fn shut_down(self: &Arc<Self>) {
        self.change(State::shut_down);
        // It has nothing left to do.
        self.ready.wake_pump();
    }
}

/// What must not happen under the lock, because it may call the driver again or take long (rule 8).
#[derive(Debug, Default)]
pub(crate) struct Aftermath {
    pub(crate) wakers: Vec<Waker>,
    /// Of those who wait no longer: dropped only.
    pub(crate) stale: Vec<Waker>,
    /// What nobody will hear.
    pub(crate) buffers: Vec<FinishedBuffer>,
    pub(crate) endpoints: Vec<Arc<Endpoint>>,
    /// How many to start.
    pub(crate) workers: usize,
}

impl Aftermath {
    /// Empties it; what it allocated is used again.
    pub(crate) fn run(&mut self, shared: &Arc<Shared>) {
        self.stale.clear();
        self.buffers.clear();
        if !self.endpoints.is_empty() {
            let closed = self.endpoints.len();
            self.endpoints.clear();
            // Counted until now, so that an idle driver has closed everything.
            shared.lock().closing -= closed;
        }
        for _ in 0..std::mem::take(&mut self.workers) {
            files::start(shared);
        }
        self.wakers.drain(..).for_each(Waker::wake);
    }
}
