//! Accepts that go on.

use std::io::{Read, Write};
use std::net::TcpStream;

use bivalve_core::DriverExt;

use crate::Trial;
use crate::support::{drain, listener, ok, peer, reset, room, until};

/// Two hundred connections are two hundred items, each a working stream.
pub async fn each_connection_is_an_item(trial: Trial) {
    const CONNECTIONS: usize = 200;
    let driver = &trial.driver;
    let (listening, address) = listener(driver);
    let mut connections = driver.accept_many(&listening);
    let clients = peer(move || {
        for number in 0..CONNECTIONS {
            let mut client = TcpStream::connect(address).unwrap();
            client.write_all(&number.to_be_bytes()).unwrap();
            let mut echo = [0; 8];
            client.read_exact(&mut echo).unwrap();
            assert_eq!(echo, number.to_be_bytes());
        }
    });
    for _ in 0..CONNECTIONS {
        let stream = connections.next().await.unwrap().unwrap();
        stream.set_nodelay(true).unwrap();
        assert_eq!(stream.local_address().unwrap(), address);
        let (_, text) = ok(driver.receive(&stream, room(8)).await);
        assert_eq!(text.len(), 8, "eight bytes come in one piece over the loopback interface");
        ok(driver.send(&stream, vec![text.freeze().into()]).await);
    }
    clients.join().await;
}

/// Hundreds that wait already come one after the other, none twice.
pub async fn connections_that_wait_are_items(trial: Trial) {
    let (listening, address) = listener(&trial.driver);
    let peers: Vec<_> = (0..100).map(|_| TcpStream::connect(address).unwrap()).collect();
    let mut connections = trial.driver.accept_many(&listening);
    let mut accepted = Vec::new();
    for _ in 0..100 {
        accepted.push(connections.next().await.unwrap().unwrap());
    }
    let mut theirs: Vec<_> = peers.iter().map(|peer| peer.local_addr().unwrap()).collect();
    let mut ours: Vec<_> = accepted.iter().map(|stream| stream.peer_address().unwrap()).collect();
    theirs.sort_unstable();
    ours.sort_unstable();
    assert_eq!(ours, theirs);
}

/// Connections that were reset before anybody accepted them do not end it (rule 7).
pub async fn a_reset_before_accept_is_survived(trial: Trial) {
    let driver = &trial.driver;
    let (listening, address) = listener(driver);
    for _ in 0..20 {
        reset(TcpStream::connect(address).unwrap());
    }
    let mut connections = driver.accept_many(&listening);
    for _ in 0..20 {
        reset(TcpStream::connect(address).unwrap());
    }
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(b"alive").unwrap();
    loop {
        // Some systems report such a connection as an error, others as one that ends at once.
        let Ok(stream) = connections.next().await.expect("an error is not the end") else { continue };
        if &driver.receive(&stream, room(10)).await.buffer[..] == b"alive" {
            return;
        }
    }
}

/// Cancelled: `CANCELLED`, then the end; the listener goes on with a plain accept, and no connection was lost.
pub async fn it_is_cancelled_and_a_plain_accept_goes_on(trial: Trial) {
    let driver = &trial.driver;
    let (listening, address) = listener(driver);
    for _ in 0..30 {
        let mut connections = driver.accept_many(&listening);
        connections.cancel();
        assert_eq!(drain(&mut connections, "accept_many").await, 0);
        let mut client = TcpStream::connect(address).unwrap();
        client.write_all(b"here").unwrap();
        let stream = ok(driver.accept(&listening).await).1.unwrap();
        assert_eq!(&ok(driver.receive(&stream, room(10)).await).1[..], b"here");
    }
}

/// Dropped with connections that nobody took: they are closed, their peers see the end.
pub async fn it_is_dropped_with_connections(trial: Trial) {
    let driver = &trial.driver;
    let (listening, address) = listener(driver);
    let mut connections = driver.accept_many(&listening);
    let mut clients: Vec<_> = (0..50).map(|_| TcpStream::connect(address).unwrap()).collect();
    drop(connections.next().await.unwrap().unwrap());
    drop(connections);
    until("the connections to be closed", || {
        let usage = driver.usage();
        (usage.operations, usage.handles) == (0, 1)
    })
    .await;
    // Those that the driver had not taken yet end with the listener.
    drop(listening);
    for client in &mut clients {
        assert_eq!(client.read(&mut [0; 10]).unwrap_or(0), 0);
    }
}
