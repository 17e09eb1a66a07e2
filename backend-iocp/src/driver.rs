//! The driver and its builder.

use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::task::{self, Poll};
use std::thread;

use bivalve_core::driver::{LeasePool, Usage};
use bivalve_core::{Driver, Finished, Handle, Operation, OperationKey, Rejected, Resource};

use crate::after::Garbage;
use crate::pool::ThreadPool;
use crate::shared::{Running, Shared};
use crate::state::State;
use crate::system::{self, Port};
use crate::timers;

/// A [`Driver`] over one completion port.
///
/// It takes files, named pipes that were opened with `FILE_FLAG_OVERLAPPED`, TCP listeners and TCP streams.
///
/// **Files** need not be open for overlapped I/O: [`associate`](Driver::associate) opens such a file again, with exactly
/// the access that the given handle has, and closes the given one. Its share mode and its locks on ranges go with that handle: from then on others may
/// open the file for writing, truncate or delete it, whatever `share_mode` said. Whoever needs the share mode
/// keeps a clone of the given handle, or opens the file with `FILE_FLAG_OVERLAPPED`. A file
/// that cannot be opened again, because its opener keeps out others (`share_mode(0)`, as temporary files are opened) or
/// because it is deleted already, is used as it is: its reads and writes wait for the disk, on a thread of the driver's,
/// and cannot be cancelled once they have begun. One that was opened with `FILE_FLAG_OVERLAPPED` is taken as it is.
///
/// **Pipes** report the end as 0 bytes. Of a message that is longer than the receiving buffer the rest comes with the next
/// receive; a message of 0 bytes looks like the end. Each chunk of a send is one message.
///
/// **What is associated belongs to the driver.** No overlapped operation may be started by other code on a duplicate of
/// its handle: the packet would come here.
///
/// # Threads, shutdown and drop
///
/// Wakers run on the driver's threads, and on a thread that submits what completes at once; a panic in one is caught.
/// The threads end after [`shut_down`](Driver::shut_down), when the kernel has finished the last call. Dropping the driver
/// shuts it down and does not wait: its threads keep all memory that the kernel may write to, and free it when they end. If
/// the kernel never finishes a call, that memory and the threads stay for good, deliberately.
/// [`threads`](Self::threads) tells how many there are left.
pub struct IocpDriver {
    number: u32,
    pub(crate) shared: Arc<Shared>,
}

impl IocpDriver {
    /// A driver with the defaults of [`Builder`].
    ///
    /// # Errors
    ///
    /// When the system refuses a completion port or a thread.
    pub fn new() -> io::Result<Self> {
        Self::builder().build()
    }

    /// To set other than the defaults.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The driver's threads that have not ended: those at the port, and the timers' one. 0 some time after the shutdown.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.shared.threads.load(Ordering::Acquire)
    }
}

/// Makes an [`IocpDriver`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it builds"]
pub struct Builder {
    threads: NonZeroUsize,
    lease_size: NonZeroUsize,
    lease_keep: usize,
    pool: Option<Arc<dyn ThreadPool>>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            threads: thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            lease_size: NonZeroUsize::new(16 * 1024).unwrap_or(NonZeroUsize::MIN),
            lease_keep: 256,
            pool: None,
        }
    }
}

impl Builder {
    /// Threads that wait at the port. By default one for each processor that the process may use.
    pub fn threads(mut self, threads: NonZeroUsize) -> Self {
        self.threads = threads;
        self
    }

    /// Bytes of a leased buffer, and so the most that one item of `ReceiveMany` brings. By default 16 KiB.
    pub fn lease_size(mut self, bytes: NonZeroUsize) -> Self {
        self.lease_size = bytes;
        self
    }

    /// Unused leased buffers that are kept; more are freed. By default 256.
    pub fn lease_keep(mut self, buffers: usize) -> Self {
        self.lease_keep = buffers;
        self
    }

    /// Takes completions of files, pipes and sockets on the threads of this pool; wakers then run there as well. Calls that
    /// succeed at once complete there too. What the driver posts itself ([`Post`](Operation::Post), a turn that is over, a
    /// call that waits for the disk) and timers stay on threads of its own, of which [`threads`](Self::threads) may then be
    /// one. By default there is no pool.
    pub fn pool(mut self, pool: Arc<dyn ThreadPool>) -> Self {
        self.pool = Some(pool);
        self
    }

    /// Makes the port and starts the threads.
    ///
    /// # Errors
    ///
    /// When the system refuses a completion port or a thread.
    pub fn build(self) -> io::Result<IocpDriver> {
        let threads = self.threads.get();
        let port = Port::new(u32::try_from(threads).unwrap_or(u32::MAX), self.pool.clone())?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        // From here on it shuts down when it is dropped, so that an error ends the threads that were started.
        let driver = self.over(port);
        for index in 0..threads {
            let running = Running::new(&driver.shared);
            thread::Builder::new()
                .name(format!("bivalve-iocp-{index}"))
                .spawn(move || running.shared().serve())?;
        }
        let running = Running::new(&driver.shared);
        thread::Builder::new()
            .name("bivalve-iocp-timers".into())
            .spawn(move || timers::run(running.shared(), &runtime))?;
        Ok(driver)
    }

    /// Without its threads.
    pub(crate) fn over(&self, port: Port) -> IocpDriver {
        let pool = LeasePool::new(self.lease_size.get(), self.lease_keep);
        let number = Handle::next_driver();
        let shared = Arc::new_cyclic(|shared| {
            let state = State::new(number, self.threads.get(), Arc::clone(&pool), Weak::clone(shared));
            Shared::new(port, pool, state)
        });
        IocpDriver { number, shared }
    }
}

impl Driver for IocpDriver {
    fn name(&self) -> &'static str {
        self.shared.port.pool_name().unwrap_or("iocp")
    }

    fn associate(&self, resource: Resource) -> io::Result<Handle> {
        if self.shared.lock().closed {
            return Err(was_shut_down());
        }
        let (resource, target) = system::associate(resource, &self.shared.port)?;
        let resource = Arc::new(resource);
        let handle = {
            let mut state = self.shared.lock();
            (!state.closed).then(|| state.insert(Arc::clone(&resource), target))
        };
        handle.ok_or_else(was_shut_down)
    }

    fn inspect(&self, handle: Handle, look: &mut dyn FnMut(&Resource)) -> io::Result<()> {
        let resource = self.shared.lock().open(handle).map(|entry| Arc::clone(&entry.resource));
        // Without the lock: the caller may use the driver in there, or close the handle.
        match resource {
            Some(resource) => look(&resource),
            None => return Err(io::Error::other("the handle is closed, or of another driver")),
        }
        Ok(())
    }

    fn submit(&self, operation: Operation) -> Result<OperationKey, Rejected> {
        self.shared.with(|state, after| {
            if let Err(status) = state.check(&operation) {
                return (Err(Rejected::new(operation, status)), None);
            }
            let (key, work, ring) = state.admit(operation, after);
            if ring {
                self.shared.bell.notify_one();
            }
            (Ok(key), work)
        })
    }

    fn poll(&self, key: OperationKey, task: &mut task::Context<'_>) -> Poll<Finished> {
        let mut stale = None;
        let polled = self.shared.lock().operations.poll(key, task, &mut stale);
        drop(stale);
        polled
    }

    fn poll_next(&self, key: OperationKey, task: &mut task::Context<'_>) -> Poll<Option<Finished>> {
        self.shared.with(|state, after| {
            let mut stale = None;
            let polled = state.operations.poll_next(key, task, &mut stale);
            if let Some(waker) = stale {
                after.discard(Garbage::Waker { _waker: waker });
            }
            let work = state.resume(key, polled.is_pending(), after);
            (polled, work)
        })
    }

    fn cancel(&self, key: OperationKey) {
        self.shared.with(|state, after| ((), state.cancel(key, after)));
    }

    fn abandon(&self, key: OperationKey) {
        self.shared.with(|state, after| ((), state.abandon(key, after)));
    }

    fn close(&self, handle: Handle) {
        self.shared.with(|state, after| {
            state.close(handle, after);
            ((), None)
        });
    }

    fn shut_down(&self) {
        self.shared.with(|state, after| {
            state.shut_down(after);
            ((), None)
        });
        self.shared.bell.notify_one();
    }

    fn usage(&self) -> Usage {
        let state = self.shared.lock();
        Usage::new(state.operations.len(), state.handles.len(), self.shared.pool.out())
    }
}

impl Drop for IocpDriver {
    fn drop(&mut self) {
        self.shut_down();
    }
}

impl fmt::Debug for IocpDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IocpDriver")
            .field("number", &self.number)
            .field("usage", &self.usage())
            .field("threads", &self.threads())
            .finish_non_exhaustive()
    }
}

fn was_shut_down() -> io::Error {
    io::Error::other("the driver was shut down")
}
