//! Who may touch the request's context: the pipeline lends it to the module's calls.
//!
//! Module code reaches the context through raw pointers, from any thread. So at any time there is one holder, and this is
//! the place that knows who.
//!
//! # Rules
//!
//! 1. A notification *lends*: it pushes its pointer, and forms no reference to the context until it has *reclaimed* it.
//!    A nested notification pushes a pointer that was derived from the one below.
//! 2. Only the topmost pointer is used, and by one user at a time: *busy*.
//! 3. A user is a method that the module called ([`Loan::with`], which waits on its thread), or the future that
//!    performs an operation ([`Loan::take`], which waits without blocking). A reference lives only while its user does.
//! 4. While the user of one pointer runs modules (it flushes, reads, maps a path), they push theirs on top; the one below
//!    stays busy, so nobody reaches it before they are gone.
//! 5. With nothing lent, there is no context to touch: [`Loan::with`] says `None`.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use bivalve_core::Context;

#[derive(Default)]
pub(crate) struct Loan {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    lent: Vec<Lent>,
    wakers: Vec<Waker>,
}

struct Lent {
    cx: *mut Context,
    busy: bool,
}

// SAFETY: a context may be used from any thread (it is `Send`), and is by one at a time: rule 2.
unsafe impl Send for Lent {}

impl Loan {
    /// Rule 1: pushes.
    ///
    /// # Safety
    ///
    /// The context lives, and nobody forms a reference to it by another way, until [`reclaim`](Self::reclaim).
    pub(crate) unsafe fn lend(&self, cx: *mut Context) {
        let mut state = self.lock();
        state.lent.push(Lent { cx, busy: false });
        self.change(state);
    }

    /// Rule 1: pops, when whoever uses it has ended.
    pub(crate) fn reclaim(&self) {
        let mut state = self.lock();
        while state.lent.last().is_some_and(|lent| lent.busy) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.lent.pop();
        self.change(state);
    }

    /// Uses the context in a method that the module called. `None`: rule 5.
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut Context) -> R) -> Option<R> {
        let mut state = self.lock();
        loop {
            match state.lent.last_mut() {
                None => return None,
                Some(lent) if lent.busy => {
                    state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                Some(lent) => {
                    lent.busy = true;
                    break;
                }
            }
        }
        drop(state);
        let mut taken = Taken { depth: self.depth(), loan: self };
        Some(f(&mut taken))
    }

    /// Uses the context in a future. The one that lent it asks, so it is there.
    pub(crate) async fn take(&self) -> Taken<'_> {
        std::future::poll_fn(|task| {
            let mut state = self.lock();
            match state.lent.last_mut() {
                Some(lent) if !lent.busy => {
                    lent.busy = true;
                    Poll::Ready(())
                }
                _ => {
                    state.wakers.push(task.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await;
        Taken { depth: self.depth(), loan: self }
    }

    /// How many are lent.
    fn depth(&self) -> usize {
        self.lock().lent.len()
    }

    fn change(&self, mut state: MutexGuard<'_, State>) {
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        self.changed.notify_all();
        wakers.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The use of a context: rule 3.
pub(crate) struct Taken<'a> {
    loan: &'a Loan,
    /// Which one it is, counted from 1: more may be lent on top of it.
    depth: usize,
}

impl Taken<'_> {
    fn pointer(&self) -> *mut Context {
        self.loan.lock().lent[self.depth - 1].cx
    }
}

impl Deref for Taken<'_> {
    type Target = Context;

    fn deref(&self) -> &Context {
        // SAFETY: who lent it keeps it alive until it is reclaimed, which waits for this use to end; it is busy, so
        // nobody else has a reference.
        unsafe { &*self.pointer() }
    }
}

impl DerefMut for Taken<'_> {
    fn deref_mut(&mut self) -> &mut Context {
        // SAFETY: as above.
        unsafe { &mut *self.pointer() }
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let mut state = self.loan.lock();
        state.lent[self.depth - 1].busy = false;
        self.loan.change(state);
    }
}

impl fmt::Debug for Loan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Loan({} lent)", self.lock().lent.len())
    }
}
