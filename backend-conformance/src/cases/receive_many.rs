//! Receives that go on.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bivalve_core::{CompletionStatus, DriverExt, Lease, Multishot};

use crate::Trial;
use crate::support::{Content, content, ok, pair, peer, room, until};

/// Items in order until the peer has finished, then the end, again and again; a plain receive says 0 bytes then.
pub async fn it_ends_when_the_peer_has_finished(trial: Trial) {
    const LEN: usize = 1 << 20;
    let (stream, mut theirs) = pair(&trial.driver);
    let mut items = trial.driver.receive_many(&stream);
    let writer = peer(move || {
        theirs.write_all(&content(0, LEN)).unwrap();
        theirs.shutdown(Shutdown::Write).unwrap();
        theirs
    });
    let mut whole = Content::default();
    while let Some(item) = items.next().await {
        let lease = item.unwrap();
        assert!(!lease.is_empty(), "the end is no item");
        whole.feed(&lease);
    }
    whole.ends_at(LEN as u64);
    assert!(items.next().await.is_none());
    assert_eq!(ok(trial.driver.receive(&stream, room(10)).await).0, 0);
    drop(writer.join().await);
}

/// A consumer that is slow is waited for: 64 MiB that nobody consumes stop the peer, hold up no other connection,
/// and all come in the end.
pub async fn a_slow_consumer_is_waited_for(trial: Trial) {
    const LEN: u64 = 64 << 20;
    let driver = &trial.driver;
    let (stream, mut theirs) = pair(driver);
    let mut items = driver.receive_many(&stream);
    let written = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&written);
    let writer = peer(move || {
        while count.load(Ordering::Acquire) < LEN {
            theirs.write_all(&content(count.load(Ordering::Acquire), 64 << 10)).unwrap();
            count.fetch_add(64 << 10, Ordering::AcqRel);
        }
    });
    until("the peer to get going", || written.load(Ordering::Acquire) > 0).await;
    let (second, mut second_peer) = pair(driver);
    let mut others = driver.receive_many(&second);
    for round in 0..200_u64 {
        second_peer.write_all(&content(round, 100)).unwrap();
        let lease = others.next().await.unwrap().unwrap();
        assert_eq!(&lease[..], &content(round, 100)[..]);
        ok(driver.send(&second, vec!["ok".into()]).await);
        let mut answer = [0; 2];
        second_peer.read_exact(&mut answer).unwrap();
    }
    // The system's own buffers hold some MiB at most; the driver's are a few.
    let ahead = written.load(Ordering::Acquire);
    assert!(ahead < LEN, "{ahead} bytes were taken though nobody consumed any");
    let mut whole = Content::default();
    while let Some(item) = items.next().await {
        whole.feed(&item.unwrap());
    }
    whole.ends_at(LEN);
    writer.join().await;
}

/// Cancelled, then drained: what had come, `CANCELLED`, the end; a plain receive goes on without a byte lost.
pub async fn it_is_cancelled_and_a_plain_receive_goes_on(trial: Trial) {
    const LEN: u64 = 400_000;
    let (stream, mut theirs) = pair(&trial.driver);
    let writer = peer(move || {
        for place in (0..LEN).step_by(1_000) {
            theirs.write_all(&content(place, 1_000)).unwrap();
        }
    });
    let mut whole = Content::default();
    let mut round = 0;
    while whole.len() < LEN {
        let mut items = trial.driver.receive_many(&stream);
        for _ in 0..round % 3 {
            match items.next().await {
                Some(item) => whole.feed(&item.unwrap()),
                None => break,
            }
        }
        items.cancel();
        drain_into(&mut items, &mut whole).await;
        if whole.len() < LEN {
            whole.feed(&ok(trial.driver.receive(&stream, room(777)).await).1);
        }
        round += 1;
    }
    assert_eq!(ok(trial.driver.receive(&stream, room(10)).await).0, 0);
    whole.ends_at(LEN);
    writer.join().await;
}

/// A receive that is queued behind one that goes on gets what comes after it (rule 3).
pub async fn a_receive_behind_it_waits_for_its_end(trial: Trial) {
    let (stream, mut peer) = pair(&trial.driver);
    let mut items = trial.driver.receive_many(&stream);
    let behind = trial.driver.receive(&stream, room(100));
    peer.write_all(b"first").unwrap();
    assert_eq!(&items.next().await.unwrap().unwrap()[..], b"first");
    items.cancel();
    assert_eq!(crate::support::drain(&mut items, "receive_many").await, 0);
    peer.write_all(b"second").unwrap();
    assert_eq!(&ok(behind.await).1[..], b"second");
}

/// Dropping the future of the next item loses nothing: it is cancel safe.
pub async fn its_next_is_cancel_safe(trial: Trial) {
    let (stream, mut theirs) = pair(&trial.driver);
    let mut items = trial.driver.receive_many(&stream);
    let writer = peer(move || {
        for place in (0..100_000).step_by(500) {
            theirs.write_all(&content(place, 500)).unwrap();
        }
    });
    let mut whole = Content::default();
    loop {
        let polled = {
            let mut next = Box::pin(items.next());
            crate::support::poll_once(&mut next, &Arc::default())
        };
        match polled {
            std::task::Poll::Ready(None) => break,
            std::task::Poll::Ready(Some(item)) => whole.feed(&item.unwrap()),
            std::task::Poll::Pending => crate::support::pause().await,
        }
    }
    whole.ends_at(100_000);
    writer.join().await;
}

/// Dropped with items that nobody took, then its handle closed: buffers come home, nothing leaks.
pub async fn it_is_dropped_with_items(trial: Trial) {
    for _ in 0..20 {
        let (stream, mut theirs) = pair(&trial.driver);
        let mut items = trial.driver.receive_many(&stream);
        for _ in 0..10 {
            theirs.write_all(&content(0, 1_000)).unwrap();
        }
        let first = items.next().await.unwrap().unwrap();
        drop(items);
        drop(stream);
        drop(first);
    }
    until("the buffers to come home", || trial.driver.usage().is_idle()).await;
}

/// Dropped on an idle connection: the stream goes on with plain receives.
pub async fn it_is_dropped_and_the_stream_goes_on(trial: Trial) {
    let (stream, mut peer) = pair(&trial.driver);
    for _ in 0..50 {
        drop(trial.driver.receive_many(&stream));
        until("it to end", || trial.driver.usage().operations == 0).await;
        peer.write_all(b"mine").unwrap();
        assert_eq!(&ok(trial.driver.receive(&stream, room(10)).await).1[..], b"mine");
    }
}

/// Hundreds of connections at once, each with a receive that goes on.
pub async fn hundreds_go_on_at_once(trial: Trial) {
    let driver = &trial.driver;
    let mut connections: Vec<(_, TcpStream, Multishot<Lease>)> = Vec::new();
    for _ in 0..200 {
        let (stream, theirs) = pair(driver);
        let items = driver.receive_many(&stream);
        connections.push((stream, theirs, items));
    }
    for round in 0..5 {
        for (_, theirs, _) in &mut connections {
            theirs.write_all(&content(round, 600)).unwrap();
        }
        for (_, _, items) in &mut connections {
            let mut got = Vec::new();
            while got.len() < 600 {
                got.extend_from_slice(&items.next().await.unwrap().unwrap());
            }
            assert_eq!(&got[..], &content(round, 600)[..]);
        }
    }
}

async fn drain_into(items: &mut Multishot<Lease>, whole: &mut Content) {
    loop {
        match items.next().await {
            Some(Ok(lease)) => whole.feed(&lease),
            Some(Err(error)) => {
                assert_eq!(CompletionStatus::from_io_error(&error), CompletionStatus::CANCELLED);
                assert!(items.next().await.is_none());
                return;
            }
            // It had ended by itself before the cancellation.
            None => return,
        }
    }
}
