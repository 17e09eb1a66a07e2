//! The turn: the task that drives a ring.

use std::future::Future;
use std::io;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll, ready};
use std::time::{Duration, Instant};

use bivalve_core::driver::LeasePool;

use crate::buffers::Buffers;
use crate::page_cache::PageCache;
use crate::ring::Ring;
use crate::send;
use crate::shared::Shared;
use crate::state::{Arrived, Effects, Start, State};

/// The task that drives a ring; ends when the driver has been shut down and everything in flight has ended.
///
/// The ring belongs to the thread that polls it first.
pub(crate) struct Turn {
    shared: Arc<Shared>,
    ring: Ring,
    /// Freed by hand: not at all if the kernel may still write there.
    buffers: ManuallyDrop<Buffers>,
    page_cache: PageCache,
    /// For receives that find the shared buffers taken.
    heap: Arc<LeasePool>,
    phase: Phase,
    fx: Effects,
    /// A submission that found the queue full.
    waiting: Option<Start>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Not polled yet: no thread has the ring.
    New,
    Running,
    Ended,
}

/// Passes of one turn before other tasks get theirs.
const PASSES: usize = 8;

/// Completions that are looked at under one lock.
const BATCH: usize = 128;

/// Calls of `sendfile` in one turn.
const FILES: usize = 16;

/// How long the destructor waits for the kernel to give operations back.
const PATIENCE: Duration = Duration::from_secs(5);

impl Turn {
    pub(crate) fn new(shared: Arc<Shared>, ring: Ring, buffers: Buffers, heap: Arc<LeasePool>) -> Self {
        let buffers = ManuallyDrop::new(buffers);
        let page_cache = PageCache::new();
        Self {
            shared,
            ring,
            buffers,
            page_cache,
            heap,
            phase: Phase::New,
            fx: Effects::default(),
            waiting: None,
        }
    }

    fn run(&mut self, task: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        if self.phase == Phase::New {
            self.ring.enable()?;
            self.phase = Phase::Running;
        }
        self.shared.begin_turn(task, &mut self.fx);
        self.ring.set_event(false);
        for _ in 0..PASSES {
            self.buffers.recycle();
            let files = self.submit()?;
            if self.ring.needs_enter() {
                self.ring.enter()?;
            }
            self.drain();
            // Files were system calls of some length. Who is woken now has its turn before the ring is looked at again: it
            // mostly brings work, and until then no event is needed.
            let give_way = files == FILES || !self.fx.wakers.is_empty();
            let (drained, has_work) = {
                let mut state = self.shared.lock();
                if give_way {
                    state.will_turn();
                }
                (state.is_drained(), state.has_work() || self.waiting.is_some())
            };
            self.fx.apply();
            if drained {
                return Poll::Ready(Ok(()));
            }
            if give_way {
                break;
            }
            if !has_work {
                ready!(self.ring.poll_quiet(task))?;
            }
        }
        task.waker().wake_by_ref();
        Poll::Pending
    }

    /// Moves what is queued into the submission queue. How many pieces of files went out by themselves.
    fn submit(&mut self) -> io::Result<usize> {
        let (mut files, mut is_last) = (0, false);
        loop {
            let next = match self.waiting.take() {
                None if is_last => None,
                None if files == FILES => {
                    // It comes behind all files only where they are few: there may be so many in every turn.
                    is_last = true;
                    self.shared.lock().next_ready(&mut self.fx)
                }
                None => fill(&mut self.shared.lock(), &mut self.ring, &mut self.fx),
                waiting => waiting,
            };
            let Some(start) = next else { return Ok(files) };
            match start {
                Start::Nothing => {}
                Start::Submit(entry) => {
                    // SAFETY: the submission was built from an operation in the table, which keeps its memory in place, and out of
                    // everybody's reach, until its last completion; `Drop` below waits for those, or leaks.
                    if !unsafe { self.ring.push(&entry) } {
                        self.waiting = Some(Start::Submit(entry));
                        self.ring.enter()?;
                        // A full completion queue makes the kernel take nothing more.
                        self.drain();
                    }
                }
                Start::SendFile { key, socket, file, offset, len } => {
                    let sent = send::send_file(&socket, &file, offset, len, &mut self.page_cache);
                    let next = self.shared.lock().sent_file(key, sent, &mut self.fx);
                    self.waiting = Some(next);
                    files += 1;
                }
            }
        }
    }

    /// Looks at the completions that are there.
    fn drain(&mut self) {
        let Self { shared, ring, buffers, heap, fx, .. } = self;
        let mut completions = ring.completions();
        while !completions.is_empty() {
            let mut state = shared.lock();
            for entry in completions.by_ref().take(BATCH) {
                let arrived = Arrived {
                    user_data: entry.user_data(),
                    result: entry.result(),
                    flags: entry.flags(),
                    buffers,
                    heap,
                };
                state.complete(arrived, fx);
            }
            drop(state);
            completions.sync();
        }
    }

    /// Cancels what is in flight and waits for it. Whether the kernel is done with all memory.
    fn wind_up(&mut self) -> bool {
        self.shared.lock().shut_down(&mut self.fx);
        if self.phase != Phase::Running {
            // Nothing was ever submitted.
            return true;
        }
        let end = Instant::now() + PATIENCE;
        loop {
            // On another thread than the ring's, this is an error.
            if self.submit().is_err() {
                return false;
            }
            self.drain();
            self.fx.apply();
            if !self.shared.lock().is_in_kernel() {
                return true;
            }
            if Instant::now() > end || self.ring.enter_and_wait(Duration::from_millis(50)).is_err() {
                return false;
            }
            self.drain();
        }
    }
}

/// Submits as much as there is room for under one lock. What has to be done without it is returned.
fn fill(state: &mut State, ring: &mut Ring, fx: &mut Effects) -> Option<Start> {
    let mut is_last = false;
    loop {
        let next = match state.next(fx) {
            None if is_last => None,
            None => {
                is_last = true;
                state.next_ready(fx)
            }
            next => next,
        };
        match next? {
            Start::Nothing => {}
            Start::Submit(entry) => {
                // SAFETY: as in `Turn::submit`.
                if !unsafe { ring.push(&entry) } {
                    return Some(Start::Submit(entry));
                }
            }
            start @ Start::SendFile { .. } => return Some(start),
        }
    }
}

impl Future for Turn {
    type Output = ();

    fn poll(self: Pin<&mut Self>, task: &mut task::Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        match ready!(this.run(task)) {
            Ok(()) => tracing::debug!("the io_uring driver has ended"),
            Err(error) => tracing::error!(
                %error,
                "the io_uring driver has failed and cancels everything; a ring is driven by the thread that began it"
            ),
        }
        Poll::Ready(())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let safe = self.wind_up();
        self.shared.lock().abort(&mut self.fx);
        self.fx.apply();
        self.phase = Phase::Ended;
        if safe {
            // The descriptor of the ring may outlive this by a moment; its buffers must not be found any more.
            let _ = self.ring.unregister_buffers();
            // SAFETY: dropped once, here. No receive is in flight, so that the kernel fills no buffer, and it does not look
            // for one after the group is unregistered.
            unsafe { ManuallyDrop::drop(&mut self.buffers) };
        } else {
            tracing::warn!(
                "the io_uring driver ended while the kernel still had operations; their memory is leaked, which is safe"
            );
        }
    }
}
