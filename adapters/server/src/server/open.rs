//! The connections that a thread serves: a task for each, and no more beside it than it takes to end it.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context as Task, Poll};

use pin_project_lite::pin_project;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// The connections that a thread serves. They end with this.
#[derive(Default)]
pub(super) struct OpenConnections {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    table: Mutex<Table>,
    /// The last one has ended.
    none_left: Notify,
}

/// Smaller than a `JoinSet`, which has an allocation of its own for each task: there are many, and they do little.
#[derive(Default)]
struct Table {
    places: Vec<Place>,
    /// The place that was left last; its successor is in the place.
    free: Option<u32>,
    open: usize,
}

enum Place {
    Free {
        next: Option<u32>,
    },
    /// The task is being made.
    Taken,
    Running(AbortHandle),
}

impl OpenConnections {
    /// Serves one, in a task of its own. `held` is dropped when that has ended.
    pub(super) fn begin(&self, served: impl Future<Output = ()> + Send + 'static, held: impl Send + 'static) {
        let index = self.shared.lock().take();
        let open = Open { index, shared: Arc::clone(&self.shared) };
        let task = tokio::spawn(Served { served, held, open }).abort_handle();
        // It may have ended: then its place is free, or another's.
        let mut table = self.shared.lock();
        if let Some(place @ Place::Taken) = table.places.get_mut(index as usize) {
            *place = Place::Running(task);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.shared.lock().open
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until the last one has ended.
    pub(super) async fn all_ended(&self) {
        while !self.is_empty() {
            self.shared.none_left.notified().await;
        }
    }

    /// Ends those that are left.
    pub(super) async fn shut_down(&self) {
        self.abort();
        self.all_ended().await;
    }

    fn abort(&self) {
        let running = |place: &Place| match place {
            Place::Running(task) => Some(task.clone()),
            Place::Free { .. } | Place::Taken => None,
        };
        let tasks: Vec<AbortHandle> = self.shared.lock().places.iter().filter_map(running).collect();
        tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Drop for OpenConnections {
    fn drop(&mut self) {
        self.abort();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn take(&mut self) -> u32 {
        self.open += 1;
        if let Some(index) = self.free
            && let Some(place) = self.places.get_mut(index as usize)
        {
            if let Place::Free { next } = *place {
                self.free = next;
            }
            *place = Place::Taken;
            return index;
        }
        self.places.push(Place::Taken);
        // As many as there are descriptors at most.
        u32::try_from(self.places.len() - 1).unwrap_or(u32::MAX)
    }

    fn leave(&mut self, index: u32) -> Option<Place> {
        self.open -= 1;
        let place = self.places.get_mut(index as usize)?;
        Some(std::mem::replace(place, Place::Free { next: self.free.replace(index) }))
    }
}

/// One that is open, until this is dropped.
struct Open {
    index: u32,
    shared: Arc<Shared>,
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut table = self.shared.lock();
        let left = table.leave(self.index);
        let none_left = table.open == 0;
        drop(table);
        drop(left);
        if none_left {
            self.shared.none_left.notify_one();
        }
    }
}

pin_project! {
    /// What a task does. In this order: whoever waits for the end of the connections finds their places given back.
    struct Served<F, H> {
        #[pin]
        served: F,
        held: H,
        open: Open,
    }
}

impl<F: Future<Output = ()>, H> Future for Served<F, H> {
    type Output = ();

    /// A connection whose task has panicked is closed; the others are not concerned.
    fn poll(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<()> {
        // It is not polled again, but dropped.
        let polled = catch_unwind(AssertUnwindSafe(|| self.project().served.poll(task)));
        polled.unwrap_or_else(|panic| {
            let message = message(&*panic);
            tracing::error!(target: "bivalve::server", message, "a connection was closed by a fault of the server");
            Poll::Ready(())
        })
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a message")
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    struct Counted(Arc<AtomicUsize>);

    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn counted(held: &Arc<AtomicUsize>) -> Counted {
        held.fetch_add(1, Ordering::Relaxed);
        Counted(Arc::clone(held))
    }

    #[tokio::test]
    async fn a_connection_that_ends_gives_its_place_to_the_next() {
        let (open, held) = (OpenConnections::default(), Arc::default());
        for _ in 0..3 {
            open.begin(pending(), counted(&held));
            open.begin(std::future::ready(()), counted(&held));
            tokio::task::yield_now().await;
        }
        assert_eq!((open.len(), held.load(Ordering::Relaxed)), (3, 3));
        assert_eq!(open.shared.lock().places.len(), 4);
        open.shut_down().await;
        assert_eq!((open.len(), held.load(Ordering::Relaxed)), (0, 0));
    }

    #[tokio::test]
    async fn a_connection_that_panics_ends_alone() {
        let (open, held) = (OpenConnections::default(), Arc::default());
        open.begin(async { panic!("a fault, for a test") }, counted(&held));
        open.begin(tokio::task::yield_now(), counted(&held));
        open.all_ended().await;
        assert_eq!((open.len(), held.load(Ordering::Relaxed)), (0, 0));
    }

    #[tokio::test]
    async fn connections_end_with_their_thread() {
        let (open, held) = (OpenConnections::default(), Arc::default());
        open.begin(pending(), counted(&held));
        drop(open);
        tokio::task::yield_now().await;
        assert_eq!(held.load(Ordering::Relaxed), 0);
    }
}
