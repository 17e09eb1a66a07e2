//! Windows: completion ports.

use std::sync::Arc;

use bivalve_core::Driver;
use bivalve_iocp::IocpDriver;

use super::{Backend, SelectError, Unavailable, start_tokio};

pub(super) const PREFERENCE: &[Backend] = &[Backend::Iocp, Backend::Tokio];

pub(super) fn start(backend: Backend) -> Result<Arc<dyn Driver>, Unavailable> {
    match backend {
        // Every Windows has them: a failure is a limit, and nothing to be silent about.
        Backend::Iocp => match IocpDriver::new() {
            Ok(driver) => Ok(Arc::new(driver)),
            Err(error) => Err(Unavailable::new(backend, error, false)),
        },
        Backend::Tokio => start_tokio(),
        Backend::Uring => Err(Unavailable::not_here(backend)),
    }
}

/// What there is of it, in short.
pub(super) fn available(backend: Backend) -> Result<String, Unavailable> {
    match backend {
        Backend::Iocp => Ok("completion ports (Windows)".into()),
        Backend::Tokio => Ok("Tokio (readiness over AFD)".into()),
        Backend::Uring => Err(Unavailable::not_here(backend)),
    }
}

/// What one worker of a server runs on.
#[cfg(feature = "server")]
pub(crate) fn worker(backend: Backend) -> std::io::Result<crate::serve::Worker> {
    match backend {
        Backend::Iocp => crate::serve::OnTokio::new(|| {
            // The worker's own thread does the work; the port only wakes it.
            let driver = IocpDriver::builder().threads(std::num::NonZeroUsize::MIN).build()?;
            Ok(Arc::new(driver))
        })
        .map(crate::serve::Worker::new),
        _ => super::tokio_worker().map(crate::serve::Worker::new),
    }
}

pub(super) fn survey(backend: Backend) -> Result<String, SelectError> {
    match backend {
        Backend::Iocp => match IocpDriver::new() {
            Ok(driver) => Ok(format!("completion port, {} threads", driver.threads())),
            Err(error) => Err(Unavailable::new(backend, error, false).error),
        },
        Backend::Tokio => Ok("readiness over AFD, files on the blocking pool".into()),
        Backend::Uring => Err(Unavailable::not_here(backend).error),
    }
}
