//! Receives into buffers of 64 KiB and more, which a driver may make in another way than small ones.

use std::io::{Read, Write};
use std::sync::Arc;

use bivalve_core::{CompletionStatus, DriverExt};

use crate::Trial;
use crate::support::{Content, Flag, all, content, fails, ok, pair, peer, poll_once, room, until};

const LARGE: usize = 256 << 10;
const CANCELLED: CompletionStatus = CompletionStatus::CANCELLED;

/// Twelve streams at the same time: each gets its own octets, all of them, in order, and then the end.
pub async fn each_stream_gets_its_own(trial: Trial) {
    const LEN: u64 = 1 << 20;
    let streams = (0..12_u64).map(|number| {
        let (stream, mut theirs) = pair(&trial.driver);
        let driver = Arc::clone(&trial.driver);
        let client = peer(move || {
            let mut back = theirs.try_clone().unwrap();
            let reader = std::thread::spawn(move || {
                let mut all = Vec::new();
                back.read_to_end(&mut all).map(|_| all).unwrap()
            });
            theirs.write_all(&content(number * LEN, 1 << 20)).unwrap();
            theirs.shutdown(std::net::Shutdown::Write).unwrap();
            Content::at(number * LEN).feed(&reader.join().unwrap());
        });
        Box::pin(async move {
            let mut whole = Content::at(number * LEN);
            loop {
                let (bytes, buffer) = ok(driver.receive(&stream, room(LARGE)).await);
                assert_eq!(bytes, buffer.len());
                if bytes == 0 {
                    break;
                }
                whole.feed(&buffer);
                assert_eq!(ok(driver.send(&stream, vec![buffer.freeze().into()]).await).0, bytes);
            }
            whole.ends_at((number + 1) * LEN);
            drop(stream);
            client.join().await;
        })
    });
    all(streams.collect()).await;
}

/// Cancelled while nothing comes: nothing was taken, and the next one gets what comes then.
pub async fn cancelled_first_they_take_nothing(trial: Trial) {
    let (stream, mut peer) = pair(&trial.driver);
    for _ in 0..100 {
        let receive = trial.driver.receive(&stream, room(LARGE));
        receive.cancel();
        let buffer = fails(receive.await, CANCELLED);
        assert_eq!((buffer.len(), buffer.capacity()), (0, LARGE));
        peer.write_all(b"after").unwrap();
        assert_eq!(&ok(trial.driver.receive(&stream, room(LARGE)).await).1[..], b"after");
    }
}

/// Cancelled when something has come: it is in the buffer, or the next one gets it.
pub async fn cancelled_behind_the_data_they_lose_nothing(trial: Trial) {
    let (stream, mut peer) = pair(&trial.driver);
    let mut whole = Content::default();
    for round in 0..200_u64 {
        let mut receive = trial.driver.receive(&stream, room(LARGE));
        let flag = Arc::new(Flag::default());
        assert!(poll_once(&mut receive, &flag).is_pending());
        peer.write_all(&content(round * 1_000, 1_000)).unwrap();
        // In every other round the driver may be anywhere between the two.
        if round % 2 == 0 {
            until("the data to come", || flag.woken() > 0).await;
        } else {
            ok(trial.driver.post(0).await);
        }
        receive.cancel();
        let done = receive.await;
        whole.feed(&done.buffer);
        assert_eq!(done.buffer.len(), done.completion.bytes());
        while whole.len() < (round + 1) * 1_000 {
            whole.feed(&ok(trial.driver.receive(&stream, room(LARGE)).await).1);
        }
    }
}

/// Closed, and dropped, with data and without: nobody waits for ever, and no buffer is lost.
pub async fn they_end_with_their_stream(trial: Trial) {
    for round in 0..50 {
        let (stream, mut peer) = pair(&trial.driver);
        let receive = trial.driver.receive(&stream, room(LARGE));
        if round % 2 == 0 {
            peer.write_all(b"perhaps").unwrap();
        }
        match round % 3 {
            0 => ok(trial.driver.post(0).await).1,
            1 => drop(stream),
            _ => {
                drop(receive);
                continue;
            }
        }
        if round % 3 == 0 {
            peer.write_all(b", perhaps not").unwrap();
            drop(peer);
        }
        let done = receive.await;
        assert_eq!(done.buffer.len(), done.completion.bytes());
        assert!(
            done.completion.is_success() || done.completion.status() == CANCELLED,
            "{:?}",
            done.completion
        );
    }
}
