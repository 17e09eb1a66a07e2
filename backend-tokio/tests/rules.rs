//! The rules of the contract (`bivalve_core::driver`) where this driver has ways of its own to break them.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use bivalve_core::testing::block_on;
use bivalve_core::{Completion, CompletionStatus, Driver, DriverExt, EntityChunk, FileRange, OwnedHandle};
use bivalve_tokio::TokioDriver;

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
