//! A lock that is held for moments: one atomic exchange takes it, a plain store gives it back.
//!
//! The lock of the standard library needs a second exchange, to learn whether somebody sleeps; each is some five
//! nanoseconds, and a request takes five locks here. Under these locks nobody waits or runs a caller's code (rule 8 of
//! [`driver`](bivalve_core::driver)); the one system call there is that of a close, which looks at an option of its socket.
//! And nearly always only the ring's thread takes them. So whoever finds one taken looks again soon, then gives way, and
//! sleeps for a moment if its holder has lost its core: that ends also where it has a higher priority than the holder.

use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::Ordering;

use crate::sync::{AtomicBool, give_back, give_way};

/// A value behind a lock. A holder that panics gives it back.
pub(crate) struct Lock<T> {
    taken: AtomicBool,
    inside: UnsafeCell<T>,
}

/// The value, until this is dropped. It stays on its thread.
pub(crate) struct Guard<'a, T> {
    lock: &'a Lock<T>,
    own: PhantomData<*mut T>,
}

// SAFETY: the value is reached through a guard alone, of which there is one at a time; what its holder did happens before
// the next one has it (`Release` in the guard's destructor, `Acquire` in `lock`). So threads hand the value to each other,
// for which `T: Send` is enough.
unsafe impl<T: Send> Sync for Lock<T> {}

impl<T> Lock<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { taken: AtomicBool::new(false), inside: UnsafeCell::new(value) }
    }

    /// Takes the lock, when it is free. Never taken twice by one thread: that would wait for ever.
    #[inline]
    pub(crate) fn lock(&self) -> Guard<'_, T> {
        match self.try_lock() {
            Some(guard) => guard,
            None => self.wait(),
        }
    }

    /// Takes the lock, if it is free.
    #[inline]
    fn try_lock(&self) -> Option<Guard<'_, T>> {
        if self.taken.swap(true, Ordering::Acquire) {
            return None;
        }
        // Made here and not before: its destructor gives the lock back.
        Some(Guard { lock: self, own: PhantomData })
    }

    #[cold]
    fn wait(&self) -> Guard<'_, T> {
        let mut looks = 0_u32;
        loop {
            give_way(looks);
            if let Some(guard) = self.try_lock() {
                return guard;
            }
            looks = looks.saturating_add(1);
        }
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: this guard is the only one, and nobody else reaches the value; the borrow ends with that of the guard.
        unsafe { &*self.lock.inside.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and the guard is borrowed mutably.
        unsafe { &mut *self.lock.inside.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        give_back(&self.lock.taken);
    }
}

#[cfg(all(test, not(bivalve_loom)))]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn many_threads_take_turns_and_none_is_lost() {
        let lock = Lock::new(0_u64);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..20_000).for_each(|_| *lock.lock() += 1));
            }
        });
        assert_eq!(*lock.lock(), 80_000);
    }

    #[test]
    fn who_panics_gives_it_back() {
        let lock = Lock::new(1);
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _guard = lock.lock();
            std::panic::resume_unwind(Box::new(()));
        }));
        assert!(panicked.is_err());
        assert_eq!(*lock.lock(), 1);
    }
}

#[cfg(all(test, bivalve_loom))]
mod models {
    use std::sync::Arc;

    use loom::cell::UnsafeCell as Watched;
    use loom::thread::spawn;

    use super::*;

    /// loom reports whoever is inside at the same time as another, or does not see what the last one did. It would follow
    /// those who wait for ever, so here everybody who finds the lock taken goes away.
    #[test]
    fn one_at_a_time_and_each_sees_what_the_last_one_did() {
        loom::model(|| {
            let lock = Arc::new(Lock::new(Watched::new(0)));
            let add = |lock: &Lock<Watched<u32>>| {
                let Some(guard) = lock.try_lock() else { return 0 };
                // SAFETY: the pointer is loom's, valid as long as the closure runs, and the lock is held.
                guard.with_mut(|value| unsafe { *value += 1 });
                1
            };
            let other = Arc::clone(&lock);
            let thread = spawn(move || add(&other) + add(&other));
            let ours = add(&lock) + add(&lock);
            let all = ours + thread.join().expect("no model panics");
            let guard = lock.try_lock().expect("nobody has it");
            // SAFETY: as above.
            assert_eq!((guard.with(|value| unsafe { *value }), all >= 1), (all, true));
        });
    }
}
