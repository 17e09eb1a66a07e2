//! One stream, one order (rule 3).

use std::io::{Read, Write};
use std::sync::Arc;
use std::task::Poll;

use bivalve_core::{CompletionStatus, DriverExt, FileRange};

use crate::Trial;
use crate::support::{
    Content, Flag, all, content, fails, ok, pair, peer, poll_once, reads_to_the_end, room, small_buffers,
    until,
};

/// A thousand sends at once, none awaited before the last is submitted, arrive in order: the whole of one before the
/// next, though the peer is slow and most of them are short.
pub async fn a_thousand_sends_arrive_in_order(trial: Trial) {
    let (stream, theirs) = pair(&trial.driver);
    small_buffers(&theirs);
    let reader = reads_to_the_end(theirs);
    let (mut sends, mut place) = (Vec::new(), 0);
    for number in 0..1_000_usize {
        let len = 1 + number * 7919 % 20_011;
        sends.push((len, trial.driver.send(&stream, vec![content(place, len).into()])));
        place += len as u64;
    }
    for (len, send) in sends.into_iter().rev() {
        assert_eq!(ok(send.await).0, len);
    }
    drop(stream);
    assert_eq!(reader.join().await, place);
}

/// Sends of memory, of chunks and of files are one order.
pub async fn sends_of_every_kind_are_one_order(trial: Trial) {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&content(0, 3 << 20)).unwrap();
    let file = Arc::new(file);
    let (stream, theirs) = pair(&trial.driver);
    small_buffers(&theirs);
    let reader = reads_to_the_end(theirs);
    let (mut sends, mut files, mut place) = (Vec::new(), Vec::new(), 0);
    for number in 0..300_usize {
        let len = 1 + number * 31 % 9_001;
        let range = FileRange::new(Arc::clone(&file), place, len as u64);
        match number % 3 {
            0 => sends.push(trial.driver.send(&stream, vec![content(place, len).into()])),
            1 => sends.push(trial.driver.send(&stream, vec![range.into()])),
            _ => files.push(trial.driver.send_file(&stream, range)),
        }
        place += len as u64;
    }
    let shutdown = trial.driver.shutdown(&stream);
    assert_eq!(reader.join().await, place, "the shutdown came last");
    for done in all(sends).await {
        ok(done);
    }
    for done in all(files).await {
        ok(done);
    }
    ok(shutdown.await);
}

/// A shutdown that is queued behind sends comes last; a send that is queued behind it is a broken pipe.
pub async fn a_shutdown_waits_for_the_sends_before_it(trial: Trial) {
    const PIECE: usize = 64 << 10;
    let (stream, mut theirs) = pair(&trial.driver);
    small_buffers(&theirs);
    let sends: Vec<_> = (0..100_usize)
        .map(|i| trial.driver.send(&stream, vec![content((i * PIECE) as u64, PIECE).into()]))
        .collect();
    let shutdown = trial.driver.shutdown(&stream);
    let late = trial.driver.send(&stream, vec!["too late".into()]);
    let reader = peer(move || {
        let mut all = Vec::new();
        theirs.read_to_end(&mut all).unwrap();
        all
    });
    let mut whole = Content::default();
    whole.feed(&reader.join().await);
    whole.ends_at(100 * PIECE as u64);
    for done in all(sends).await {
        assert_eq!(ok(done).0, PIECE);
    }
    assert_eq!(ok(shutdown.await).0, 0);
    fails(late.await, CompletionStatus::BROKEN_PIPE);
}

/// A hundred receives at once get the stream in the order in which they were submitted, though it comes in dribbles.
pub async fn a_hundred_receives_get_the_stream_in_order(trial: Trial) {
    let (stream, mut theirs) = pair(&trial.driver);
    theirs.set_nodelay(true).unwrap();
    let receives: Vec<_> = (0..100).map(|_| trial.driver.receive(&stream, room(100))).collect();
    let writer = peer(move || {
        for number in 0..1_000_u64 {
            theirs.write_all(&content(number * 10, 10)).unwrap();
        }
    });
    let mut whole = Content::default();
    for receive in receives {
        let (bytes, buffer) = ok(receive.await);
        assert!((1..=100).contains(&bytes), "the peer has not finished before the last byte is here");
        whole.feed(&buffer);
    }
    loop {
        let (bytes, buffer) = ok(trial.driver.receive(&stream, room(1_000)).await);
        whole.feed(&buffer);
        if bytes == 0 {
            break;
        }
    }
    writer.join().await;
    whole.ends_at(10_000);
}

/// A receive completes after those that were submitted before it.
pub async fn receives_complete_in_order(trial: Trial) {
    let (stream, mut theirs) = pair(&trial.driver);
    let mut receives: Vec<_> = (0..50).map(|_| Some(trial.driver.receive(&stream, room(10)))).collect();
    let flag = Arc::new(Flag::default());
    let writer = peer(move || {
        for _ in 0..50 {
            theirs.write_all(&[7; 10]).unwrap();
        }
        theirs
    });
    let mut left = receives.len();
    until("all receives to complete", || {
        // From the last to the first: when one is ready, those before it must have been so earlier.
        let mut later_is_ready = false;
        for receive in receives.iter_mut().rev() {
            let Some(running) = receive else { continue };
            match poll_once(running, &flag) {
                Poll::Ready(done) => {
                    ok(done);
                    *receive = None;
                    left -= 1;
                    later_is_ready = true;
                }
                Poll::Pending => assert!(!later_is_ready, "a later receive was ready before an earlier one"),
            }
        }
        left == 0
    })
    .await;
    drop(writer.join().await);
}

/// Different handles are independent: one whose peer does not read holds up nobody else.
pub async fn a_blocked_stream_holds_up_nobody(trial: Trial) {
    let (blocked, _silent) = pair(&trial.driver);
    let stuck: Vec<_> =
        (0..20).map(|_| trial.driver.send(&blocked, vec![content(0, 4 << 20).into()])).collect();
    for _ in 0..50 {
        let (stream, mut theirs) = pair(&trial.driver);
        ok(trial.driver.send(&stream, vec!["through".into()]).await);
        let mut text = [0; 7];
        theirs.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"through");
    }
    drop(stuck);
}
