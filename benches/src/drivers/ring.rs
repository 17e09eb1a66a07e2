//! A bare loop over io_uring: the limit that the drivers are measured by, and the client of all of them.
//!
//! Everything that the kernel is told of is leaked: a ring lives as long as its process.

use std::fs::File;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use io_uring::types::{BufRingEntry, Fd, Fixed};
use io_uring::{IoUring, Submitter, cqueue, opcode, squeue};

use super::{DEPTH, MESSAGE, READ, Reader, offset, whole};

const ENTRIES: u32 = 512;

/// Buffers that all connections share, and the size of each.
const BUFFERS: u16 = 256;
const SIZE: usize = 4096;

/// What a completion is of: the upper bits of its number. Below are the connection's and the buffer's.
const ACCEPT: u64 = 0;
const RECEIVE: u64 = 1 << 62;
const SEND: u64 = 2 << 62;
const CLOSE: u64 = 3 << 62;
const KINDS: u64 = 3 << 62;

/// Room in the table of descriptors.
const CONNECTIONS: u32 = 1024;

fn new_ring() -> io::Result<IoUring> {
    IoUring::builder()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_submit_all()
        .setup_cqsize(ENTRIES * 4)
        .build(ENTRIES)
}

/// Echoes until the process ends: accept and receive go on by themselves, connections are in the ring's own table
/// of descriptors, and a turn is one system call.
pub(super) fn echo(listener: &TcpListener) -> io::Result<()> {
    let mut ring = new_ring()?;
    ring.submitter().register_files_sparse(CONNECTIONS)?;
    let mut pool = Pool::register(&ring)?;
    // Connections inherit it.
    set_nodelay(listener)?;
    let accept = opcode::AcceptMulti::new(Fd(listener.as_raw_fd())).allocate_file_index(true).build();
    let accept = accept.user_data(ACCEPT);
    let receive = |index: u32| {
        opcode::RecvMulti::new(Fixed(index), 0).build().user_data(RECEIVE | u64::from(index) << 16)
    };
    let (submitter, mut queue, _) = ring.split();
    push(&submitter, &mut queue, &accept)?;
    drop(queue);
    loop {
        ring.submit_and_wait(1)?;
        let (submitter, mut queue, completions) = ring.split();
        for completion in completions {
            let (data, flags) = (completion.user_data(), completion.flags());
            let (index, sent) = parts(data);
            match (data & KINDS, u32::try_from(completion.result())) {
                (ACCEPT, done) => {
                    if let Ok(index) = done {
                        push(&submitter, &mut queue, &receive(index))?;
                    }
                    if !cqueue::more(flags) {
                        push(&submitter, &mut queue, &accept)?;
                    }
                }
                (RECEIVE, done) => {
                    if let (Ok(bytes @ 1..), Some(buffer)) = (done, cqueue::buffer_select(flags)) {
                        let send = opcode::Send::new(Fixed(index), pool.address(buffer), bytes).build();
                        push(&submitter, &mut queue, &send.user_data(SEND | u64::from(buffer)))?;
                    } else if completion.result() != -libc::ENOBUFS {
                        push(
                            &submitter,
                            &mut queue,
                            &opcode::Close::new(Fixed(index)).build().user_data(CLOSE),
                        )?;
                        continue;
                    }
                    if !cqueue::more(flags) {
                        push(&submitter, &mut queue, &receive(index))?;
                    }
                }
                // A peer that is gone is noticed by the receive.
                (SEND, _) => pool.provide(sent),
                _ => {}
            }
        }
        drop(queue);
        pool.publish();
    }
}

/// Reads the file with [`DEPTH`] reads in flight.
pub(super) fn reader(file: File) -> io::Result<Reader> {
    let mut ring = new_ring()?;
    // Leaked, as all that the kernel writes to.
    let buffers: &'static mut [[u8; READ]] = Box::leak(vec![[0; READ]; DEPTH].into());
    Ok(Box::new(move |reads| {
        let (mut started, mut ended) = (0, 0);
        while ended < reads {
            let (submitter, mut queue, completions) = ring.split();
            let mut next = |buffer: usize| {
                if started == reads {
                    return Ok(());
                }
                let place = buffers[buffer].as_mut_ptr();
                let read =
                    opcode::Read::new(Fd(file.as_raw_fd()), place, length(READ)).offset(offset(started));
                started += 1;
                push(&submitter, &mut queue, &read.build().user_data(buffer as u64))
            };
            if ended == 0 {
                (0..DEPTH).try_for_each(&mut next)?;
            }
            for completion in completions {
                whole(usize::try_from(completion.result()).unwrap_or(0))?;
                ended += 1;
                next(usize::try_from(completion.user_data()).unwrap_or(0))?;
            }
            drop(queue);
            if ended < reads {
                ring.submit_and_wait(1)?;
            }
        }
        Ok(())
    }))
}

/// Answers that the client waits for at a time, if it has many connections. So it sleeps less often than the server
/// and is cheaper: the server is never without work, and all servers get it in the same way.
const TOGETHER: usize = 16;

/// Connections that send a message, wait for it, and send it again.
pub(super) struct Client {
    ring: IoUring,
    pool: Pool,
    streams: Vec<TcpStream>,
    message: &'static [u8; MESSAGE],
    /// Bytes of the answer that have come, by connection.
    received: Vec<usize>,
}

impl Client {
    /// Opens so many connections.
    pub(super) fn connect(port: u16, connections: usize) -> io::Result<Self> {
        let ring = new_ring()?;
        let pool = Pool::register(&ring)?;
        let connect = |_| {
            let stream = TcpStream::connect(("127.0.0.1", port))?;
            stream.set_nodelay(true)?;
            Ok(stream)
        };
        let streams = (0..connections).map(connect).collect::<io::Result<Vec<_>>>()?;
        let mut client =
            Self { ring, pool, received: vec![0; streams.len()], streams, message: &[b'.'; MESSAGE] };
        let (submitter, mut queue, _) = client.ring.split();
        for (index, stream) in client.streams.iter().enumerate() {
            push(&submitter, &mut queue, &receive(stream, index))?;
        }
        drop(queue);
        Ok(client)
    }

    /// Messages that came back in a time. At the end none is under way.
    pub(super) fn run(&mut self, time: Duration) -> io::Result<u64> {
        let Self { ring, pool, streams, message, received } = self;
        let message: &'static [u8; MESSAGE] = message;
        let until = Instant::now() + time;
        let send = |index: usize| {
            let fd = Fd(streams[index].as_raw_fd());
            let send = opcode::Send::new(fd, message.as_ptr(), length(MESSAGE)).build();
            // A completion only if it fails.
            send.user_data(SEND | index as u64).flags(squeue::Flags::SKIP_SUCCESS)
        };
        let (submitter, mut queue, _) = ring.split();
        for index in 0..streams.len() {
            push(&submitter, &mut queue, &send(index))?;
        }
        drop(queue);
        let (mut waiting, mut messages) = (streams.len(), 0);
        while waiting > 0 {
            ring.submit_and_wait(TOGETHER.min(waiting / 2).max(1))?;
            let goes_on = Instant::now() < until;
            let (submitter, mut queue, completions) = ring.split();
            for completion in completions {
                let (data, flags) = (completion.user_data(), completion.flags());
                let index = usize::try_from(data & u64::from(u32::MAX)).unwrap_or(0);
                let selected = cqueue::buffer_select(flags);
                match (usize::try_from(completion.result()), selected) {
                    (Ok(bytes @ 1..), Some(buffer)) => {
                        pool.provide(buffer);
                        received[index] += bytes;
                    }
                    _ if completion.result() == -libc::ENOBUFS => {}
                    _ => return Err(io::Error::other("the server has hung up")),
                }
                if !cqueue::more(flags) {
                    push(&submitter, &mut queue, &receive(&streams[index], index))?;
                }
                if received[index] >= MESSAGE {
                    received[index] -= MESSAGE;
                    messages += 1;
                    if goes_on {
                        push(&submitter, &mut queue, &send(index))?;
                    } else {
                        waiting -= 1;
                    }
                }
            }
            drop(queue);
            pool.publish();
        }
        Ok(messages)
    }
}

/// A receive that goes on, of the client.
fn receive(stream: &TcpStream, index: usize) -> squeue::Entry {
    opcode::RecvMulti::new(Fd(stream.as_raw_fd()), 0).build().user_data(RECEIVE | index as u64)
}

/// The connection and the buffer of a number.
#[allow(clippy::cast_possible_truncation, reason = "takes the number apart")]
fn parts(data: u64) -> (u32, u16) {
    ((data >> 16) as u32, data as u16)
}

fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

fn push(
    submitter: &Submitter<'_>,
    queue: &mut squeue::SubmissionQueue<'_>,
    entry: &squeue::Entry,
) -> io::Result<()> {
    // SAFETY: submissions of this file point to leaked memory and to nothing else.
    while unsafe { queue.push(entry) }.is_err() {
        queue.sync();
        submitter.submit()?;
        queue.sync();
    }
    Ok(())
}

/// The buffers that receives share, in a ring of their own. Both are leaked.
struct Pool {
    entries: *mut BufRingEntry,
    memory: *mut [u8; SIZE],
    tail: u16,
}

/// The kernel wants the ring to begin on a page.
#[repr(C, align(4096))]
struct Page([[u64; 2]; BUFFERS as usize]);

impl Pool {
    fn register(ring: &IoUring) -> io::Result<Self> {
        const { assert!(size_of::<[u64; 2]>() == size_of::<BufRingEntry>()) };
        let entries: *mut Page = Box::leak(Box::new(Page([[0; 2]; BUFFERS as usize])));
        let memory: &'static mut [[u8; SIZE]] = Box::leak(vec![[0; SIZE]; usize::from(BUFFERS)].into());
        let mut pool = Self { entries: entries.cast(), memory: memory.as_mut_ptr(), tail: 0 };
        // SAFETY: the memory has room for so many entries, all zero, and is leaked.
        unsafe { ring.submitter().register_buf_ring_with_flags(entries as u64, BUFFERS, 0, 0)? };
        (0..BUFFERS).for_each(|buffer| pool.provide(buffer));
        pool.publish();
        Ok(pool)
    }

    fn address(&self, buffer: u16) -> *const u8 {
        self.memory.wrapping_add(usize::from(buffer)).cast()
    }

    /// Gives a buffer to the kernel, which sees it after [`publish`](Self::publish).
    fn provide(&mut self, buffer: u16) {
        let index = usize::from(self.tail % BUFFERS);
        // SAFETY: the index is below the number of entries, whose memory is leaked; the kernel does not look at this one
        // before the tail is published.
        let entry = unsafe { &mut *self.entries.add(index) };
        entry.set_addr(self.address(buffer) as u64);
        entry.set_len(length(SIZE));
        entry.set_bid(buffer);
        self.tail = self.tail.wrapping_add(1);
    }

    fn publish(&self) {
        // SAFETY: the first entry is initialised, it is the start of the ring, and its memory is leaked; nobody else writes
        // the field that holds the tail.
        let tail = unsafe { AtomicU16::from_ptr(BufRingEntry::tail(self.entries).cast_mut()) };
        tail.store(self.tail, Ordering::Release);
    }
}

fn set_nodelay(listener: &TcpListener) -> io::Result<()> {
    let (fd, on): (_, libc::c_int) = (listener.as_raw_fd(), 1);
    let size = libc::socklen_t::try_from(size_of_val(&on)).unwrap_or(4);
    // SAFETY: the kernel reads one int, a local that outlives the call.
    let done =
        unsafe { libc::setsockopt(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY, (&raw const on).cast(), size) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
