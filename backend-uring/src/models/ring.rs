//! A ring whose kernel is some lines of Rust: in the place of `ring.rs` where the crate is modelled.
//!
//! It keeps what is submitted until there is something for it ([`Kernel::supply`]), or until it is cancelled, and it
//! has the kernel's right to touch memory until then. Everything is done in the order in which it was submitted.

#![cfg_attr(not(test), allow(dead_code, reason = "the models are tests"))]

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, PoisonError};
use std::task::{self, Poll, Waker};
use std::time::Duration;

use io_uring::types::BufRingEntry;
use io_uring::{IoUring, opcode, squeue};

use loom::sync::{Mutex, MutexGuard};

pub(crate) struct Ring {
    queue: VecDeque<squeue::Entry>,
    kernel: Arc<Kernel>,
}

/// What is on the other side of the ring.
pub(crate) struct Kernel {
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    waiting: VecDeque<Request>,
    supplies: VecDeque<Supply>,
    completions: VecDeque<Completion>,
    buffers: Option<Group>,
    event: bool,
    watcher: Option<Waker>,
    /// Memory that was freed while a request had it would be seen here.
    freed: Option<Arc<AtomicBool>>,
    requests: usize,
}

/// What an operation waits for: bytes with this value, so many of them; for a timer, that its time has passed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Supply {
    pub(crate) value: u8,
    pub(crate) bytes: usize,
}

#[derive(Clone, Copy)]
pub(crate) struct Completion {
    user_data: u64,
    result: i32,
    flags: u32,
}

struct Request {
    user_data: u64,
    code: u8,
    place: *mut u8,
    len: usize,
    selects: bool,
    goes_on: bool,
}

/// The provided buffers.
struct Group {
    ring: *const BufRingEntry,
    count: u16,
    head: u16,
}

// SAFETY: the pointers are used under the lock of `Kernel` only, and what they point to is the kernel's at that time: the
// contracts of `Ring::push` and `Ring::register_buffers`, which the models check.
unsafe impl Send for Inside {}

/// `IORING_CQE_F_BUFFER`, `IORING_CQE_F_MORE`: that a buffer was selected, that more completions follow.
const SELECTED: u32 = 1;
const MORE: u32 = 2;

/// `IORING_RECV_MULTISHOT`.
const MULTISHOT: u16 = 2;

impl Ring {
    pub(crate) fn model() -> (Self, Arc<Kernel>) {
        let kernel = Arc::new(Kernel { inside: Mutex::new(Inside::default()) });
        (Self { queue: VecDeque::new(), kernel: Arc::clone(&kernel) }, kernel)
    }

    pub(crate) fn new(_ring: IoUring) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    #[allow(clippy::unused_self, clippy::unnecessary_wraps, reason = "as the real one")]
    pub(crate) fn enable(&self) -> io::Result<()> {
        Ok(())
    }

    pub(crate) fn set_event(&self, on: bool) {
        self.kernel.lock().event = on;
    }

    /// # Safety
    ///
    /// What the submission points to stays where it is, and the kernel's alone, until its last completion has come.
    pub(crate) unsafe fn push(&mut self, entry: &squeue::Entry) -> bool {
        self.queue.push_back(entry.clone());
        true
    }

    pub(crate) fn needs_enter(&self) -> bool {
        !self.queue.is_empty()
    }

    #[allow(clippy::unnecessary_wraps, reason = "as the real one")]
    pub(crate) fn enter(&mut self) -> io::Result<()> {
        let mut inside = self.kernel.lock();
        self.queue.drain(..).for_each(|entry| inside.take(&entry));
        inside.serve();
        Ok(())
    }

    pub(crate) fn enter_and_wait(&mut self, _most: Duration) -> io::Result<()> {
        self.enter()
    }

    pub(crate) fn completions(&mut self) -> Completions<'_> {
        let mut completions = Completions { kernel: &self.kernel, here: VecDeque::new() };
        completions.sync();
        completions
    }

    pub(crate) fn poll_quiet(&mut self, task: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        let mut inside = self.kernel.lock();
        inside.event = true;
        if !inside.completions.is_empty() || self.needs_enter() {
            return Poll::Ready(Ok(()));
        }
        inside.watcher = Some(task.waker().clone());
        Poll::Pending
    }

    /// # Safety
    ///
    /// At the address is a ring of so many entries, which stays there until the buffers are unregistered.
    #[allow(clippy::unnecessary_wraps, reason = "as the real one")]
    pub(crate) unsafe fn register_buffers(&self, address: u64, count: u16) -> io::Result<()> {
        self.kernel.lock().buffers = Some(Group { ring: address as *const BufRingEntry, count, head: 0 });
        Ok(())
    }

    pub(crate) fn unregister_buffers(&self) -> io::Result<()> {
        let mut inside = self.kernel.lock();
        assert!(inside.waiting.is_empty(), "the kernel still has operations when the buffers go");
        inside.buffers.take().map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// The completions that were there, and after `sync` those that have come since.
pub(crate) struct Completions<'a> {
    kernel: &'a Kernel,
    here: VecDeque<Completion>,
}

impl Completions<'_> {
    pub(crate) fn is_empty(&self) -> bool {
        self.here.is_empty()
    }

    pub(crate) fn sync(&mut self) {
        self.here.append(&mut self.kernel.lock().completions);
    }
}

impl Iterator for Completions<'_> {
    type Item = Completion;

    fn next(&mut self) -> Option<Completion> {
        self.here.pop_front()
    }
}

impl Completion {
    pub(crate) fn user_data(&self) -> u64 {
        self.user_data
    }

    pub(crate) fn result(&self) -> i32 {
        self.result
    }

    pub(crate) fn flags(&self) -> u32 {
        self.flags
    }
}

impl Kernel {
    /// Something has come: for what waits, or for what will.
    pub(crate) fn supply(&self, supplies: &[Supply]) {
        let mut inside = self.lock();
        inside.supplies.extend(supplies);
        inside.serve();
        let watcher =
            if inside.event && !inside.completions.is_empty() { inside.watcher.take() } else { None };
        drop(inside);
        watcher.into_iter().for_each(Waker::wake);
    }

    /// The memory of the next request is freed when this is set.
    pub(crate) fn watch(&self, freed: &Arc<AtomicBool>) {
        self.lock().freed = Some(Arc::clone(freed));
    }

    /// How many requests there were, cancellations not counted.
    pub(crate) fn requests(&self) -> usize {
        self.lock().requests
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside {
    fn take(&mut self, entry: &squeue::Entry) {
        let request = Request::of(entry);
        match request.code {
            opcode::AsyncCancel::CODE => self.cancel(&request),
            opcode::FilesUpdate::CODE => self.complete(request.user_data, result(request.len), 0),
            _ => {
                self.requests += 1;
                self.waiting.push_back(request);
            }
        }
    }

    fn cancel(&mut self, request: &Request) {
        let target = request.place as u64;
        if let Some(found) = self.waiting.iter().position(|request| request.user_data == target) {
            self.waiting.remove(found);
            self.complete(target, -libc::ECANCELED, 0);
        }
        self.complete(request.user_data, 0, 0);
    }

    /// Gives what has come to those that wait for it.
    fn serve(&mut self) {
        while let (Some(request), Some(supply)) = (self.waiting.front(), self.supplies.front().copied()) {
            let (user_data, goes_on) = (request.user_data, request.goes_on);
            let Some((result, flags)) = self.fulfil(supply) else {
                self.waiting.pop_front();
                self.complete(user_data, -libc::ENOBUFS, 0);
                continue;
            };
            self.supplies.pop_front();
            if goes_on {
                self.complete(user_data, result, flags | MORE);
            } else {
                self.waiting.pop_front();
                self.complete(user_data, result, flags);
            }
        }
    }

    /// Result and flags for the first that waits; `None` when there is no buffer.
    fn fulfil(&mut self, supply: Supply) -> Option<(i32, u32)> {
        let request = self.waiting.front()?;
        let freed = self.freed.as_ref().is_some_and(|freed| freed.load(Ordering::Relaxed));
        assert!(!freed, "the kernel was to use memory that was freed");
        let (place, room, flags) = match request.code {
            opcode::Timeout::CODE => return Some((-libc::ETIME, 0)),
            opcode::Write::CODE => return Some((result(request.len), 0)),
            _ if request.selects => {
                let (id, place, room) = self.buffers.as_mut()?.select()?;
                (place, room, u32::from(id) << 16 | SELECTED)
            }
            _ => (request.place, request.len, 0),
        };
        let bytes = supply.bytes.min(room);
        // SAFETY: the kernel's by the contracts of `Ring::push` and `Ring::register_buffers`, and as long as it says.
        unsafe { place.write_bytes(supply.value, bytes) };
        Some((result(bytes), flags))
    }

    fn complete(&mut self, user_data: u64, result: i32, flags: u32) {
        self.completions.push_back(Completion { user_data, result, flags });
    }
}

impl Request {
    fn of(entry: &squeue::Entry) -> Self {
        // SAFETY: an entry is the kernel's `io_uring_sqe`, 64 bytes without gaps.
        let bytes = unsafe { &*(&raw const *entry).cast::<[u8; 64]>() };
        let half = |at: usize| u16::from_ne_bytes([bytes[at], bytes[at + 1]]);
        let address = u64::from_ne_bytes(std::array::from_fn(|at| bytes[16 + at]));
        Self {
            user_data: entry.get_user_data(),
            code: bytes[0],
            place: address as *mut u8,
            len: u32::from_ne_bytes(std::array::from_fn(|at| bytes[24 + at])) as usize,
            selects: bytes[1] & squeue::Flags::BUFFER_SELECT.bits() != 0,
            goes_on: bytes[0] == opcode::Recv::CODE && half(2) & MULTISHOT != 0,
        }
    }
}

impl Group {
    /// The buffer that was provided first: its id, its memory and its size.
    fn select(&mut self) -> Option<(u16, *mut u8, usize)> {
        // SAFETY: the memory is a ring of entries by the contract of `Ring::register_buffers`; the driver writes an entry
        // before it publishes it through the tail, and not again before it was taken.
        let entry = unsafe {
            let tail = AtomicU16::from_ptr(BufRingEntry::tail(self.ring).cast_mut());
            if tail.load(Ordering::Acquire) == self.head {
                return None;
            }
            &*self.ring.add(usize::from(self.head & (self.count - 1)))
        };
        self.head = self.head.wrapping_add(1);
        Some((entry.bid(), entry.addr() as *mut u8, entry.len() as usize))
    }
}

fn result(bytes: usize) -> i32 {
    i32::try_from(bytes).unwrap_or(i32::MAX)
}
