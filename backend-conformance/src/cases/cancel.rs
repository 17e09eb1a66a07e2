//! Cancellation against completion, in both orders (rule 2).

use std::future::poll_fn;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bivalve_core::{Completion, CompletionStatus, DriverExt, Operation};
use bytes::Bytes;

use crate::support::{
    BLOCKS, Content, Everything, Flag, content, fails, listener, ok, pair, peer, poll_once, room,
    small_buffers, std_pair, until,
};
use crate::{Trial, differences};

const CANCELLED: CompletionStatus = CompletionStatus::CANCELLED;

/// Every kind of operation ends when it is cancelled: once, cancelled or with its real result.
pub async fn every_kind_ends_when_it_is_cancelled(trial: Trial) {
    let mut everything = Everything::start(&trial.driver);
    everything.cancel();
    everything.ended().await;
}

/// Cancelling twice, and after the outcome was taken, is cancelling once.
pub async fn cancelling_again_is_ignored(trial: Trial) {
    let driver = &trial.driver;
    let mut timer = driver.timer(Duration::from_secs(3_600));
    timer.cancel();
    timer.cancel();
    fails(poll_fn(|task| std::pin::Pin::new(&mut timer).poll(task)).await, CANCELLED);
    timer.cancel();
    let mut everything = Everything::start(driver);
    everything.cancel();
    everything.cancel();
    everything.ended().await;
    everything.cancel();
}

/// The key of an outcome that was taken is spent: cancelling or abandoning it hits nobody, also not the operation
/// that has its place now.
pub async fn a_spent_key_is_ignored(trial: Trial) {
    let driver = &trial.driver;
    let post = || driver.submit(Operation::Post { bytes: 7 }).unwrap();
    let spent = post();
    let finished = poll_fn(|task| driver.poll(spent, task)).await;
    assert_eq!(finished.completion, Completion::success(7));
    let (stream, mut peer) = pair(driver);
    let waiting: Vec<_> = (0..10).map(|_| driver.receive(&stream, room(1))).collect();
    for _ in 0..3 {
        driver.cancel(spent);
        driver.abandon(spent);
    }
    peer.write_all(&content(0, 10)).unwrap();
    let mut whole = Content::default();
    for receive in waiting {
        whole.feed(&ok(receive.await).1);
    }
    whole.ends_at(10);
}

/// Cancel first, then data: the receive reports `CANCELLED` with 0 bytes and its buffer, and the next one gets all.
pub async fn cancel_first_then_data(trial: Trial) {
    let (stream, mut peer) = pair(&trial.driver);
    for _ in 0..100 {
        let receive = trial.driver.receive(&stream, room(100));
        receive.cancel();
        let buffer = fails(receive.await, CANCELLED);
        assert_eq!((buffer.len(), buffer.capacity()), (0, 100));
        peer.write_all(b"after").unwrap();
        assert_eq!(&ok(trial.driver.receive(&stream, room(100)).await).1[..], b"after");
    }
}

/// Data first, then cancel: the result is the data, or `CANCELLED` and the data is still in the stream.
pub async fn data_first_then_cancel(trial: Trial) {
    let (stream, mut peer) = pair(&trial.driver);
    for _ in 0..100 {
        let mut receive = trial.driver.receive(&stream, room(100));
        let flag = Arc::new(Flag::default());
        assert!(poll_once(&mut receive, &flag).is_pending());
        peer.write_all(b"before").unwrap();
        until("the data to come", || flag.woken() > 0).await;
        receive.cancel();
        let mut done = receive.await;
        if done.completion.status() == CANCELLED {
            assert_eq!((done.completion.bytes(), done.buffer.len()), (0, 0), "lost");
            done = trial.driver.receive(&stream, room(100)).await;
        }
        assert_eq!(&ok(done).1[..], b"before");
    }
}

/// Data that races with cancellations is never lost and never comes twice.
pub async fn cancellation_races_with_data_and_loses_nothing(trial: Trial) {
    const LEN: u64 = 200_000;
    let (stream, mut theirs) = pair(&trial.driver);
    theirs.set_nodelay(true).unwrap();
    let wanted = Arc::new(AtomicU64::new(0));
    let limit = Arc::clone(&wanted);
    let writer = peer(move || {
        let mut place = 0;
        while place < LEN {
            // A piece for every round, so that each cancellation has something to race with.
            if place < limit.load(Ordering::Acquire) {
                theirs.write_all(&content(place, 100)).unwrap();
                place += 100;
            } else {
                std::thread::yield_now();
            }
        }
    });
    let mut whole = Content::default();
    for round in 0.. {
        let receive = trial.driver.receive(&stream, room(250));
        wanted.store(whole.len() + 100, Ordering::Release);
        if round % 3 == 0 {
            ok(trial.driver.post(0).await);
        }
        receive.cancel();
        let done = receive.await;
        whole.feed(&done.buffer);
        assert_eq!(done.buffer.len(), done.completion.bytes());
        match done.completion.status() {
            CANCELLED => assert_eq!(done.completion.bytes(), 0),
            CompletionStatus::SUCCESS if done.completion.bytes() == 0 => break,
            status => assert!(status.is_success(), "{status:?}"),
        }
        if whole.len() == LEN {
            // The peer has finished, or will have: the rest is the end.
            assert_eq!(ok(trial.driver.receive(&stream, room(1)).await).0, 0);
            break;
        }
    }
    writer.join().await;
    whole.ends_at(LEN);
}

/// A cancelled accept loses no connection: each is in an outcome, or waits for the next accept.
pub async fn a_cancelled_accept_loses_no_connection(trial: Trial) {
    const CONNECTIONS: usize = 100;
    let (listening, address) = listener(&trial.driver);
    let connecting =
        peer(move || (0..CONNECTIONS).map(|_| TcpStream::connect(address).unwrap()).collect::<Vec<_>>());
    let mut accepted = Vec::new();
    while accepted.len() < CONNECTIONS {
        let accept = trial.driver.accept(&listening);
        ok(trial.driver.post(0).await);
        accept.cancel();
        let done = accept.await;
        match done.completion.status() {
            CANCELLED => assert!(done.buffer.is_none()),
            _ => accepted.push(ok(done).1.unwrap()),
        }
    }
    drop(accepted);
    drop(connecting.join().await);
}

/// A send that is cancelled while it waits behind another never starts; those around it are whole.
pub async fn a_cancelled_send_in_the_queue_sends_nothing(trial: Trial) {
    let (stream, mut theirs) = small_pair(&trial);
    let first = trial.driver.send(&stream, vec![content(0, BLOCKS).into()]);
    let second = trial.driver.send(&stream, vec![Bytes::from(vec![0; 1_000]).into()]);
    let third = trial.driver.send(&stream, vec![content(BLOCKS as u64, 1_000).into()]);
    second.cancel();
    let done = second.await;
    // Where the system took all of the first at once, the second was on its way.
    if done.completion.status() == CANCELLED {
        assert_eq!(done.completion.bytes(), 0);
        assert_eq!(done.buffer.len(), 1);
        let reader = peer(move || {
            let mut all = vec![0; BLOCKS + 1_000];
            theirs.read_exact(&mut all).unwrap();
            all
        });
        assert_eq!(ok(first.await).0, BLOCKS);
        assert_eq!(ok(third.await).0, 1_000);
        Content::default().feed(&reader.join().await);
    } else {
        ok(done);
    }
}

/// A send that is cancelled in the middle reports the bytes that left, and the peer gets these and nothing more: the
/// next send is a broken pipe (rule 3). One that went out whole before the cancellation came breaks nothing.
pub async fn a_cancelled_send_reports_what_left(trial: Trial) {
    let (stream, mut theirs) = small_pair(&trial);
    let first = trial.driver.send(&stream, vec![content(0, BLOCKS).into()]);
    let some = peer(move || {
        let mut some = vec![0; 50_000];
        theirs.read_exact(&mut some).unwrap();
        (some, theirs)
    });
    let (mut all, mut theirs) = some.join().await;
    first.cancel();
    let done = first.await;
    let (left, status) = (done.completion.bytes(), done.completion.status());
    assert!(status.is_success() || status == CANCELLED, "{status:?}");
    let next = trial.driver.send(&stream, vec!["next".into()]);
    let reader = peer(move || {
        theirs.read_to_end(&mut all).unwrap();
        all
    });
    let next = next.await.completion;
    drop(stream);
    let all = reader.join().await;
    let content = if status.is_success() {
        assert_eq!(next, Completion::success(4));
        all.strip_suffix(b"next").expect("it follows the whole")
    } else {
        assert_eq!(next.status(), CompletionStatus::BROKEN_PIPE);
        &all[..]
    };
    Content::default().feed(content);
    if differences::FAILED_SENDS_REPORT_BYTES {
        assert_eq!(content.len(), left);
    }
}

/// A timer that is cancelled as it fires ends once, either way.
pub async fn timers_race_with_cancellation(trial: Trial) {
    for round in 0..300_u32 {
        let timer = trial.driver.timer(Duration::from_micros(u64::from(round % 30) * 100));
        if round % 2 == 0 {
            ok(trial.driver.timer(Duration::from_millis(1)).await);
        }
        timer.cancel();
        let done = timer.await;
        assert!(done.completion.is_success() || done.completion.status() == CANCELLED);
        assert_eq!(done.completion.bytes(), 0);
    }
}

fn small_pair(trial: &Trial) -> (bivalve_core::OwnedHandle, TcpStream) {
    let (ours, theirs) = std_pair();
    small_buffers(&ours);
    small_buffers(&theirs);
    (trial.driver.attach(ours).unwrap(), theirs)
}
