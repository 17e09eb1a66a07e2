//! Neither Linux nor Windows: Tokio.

use std::sync::Arc;

use bivalve_core::Driver;

use super::{Backend, SelectError, Unavailable, start_tokio};

pub(super) const PREFERENCE: &[Backend] = &[Backend::Tokio];

pub(super) fn start(backend: Backend) -> Result<Arc<dyn Driver>, Unavailable> {
    match backend {
        Backend::Tokio => start_tokio(),
        Backend::Iocp | Backend::Uring => Err(Unavailable::not_here(backend)),
    }
}

/// What there is of it, in short.
pub(super) fn available(backend: Backend) -> Result<String, Unavailable> {
    match backend {
        Backend::Tokio => Ok("Tokio (readiness)".into()),
        _ => Err(Unavailable::not_here(backend)),
    }
}

/// What one worker of a server runs on.
#[cfg(feature = "server")]
pub(crate) fn worker(backend: Backend) -> std::io::Result<crate::serve::Worker> {
    let _ = backend;
    super::tokio_worker().map(crate::serve::Worker::new)
}

pub(super) fn survey(backend: Backend) -> Result<String, SelectError> {
    match backend {
        Backend::Tokio => Ok("readiness, files on the blocking pool".into()),
        Backend::Iocp | Backend::Uring => Err(Unavailable::not_here(backend).error),
    }
}
