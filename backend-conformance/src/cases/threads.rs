//! Drivers are shared: any thread submits, cancels and drops.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bivalve_core::testing::block_on;
use bivalve_core::{Accepted, Driver, DriverExt, Handle, Lease, Multishot, OwnedHandle, Started};
use bytes::{Bytes, BytesMut};

use crate::Trial;
use crate::support::{Signal, all, content, ok, pair, peer, room};

/// Eight threads submit a thousand operations each and wait for them, while the driver's own runtime waits for the
/// last of them and for nothing else: a submission has to wake it.
pub async fn eight_threads_submit_and_wait(trial: Trial) {
    const THREADS: usize = 8;
    let ended = Arc::new(Signal::default());
    let left = Arc::new(AtomicUsize::new(THREADS));
    let file = trial.driver.attach(tempfile::tempfile().unwrap()).unwrap();
    let mut threads = Vec::new();
    for number in 0..THREADS {
        let (ended, left) = (Arc::clone(&ended), Arc::clone(&left));
        let (driver, file) = (Arc::clone(&trial.driver), *file);
        threads.push(std::thread::spawn(move || {
            // Also when the assertions in there fail.
            let _last = Last(ended, left);
            submit(&driver, &file, number);
        }));
    }
    ended.wait().await;
    for thread in threads {
        thread.join().expect("every operation of the thread ended as it should");
    }
}

struct Last(Arc<Signal>, Arc<AtomicUsize>);

impl Drop for Last {
    fn drop(&mut self) {
        if self.1.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.set();
        }
    }
}

fn submit(driver: &Arc<dyn Driver>, file: &Handle, number: usize) {
    let (stream, mut theirs) = pair(driver);
    for batch in 0..10_u64 {
        let posts: Vec<_> = (0..40).map(|bytes| driver.post(bytes)).collect();
        let timers = (0..20).map(|i| driver.timer(Duration::from_micros(i * 100))).collect();
        let sends: Vec<_> = (0..20).map(|i| driver.send(&stream, vec![content(i * 10, 10).into()])).collect();
        let writes = (0..20)
            .map(|i| driver.write_at(file, Bytes::from_static(b"x"), (number * 1_000 + i) as u64))
            .collect();
        block_on(async {
            for (bytes, done) in all(posts).await.into_iter().enumerate() {
                assert_eq!(ok(done).0, bytes);
            }
            for done in all::<Started<()>>(timers).await {
                ok(done);
            }
            for done in all::<Started<Bytes>>(writes).await {
                assert_eq!(ok(done).0, 1);
            }
            for done in all(sends).await {
                assert_eq!(ok(done).0, 10);
            }
        });
        let mut got = [0; 200];
        theirs.read_exact(&mut got).unwrap();
        assert_eq!(&got[..], &content(0, 200)[..], "batch {batch}");
    }
}

/// A future moves to another thread in the middle, is polled there first, or dropped there.
pub async fn futures_move_to_other_threads(trial: Trial) {
    let driver = &trial.driver;
    let (stream, mut theirs) = pair(driver);
    for round in 0..50 {
        let receive = driver.receive(&stream, room(10));
        let timer = driver.timer(Duration::from_millis(1));
        let dropped = driver.timer(Duration::from_secs(3_600));
        let there = peer(move || {
            drop(dropped);
            ok(block_on(timer));
            ok(block_on(receive)).1
        });
        std::io::Write::write_all(&mut theirs, &[round]).unwrap();
        assert_eq!(&there.join().await[..], [round]);
    }
}

/// Cancellations, drops and closings from other threads, against a runtime that completes the same operations.
pub async fn cancellations_race_from_other_threads(trial: Trial) {
    let mut threads = Vec::new();
    for _ in 0..4 {
        let driver = Arc::clone(&trial.driver);
        threads.push(peer(move || {
            for round in 0..300_u64 {
                let (stream, mut theirs) = pair(&driver);
                let receive = driver.receive(&stream, room(10));
                let timer = driver.timer(Duration::from_micros(round));
                std::io::Write::write_all(&mut theirs, b"race").unwrap();
                match round % 4 {
                    0 => drop(receive),
                    1 => {
                        receive.cancel();
                        let done = block_on(receive);
                        assert_eq!(done.completion.bytes(), done.buffer.len());
                    }
                    2 => {
                        drop(stream);
                        let done = block_on(receive);
                        assert_eq!(done.completion.bytes(), done.buffer.len());
                    }
                    _ => assert_eq!(&ok(block_on(receive)).1[..], b"race"),
                }
                timer.cancel();
                let _ = block_on(timer);
            }
        }));
    }
    for thread in threads {
        thread.join().await;
    }
}

/// Futures, streams, leases and handles go where tasks go: they are `Send` and own what they need.
pub async fn everything_is_send(trial: Trial) {
    fn goes_anywhere<T: Send + 'static>() {}
    fn is_shared<T: Send + Sync + 'static>() {}
    goes_anywhere::<Started<()>>();
    goes_anywhere::<Started<BytesMut>>();
    goes_anywhere::<Started<Accepted>>();
    goes_anywhere::<Multishot<Lease>>();
    goes_anywhere::<Multishot<Accepted>>();
    goes_anywhere::<Lease>();
    is_shared::<OwnedHandle>();
    is_shared::<Arc<dyn Driver>>();
    let driver = Arc::clone(&trial.driver);
    let task: crate::BoxFuture = Box::pin(async move {
        let file = driver.attach(tempfile::tempfile().unwrap()).unwrap();
        ok(driver.write_at(&file, "in a task", 0).await);
        assert_eq!(&ok(driver.read_at(&file, room(20), 0).await).1[..], b"in a task");
    });
    peer(move || block_on(task)).join().await;
}

/// A combinator over accepts is `Send`: the types of the driver do not come in each other's way.
pub async fn accepts_are_joined(trial: Trial) {
    let (listening, address) = crate::support::listener(&trial.driver);
    let accepts = [trial.driver.accept(&listening), trial.driver.accept(&listening)];
    let clients: Vec<_> = (0..2).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
    for accepted in futures_util::future::join_all(accepts).await {
        assert!(ok(accepted).1.is_some());
    }
    drop(clients);
}
