//! Futures that are dropped, at every stage: nobody hears the outcome, nothing leaks, and the driver goes on
//! (rules 1 and 2).

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use bivalve_core::{Completion, CompletionStatus, Driver, DriverExt};
use bytes::Bytes;

use crate::Trial;
use crate::support::{
    BLOCKS, Everything, Flag, content, listener, ok, pair, poll_once, room, small_buffers, std_pair, until,
};

/// Every kind at once, dropped before anybody polled it.
pub async fn every_kind_is_dropped_before_its_first_poll(trial: Trial) {
    let everything = Everything::start(&trial.driver);
    let Everything { ending, connections, leases, handles, peers } = everything;
    drop((ending, connections, leases));
    settles(&trial.driver).await;
    drop((handles, peers));
}

/// Every kind at once, dropped after its first poll: its waker is not woken for nothing, or at least does no harm.
pub async fn every_kind_is_dropped_after_its_first_poll(trial: Trial) {
    let mut everything = Everything::start(&trial.driver);
    let flag = Arc::new(Flag::default());
    everything.poll(&Waker::from(flag));
    let Everything { ending, connections, leases, handles, peers } = everything;
    drop((ending, connections, leases));
    settles(&trial.driver).await;
    drop((handles, peers));
}

/// Every kind at once, dropped after it was asked to end.
pub async fn every_kind_is_dropped_after_its_cancellation(trial: Trial) {
    let everything = Everything::start(&trial.driver);
    everything.cancel();
    let Everything { ending, connections, leases, handles, peers } = everything;
    drop((ending, connections, leases));
    settles(&trial.driver).await;
    drop((handles, peers));
}

/// Every kind at once, handles first: closing ends what is dropped afterwards.
pub async fn every_kind_is_dropped_after_its_handle(trial: Trial) {
    let Everything { ending, connections, leases, handles, peers } = Everything::start(&trial.driver);
    drop((handles, peers));
    drop((leases, connections, ending));
    settles(&trial.driver).await;
}

/// A receive that is dropped when its data has come frees the buffer; the stream goes on.
pub async fn a_receive_is_dropped_after_its_data_came(trial: Trial) {
    let (stream, mut peer) = pair(&trial.driver);
    let flag = Arc::new(Flag::default());
    let mut receive = trial.driver.receive(&stream, room(100));
    assert!(poll_once(&mut receive, &flag).is_pending());
    peer.write_all(b"lost").unwrap();
    until("the data to come", || flag.woken() > 0).await;
    drop(receive);
    settles(&trial.driver).await;
    peer.write_all(b"here").unwrap();
    let (_, buffer) = ok(trial.driver.receive(&stream, room(100)).await);
    // A driver that had not taken the data yet still has it.
    assert!([&b"here"[..], b"losthere", b"lost"].contains(&&buffer[..]), "{buffer:?}");
}

/// A receive that was dropped before anything came takes nothing from the stream once it has ended.
pub async fn a_dropped_receive_takes_nothing_afterwards(trial: Trial) {
    let (stream, mut peer) = pair(&trial.driver);
    for _ in 0..100 {
        drop(trial.driver.receive(&stream, room(100)));
        settles(&trial.driver).await;
        peer.write_all(b"mine").unwrap();
        assert_eq!(&ok(trial.driver.receive(&stream, room(100)).await).1[..], b"mine");
    }
}

/// A receive in the middle of the queue is dropped: those around it complete, in order.
pub async fn a_dropped_receive_leaves_the_queue(trial: Trial) {
    let (stream, mut peer) = pair(&trial.driver);
    let first = trial.driver.receive(&stream, room(1));
    let second = trial.driver.receive(&stream, room(1));
    let third = trial.driver.receive(&stream, room(1));
    drop(second);
    until("the second to end", || trial.driver.usage().operations == 2).await;
    peer.write_all(b"13").unwrap();
    assert_eq!((&ok(first.await).1[..], &ok(third.await).1[..]), (&b"1"[..], &b"3"[..]));
}

/// A connection in an outcome that nobody took is closed: its peer sees the end.
pub async fn a_dropped_accept_closes_its_connection(trial: Trial) {
    let (listening, address) = listener(&trial.driver);
    let flag = Arc::new(Flag::default());
    let mut accept = trial.driver.accept(&listening);
    assert!(poll_once(&mut accept, &flag).is_pending());
    let mut theirs = TcpStream::connect(address).unwrap();
    until("the connection to come", || flag.woken() > 0).await;
    drop(accept);
    settles(&trial.driver).await;
    until("the connection to be closed", || trial.driver.usage().handles <= 1).await;
    // If the driver had not accepted it yet, it waits in the listener and ends with it.
    drop(listening);
    assert_eq!(theirs.read(&mut [0; 10]).unwrap_or(0), 0);
}

/// The same for a connect.
pub async fn a_dropped_connect_closes_its_connection(trial: Trial) {
    let listening = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let mut connect = trial.driver.connect(listening.local_addr().unwrap());
    let flag = Arc::new(Flag::default());
    if poll_once(&mut connect, &flag).is_pending() {
        until("the connection to come", || flag.woken() > 0).await;
    }
    let (mut theirs, _) = listening.accept().unwrap();
    drop(connect);
    until("the connection to be closed", || trial.driver.usage().is_idle()).await;
    assert_eq!(theirs.read(&mut [0; 10]).unwrap_or(0), 0);
}

/// What was queued behind a send that is dropped: it leaves, unless a part of the first one had (rule 3).
pub async fn a_dropped_send_ends_or_lets_the_next_one_go(trial: Trial) {
    let (ours, mut theirs) = std_pair();
    small_buffers(&ours);
    let stream = trial.driver.attach(ours).unwrap();
    let first = trial.driver.send(&stream, vec![Bytes::from(vec![0; BLOCKS]).into()]);
    let second = trial.driver.send(&stream, vec!["second".into()]);
    drop(first);
    let reader = crate::support::peer(move || {
        let mut all = Vec::new();
        theirs.read_to_end(&mut all).unwrap();
        all
    });
    let second = second.await.completion;
    drop(stream);
    let all = reader.join().await;
    if second.is_success() {
        assert!([b"second".len(), BLOCKS + b"second".len()].contains(&all.len()), "{} bytes", all.len());
        assert!(all.ends_with(b"second"));
    } else {
        assert_eq!(second, Completion::failure(CompletionStatus::BROKEN_PIPE));
        assert!(!all.contains(&b's'));
    }
}

/// Thousands of operations that are dropped at once all end.
pub async fn thousands_are_dropped_at_once(trial: Trial) {
    let driver = &trial.driver;
    let file = driver.attach(tempfile::tempfile().unwrap()).unwrap();
    let (stream, _peer) = pair(driver);
    for _ in 0..2_000 {
        drop(driver.timer(Duration::from_secs(3_600)));
        drop(driver.post(1));
        drop(driver.write_at(&file, content(0, 100), 0));
        drop(driver.receive(&stream, room(100)));
    }
    settles(driver).await;
    assert_eq!(ok(driver.post(9).await).0, 9);
}

/// Until the driver has no operation left; the handles still work.
async fn settles(driver: &Arc<dyn Driver>) {
    until("dropped operations to end", || driver.usage().operations == 0).await;
}
