//! The address.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;

/// The address cannot be listened at.
#[derive(Debug)]
pub struct BindError {
    pub(super) addr: SocketAddr,
    pub(super) error: io::Error,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Bivalve's server says the address as well.
        match self.error.source() {
            Some(system) => write!(f, "cannot listen at {}: {system}. ", self.addr)?,
            None => write!(f, "cannot listen at {}: {}. ", self.addr, self.error)?,
        }
        f.write_str(match self.error.kind() {
            ErrorKind::AddrInUse => "Stop the program that does, or choose another address with --listen",
            ErrorKind::AddrNotAvailable => {
                "This machine has no such address: choose one it has with --listen"
            }
            ErrorKind::PermissionDenied => {
                "Ports below 1024 need a privilege: choose a higher one with --listen"
            }
            _ => "Choose another address with --listen",
        })
    }
}

impl Error for BindError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}
