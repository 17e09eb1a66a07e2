//! Handles: numbers that only their driver can read.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;

use super::{Driver, Resource};

/// A file, socket or pipe that is associated with a driver: a number that only that driver can read.
///
/// Copies name the same handle. It is closed by [`Driver::close`], or with the driver; [`OwnedHandle`] closes it when
/// it is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Handle {
    driver: u32,
    index: u32,
    generation: u32,
}

impl Handle {
    /// For drivers: a slot, its generation, and a number of the driver's own by which it knows its handles from those
    /// of another ([`Self::next_driver`]).
    #[must_use]
    pub const fn new(driver: u32, index: u32, generation: u32) -> Self {
        Self { driver, index, generation }
    }

    /// For drivers: a number that no other driver of this process has.
    pub fn next_driver() -> u32 {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(1);
        NEXT.fetch_add(1, Ordering::Relaxed)
    }

    /// The driver's number.
    #[must_use]
    pub const fn driver(self) -> u32 {
        self.driver
    }

    /// The slot.
    #[must_use]
    pub const fn index(self) -> u32 {
        self.index
    }

    /// The generation of the slot, so that a handle to what was there before is recognised.
    #[must_use]
    pub const fn generation(self) -> u32 {
        self.generation
    }
}

/// A handle that is closed when it is dropped, its operations cancelled.
///
/// It dereferences to [`Handle`], which is what operations take.
pub struct OwnedHandle<D: Driver + ?Sized = dyn Driver> {
    driver: Arc<D>,
    handle: Handle,
}

impl<D: Driver + ?Sized> OwnedHandle<D> {
    /// Takes charge of a handle of this driver.
    #[must_use]
    pub fn new(driver: Arc<D>, handle: Handle) -> Self {
        Self { driver, handle }
    }

    /// The driver.
    #[must_use]
    pub fn driver(&self) -> &Arc<D> {
        &self.driver
    }

    /// The bare handle, which nobody closes now but [`Driver::close`] and the driver's end.
    #[must_use]
    pub fn release(self) -> Handle {
        let mut this = self;
        std::mem::replace(&mut this.handle, RELEASED)
    }

    /// The address of the other end of a TCP stream.
    ///
    /// # Errors
    ///
    /// When the system has none to tell: not a TCP stream, or not connected any more.
    pub fn peer_address(&self) -> io::Result<SocketAddr> {
        self.ask(|resource| match resource {
            Resource::TcpStream(stream) => stream.peer_addr(),
            _ => Err(not_tcp()),
        })
    }

    /// The address of this end of a TCP stream or listener.
    ///
    /// # Errors
    ///
    /// When the system has none to tell: no TCP socket.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.ask(|resource| match resource {
            Resource::TcpStream(stream) => stream.local_addr(),
            Resource::TcpListener(listener) => listener.local_addr(),
            _ => Err(not_tcp()),
        })
    }

    /// Sends small segments at once (`TCP_NODELAY`); accepted and connected streams start with the system's default,
    /// off.
    ///
    /// # Errors
    ///
    /// When the system refuses: not a TCP stream.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.ask(|resource| match resource {
            Resource::TcpStream(stream) => stream.set_nodelay(nodelay),
            _ => Err(not_tcp()),
        })
    }

    fn ask<T>(&self, mut question: impl FnMut(&Resource) -> io::Result<T>) -> io::Result<T> {
        let mut answer = None;
        self.driver.inspect(self.handle, &mut |resource| answer = Some(question(resource)))?;
        answer.unwrap_or_else(|| Err(io::Error::other("the driver did not show the resource")))
    }
}

impl<D: Driver + ?Sized> Deref for OwnedHandle<D> {
    type Target = Handle;

    fn deref(&self) -> &Handle {
        &self.handle
    }
}

impl<D: Driver + ?Sized> Drop for OwnedHandle<D> {
    fn drop(&mut self) {
        if self.handle != RELEASED {
            self.driver.close(self.handle);
        }
    }
}

impl<D: Driver + ?Sized> fmt::Debug for OwnedHandle<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwnedHandle").field(&self.handle).finish()
    }
}

fn not_tcp() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "the handle is not a TCP socket")
}

/// Names nothing: numbers of drivers start at 1.
const RELEASED: Handle = Handle::new(0, u32::MAX, u32::MAX);
