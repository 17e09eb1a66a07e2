//! Bare system calls without a ring: what readiness costs.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::FileExt;

use super::{READ, Reader, offset, whole};

/// Echoes until the process ends.
pub(super) fn echo(listener: &TcpListener) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let epoll = Epoll::new()?;
    epoll.watch(listener.as_raw_fd())?;
    // By descriptor.
    let mut streams: Vec<Option<TcpStream>> = Vec::new();
    let mut events = [libc::epoll_event { events: 0, u64: 0 }; 256];
    let mut buffer = [0; 4096];
    loop {
        let count = epoll.wait(&mut events)?;
        for event in &events[..count] {
            let ready = usize::try_from(event.u64).unwrap_or(usize::MAX);
            if let Some(Some(stream)) = streams.get_mut(ready) {
                let gone = match stream.read(&mut buffer) {
                    Ok(0) => true,
                    // A message fits the socket's buffer.
                    Ok(bytes) => stream.write_all(&buffer[..bytes]).is_err(),
                    Err(error) => error.kind() != io::ErrorKind::WouldBlock,
                };
                if gone {
                    streams[ready] = None;
                }
                continue;
            }
            while let Ok((stream, _)) = listener.accept() {
                stream.set_nodelay(true)?;
                stream.set_nonblocking(true)?;
                epoll.watch(stream.as_raw_fd())?;
                let index = usize::try_from(stream.as_raw_fd()).unwrap_or(usize::MAX);
                if streams.len() <= index {
                    streams.resize_with(index + 1, || None);
                }
                streams[index] = Some(stream);
            }
        }
    }
}

/// Plain `pread`: nothing is in flight, the file is in memory.
pub(super) fn reader(file: File) -> Reader {
    let mut buffer = [0; READ];
    Box::new(move |reads| (0..reads).try_for_each(|read| whole(file.read_at(&mut buffer, offset(read))?)))
}

struct Epoll(OwnedFd);

impl Epoll {
    fn new() -> io::Result<Self> {
        // SAFETY: no memory is involved.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: it is new and nobody else's.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    fn watch(&self, fd: RawFd) -> io::Result<()> {
        let number = u64::try_from(fd).unwrap_or(u64::MAX);
        let mut event = libc::epoll_event { events: libc::EPOLLIN.cast_unsigned(), u64: number };
        // SAFETY: the kernel reads the event, a local that outlives the call.
        let done = unsafe { libc::epoll_ctl(self.0.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, &raw mut event) };
        if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    fn wait(&self, events: &mut [libc::epoll_event]) -> io::Result<usize> {
        let room = i32::try_from(events.len()).unwrap_or(i32::MAX);
        // SAFETY: the kernel writes at most so many events to the slice, which is borrowed for the call.
        let count = unsafe { libc::epoll_wait(self.0.as_raw_fd(), events.as_mut_ptr(), room, -1) };
        usize::try_from(count).map_err(|_| io::Error::last_os_error())
    }
}
