//! Windows.

use std::convert::Infallible;
use std::fs::File;
use std::io::{self, IoSlice};
use std::os::windows::fs::FileExt;
use std::task::{Context, Poll};

use bivalve_core::driver::Direction;
use bivalve_core::{CompletionStatus, Resource};
use bytes::BytesMut;

use crate::endpoint::Io;

/// Readiness comes back only after an operation has said that it would block.
pub(crate) const SHORT_IS_ALL: bool = false;

/// There are no signals.
pub(crate) const NO_SIGNAL: i32 = 0;

pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    file.seek_read(buffer, offset)
}

pub(crate) fn write_at(file: &File, buffer: &[u8], offset: u64) -> io::Result<usize> {
    file.seek_write(buffer, offset)
}

pub(crate) fn status(error: &io::Error) -> CompletionStatus {
    CompletionStatus::from_io_error(error)
}

/// Whether a connect that does not wait has only begun.
pub(crate) fn connect_goes_on(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

/// There are none.
#[derive(Debug)]
pub(crate) struct Local(Infallible);

impl Local {
    pub(crate) fn new(_resource: Resource) -> io::Result<Self> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "the Tokio driver has no pipes on Windows: use the driver for completion ports (bivalve-iocp)",
        ))
    }

    pub(crate) fn resource(&self) -> io::Result<Resource> {
        match self.0 {}
    }

    pub(crate) fn can(&self, _direction: Direction) -> bool {
        match self.0 {}
    }

    pub(crate) fn poll_ready(&self, _direction: Direction, _task: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.0 {}
    }

    pub(crate) fn poll_accept(&self, _task: &mut Context<'_>) -> Poll<io::Result<Io>> {
        match self.0 {}
    }

    pub(crate) fn try_read(&self, _buffer: &mut BytesMut, _room: usize) -> io::Result<usize> {
        match self.0 {}
    }

    pub(crate) fn try_write(&self, _slices: &[IoSlice<'_>], _room: usize) -> io::Result<usize> {
        match self.0 {}
    }

    pub(crate) fn finish_sending(&self) -> io::Result<()> {
        match self.0 {}
    }
}
