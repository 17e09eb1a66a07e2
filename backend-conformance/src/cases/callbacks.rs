//! Wakers and destructors that call the driver: no lock is held while they run (rule 8).

use std::io::Write;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use bivalve_core::{CompletionStatus, Driver, DriverExt, Handle, Operation};
use bytes::Bytes;

use crate::Trial;
use crate::support::{
    BLOCKS, Everything, fails, ok, pair, peer, poll_once, room, small_buffers, std_pair, until,
};

/// A waker that looks at the driver, starts a post, cancels and abandons it, in `wake` and again when it is dropped.
pub async fn a_waker_calls_the_driver(trial: Trial) {
    let driver = &trial.driver;
    let (stream, mut theirs) = pair(driver);
    let calls = Arc::new(AtomicUsize::new(0));
    for round in 0..50_usize {
        let mut receive = driver.receive(&stream, room(10));
        let mut timer = driver.timer(Duration::from_micros(200));
        let mut items = driver.accept_many(&crate::support::listener(driver).0);
        let before = calls.load(Ordering::Acquire);
        // Twice, so that one waker takes the place of another, which is dropped by the driver.
        for _ in 0..2 {
            let waker =
                Waker::from(Arc::new(Caller { driver: Arc::downgrade(driver), calls: Arc::clone(&calls) }));
            let mut task = Context::from_waker(&waker);
            let _ = Pin::new(&mut items).get_mut().poll_next(&mut task);
            assert!(Future::poll(Pin::new(&mut receive), &mut task).is_pending());
            if Future::poll(Pin::new(&mut timer), &mut task).is_ready() {
                timer = driver.timer(Duration::from_micros(200));
            }
        }
        theirs.write_all(&[u8::try_from(round).unwrap()]).unwrap();
        until("the wakers to be called", || calls.load(Ordering::Acquire) >= before + 2).await;
        assert_eq!(ok(receive.await).0, 1);
        drop((timer, items));
    }
}

/// The same waker on operations of every kind that are cancelled, closed, or shut down with the driver.
pub async fn a_waker_calls_the_driver_when_everything_ends(trial: Trial) {
    let driver = &trial.driver;
    let calls = Arc::new(AtomicUsize::new(0));
    let waker = Waker::from(Arc::new(Caller { driver: Arc::downgrade(driver), calls: Arc::clone(&calls) }));
    for end in ["cancel", "close", "drop", "shut down"] {
        let mut everything = Everything::start(driver);
        everything.poll(&waker);
        match end {
            "cancel" => everything.cancel(),
            "close" => everything.handles.clear(),
            "drop" => everything.ending.clear(),
            _ => driver.shut_down(),
        }
        drop(everything);
        until("everything to end", || driver.usage().is_idle()).await;
    }
}

/// A buffer whose destructor calls the driver and closes its own handle: after a completion, and when nobody heard
/// the outcome.
pub async fn a_buffer_calls_the_driver_when_it_is_dropped(trial: Trial) {
    let driver = &trial.driver;
    let dropped = Arc::new(AtomicUsize::new(0));
    let buffer = |handle: Handle, len: usize| {
        let (driver, dropped) = (Arc::downgrade(driver), Arc::clone(&dropped));
        Bytes::from_owner(Owner { bytes: vec![7; len], handle, caller: Caller { driver, calls: dropped } })
    };
    // Awaited: the buffer is ours again, and dropped by us.
    let (stream, _peer) = pair(driver);
    ok(driver.send(&stream, vec![buffer(*stream, 10).into()]).await);
    fails(driver.send(&stream, vec![buffer(*stream, 10).into()]).await, CompletionStatus::INVALID_HANDLE);
    // Dropped while it is on its way, or waits behind another.
    let (ours, theirs) = std_pair();
    small_buffers(&ours);
    let stream = driver.attach(ours).unwrap();
    let sends: Vec<_> = (0..3).map(|_| driver.send(&stream, vec![buffer(*stream, BLOCKS).into()])).collect();
    drop(sends);
    until("the handle to be closed", || driver.usage().is_idle()).await;
    drop((stream, theirs));
    // A file: it is written or not, but the buffer is let go.
    let file = driver.attach(tempfile::tempfile().unwrap()).unwrap();
    for _ in 0..20 {
        drop(driver.write_at(&file, buffer(*file, 100_000), 0));
    }
    // The end of the driver with outcomes that nobody took.
    let (stream, _peer) = pair(driver);
    let sent = driver.send(&stream, vec![buffer(*stream, 10).into()]);
    driver.shut_down();
    drop(sent);
    until("every buffer to be dropped", || dropped.load(Ordering::Acquire) == 2 * (2 + 3 + 20 + 1)).await;
}

/// A lease that is dropped within a waker, and an operation that is dropped within one.
pub async fn a_waker_drops_what_the_driver_gave(trial: Trial) {
    struct Dropper(std::sync::Mutex<Option<Box<dyn Send>>>);
    impl Wake for Dropper {
        fn wake(self: Arc<Self>) {
            let held = self.0.lock().unwrap().take();
            drop(held);
        }
    }
    let driver = &trial.driver;
    let (stream, mut theirs) = pair(driver);
    let mut items = driver.receive_many(&stream);
    for _ in 0..20 {
        theirs.write_all(b"held").unwrap();
        let lease = items.next().await.unwrap().unwrap();
        let held: Box<dyn Send> = Box::new((lease, driver.timer(Duration::from_secs(3_600)), pair(driver)));
        let waker = Waker::from(Arc::new(Dropper(Some(held).into())));
        let mut timer = driver.timer(Duration::from_micros(100));
        if Future::poll(Pin::new(&mut timer), &mut Context::from_waker(&waker)).is_pending() {
            until("the waker to run", || driver.usage().leases == 0).await;
            assert!(peer(|| true).join().await);
            let _ = poll_once(&mut timer, &Arc::default());
        }
    }
}

struct Caller {
    driver: Weak<dyn Driver>,
    calls: Arc<AtomicUsize>,
}

impl Caller {
    fn call(&self) {
        if let Some(driver) = self.driver.upgrade() {
            let _ = driver.usage();
            if let Ok(key) = driver.submit(Operation::Post { bytes: 1 }) {
                driver.cancel(key);
                driver.abandon(key);
            }
        }
        self.calls.fetch_add(1, Ordering::AcqRel);
    }
}

impl Wake for Caller {
    fn wake(self: Arc<Self>) {
        self.call();
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.call();
    }
}

struct Owner {
    bytes: Vec<u8>,
    handle: Handle,
    caller: Caller,
}

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        if let Some(driver) = self.caller.driver.upgrade() {
            driver.close(self.handle);
        }
        self.caller.call();
    }
}
