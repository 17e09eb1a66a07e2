//! Windows as some lines of Rust: in the place of `system.rs` where the crate is modelled.
//!
//! The kernel keeps a call until its peer has something for it ([`Kernel::supply`]), or until it is cancelled, and has the
//! right to touch memory, record and resource until then. There is one stream: what is supplied is for its calls.

#![cfg_attr(not(test), allow(dead_code, reason = "the models are tests"))]

use std::collections::VecDeque;
use std::io;
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, Weak};

use bivalve_core::Resource;
use loom::sync::Condvar;
use windows_sys::Win32::Foundation::{
    ERROR_NOT_SUPPORTED, ERROR_OPERATION_ABORTED, NTSTATUS, STATUS_CANCELLED, STATUS_SUCCESS,
};
use windows_sys::Win32::Networking::WinSock::WSABUF;
use windows_sys::Win32::System::IO::OVERLAPPED_ENTRY;

use crate::call::{Call, Issued, Outcome, Target};
use crate::packet::{BATCH, KEY_EXIT, KEY_OPERATION};
use crate::pool::{self, ThreadPool};
use crate::record::RecordRef;
use crate::status::Landed;
use crate::sync::{Mutex, MutexGuard};

#[derive(Debug)]
pub(crate) struct Port {
    kernel: Arc<Kernel>,
}

/// What is on the other side of the calls.
#[derive(Debug)]
pub(crate) struct Kernel {
    inside: Mutex<Inside>,
    arrived: Condvar,
    manner: Manner,
}

/// How calls end.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Manner {
    /// Without a packet, when they end at once.
    pub(crate) skips: bool,
    /// Not when they are cancelled, but when something comes for them: as a device that cannot be hurried.
    pub(crate) dawdles: bool,
    /// With a byte sent that nobody is told of, when they are cancelled.
    pub(crate) leaks: bool,
    /// On a thread of another's ([`Kernel::serve_pool`]), but for what the driver posts itself.
    pub(crate) pooled: bool,
}

#[derive(Default)]
struct Inside {
    packets: VecDeque<OVERLAPPED_ENTRY>,
    /// Those for the pool.
    pooled: VecDeque<OVERLAPPED_ENTRY>,
    /// The pool ends when nothing is left.
    pool_ends: bool,
    /// The driver's memory has gone.
    ended: bool,
    flying: Vec<Request>,
    /// What the peer has sent: so many bytes with this value.
    sent: VecDeque<(u8, u32)>,
    /// What the peer takes of each call.
    room: VecDeque<u32>,
    /// What the peer has got.
    wire: Vec<u8>,
    /// A resource that was closed, or memory that was freed, while a call had it would be seen here.
    resource: Option<Weak<Resource>>,
    freed: Option<Arc<AtomicUsize>>,
}

/// What the peer does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Supply {
    /// It sends so many bytes with this value.
    Bytes(u8, u32),
    /// It takes so many bytes of one call.
    Room(u32),
}

/// A call that the kernel has.
struct Request {
    record: RecordRef,
    what: Move,
}

enum Move {
    Receive { to: *mut u8, len: u32 },
    Send { buffers: Vec<WSABUF> },
}

// SAFETY: the pointers are used under the lock of `Kernel` only, and what they point to is the kernel's at that time: the
// driver's table keeps the buffers and its arena the records until the packet, which the models check.
unsafe impl Send for Inside {}

/// Only the models' streams are there, which nobody connects or accepts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Provider;

impl Port {
    pub(crate) fn model(manner: Manner) -> (Self, Arc<Kernel>) {
        let inside = Mutex::new(Inside::default());
        let kernel = Arc::new(Kernel { inside, arrived: Condvar::new(), manner });
        (Self { kernel: Arc::clone(&kernel) }, kernel)
    }

    pub(crate) fn new(_threads: u32, _pool: Option<Arc<dyn ThreadPool>>) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn pool_name(&self) -> Option<&'static str> {
        self.kernel.manner.pooled.then_some("pool")
    }

    #[allow(clippy::unnecessary_wraps, reason = "as the real one")]
    pub(crate) fn post_exit(&self) -> io::Result<()> {
        self.kernel.post(&mut self.kernel.lock(), KEY_EXIT, None);
        Ok(())
    }

    #[allow(clippy::unnecessary_wraps, reason = "as the real one")]
    pub(crate) fn wait(&self, batch: &mut [OVERLAPPED_ENTRY; BATCH]) -> io::Result<usize> {
        let mut inside = self.kernel.lock();
        while inside.packets.is_empty() {
            inside = self.kernel.arrived.wait(inside).unwrap_or_else(PoisonError::into_inner);
        }
        let taken = inside.packets.len().min(BATCH);
        batch.iter_mut().zip(inside.packets.drain(..taken)).for_each(|(place, packet)| *place = packet);
        Ok(taken)
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let mut inside = self.kernel.lock();
            inside.ended = true;
            assert!(inside.pooled.is_empty(), "a packet comes when the driver's memory has gone");
            assert!(inside.flying.is_empty(), "the kernel still has calls when the driver's memory goes");
            assert!(inside.packets.is_empty(), "packets are left that nobody takes");
        }
    }
}

impl Call {
    pub(crate) fn issue(self, port: &Port) -> Option<Issued> {
        let outcome = match self {
            Self::Post { record } => {
                record.land(STATUS_SUCCESS, 0);
                port.kernel.post(&mut port.kernel.lock(), KEY_OPERATION, Some(record));
                return None;
            }
            Self::Receive { record, to, len, .. } => port.kernel.take(record, Move::Receive { to, len }),
            Self::Send { record, buffers, count, .. } => {
                port.kernel.take(record, Move::Send { buffers: buffers[..count].to_vec() })
            }
            Self::Shutdown { .. } => Outcome::Landed(Landed::success(0)),
            _ => Outcome::Landed(Landed::failure(ERROR_NOT_SUPPORTED)),
        };
        Some(outcome.into())
    }
}

#[allow(clippy::unnecessary_wraps, reason = "as the real one")]
pub(crate) fn associate(resource: Resource, port: &Port) -> io::Result<(Resource, Target)> {
    let (raw, skips) = (Arc::as_ptr(&port.kernel) as usize, port.kernel.manner.skips);
    let target = Target { raw, kind: resource.kind(), skips, waits: false, provider: None, v6: false };
    Ok((resource, target))
}

pub(crate) fn cancel(resource: usize, record: RecordRef) {
    // SAFETY: `associate` made a handle of the kernel's address, and the port keeps the kernel, which goes with the state
    // whose lock the caller has.
    let kernel = unsafe { &*(resource as *const Kernel) };
    let mut inside = kernel.lock();
    let found = inside.flying.iter().position(|request| request.record == record);
    if let Some(index) = found.filter(|_| !kernel.manner.dawdles) {
        let request = inside.flying.remove(index);
        if kernel.manner.leaks {
            inside.room.push_front(1);
            inside.fulfil(&request);
        }
        kernel.land(&mut inside, record, STATUS_CANCELLED, 0);
    }
}

pub(crate) fn raw(_stream: &TcpStream) -> usize {
    unreachable!("the models have no connecting sockets")
}

pub(crate) fn code(status: NTSTATUS) -> u32 {
    if status == STATUS_CANCELLED { ERROR_OPERATION_ABORTED } else { status.cast_unsigned() }
}

impl Kernel {
    /// Something has come: for the call that waits, or for one that will.
    pub(crate) fn supply(&self, supply: Supply) {
        let mut inside = self.lock();
        match supply {
            Supply::Bytes(value, bytes) => inside.sent.push_back((value, bytes)),
            Supply::Room(bytes) => inside.room.push_back(bytes),
        }
        while let Some((index, bytes)) = inside.ready() {
            let record = inside.flying.remove(index).record;
            self.land(&mut inside, record, STATUS_SUCCESS, bytes);
        }
    }

    /// The resource of the next calls is closed when this is gone.
    pub(crate) fn watch_resource(&self, resource: Weak<Resource>) {
        self.lock().resource = Some(resource);
    }

    /// The memory of the next calls is freed when this is not 0.
    pub(crate) fn watch_memory(&self, freed: &Arc<AtomicUsize>) {
        self.lock().freed = Some(Arc::clone(freed));
    }

    /// What the peer has got.
    pub(crate) fn wire(&self) -> Vec<u8> {
        self.lock().wire.clone()
    }

    /// How much of what the peer has sent nobody has received.
    pub(crate) fn unread(&self) -> u32 {
        self.lock().sent.iter().map(|(_, bytes)| bytes).sum()
    }

    /// A new call: it ends at once, or the kernel has it.
    fn take(&self, record: RecordRef, what: Move) -> Outcome {
        let mut inside = self.lock();
        let same = |other: &Request| std::mem::discriminant(&other.what) == std::mem::discriminant(&what);
        assert!(!inside.flying.iter().any(same), "two calls of one lane are in flight");
        let request = Request { record, what };
        match inside.fulfil(&request) {
            Some(bytes) if self.manner.skips => return Outcome::Landed(Landed::success(bytes)),
            // Its packet is there before the call returns: any thread may take it meanwhile.
            Some(bytes) => self.land(&mut inside, record, STATUS_SUCCESS, bytes),
            None => inside.flying.push(request),
        }
        Outcome::Pending
    }

    /// What a thread of the pool does: runs the routine for what comes, until it is told to end and nothing is left.
    pub(crate) fn serve_pool(&self) {
        loop {
            let mut inside = self.lock();
            while inside.pooled.is_empty() && !(inside.pool_ends && inside.flying.is_empty()) {
                inside = self.arrived.wait(inside).unwrap_or_else(PoisonError::into_inner);
            }
            let Some(packet) = inside.pooled.pop_front() else { return };
            assert!(!inside.ended, "a packet comes when the driver's memory has gone");
            drop(inside);
            // SAFETY: it is the packet of a call on the model's stream, and comes once.
            unsafe { pool::completed(0, 0, packet.lpOverlapped) };
        }
    }

    /// The pool has no other work.
    pub(crate) fn end_pool(&self) {
        self.lock().pool_ends = true;
        self.arrived.notify_all();
    }

    fn land(&self, inside: &mut Inside, record: RecordRef, status: NTSTATUS, bytes: u32) {
        record.land(status, bytes);
        if self.manner.pooled {
            inside.pooled.push_back(packet(KEY_OPERATION, Some(record)));
            self.arrived.notify_all();
        } else {
            self.post(inside, KEY_OPERATION, Some(record));
        }
    }

    fn post(&self, inside: &mut Inside, key: usize, record: Option<RecordRef>) {
        inside.packets.push_back(packet(key, record));
        // With a pool, others wait for this as well.
        if self.manner.pooled { self.arrived.notify_all() } else { self.arrived.notify_one() }
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RecordRef {
    fn land(self, status: NTSTATUS, bytes: u32) {
        let overlapped = self.overlapped();
        // SAFETY: the arena keeps the record, and it is the kernel's from the call until this packet.
        unsafe {
            (*overlapped).Internal = status.cast_unsigned() as usize;
            (*overlapped).InternalHigh = bytes as usize;
        }
    }
}

fn packet(key: usize, record: Option<RecordRef>) -> OVERLAPPED_ENTRY {
    let overlapped = record.map_or(std::ptr::null_mut(), RecordRef::overlapped);
    OVERLAPPED_ENTRY { lpCompletionKey: key, lpOverlapped: overlapped, ..Default::default() }
}

impl Inside {
    /// The first call for which there is something, and how many bytes it has moved.
    fn ready(&mut self) -> Option<(usize, u32)> {
        let flying = std::mem::take(&mut self.flying);
        let ready = flying
            .iter()
            .enumerate()
            .find_map(|(index, request)| self.fulfil(request).map(|bytes| (index, bytes)));
        self.flying = flying;
        ready
    }

    /// Moves bytes, if there are any to be moved.
    fn fulfil(&mut self, request: &Request) -> Option<u32> {
        let closed = self.resource.as_ref().is_some_and(|resource| resource.strong_count() == 0);
        assert!(!closed, "the kernel was to use a resource that was closed");
        let freed = self.freed.as_ref().is_some_and(|freed| freed.load(Ordering::Relaxed) > 0);
        assert!(!freed, "the kernel was to use memory that was freed");
        match &request.what {
            Move::Receive { to, len } => {
                let (value, left) = self.sent.front_mut()?;
                let bytes = (*left).min(*len);
                // SAFETY: the operation's buffer or lease, which the driver's table keeps until the packet; with no room the
                // pointer is none, and nothing is written.
                (bytes > 0).then(|| unsafe { to.write_bytes(*value, bytes as usize) });
                *left -= bytes;
                if *left == 0 {
                    self.sent.pop_front();
                }
                Some(bytes)
            }
            Move::Send { buffers } => {
                let room = self.room.pop_front()? as usize;
                let before = self.wire.len();
                for buffer in buffers {
                    // SAFETY: a chunk of the operation, which the driver's table keeps until the packet.
                    let chunk = unsafe { std::slice::from_raw_parts(buffer.buf, buffer.len as usize) };
                    let left = room - (self.wire.len() - before);
                    self.wire.extend_from_slice(&chunk[..chunk.len().min(left)]);
                }
                u32::try_from(self.wire.len() - before).ok()
            }
        }
    }
}

impl std::fmt::Debug for Inside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Inside")
    }
}
