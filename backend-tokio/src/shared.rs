//! What the driver, its pump and its workers share, and what is done once the lock is free.

use std::panic::{AssertUnwindSafe, catch_unwind};
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
            ready: Arc::new(ReadyList::new()),
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
///
/// One list, because it is empty most of the time, and costs no more than that then.
#[derive(Debug, Default)]
pub(crate) struct Aftermath {
    deeds: Vec<Deed>,
}

#[derive(Debug)]
enum Deed {
    Close(Arc<Endpoint>),
    DropBuffer(FinishedBuffer),
    DropWaker(Waker),
    StartWorker,
    Wake(Waker),
}

impl Aftermath {
    pub(crate) fn wake(&mut self, waker: Option<Waker>) {
        self.deeds.extend(waker.map(Deed::Wake));
    }

    /// The waker of one who waits no longer.
    pub(crate) fn drop_waker(&mut self, waker: Option<Waker>) {
        self.deeds.extend(waker.map(Deed::DropWaker));
    }

    /// What nobody will hear.
    pub(crate) fn drop_buffer(&mut self, buffer: FinishedBuffer) {
        self.deeds.push(Deed::DropBuffer(buffer));
    }

    /// An endpoint that is counted in `State::closing` until it is closed.
    pub(crate) fn close(&mut self, endpoint: Arc<Endpoint>) {
        self.deeds.push(Deed::Close(endpoint));
    }

    /// A worker that was counted already.
    pub(crate) fn start_worker(&mut self) {
        self.deeds.push(Deed::StartWorker);
    }

    /// Empties it; what it allocated is used again. A panic in a caller's waker or destructor stays with it, the driver
    /// goes on (rule 7).
    pub(crate) fn run(&mut self, shared: &Arc<Shared>) {
        if self.deeds.is_empty() {
            return;
        }
        for deed in self.deeds.drain(..) {
            match deed {
                Deed::Close(endpoint) => {
                    contain(|| drop(endpoint));
                    // Counted until now, so that an idle driver has closed everything.
                    shared.lock().closing -= 1;
                }
                Deed::DropBuffer(buffer) => contain(|| drop(buffer)),
                Deed::DropWaker(waker) => contain(|| drop(waker)),
                Deed::StartWorker => files::start(shared),
                Deed::Wake(waker) => contain(|| waker.wake()),
            }
        }
    }
}

/// Does what runs a caller's code.
pub(crate) fn contain(act: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(act)).is_err() {
        tracing::error!("a waker or a buffer's destructor panicked in the Tokio driver; the driver goes on");
    }
}
