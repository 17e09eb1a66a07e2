//! The primitives that threads meet at: our own and those of `std`, or loom's when the crate is modelled
//! (`--cfg bivalve_loom`). The models take loom's lock in the place of ours, which has a model of its own.

#[cfg(bivalve_loom)]
pub(crate) use self::modelled::{AtomicBool, Guard, Lock, give_back, give_way};
#[cfg(not(bivalve_loom))]
pub(crate) use self::real::{AtomicBool, Guard, Lock, give_back, give_way};

#[cfg(not(bivalve_loom))]
mod real {
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    pub(crate) use std::sync::atomic::AtomicBool;

    pub(crate) use crate::lock::{Guard, Lock};

    /// From here on it is not taken.
    #[inline]
    pub(crate) fn give_back(taken: &AtomicBool) {
        taken.store(false, Ordering::Release);
    }

    /// Lets whoever is waited for go on.
    pub(crate) fn give_way(looks: u32) {
        match looks {
            0..64 => std::hint::spin_loop(),
            64..128 => std::thread::yield_now(),
            // It has lost its core, perhaps to the one that waits.
            _ => std::thread::sleep(Duration::from_micros(50)),
        }
    }
}

#[cfg(bivalve_loom)]
mod modelled {
    use std::sync::PoisonError;
    use std::sync::atomic::Ordering;

    pub(crate) use loom::sync::MutexGuard as Guard;
    pub(crate) use loom::sync::atomic::AtomicBool;

    /// An exchange in the place of a store: loom 0.7 lets the exchange of another thread read what a store has replaced
    /// already, and leave the lock taken for ever. In the order of all changes of one value there is no place for that.
    pub(crate) fn give_back(taken: &AtomicBool) {
        taken.swap(false, Ordering::Release);
    }

    pub(crate) fn give_way(_looks: u32) {
        loom::thread::yield_now();
    }

    pub(crate) struct Lock<T>(loom::sync::Mutex<T>);

    impl<T> Lock<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> Guard<'_, T> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }
}
