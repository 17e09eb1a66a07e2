//! The ring itself: the one place that talks to the kernel's queues.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{self, Poll};
use std::time::Duration;

use io_uring::types::{SubmitArgs, Timespec};
use io_uring::{EnterFlags, IoUring, cqueue, squeue};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A ring, and the event that tells Tokio of its completions. Belongs to the turn task, and after
/// [`enable`](Self::enable) to its thread.
///
/// The event is an eventfd, because the ring's own descriptor does not become readable for completions that the kernel
/// has deferred (`DEFER_TASKRUN`; seen on Linux 6.18: `epoll_wait` sleeps on while `SQ_TASKRUN` is set). It is switched
/// off while the turn looks at the ring anyway.
pub(crate) struct Ring {
    ring: IoUring,
    event: AsyncFd<OwnedFd>,
}

impl Ring {
    /// Needs a Tokio runtime with its I/O driver.
    pub(crate) fn new(ring: IoUring) -> io::Result<Self> {
        // SAFETY: no memory is involved; the descriptor that comes back is new.
        let event = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if event < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: it is open and nobody else's.
        let event = unsafe { OwnedFd::from_raw_fd(event) };
        ring.submitter().register_eventfd(event.as_raw_fd())?;
        let register = AssertUnwindSafe(|| {
            // SAFETY: the `AsyncFd` owns the descriptor, which stays the same and open until it is dropped.
            unsafe { AsyncFd::register_with_interest(event, Interest::READABLE) }
        });
        // Tokio panics where the runtime has no I/O driver.
        let event = catch_unwind(register).map_err(|_| {
            io::Error::other("the Tokio runtime has no I/O driver: build it with enable_all()")
        })??;
        Ok(Self { ring, event })
    }

    /// From here on, the calling thread is the one that submits.
    pub(crate) fn enable(&self) -> io::Result<()> {
        block_sigpipe();
        self.ring.submitter().register_enable_rings()
    }

    /// Whether the event is set by completions.
    pub(crate) fn set_event(&mut self, on: bool) {
        let completions = self.ring.completion();
        if on {
            completions.enable_eventfd();
        } else {
            completions.disable_eventfd();
        }
    }

    /// Whether there is something to look at, or to let the kernel make.
    pub(crate) fn has_completions(&mut self) -> bool {
        !self.ring.completion().is_empty() || self.needs_enter()
    }

    /// Puts a submission into the queue; `false` if it is full.
    ///
    /// # Safety
    ///
    /// What the submission points to stays where it is, and the kernel's alone, until its last completion has come.
    pub(crate) unsafe fn push(&mut self, entry: &squeue::Entry) -> bool {
        let mut queue = self.ring.submission();
        // SAFETY: by the contract of this function.
        unsafe { queue.push(entry) }.is_ok()
    }

    /// Whether the kernel has to be asked: there are submissions, or completions that it has not made yet.
    pub(crate) fn needs_enter(&mut self) -> bool {
        let queue = self.ring.submission();
        !queue.is_empty() || queue.taskrun() || queue.cq_overflow()
    }

    /// Submits what is queued, and lets the kernel make its completions; does not wait.
    pub(crate) fn enter(&mut self) -> io::Result<()> {
        let ring = &mut self.ring;
        let count = u32::try_from(ring.submission().len()).unwrap_or(u32::MAX);
        // SAFETY: the parameters are those of the plain call: a count of submissions, nothing to wait for, no argument.
        let entered =
            unsafe { ring.submitter().enter::<libc::sigset_t>(count, 0, EnterFlags::GETEVENTS.bits(), None) };
        retriable(entered)
    }

    /// As [`enter`](Self::enter), and waits for a completion, but no longer than this.
    pub(crate) fn enter_and_wait(&mut self, most: Duration) -> io::Result<()> {
        let time = Timespec::from(most);
        let arguments = SubmitArgs::new().timespec(&time);
        retriable(self.ring.submitter().submit_with_args(1, &arguments))
    }

    /// The completions that are there.
    pub(crate) fn completions(&mut self) -> cqueue::CompletionQueue<'_> {
        self.ring.completion()
    }

    /// `Pending` when the task will be woken by the next completion. `Ready` when one may have come: look, and ask again.
    pub(crate) fn poll_quiet(&mut self, task: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        self.set_event(true);
        // What came before the event was on.
        if self.has_completions() {
            return Poll::Ready(Ok(()));
        }
        match self.event.poll_read_ready(task) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(mut guard)) => {
                // Before the next look at the queue, so that a completion after the look is a new edge. The event's counter
                // is not read: each increment is an edge, and it would take centuries to be full.
                guard.clear_ready();
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
        }
    }

    /// Makes the provided buffers known.
    ///
    /// # Safety
    ///
    /// At the address is a ring of so many entries, which stays there until no receive is in flight and the buffers are
    /// unregistered or the ring is closed.
    pub(crate) unsafe fn register_buffers(&self, address: u64, count: u16) -> io::Result<()> {
        // SAFETY: by the contract of this function.
        unsafe {
            self.ring.submitter().register_buf_ring_with_flags(address, count, crate::buffers::GROUP, 0)
        }
    }

    /// Forgets the provided buffers.
    pub(crate) fn unregister_buffers(&self) -> io::Result<()> {
        self.ring.submitter().unregister_buf_ring(crate::buffers::GROUP)
    }
}

/// Keeps a peer that is gone from ending the process: `sendfile` and writes to pipes raise SIGPIPE, as `send` can be told not
/// to. Rust's programs ignore the signal; where a host does not, this thread blocks it, and says nothing about others.
fn block_sigpipe() {
    // SAFETY: the calls write the two locals, for which all zeroes are valid, and change nothing but this thread's mask.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        let known = libc::sigaction(libc::SIGPIPE, std::ptr::null(), &raw mut action) == 0;
        if known && action.sa_sigaction != libc::SIG_IGN {
            let mut set: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&raw mut set);
            libc::sigaddset(&raw mut set, libc::SIGPIPE);
            libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
        }
    }
}

/// What passes by itself: a signal, a completion queue that has to be drained first, memory that is short for a moment,
/// a wait that was long enough.
fn retriable(entered: io::Result<usize>) -> io::Result<()> {
    match entered {
        Ok(_) => Ok(()),
        Err(error) => match error.raw_os_error() {
            Some(libc::EINTR | libc::EBUSY | libc::EAGAIN | libc::ETIME) => Ok(()),
            _ => Err(error),
        },
    }
}
