//! Handles: the descriptors, and the queue of each direction.

use std::collections::VecDeque;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::{io, net};

use bivalve_core::driver::{Direction, ResourceKind};
use bivalve_core::{OperationKey, Resource};
use io_uring::types::Fd;
use socket2::SockRef;

/// A descriptor that is associated, and who uses it. Small, as most do nothing at a time.
pub(crate) struct Entry {
    /// Shared with those who look at it, or send a file, while the lock is free.
    pub(crate) resource: Arc<Resource>,
    pub(crate) fd: Fd,
    pub(crate) kind: ResourceKind,
    /// No new operations; the entry goes with the last one.
    pub(crate) closing: bool,
    /// A send ended in the middle: nothing may follow.
    pub(crate) broken: bool,
    /// Its place in the ring's table.
    pub(crate) direct: Direct,
    /// Positioned operations in flight, which have no order.
    pub(crate) independent: u32,
    /// The operation of each direction that is running.
    running: [Option<OperationKey>; 2],
    /// Those behind it, once there were any.
    behind: Option<Box<[VecDeque<OperationKey>; 2]>>,
}

/// Whether a descriptor is in the ring's table, under the index of its handle.
///
/// ```text
/// No -> Coming -> There -> Going -> (forgotten)
///         \ refused -> No
/// ```
///
/// The ring's table holds a reference of its own: the socket is closed when it has left the table and the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direct {
    No,
    /// The kernel was asked to take it in.
    Coming,
    There,
    /// The kernel was asked to forget it.
    Going,
}

impl Entry {
    pub(crate) fn new(resource: Resource) -> Self {
        Self {
            fd: Fd(raw_fd(&resource)),
            kind: resource.kind(),
            resource: Arc::new(resource),
            closing: false,
            broken: false,
            direct: Direct::No,
            independent: 0,
            running: [None; 2],
            behind: None,
        }
    }

    /// Takes an operation into the queue of its direction. Whether it runs, and is not behind another.
    pub(crate) fn enter(&mut self, direction: Direction, key: OperationKey) -> bool {
        let running = &mut self.running[direction as usize];
        if running.is_none() {
            *running = Some(key);
            return true;
        }
        self.behind.get_or_insert_default()[direction as usize].push_back(key);
        false
    }

    /// An operation has ended. The one that runs next, if that was the one that ran.
    pub(crate) fn leave(&mut self, direction: Direction, key: OperationKey) -> Option<OperationKey> {
        let running = &mut self.running[direction as usize];
        let behind = self.behind.as_mut().map(|behind| &mut behind[direction as usize]);
        if *running == Some(key) {
            *running = behind.and_then(VecDeque::pop_front);
            return *running;
        }
        let behind = behind?;
        if behind.back() == Some(&key) {
            behind.pop_back();
        } else {
            behind.retain(|other| *other != key);
        }
        None
    }

    /// The operations of one direction, the one that runs last.
    pub(crate) fn last_to_first(&self, direction: Direction) -> impl Iterator<Item = OperationKey> {
        let behind = self.behind.iter().flat_map(move |behind| behind[direction as usize].iter().rev());
        behind.copied().chain(self.running[direction as usize])
    }

    /// From here on closing does not block (`Driver::close`), whatever option was set through `inspect`: what is in the
    /// socket's buffer leaves in the background. To linger for no time at all is to reset the connection, and stays.
    pub(crate) fn linger_not(&self) {
        let socket = match &*self.resource {
            Resource::TcpStream(stream) => SockRef::from(stream),
            // Others have nothing to linger for.
            _ => return,
        };
        if socket.linger().is_ok_and(|linger| linger.is_some_and(|time| !time.is_zero())) {
            let _ = socket.set_linger(None);
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.independent == 0 && self.running == [None; 2]
    }
}

pub(crate) fn raw_fd(resource: &Resource) -> RawFd {
    match resource {
        Resource::File(file) | Resource::Pipe(file) => file.as_raw_fd(),
        Resource::TcpListener(listener) => listener.as_raw_fd(),
        Resource::TcpStream(stream) => stream.as_raw_fd(),
        Resource::UnixListener(listener) => listener.as_raw_fd(),
        Resource::UnixStream(stream) => stream.as_raw_fd(),
        _ => -1,
    }
}

/// Makes a descriptor wait, as the ring needs it: one that does not is answered with `EAGAIN` instead of being watched.
pub(crate) fn make_blocking(resource: &Resource) -> io::Result<()> {
    match resource {
        Resource::TcpListener(listener) => listener.set_nonblocking(false),
        Resource::TcpStream(stream) => stream.set_nonblocking(false),
        Resource::UnixListener(listener) => listener.set_nonblocking(false),
        Resource::UnixStream(stream) => stream.set_nonblocking(false),
        Resource::Pipe(pipe) => {
            let mut nonblocking: libc::c_int = 0;
            // SAFETY: the descriptor is open, the resource owns it; the call reads one int, which lives until it returns.
            let done = unsafe { libc::ioctl(pipe.as_raw_fd(), libc::FIONBIO, &raw mut nonblocking) };
            if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
        }
        _ => Ok(()),
    }
}

/// The resource that a listener has accepted.
///
/// # Safety
///
/// The descriptor is a connection that the kernel has just handed over, and nobody else owns.
pub(crate) unsafe fn accepted(listener: &Resource, fd: RawFd) -> Resource {
    // SAFETY: by the contract of this function, it is ours from here on.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    match listener {
        Resource::UnixListener(_) => Resource::UnixStream(fd.into()),
        _ => Resource::TcpStream(net::TcpStream::from(fd)),
    }
}
