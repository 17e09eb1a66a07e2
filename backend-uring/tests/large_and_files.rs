//! Files that are sent do not hold up a receive into a large buffer.

#![cfg(target_os = "linux")]

use std::future::Future;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use bivalve_core::{DriverExt, FileRange};
use bivalve_uring::{Config, Runtime};
use bytes::BytesMut;

/// Streams on which files are sent: more than go out in one turn.
const STREAMS: usize = 32;

/// Files that each of them sends, so short that no stream is ever full.
const FILES: usize = 100;

#[test]
fn a_large_receive_does_not_wait_until_few_files_are_sent() {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(b"f").expect("written");
    let file = Arc::new(file);
    let runtime = Runtime::new(&Config::default()).expect("a ring");
    let driver = runtime.driver();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it is bound");
    let pair = || {
        let peer = TcpStream::connect(address).expect("it listens");
        let (stream, _) = listener.accept().expect("connected");
        (driver.attach(stream).expect("a handle"), peer)
    };
    let (stream, mut peer) = pair();
    peer.write_all(b"has come").expect("sent");
    let senders: Vec<_> = (0..STREAMS).map(|_| pair()).collect();
    let sent_and_received = async move {
        let receive = driver.receive(&stream, BytesMut::with_capacity(256 * 1024));
        let mut sends: Vec<Vec<_>> = Vec::new();
        for (sender, _) in &senders {
            let file = || FileRange::new(Arc::clone(&file), 0, 1);
            sends.push((0..FILES).map(|_| driver.send_file(sender, file())).collect());
        }
        let (_, received) = receive.await.into_result().expect("received");
        assert_eq!(&received[..], b"has come");
        let mut task = Context::from_waker(Waker::noop());
        let last = sends.iter_mut().filter_map(|sends| sends.last_mut());
        let running =
            last.filter_map(|send| Pin::new(send).poll(&mut task).is_pending().then_some(())).count();
        assert_eq!(running, STREAMS, "files are still being sent");
    };
    // As a task, which has its turn behind each of the ring.
    runtime.block_on(async { tokio::spawn(sent_and_received).await }).expect("it does not panic");
}
