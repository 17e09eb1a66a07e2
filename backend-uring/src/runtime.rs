//! A Tokio current-thread runtime with a ring attached.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use tokio::runtime;

use crate::turn::Turn;
use crate::{Config, SetupError, UringDriver};

/// A Tokio current-thread runtime with a ring attached: one of these on each core makes a server.
///
/// It stays on the thread that made it. When it is dropped, the driver is shut down and operations in flight are
/// cancelled; the kernel is waited for, up to five seconds.
pub struct Runtime {
    tokio: runtime::Runtime,
    driver: Arc<UringDriver>,
    /// The ring belongs to this thread.
    not_send: PhantomData<*const ()>,
}

/// Tasks that run before Tokio looks at its own descriptors and timers. The ring does not need that look, and each one
/// costs a system call. At a microsecond or two for a task, what waits in Tokio waits for a millisecond at most.
const EVENT_INTERVAL: u32 = 512;

impl Runtime {
    /// A runtime and its ring.
    ///
    /// # Errors
    ///
    /// When the system gives no ring, or no descriptors for the runtime.
    pub fn new(config: &Config) -> Result<Self, SetupError> {
        let (tokio, driver, turn) = assemble(config)?;
        drop(tokio.spawn(turn));
        Ok(Self { tokio, driver, not_send: PhantomData })
    }

    /// The driver.
    #[must_use]
    pub fn driver(&self) -> Arc<UringDriver> {
        Arc::clone(&self.driver)
    }

    /// The Tokio runtime, to spawn on.
    #[must_use]
    pub fn tokio(&self) -> &runtime::Handle {
        self.tokio.handle()
    }

    /// Runs a future to its end, and everything that was spawned while it runs.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.tokio.block_on(future)
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").field("driver", &self.driver).finish_non_exhaustive()
    }
}

/// A runtime, a driver, and the task to spawn on the runtime.
pub(crate) fn assemble(config: &Config) -> Result<(runtime::Runtime, Arc<UringDriver>, Turn), SetupError> {
    let tokio = runtime::Builder::new_current_thread().enable_all().event_interval(EVENT_INTERVAL).build();
    let tokio = tokio.map_err(|error| SetupError::new("making the Tokio runtime", error))?;
    let entered = tokio.enter();
    let (driver, turn) = UringDriver::new(config)?;
    drop(entered);
    Ok((tokio, driver, turn))
}
