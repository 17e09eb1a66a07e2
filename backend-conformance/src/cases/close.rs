//! Closing handles with operations in flight (rule 5).

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bivalve_core::{CompletionStatus, DriverExt};
use bytes::Bytes;
use socket2::SockRef;

use crate::Trial;
use crate::support::{
    BLOCKS, Everything, all, content, fails, listener, ok, pair, peer, room, small_buffers, std_pair, until,
};

/// Whatever is in flight on a closed handle ends once, cancelled or with its real result; the handle is gone at
/// once for those who submit later, and the peers see their connections end.
pub async fn what_is_in_flight_ends(trial: Trial) {
    let driver = &trial.driver;
    let mut everything = Everything::start(driver);
    let handles = everything.handles();
    everything.handles.clear();
    for handle in &handles {
        assert!(driver.inspect(*handle, &mut |_| {}).is_err(), "a closed handle is not shown");
        driver.close(*handle); // A closed handle is ignored.
    }
    // The timer has no handle, so nothing but a cancellation ends it.
    everything.cancel();
    everything.ended().await;
    let invalid = CompletionStatus::INVALID_HANDLE;
    for handle in &handles {
        fails(driver.receive(handle, room(10)).await, invalid);
        fails(driver.send(handle, vec!["x".into()]).await, invalid);
        fails(driver.shutdown(handle).await, invalid);
        fails(driver.accept(handle).await, invalid);
        fails(driver.read_at(handle, room(10), 0).await, invalid);
        fails(driver.write_at(handle, "x", 0).await, invalid);
    }
    let ended = everything.peers.drain(..).map(|stream| peer(move || end_of(stream)));
    for ended in ended.collect::<Vec<_>>() {
        ended.join().await;
    }
    drop(everything);
    until("the descriptors to be closed", || driver.usage().is_idle()).await;
}

/// The same without any cancellation: closing is enough, for each kind on its own.
pub async fn closing_is_enough(trial: Trial) {
    let driver = &trial.driver;
    let cancelled = CompletionStatus::CANCELLED;
    let (stream, theirs) = pair(driver);
    let receives: Vec<_> = (0..5).map(|_| driver.receive(&stream, room(7))).collect();
    drop(stream);
    for done in all(receives).await {
        assert_eq!(fails(done, cancelled).capacity(), 7);
    }
    end_of(theirs);
    let (listening, _) = listener(driver);
    let accepts: Vec<_> = (0..5).map(|_| driver.accept(&listening)).collect();
    drop(listening);
    for accept in accepts {
        assert!(fails(accept.await, cancelled).is_none());
    }
    let (stream, theirs) = pair(driver);
    let mut leases = driver.receive_many(&stream);
    drop(stream);
    assert_eq!(crate::support::drain(&mut leases, "receive_many").await, 0);
    end_of(theirs);
    let (listening, _) = listener(driver);
    let mut connections = driver.accept_many(&listening);
    drop(listening);
    assert_eq!(crate::support::drain(&mut connections, "accept_many").await, 0);
}

/// Sends that wait for a peer who does not read end with the handle, and so does the shutdown behind them.
pub async fn blocked_sends_end_with_their_handle(trial: Trial) {
    let driver = &trial.driver;
    let (ours, theirs) = std_pair();
    small_buffers(&ours);
    small_buffers(&theirs);
    let stream = driver.attach(ours).unwrap();
    let sends: Vec<_> =
        (0..10).map(|_| driver.send(&stream, vec![Bytes::from(vec![1; BLOCKS]).into()])).collect();
    let shutdown = driver.shutdown(&stream);
    drop(stream);
    for done in all(sends).await {
        let status = done.completion.status();
        assert!(status.is_success() || status == CompletionStatus::CANCELLED, "{status:?}");
        assert_eq!((done.buffer.len(), done.buffer[0].len()), (1, BLOCKS as u64));
    }
    let _ = shutdown.await;
    peer(move || end_of(theirs)).join().await;
}

/// What was sent before the handle was closed still arrives: closing is a finish, not a reset.
pub async fn what_was_sent_before_arrives(trial: Trial) {
    let (stream, mut theirs) = pair(&trial.driver);
    ok(trial.driver.send(&stream, vec![content(0, 100_000).into()]).await);
    drop(stream);
    let read = peer(move || {
        let mut all = Vec::new();
        theirs.read_to_end(&mut all).unwrap();
        all
    });
    assert_eq!(read.join().await, content(0, 100_000));
}

/// An outcome that had come before the handle was closed can still be taken.
pub async fn outcomes_outlive_their_handle(trial: Trial) {
    let (stream, mut peer) = pair(&trial.driver);
    peer.write_all(b"early").unwrap();
    let mut receive = trial.driver.receive(&stream, room(100));
    let flag = std::sync::Arc::default();
    let polled = crate::support::poll_once(&mut receive, &flag);
    if polled.is_pending() {
        until("the data to come", || flag.woken() > 0).await;
    }
    drop(stream);
    let done = match polled {
        std::task::Poll::Ready(done) => done,
        std::task::Poll::Pending => receive.await,
    };
    if done.completion.is_success() {
        assert_eq!(&done.buffer[..], b"early");
    } else {
        fails(done, CompletionStatus::CANCELLED);
    }
}

/// Handles come and go by the thousand, some with an operation in flight.
pub async fn handles_come_and_go(trial: Trial) {
    let driver = &trial.driver;
    let (listening, address) = listener(driver);
    for round in 0..500 {
        let accepting = driver.accept(&listening);
        let ours = ok(driver.connect(address).await).1.unwrap();
        let theirs = ok(accepting.await).1.unwrap();
        let waiting = (round % 2 == 0).then(|| driver.receive(&theirs, room(10)));
        if round % 3 == 0 {
            drop(waiting);
            drop(theirs);
            drop(ours);
        } else {
            drop(ours);
            drop(theirs);
            if let Some(waiting) = waiting {
                let done = waiting.await;
                assert_eq!(done.completion.bytes(), 0);
            }
        }
    }
    drop(listening);
    until("every handle to be closed", || driver.usage().is_idle()).await;
}

/// A released handle stays open until it is closed by its number.
pub async fn a_released_handle_stays_open(trial: Trial) {
    let (stream, theirs) = pair(&trial.driver);
    let bare = stream.release();
    ok(trial.driver.send(&bare, vec!["open".into()]).await);
    assert_eq!(trial.driver.usage().handles, 1);
    trial.driver.close(bare);
    end_of(theirs);
}

/// Reads what there is; the connection ends, with a finish or a reset.
fn end_of(mut stream: TcpStream) {
    let mut buffer = vec![0; 1 << 16];
    while stream.read(&mut buffer).is_ok_and(|bytes| bytes > 0) {}
}

/// Closing blocks nobody, whatever option was set (rule 5): a stream that was to linger does so no more. Seen through a
/// second descriptor of the same socket.
pub async fn a_closed_stream_does_not_linger(trial: Trial) {
    let left = lingering_after_close(&trial, Duration::from_secs(30)).await;
    assert_eq!(left, None);
}

/// To linger for no time is how a connection is reset, and is left alone.
pub async fn a_stream_that_is_to_be_reset_is_reset(trial: Trial) {
    let left = lingering_after_close(&trial, Duration::ZERO).await;
    assert_eq!(left, Some(Duration::ZERO));
}

async fn lingering_after_close(trial: &Trial, time: Duration) -> Option<Duration> {
    let (ours, theirs) = std_pair();
    let witness = ours.try_clone().unwrap();
    let stream = trial.driver.attach(ours).unwrap();
    SockRef::from(&witness).set_linger(Some(time)).unwrap();
    drop(stream);
    until("the stream to be closed", || trial.driver.usage().is_idle()).await;
    drop(theirs);
    SockRef::from(&witness).linger().unwrap()
}
