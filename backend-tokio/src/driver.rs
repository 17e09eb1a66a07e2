//! The driver itself: how it is made, and the operations of the trait.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::panic;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::thread;
use std::time::Duration;

use bivalve_core::driver::{ResourceKind, Usage};
use bivalve_core::{CompletionStatus, Driver, Finished, Handle, Operation, OperationKey, Rejected, Resource};
use socket2::{Domain, Socket, Type};
use tokio::runtime::{self, Builder};
use tokio::task::coop;
use tokio::time::Instant;

use crate::attempt::{Work, completion};
use crate::endpoint::{Endpoint, Io};
use crate::lane;
use crate::pump::Pump;
use crate::shared::{Aftermath, Shared, contain};
use crate::state::{Place, State};

/// The [`Driver`] for every system that Tokio runs on.
///
/// It lives on a runtime: one that is there already ([`new`](Self::new), [`with_handle`](Self::with_handle)), or one of
/// its own on a thread of its own ([`start`](Self::start)). Operations may be submitted and polled anywhere. When the
/// runtime ends first, the driver is shut down with it: what is in flight reports
/// [`CANCELLED`](CompletionStatus::CANCELLED), and what is submitted later is rejected so.
///
/// An outcome counts against the budget of a Tokio task, as Tokio's own sockets do: a task that is never made to wait
/// lets others have their turn.
///
/// On a runtime with several threads, system calls of different handles, and of the two directions of one, run at the
/// same time.
///
/// The [crate] documents its limits.
///
/// IIS counterpart: the thread pool behind `IHttpServer::AssociateWithThreadPool`.
pub struct TokioDriver {
    shared: Arc<Shared>,
}

impl TokioDriver {
    /// A driver on the current runtime.
    ///
    /// # Errors
    ///
    /// When there is no current runtime, or it has no I/O or time driver. Tokio says the latter by a panic, which is
    /// caught here: its message appears on standard error, and a program that is built with `panic = "abort"` ends.
    pub fn new() -> io::Result<Arc<Self>> {
        let runtime = runtime::Handle::try_current().map_err(|_| {
            io::Error::other(
                "there is no current Tokio runtime: call TokioDriver::new within one, give \
                 TokioDriver::with_handle its handle, or use TokioDriver::start",
            )
        })?;
        Self::with_handle(runtime)
    }

    /// A driver on a runtime.
    ///
    /// On a runtime of the current-thread kind, operations go on while somebody runs it with `block_on`.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), for a runtime without an I/O or time driver.
    pub fn with_handle(runtime: runtime::Handle) -> io::Result<Arc<Self>> {
        check(&runtime)?;
        let (driver, pump) = Self::on(runtime);
        // It bounds itself, and a budget would only make it look at a socket twice.
        drop(driver.shared.runtime.spawn(coop::unconstrained(pump)));
        Ok(driver)
    }

    /// A driver on a thread of its own, for programs without a runtime.
    ///
    /// The thread ends when the driver has been shut down or dropped, and waits for file operations that have begun.
    /// Wakers run on it: they should not take long.
    ///
    /// # Errors
    ///
    /// When the system refuses the thread, or what the runtime needs.
    pub fn start() -> io::Result<Arc<Self>> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (driver, pump) = Self::on(runtime.handle().clone());
        thread::Builder::new()
            .name("bivalve-tokio".into())
            .spawn(move || runtime.block_on(coop::unconstrained(pump)))?;
        Ok(driver)
    }

    fn on(runtime: runtime::Handle) -> (Arc<Self>, Pump) {
        let shared = Shared::new(runtime);
        let pump = Pump::new(Arc::clone(&shared));
        (Arc::new(Self { shared }), pump)
    }

    fn connect(&self, operation: Operation, address: SocketAddr) -> Result<OperationKey, Rejected> {
        if let Err(status) = self.shared.lock().check(&operation) {
            return Err(Rejected::new(operation, status));
        }
        let entered = self.shared.runtime.enter();
        let begun = Io::connect(address);
        drop(entered);
        let mut after = Aftermath::default();
        let mut state = self.shared.lock();
        if state.closed {
            drop(state);
            return Err(Rejected::new(operation, CompletionStatus::CANCELLED));
        }
        let (state, key) = match begun {
            Ok(io) => {
                let handle = state.insert(Endpoint::new(io, &self.shared.ready), ResourceKind::Stream);
                lane::submit(&self.shared, state, handle, operation, &mut after)
            }
            Err(error) => {
                let key = state.start(Place::Post, None);
                state.finish(key, Work::new(operation), completion(Err(error)), &mut after);
                (state, key)
            }
        };
        drop(state);
        after.run(&self.shared);
        Ok(key)
    }

    /// Whether the pump has to know: it wakes for the timer that is due first.
    fn timer(state: &mut State, operation: Operation, deadline: Instant) -> (OperationKey, bool) {
        let key = state.start(Place::Timer(deadline), Some(Work::new(operation)));
        let entry = (deadline, key.index(), key.generation());
        state.timers.insert(entry);
        (key, state.timers.first() == Some(&entry))
    }

    fn now(&self) -> Instant {
        // The clock is the runtime's: a test may have stopped it.
        let _entered = self.shared.runtime.enter();
        Instant::now()
    }
}

impl Driver for TokioDriver {
    fn name(&self) -> &'static str {
        "tokio"
    }

    fn associate(&self, resource: Resource) -> io::Result<Handle> {
        let kind = resource.kind();
        if self.shared.lock().closed {
            return Err(shut_down());
        }
        let entered = self.shared.runtime.enter();
        let io = Io::new(resource)?;
        drop(entered);
        let endpoint = Endpoint::new(io, &self.shared.ready);
        let mut state = self.shared.lock();
        if state.closed {
            drop(state);
            return Err(shut_down());
        }
        Ok(state.insert(endpoint, kind))
    }

    fn inspect(&self, handle: Handle, look: &mut dyn FnMut(&Resource)) -> io::Result<()> {
        let endpoint = self.shared.lock().open(handle).map(|entry| Arc::clone(&entry.endpoint));
        match endpoint {
            Some(endpoint) => endpoint.io.show(look),
            None => Err(io::Error::other("the handle is closed, or of another driver")),
        }
    }

    fn submit(&self, operation: Operation) -> Result<OperationKey, Rejected> {
        let deadline = match &operation {
            Operation::Connect { address } => {
                let address = *address;
                return self.connect(operation, address);
            }
            Operation::Timer { after } => {
                let now = self.now();
                Some(now.checked_add(*after).unwrap_or_else(|| now + FAR))
            }
            _ => None,
        };
        let mut after = Aftermath::default();
        let mut state = self.shared.lock();
        if let Err(status) = state.check(&operation) {
            drop(state);
            return Err(Rejected::new(operation, status));
        }
        let mut wake_pump = false;
        let key = match (&operation, deadline, operation.handle()) {
            (_, Some(deadline), _) => {
                let (key, first) = Self::timer(&mut state, operation, deadline);
                wake_pump = first;
                key
            }
            (Operation::ReadAt { .. } | Operation::WriteAt { .. }, _, Some(handle)) => {
                let key = state.start(Place::File(handle), Some(Work::new(operation)));
                if let Some(entry) = state.entry(handle) {
                    entry.queued += 1;
                }
                state.queue_job(key, &mut after);
                key
            }
            (_, _, Some(handle)) => {
                let (locked, key) = lane::submit(&self.shared, state, handle, operation, &mut after);
                state = locked;
                key
            }
            (Operation::Post { .. }, _, None) => {
                let key = state.start(Place::Post, Some(Work::new(operation)));
                wake_pump = state.posts.is_empty();
                state.posts.push_back(key);
                key
            }
            _ => {
                drop(state);
                return Err(Rejected::new(operation, CompletionStatus::NOT_SUPPORTED));
            }
        };
        drop(state);
        after.run(&self.shared);
        if wake_pump {
            self.shared.ready.wake_pump();
        }
        Ok(key)
    }

    fn poll(&self, key: OperationKey, task: &mut Context<'_>) -> Poll<Finished> {
        let budget = ready!(coop::poll_proceed(task));
        let mut stale = None;
        let polled = self.shared.lock().operations.poll(key, task, &mut stale);
        contain(|| drop(stale));
        if polled.is_ready() {
            budget.made_progress();
        }
        polled
    }

    fn poll_next(&self, key: OperationKey, task: &mut Context<'_>) -> Poll<Option<Finished>> {
        let budget = ready!(coop::poll_proceed(task));
        let (mut stale, mut after) = (None, Aftermath::default());
        let mut state = self.shared.lock();
        let polled = state.operations.poll_next(key, task, &mut stale);
        match &polled {
            Poll::Ready(Some(_)) => state.resume(key, true, &mut after),
            Poll::Ready(None) => {}
            Poll::Pending => state.resume(key, false, &mut after),
        }
        drop(state);
        contain(|| drop(stale));
        after.run(&self.shared);
        if polled.is_ready() {
            budget.made_progress();
        }
        polled
    }

    fn cancel(&self, key: OperationKey) {
        self.shared.change(|state, after| state.cancel(key, after));
    }

    fn abandon(&self, key: OperationKey) {
        self.shared.change(|state, after| state.abandon(key, after));
    }

    fn close(&self, handle: Handle) {
        self.shared.change(|state, after| state.close(handle, after));
    }

    fn shut_down(&self) {
        self.shared.shut_down();
    }

    fn usage(&self) -> Usage {
        let state = self.shared.lock();
        let (operations, handles) = (state.operations.len(), state.handles.len() + state.closing);
        drop(state);
        Usage::new(operations, handles, self.shared.leases.out())
    }
}

impl Drop for TokioDriver {
    fn drop(&mut self) {
        self.shared.shut_down();
    }
}

impl fmt::Debug for TokioDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokioDriver").field("usage", &self.usage()).finish_non_exhaustive()
    }
}

/// For a timer that no clock reaches; what Tokio takes in such a case: some thirty years.
const FAR: Duration = Duration::from_secs(86_400 * 365 * 30);

fn shut_down() -> io::Error {
    CompletionStatus::CANCELLED.to_io_error().unwrap_or_else(|| io::ErrorKind::Interrupted.into())
}

/// Whether the runtime has what sockets and timers need. Tokio panics where it has not.
fn check(runtime: &runtime::Handle) -> io::Result<()> {
    let _entered = runtime.enter();
    let missing = |what| {
        move |_| {
            io::Error::other(format!("the Tokio runtime has no {what} driver: build it with enable_all()"))
        }
    };
    panic::catch_unwind(|| drop(tokio::time::sleep(Duration::ZERO))).map_err(missing("time"))?;
    // A socket that never connects, only to see it registered. Where there is none to be had, nobody learns anything.
    if let Ok(socket) = Socket::new(Domain::IPV4, Type::STREAM, None)
        && socket.set_nonblocking(true).is_ok()
    {
        let probe = panic::AssertUnwindSafe(|| tokio::net::TcpStream::from_std(socket.into()).map(drop));
        panic::catch_unwind(probe).map_err(missing("I/O"))??;
    }
    Ok(())
}
