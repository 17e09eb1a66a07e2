//! Peers that go away without a word.

use std::io::{Read, Write};

use bivalve_core::{Completion, CompletionStatus, DriverExt, Multishot};
use bytes::Bytes;

use crate::support::{BLOCKS, Flag, fails, ok, pair, pause, peer, poll_once, reset, room, small_buffers};
use crate::{Trial, differences};

/// `CONNECTION_RESET`: the peer resets while a receive waits.
pub async fn a_reset_ends_a_waiting_receive(trial: Trial) {
    let (stream, peer) = pair(&trial.driver);
    let mut waiting = trial.driver.receive(&stream, room(100));
    assert!(poll_once(&mut waiting, &std::sync::Arc::new(Flag::default())).is_pending());
    reset(peer);
    let done = waiting.await;
    if differences::a_reset_may_be_an_end(&*trial.driver) && done.completion == Completion::success(0) {
        return;
    }
    let buffer = fails(done, CompletionStatus::CONNECTION_RESET);
    assert_eq!((buffer.len(), buffer.capacity()), (0, 100));
}

/// `CONNECTION_RESET` is the last item of a receive that goes on.
pub async fn a_reset_is_the_last_item(trial: Trial) {
    let (stream, mut peer) = pair(&trial.driver);
    let mut items = trial.driver.receive_many(&stream);
    peer.write_all(b"first").unwrap();
    assert_eq!(&items.next().await.unwrap().unwrap()[..], b"first");
    differences::until_a_receive_is_pending().await;
    reset(peer);
    match error(&mut items).await {
        Some(status) => assert_eq!(status, CompletionStatus::CONNECTION_RESET),
        None => assert!(differences::a_reset_may_be_an_end(&*trial.driver), "an error comes before the end"),
    }
    assert!(items.next().await.is_none());
    assert!(items.next().await.is_none());
}

/// A [disconnect](CompletionStatus::is_disconnect) with the bytes that the system took: the peer resets in the
/// middle of a send, and its buffer comes back. Sends queued behind it end too (rule 2), and all later ones.
pub async fn a_reset_ends_sends(trial: Trial) {
    let (stream, mut theirs) = pair(&trial.driver);
    small_buffers(&theirs);
    let first = trial.driver.send(&stream, vec![Bytes::from(vec![7; 4 * BLOCKS]).into()]);
    let second = trial.driver.send(&stream, vec!["behind it".into()]);
    let read = peer(move || {
        let mut some = vec![0; 100_000];
        theirs.read_exact(&mut some).unwrap();
        reset(theirs);
    });
    let done = first.await;
    read.join().await;
    assert!(done.completion.status().is_disconnect(), "{:?}", done.completion);
    if differences::FAILED_SENDS_REPORT_BYTES {
        assert!((100_000..4 * BLOCKS).contains(&done.completion.bytes()), "{:?}", done.completion);
    }
    assert_eq!((done.buffer.len(), done.buffer[0].len()), (1, 4 * BLOCKS as u64));
    assert!(second.await.completion.status().is_disconnect());
    let later = trial.driver.send(&stream, vec!["later".into()]).await;
    assert!(later.completion.status().is_disconnect(), "{:?}", later.completion);
}

/// A peer that has closed its socket answers what comes with a reset; sends find out, and say so as a disconnect.
pub async fn sends_to_a_closed_peer_end(trial: Trial) {
    let (stream, peer) = pair(&trial.driver);
    drop(peer);
    loop {
        let done = trial.driver.send(&stream, vec!["anybody?".into()]).await;
        if !done.completion.is_success() {
            assert!(done.completion.status().is_disconnect(), "{:?}", done.completion);
            return;
        }
        pause().await;
    }
}

/// A reset of one connection is nothing to another (rule 7).
pub async fn a_reset_leaves_other_connections_alone(trial: Trial) {
    let (healthy, mut healthy_peer) = pair(&trial.driver);
    for _ in 0..50 {
        let (stream, peer) = pair(&trial.driver);
        let waiting = trial.driver.receive(&stream, room(10));
        reset(peer);
        let may_be_an_end = differences::a_reset_may_be_an_end(&*trial.driver);
        assert!(!waiting.await.completion.is_success() || may_be_an_end);
        let receiving = trial.driver.receive(&healthy, room(10));
        healthy_peer.write_all(b"well").unwrap();
        assert_eq!(&ok(receiving.await).1[..], b"well");
    }
}

/// `None`: the end came without one.
async fn error(items: &mut Multishot<bivalve_core::Lease>) -> Option<CompletionStatus> {
    loop {
        if let Err(error) = items.next().await? {
            return Some(CompletionStatus::from_io_error(&error));
        }
    }
}
