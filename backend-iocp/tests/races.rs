//! Cancellation, close, shutdown, and who comes first.
#![cfg(windows)]

mod support;

use std::io::{Read, Write};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use bivalve_core::testing::block_on;
use bivalve_core::{CompletionStatus, Driver, DriverExt, Operation};
use bivalve_iocp::IocpDriver;
use bytes::BytesMut;
use support::{open_handles, pair, run, wait};

#[test]
fn posts_and_timers() {
    run(|driver| async move {
        assert_eq!(driver.name(), "iocp");
        assert_eq!(driver.post(123).await.into_result().unwrap().0, 123);
        let start = Instant::now();
        let (late, early) =
            (driver.timer(Duration::from_millis(60)), driver.timer(Duration::from_millis(20)));
        early.await.into_result().unwrap();
        assert!(start.elapsed() >= Duration::from_millis(20));
        late.await.into_result().unwrap();
        assert!(start.elapsed() >= Duration::from_millis(60));
        let never = driver.timer(Duration::MAX);
        never.cancel();
        assert_eq!(never.await.completion.status(), CompletionStatus::CANCELLED);
        driver.timer(Duration::ZERO).await.into_result().unwrap();
        drop(driver.timer(Duration::from_secs(1000)));
        assert_eq!(driver.usage().operations, 0);
    });
}

#[test]
fn a_cancelled_receive_gives_its_buffer_back() {
    run(|driver| async move {
        let (stream, _peer) = pair(&driver);
        for _ in 0..200 {
            let receiving = driver.receive(&stream, BytesMut::with_capacity(512));
            let queued = driver.receive(&stream, BytesMut::with_capacity(256));
            queued.cancel();
            let done = queued.await;
            assert_eq!(
                (done.completion.status(), done.buffer.capacity()),
                (CompletionStatus::CANCELLED, 256)
            );
            receiving.cancel();
            let done = receiving.await;
            assert_eq!(
                (done.completion.status(), done.buffer.capacity()),
                (CompletionStatus::CANCELLED, 512)
            );
        }
    });
}

#[test]
fn cancel_races_with_the_data() {
    run(|driver| async move {
        let (stream, mut peer) = pair(&driver);
        let writer = std::thread::spawn(move || {
            for _ in 0..2000 {
                peer.write_all(&[1; 10]).unwrap();
            }
        });
        let mut received = 0;
        while received < 20_000 {
            let receiving = driver.receive(&stream, BytesMut::with_capacity(7));
            receiving.cancel();
            let done = receiving.await;
            match done.completion.status() {
                CompletionStatus::CANCELLED => assert!(done.buffer.is_empty()),
                status => {
                    assert_eq!(status, CompletionStatus::SUCCESS);
                    received += done.buffer.len();
                }
            }
        }
        assert_eq!(received, 20_000, "nothing was lost, nothing came twice");
        writer.join().unwrap();
    });
}

#[test]
fn close_cancels_and_frees_the_handle() {
    let before = open_handles();
    run(|driver| async move {
        for _ in 0..50 {
            let (stream, mut peer) = pair(&driver);
            let receiving = driver.receive(&stream, BytesMut::with_capacity(64));
            let queued = driver.receive(&stream, BytesMut::with_capacity(64));
            let handle = stream.release();
            driver.close(handle);
            assert_eq!(receiving.await.completion.status(), CompletionStatus::CANCELLED);
            assert_eq!(queued.await.completion.status(), CompletionStatus::CANCELLED);
            let spent = driver.receive(&handle, BytesMut::with_capacity(64)).await;
            assert_eq!(spent.completion.status(), CompletionStatus::INVALID_HANDLE);
            assert!(matches!(peer.read(&mut [0; 8]), Ok(0) | Err(_)));
        }
        wait("no handle is left", || driver.usage().handles == 0);
    });
    wait("every handle is closed", || open_handles() <= before);
}

#[test]
fn dropped_operations_keep_their_buffers_until_the_packet() {
    run(|driver| async move {
        let (stream, mut peer) = pair(&driver);
        for _ in 0..500 {
            drop(driver.receive(&stream, BytesMut::with_capacity(4096)));
        }
        wait("all have ended", || driver.usage().operations == 0);
        peer.write_all(b"still open").unwrap();
        assert_eq!(&driver.receive(&stream, BytesMut::with_capacity(64)).await.buffer[..], b"still open");
    });
}

#[test]
fn shutdown_drains_and_rejects_what_comes_later() {
    let before = open_handles();
    let driver = Arc::new(IocpDriver::new().unwrap());
    let any: Arc<dyn Driver> = Arc::clone(&driver) as _;
    let (stream, _peer) = pair(&any);
    let (receiving, timer) =
        (any.receive(&stream, BytesMut::with_capacity(64)), any.timer(Duration::from_secs(1000)));
    any.shut_down();
    let start = Instant::now();
    assert_eq!(block_on(receiving).completion.status(), CompletionStatus::CANCELLED);
    assert_eq!(block_on(timer).completion.status(), CompletionStatus::CANCELLED);
    assert_eq!(block_on(any.post(1)).completion.status(), CompletionStatus::CANCELLED);
    assert!(any.associate(std::net::TcpListener::bind("127.0.0.1:0").unwrap().into()).is_err());
    wait("the threads have ended", || driver.threads() == 0);
    assert!(start.elapsed() < Duration::from_secs(5) && any.usage().is_idle());
    drop((stream, _peer, any, driver));
    wait("every handle is closed", || open_handles() <= before);
}

#[test]
fn a_dropped_driver_ends_its_threads_by_itself() {
    let before = open_handles();
    let driver: Arc<dyn Driver> = Arc::new(IocpDriver::new().unwrap());
    let (stream, peer) = pair(&driver);
    let handle = stream.release();
    let key = driver.submit(Operation::Receive { handle, buffer: BytesMut::with_capacity(64) });
    assert!(key.is_ok());
    drop(driver);
    drop(peer);
    wait("port, socket and threads are gone", || open_handles() <= before);
}

#[test]
fn a_panic_in_a_waker_does_not_end_the_port() {
    struct Panics(AtomicUsize);
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
            panic!("a waker of the caller's");
        }
    }
    let driver = IocpDriver::builder().threads(NonZeroUsize::MIN).build().unwrap();
    let panics = Arc::new(Panics(AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&panics));
    for _ in 0..3 {
        let driver: &dyn Driver = &driver;
        let key = driver.submit(Operation::Timer { after: Duration::from_millis(5) }).unwrap();
        while driver.poll(key, &mut Context::from_waker(&waker)).is_pending() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    let driver: Arc<dyn Driver> = Arc::new(driver);
    let (stream, mut peer) = pair(&driver);
    let operation = Operation::Receive { handle: *stream, buffer: BytesMut::with_capacity(8) };
    let key = driver.submit(operation).unwrap();
    assert!(driver.poll(key, &mut Context::from_waker(&waker)).is_pending());
    peer.write_all(b"x").unwrap();
    wait("it was woken", || driver.poll(key, &mut Context::from_waker(&waker)).is_ready());
    assert!(panics.0.load(Ordering::Relaxed) >= 2);
    assert_eq!(block_on(driver.post(1)).into_result().unwrap().0, 1, "the thread goes on");
}

#[test]
fn a_waker_may_call_the_driver() {
    struct Closes(Arc<dyn Driver>, bivalve_core::Handle);
    impl Wake for Closes {
        fn wake(self: Arc<Self>) {
            self.0.close(self.1);
            assert!(self.0.usage().handles <= 1);
        }
    }
    run(|driver| async move {
        let (stream, mut peer) = pair(&driver);
        let handle = stream.release();
        let waker = Waker::from(Arc::new(Closes(Arc::clone(&driver), handle)));
        let operation = Operation::Receive { handle, buffer: BytesMut::with_capacity(8) };
        let key = driver.submit(operation).unwrap();
        assert!(driver.poll(key, &mut Context::from_waker(&waker)).is_pending());
        peer.write_all(b"x").unwrap();
        wait("the waker has closed the handle", || driver.usage().handles == 0);
        let polled = driver.poll(key, &mut Context::from_waker(Waker::noop()));
        assert!(matches!(polled, Poll::Ready(finished) if finished.completion.is_success()));
    });
}

/// Completions before, while and after their call returns: nothing is lost, whatever thread is first.
#[test]
fn many_streams_at_once_lose_nothing() {
    run(|driver| async move {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let driver = Arc::clone(&driver);
                std::thread::spawn(move || {
                    for _ in 0..5 {
                        let (stream, mut peer) = pair(&driver);
                        let echo = std::thread::spawn(move || {
                            let mut buffer = [0; 100];
                            while let Ok(read @ 1..) = peer.read(&mut buffer) {
                                peer.write_all(&buffer[..read]).unwrap();
                            }
                        });
                        block_on(async {
                            for _ in 0..200 {
                                let receive = driver.receive(&stream, BytesMut::with_capacity(100));
                                let sent = driver.send(&stream, vec!["ping".into()]).await;
                                assert_eq!(sent.completion.into_result().unwrap(), 4);
                                assert_eq!(&receive.await.buffer[..], b"ping");
                                driver.post(1).await.into_result().unwrap();
                            }
                        });
                        drop(stream);
                        echo.join().unwrap();
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}
