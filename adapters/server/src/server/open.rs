//! The connections that a thread serves: a task for each on which requests come, nothing but a place for each that is idle, and
//! no more beside it than it takes to end it.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context as Task, Poll};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::connection::{Asleep, Stay};
use crate::limits::IDLE_LOOK;

/// The connections that a thread serves. They end with this.
pub(crate) struct OpenConnections {
    shared: Arc<Shared>,
}

struct Shared {
    table: Mutex<Table>,
    /// The last one has ended.
    none_left: Notify,
    /// Where tasks run.
    runtime: Handle,
    /// Deadlines of idle ones are looked at so often, and are counted in this from the beginning on.
    look: Duration,
    begin: Instant,
}

/// Smaller than a `JoinSet`, which has an allocation of its own for each task: there are many, and they do little.
#[derive(Default)]
struct Table {
    places: Vec<Place>,
    /// The place that was left last; its successor is in the place.
    free: Option<u32>,
    open: usize,
    idle: usize,
    /// Somebody looks at the deadlines.
    is_watched: bool,
    /// All have been told to end: a task that a thread of the driver is just making ends as well.
    ends: bool,
}

enum Place {
    Free {
        next: Option<u32>,
    },
    /// The task is being made.
    Taken,
    Running(AbortHandle),
    /// No task; to be woken at this look.
    Idle {
        asleep: Arc<dyn Asleep>,
        due: u32,
    },
}

impl OpenConnections {
    /// None yet. `idle_timeout`: how long one may be idle, as each says for itself.
    pub(crate) fn new(idle_timeout: Duration) -> Self {
        let look = (idle_timeout / 8).clamp(SHORTEST_LOOK, IDLE_LOOK);
        let (table, none_left) = (Mutex::default(), Notify::new());
        let shared = Shared { table, none_left, runtime: Handle::current(), look, begin: Instant::now() };
        Self { shared: Arc::new(shared) }
    }

    /// A place for one, kept until what is returned is dropped. `held` is dropped before that.
    pub(crate) fn enter<H: Send + 'static>(&self, held: H) -> Entered<H> {
        let index = self.shared.lock().take();
        Entered { held, open: Open { index, shared: Arc::clone(&self.shared) } }
    }

    pub(crate) fn len(&self) -> usize {
        self.shared.lock().open
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until the last one has ended.
    pub(crate) async fn all_ended(&self) {
        while !self.is_empty() {
            self.shared.none_left.notified().await;
        }
    }

    /// Wakes those that are idle: there is something that they have to see.
    pub(crate) async fn wake_idle(&self) {
        self.shared.wake(|_| true).await;
    }

    /// Ends those that are left.
    pub(crate) async fn shut_down(&self) {
        self.abort();
        self.all_ended().await;
    }

    fn abort(&self) {
        let (mut running, mut idle) = (Vec::new(), Vec::new());
        let mut table = self.shared.lock();
        table.ends = true;
        for place in &table.places {
            match place {
                Place::Running(task) => running.push(task.clone()),
                Place::Idle { asleep, .. } => idle.push(Arc::clone(asleep)),
                Place::Free { .. } | Place::Taken => {}
            }
        }
        drop(table);
        running.iter().for_each(AbortHandle::abort);
        for asleep in idle {
            // Modules keep what they like with a connection: a destructor that panics is no reason to keep the others.
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| asleep.end())) {
                faulty(&*panic);
            }
        }
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

    /// Runs a task for the connection at this place.
    fn run(&self, index: u32, served: impl Future<Output = ()> + Send + 'static) {
        // What was there is dropped without the lock.
        let before = self.lock().put(index, Place::Taken);
        let task = self.runtime.spawn(Served { served }).abort_handle();
        let mut table = self.lock();
        let late = table.ends.then(|| task.clone());
        // It may have ended: then its place is free, or another's.
        if let Some(place @ Place::Taken) = table.places.get_mut(index as usize) {
            *place = Place::Running(task);
        }
        drop(table);
        drop(before);
        late.iter().for_each(AbortHandle::abort);
    }

    /// The connection at this place has no task until it is woken.
    fn rest(self: &Arc<Self>, index: u32, asleep: Arc<dyn Asleep>, deadline: Instant) {
        let due = self.looks_until(deadline).wrapping_add(1);
        let mut table = self.lock();
        let before = table.put(index, Place::Idle { asleep, due });
        let is_watched = std::mem::replace(&mut table.is_watched, true);
        drop(table);
        drop(before);
        if !is_watched {
            self.runtime.spawn(watch(Arc::downgrade(self), self.look));
        }
    }

    /// From the beginning on; starts again at 0 some day.
    #[allow(clippy::cast_possible_truncation, reason = "the difference of two is what counts")]
    fn looks_until(&self, instant: Instant) -> u32 {
        (instant.saturating_duration_since(self.begin).as_nanos() / self.look.as_nanos().max(1)) as u32
    }

    /// Wakes those whose time has come. `false`: none is idle any more, and nobody looks until one is.
    async fn look(&self) -> bool {
        let now = self.looks_until(Instant::now());
        self.wake(|due| now.wrapping_sub(due) <= u32::MAX / 2).await;
        let mut table = self.lock();
        table.is_watched = table.idle > 0;
        table.is_watched
    }

    /// Wakes idle ones, a few at a time: each takes memory until it is idle again, or has ended.
    async fn wake(&self, is_due: impl Fn(u32) -> bool) {
        let mut next = 0;
        loop {
            let mut woken = Vec::new();
            {
                let table = self.lock();
                for place in table.places.iter().skip(next) {
                    next += 1;
                    if let Place::Idle { asleep, due } = place
                        && is_due(*due)
                    {
                        woken.push(Arc::clone(asleep));
                    }
                    if woken.len() == WOKEN_AT_ONCE {
                        break;
                    }
                }
            }
            if woken.is_empty() {
                return;
            }
            woken.into_iter().for_each(Asleep::wake);
            tokio::task::yield_now().await;
        }
    }
}

/// Looks at the deadlines of those that are idle, for as long as any is.
async fn watch(shared: Weak<Shared>, look: Duration) {
    loop {
        tokio::time::sleep(look).await;
        match shared.upgrade() {
            Some(shared) if shared.look().await => {}
            _ => return,
        }
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
        let before = self.put(index, Place::Free { next: self.free })?;
        self.free = Some(index);
        Some(before)
    }

    /// What was there.
    fn put(&mut self, index: u32, place: Place) -> Option<Place> {
        let idle = |place: &Place| usize::from(matches!(place, Place::Idle { .. }));
        self.idle += idle(&place);
        let before = std::mem::replace(self.places.get_mut(index as usize)?, place);
        self.idle -= idle(&before);
        Some(before)
    }
}

/// The place of a connection.
pub(crate) struct Entered<H> {
    // In this order: whoever waits for the end of the connections finds what they held given back.
    pub(crate) held: H,
    open: Open,
}

impl<H: Send + 'static> Entered<H> {
    /// Serves it, in a task of its own.
    pub(crate) fn begin<F>(self, serve: impl FnOnce(Self) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (index, shared) = (self.open.index, Arc::clone(&self.open.shared));
        shared.run(index, serve(self));
    }
}

impl<H: Send + 'static> Stay for Entered<H> {
    fn run<F>(self, serve: impl FnOnce(Self) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.begin(serve);
    }

    fn rest(&self, asleep: Arc<dyn Asleep>, deadline: Instant) {
        self.open.shared.rest(self.open.index, asleep, deadline);
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
    /// What a task does.
    struct Served<F> {
        #[pin]
        served: F,
    }
}

impl<F: Future<Output = ()>> Future for Served<F> {
    type Output = ();

    /// A connection whose task has panicked is closed; the others are not concerned.
    fn poll(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<()> {
        // It is not polled again, but dropped.
        let polled = catch_unwind(AssertUnwindSafe(|| self.project().served.poll(task)));
        polled.unwrap_or_else(|panic| {
            faulty(&*panic);
            Poll::Ready(())
        })
    }
}

fn faulty(panic: &(dyn Any + Send)) {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    let message = text.unwrap_or("a panic without a message");
    tracing::error!(target: "bivalve::server", message, "a connection was closed by a fault of the server");
}

/// Connections that are woken before the others get a turn.
const WOKEN_AT_ONCE: usize = 64;

/// Between two looks, however short the timeout is.
const SHORTEST_LOOK: Duration = Duration::from_millis(10);

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

    async fn holding<H>(_place: Entered<H>, served: impl Future<Output = ()>) {
        served.await;
    }

    #[tokio::test]
    async fn a_connection_that_ends_gives_its_place_to_the_next() {
        let (open, held) = (OpenConnections::new(Duration::from_secs(120)), Arc::default());
        for _ in 0..3 {
            open.enter(counted(&held)).begin(|place| holding(place, pending()));
            open.enter(counted(&held)).begin(|place| holding(place, std::future::ready(())));
            tokio::task::yield_now().await;
        }
        assert_eq!((open.len(), held.load(Ordering::Relaxed)), (3, 3));
        assert_eq!(open.shared.lock().places.len(), 4);
        open.shut_down().await;
        assert_eq!((open.len(), held.load(Ordering::Relaxed)), (0, 0));
    }

    #[tokio::test]
    async fn a_connection_that_panics_ends_alone() {
        let (open, held) = (OpenConnections::new(Duration::from_secs(120)), Arc::default());
        open.enter(counted(&held)).begin(|place| holding(place, async { panic!("a fault, for a test") }));
        open.enter(counted(&held)).begin(|place| holding(place, tokio::task::yield_now()));
        open.all_ended().await;
        assert_eq!((open.len(), held.load(Ordering::Relaxed)), (0, 0));
    }

    #[tokio::test]
    async fn a_task_that_is_made_while_all_are_ended_ends_as_well() {
        let (open, held) = (OpenConnections::new(Duration::from_secs(120)), Arc::default());
        // As by a thread of the driver, which wakes one that slept.
        let woken = open.enter(counted(&held));
        open.abort();
        woken.begin(|place| holding(place, pending()));
        open.all_ended().await;
        assert_eq!(held.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn connections_end_with_their_thread() {
        let (open, held) = (OpenConnections::new(Duration::from_secs(120)), Arc::default());
        open.enter(counted(&held)).begin(|place| holding(place, pending()));
        drop(open);
        tokio::task::yield_now().await;
        assert_eq!(held.load(Ordering::Relaxed), 0);
    }
}
