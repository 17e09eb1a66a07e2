//! A bare loop over io_uring: the limit that the drivers are measured by.
//!
//! Everything that the kernel is told of is leaked: a ring lives as long as its process.

use std::fs::File;
use std::io;
use std::net::TcpListener;
use std::os::fd::AsRawFd;

use bivalve_peers::ring::{BUFFERS, Pool, SIZE, length, new_ring, push, set_nodelay};
use io_uring::types::{Fd, Fixed};
use io_uring::{cqueue, opcode};

use super::{DEPTH, READ, Reader, offset, whole};

/// What a completion is of: the upper bits of its number. Below are the connection's and the buffer's.
const ACCEPT: u64 = 0;
const RECEIVE: u64 = 1 << 62;
const SEND: u64 = 2 << 62;
const CLOSE: u64 = 3 << 62;
const KINDS: u64 = 3 << 62;

/// Room in the table of descriptors.
const CONNECTIONS: u32 = 1024;

/// Echoes until the process ends: accept and receive go on by themselves, connections are in the ring's own table
/// of descriptors, and a turn is one system call.
pub(super) fn echo(listener: &TcpListener) -> io::Result<()> {
    let mut ring = new_ring()?;
    ring.submitter().register_files_sparse(CONNECTIONS)?;
    let mut pool = Pool::register(&ring, BUFFERS, SIZE)?;
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

/// The connection and the buffer of a number.
#[allow(clippy::cast_possible_truncation, reason = "takes the number apart")]
fn parts(data: u64) -> (u32, u16) {
    ((data >> 16) as u32, data as u16)
}
