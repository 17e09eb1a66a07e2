//! What the driver and its threads share: the port, the state behind its lock, and the loops.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use bivalve_core::driver::LeasePool;
use tokio::sync::Notify;
use windows_sys::Win32::System::IO::OVERLAPPED_ENTRY;

use crate::after::After;
use crate::packet::{BATCH, Packet};
use crate::state::{State, Work};
use crate::sync::{Mutex, MutexGuard};
use crate::system::Port;

/// Calls that a thread makes in a row for one operation and those behind it. Then the others have their turn.
const TURN: usize = if cfg!(bivalve_loom) { 2 } else { 32 };

/// Owned by the driver and by each of its threads. The threads end when the driver was shut down and the kernel has no
/// call any more; then this goes, and the records with it.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) port: Port,
    pub(crate) pool: Arc<LeasePool>,
    /// Rings for the timers' thread: an earlier deadline, or the end.
    pub(crate) bell: Notify,
    /// Threads that have not ended.
    pub(crate) threads: AtomicUsize,
    state: Mutex<State>,
}

impl Shared {
    pub(crate) fn new(port: Port, pool: Arc<LeasePool>, state: State) -> Self {
        Self { port, pool, bell: Notify::new(), threads: AtomicUsize::new(0), state: Mutex::new(state) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state under the lock; wakes, closes and calls the system without it.
    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut State, &mut After) -> (T, Work)) -> T {
        let mut after = After::default();
        let (result, mut work) = change(&mut self.lock(), &mut after);
        after.run(&self.port);
        let mut calls = 0_usize;
        while let Some((key, call)) = work {
            let Some(issued) = call.issue(&self.port) else { break };
            calls += 1;
            let mut after = After::tired_if(calls.is_multiple_of(TURN));
            work = self.lock().issued(key, issued, &mut after);
            after.run(&self.port);
        }
        result
    }

    /// Takes packets until it is told to end.
    pub(crate) fn serve(&self) {
        let mut batch = [OVERLAPPED_ENTRY::default(); BATCH];
        loop {
            let taken = match self.port.wait(&mut batch) {
                Ok(taken) => taken,
                Err(error) => {
                    // The port is open as long as we are, so that this is memory that the system lacks for the moment.
                    tracing::error!(%error, "the completion port could not be read");
                    std::thread::yield_now();
                    continue;
                }
            };
            let mut exits = 0_usize;
            for entry in &batch[..taken] {
                // SAFETY: only this driver starts overlapped calls on what is associated with its port, each with a record
                // of the arena in `self.state`, which lives as long as `self`.
                match unsafe { Packet::from_entry(entry) } {
                    Some(Packet::Landed(record)) => {
                        self.with(|state, after| ((), state.packet(record, after)));
                    }
                    Some(Packet::Exit) => exits += 1,
                    None => {}
                }
            }
            if exits > 0 {
                // One of them is for this thread, the others are passed on.
                (1..exits).for_each(|_| drop(self.port.post_exit()));
                return;
            }
        }
    }

    /// Ends the timers that are due. The next deadline, or `None` after the shutdown.
    #[allow(clippy::option_option, reason = "a deadline, none, or the end")]
    pub(crate) fn fire_timers(&self) -> Option<Option<Instant>> {
        let now = Instant::now();
        self.with(|state, after| {
            while let Some(key) = state.timers.due(now) {
                state.ring(key, after);
            }
            ((!state.closed).then(|| state.timers.next()), None)
        })
    }
}

/// Counts a thread as long as it runs.
pub(crate) struct Running(Arc<Shared>);

impl Running {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        shared.threads.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(shared))
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.threads.fetch_sub(1, Ordering::Release);
    }
}
