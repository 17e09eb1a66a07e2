//! The end of a driver (rule 5).

use std::io::Read;
use std::time::Duration;

use bivalve_core::{CompletionStatus, DriverExt};

use crate::Trial;
use crate::support::{Everything, fails, listener, ok, pair, peer, room, std_pair, until};

/// Operations of every kind end, cancelled or with their real results, which can still be polled; the peers see
/// their connections end.
pub async fn every_kind_ends(trial: Trial) {
    let driver = &trial.driver;
    let mut everything = Everything::start(driver);
    driver.shut_down();
    driver.shut_down();
    until("the handles to be closed", || driver.usage().handles == 0).await;
    everything.ended().await;
    for mut stream in everything.peers.drain(..) {
        let end = peer(move || while stream.read(&mut [0; 4096]).is_ok_and(|bytes| bytes > 0) {});
        end.join().await;
    }
}

/// The same, with nobody to hear the outcomes.
pub async fn every_kind_is_dropped_afterwards(trial: Trial) {
    let everything = Everything::start(&trial.driver);
    trial.driver.shut_down();
    drop(everything);
    until("the driver to be idle", || trial.driver.usage().is_idle()).await;
}

/// What is submitted later is rejected as `CANCELLED`, with its buffer, also on handles that were open; resources
/// are refused and closed.
pub async fn what_comes_later_is_rejected(trial: Trial) {
    let driver = &trial.driver;
    let (stream, _peer) = pair(driver);
    let (listening, address) = listener(driver);
    let file = driver.attach(tempfile::tempfile().unwrap()).unwrap();
    driver.shut_down();
    let cancelled = CompletionStatus::CANCELLED;
    assert_eq!(fails(driver.receive(&stream, room(10)).await, cancelled).capacity(), 10);
    assert_eq!(fails(driver.send(&stream, vec!["x".into()]).await, cancelled).len(), 1);
    fails(driver.shutdown(&stream).await, cancelled);
    fails(driver.accept(&listening).await, cancelled);
    fails(driver.connect(address).await, cancelled);
    assert_eq!(fails(driver.read_at(&file, room(10), 0).await, cancelled).capacity(), 10);
    assert_eq!(&fails(driver.write_at(&file, "x", 0).await, cancelled)[..], b"x");
    fails(driver.timer(Duration::ZERO).await, cancelled);
    fails(driver.post(1).await, cancelled);
    let mut leases = driver.receive_many(&stream);
    assert!(leases.next().await.unwrap().is_err() && leases.next().await.is_none());
    let mut connections = driver.accept_many(&listening);
    assert!(connections.next().await.unwrap().is_err() && connections.next().await.is_none());
    let (ours, mut theirs) = std_pair();
    assert!(driver.attach(ours).is_err());
    assert_eq!(theirs.read(&mut [0; 10]).unwrap_or(0), 0, "a refused resource is closed");
    assert!(driver.inspect(*stream, &mut |_| {}).is_err());
}

/// A driver that is dropped while its handles and futures are still held elsewhere: nothing hangs or leaks.
pub async fn another_driver_ends_with_work_in_flight(trial: Trial) {
    let backend = trial.backend;
    let ended = peer(move || {
        (backend.run)(
            8,
            Box::new(|driver| {
                Box::pin(async move {
                    ok(driver.post(1).await);
                    let Everything { ending, connections, leases, handles, peers } =
                        Everything::start(&driver);
                    // The body ends here, and the backend shuts down what it left running.
                    drop((peers, handles));
                    drop((ending, connections, leases));
                })
            }),
        );
    });
    ended.join().await;
}
