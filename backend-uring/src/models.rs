//! Models of what threads meet at, each run in every order of events that loom finds.
//!
//! They are the driver itself, its turn and its state; only the kernel is another ([`ring`](crate::ring)), and Tokio,
//! whose part is to poll a task again after it was woken. Whoever sleeps for ever is a deadlock, which loom reports.
//!
//! ```text
//! cargo xtask test loom
//! ```

use std::future::{Future, poll_fn};
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use bivalve_core::driver::Multishot;
use bivalve_core::{
    CompletionStatus, Driver, DriverExt, FinishedBuffer, Lease, Operation, OperationKey, OwnedHandle,
};
use bytes::{Bytes, BytesMut};
use loom::sync::{Condvar, Mutex};
use loom::thread::{JoinHandle, spawn};

use crate::ring::{Kernel, Ring, Supply};
use crate::turn::Turn;
use crate::{Config, Features, UringDriver};

/// A task that sleeps until it is woken.
struct Task {
    woken: Mutex<bool>,
    changed: Condvar,
    wakes: AtomicUsize,
}

impl Task {
    fn new() -> Arc<Self> {
        Arc::new(Self { woken: Mutex::new(false), changed: Condvar::new(), wakes: AtomicUsize::new(0) })
    }

    fn run<F: Future>(self: &Arc<Self>, future: F) -> F::Output {
        let waker = Waker::from(Arc::clone(self));
        let mut future = pin!(future);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return output;
            }
            let mut woken = self.woken.lock().expect("no model panics");
            while !*woken {
                woken = self.changed.wait(woken).expect("no model panics");
            }
            *woken = false;
        }
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.wakes.fetch_add(1, Ordering::Relaxed);
        *self.woken.lock().expect("no model panics") = true;
        self.changed.notify_one();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    Task::new().run(future)
}

/// A driver, its turn on a thread, and the kernel.
struct Stand {
    driver: Arc<UringDriver>,
    kernel: Arc<Kernel>,
    turn: JoinHandle<()>,
}

impl Stand {
    fn new() -> Self {
        let (driver, kernel, turn) = parts();
        Self { driver, kernel, turn: spawn(move || block_on(turn)) }
    }

    fn stream(&self) -> OwnedHandle<UringDriver> {
        let (stream, _) = UnixStream::pair().expect("there are descriptors");
        self.driver.attach(stream).expect("the driver is open")
    }

    /// Shuts the driver down: its turn ends, and nothing is left.
    fn end(self) {
        self.driver.shut_down();
        self.turn.join().expect("the turn ends");
        assert!(self.driver.usage().is_idle(), "{:?}", self.driver.usage());
    }
}

fn parts() -> (Arc<UringDriver>, Arc<Kernel>, Turn) {
    let (ring, kernel) = Ring::model();
    let config = Config::default().buffers(BUFFERS).buffer_size(64);
    let (driver, turn) = UringDriver::over(ring, Features::ALL, &config).expect("there is memory");
    (driver, kernel, turn)
}

/// So that they run out.
const BUFFERS: u16 = 2;

fn model(run: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.max_branches = 10_000;
    let orders = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&orders);
    model.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        run();
    });
    println!("{} orders", orders.load(Ordering::Relaxed));
}

/// The outcome by its key, which several threads may know.
async fn outcome(driver: &UringDriver, key: OperationKey) -> bivalve_core::Finished {
    poll_fn(|task| driver.poll(key, task)).await
}

const HELLO: Supply = Supply { value: b'h', bytes: 5 };

#[test]
fn what_two_threads_submit_is_seen_while_the_turn_runs_or_parks() {
    model(|| {
        let stand = Stand::new();
        let driver = Arc::clone(&stand.driver);
        let other = spawn(move || assert_eq!(block_on(driver.post(7)).completion.bytes(), 7));
        assert_eq!(block_on(stand.driver.post(5)).completion.bytes(), 5);
        assert_eq!(block_on(stand.driver.post(6)).completion.bytes(), 6);
        other.join().expect("it was heard");
        stand.end();
    });
}

#[test]
fn a_completion_wakes_a_turn_that_parks() {
    model(|| {
        let stand = Stand::new();
        let kernel = Arc::clone(&stand.kernel);
        let time = spawn(move || kernel.supply(&[HELLO]));
        let done = block_on(stand.driver.timer(Duration::from_secs(1)));
        assert!(done.completion.is_success());
        time.join().expect("it has passed");
        stand.end();
    });
}

#[test]
fn an_outcome_wakes_the_task_that_asked_last() {
    model(|| {
        let stand = Stand::new();
        let kernel = Arc::clone(&stand.kernel);
        let time = spawn(move || kernel.supply(&[HELLO]));
        let mut timer = stand.driver.timer(Duration::from_secs(1));
        let first = Task::new();
        let waker = Waker::from(Arc::clone(&first));
        // It may be there already; else the next one who asks is told.
        if std::pin::Pin::new(&mut timer).poll(&mut Context::from_waker(&waker)).is_pending() {
            assert!(block_on(timer).completion.is_success());
        }
        time.join().expect("it has passed");
        stand.end();
        drop(waker);
        assert_eq!(Arc::strong_count(&first), 1, "no waker is kept");
    });
}

#[test]
fn a_cancelled_receive_ends_once_with_its_buffer() {
    model(|| {
        let stand = Stand::new();
        let stream = stand.stream();
        let kernel = Arc::clone(&stand.kernel);
        let peer = spawn(move || kernel.supply(&[HELLO]));
        let driver = Arc::clone(&stand.driver);
        let operation = Operation::Receive { handle: *stream, buffer: BytesMut::with_capacity(8) };
        let key = driver.submit(operation).expect("it is a stream");
        let canceller = spawn({
            let driver = Arc::clone(&driver);
            move || driver.cancel(key)
        });
        let finished = block_on(outcome(&driver, key));
        let FinishedBuffer::Read(buffer) = finished.buffer else { panic!("its buffer comes back") };
        assert!(buffer.capacity() >= 8);
        match finished.completion.status() {
            CompletionStatus::SUCCESS => assert_eq!(&buffer[..], b"hhhhh"),
            CompletionStatus::CANCELLED => assert!(buffer.is_empty()),
            other => panic!("{other:?}"),
        }
        canceller.join().expect("a cancellation never fails");
        let spent = block_on(outcome(&driver, key)).completion.status();
        assert_eq!(spent, CompletionStatus::INVALID_PARAMETER, "once");
        peer.join().expect("it has sent");
        drop(stream);
        drop(driver);
        stand.end();
    });
}

/// A buffer that says when it is freed.
struct Watched {
    memory: [u8; 4],
    freed: Arc<AtomicBool>,
}

impl AsRef<[u8]> for Watched {
    fn as_ref(&self) -> &[u8] {
        &self.memory
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        assert!(!self.freed.swap(true, Ordering::Relaxed), "it is freed once");
    }
}

#[test]
fn an_abandoned_write_keeps_its_buffer_until_the_kernel_is_done() {
    model(|| {
        let stand = Stand::new();
        let file = std::fs::File::open("/dev/null").expect("there is one");
        let file = stand.driver.attach(file).expect("the driver is open");
        let freed = Arc::new(AtomicBool::new(false));
        stand.kernel.watch(&freed);
        let kernel = Arc::clone(&stand.kernel);
        let disk = spawn(move || kernel.supply(&[HELLO]));
        let buffer = Bytes::from_owner(Watched { memory: [0; 4], freed: Arc::clone(&freed) });
        let mut write = stand.driver.write_at(&file, buffer, 0);
        let task = Task::new();
        let waker = Waker::from(Arc::clone(&task));
        drop(std::pin::Pin::new(&mut write).poll(&mut Context::from_waker(&waker)));
        drop(write);
        disk.join().expect("it has written");
        drop(file);
        stand.end();
        assert!(freed.load(Ordering::Relaxed), "the buffer is freed");
        drop(waker);
        assert_eq!(Arc::strong_count(&task), 1, "no waker is kept");
    });
}

#[test]
fn an_abandoned_operation_is_cancelled_at_once() {
    model(|| {
        let stand = Stand::new();
        let timer = stand.driver.timer(Duration::from_secs(1));
        let other = spawn(move || drop(timer));
        drop(block_on(stand.driver.post(1)));
        other.join().expect("nobody waits for it");
        // The first goes out with the cancellation or behind it, and by the second what it brought was looked at.
        drop(block_on(stand.driver.post(2)));
        drop(block_on(stand.driver.post(3)));
        assert_eq!(stand.driver.usage().operations, 0);
        stand.end();
    });
}

/// The next lease: full of this.
fn expect(lease: Option<std::io::Result<Lease>>, value: u8) -> Lease {
    let lease = lease.expect("there is more").expect("it is no error");
    assert!(lease.iter().all(|byte| *byte == value) && lease.len() == 5, "{:?} is not {value}", &lease[..]);
    lease
}

async fn take(items: &mut Multishot<Lease, UringDriver>, value: u8) -> Lease {
    expect(items.next().await, value)
}

fn numbered(from: u8, to: u8) -> Vec<Supply> {
    (from..to).map(|value| Supply { value, bytes: 5 }).collect()
}

#[test]
fn a_consumer_that_catches_up_resumes_a_paused_receive() {
    model(|| {
        let stand = Stand::new();
        let stream = stand.stream();
        let mut items = stand.driver.receive_many(&stream);
        let kernel = Arc::clone(&stand.kernel);
        // More than are taken ahead: the kernel is told to stop.
        let peer = spawn(move || numbered(0, 4).iter().for_each(|supply| kernel.supply(&[*supply])));
        block_on(async {
            for value in 0..4 {
                drop(take(&mut items, value).await);
            }
        });
        peer.join().expect("it has sent");
        // Whether it was stopped or not, it goes on.
        stand.kernel.supply(&numbered(4, 5));
        drop(block_on(take(&mut items, 4)));
        drop(items);
        drop(stream);
        stand.end();
    });
}

#[test]
fn a_lease_comes_home_from_another_thread() {
    model(|| {
        let stand = Stand::new();
        let stream = stand.stream();
        let mut items = stand.driver.receive_many(&stream);
        stand.kernel.supply(&numbered(0, 2));
        let first = block_on(take(&mut items, 0));
        let kernel = Arc::clone(&stand.kernel);
        let holder = spawn(move || {
            kernel.supply(&numbered(2, 3));
            assert!(first.iter().all(|byte| *byte == 0), "the kernel writes to a lease");
            drop(first);
        });
        let second = block_on(take(&mut items, 1));
        let third = block_on(take(&mut items, 2));
        holder.join().expect("it has given it back");
        assert!(second.iter().all(|byte| *byte == 1), "the kernel writes to a lease");
        assert!(third.iter().all(|byte| *byte == 2), "the kernel writes to a lease");
        drop((second, third, items, stream));
        stand.end();
    });
}

#[test]
fn a_submission_that_meets_the_shutdown_ends_or_is_rejected() {
    model(|| {
        let stand = Stand::new();
        let driver = Arc::clone(&stand.driver);
        let other = spawn(move || {
            let done = block_on(driver.timer(Duration::from_secs(1)));
            assert_eq!(done.completion.status(), CompletionStatus::CANCELLED);
        });
        stand.driver.shut_down();
        other.join().expect("it has ended");
        stand.end();
    });
}

#[test]
fn a_runtime_that_ends_answers_what_is_in_flight() {
    model(|| {
        let (driver, _kernel, mut turn) = parts();
        let runtime = spawn(move || {
            // It is polled once, then dropped with its runtime.
            let once = poll_fn(|task| Poll::Ready(std::pin::Pin::new(&mut turn).poll(task)));
            let _ = block_on(once);
            drop(turn);
        });
        let done = block_on(driver.timer(Duration::from_secs(1)));
        assert_eq!(done.completion.status(), CompletionStatus::CANCELLED);
        runtime.join().expect("it has ended");
        assert!(driver.usage().is_idle(), "{:?}", driver.usage());
    });
}

#[test]
fn the_last_owner_ends_the_turn() {
    model(|| {
        let Stand { driver, kernel, turn } = Stand::new();
        let other = spawn({
            let driver = Arc::clone(&driver);
            move || drop(driver)
        });
        drop(driver);
        other.join().expect("it has dropped its own");
        turn.join().expect("the turn ends");
        assert_eq!(kernel.requests(), 0);
    });
}
