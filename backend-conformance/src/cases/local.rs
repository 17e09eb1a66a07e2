//! Local sockets of Unix: streams and listeners like those of TCP.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};

use bivalve_core::{CompletionStatus, DriverExt};

use crate::Trial;
use crate::support::{Content, content, fails, ok, peer, room};

/// Both directions, half close, and the end.
pub async fn a_local_stream_is_a_stream(trial: Trial) {
    const LEN: usize = 4 << 20;
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let stream = trial.driver.attach(ours).unwrap();
    let sends = [
        trial.driver.send(&stream, vec![content(0, LEN).into()]),
        trial.driver.send(&stream, vec![content(LEN as u64, 10).into()]),
    ];
    let shutdown = trial.driver.shutdown(&stream);
    let exchange = peer(move || {
        let mut all = Vec::new();
        theirs.read_to_end(&mut all).unwrap();
        theirs.write_all(b"answer").unwrap();
        all
    });
    for send in sends {
        ok(send.await);
    }
    ok(shutdown.await);
    let mut whole = Content::default();
    whole.feed(&exchange.join().await);
    whole.ends_at(LEN as u64 + 10);
    assert_eq!(&ok(trial.driver.receive(&stream, room(10)).await).1[..], b"answer");
    assert_eq!(ok(trial.driver.receive(&stream, room(10)).await).0, 0);
    fails(trial.driver.send(&stream, vec!["x".into()]).await, CompletionStatus::BROKEN_PIPE);
    assert!(stream.peer_address().is_err() && stream.set_nodelay(true).is_err(), "it is not TCP");
}

/// Accepted one by one and as they come; received as it comes.
pub async fn a_local_listener_is_a_listener(trial: Trial) {
    let driver = &trial.driver;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let listening = driver.attach(UnixListener::bind(&path).unwrap()).unwrap();
    let accept = driver.accept(&listening);
    let mut client = UnixStream::connect(&path).unwrap();
    let stream = ok(accept.await).1.unwrap();
    client.write_all(b"one").unwrap();
    let mut items = driver.receive_many(&stream);
    assert_eq!(&items.next().await.unwrap().unwrap()[..], b"one");
    drop(client);
    assert!(items.next().await.is_none());
    let mut connections = driver.accept_many(&listening);
    for _ in 0..50 {
        let mut client = UnixStream::connect(&path).unwrap();
        client.write_all(b"many").unwrap();
        let stream = connections.next().await.unwrap().unwrap();
        assert_eq!(&ok(driver.receive(&stream, room(10)).await).1[..], b"many");
    }
    connections.cancel();
    assert_eq!(crate::support::drain(&mut connections, "accept_many").await, 0);
}
