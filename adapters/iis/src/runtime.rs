//! The Tokio runtime of this DLL: made when the first notification waits for something that is not IIS's.

use std::sync::OnceLock;

use tokio::runtime::{Builder, Handle, Runtime};

/// IIS's own threads have 128 to 256 KB, which is little for a future that calls a library.
const STACK: usize = 2 * 1024 * 1024;

static RUNTIME: OnceLock<Runtime> = OnceLock::new();

/// The runtime. It is never shut down: the DLL is never unloaded.
///
/// # Panics
///
/// When the system has no threads left.
pub(crate) fn handle() -> &'static Handle {
    RUNTIME
        .get_or_init(|| {
            let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
            let mut builder = Builder::new_multi_thread();
            builder
                .worker_threads(cores.min(4))
                .thread_name("bivalve-iis")
                .thread_stack_size(STACK)
                .enable_all();
            builder.build().expect("a worker process can have threads")
        })
        .handle()
}
