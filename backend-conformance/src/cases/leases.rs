//! Leased buffers: what they hold, and how they come home.

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::task::{Context, Poll, Waker};

use bivalve_core::{Driver, DriverExt, Lease, Multishot, OwnedHandle};

use crate::Trial;
use crate::support::{Content, Peer, content, pair, pause, peer, until};

/// A lease holds what came; it advances, and can be kept for good.
pub async fn a_lease_holds_what_came(trial: Trial) {
    let (stream, mut peer) = pair(&trial.driver);
    let mut items = trial.driver.receive_many(&stream);
    peer.write_all(b"GET / HTTP/1.1").unwrap();
    let mut lease = items.next().await.unwrap().unwrap();
    assert_eq!(&lease[..], b"GET / HTTP/1.1");
    assert_eq!(trial.driver.usage().leases, 1);
    lease.advance(4);
    assert_eq!((&lease[..], lease.as_ref().len()), (&b"/ HTTP/1.1"[..], 10));
    peer.write_all(b"more").unwrap();
    let more = items.next().await.unwrap().unwrap();
    assert_eq!((&lease[..], &more[..]), (&b"/ HTTP/1.1"[..], &b"more"[..]));
    let kept = lease.detach();
    assert_eq!((&kept[..], trial.driver.usage().leases), (&b"/ HTTP/1.1"[..], 1));
    drop(more);
    assert_eq!(trial.driver.usage().leases, 0);
    peer.write_all(b"and more").unwrap();
    assert_eq!(&items.next().await.unwrap().unwrap()[..], b"and more");
    assert_eq!(&kept[..], b"/ HTTP/1.1", "what was kept is nobody else's");
}

/// A lease may be dropped on another thread; its buffer comes home to its driver.
pub async fn a_lease_is_dropped_on_another_thread(trial: Trial) {
    let (stream, mut theirs) = pair(&trial.driver);
    let mut items = trial.driver.receive_many(&stream);
    for _ in 0..100 {
        theirs.write_all(b"away").unwrap();
        let lease = items.next().await.unwrap().unwrap();
        peer(move || assert_eq!(&lease[..], b"away")).join().await;
        assert_eq!(trial.driver.usage().leases, 0);
    }
}

/// A lease outlives its stream, its handle and the shutdown of its driver.
pub async fn a_lease_outlives_the_shutdown(trial: Trial) {
    let (stream, mut peer) = pair(&trial.driver);
    let mut items = trial.driver.receive_many(&stream);
    peer.write_all(b"kept").unwrap();
    let lease = items.next().await.unwrap().unwrap();
    drop(items);
    drop(stream);
    trial.driver.shut_down();
    until("everything but the lease to end", || {
        let usage = trial.driver.usage();
        (usage.operations, usage.handles) == (0, 0)
    })
    .await;
    assert_eq!((&lease[..], trial.driver.usage().leases), (&b"kept"[..], 1));
    drop(lease);
    assert!(trial.driver.usage().is_idle());
}

/// A lease that is held beyond the life of its driver keeps its bytes, and is freed on a third thread.
///
/// A backend's `run` may wait for the lease or return without it; neither may hang, crash or leak.
pub async fn a_lease_outlives_its_driver(trial: Trial) {
    let backend = trial.backend;
    let (sender, receiver) = channel();
    let ended = Arc::new(AtomicBool::new(false));
    let body_ended = Arc::clone(&ended);
    let other = peer(move || {
        let body = |driver: Arc<dyn Driver>| async move {
            let (stream, mut peer) = pair(&driver);
            let mut items = driver.receive_many(&stream);
            peer.write_all(b"beyond").unwrap();
            sender.send(items.next().await.unwrap().unwrap()).unwrap();
            drop((items, stream, peer));
            body_ended.store(true, Ordering::Release);
        };
        (backend.run)(8, Box::new(move |driver| Box::pin(body(driver))));
    });
    until("the other driver's body to end", || ended.load(Ordering::Acquire)).await;
    let lease: Lease = receiver.recv().unwrap();
    for _ in 0..20 {
        pause().await;
    }
    assert_eq!(&lease[..], b"beyond");
    peer(move || drop(lease)).join().await;
    other.join().await;
}

/// Leases that are kept for good cost the driver nothing: everything arrives while thousands are held.
pub async fn detached_leases_hold_up_nobody(trial: Trial) {
    const LEN: usize = 16 << 20;
    let (stream, theirs) = pair(&trial.driver);
    let writer = writes(theirs, LEN);
    let mut items = trial.driver.receive_many(&stream);
    let (mut whole, mut kept) = (Content::default(), Vec::new());
    while let Some(item) = items.next().await {
        kept.push(item.unwrap().detach());
    }
    kept.iter().for_each(|buffer| whole.feed(buffer));
    whole.ends_at(LEN as u64);
    drop(writer.join().await);
}

/// More leases are held than a driver has buffers. It may make everybody wait then, but once they are dropped,
/// everything goes on: every connection, with every byte, and a connection that was made in the meantime.
pub async fn more_leases_than_buffers_are_held(trial: Trial) {
    const CONNECTIONS: usize = 64;
    const LEN: usize = 256 << 10;
    const ENOUGH: usize = 2_000;
    /// Looks without anything new before it counts as standing still. It decides how many leases are held, never
    /// whether the case passes.
    const PATIENCE: usize = 200;
    let driver = &trial.driver;
    let mut receivers: Vec<Receiver> = Vec::new();
    let mut writers = Vec::new();
    for _ in 0..CONNECTIONS {
        let (stream, theirs) = pair(driver);
        writers.push(writes(theirs, LEN));
        receivers.push(Receiver::new(driver, stream));
    }
    let (mut held, mut still) = (Vec::new(), 0);
    while held.len() < ENOUGH && still < PATIENCE {
        let before = held.len();
        for receiver in &mut receivers {
            if held.len() < ENOUGH {
                receiver.take_ready(&mut held);
            }
        }
        still = if held.len() == before { still + 1 } else { 0 };
        pause().await;
    }
    assert!(held.len() >= CONNECTIONS, "only {} leases for {CONNECTIONS} connections", held.len());
    // Items that nobody has taken yet are counted as well.
    assert!(driver.usage().leases >= held.len());
    let (stream, theirs) = pair(driver);
    writers.push(writes(theirs, LEN));
    receivers.push(Receiver::new(driver, stream));
    drop(held);
    until("every connection to go on to its end", || {
        receivers.iter_mut().filter(|receiver| !receiver.ended).fold(true, |_, receiver| {
            receiver.take_ready(&mut Vec::new());
            false
        })
    })
    .await;
    for receiver in &receivers {
        receiver.whole.ends_at(LEN as u64);
    }
    for writer in writers {
        drop(writer.join().await);
    }
    assert_eq!(driver.usage().leases, 0);
}

struct Receiver {
    items: Multishot<Lease>,
    whole: Content,
    ended: bool,
    _stream: OwnedHandle,
}

impl Receiver {
    fn new(driver: &Arc<dyn Driver>, stream: OwnedHandle) -> Self {
        let items = driver.receive_many(&stream);
        Self { items, whole: Content::default(), ended: false, _stream: stream }
    }

    /// Takes what is there, a few at most so that no connection is served alone.
    fn take_ready(&mut self, leases: &mut Vec<Lease>) {
        for _ in 0..16 {
            match Pin::new(&mut self.items).get_mut().poll_next(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(Some(lease)) => {
                    let lease = lease.unwrap();
                    self.whole.feed(&lease);
                    leases.push(lease);
                }
                Poll::Ready(None) => {
                    self.ended = true;
                    return;
                }
                Poll::Pending => return,
            }
        }
    }
}

/// Finishes after that much, and keeps its end of the connection so that nothing is reset.
fn writes(mut stream: TcpStream, len: usize) -> Peer<TcpStream> {
    peer(move || {
        stream.write_all(&content(0, len)).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        stream
    })
}
