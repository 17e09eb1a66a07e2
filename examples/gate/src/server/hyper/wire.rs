//! The socket, watched: what it takes, and when it takes nothing.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::activity::Activity;

/// A stream that tells an [`Activity`] about its writes.
#[derive(Debug)]
pub(super) struct Watched<S> {
    stream: S,
    activity: Arc<Activity>,
    frames: Frames,
}

/// Where the bytes of HTTP/2 are between two frames. (For HTTP/1 its numbers mean nothing, and nobody asks.)
#[derive(Debug, Default)]
struct Frames {
    head: [u8; 9],
    filled: usize,
    left: usize,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, activity: Arc<Activity>) -> Self {
        Self { stream, activity, frames: Frames::default() }
    }

    fn took(&mut self, polled: Poll<io::Result<usize>>, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match &polled {
            Poll::Ready(Ok(taken)) if *taken > 0 => {
                let (mut left, mut data) = (*taken, 0);
                for part in parts {
                    let part = &part[..part.len().min(left)];
                    left -= part.len();
                    data += self.frames.data_in(part);
                }
                self.activity.wrote(data);
            }
            Poll::Ready(_) => {}
            Poll::Pending => self.activity.blocked(),
        }
        polled
    }
}

impl Frames {
    /// Bytes of DATA frames in the next part of what is sent (RFC 9113 section 4.1; hyper pads nothing).
    fn data_in(&mut self, mut part: &[u8]) -> u64 {
        let mut data = 0;
        while !part.is_empty() {
            if self.filled < self.head.len() {
                let n = part.len().min(self.head.len() - self.filled);
                self.head[self.filled..self.filled + n].copy_from_slice(&part[..n]);
                self.filled += n;
                part = &part[n..];
                let [a, b, c, ..] = self.head;
                self.left = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
            } else {
                let n = part.len().min(self.left);
                if self.head[3] == DATA {
                    data += n as u64;
                }
                self.left -= n;
                part = &part[n..];
            }
            if self.filled == self.head.len() && self.left == 0 {
                self.filled = 0;
            }
        }
        data
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(task, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, part: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(task, part);
        self.took(polled, &[IoSlice::new(part)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(task, parts);
        self.took(polled, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(task);
        if let Poll::Ready(Ok(())) = polled {
            self.activity.flushed();
        }
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(task)
    }
}

const DATA: u8 = 0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_counted_however_the_frames_are_cut() {
        let mut sent = vec![0, 0, 3, 4, 0, 0, 0, 0, 0, 1, 2, 3];
        sent.extend([0, 0, 5, DATA, 0, 0, 0, 0, 1, 9, 9, 9, 9, 9]);
        sent.extend([0, 0, 0, DATA, 1, 0, 0, 0, 1]);
        sent.extend([0, 1, 1, DATA, 1, 0, 0, 0, 3]);
        sent.extend([7; 257]);
        for size in 1..sent.len() {
            let mut frames = Frames::default();
            let data: u64 = sent.chunks(size).map(|part| frames.data_in(part)).sum();
            assert_eq!(data, 262, "{size}");
        }
    }
}
