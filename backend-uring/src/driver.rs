//! The driver: the ring's face to everybody else.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, mpsc};
use std::task::{self, Poll};
use std::thread;

use bivalve_core::driver::{LeasePool, Usage};
use bivalve_core::{Driver, Finished, Handle, Operation, OperationKey, Rejected, Resource};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::runtime::{self, RuntimeFlavor};

use crate::buffers::Buffers;
use crate::handles::make_blocking;
use crate::in_flight::Once;
use crate::ring::Ring;
use crate::runtime::assemble;
use crate::shared::Shared;
use crate::state::{Effects, State};
use crate::turn::Turn;
use crate::{Config, Features, SetupError, setup};

/// The [`Driver`] over one io_uring.
///
/// It may be used from any thread; from that of the ring, an operation costs no system call of its own. It is shut
/// down when its last `Arc` is dropped.
pub struct UringDriver {
    shared: Arc<Shared>,
    heap: Arc<LeasePool>,
    features: Features,
}

impl UringDriver {
    /// A ring for the Tokio current-thread runtime that is running: its task is spawned there.
    ///
    /// # Errors
    ///
    /// Without such a runtime, and when the system gives no ring.
    pub fn attach(config: &Config) -> Result<Arc<Self>, SetupError> {
        let current = runtime::Handle::try_current()
            .map_err(|error| SetupError::new("finding the Tokio runtime", io::Error::other(error)))?;
        if current.runtime_flavor() != RuntimeFlavor::CurrentThread {
            let text = "the runtime has many threads, a ring belongs to one: use UringDriver::start";
            return Err(SetupError::new("attaching to the Tokio runtime", io::Error::other(text)));
        }
        let (driver, turn) = Self::new(config)?;
        drop(current.spawn(turn));
        Ok(driver)
    }

    /// A ring on a thread of its own, `bivalve-uring`, which ends with the driver.
    ///
    /// # Errors
    ///
    /// When the system gives no ring or no thread.
    pub fn start(config: &Config) -> Result<Arc<Self>, SetupError> {
        let (answer, started) = mpsc::sync_channel(1);
        let config = config.clone();
        let work = move || match assemble(&config) {
            Ok((tokio, driver, turn)) => {
                // This thread keeps no driver: it ends when the others have dropped theirs.
                let _ = answer.send(Ok(driver));
                // As a task: Tokio polls those fairly, and the future of `block_on` before all of them.
                let _ = tokio.block_on(async { tokio.spawn(turn).await });
            }
            Err(error) => {
                let _ = answer.send(Err(error));
            }
        };
        let thread = thread::Builder::new().name("bivalve-uring".into()).spawn(work);
        thread.map_err(|error| SetupError::new("starting the ring's thread", error))?;
        let lost = |error| SetupError::new("starting the ring's thread", io::Error::other(error));
        started.recv().map_err(lost)?
    }

    /// What the ring was set up with.
    #[must_use]
    pub fn features(&self) -> Features {
        self.features
    }

    /// The driver, and the task that drives it.
    pub(crate) fn new(config: &Config) -> Result<(Arc<Self>, Turn), SetupError> {
        let (ring, features) = setup::set_up(config)?;
        let ring = Ring::new(ring).map_err(|error| SetupError::new("watching the ring", error))?;
        Self::over(ring, features, config)
    }

    /// The same, over a ring that is there.
    pub(crate) fn over(
        ring: Ring,
        features: Features,
        config: &Config,
    ) -> Result<(Arc<Self>, Turn), SetupError> {
        let size = config.buffer_size as usize;
        let buffers = Buffers::register(&ring, config.buffers, size)
            .map_err(|error| SetupError::new("registering the buffer ring", error))?;
        let shared = Arc::new(Shared::new(State::new(features), Arc::clone(buffers.returns())));
        let heap = LeasePool::new(size, usize::from(config.buffers));
        let turn = Turn::new(Arc::clone(&shared), ring, buffers, Arc::clone(&heap));
        Ok((Arc::new(Self { shared, heap, features }), turn))
    }

    fn prepare(operation: &Operation) -> io::Result<Option<OwnedFd>> {
        let Operation::Connect { address } = operation else { return Ok(None) };
        let socket = Socket::new(Domain::for_address(*address), Type::STREAM, Some(Protocol::TCP))?;
        Ok(Some(socket.into()))
    }
}

impl Driver for UringDriver {
    fn name(&self) -> &'static str {
        "io_uring"
    }

    fn associate(&self, resource: Resource) -> io::Result<Handle> {
        make_blocking(&resource)?;
        let associated = self.shared.lock().associate(resource);
        associated.map_err(|_resource| io::Error::other("the io_uring driver was shut down"))
    }

    fn inspect(&self, handle: Handle, look: &mut dyn FnMut(&Resource)) -> io::Result<()> {
        let resource = self.shared.lock().resource(handle);
        let resource =
            resource.ok_or_else(|| io::Error::other("the handle is closed, or of another driver"))?;
        look(&resource);
        Ok(())
    }

    fn submit(&self, operation: Operation) -> Result<OperationKey, Rejected> {
        let mut socket = match Self::prepare(&operation) {
            Ok(socket) => socket,
            Err(error) => {
                let status = bivalve_core::CompletionStatus::from_io_error(&error);
                return Err(Rejected::new(operation, status));
            }
        };
        // Nothing is dropped, and nobody woken but the turn: `Shared::with` does more.
        let mut state = self.shared.lock();
        let submitted = state.submit(operation, |once: &mut Once| once.socket = socket.take());
        let turn = state.signal();
        drop(state);
        turn.into_iter().for_each(task::Waker::wake);
        submitted
    }

    fn poll(&self, key: OperationKey, task: &mut task::Context<'_>) -> Poll<Finished> {
        let mut stale = None;
        let polled = self.shared.lock().operations.poll(key, task, &mut stale);
        drop(stale);
        polled
    }

    fn poll_next(&self, key: OperationKey, task: &mut task::Context<'_>) -> Poll<Option<Finished>> {
        let mut stale = None;
        let mut state = self.shared.lock();
        let polled = state.operations.poll_next(key, task, &mut stale);
        state.resume(key, polled.is_pending());
        let turn = state.signal();
        drop(state);
        turn.into_iter().for_each(task::Waker::wake);
        drop(stale);
        polled
    }

    fn cancel(&self, key: OperationKey) {
        self.shared.with(|state, fx| state.cancel(key, fx));
    }

    fn abandon(&self, key: OperationKey) {
        self.shared.with(|state, fx| state.abandon(key, fx));
    }

    fn close(&self, handle: Handle) {
        self.shared.with(|state, fx| state.close(handle, fx));
    }

    fn shut_down(&self) {
        self.shared.with(State::shut_down);
    }

    fn usage(&self) -> Usage {
        let leases = self.shared.returns.out() + self.heap.out();
        let state = self.shared.lock();
        Usage::new(state.operations.len(), state.open_handles(), leases)
    }
}

impl Drop for UringDriver {
    fn drop(&mut self) {
        self.shared.with(|state: &mut State, fx: &mut Effects| state.shut_down(fx));
    }
}

impl fmt::Debug for UringDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UringDriver").field("features", &self.features).field("usage", &self.usage()).finish()
    }
}
