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
