//! Watches a connection of many streams: whether it is idle, and whether its client takes what it asked for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::super::pace::Pace;
use super::super::pool::{Serving, Underway};
use crate::limits::LINGER;

/// The requests of a connection.
pub(super) struct Watch {
    serving: Arc<Serving>,
    state: Mutex<State>,
}

struct State {
    /// How each client of a response takes it, and what hyper has of it and has perhaps not sent yet.
    sending: HashMap<u64, (Pace, u64)>,
    next: u64,
    /// When the last request ended.
    quiet: Instant,
}

/// One request, from its head to the end of its response.
pub(super) struct Guard {
    watch: Arc<Watch>,
    id: u64,
    _underway: Underway<Arc<Serving>>,
}

/// What is to be done with the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing, until then at the latest.
    Wait(Instant),
    /// The client wants nothing.
    Idle,
    /// The client keeps us waiting.
    Cut(&'static str),
}

impl Watch {
    pub(super) fn new(serving: Arc<Serving>) -> Self {
        let state = State { sending: HashMap::new(), next: 0, quiet: Instant::now() };
        Self { serving, state: Mutex::new(state) }
    }

    pub(super) fn serving(&self) -> &Arc<Serving> {
        &self.serving
    }

    /// A request begins.
    pub(super) fn begin(this: &Arc<Self>) -> Guard {
        let mut state = this.lock();
        let id = state.next;
        state.next += 1;
        state.sending.insert(id, (Pace::default(), 0));
        drop(state);
        Guard { watch: Arc::clone(this), id, _underway: Serving::begin_shared(&this.serving) }
    }

    /// `closing`: since when no request is taken any more. `quiet`: no stream is open.
    pub(super) fn look(&self, now: Instant, closing: Option<Instant>, quiet: bool) -> Verdict {
        let timeouts = &self.serving.timeouts;
        let mut state = self.lock();
        if !quiet {
            state.quiet = now;
        } else if state.sending.is_empty() {
            let quiet = closing.map_or(state.quiet, |closing| closing.max(state.quiet));
            let patience = if closing.is_some() { LINGER } else { timeouts.idle };
            return match quiet + patience {
                deadline if now < deadline => Verdict::Wait(deadline),
                _ if closing.is_some() => Verdict::Cut("it does not close"),
                _ => Verdict::Idle,
            };
        }
        let (grace, rate) = (timeouts.stall, timeouts.octets_per_second);
        let deadlines =
            state.sending.values().filter_map(|(pace, octets)| pace.deadline(grace, rate, *octets));
        let first = deadlines.min();
        match first {
            Some(deadline) if deadline <= now => Verdict::Cut("the client takes too little"),
            // Streams begin to wait while nobody looks.
            first => Verdict::Wait(first.unwrap_or(now + grace).min(now + grace.max(SHORTEST))),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guard {
    /// The client has room for more.
    pub(super) fn moved(&self) {
        let rate = self.watch.serving.timeouts.octets_per_second;
        if let Some((pace, under_way)) = self.watch.lock().sending.get_mut(&self.id) {
            pace.moved(std::mem::take(under_way), rate);
        }
    }

    /// It has to take so many.
    pub(super) fn wait(&self, octets: u64) {
        if let Some((pace, under_way)) = self.watch.lock().sending.get_mut(&self.id) {
            *under_way = octets;
            pace.wait();
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut state = self.watch.lock();
        state.sending.remove(&self.id);
        if state.sending.is_empty() {
            state.quiet = Instant::now();
        }
    }
}

/// Between two looks, whatever the timeouts are.
const SHORTEST: Duration = Duration::from_millis(10);
