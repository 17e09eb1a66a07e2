//! Bytes in front of a file leave with it.

#![cfg(target_os = "linux")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;

use bivalve_core::{DriverExt, EntityChunk, FileRange};
use bivalve_uring::{Config, Runtime};

#[test]
fn a_head_and_a_file_are_one_segment() {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(b"content").expect("written");
    let file = Arc::new(file);
    let runtime = Runtime::new(&Config::default()).expect("a ring");
    let driver = runtime.driver();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it is bound");
    // The kernel holds the head back for 200 milliseconds only, and a machine may be busy for longer: once is enough.
    let segments = (0..20).map(|_| {
        let mut peer = TcpStream::connect(address).expect("it listens");
        let (stream, _) = listener.accept().expect("connected");
        stream.set_nodelay(true).expect("a socket");
        let same = stream.try_clone().expect("a descriptor");
        let stream = driver.attach(stream).expect("a handle");
        let range = FileRange::new(Arc::clone(&file), 0, 7);
        let chunks = vec![EntityChunk::from("head "), EntityChunk::from("more "), range.into()];
        let sent = runtime.block_on(async { driver.send(&stream, chunks).await });
        assert_eq!(sent.into_result().expect("sent").0, 17);
        let mut received = [0; 17];
        peer.read_exact(&mut received).expect("received");
        assert_eq!(&received, b"head more content");
        data_segments(&same)
    });
    let segments: Vec<_> = segments.collect();
    assert!(segments.contains(&1), "{segments:?}");
}

/// `tcpi_data_segs_out`, which `libc` does not have for every C library.
fn data_segments(stream: &TcpStream) -> u32 {
    let mut info = [0_u8; 160];
    let mut length = libc::socklen_t::try_from(info.len()).expect("small");
    // SAFETY: the descriptor is open as long as `stream`; the call writes at most `length` bytes into a local that outlives it.
    let result = unsafe {
        let place = info.as_mut_ptr().cast();
        libc::getsockopt(stream.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_INFO, place, &raw mut length)
    };
    assert_eq!((result, length), (0, 160), "Linux 4.6 has it");
    u32::from_ne_bytes(info[156..].try_into().expect("four bytes"))
}
