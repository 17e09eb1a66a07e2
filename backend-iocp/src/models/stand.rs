//! What a model stands on: a task, and a driver with its threads and its kernel.

use std::future::{Future, poll_fn};
use std::net::TcpStream;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use bivalve_core::{CompletionStatus, Driver, DriverExt, Finished, OperationKey, OwnedHandle};
use loom::sync::{Condvar, Mutex};
use loom::thread::{JoinHandle, spawn};
use socket2::{Domain, Socket, Type};

use crate::shared::Running;
use crate::system::{Kernel, Manner, Port, Supply};
use crate::{IocpDriver, timers};

/// A task that sleeps until it is woken.
pub(super) struct Task {
    woken: Mutex<bool>,
    changed: Condvar,
}

impl Task {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { woken: Mutex::new(false), changed: Condvar::new() })
    }

    pub(super) fn run<F: Future>(self: &Arc<Self>, future: F) -> F::Output {
        let waker = Waker::from(Arc::clone(self));
        let mut future = pin!(future);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return output;
            }
            let mut woken = self.woken.lock().expect("no model panics");
            while !*woken {
                woken = self.changed.wait(woken).expect("no model panics");
            }
            *woken = false;
        }
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        *self.woken.lock().expect("no model panics") = true;
        self.changed.notify_one();
    }
}

pub(super) fn block_on<F: Future>(future: F) -> F::Output {
    Task::new().run(future)
}

/// A driver, its threads, and the kernel.
pub(super) struct Stand {
    pub(super) driver: Arc<IocpDriver>,
    pub(super) kernel: Arc<Kernel>,
    pub(super) threads: Vec<JoinHandle<()>>,
    /// Where completions come from, if not from the driver's threads.
    pub(super) pool: Option<JoinHandle<()>>,
}

impl Stand {
    /// With so many threads at the port.
    pub(super) fn new(threads: usize, manner: Manner) -> Self {
        let (port, kernel) = Port::model(manner);
        let count = NonZeroUsize::new(threads).expect("there is a thread");
        let size = NonZeroUsize::new(8).expect("it is not 0");
        let driver = Arc::new(IocpDriver::builder().threads(count).lease_size(size).over(port));
        let serve = |running: Running| move || running.shared().serve();
        let threads = (0..threads).map(|_| spawn(serve(Running::new(&driver.shared)))).collect();
        let pool = manner.pooled.then(|| {
            let kernel = Arc::clone(&kernel);
            spawn(move || kernel.serve_pool())
        });
        Self { driver, kernel, threads, pool }
    }

    /// With the timers' thread as well.
    pub(super) fn with_timers(mut self) -> Self {
        let running = Running::new(&self.driver.shared);
        self.threads.push(spawn(move || block_on(timers::serve(running.shared()))));
        self
    }

    /// The one stream. The kernel notices when it is closed too early.
    pub(super) fn stream(&self) -> OwnedHandle<IocpDriver> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("there are descriptors");
        let stream = self.driver.attach(TcpStream::from(socket)).expect("the driver is open");
        let state = self.driver.shared.lock();
        let entry = state.open(*stream).expect("it was just opened");
        self.kernel.watch_resource(Arc::downgrade(&entry.resource));
        drop(state);
        stream
    }

    /// The peer, on a thread of its own.
    pub(super) fn peer<const N: usize>(&self, supplies: [Supply; N]) -> JoinHandle<()> {
        let kernel = Arc::clone(&self.kernel);
        spawn(move || supplies.into_iter().for_each(|supply| kernel.supply(supply)))
    }

    /// Shuts the driver down: its threads end, and nothing is left.
    pub(super) fn end(self) {
        self.driver.shut_down();
        self.threads.into_iter().for_each(|thread| thread.join().expect("the thread ends"));
        self.kernel.end_pool();
        self.pool.into_iter().for_each(|pool| pool.join().expect("the pool's thread ends"));
        assert_eq!(self.driver.threads(), 0);
        assert!(self.driver.usage().is_idle(), "{:?}", self.driver.usage());
        let shared = Arc::downgrade(&self.driver.shared);
        drop(self.driver);
        assert_eq!(shared.strong_count(), 0, "somebody keeps the driver");
    }
}

pub(super) fn model(run: impl Fn() + Send + Sync + 'static) {
    // Deadlines are waited for in a runtime; that none comes by itself is right: the bell rings for all that are due.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let _inside = runtime.enter();
    let mut model = loom::model::Builder::new();
    model.max_branches = 10_000;
    let orders = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&orders);
    model.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        run();
    });
    println!("{} orders", orders.load(Ordering::Relaxed));
}

/// The outcome by its key, which several threads may know.
pub(super) async fn outcome(driver: &IocpDriver, key: OperationKey) -> Finished {
    poll_fn(|task| driver.poll(key, task)).await
}

/// Asks for it again.
pub(super) fn assert_spent(driver: &IocpDriver, key: OperationKey) {
    let spent = block_on(outcome(driver, key)).completion.status();
    assert_eq!(spent, CompletionStatus::INVALID_PARAMETER, "once");
}
