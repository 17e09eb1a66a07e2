//! What is done when the lock is free again: rule 8 of the drivers.

use std::fmt;
use std::mem::ManuallyDrop;
use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Waker;

use bivalve_core::{Finished, Resource};

use crate::system::Port;

/// Collected under the lock, run without it. One of each costs no allocation.
#[derive(Debug, Default)]
pub(crate) struct After {
    wakers: Few<Waker>,
    garbage: Few<Garbage>,
    /// So many threads are to end.
    exits: usize,
    /// The thread has made enough calls: the next one is made by whoever takes a packet.
    pub(crate) tired: bool,
}

/// What is closed or freed outside the lock: a caller's destructor may call the driver again, and closing may take time.
pub(crate) enum Garbage {
    Finished { _finished: Finished },
    Resource { _resource: Arc<Resource> },
    Stream { _stream: TcpStream },
    Waker { _waker: Waker },
}

impl After {
    pub(crate) fn tired_if(tired: bool) -> Self {
        Self { tired, ..Self::default() }
    }

    pub(crate) fn wake(&mut self, waker: Option<Waker>) {
        waker.into_iter().for_each(|waker| self.wakers.push(waker));
    }

    pub(crate) fn discard(&mut self, garbage: Garbage) {
        self.garbage.push(garbage);
    }

    pub(crate) fn discard_stream(&mut self, stream: Option<TcpStream>) {
        stream.into_iter().for_each(|stream| self.discard(Garbage::Stream { _stream: stream }));
    }

    pub(crate) fn end_threads(&mut self, threads: usize) {
        self.exits += threads;
    }

    /// Does it. The caller holds no lock.
    pub(crate) fn run(self, port: &Port) {
        self.wakers.for_each(|waker| contain(|| waker.wake()));
        self.garbage.for_each(|garbage| contain(|| drop(garbage)));
        for _ in 0..self.exits {
            if let Err(error) = port.post_exit() {
                tracing::error!(%error, "a thread of the completion port could not be ended");
            }
        }
    }
}

/// A panic in a waker or destructor of the caller's must not end a thread of the port.
fn contain(action: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(action)) {
        tracing::error!("a waker or destructor panicked on a thread of the driver");
        // The payload is the caller's as well. One that panics again, when it is dropped, is left alone.
        if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            let _ = ManuallyDrop::new(again);
        }
    }
}

impl fmt::Debug for Garbage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Garbage")
    }
}

/// Mostly none or one.
#[derive(Debug)]
struct Few<T> {
    first: Option<T>,
    more: Vec<T>,
}

impl<T> Few<T> {
    fn push(&mut self, value: T) {
        if self.first.is_none() {
            self.first = Some(value);
        } else {
            self.more.push(value);
        }
    }

    fn for_each(self, action: impl FnMut(T)) {
        self.first.into_iter().chain(self.more).for_each(action);
    }
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self { first: None, more: Vec::new() }
    }
}
