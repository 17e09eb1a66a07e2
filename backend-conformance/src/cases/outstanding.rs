//! A full queue waits and loses nothing (rule 6).

use std::io::{Read, Write};
use std::time::Duration;

use bivalve_core::{DriverExt, Started};
use bytes::{Bytes, BytesMut};

use crate::Trial;
use crate::support::{Content, all, content, ok, pair, peer, room};

/// Ten thousand operations at once, of five kinds, on a queue of 64: each ends once, with its own result.
pub async fn ten_thousand_operations_end(trial: Trial) {
    const STREAMS: usize = 200;
    const EACH: usize = 10;
    let driver = &trial.driver;
    let file = driver.attach(tempfile::tempfile().unwrap()).unwrap();
    ok(driver.write_at(&file, content(0, 1 << 20), 0).await);
    let (streams, theirs): (Vec<_>, Vec<_>) = (0..STREAMS).map(|_| pair(driver)).unzip();

    let timers: Vec<_> = (0..2_500).map(|i| driver.timer(Duration::from_micros(i * 20))).collect();
    let posts: Vec<_> = (0..2_500).map(|bytes| driver.post(bytes)).collect();
    let mut receives: Vec<Started<BytesMut>> = Vec::new();
    let mut sends: Vec<Started<_>> = Vec::new();
    for stream in &streams {
        receives.extend((0..EACH).map(|_| driver.receive(stream, room(100))));
        sends.extend((0..5).map(|i| driver.send(stream, vec![content(i * 100, 100).into()])));
    }
    let reads: Vec<_> = (0..2_000).map(|i| driver.read_at(&file, room(500), i * 500)).collect();
    assert_eq!(driver.usage().operations, 2_500 + 2_500 + STREAMS * (EACH + 5) + 2_000);

    let exchange = peer(move || {
        for mut stream in theirs {
            stream.write_all(&content(0, EACH * 100)).unwrap();
            let mut got = [0; 500];
            stream.read_exact(&mut got).unwrap();
            assert_eq!(&got[..], &content(0, 500)[..]);
            // Finished, so that no receive waits for ever where others were short.
            drop(stream);
        }
    });
    for done in all(timers).await {
        assert_eq!(ok(done).0, 0);
    }
    for (bytes, done) in all(posts).await.into_iter().enumerate() {
        assert_eq!(ok(done).0, bytes);
    }
    let mut whole = Content::default();
    for done in all(reads).await {
        let (bytes, buffer) = ok(done);
        assert_eq!(bytes, 500);
        whole.feed(&buffer);
    }
    for done in all(sends).await {
        assert_eq!(ok(done).0, 100);
    }
    let received = all(receives).await;
    for of_one in received.chunks(EACH) {
        let mut whole = Content::default();
        of_one.iter().for_each(|done| whole.feed(&done.buffer));
    }
    let bytes: usize = received.iter().map(|done| done.completion.bytes()).sum();
    assert!(bytes <= STREAMS * EACH * 100 && received.iter().all(|done| done.completion.is_success()));
    exchange.join().await;
}

/// Far more than the queue holds, submitted without ever giving the driver its turn, then all cancelled.
pub async fn ten_thousand_operations_are_cancelled(trial: Trial) {
    let driver = &trial.driver;
    let (stream, _peer) = pair(driver);
    let timers: Vec<_> = (0..5_000).map(|_| driver.timer(Duration::from_secs(3_600))).collect();
    let receives: Vec<_> = (0..5_000).map(|_| driver.receive(&stream, room(10))).collect();
    timers.iter().for_each(Started::cancel);
    receives.iter().for_each(Started::cancel);
    for done in all(timers).await {
        assert!(!done.completion.is_success());
    }
    for done in all(receives).await {
        assert!(!done.completion.is_success() && done.buffer.capacity() == 10);
    }
}

/// A queue of one entry is a queue.
pub async fn the_smallest_queue_works(trial: Trial) {
    let backend = trial.backend;
    let other = peer(move || {
        (backend.run)(
            1,
            Box::new(|driver| {
                Box::pin(async move {
                    let file = driver.attach(tempfile::tempfile().unwrap()).unwrap();
                    let writes = (0..500)
                        .map(|i| driver.write_at(&file, Bytes::from_static(b"0123456789"), i * 10))
                        .collect();
                    let posts: Vec<_> = (0..500).map(|bytes| driver.post(bytes)).collect();
                    for done in all::<Started<Bytes>>(writes).await {
                        assert_eq!(ok(done).0, 10);
                    }
                    for (bytes, done) in all(posts).await.into_iter().enumerate() {
                        assert_eq!(ok(done).0, bytes);
                    }
                    drop(file);
                    crate::support::until("the driver to be idle", || driver.usage().is_idle()).await;
                })
            }),
        );
    });
    other.join().await;
}
