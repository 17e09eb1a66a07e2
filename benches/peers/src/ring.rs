//! A bare loop over io_uring: the limit that servers are measured by. Its parts are also what the client is made of.
//!
//! Everything that the kernel is told of is leaked: a ring lives as long as its process.

use std::io;
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::SystemTime;

use io_uring::types::{BufRingEntry, Fd, Fixed};
use io_uring::{IoUring, Submitter, cqueue, opcode, squeue};
use memchr::memmem;

use crate::HELLO;

const ENTRIES: u32 = 512;

/// Buffers that all connections share, and the size of each.
pub const BUFFERS: u16 = 256;
/// See [`BUFFERS`].
pub const SIZE: usize = 4096;

/// What a completion is of: the upper bits of its number. Below is the connection's.
const ACCEPT: u64 = 0;
const RECEIVE: u64 = 1 << 62;
const SEND: u64 = 2 << 62;
const CLOSE: u64 = 3 << 62;
const KINDS: u64 = 3 << 62;

/// Room in the table of descriptors.
const CONNECTIONS: u32 = 16 * 1024;

/// The end of a head.
const END: &[u8; 4] = b"\r\n\r\n";

/// Requests that may end in one receive: one that ends in four bytes is none.
const MOST: usize = SIZE / 16;

/// A ring whose work is done when it is waited for.
///
/// # Errors
///
/// When the kernel has none for us.
pub fn new_ring() -> io::Result<IoUring> {
    IoUring::builder()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_submit_all()
        .setup_cqsize(ENTRIES * 8)
        .build(ENTRIES)
}

/// Answers every head, whatever it says, until the process ends: accept and receive go on by themselves, connections are in
/// the ring's own table of descriptors, and a turn is one system call. Nothing is parsed.
pub(crate) fn serve(listener: &TcpListener) -> io::Result<()> {
    let mut ring = new_ring()?;
    ring.submitter().register_files_sparse(CONNECTIONS)?;
    let mut pool = Pool::register(&ring, BUFFERS, SIZE)?;
    let answer = answer();
    let answers: &'static [u8] = Box::leak(answer.repeat(MOST).into_boxed_slice());
    let mut ends = vec![0_u8; CONNECTIONS as usize];
    // Connections inherit it.
    set_nodelay(listener)?;
    let accept = opcode::AcceptMulti::new(Fd(listener.as_raw_fd())).allocate_file_index(true).build();
    let accept = accept.user_data(ACCEPT);
    let receive =
        |index: u32| opcode::RecvMulti::new(Fixed(index), 0).build().user_data(RECEIVE | u64::from(index));
    let (submitter, mut queue, _) = ring.split();
    push(&submitter, &mut queue, &accept)?;
    drop(queue);
    loop {
        match ring.submit_and_wait(1) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        let (submitter, mut queue, completions) = ring.split();
        for completion in completions {
            let (data, flags) = (completion.user_data(), completion.flags());
            let index = u32::try_from(data & !KINDS).unwrap_or(0);
            match (data & KINDS, usize::try_from(completion.result())) {
                (ACCEPT, done) => {
                    if let Ok(index) = done {
                        ends[index] = 0;
                        push(&submitter, &mut queue, &receive(u32::try_from(index).unwrap_or(0)))?;
                    }
                    if !cqueue::more(flags) {
                        push(&submitter, &mut queue, &accept)?;
                    }
                }
                (RECEIVE, done) => {
                    if let (Ok(bytes @ 1..), Some(buffer)) = (done, cqueue::buffer_select(flags)) {
                        let heads = heads(&mut ends[index as usize], pool.filled(buffer, bytes));
                        pool.provide(buffer);
                        if heads > 0 {
                            let bytes = length(heads.min(MOST) * answer.len());
                            // A receive notices a client that is gone.
                            let send = opcode::Send::new(Fixed(index), answers.as_ptr(), bytes)
                                .flags(libc::MSG_WAITALL)
                                .build()
                                .user_data(SEND)
                                .flags(squeue::Flags::SKIP_SUCCESS);
                            push(&submitter, &mut queue, &send)?;
                        }
                    } else if completion.result() != -libc::ENOBUFS {
                        let close = opcode::Close::new(Fixed(index)).build().user_data(CLOSE);
                        push(&submitter, &mut queue, &close)?;
                        continue;
                    }
                    if !cqueue::more(flags) {
                        push(&submitter, &mut queue, &receive(index))?;
                    }
                }
                _ => {}
            }
        }
        drop(queue);
        pool.publish();
    }
}

/// With the date of its start, which costs nothing and is as long as any other.
fn answer() -> Vec<u8> {
    let date = httpdate::fmt_http_date(SystemTime::now());
    let length = HELLO.len();
    format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\ndate: {date}\r\n\r\n{HELLO}").into_bytes()
}

/// How many heads end in these bytes. `begun` is how much of the next end has come.
fn heads(begun: &mut u8, mut bytes: &[u8]) -> usize {
    let mut heads = 0;
    // The rest of an end that came in two pieces.
    while *begun > 0 {
        let Some((first, rest)) = bytes.split_first() else { return heads };
        if *first == END[usize::from(*begun)] {
            bytes = rest;
            *begun += 1;
            if usize::from(*begun) == END.len() {
                heads += 1;
                *begun = 0;
            }
        } else {
            *begun = 0;
        }
    }
    let mut last = 0;
    for at in memmem::find_iter(bytes, END) {
        heads += 1;
        last = at + END.len();
    }
    let open = &bytes[last..];
    *begun = (1..4).rev().find(|&n| open.ends_with(&END[..usize::from(n)])).unwrap_or(0);
    heads
}

/// As the kernel counts.
#[must_use]
pub fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// Queues a submission, which may point to leaked memory and to nothing else.
///
/// # Errors
///
/// When the kernel takes none.
pub fn push(
    submitter: &Submitter<'_>,
    queue: &mut squeue::SubmissionQueue<'_>,
    entry: &squeue::Entry,
) -> io::Result<()> {
    // SAFETY: submissions point to leaked memory and to nothing else, as is said above.
    while unsafe { queue.push(entry) }.is_err() {
        queue.sync();
        match submitter.submit() {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => queue.sync(),
        }
    }
    Ok(())
}

/// The buffers that receives share, in a ring of their own. Both are leaked.
#[derive(Debug)]
pub struct Pool {
    entries: *mut BufRingEntry,
    memory: *mut u8,
    count: u16,
    size: usize,
    tail: u16,
}

/// The kernel wants the ring to begin on a page.
#[derive(Clone)]
#[repr(C, align(4096))]
struct Page([[u64; 2]; 256]);

impl Pool {
    /// So many buffers, a power of two, of this size.
    ///
    /// # Errors
    ///
    /// When the kernel does not take them.
    pub fn register(ring: &IoUring, count: u16, size: usize) -> io::Result<Self> {
        const { assert!(size_of::<[u64; 2]>() == size_of::<BufRingEntry>()) };
        let pages = usize::from(count).div_ceil(256);
        let entries: &'static mut [Page] = Box::leak(vec![Page([[0; 2]; 256]); pages].into());
        let memory: &'static mut [u8] = Box::leak(vec![0; size * usize::from(count)].into());
        let entries = entries.as_mut_ptr();
        let mut pool = Self { entries: entries.cast(), memory: memory.as_mut_ptr(), count, size, tail: 0 };
        // SAFETY: the memory has room for so many entries, all zero, and is leaked.
        unsafe { ring.submitter().register_buf_ring_with_flags(entries as u64, count, 0, 0)? };
        (0..count).for_each(|buffer| pool.provide(buffer));
        pool.publish();
        Ok(pool)
    }

    /// Where a buffer begins.
    #[must_use]
    pub fn address(&self, buffer: u16) -> *const u8 {
        self.memory.wrapping_add(usize::from(buffer) * self.size)
    }

    /// What the kernel has put into a buffer that is ours until it is [provided](Self::provide) again.
    #[must_use]
    pub fn filled(&self, buffer: u16, bytes: usize) -> &[u8] {
        let bytes = if buffer < self.count { bytes.min(self.size) } else { 0 };
        // SAFETY: inside of the leaked and initialised memory; the kernel writes to a buffer only while it is provided, and
        // `provide` borrows the pool mutably, which ends this borrow.
        unsafe { std::slice::from_raw_parts(self.address(buffer), bytes) }
    }

    /// Gives a buffer to the kernel, which sees it after [`publish`](Self::publish).
    pub fn provide(&mut self, buffer: u16) {
        let index = usize::from(self.tail % self.count);
        // SAFETY: the index is below the number of entries, whose memory is leaked; the kernel does not look at this one
        // before the tail is published.
        let entry = unsafe { &mut *self.entries.add(index) };
        entry.set_addr(self.address(buffer) as u64);
        entry.set_len(length(self.size));
        entry.set_bid(buffer);
        self.tail = self.tail.wrapping_add(1);
    }

    /// Shows the kernel what it was given.
    pub fn publish(&self) {
        // SAFETY: the first entry is initialised, it is the start of the ring, and its memory is leaked; nobody else writes
        // the field that holds the tail.
        let tail = unsafe { AtomicU16::from_ptr(BufRingEntry::tail(self.entries).cast_mut()) };
        tail.store(self.tail, Ordering::Release);
    }
}

/// Without Nagle's delay, and so are the connections that it accepts.
///
/// # Errors
///
/// When the kernel refuses.
pub fn set_nodelay(listener: &TcpListener) -> io::Result<()> {
    let (fd, on): (_, libc::c_int) = (listener.as_raw_fd(), 1);
    let size = libc::socklen_t::try_from(size_of_val(&on)).unwrap_or(4);
    // SAFETY: the kernel reads one int, a local that outlives the call.
    let done =
        unsafe { libc::setsockopt(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY, (&raw const on).cast(), size) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_counted_however_they_are_cut() {
        let requests = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n".repeat(5);
        for size in 1..requests.len() {
            let mut begun = 0;
            let counted: usize = requests.chunks(size).map(|piece| heads(&mut begun, piece)).sum();
            assert_eq!((counted, begun), (5, 0), "pieces of {size}");
        }
    }
}
