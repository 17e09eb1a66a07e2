//! The rules of the contract (`bivalve_core::driver`) where this driver has ways of its own to break them.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use bivalve_core::testing::block_on;
use bivalve_core::{
    Completion, CompletionStatus, Driver, DriverExt, EntityChunk, FileRange, Operation, OwnedHandle, Resource,
};
use bivalve_tokio::TokioDriver;
use bytes::{Bytes, BytesMut};
use socket2::SockRef;

fn driver() -> Arc<TokioDriver> {
    TokioDriver::start().expect("a driver")
}

/// A stream of the driver's, and its peer.
fn pair(driver: &Arc<TokioDriver>) -> (OwnedHandle<TokioDriver>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let peer = TcpStream::connect(listener.local_addr().expect("it is bound")).expect("it listens");
    let (stream, _) = listener.accept().expect("somebody connects");
    (driver.attach(stream).expect("it can be associated"), peer)
}

/// More than any socket takes at once.
fn much() -> Vec<EntityChunk> {
    vec![vec![7; 64 << 20].into()]
}

fn file(content: &[u8]) -> std::fs::File {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(content).expect("there is room");
    file
}

/// Rule 3: nothing follows a send that was cancelled in the middle, whatever waited behind it.
#[test]
fn rule_3_nothing_follows_a_send_that_was_cancelled_in_the_middle() {
    let driver = driver();
    let (stream, mut peer) = pair(&driver);
    let first = driver.send(&stream, much());
    let second = driver.send(&stream, vec!["second".into()]);
    let range = driver.send_file(&stream, FileRange::new(file(b"third"), 0, 5));
    let shutdown = driver.shutdown(&stream);
    first.cancel();
    let first = block_on(first).completion;
    assert_eq!(first.status(), CompletionStatus::CANCELLED);
    assert!(first.bytes() > 0, "{first:?}");
    let broken = Completion::failure(CompletionStatus::BROKEN_PIPE);
    assert_eq!(block_on(second).completion, broken);
    assert_eq!(block_on(range).completion, broken);
    assert_eq!(block_on(shutdown).completion, broken);
    assert_eq!(block_on(driver.send(&stream, vec!["later".into()])).completion, broken);
    assert_eq!(block_on(driver.shutdown(&stream)).completion, broken);
    drop(stream);
    let mut all = Vec::new();
    peer.read_to_end(&mut all).expect("an end comes");
    assert_eq!(all.len(), first.bytes());
    assert!(all.iter().all(|byte| *byte == 7));
}

/// Rule 3: a send that had not begun leaves the stream whole.
#[test]
fn rule_3_a_send_that_failed_before_its_first_byte_breaks_nothing() {
    let driver = driver();
    let (stream, mut peer) = pair(&driver);
    let short = block_on(driver.send_file(&stream, FileRange::new(file(b""), 0, 5))).completion;
    assert_eq!(short, Completion::failure(CompletionStatus::END_OF_FILE));
    assert_eq!(block_on(driver.send(&stream, vec!["next".into()])).completion, Completion::success(4));
    drop(stream);
    let mut all = Vec::new();
    peer.read_to_end(&mut all).expect("an end comes");
    assert_eq!(all, b"next");
}

/// Rule 5: what waits behind half a send on a handle that is closed was cancelled, and did not break.
#[test]
fn rule_5_sends_of_a_closed_handle_are_cancelled() {
    let driver = driver();
    let (stream, _peer) = pair(&driver);
    let sends: Vec<_> =
        [much(), much(), much()].into_iter().map(|chunks| driver.send(&stream, chunks)).collect();
    driver.close(stream.release());
    for send in sends {
        assert_eq!(block_on(send).completion.status(), CompletionStatus::CANCELLED);
    }
}

/// A waker that panics, as a caller's may.
struct Bad;

impl Wake for Bad {
    fn wake(self: Arc<Self>) {
        assert_eq!(Arc::strong_count(&self), 0, "a caller's waker");
    }
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn room() -> BytesMut {
    BytesMut::with_capacity(8)
}

fn receive(stream: &OwnedHandle<TokioDriver>) -> Operation {
    Operation::Receive { handle: **stream, buffer: room() }
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !is_so() {
        assert!(Instant::now() < end, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Rule 7: a waker that panics is its owner's affair; the pump goes on, and so do the operations of others.
#[test]
fn rule_7_a_waker_that_panics_does_not_end_the_driver() {
    let driver = driver();
    let (stream, mut peer) = pair(&driver);
    let innocent = driver.submit(receive(&stream)).expect("it is accepted");
    let bad = Waker::from(Arc::new(Bad));
    for _ in 0..2 {
        let timer = Operation::Timer { after: Duration::from_millis(50) };
        let timer = driver.submit(timer).expect("it is accepted");
        assert!(driver.poll(timer, &mut Context::from_waker(&bad)).is_pending());
        wait_until("the timer to end", || driver.poll(timer, &mut Context::from_waker(&bad)).is_ready());
    }
    peer.write_all(b"well").expect("it is open");
    let done = block_on(std::future::poll_fn(|task| driver.poll(innocent, task)));
    assert_eq!(done.completion, Completion::success(4));
    assert!(driver.submit(Operation::Post { bytes: 1 }).is_ok());
}

/// Rules 5 and 7: what comes after a waker that panics is done all the same.
#[test]
fn rule_7_a_waker_that_panics_loses_no_wakeup_of_others() {
    let driver = driver();
    let (stream, _peer) = pair(&driver);
    let first = driver.submit(receive(&stream)).expect("it is accepted");
    let second = driver.submit(receive(&stream)).expect("it is accepted");
    let good = Arc::new(Count::default());
    assert!(driver.poll(first, &mut Context::from_waker(&Waker::from(Arc::new(Bad)))).is_pending());
    assert!(driver.poll(second, &mut Context::from_waker(&Waker::from(Arc::clone(&good)))).is_pending());
    driver.close(stream.release());
    assert_eq!(good.0.load(Ordering::SeqCst), 1);
    assert_eq!(driver.usage().handles, 0);
}

/// Bytes whose owner panics when it is dropped.
struct Owner(Vec<u8>);

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        assert!(self.0.is_empty(), "a caller's buffer");
    }
}

/// Rule 7: a buffer that nobody takes back panics when it is dropped, and all that happens is that it is dropped.
#[test]
fn rule_7_a_buffer_that_panics_does_not_end_the_driver() {
    let driver = driver();
    let (stream, mut peer) = pair(&driver);
    let first = driver.send(&stream, much());
    let second = driver.send(&stream, vec![Bytes::from_owner(Owner(vec![1])).into()]);
    drop(second);
    first.cancel();
    let first = block_on(first).completion;
    drop(stream);
    let mut all = Vec::new();
    peer.read_to_end(&mut all).expect("an end comes");
    assert_eq!((all.len(), first.status()), (first.bytes(), CompletionStatus::CANCELLED));
    assert_eq!(block_on(driver.post(1)).completion, Completion::success(1));
    assert!(driver.usage().is_idle(), "{:?}", driver.usage());
}

/// A driver on a runtime whose blocking pool never gets a thread: their stacks are larger than any memory.
#[cfg(target_pointer_width = "64")]
fn driver_without_threads() -> Arc<TokioDriver> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().thread_stack_size(1 << 50).build().expect("a runtime");
    let driver = TokioDriver::with_handle(runtime.handle().clone()).expect("a driver");
    thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
    driver
}

/// Rule 7: when the system has no thread for a file operation, that one ends, and nothing else.
#[cfg(target_pointer_width = "64")]
#[test]
fn rule_7_no_thread_for_a_file_operation_is_its_error() {
    let driver = driver_without_threads();
    let file = driver.attach(file(b"content")).expect("it can be associated");
    for _ in 0..3 {
        let read = block_on(driver.read_at(&file, room(), 0));
        assert_eq!(read.completion, Completion::failure(CompletionStatus::OUT_OF_MEMORY));
        assert_eq!(read.buffer.capacity(), 8);
    }
    drop(file);
    assert_eq!(block_on(driver.post(1)).completion, Completion::success(1));
    assert!(driver.usage().is_idle(), "{:?}", driver.usage());
}

/// The same in the middle of a send, which ends there and breaks its stream (rule 3).
#[cfg(target_pointer_width = "64")]
#[test]
fn rule_7_no_thread_for_a_file_range_ends_its_send() {
    let driver = driver_without_threads();
    let (stream, mut peer) = pair(&driver);
    let range = FileRange::new(file(b"content"), 0, 7);
    let first = driver.send(&stream, vec!["head".into(), range.into()]);
    let second = driver.send(&stream, vec!["second".into()]);
    assert_eq!(block_on(first).completion, Completion::new(4, CompletionStatus::OUT_OF_MEMORY));
    assert_eq!(block_on(second).completion, Completion::failure(CompletionStatus::BROKEN_PIPE));
    drop(stream);
    let mut all = Vec::new();
    peer.read_to_end(&mut all).expect("an end comes");
    assert_eq!(all, b"head");
}

/// Rule 5: closing does not block, whatever option was set.
#[test]
fn rule_5_closing_does_not_wait_for_a_socket_that_lingers() {
    let driver = driver();
    let (stream, _peer) = pair(&driver);
    set_linger(&driver, &stream, Duration::from_secs(3));
    let send = driver.send(&stream, much());
    let start = Instant::now();
    drop(stream);
    assert!(start.elapsed() < Duration::from_secs(1), "it took {:?}", start.elapsed());
    assert_eq!(block_on(send).completion.status(), CompletionStatus::CANCELLED);
}

/// To linger for no time is how a connection is reset, and is left alone. Wine loses such a reset.
#[cfg(not(windows))]
#[test]
fn a_stream_that_lingers_for_no_time_is_reset() {
    let driver = driver();
    let (stream, mut peer) = pair(&driver);
    set_linger(&driver, &stream, Duration::ZERO);
    drop(stream);
    let error = peer.read(&mut [0; 8]).expect_err("it is reset");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

fn set_linger(driver: &TokioDriver, stream: &OwnedHandle<TokioDriver>, time: Duration) {
    let mut set = |resource: &Resource| {
        if let Resource::TcpStream(socket) = resource {
            SockRef::from(socket).set_linger(Some(time)).expect("it can be set");
        }
    };
    driver.inspect(**stream, &mut set).expect("it is open");
}
