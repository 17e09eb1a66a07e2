//! Connected streams: what every exchange needs.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use bivalve_core::{CompletionStatus, DriverExt, Resource};
use bytes::Bytes;

use crate::Trial;
use crate::support::{
    Content, all, content, fails, listener, nobody, ok, pair, peer, reads_to_the_end, room, small_buffers,
};

/// `Connect` and `Accept` report 0 bytes and a handle each; the handles know their addresses.
pub async fn connect_meets_accept(trial: Trial) {
    let driver = &trial.driver;
    let (listening, address) = listener(driver);
    assert_eq!(listening.local_address().unwrap(), address);
    let accepting = driver.accept(&listening);
    let (bytes, ours) = ok(driver.connect(address).await);
    assert_eq!(bytes, 0);
    let (bytes, theirs) = ok(accepting.await);
    assert_eq!(bytes, 0);
    let (ours, theirs) = (ours.unwrap(), theirs.unwrap());
    assert_eq!((ours.peer_address().unwrap(), theirs.local_address().unwrap()), (address, address));
    assert_eq!(ours.local_address().unwrap(), theirs.peer_address().unwrap());
    assert_eq!(ok(driver.send(&ours, vec!["over".into()]).await).0, 4);
    assert_eq!(&ok(driver.receive(&theirs, room(10)).await).1[..], b"over");
    assert_eq!(ok(driver.send(&theirs, vec!["and back".into()]).await).0, 8);
    assert_eq!(&ok(driver.receive(&ours, room(10)).await).1[..], b"and back");
}

/// `Accept` takes a connection that waits already, one each.
pub async fn accept_takes_one_connection_each(trial: Trial) {
    let (listening, address) = listener(&trial.driver);
    let peers: Vec<_> = (0..5).map(|_| TcpStream::connect(address).unwrap()).collect();
    let mut accepted = Vec::new();
    let accepts: Vec<_> = (0..5).map(|_| trial.driver.accept(&listening)).collect();
    for accept in accepts {
        accepted.push(ok(accept.await).1.unwrap().peer_address().unwrap());
    }
    accepted.sort_unstable();
    let mut connected: Vec<_> = peers.iter().map(|peer| peer.local_addr().unwrap()).collect();
    connected.sort_unstable();
    assert_eq!(accepted, connected);
}

/// `CONNECTION_REFUSED`, without a handle.
pub async fn connect_where_nobody_listens_is_refused(trial: Trial) {
    let done = trial.driver.connect(nobody()).await;
    assert!(fails(done, CompletionStatus::CONNECTION_REFUSED).is_none());
}

/// `inspect` lends the resource: options can be set on accepted and connected streams, `TCP_NODELAY` starts off.
pub async fn options_are_set_on_the_resource(trial: Trial) {
    let driver = &trial.driver;
    let (listening, address) = listener(driver);
    let accepting = driver.accept(&listening);
    let connected = ok(driver.connect(address).await).1.unwrap();
    let accepted = ok(accepting.await).1.unwrap();
    for stream in [connected, accepted] {
        let nodelay = || {
            let mut answer = None;
            let mut look = |resource: &Resource| {
                if let Resource::TcpStream(stream) = resource {
                    answer = stream.nodelay().ok();
                }
            };
            driver.inspect(*stream, &mut look).unwrap();
            answer
        };
        assert_eq!(nodelay(), Some(false));
        stream.set_nodelay(true).unwrap();
        assert_eq!(nodelay(), Some(true));
    }
}

/// `Receive` appends what came, perhaps less than there is room for.
pub async fn receive_appends_what_comes(trial: Trial) {
    let (stream, mut peer) = pair(&trial.driver);
    peer.write_all(b"abc").unwrap();
    let mut buffer = room(100);
    buffer.extend_from_slice(b"12");
    let (bytes, buffer) = ok(trial.driver.receive(&stream, buffer).await);
    assert_eq!((bytes, &buffer[..], buffer.capacity()), (3, &b"12abc"[..], 100));
}

/// `INVALID_PARAMETER`: no spare capacity. What the peer sent stays for the next receive.
pub async fn a_receive_without_room_is_refused(trial: Trial) {
    let (stream, mut peer) = pair(&trial.driver);
    peer.write_all(b"kept").unwrap();
    fails(trial.driver.receive(&stream, room(0)).await, CompletionStatus::INVALID_PARAMETER);
    let mut full = room(4);
    full.extend_from_slice(b"full");
    fails(trial.driver.receive(&stream, full).await, CompletionStatus::INVALID_PARAMETER);
    assert_eq!(&ok(trial.driver.receive(&stream, room(10)).await).1[..], b"kept");
}

/// A receive that is waiting gets what comes, however small its room is.
pub async fn receives_of_one_byte_get_every_byte(trial: Trial) {
    let (stream, mut peer) = pair(&trial.driver);
    let waiting = trial.driver.receive(&stream, room(1));
    peer.write_all(&content(0, 300)).unwrap();
    drop(peer);
    let mut whole = Content::default();
    whole.feed(&ok(waiting.await).1);
    loop {
        let (bytes, buffer) = ok(trial.driver.receive(&stream, room(1)).await);
        whole.feed(&buffer);
        if bytes == 0 {
            return whole.ends_at(300);
        }
    }
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

/// Half close, theirs: after the peer has finished we still send.
pub async fn a_peer_that_has_finished_still_receives(trial: Trial) {
    let (stream, mut peer) = pair(&trial.driver);
    peer.shutdown(Shutdown::Write).unwrap();
    assert_eq!(ok(trial.driver.receive(&stream, room(10)).await).0, 0);
    assert_eq!(ok(trial.driver.send(&stream, vec!["answer".into()]).await).0, 6);
    drop(stream);
    let mut answer = String::new();
    peer.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "answer");
}

/// Half close, ours: `Shutdown` reports 0 bytes, the peer sees the end, and we still receive.
pub async fn after_shutdown_we_still_receive(trial: Trial) {
    let (stream, mut theirs) = pair(&trial.driver);
    let reading = trial.driver.receive(&stream, room(100));
    assert_eq!(ok(trial.driver.send(&stream, vec!["question".into()]).await).0, 8);
    assert_eq!(ok(trial.driver.shutdown(&stream).await).0, 0);
    let answered = peer(move || {
        let mut question = String::new();
        theirs.read_to_string(&mut question).unwrap();
        theirs.write_all(b"answer").unwrap();
        question
    });
    assert_eq!(answered.join().await, "question");
    assert_eq!(&ok(reading.await).1[..], b"answer");
    assert_eq!(ok(trial.driver.receive(&stream, room(100)).await).0, 0);
}

/// `BROKEN_PIPE`: a send after our own shutdown. The buffer comes back.
pub async fn a_send_after_shutdown_is_a_broken_pipe(trial: Trial) {
    let (stream, _peer) = pair(&trial.driver);
    ok(trial.driver.shutdown(&stream).await);
    for _ in 0..2 {
        let done = trial.driver.send(&stream, vec!["lost".into()]).await;
        assert_eq!(fails(done, CompletionStatus::BROKEN_PIPE).len(), 1);
    }
}

/// A send of nothing is 0 bytes, and nothing reaches the peer.
pub async fn an_empty_send_is_zero_bytes(trial: Trial) {
    let (stream, mut peer) = pair(&trial.driver);
    for chunks in [vec![], vec![Bytes::new().into()], vec![Bytes::new().into(), "".into()]] {
        let count = chunks.len();
        let (bytes, chunks) = ok(trial.driver.send(&stream, chunks).await);
        assert_eq!((bytes, chunks.len()), (0, count));
    }
    ok(trial.driver.send(&stream, vec!["all".into()]).await);
    drop(stream);
    let mut text = String::new();
    peer.read_to_string(&mut text).unwrap();
    assert_eq!(text, "all");
}

/// `Send` reports all of it: short sends go on until the last byte is in (rule 3), while the peer reads slowly.
pub async fn a_large_send_arrives_whole_and_in_order(trial: Trial) {
    const LEN: usize = 64 << 20;
    let (stream, theirs) = pair(&trial.driver);
    small_buffers(&theirs);
    let reader = reads_to_the_end(theirs);
    let (bytes, chunks) = ok(trial.driver.send(&stream, vec![content(0, LEN).into()]).await);
    assert_eq!((bytes, chunks.len()), (LEN, 1));
    drop(stream);
    assert_eq!(reader.join().await, LEN as u64);
}

/// Both directions at once do not wait for each other.
pub async fn both_directions_move_at_once(trial: Trial) {
    const LEN: usize = 8 << 20;
    let driver = &trial.driver;
    let (listening, address) = listener(driver);
    let accepting = driver.accept(&listening);
    let left = ok(driver.connect(address).await).1.unwrap();
    let right = ok(accepting.await).1.unwrap();
    let sends: Vec<_> =
        [&left, &right].map(|stream| driver.send(stream, vec![content(0, LEN).into()])).into();
    for stream in [&left, &right] {
        let mut whole = Content::default();
        while whole.len() < LEN as u64 {
            whole.feed(&ok(driver.receive(stream, room(70_001)).await).1);
        }
        whole.ends_at(LEN as u64);
    }
    for done in all(sends).await {
        assert_eq!(ok(done).0, LEN);
    }
}
