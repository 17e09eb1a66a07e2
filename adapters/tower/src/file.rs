//! Reads a file range into frames: http bodies have no frame for a file.

use std::fs::File;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll};

use bivalve_core::FileRange;
use bytes::Bytes;
use tokio::task::JoinHandle;

/// One read: large enough that the hop to the blocking pool does not show, small enough for many at a time.
const READ: u64 = 64 * 1024;

/// A file range on its way into a body.
#[derive(Debug)]
pub(crate) struct FileReader {
    file: Arc<File>,
    offset: u64,
    remaining: u64,
    running: Option<JoinHandle<io::Result<Bytes>>>,
}

impl FileReader {
    pub(crate) fn new(range: &FileRange) -> Self {
        Self { file: Arc::clone(range.file()), offset: range.offset(), remaining: range.len(), running: None }
    }

    /// The next bytes; `None` at the end of the range.
    pub(crate) fn poll_read(&mut self, task: &mut Task<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.remaining == 0 {
            return Poll::Ready(None);
        }
        let length = usize::try_from(self.remaining.min(READ)).unwrap_or(usize::MAX);
        let read = if let Some(running) = &mut self.running {
            let joined = std::task::ready!(Pin::new(running).poll(task));
            self.running = None;
            joined.unwrap_or_else(|error| Err(io::Error::other(error)))
        } else if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (file, offset) = (Arc::clone(&self.file), self.offset);
            self.running = Some(runtime.spawn_blocking(move || read_at(&file, offset, length)));
            return self.poll_read(task);
        } else {
            // No Tokio here: this thread is all there is.
            read_at(&self.file, self.offset, length)
        };
        match read {
            Ok(bytes) => {
                self.offset += bytes.len() as u64;
                self.remaining -= bytes.len() as u64;
                Poll::Ready(Some(Ok(bytes)))
            }
            Err(error) => {
                self.remaining = 0;
                Poll::Ready(Some(Err(error)))
            }
        }
    }
}

/// Reads at least one byte: a range behind the end of the file is an error, not a short body.
fn read_at(file: &File, offset: u64, length: usize) -> io::Result<Bytes> {
    let mut buffer = vec![0; length];
    loop {
        match imp::read_at(file, &mut buffer, offset) {
            Ok(0) => {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the file is shorter than its range",
                ));
            }
            Ok(read) => {
                buffer.truncate(read);
                return Ok(buffer.into());
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(unix)]
mod imp {
    use std::os::unix::fs::FileExt;
    pub(super) fn read_at(file: &std::fs::File, buffer: &mut [u8], offset: u64) -> std::io::Result<usize> {
        file.read_at(buffer, offset)
    }
}

#[cfg(windows)]
mod imp {
    use std::os::windows::fs::FileExt;
    pub(super) fn read_at(file: &std::fs::File, buffer: &mut [u8], offset: u64) -> std::io::Result<usize> {
        file.seek_read(buffer, offset)
    }
}
