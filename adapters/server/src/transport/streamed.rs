//! A stream as Tokio knows it, encrypted ones above all: what no driver carries.

use std::fs::File;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context as Task, Poll, ready};

use bivalve_core::driver::LeasePool;
use bivalve_core::{CompletionStatus, EntityChunk, FileRange};
use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::task::JoinHandle;

use super::{BoxStream, Piece, Transport};

/// A stream that can say that it did not end well.
pub(crate) trait Abort: AsyncRead + AsyncWrite + Send + Sync + Unpin + 'static {
    /// From here on, closing tells the client that something is missing.
    fn abort(&mut self);
}

/// A Tokio stream as a transport. An idle one holds no buffer: a receive takes one, and gives it back where nothing came.
pub(crate) struct Streamed<S> {
    stream: S,
    leases: Arc<LeasePool>,
    sending: Option<Sending>,
    ended: bool,
}

/// Chunks on their way.
struct Sending {
    chunks: Vec<EntityChunk>,
    /// The chunk that is being sent, and how much of it has been.
    next: usize,
    done: u64,
    piece: FilePiece,
}

/// A part of a file, in memory or on its way there.
#[derive(Default)]
enum FilePiece {
    #[default]
    None,
    Reading(JoinHandle<io::Result<Bytes>>),
    Read(Bytes),
}

impl<S: Abort> Streamed<S> {
    /// `leases`: where the buffers come from.
    pub(crate) fn new(stream: S, leases: Arc<LeasePool>) -> Self {
        Self { stream, leases, sending: None, ended: false }
    }
}

impl<S: Abort> Transport for Streamed<S> {
    const EAGER: bool = false;
    const ENCRYPTED: bool = true;

    type Folded = Self;

    fn fold(self) -> Self {
        self
    }

    fn unfold(folded: Self) -> Self {
        folded
    }

    fn poll_receive(&mut self, task: &mut Task<'_>) -> Poll<Option<io::Result<Piece>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let mut buffer = self.leases.take();
        let read = pin!(self.stream.read_buf(&mut buffer)).poll(task);
        match read {
            Poll::Ready(Ok(octets)) if octets > 0 => Poll::Ready(Some(Ok(self.leases.lease(buffer).into()))),
            Poll::Ready(end) => {
                self.leases.put_back(buffer);
                self.ended = true;
                Poll::Ready(end.err().map(Err))
            }
            Poll::Pending => {
                self.leases.put_back(buffer);
                // What was read may ask TLS for an answer of its own: to a key update, or a renegotiation.
                let _ = Pin::new(&mut self.stream).poll_flush(task);
                Poll::Pending
            }
        }
    }

    fn start_send(&mut self, chunks: Vec<EntityChunk>) {
        self.sending = Some(Sending { chunks, next: 0, done: 0, piece: FilePiece::None });
    }

    fn poll_send(&mut self, task: &mut Task<'_>) -> Poll<(CompletionStatus, Vec<EntityChunk>)> {
        let Some(sending) = &mut self.sending else {
            return Poll::Ready((CompletionStatus::SUCCESS, Vec::new()));
        };
        let sent = ready!(sending.poll(&mut self.stream, task));
        let status =
            sent.map_or_else(|error| CompletionStatus::from_io_error(&error), |()| CompletionStatus::SUCCESS);
        Poll::Ready((status, self.sending.take().map(|sending| sending.chunks).unwrap_or_default()))
    }

    fn poll_shutdown(&mut self, task: &mut Task<'_>) -> Poll<()> {
        Pin::new(&mut self.stream).poll_shutdown(task).map(drop)
    }

    fn reset(&mut self) {
        self.stream.abort();
    }

    fn poll_quiet(&mut self, _rest: &mut BytesMut, task: &mut Task<'_>) -> Poll<()> {
        // Nothing is received unless somebody asks.
        self.poll_send(task).map(drop)
    }

    fn into_stream(self) -> io::Result<BoxStream> {
        Ok(Box::new(self.stream))
    }
}

impl Sending {
    fn poll<S: Abort>(&mut self, stream: &mut S, task: &mut Task<'_>) -> Poll<io::Result<()>> {
        while let Some(chunk) = self.chunks.get(self.next) {
            match chunk {
                EntityChunk::File(range) if self.done < range.len() => {
                    let piece = match &mut self.piece {
                        FilePiece::Read(piece) => piece,
                        FilePiece::Reading(reading) => {
                            let read = ready!(Pin::new(reading).poll(task));
                            self.piece = FilePiece::None;
                            self.piece = FilePiece::Read(read.map_err(io::Error::other)??);
                            continue;
                        }
                        FilePiece::None => {
                            self.piece = FilePiece::Reading(read(range, self.done));
                            continue;
                        }
                    };
                    let written = some(ready!(Pin::new(&mut *stream).poll_write(task, piece)))?;
                    piece.advance(written);
                    if piece.is_empty() {
                        self.piece = FilePiece::None;
                    }
                    self.done += written as u64;
                }
                EntityChunk::Bytes(octets) if self.done < octets.len() as u64 => {
                    let mut parts = [IoSlice::new(&[]); PARTS];
                    let count = gather(&self.chunks[self.next..], self.done, &mut parts);
                    let write = Pin::new(&mut *stream).poll_write_vectored(task, &parts[..count]);
                    let written = some(ready!(write))?;
                    self.advance(written as u64);
                }
                _ => {
                    self.next += 1;
                    self.done = 0;
                }
            }
        }
        // What was written is perhaps still to be sent by what encrypts it.
        Pin::new(stream).poll_flush(task)
    }

    /// Octets of memory have left.
    fn advance(&mut self, octets: u64) {
        self.done += octets;
        while let Some(len) = self.chunks.get(self.next).map(EntityChunk::len)
            && self.done >= len
        {
            self.done -= len;
            self.next += 1;
        }
    }
}

/// What one write takes: memory up to the next file. Returns how many parts it is.
fn gather<'a>(chunks: &'a [EntityChunk], done: u64, parts: &mut [IoSlice<'a>; PARTS]) -> usize {
    let mut skip = usize::try_from(done).unwrap_or(usize::MAX);
    let mut count = 0;
    for chunk in chunks.iter().take(PARTS) {
        let EntityChunk::Bytes(octets) = chunk else { break };
        parts[count] = IoSlice::new(&octets[skip..]);
        skip = 0;
        count += 1;
    }
    count
}

/// A stream that takes nothing takes no more.
fn some(written: io::Result<usize>) -> io::Result<usize> {
    written.and_then(|octets| if octets == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(octets) })
}

/// Reads the next part of a file where it may block.
fn read(range: &FileRange, done: u64) -> JoinHandle<io::Result<Bytes>> {
    let (file, offset) = (Arc::clone(range.file()), range.offset() + done);
    let len = usize::try_from((range.len() - done).min(FILE_PIECE)).unwrap_or(usize::MAX);
    tokio::task::spawn_blocking(move || {
        let mut buffer = vec![0; len];
        loop {
            match read_at(&file, &mut buffer, offset) {
                // RFC 9112 section 6.3: the length was promised.
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(octets) => {
                    buffer.truncate(octets);
                    return Ok(buffer.into());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    })
}

#[cfg(unix)]
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

#[cfg(windows)]
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}

/// Chunks of memory that one write takes.
const PARTS: usize = 16;
/// What is read of a file at once.
const FILE_PIECE: u64 = 256 * 1024;
