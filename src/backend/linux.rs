//! Linux: io_uring, else Tokio.

use std::sync::Arc;

use bivalve_core::Driver;
use bivalve_uring::{Config, SetupError, UringDriver};

use super::{Backend, SelectError, Unavailable, start_tokio};

pub(super) const PREFERENCE: &[Backend] = &[Backend::Uring, Backend::Tokio];

pub(super) fn start(backend: Backend) -> Result<Arc<dyn Driver>, Unavailable> {
    match backend {
        Backend::Uring => match UringDriver::start(&Config::default()) {
            Ok(driver) => Ok(driver),
            Err(error) => Err(unavailable(error)),
        },
        Backend::Tokio => start_tokio(),
        Backend::Iocp => Err(Unavailable::not_here(backend)),
    }
}

/// What there is of it, in short.
pub(super) fn available(backend: Backend) -> Result<String, Unavailable> {
    match backend {
        Backend::Uring => match bivalve_uring::probe(&Config::default()) {
            Ok(probe) => Ok(format!("io_uring (Linux {})", probe.kernel)),
            Err(error) => Err(unavailable(error)),
        },
        Backend::Tokio => Ok("Tokio (epoll)".into()),
        Backend::Iocp => Err(Unavailable::not_here(backend)),
    }
}

/// What one worker of a server runs on.
#[cfg(feature = "server")]
pub(crate) fn worker(backend: Backend) -> std::io::Result<crate::serve::Worker> {
    match backend {
        Backend::Uring => {
            let config = Config::default().direct_descriptors(true);
            let runtime = bivalve_uring::Runtime::new(&config).map_err(std::io::Error::other)?;
            Ok(crate::serve::Worker::new(OnUring(runtime)))
        }
        _ => super::tokio_worker().map(crate::serve::Worker::new),
    }
}

pub(super) fn survey(backend: Backend) -> Result<String, SelectError> {
    match backend {
        Backend::Uring => match bivalve_uring::probe(&Config::default()) {
            Ok(probe) => Ok(probe.to_string()),
            Err(error) => Err(unavailable(error).error),
        },
        Backend::Tokio => Ok("epoll, files on the blocking pool".into()),
        Backend::Iocp => Err(Unavailable::not_here(backend).error),
    }
}

fn unavailable(error: SetupError) -> Unavailable {
    let fall_back = error.is_unavailable();
    Unavailable::new(Backend::Uring, error, fall_back)
}

#[cfg(feature = "server")]
struct OnUring(bivalve_uring::Runtime);

#[cfg(feature = "server")]
impl bivalve_server::WorkerRuntime for OnUring {
    fn driver(&self) -> Arc<dyn Driver> {
        self.0.driver()
    }

    fn block_on(&self, future: std::pin::Pin<&mut dyn Future<Output = ()>>) {
        self.0.block_on(future);
    }
}
