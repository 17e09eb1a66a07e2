//! Connected streams: what every exchange needs.

use std::io::{Read, Write};

use bivalve_core::DriverExt;

use crate::Trial;
use crate::support::{Content, content, ok, pair, peer, room, small_buffers};

/// `Receive` appends what came, perhaps less than there is room for.
pub async fn receive_appends_what_comes(trial: Trial) {
    let (stream, mut peer) = pair(&trial.driver);
    peer.write_all(b"abc").unwrap();
    let mut buffer = room(100);
    buffer.extend_from_slice(b"12");
    let (bytes, buffer) = ok(trial.driver.receive(&stream, buffer).await);
    assert_eq!((bytes, &buffer[..], buffer.capacity()), (3, &b"12abc"[..], 100));
}

/// `Receive` of 0 bytes: the peer has finished, now and whenever it is asked again.
pub async fn a_peer_that_has_finished_is_zero_bytes(trial: Trial) {
    let (stream, mut peer) = pair(&trial.driver);
    peer.write_all(b"last words").unwrap();
    drop(peer);
    let (bytes, buffer) = ok(trial.driver.receive(&stream, room(100)).await);
    assert_eq!((bytes, &buffer[..]), (10, &b"last words"[..]));
    for _ in 0..3 {
        assert_eq!(ok(trial.driver.receive(&stream, room(100)).await).0, 0);
    }
}

/// `Send` reports all of it: short sends go on until the last byte is in (rule 3), while the peer reads slowly.
pub async fn a_large_send_arrives_whole_and_in_order(trial: Trial) {
    const LEN: usize = 64 << 20;
    let (stream, mut theirs) = pair(&trial.driver);
    small_buffers(&theirs);
    let reader = peer(move || {
        let (mut all, mut buffer) = (Content::default(), vec![0; 100_003]);
        loop {
            match theirs.read(&mut buffer).unwrap() {
                0 => return all,
                bytes => all.feed(&buffer[..bytes]),
            }
        }
    });
    let (bytes, chunks) = ok(trial.driver.send(&stream, vec![content(0, LEN).into()]).await);
    assert_eq!((bytes, chunks.len()), (LEN, 1));
    drop(stream);
    reader.join().await.ends_at(LEN as u64);
}
