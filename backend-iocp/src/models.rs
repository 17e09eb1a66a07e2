//! Models of what threads meet at, each run in every order of events that loom finds.
//!
//! They are the driver itself: its state, the loops of its threads and the order of its calls. Only the kernel and the
//! port are others ([`system`](crate::system)). Whoever sleeps for ever is a deadlock, which loom reports.
//!
//! ```text
//! cargo xtask test loom
//! ```

#![allow(clippy::panic, reason = "so fails a model")]

mod stand;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bivalve_core::driver::Multishot;
use bivalve_core::{CompletionStatus, Driver, DriverExt, FinishedBuffer, Lease, Operation};
use bytes::{Bytes, BytesMut};
use loom::thread::spawn;

use self::stand::{Stand, Task, assert_spent, block_on, model, outcome};
use crate::IocpDriver;
use crate::system::{Kernel, Manner, Supply};

const PACKETS: Manner = Manner { skips: false, dawdles: false, leaks: false, pooled: false };
const POOLED: Manner = Manner { pooled: true, ..PACKETS };
const SKIPS: Manner = Manner { skips: true, ..PACKETS };
const DAWDLES: Manner = Manner { dawdles: true, ..PACKETS };
const LEAKS: Manner = Manner { leaks: true, ..PACKETS };

const HELLO: Supply = Supply::Bytes(b'h', 5);

fn overtaking(manner: Manner) {
    model(move || {
        let stand = Stand::new(1, manner);
        let stream = stand.stream();
        // The peer takes it in pieces, before the calls, between them or after.
        let peer = stand.peer([Supply::Room(2), Supply::Room(2), Supply::Room(9)]);
        let sent = block_on(stand.driver.send(&stream, vec!["hello".into()]));
        assert_eq!(sent.completion.into_result().expect("it was sent"), 5);
        peer.join().expect("it has taken everything");
        assert_eq!(stand.kernel.wire(), b"hello");
        drop(stream);
        stand.end();
    });
}

#[test]
fn a_packet_may_overtake_the_return_of_its_call() {
    overtaking(PACKETS);
}

#[test]
fn a_call_that_ends_at_once_needs_no_packet() {
    overtaking(SKIPS);
}

fn cancelling(manner: Manner) {
    model(move || {
        let stand = Stand::new(1, manner);
        let stream = stand.stream();
        let peer = stand.peer([HELLO]);
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
        canceller.join().expect("a cancellation never fails");
        peer.join().expect("it has sent");
        // What was received is never thrown away.
        match finished.completion.status() {
            CompletionStatus::SUCCESS => assert_eq!((&buffer[..], stand.kernel.unread()), (&b"hhhhh"[..], 0)),
            CompletionStatus::CANCELLED => assert_eq!((&buffer[..], stand.kernel.unread()), (&b""[..], 5)),
            other => panic!("{other:?}"),
        }
        assert_spent(&driver, key);
        drop((stream, driver));
        stand.end();
    });
}

#[test]
fn a_cancelled_receive_ends_once_with_its_buffer() {
    cancelling(PACKETS);
}

#[test]
fn a_driver_that_is_dropped_outlives_its_last_packet_in_a_pool() {
    model(|| {
        let stand = Stand::new(1, POOLED);
        let stream = stand.stream();
        let key =
            stand.driver.submit(Operation::Receive { handle: *stream, buffer: BytesMut::with_capacity(8) });
        stand.driver.abandon(key.expect("it is a stream"));
        let Stand { driver, kernel, threads, pool } = stand;
        // The cancelled call's packet is on its way to the pool, and the driver's threads may be the first to end.
        drop((stream, driver));
        kernel.end_pool();
        pool.into_iter().chain(threads).for_each(|thread| thread.join().expect("the thread ends"));
    });
}

#[test]
fn a_cancellation_that_the_kernel_does_not_heed_changes_nothing() {
    cancelling(DAWDLES);
}

#[test]
fn a_cancelled_send_tells_what_was_sent() {
    model(|| {
        let stand = Stand::new(1, PACKETS);
        let stream = stand.stream();
        let peer = stand.peer([Supply::Room(2), Supply::Room(9)]);
        let driver = Arc::clone(&stand.driver);
        let key = driver.submit(Operation::Send { handle: *stream, chunks: vec!["hello".into()] });
        let key = key.expect("it is a stream");
        let canceller = spawn({
            let driver = Arc::clone(&driver);
            move || driver.cancel(key)
        });
        let finished = block_on(outcome(&driver, key));
        assert!(matches!(finished.buffer, FinishedBuffer::Chunks(_)), "its buffer comes back");
        canceller.join().expect("a cancellation never fails");
        peer.join().expect("it has taken what there was");
        let status = finished.completion.status();
        let whole = finished.completion.bytes() == 5;
        assert_eq!(whole, status.is_success());
        assert!(whole || status == CompletionStatus::CANCELLED, "{status:?}");
        assert_eq!(stand.kernel.wire().len(), finished.completion.bytes());
        drop((stream, driver));
        stand.end();
    });
}

/// A buffer that says when it is freed.
struct Watched {
    memory: [u8; 4],
    freed: Arc<AtomicUsize>,
}

impl Watched {
    fn bytes(kernel: &Kernel) -> (Bytes, Arc<AtomicUsize>) {
        let freed = Arc::new(AtomicUsize::new(0));
        kernel.watch_memory(&freed);
        (Bytes::from_owner(Self { memory: *b"seen", freed: Arc::clone(&freed) }), freed)
    }
}

impl AsRef<[u8]> for Watched {
    fn as_ref(&self) -> &[u8] {
        &self.memory
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.freed.fetch_add(1, Ordering::Relaxed);
    }
}

fn abandoning(manner: Manner) {
    model(move || {
        let stand = Stand::new(1, manner);
        let stream = stand.stream();
        let (buffer, freed) = Watched::bytes(&stand.kernel);
        let peer = stand.peer([Supply::Room(4)]);
        let mut send = stand.driver.send(&stream, vec![buffer.into()]);
        let task = Task::new();
        let waker = Waker::from(Arc::clone(&task));
        drop(Pin::new(&mut send).poll(&mut Context::from_waker(&waker)));
        drop((send, stream));
        peer.join().expect("it has taken what there was");
        stand.end();
        assert_eq!(freed.load(Ordering::Relaxed), 1, "the buffer is freed once");
        drop(waker);
        assert_eq!(Arc::strong_count(&task), 1, "no waker is kept");
    });
}

#[test]
fn an_abandoned_send_keeps_its_buffer_until_the_kernel_is_done() {
    abandoning(DAWDLES);
}

#[test]
fn an_abandoned_send_that_is_cancelled_is_freed_once() {
    abandoning(PACKETS);
}

#[test]
fn a_dropped_driver_keeps_its_memory_until_the_kernel_is_done() {
    model(|| {
        let stand = Stand::new(1, DAWDLES);
        let stream = stand.stream();
        let (buffer, freed) = Watched::bytes(&stand.kernel);
        let send = stand.driver.send(&stream, vec![buffer.into()]);
        let peer = stand.peer([Supply::Room(4)]);
        let shared = Arc::downgrade(&stand.driver.shared);
        drop((send, stream, stand.driver));
        peer.join().expect("it has taken it");
        stand.threads.into_iter().for_each(|thread| thread.join().expect("the thread ends"));
        assert_eq!(freed.load(Ordering::Relaxed), 1, "the buffer is freed once");
        assert_eq!(shared.strong_count(), 0, "somebody keeps the driver");
        assert_eq!(stand.kernel.wire(), b"seen");
    });
}

fn sending_in_order(manner: Manner) {
    model(move || {
        let stand = Stand::new(1, manner);
        let stream = stand.stream();
        let peer = stand.peer([Supply::Room(1), Supply::Room(9), Supply::Room(9)]);
        // The second comes while the first is being sent by this thread, by that of the port, or was sent.
        let first = stand.driver.send(&stream, vec!["ab".into()]);
        let second = stand.driver.send(&stream, vec!["cd".into()]);
        assert!(block_on(second).completion.is_success());
        assert!(block_on(first).completion.is_success());
        peer.join().expect("it has taken everything");
        assert_eq!(stand.kernel.wire(), b"abcd");
        drop(stream);
        stand.end();
    });
}

#[test]
fn sends_of_one_stream_stay_in_order() {
    sending_in_order(PACKETS);
}

#[test]
fn sends_that_end_at_once_stay_in_order() {
    sending_in_order(SKIPS);
}

#[test]
fn sends_of_two_threads_do_not_mix() {
    model(|| {
        let stand = Stand::new(1, PACKETS);
        let stream = Arc::new(stand.stream());
        for room in [1, 9, 9] {
            stand.kernel.supply(Supply::Room(room));
        }
        let other = spawn({
            let (driver, stream) = (Arc::clone(&stand.driver), Arc::clone(&stream));
            move || assert!(block_on(driver.send(&stream, vec!["cd".into()])).completion.is_success())
        });
        assert!(block_on(stand.driver.send(&stream, vec!["ab".into()])).completion.is_success());
        other.join().expect("it was sent");
        let wire = stand.kernel.wire();
        assert!(wire == b"abcd" || wire == b"cdab", "{wire:?}");
        drop(stream);
        stand.end();
    });
}

#[test]
fn nothing_follows_half_a_send() {
    model(|| {
        let stand = Stand::new(1, LEAKS);
        let stream = stand.stream();
        let peer = stand.peer([Supply::Room(1), Supply::Room(9), Supply::Room(9)]);
        let first = stand.driver.send(&stream, vec!["ab".into()]);
        let second = stand.driver.send(&stream, vec!["cd".into()]);
        first.cancel();
        let (first, second) = (block_on(first).completion, block_on(second).completion);
        peer.join().expect("it has taken what there was");
        let wire = stand.kernel.wire();
        match (first.is_success(), second.is_success()) {
            (true, _) => assert_eq!(wire, b"abcd"),
            // It was cancelled before anything of it was with the kernel.
            (false, true) => assert_eq!(wire, b"cd"),
            (false, false) => assert!(b"ab".starts_with(&wire) && wire.len() >= first.bytes(), "{wire:?}"),
        }
        assert!(second.is_success() || second.status() == CompletionStatus::BROKEN_PIPE, "{second:?}");
        drop(stream);
        stand.end();
    });
}

/// The next lease: full of this.
async fn take(items: &mut Multishot<Lease, IocpDriver>, value: u8) {
    let lease = items.next().await.expect("there is more").expect("it is no error");
    assert!(lease.iter().all(|byte| *byte == value) && lease.len() == 5, "{:?} is not {value}", &lease[..]);
}

#[test]
fn a_consumer_that_catches_up_resumes_a_paused_receive() {
    model(|| {
        let stand = Stand::new(1, PACKETS);
        let stream = stand.stream();
        let mut items = stand.driver.receive_many(&stream);
        // More than are taken ahead.
        let peer = stand.peer([0, 1, 2].map(|value| Supply::Bytes(value, 5)));
        block_on(async {
            for value in 0..3 {
                take(&mut items, value).await;
            }
        });
        peer.join().expect("it has sent");
        // Whether it was paused or not, it goes on.
        stand.kernel.supply(Supply::Bytes(3, 5));
        block_on(take(&mut items, 3));
        drop((items, stream));
        stand.end();
    });
}

fn closing(manner: Manner) {
    model(move || {
        let stand = Stand::new(1, manner);
        let stream = stand.stream();
        let resource = {
            let state = stand.driver.shared.lock();
            Arc::downgrade(&state.open(*stream).expect("it is open").resource)
        };
        let peer = stand.peer([HELLO]);
        let driver = Arc::clone(&stand.driver);
        let operation = Operation::Receive { handle: *stream, buffer: BytesMut::with_capacity(8) };
        let key = driver.submit(operation).expect("it is a stream");
        let closer = spawn(move || drop(stream));
        let finished = block_on(outcome(&driver, key));
        let FinishedBuffer::Read(buffer) = finished.buffer else { panic!("its buffer comes back") };
        let status = finished.completion.status();
        assert!(status.is_success() || status == CompletionStatus::CANCELLED, "{status:?}");
        assert_eq!(status.is_success(), buffer.len() == 5);
        closer.join().expect("it is closed");
        peer.join().expect("it has sent");
        assert_spent(&driver, key);
        assert_eq!(driver.usage().handles, 0, "it goes with its last call");
        drop(driver);
        stand.end();
        assert_eq!(resource.strong_count(), 0, "the resource is closed");
    });
}

#[test]
fn a_closed_handle_ends_what_is_in_flight() {
    closing(PACKETS);
}

#[test]
fn a_closed_handle_keeps_its_resource_until_the_kernel_is_done() {
    closing(DAWDLES);
}

#[test]
fn a_submission_that_meets_the_shutdown_ends_or_is_rejected() {
    model(|| {
        // One thread may take the word to end for both, and passes one on.
        let stand = Stand::new(2, PACKETS);
        let stream = stand.stream();
        let driver = Arc::clone(&stand.driver);
        let other = spawn(move || {
            let done = block_on(driver.receive(&stream, BytesMut::with_capacity(8)));
            assert_eq!(done.completion.status(), CompletionStatus::CANCELLED);
            assert!(done.buffer.capacity() >= 8, "its buffer comes back");
        });
        stand.driver.shut_down();
        other.join().expect("it has ended");
        stand.end();
    });
}

#[test]
fn a_posted_packet_that_meets_the_shutdown_ends_or_is_rejected() {
    model(|| {
        let stand = Stand::new(2, PACKETS);
        let driver = Arc::clone(&stand.driver);
        let other = spawn(move || {
            let done = block_on(driver.post(7)).completion;
            assert!(matches!(done.status(), CompletionStatus::SUCCESS | CompletionStatus::CANCELLED));
        });
        stand.driver.shut_down();
        other.join().expect("it has ended");
        stand.end();
    });
}

#[test]
fn a_timer_rings_or_is_cancelled_once() {
    model(|| {
        let stand = Stand::new(1, PACKETS).with_timers();
        let driver = Arc::clone(&stand.driver);
        let key = driver.submit(Operation::Timer { after: Duration::ZERO }).expect("the driver is open");
        let canceller = spawn({
            let driver = Arc::clone(&driver);
            move || driver.cancel(key)
        });
        let status = block_on(outcome(&driver, key)).completion.status();
        assert!(status.is_success() || status == CompletionStatus::CANCELLED, "{status:?}");
        canceller.join().expect("a cancellation never fails");
        assert_spent(&driver, key);
        drop(driver);
        stand.end();
    });
}

#[test]
fn an_earlier_deadline_is_heard() {
    model(|| {
        let stand = Stand::new(1, PACKETS).with_timers();
        let late = stand.driver.timer(Duration::from_secs(3600));
        // Nobody cancels it: it rings, or this is a deadlock.
        assert!(block_on(stand.driver.timer(Duration::ZERO)).completion.is_success());
        drop(late);
        stand.end();
    });
}

#[test]
fn an_outcome_wakes_the_task_that_asked_last() {
    model(|| {
        let stand = Stand::new(1, PACKETS);
        let stream = stand.stream();
        let peer = stand.peer([HELLO]);
        let mut receive = stand.driver.receive(&stream, BytesMut::with_capacity(8));
        let first = Task::new();
        let waker = Waker::from(Arc::clone(&first));
        // It may be there already; else the next one who asks is told.
        let done = match Pin::new(&mut receive).poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(done) => done,
            Poll::Pending => block_on(&mut receive),
        };
        assert_eq!(&done.buffer[..], b"hhhhh");
        drop(receive);
        peer.join().expect("it has sent");
        drop(stream);
        stand.end();
        drop(waker);
        assert_eq!(Arc::strong_count(&first), 1, "no waker is kept");
    });
}
